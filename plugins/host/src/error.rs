//! Everything that can go wrong here, with its stable code.

use coditect_protocol::plugin::CapabilityName;
use coditect_protocol::{Coded, Kind};

/// Why a component is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// These bytes are no component.
    #[error(
        "This is no component of WebAssembly ({detail}); build the plugin for wasm32-wasip2, or make a component of it."
    )]
    NotAComponent {
        /// What is wrong.
        detail: String,
    },
    /// It asks for something that there is not.
    #[error("The component imports {name}, which plugins do not have; use the interfaces of coditect:plugin.")]
    UnknownImport {
        /// What it asks for.
        name: String,
    },
    /// It was written against a contract that this server does not have.
    #[error("The component speaks {name}, which this server does not know; it knows coditect:plugin@{known}.")]
    UnknownContract {
        /// What it speaks.
        name: String,
        /// What is known.
        known: String,
    },
    /// The manifest offers what the component does not export.
    #[error(
        "The manifest offers {interface}, which the component does not export; export it, or take it out of plugin.toml."
    )]
    NotExported {
        /// The interface.
        interface: &'static str,
    },
    /// It is larger than a component may be.
    #[error("The component has {what}, of which {most} are allowed; make it smaller.")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        most: u64,
    },
    /// It could not be translated, or not be linked.
    #[error("The component cannot be run: {detail}")]
    Refused {
        /// Why.
        detail: String,
    },
    /// Translating it takes more than it may.
    #[error("Translating the component takes more than {most} {unit}; make it smaller.")]
    TranslationTooLarge {
        /// What it may take.
        most: u64,
        /// Of what.
        unit: &'static str,
    },
    /// What translates components did not work.
    #[error("The component could not be translated: {detail}")]
    TranslationFailed {
        /// What happened.
        detail: String,
    },
    /// What was compiled was made by another version or with other settings.
    #[error("The plugin was translated for another server; translate it again.")]
    OtherHost,
    /// The machine does not give what running plugins takes.
    #[error("Plugins cannot be run on this machine: {detail}")]
    Engine {
        /// Why.
        detail: String,
    },
    /// The directory of translated plugins cannot be used.
    #[error("The directory of translated plugins cannot be used: {detail}")]
    Cache {
        /// Why.
        detail: String,
    },
}

impl Coded for HostError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotAComponent { .. } => "plugins.not_a_component",
            Self::UnknownImport { .. } => "plugins.unknown_import",
            Self::UnknownContract { .. } => "plugins.unknown_contract",
            Self::NotExported { .. } => "plugins.not_exported",
            Self::TooLarge { .. } => "plugins.component_too_large",
            Self::Refused { .. } => "plugins.component_refused",
            Self::TranslationTooLarge { .. } => "plugins.translation_too_large",
            Self::TranslationFailed { .. } => "plugins.translation_failed",
            Self::OtherHost => "plugins.other_host",
            Self::Engine { .. } => "plugins.engine",
            Self::Cache { .. } => "plugins.cache",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::TooLarge { .. } | Self::TranslationTooLarge { .. } => Kind::TooLarge,
            Self::OtherHost | Self::TranslationFailed { .. } | Self::Engine { .. } | Self::Cache { .. } => {
                Kind::Internal
            }
            _ => Kind::Invalid,
        }
    }
}

/// Why a plugin gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// It crashed.
    #[error("The plugin crashed: {what}.")]
    Trapped {
        /// How.
        what: String,
    },
    /// It ran for too long.
    #[error("The plugin ran for more than {ms} ms and was stopped.")]
    CpuDeadline {
        /// How long it may run.
        ms: u64,
    },
    /// It did not come to an end.
    #[error("The plugin took more than {ms} ms and was stopped.")]
    Deadline {
        /// How long it may take.
        ms: u64,
    },
    /// It wanted more memory than it may have.
    #[error("The plugin needs more than the {mib} MiB of memory it may have.")]
    Memory {
        /// How much it may have.
        mib: u64,
    },
    /// It wanted larger tables.
    #[error("The plugin needs a table of more than {elements} elements.")]
    Tables {
        /// How large they may be.
        elements: usize,
    },
    /// It calls itself too deeply.
    #[error("The plugin used up its stack of {kib} KiB.")]
    Stack {
        /// How large it is.
        kib: usize,
    },
    /// It answered too much.
    #[error("The plugin answered with more than {bytes} bytes.")]
    Output {
        /// How much it may answer.
        bytes: usize,
    },
    /// It asked its host too often.
    #[error("The plugin asked its host more than {most} times in one call.")]
    HostCalls {
        /// How often it may.
        most: u64,
    },
    /// It handed over too much.
    #[error("The plugin handed over more than {bytes} bytes at once.")]
    HostBytes {
        /// How much it may.
        bytes: usize,
    },
    /// The plugin says that it could not.
    #[error("{message}")]
    Plugin {
        /// `denied`, `limit`, `not_found`, `invalid`, `conflict`, `unavailable` or `failed`.
        code: &'static str,
        /// A sentence of the plugin.
        message: String,
    },
    /// The call itself takes something that was not granted.
    #[error("The plugin was not granted {capability} for this; its settings show what it asks for.")]
    Denied {
        /// What it takes.
        capability: CapabilityName,
    },
    /// Its answer makes no sense.
    #[error("The plugin's answer makes no sense: {what}.")]
    Malformed {
        /// What is wrong with it.
        what: String,
    },
    /// It does not offer this.
    #[error("The plugin does not offer {what}.")]
    NotOffered {
        /// What was asked for.
        what: String,
    },
    /// Too many calls at once.
    #[error("Too many calls of plugins are under way; try again.")]
    Busy,
    /// Whoever asked did not want it any more.
    #[error("Cancelled.")]
    Cancelled,
    /// The host stops.
    #[error("The server is stopping; try again.")]
    Stopped,
    /// A fault of the host.
    #[error("The plugin could not be run: {detail}")]
    Internal {
        /// What happened.
        detail: String,
    },
}

impl CallError {
    /// Whether it may speak against the plugin; what it took tells whether it does: [`crate::Called::is_fault`].
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::Plugin { .. }
                | Self::Denied { .. }
                | Self::NotOffered { .. }
                | Self::Busy
                | Self::Cancelled
                | Self::Stopped
                | Self::Internal { .. }
        )
    }
}

impl Coded for CallError {
    fn code(&self) -> &'static str {
        match self {
            Self::Trapped { .. } => "plugins.trapped",
            Self::CpuDeadline { .. } => "plugins.cpu_deadline",
            Self::Deadline { .. } => "plugins.deadline",
            Self::Memory { .. } => "plugins.memory",
            Self::Tables { .. } => "plugins.tables",
            Self::Stack { .. } => "plugins.stack",
            Self::Output { .. } => "plugins.output",
            Self::HostCalls { .. } => "plugins.host_calls",
            Self::HostBytes { .. } => "plugins.host_bytes",
            Self::Plugin { code, .. } => match *code {
                "denied" => "plugins.plugin_denied",
                "limit" => "plugins.plugin_limit",
                "not_found" => "plugins.plugin_not_found",
                "invalid" => "plugins.plugin_invalid",
                "conflict" => "plugins.plugin_conflict",
                "unavailable" => "plugins.plugin_unavailable",
                _ => "plugins.plugin_failed",
            },
            Self::Denied { .. } => "plugins.denied",
            Self::Malformed { .. } => "plugins.malformed",
            Self::NotOffered { .. } => "plugins.not_offered",
            Self::Busy => "plugins.busy",
            Self::Cancelled => "call.cancelled",
            Self::Stopped => "plugins.stopped",
            Self::Internal { .. } => "plugins.internal",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Trapped { .. } | Self::Malformed { .. } => Kind::Upstream,
            Self::CpuDeadline { .. } | Self::Deadline { .. } => Kind::Timeout,
            Self::Memory { .. }
            | Self::Tables { .. }
            | Self::Stack { .. }
            | Self::Output { .. }
            | Self::HostCalls { .. }
            | Self::HostBytes { .. } => Kind::TooLarge,
            Self::Plugin { code, .. } => match *code {
                "denied" => Kind::Forbidden,
                "limit" => Kind::TooLarge,
                "not_found" => Kind::NotFound,
                "invalid" => Kind::Invalid,
                "conflict" => Kind::Conflict,
                "unavailable" => Kind::Unavailable,
                _ => Kind::Upstream,
            },
            Self::Denied { .. } => Kind::Forbidden,
            Self::NotOffered { .. } => Kind::NotFound,
            Self::Busy => Kind::TooManyRequests,
            Self::Cancelled => Kind::Cancelled,
            Self::Stopped => Kind::Unavailable,
            Self::Internal { .. } => Kind::Internal,
        }
    }
}
