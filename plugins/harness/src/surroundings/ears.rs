//! What a plugin says, written down.

use std::sync::{Arc, Mutex};

use coditect_plugin_host::ports::{Answer, Ears};
use coditect_protocol::plugin::{CapabilityName, FindingSeverity};

use super::locked;
use crate::session::Denied;

/// A line of the plugin's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// `error`, `warn`, `info` or `debug`.
    pub level: &'static str,
    /// What.
    pub text: String,
}

/// Something that the plugin told the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub severity: FindingSeverity,
    /// What.
    pub text: String,
}

/// All that was said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    pub(crate) log: Vec<LogLine>,
    pub(crate) denials: Vec<Denied>,
    pub(crate) notices: Vec<Notice>,
}

/// Writes it down.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Heard>>);

impl Recorder {
    pub(crate) fn heard(&self) -> Heard {
        locked(&self.0).clone()
    }
}

impl Ears for Recorder {
    fn log(&self, level: &'static str, text: String) {
        locked(&self.0).log.push(LogLine { level, text });
    }

    fn denied(&self, capability: CapabilityName, subject: &str) {
        locked(&self.0).denials.push(Denied { capability, subject: subject.to_owned() });
    }

    fn notify(&self, severity: FindingSeverity, text: String) -> Answer<()> {
        locked(&self.0).notices.push(Notice { severity, text });
        Ok(())
    }
}
