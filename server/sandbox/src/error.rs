//! Everything that can go wrong with sandboxes.

use coditect_protocol::{Coded, Kind, RelPath};
use serde::{Deserialize, Serialize};

/// What went wrong. It travels between the processes as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SandboxError {
    /// No walls work here.
    #[error(
        "Programs cannot be run here: {reason}. Install bubblewrap and allow user namespaces, or use a kernel with Landlock \
         (6.12 or newer), or set `sandbox = \"none\"` to run them without a sandbox."
    )]
    Unavailable {
        /// Why.
        reason: String,
    },
    /// What is to run is of no use without a network, and there is none.
    #[error(
        "Nothing can be fetched here, because programs have no network: /dev/net/tun is missing. Load the module `tun`, and \
         where the server runs in a container, give it that device."
    )]
    NoNetwork,
    /// What is to run cannot be run in a sandbox.
    #[error("The sandbox refuses this: {0}.")]
    Invalid(String),
    /// The sandbox could not be set up.
    #[error("The sandbox could not be set up: {0}")]
    Failed(String),
    /// The sandbox ended before it could do what was asked.
    #[error("The sandbox has ended; start the program again.")]
    Ended,
    /// The program could not be started.
    #[error("{program} could not be started: {reason}.")]
    ProgramFailed {
        /// Which.
        program: String,
        /// Why.
        reason: String,
    },
    /// The folder to start in does not exist.
    #[error("{0} does not exist.")]
    NotFound(RelPath),
    /// The folder to start in is none.
    #[error("{0} is not a folder, or one above it is not.")]
    NotAFolder(RelPath),
    /// The folder to start in lies behind a link that leads out.
    #[error("{0} leads outside the workspace through a symbolic link, and such links are not followed.")]
    Outside(RelPath),

    /// No supervisor could be reached or started.
    #[error("Programs cannot be run at the moment, because what runs them does not answer: {0}.")]
    Supervisor(String),
    /// A supervisor of another version is in use.
    #[error(
        "Programs cannot be run by this server: one of version {found} uses the same data directory and runs them. Stop the \
         other server, or start the same version."
    )]
    OtherVersion {
        /// The other's version.
        found: u32,
    },

    /// The person has programs running in as many workspaces as allowed.
    #[error(
        "You have programs running in {limit} workspaces, the most allowed at a time; close the terminals of one of them, or \
         wait a minute until git has nothing left to do there."
    )]
    TooManySandboxes {
        /// Limit.
        limit: usize,
    },

    /// No such terminal, or somebody else's.
    #[error("There is no such terminal; it was closed, or what ran it has ended.")]
    TerminalNotFound,
    /// The workspace was closed while the terminal was started.
    #[error("The terminal was not started, because access to the workspace ended.")]
    PlaceClosed,
    /// The workspace has as many as allowed.
    #[error("The workspace has {limit} terminals, the most allowed; close one first.")]
    TooManyTerminals {
        /// Limit.
        limit: usize,
    },
    /// The person has as many as allowed, in all their workspaces together.
    #[error("You have {limit} terminals in all your workspaces together, the most allowed; close one first.")]
    TooManyTerminalsOfPerson {
        /// Limit.
        limit: usize,
    },
    /// The terminal is shown in as many places as allowed.
    #[error("The terminal is shown in {limit} places, the most allowed; close it in one of them.")]
    TooManyAttachments {
        /// Limit.
        limit: usize,
    },
    /// Its program does not read, and as many writes wait for it as may.
    #[error(
        "The program in this terminal does not read what was typed before; wait for it, or close the terminal to end it."
    )]
    TerminalBusy,
    /// As many people use terminals as may at a time.
    #[error("Too much is going on in terminals at the moment; try again shortly.")]
    Busy,
    /// Its program has ended.
    #[error("The program in this terminal has ended; open a new terminal.")]
    TerminalEnded,
    /// More input than fits in one call.
    #[error("The input is larger than the {limit} bytes that go into a terminal at once; send it in parts.")]
    TerminalInputTooLarge {
        /// Limit in bytes.
        limit: usize,
    },
    /// The system gave no pseudo-terminal.
    #[error("No terminal could be opened: {0}.")]
    TerminalUnavailable(String),
}

impl Coded for SandboxError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "sandbox.unavailable",
            Self::NoNetwork => "sandbox.no_network",
            Self::Invalid(_) => "sandbox.invalid",
            Self::Failed(_) => "sandbox.failed",
            Self::Ended => "sandbox.ended",
            Self::ProgramFailed { .. } => "terminal.start_failed",
            Self::NotFound(_) => "files.not_found",
            Self::NotAFolder(_) => "files.not_a_folder",
            Self::Outside(_) => "files.outside",
            Self::Supervisor(_) => "sandbox.supervisor",
            Self::OtherVersion { .. } => "sandbox.other_version",
            Self::TooManySandboxes { .. } => "sandbox.too_many",
            Self::TerminalNotFound => "terminal.not_found",
            Self::PlaceClosed => "workspace.not_found",
            Self::TooManyTerminals { .. } => "terminal.too_many",
            Self::TooManyTerminalsOfPerson { .. } => "terminal.too_many_of_person",
            Self::TooManyAttachments { .. } => "terminal.too_many_attachments",
            Self::TerminalBusy => "terminal.busy",
            Self::Busy => "sandbox.busy",
            Self::TerminalEnded => "terminal.ended",
            Self::TerminalInputTooLarge { .. } => "terminal.input_too_large",
            Self::TerminalUnavailable(_) => "terminal.unavailable",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Unavailable { .. }
            | Self::NoNetwork
            | Self::Busy
            | Self::Ended
            | Self::Supervisor(_)
            | Self::OtherVersion { .. }
            | Self::TerminalUnavailable(_) => Kind::Unavailable,
            Self::Invalid(_) | Self::ProgramFailed { .. } | Self::NotAFolder(_) => Kind::Invalid,
            Self::Outside(_) => Kind::Forbidden,
            Self::NotFound(_) | Self::TerminalNotFound | Self::PlaceClosed => Kind::NotFound,
            Self::TooManySandboxes { .. }
            | Self::TooManyTerminals { .. }
            | Self::TooManyTerminalsOfPerson { .. }
            | Self::TooManyAttachments { .. }
            | Self::TerminalBusy
            | Self::TerminalEnded => Kind::Conflict,
            Self::TerminalInputTooLarge { .. } => Kind::TooLarge,
            Self::Failed(_) => Kind::Internal,
        }
    }

    fn is_inside(&self) -> bool {
        matches!(self, Self::Supervisor(_)) || self.kind() == Kind::Internal
    }
}
