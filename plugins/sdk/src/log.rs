//! Lines for the plugin's log, which its person and its author read; at most 64 KiB a call.
//!
//! ```
//! use coditect_plugin_sdk::prelude::*;
//!
//! log::info!("{} files looked at", 3);
//! ```

pub use crate::bindings::coditect::plugin::log::Level;
use crate::host::log as host;

/// Writes a line.
pub fn write(level: Level, text: &str) {
    host::write(level, text);
}

/// For the author only.
pub use crate::__log_debug as debug;
/// Something went wrong.
pub use crate::__log_error as error;
/// Worth knowing.
pub use crate::__log_info as info;
/// Something may be wrong.
pub use crate::__log_warn as warn;

#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($text)+)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($text)+)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($text)+)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($text)+)) };
}
