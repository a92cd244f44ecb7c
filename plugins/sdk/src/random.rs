//! Unpredictable bytes. Capability `random`.

use crate::error::{Error, Result};
use crate::host::random as host;

/// So many bytes; at most 64 KiB.
pub fn bytes(length: u32) -> Result<Vec<u8>> {
    host::bytes(length).map_err(Error::from_wire)
}

/// So many bytes, as an array.
///
/// ```
/// use coditect_plugin_sdk::prelude::*;
///
/// # let _host = testing::Host::new().enter();
/// let number = u64::from_le_bytes(random::array()?);
/// # Ok::<(), Error>(())
/// ```
pub fn array<const N: usize>() -> Result<[u8; N]> {
    let length = u32::try_from(N).unwrap_or(u32::MAX);
    bytes(length)?.try_into().map_err(|_| Error::failed("the host gave another number of random bytes"))
}
