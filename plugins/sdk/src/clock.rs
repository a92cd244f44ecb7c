//! What time it is. Capability `clock`.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::host::clock as host;

/// Since 1970, in whole milliseconds.
pub fn now() -> Result<Duration> {
    host::now().map(Duration::from_millis).map_err(Error::from_wire)
}

/// Since some moment, never backwards, in whole milliseconds.
pub fn monotonic() -> Result<Duration> {
    host::monotonic().map(Duration::from_millis).map_err(Error::from_wire)
}
