//! People, passwords, sessions and tokens.
//!
//! A person logs in with an address and a password and gets a **session**: a row in the store, named by its id. What the
//! person's device holds are two tokens of it: a short-lived **access token** (a signed JWT) that goes with each request, and
//! a **refresh token** (random, kept as a digest) that is good once for the next pair.
//!
//! **May know:** `coditect-store` and `coditect-protocol`; nothing of HTTP, cookies or routes.
//!
//! **Invariants:**
//! * Everything is refused unless it is known to be good; an access token alone lets in nobody: [`Auth::check`] reads the
//!   session's row each time, so that a session that was ended anywhere is ended everywhere with the next request. There is no
//!   cache that could be stale.
//! * No password and no refresh token is stored in a form that can be used again, and no secret is shown by `Debug`, written to
//!   a log or told to the [`AuditSink`].
//! * An unknown address and a wrong password take the same work and get the same answer.
//! * Nobody can lock out somebody else: attempts are counted by where they come from.
//! * A password is hashed on threads that may block, and only so many at once; who finds the queue full is told so at once.
//! * Ids and secrets are made outside of transactions, so that a transaction whose result is unknown can be run again.

mod accounts;
mod audit;
mod clock;
mod email;
mod error;
mod keys;
mod password;
mod rows;
mod secret;
mod sessions;
mod settings;
#[cfg(test)]
mod tests;
mod throttle;

use std::net::IpAddr;
use std::sync::Arc;

use coditect_protocol::auth::{SessionInfo, TokenAnswer, UserInfo};
use coditect_protocol::{SessionId, UserId};
use coditect_store::Store;

pub use audit::{AuditAction, AuditEvent, AuditSink, LogSink};
pub use email::EmailFault;
pub use error::AuthError;
pub use keys::{Jwks, PublicKey};
pub use password::Weakness;
pub use settings::{
    AuthSettings, DEFAULT_ATTEMPTS_PER_ACCOUNT, DEFAULT_ATTEMPTS_PER_ADDRESS, DEFAULT_ATTEMPTS_REMEMBERED,
    DEFAULT_HASH_QUEUE, DEFAULT_PASSWORD_MAX_CHARS, DEFAULT_REUSE_GRACE, DEFAULT_SESSIONS_PER_USER, HashCost,
    MAX_REUSE_GRACE, PASSWORD_MAX_BYTES, PASSWORD_MIN_CHARS_FLOOR, Rate, Registration,
};

use clock::{Clock, SystemClock};
use keys::Keys;
use password::Hasher;
use throttle::Throttle;

/// Accounts and sessions of one instance. A clone is the same.
#[derive(Clone)]
pub struct Auth {
    store: Store,
    inner: Arc<Inner>,
    audit: Arc<dyn AuditSink>,
}

struct Inner {
    settings: AuthSettings,
    keys: Keys,
    hasher: Hasher,
    throttle: Throttle,
    clock: Arc<dyn Clock>,
}

/// Where a request comes from. It is kept with the session, for the person to recognise it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// Address of the person's device, not of a proxy before the server. Without it, all that have none are counted as one.
    pub address: Option<IpAddr>,
    /// What the program calls itself; the first 256 characters are kept.
    pub user_agent: String,
}

/// A pair of tokens and what belongs to it.
#[derive(Clone)]
pub struct Login {
    /// For `Authorization: Bearer …`.
    pub access_token: String,
    /// Seconds until the access token ends.
    pub expires_in: u64,
    /// Gives the next pair, once.
    pub refresh_token: String,
    /// What the page must repeat with each request that changes something; the same for the whole session.
    pub csrf_token: String,
    /// Who is logged in.
    pub session: SessionInfo,
}

impl From<Login> for TokenAnswer {
    fn from(login: Login) -> Self {
        Self {
            access_token: login.access_token,
            token_type: "Bearer".to_owned(),
            expires_in: login.expires_in,
            refresh_token: login.refresh_token,
            session: login.session,
        }
    }
}

impl std::fmt::Debug for Login {
    /// Shows no token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Who makes a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The person, as the store knows them now.
    pub user: UserInfo,
    /// Their login.
    pub session_id: SessionId,
    /// When the login ends unless it is refreshed, milliseconds since 1970.
    pub expires_at: u64,
    csrf: [u8; 32],
}

impl Identity {
    /// Answer of `GET /auth/me`.
    #[must_use]
    pub fn session_info(&self) -> SessionInfo {
        SessionInfo { user: self.user.clone(), session_id: self.session_id, expires_at: self.expires_at }
    }

    /// The session's CSRF token, for its own page.
    #[must_use]
    pub fn csrf_token(&self) -> String {
        secret::encode(&self.csrf)
    }
}

impl std::fmt::Debug for Identity {
    /// Shows no CSRF token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("session_id", &self.session_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Auth {
    /// Reads the signing keys from the store, or makes the first one. Events go to the log.
    pub async fn open(store: Store, settings: AuthSettings) -> Result<Self, AuthError> {
        Self::open_at(store, settings, Arc::new(SystemClock)).await
    }

    async fn open_at(store: Store, settings: AuthSettings, clock: Arc<dyn Clock>) -> Result<Self, AuthError> {
        settings.validate()?;
        let keys = Keys::open(store.clone(), &settings, clock.now()).await?;
        let hasher = Hasher::new(&settings)?;
        let throttle = Throttle::new(&settings);
        let inner = Arc::new(Inner { settings, keys, hasher, throttle, clock });
        Ok(Self { store, inner, audit: Arc::new(LogSink) })
    }

    /// The same, with its events told to `audit`.
    #[must_use]
    pub fn with_audit(mut self, audit: Arc<dyn AuditSink>) -> Self {
        self.audit = audit;
        self
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &AuthSettings {
        &self.inner.settings
    }

    /// The public keys that access tokens are signed with.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        self.inner.keys.jwks()
    }

    /// Makes a new signing key. It signs after two minutes, when every server knows it; tokens signed before stay good.
    pub async fn rotate_keys(&self) -> Result<(), AuthError> {
        self.inner.keys.rotate(self.now()).await?;
        self.tell(AuditAction::KeysRotated, None, None, None);
        Ok(())
    }

    fn now(&self) -> u64 {
        self.inner.clock.now()
    }

    fn tell(&self, action: AuditAction, user: Option<UserId>, session: Option<SessionId>, address: Option<IpAddr>) {
        self.audit.record(&AuditEvent { action, at: self.now(), user, session, address });
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}
