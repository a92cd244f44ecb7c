//! Lines for the plugin's log.

use std::sync::atomic::Ordering;

use super::{text, wit};
use crate::state::{Around, State};
use wit::log::{Host, Level};

/// Longest text of one write, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 8 * 1024;
/// What each write counts for beside its text, in bytes: it is kept with a time and a level.
const WRITE_BYTES: usize = 32;

impl Host for State {
    async fn write(&mut self, level: Level, text: String) -> wasmtime::Result<()> {
        self.around.enter()?;
        let level = match level {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        };
        self.around.write_log(level, &text);
        Ok(())
    }
}

impl Around {
    /// Writes to the log what may still be written to it in this call.
    pub(super) fn write_log(&self, level: &'static str, text: &str) {
        let Some(ears) = self.caller.ports.ears.as_ref().filter(|_| self.log_left.load(Ordering::Relaxed) > 0) else {
            return;
        };
        let mut text = text::clean(text, MAX_TEXT_BYTES);
        let wanted = text.len() + WRITE_BYTES;
        let taken = self.take_log(wanted);
        if taken == wanted {
            ears.log(level, text);
        } else if taken > 0 {
            text::cut(&mut text, taken.saturating_sub(WRITE_BYTES));
            ears.log(level, text);
            let most = self.settings.log_bytes / 1024;
            ears.log(
                "warn",
                format!("The rest of what this call writes to its log is left out: {most} KiB are allowed."),
            );
        }
    }
}
