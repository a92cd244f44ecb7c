//! What a plugin is asked, for whom, and what comes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use coditect_protocol::RelPath;
use coditect_protocol::plugin::{PluginCall, PluginItem, PluginOutcome, Said};
use tokio::sync::mpsc;

use crate::error::CallError;
use crate::ports::{Model, Ports, Question};
use crate::rights::Rights;

/// What a plugin is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// By a page → [`Outcome::Page`].
    Page(Box<PluginCall>),
    /// What it has to say about a question to a language model → [`Outcome::Verdict`].
    FilterQuestion {
        /// Which model.
        model: String,
        /// What is asked.
        messages: Vec<Said>,
    },
    /// What it has to say about the answer → [`Outcome::Verdict`].
    FilterAnswer {
        /// Which model.
        model: String,
        /// What it answered.
        text: String,
    },
    /// The models of one of its providers → [`Outcome::Models`].
    ProviderModels {
        /// Which provider.
        provider: String,
    },
    /// An answer of one of its providers, given as [`PluginItem::Text`] and [`PluginItem::Thought`] → [`Outcome::Done`].
    ProviderRespond {
        /// Which provider.
        provider: String,
        /// What is asked.
        question: Question,
    },
    /// Files changed → [`Outcome::Done`].
    Changed {
        /// Which, and how.
        events: Vec<(RelPath, FileChange)>,
    },
}

/// How a file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
    /// It is new.
    Created,
    /// Its content is another.
    Changed,
    /// It is gone.
    Deleted,
}

/// What a filter has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it is.
    Pass,
    /// These texts instead, as many as were given.
    Replace(Vec<String>),
    /// Not at all, and why.
    Refuse(String),
}

/// What a plugin answered, checked and bounded.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// To a page.
    Page(PluginOutcome),
    /// Of a filter.
    Verdict(Verdict),
    /// Of a provider.
    Models(Vec<Model>),
    /// Nothing more.
    Done,
}

/// For whom a plugin is called, and with what.
#[derive(Clone)]
pub struct Caller {
    /// The person. How many calls run at the same time is counted for each of them, and for each of their plugins.
    pub who: u64,
    /// What was granted.
    pub rights: Arc<Rights>,
    /// What the surroundings do for it.
    pub ports: Ports,
    /// What the person chose in its settings: JSON by the setting's identifier.
    pub settings: Arc<BTreeMap<String, String>>,
    /// The person allows requests into private networks.
    pub private_hosts: bool,
    /// Where what comes before the end goes to. What it does not take at once waits, and the call with it.
    pub items: Option<mpsc::Sender<PluginItem>>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("who", &self.who).finish_non_exhaustive()
    }
}

/// What a call took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallFigures {
    /// From when it was asked for to its end, in microseconds.
    pub micros: u64,
    /// Of those, how long it ran.
    pub cpu_micros: u64,
    /// How long it took until its instance stood, in nanoseconds.
    pub instantiate_nanos: u64,
    /// How long the plugin's own function took then, with what it waited for, in nanoseconds.
    pub inside_nanos: u64,
    /// The most memory that its instance had, in bytes.
    pub peak_memory_bytes: u64,
    /// How often it asked its host for something.
    pub host_calls: u64,
}

/// A call that came to its deadline and ran for less than one part in so many of it was kept waiting: by a server that has too much to do,
/// or by what it asked for.
const RAN_AT_LEAST: u64 = 4;

/// The end of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// What the plugin answered, or why it did not.
    pub outcome: Result<Outcome, CallError>,
    /// What the call took.
    pub figures: CallFigures,
}

impl Called {
    /// Whether it speaks against the plugin: one that does this again and again is rested and disabled. One whose time passed while it
    /// was waiting did nothing wrong.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        match &self.outcome {
            Ok(_) => false,
            Err(CallError::Deadline { ms }) => self.figures.cpu_micros >= ms.saturating_mul(1_000) / RAN_AT_LEAST,
            Err(error) => error.is_fault(),
        }
    }
}
