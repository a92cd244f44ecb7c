//! What a plugin was granted, in the form in which it is asked about.
//!
//! Every import asks here before it does anything, and asks anew each time: what is taken back is gone from the next question on, also
//! for calls that are under way. Reading takes no lock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use coditect_protocol::RelPath;
use coditect_protocol::llm::Usd;
use coditect_protocol::plugin::{Capability, CapabilityName};
use tokio::time::Instant;

pub use globs::Globs;
pub(crate) use globs::is_git;
pub(crate) use hosts::{Hosts, Reach};

mod globs;
mod hosts;
mod words;

#[cfg(test)]
mod tests;

/// Most notices within [`NOTICES_WITHIN`].
const MAX_NOTICES: usize = 10;
const NOTICES_WITHIN: Duration = Duration::from_secs(60);

/// What a plugin was granted by its person in a workspace. One for all its calls: what it may do so often in a minute is counted here.
#[derive(Debug)]
pub struct Rights {
    granted: ArcSwap<Granted>,
    /// When it last told the person something.
    notices: Mutex<VecDeque<Instant>>,
}

/// One state of the rights.
#[derive(Debug, Default)]
pub(crate) struct Granted {
    capabilities: Vec<Capability>,
    documents: Globs,
    files_read: Globs,
    files_write: Globs,
    search: Globs,
    http: Hosts,
    models: Vec<String>,
}

impl Rights {
    /// These, and nothing else. A pattern that cannot be read grants nothing.
    #[must_use]
    pub fn new(capabilities: Vec<Capability>) -> Self {
        Self { granted: ArcSwap::from_pointee(Granted::new(capabilities)), notices: Mutex::default() }
    }

    /// These from now on, also for calls that are under way.
    pub fn set(&self, capabilities: Vec<Capability>) {
        self.granted.store(Arc::new(Granted::new(capabilities)));
    }

    /// Whether the person may be told something now; it counts as told.
    pub(crate) fn may_notify(&self) -> bool {
        let now = Instant::now();
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.retain(|told| now.duration_since(*told) < NOTICES_WITHIN);
        let may = notices.len() < MAX_NOTICES;
        if may {
            notices.push_back(now);
        }
        may
    }

    /// As they are now.
    pub(crate) fn now(&self) -> Arc<Granted> {
        self.granted.load_full()
    }

    /// Whether a capability was granted, whatever it is bounded by.
    #[must_use]
    pub fn has(&self, name: CapabilityName) -> bool {
        self.granted.load().get(name).is_some()
    }

    /// What was granted under a name.
    #[must_use]
    pub fn get(&self, name: CapabilityName) -> Option<Capability> {
        self.granted.load().get(name).cloned()
    }

    /// Whether a text of an editor may be handed over.
    #[must_use]
    pub fn documents(&self, path: &RelPath) -> bool {
        self.granted.load().documents.matches(path)
    }

    /// Whether a file may be read.
    #[must_use]
    pub fn files_read(&self, path: &RelPath) -> bool {
        self.granted.load().files_read.matches(path)
    }

    /// Whether a file may be written and deleted.
    #[must_use]
    pub fn files_write(&self, path: &RelPath) -> bool {
        self.granted.load().files_write.matches(path)
    }

    /// Whether a file may be looked at by searches.
    #[must_use]
    pub fn search(&self, path: &RelPath) -> bool {
        self.granted.load().search.matches(path)
    }

    /// Whether a language model may be asked.
    #[must_use]
    pub fn model(&self, model: &str) -> bool {
        self.granted.load().model(model)
    }
}

impl Granted {
    fn new(capabilities: Vec<Capability>) -> Self {
        let mut granted = Self::default();
        for capability in &capabilities {
            match capability {
                Capability::Documents { globs } => granted.documents = Globs::new(globs),
                Capability::FilesRead { globs } => granted.files_read = Globs::new(globs),
                Capability::FilesWrite { globs } => granted.files_write = Globs::new(globs),
                Capability::Search { globs } => granted.search = Globs::new(globs),
                Capability::Http { hosts, private } => granted.http = Hosts::new(hosts, *private),
                Capability::Models { models, .. } => granted.models.clone_from(models),
                Capability::Conversations
                | Capability::GitRead
                | Capability::Notify
                | Capability::Storage { .. }
                | Capability::Clock
                | Capability::Random => {}
            }
        }
        granted.capabilities = capabilities;
        granted
    }

    fn get(&self, name: CapabilityName) -> Option<&Capability> {
        // Of two of one name the last counts, as it does above.
        self.capabilities.iter().rfind(|capability| capability.name() == name)
    }

    pub(crate) fn has(&self, name: CapabilityName) -> bool {
        self.get(name).is_some()
    }

    pub(crate) const fn reads(&self) -> &Globs {
        &self.files_read
    }

    pub(crate) const fn writes(&self) -> &Globs {
        &self.files_write
    }

    pub(crate) const fn searches(&self) -> &Globs {
        &self.search
    }

    pub(crate) const fn hosts(&self) -> &Hosts {
        &self.http
    }

    pub(crate) fn model(&self, model: &str) -> bool {
        self.models.iter().any(|pattern| words::matches(pattern, model))
    }

    /// What language models may cost a day.
    pub(crate) fn usd_per_day(&self) -> Option<Usd> {
        match self.get(CapabilityName::Models)? {
            Capability::Models { usd_per_day, .. } => Some(*usd_per_day),
            _ => None,
        }
    }

    /// What may be stored, in bytes.
    pub(crate) fn quota_bytes(&self) -> Option<u64> {
        match self.get(CapabilityName::Storage)? {
            Capability::Storage { bytes } => Some(*bytes),
            _ => None,
        }
    }
}

/// What a plugin reads when it asks for what it was not granted: the capability, and the line of the manifest that asks for it.
pub(crate) fn denial(name: CapabilityName, subject: &str) -> String {
    let quoted = serde_json::Value::from(subject);
    let (what, bounds) = match name {
        CapabilityName::Documents => (format!("Being handed {subject}"), format!(", globs = [{quoted}]")),
        CapabilityName::FilesRead => (format!("Reading {subject}"), format!(", globs = [{quoted}]")),
        CapabilityName::FilesWrite => (format!("Writing {subject}"), format!(", globs = [{quoted}]")),
        CapabilityName::Search => ("Searching the workspace".to_owned(), ", globs = [\"**\"]".to_owned()),
        CapabilityName::Http => (format!("A request to {subject}"), format!(", hosts = [{quoted}]")),
        CapabilityName::Models if subject.is_empty() => {
            ("Asking language models".to_owned(), ", models = [\"*\"], usd-per-day = 1.0".to_owned())
        }
        CapabilityName::Models => (format!("Asking {subject}"), format!(", models = [{quoted}], usd-per-day = 1.0")),
        CapabilityName::Conversations => ("Seeing conversations".to_owned(), String::new()),
        CapabilityName::GitRead => ("Looking at the git repository".to_owned(), String::new()),
        CapabilityName::Notify => ("Telling the person something".to_owned(), String::new()),
        CapabilityName::Storage => ("Keeping values".to_owned(), ", bytes = 65536".to_owned()),
        CapabilityName::Clock => ("Knowing the time".to_owned(), String::new()),
        CapabilityName::Random => ("Unpredictable bytes".to_owned(), String::new()),
    };
    format!(
        "{what} takes the capability {name}, which was not granted: plugin.toml asks for it with \
         [[capability]] name = \"{name}\"{bounds}, and the person grants it."
    )
}
