//! Telling the person something.

use crate::bindings::coditect::plugin::types::Severity;
use crate::error::{Error, Result};
use crate::host::ui as host;

/// Shows a message. Capability `notify`; ten a minute.
pub fn notify(severity: Severity, text: &str) -> Result<()> {
    host::notify(severity, text).map_err(Error::from_wire)
}

/// How far the call under way is: a text, and 0 to 100 where that is known.
pub fn progress(text: &str, percent: Option<u32>) {
    host::progress(text, percent);
}
