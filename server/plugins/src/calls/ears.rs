//! What plugins say while they are called: to their log, to those who look after them, to their person.

use std::sync::Arc;

use coditect_plugin_host::ports::{Answer, Ears, Refused};
use coditect_protocol::plugin::{CapabilityName, FindingSeverity, PluginItem};
use tokio::sync::broadcast;

use crate::keys::Whose;
use crate::log::cut;
use crate::plugins::Inner;
use crate::settings::MAX_NOTICE_BYTES;

/// Ears of one plugin of a person.
pub(super) struct PersonsEars {
    pub(super) inner: Arc<Inner>,
    pub(super) whose: Whose,
    pub(super) notices: broadcast::Sender<PluginItem>,
}

impl Ears for PersonsEars {
    fn log(&self, level: &'static str, text: String) {
        self.inner.logs.write(&self.whose, level, text);
    }

    fn denied(&self, capability: CapabilityName, subject: &str) {
        self.inner.logs.deny(&self.whose, capability, subject);
        self.inner.supervisor.denied(&self.whose);
        self.inner.metrics.denied(&self.whose.2);
    }

    fn notify(&self, severity: FindingSeverity, mut text: String) -> Answer<()> {
        cut(&mut text, MAX_NOTICE_BYTES);
        let notice = PluginItem::Notice { plugin: self.whose.2.to_string(), severity, text };
        match self.notices.send(notice) {
            Ok(_) => Ok(()),
            Err(_) => Err(Refused::Unavailable("Nobody has the workspace open at the moment.".to_owned())),
        }
    }
}
