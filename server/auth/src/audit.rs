//! Where events of accounts are told to: the seam for the audit log.

use std::net::IpAddr;

use coditect_protocol::{SessionId, UserId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditAction {
    /// Somebody registered.
    Registered,
    /// The first login of a new instance was made.
    FirstLoginCreated,
    /// Somebody logged in.
    LoggedIn,
    /// A login failed: unknown address or wrong password.
    LoginFailed,
    /// A login or registration was not even tried, because too many came from there.
    LoginThrottled,
    /// Somebody logged out.
    LoggedOut,
    /// A used refresh token came again.
    RefreshReused,
    /// A session was ended by the server: reuse of its refresh token, or too many sessions.
    SessionRevoked,
    /// A new signing key was made.
    KeysRotated,
}

impl AuditAction {
    /// Stable dotted name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "auth.registered",
            Self::FirstLoginCreated => "auth.first_login_created",
            Self::LoggedIn => "auth.logged_in",
            Self::LoginFailed => "auth.login_failed",
            Self::LoginThrottled => "auth.login_throttled",
            Self::LoggedOut => "auth.logged_out",
            Self::RefreshReused => "auth.refresh_reused",
            Self::SessionRevoked => "auth.session_revoked",
            Self::KeysRotated => "auth.keys_rotated",
        }
    }
}

/// One event. It names accounts by their id only: people type passwords into the field for the address, so that what
/// was typed for an unknown account must not reach a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// What happened.
    pub action: AuditAction,
    /// Milliseconds since 1970.
    pub at: u64,
    /// Whose account, where there is one.
    pub user: Option<UserId>,
    /// Which session, where there is one.
    pub session: Option<SessionId>,
    /// From where.
    pub address: Option<IpAddr>,
}

/// Takes the events. Called on the async runtime: implementations must be quick and must not block.
pub trait AuditSink: Send + Sync {
    /// Takes one event.
    fn record(&self, event: &AuditEvent);
}

/// Writes events to the log, target `audit`.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogSink;

impl AuditSink for LogSink {
    fn record(&self, event: &AuditEvent) {
        tracing::info!(
            target: "audit",
            action = event.action.name(),
            user = event.user.map(tracing::field::display),
            session = event.session.map(tracing::field::display),
            address = event.address.map(tracing::field::display),
        );
    }
}
