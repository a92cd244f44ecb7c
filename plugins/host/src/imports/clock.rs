//! What time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use coditect_protocol::plugin::CapabilityName;

use super::{Settled, Told, settle, wit};
use crate::state::{Around, State};
use wit::clock::Host;

impl Host for State {
    async fn now(&mut self) -> Settled<u64> {
        let since = |_: &Around| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        settle(told(&self.around, since))
    }

    /// Counts from where the call began: how long the server runs is nobody's business.
    async fn monotonic(&mut self) -> Settled<u64> {
        settle(told(&self.around, |around| around.says.begun.elapsed().as_millis()))
    }
}

fn told(around: &Around, millis: impl FnOnce(&Around) -> u128) -> Told<u64> {
    around.enter()?;
    around.need(CapabilityName::Clock)?;
    Ok(u64::try_from(millis(around)).unwrap_or(u64::MAX))
}
