//! What is asked.

mod read;
mod write;

pub(crate) use read::{choice_word, has_detail, media, read};
pub(crate) use write::{strict, url, write};

use crate::turn::Effort;

/// `reasoning_effort` of this dialect and of the responses, in order.
pub(crate) const EFFORTS: [(Effort, &str); 7] = [
    (Effort::None, "none"),
    (Effort::Minimal, "minimal"),
    (Effort::Low, "low"),
    (Effort::Medium, "medium"),
    (Effort::High, "high"),
    (Effort::ExtraHigh, "xhigh"),
    (Effort::Max, "max"),
];

/// The word for an effort.
pub(crate) fn effort_word(effort: Effort) -> &'static str {
    EFFORTS.iter().find(|(known, _)| *known == effort).map_or("medium", |(_, word)| word)
}

/// The effort of a word.
pub(crate) fn effort_of(word: &str) -> Option<Effort> {
    EFFORTS.iter().find(|(_, known)| *known == word).map(|(effort, _)| *effort)
}
