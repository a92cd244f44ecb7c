//! Unpredictable bytes.

use coditect_protocol::plugin::CapabilityName;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{Error, Settled, Told, settle, wit};
use crate::state::{Around, State};
use wit::random::Host;

/// Most bytes at once.
pub(super) const MAX_BYTES: usize = 64 * 1024;

impl Host for State {
    async fn bytes(&mut self, length: u32) -> Settled<Vec<u8>> {
        settle(bytes(&self.around, length))
    }
}

fn bytes(around: &Around, length: u32) -> Told<Vec<u8>> {
    around.enter()?;
    around.need(CapabilityName::Random)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BYTES);
    let length = length.ok_or_else(|| Error::Limit(format!("At most {} KiB come at once.", MAX_BYTES / 1024)))?;
    let mut bytes = vec![0; length];
    let none = |_| Error::Unavailable("The machine has no unpredictable bytes.".to_owned());
    SystemRandom::new().fill(&mut bytes).map_err(none)?;
    Ok(bytes)
}
