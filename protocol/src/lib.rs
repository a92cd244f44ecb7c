//! Types that cross the wire, once, for the server and for the shell that runs in the page.
//!
//! * REST bodies are JSON, the WebSocket carries MessagePack with field names; the same type serves both, so that an
//!   older page still understands a newer server that added a field.
//! * [`link`] holds the numbered, resumable session both ends run over the one WebSocket, without any I/O.
//! * [`call`] lists everything that can be asked over it.
//!
//! **May know:** nothing of this project. **Invariants:** no I/O, no clock, no task is started here; decoding never panics on
//! hostile bytes; every path that leaves [`path::RelPath`] stays below its root by its text alone.

pub mod auth;
pub mod call;
pub mod chat;
pub mod files;
pub mod git;
pub mod health;
pub mod id;
pub mod link;
pub mod llm;
pub mod path;
pub mod plugin;
pub mod presence;
pub mod problem;
pub mod search;
pub mod shape;
pub mod size;
pub mod terminal;
pub mod workspace;

pub use id::{
    CallId, CredentialId, InviteId, LinkId, ModelKeyId, SessionId, TeamId, TerminalId, TokenId, TrashId, UploadId,
    UserId, WorkspaceId,
};
pub use path::RelPath;
pub use problem::{Coded, Kind, Problem};
pub use size::ByteSize;

/// Version of the WebSocket protocol; the server refuses another one and the page then asks to be reloaded.
pub const PROTOCOL_VERSION: u32 = 2;

/// Prefix of every REST route.
pub const API_PREFIX: &str = "/api/v5";
