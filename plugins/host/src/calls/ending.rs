//! Why a call came to no good end.

use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use crate::CallError;
use crate::meter::Meter;
use crate::settings::HostSettings;

/// Longest description of a crash, in bytes.
const MAX_CRASH_BYTES: usize = 300;
/// How wasmtime says that more was handed over than it may; its type has no public name.
const HANDED_OVER_TOO_MUCH: &str = "fuel allocated for hostcalls has been exhausted";

/// What an error of the engine means. A limit that was met before counts more than the crash that came of it.
pub(super) fn error(error: &wasmtime::Error, meter: &Meter, settings: &HostSettings) -> CallError {
    if let Some(own) = error.downcast_ref::<CallError>() {
        return own.clone();
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::StackOverflow) {
        return CallError::Stack { kib: settings.stack_bytes >> 10 };
    }
    if let Some(limit) = meter.limit() {
        return limit;
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return CallError::Busy;
    }
    if error.chain().any(|cause| cause.to_string().contains(HANDED_OVER_TOO_MUCH)) {
        return CallError::HostBytes { bytes: settings.host_bytes };
    }
    CallError::Trapped { what: crash(error, trap) }
}

fn crash(error: &wasmtime::Error, trap: Option<&Trap>) -> String {
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        return format!("it exited with {code}");
    }
    let text = trap.map_or_else(|| error.root_cause().to_string(), ToString::to_string);
    one_line(text.strip_prefix("wasm trap: ").unwrap_or(&text), MAX_CRASH_BYTES)
}

/// A text of a stranger for a message: without characters that do more than stand there, and cut off.
pub(crate) fn one_line(text: &str, max_bytes: usize) -> String {
    let mut line: String = text.chars().take(max_bytes).map(|char| if is_active(char) { ' ' } else { char }).collect();
    line.truncate(line.floor_char_boundary(max_bytes));
    line
}

/// Control characters, and those that turn the direction of writing.
pub(super) const fn is_active(char: char) -> bool {
    matches!(char,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}
