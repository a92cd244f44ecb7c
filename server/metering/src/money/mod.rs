//! Money: what calls cost, and the budgets that bound it.
//!
//! A budget holds under any number of servers, of calls at once and of crashes: before a call, its most is set aside ([`Ledger::hold`]);
//! after it, what it cost is settled. A commit for each call would be slow, so that a server takes a block of a budget at a time and
//! sets money aside from that in memory. Whatever it took counts as spent until it gives it back; a server that crashed never does.

mod account;
mod cost;
mod give_back;
mod hold;
mod ledger;
mod period;
mod prices;

#[cfg(test)]
pub(crate) use account::Taken;
pub(crate) use account::{AccountId, Of};
pub use cost::Counted;
pub(crate) use cost::{cost, most};
pub(crate) use hold::Hold;
pub(crate) use ledger::{Ledger, Refused, Unwritten};
pub(crate) use period::{Period, date_of};
pub(crate) use prices::built_in;
