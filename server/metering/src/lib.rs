//! Who may ask which model, how often and for how much; what was asked, and what it cost.
//!
//! * `govern/` is the admins' policy: other names for models, who may ask which, prices, budgets, limits, teams.
//! * `money/` is what calls cost and the budgets that bound it; `limits/` bounds requests and tokens in a minute.
//! * `usage/` is the record of every call, and the sums over them; `metrics/` is numbers for a monitoring system.
//! * [`Admission`] is a call's way through all of them: let in, money set aside, settled.
//!
//! **May know:** the protocol and store crates. **Invariants:** no budget is overspent beyond what was set aside before the call, under
//! any number of servers, calls at once and crashes; every call that was admitted is recorded once, or the next ones are refused;
//! nothing of what is said to a model or by it is known here.

mod admission;
mod error;
mod govern;
mod limits;
mod metering;
mod metrics;
mod money;
#[cfg(test)]
mod tests;
mod time;
mod usage;

pub use admission::{AGENT_MAX_CHARS, Admission, Allowance, Ask, Asker, DEFAULT_MAX_OUTPUT_TOKENS, End, More};
pub use error::{MeteringError, Refusal};
pub use govern::{Rules, fits};
pub use limits::Limited;
pub use metering::{Metering, MeteringSettings};
pub use money::Counted;
pub use usage::{CallFilter, Export, ExportForm, ReportQuery};
