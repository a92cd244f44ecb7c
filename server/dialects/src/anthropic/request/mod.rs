//! What is asked.

mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

use crate::turn::Effort;

/// `output_config.effort`, in order. What is less than `low` is not there.
const EFFORTS: [(Effort, &str); 5] = [
    (Effort::Low, "low"),
    (Effort::Medium, "medium"),
    (Effort::High, "high"),
    (Effort::ExtraHigh, "xhigh"),
    (Effort::Max, "max"),
];
