//! People, passwords, sessions and tokens.
//!
//! A person logs in with an address or a name and a password and gets a **session**: a row in the store, named by its id. What the
//! person's device holds are two tokens of it: a short-lived **access token** (a signed JWT) that goes with each request, and
//! a **refresh token** (random, kept as a digest) that is good once for the next pair. Programs act for a person with a **personal
//! access token**, which is good for its scopes only.
//!
//! **May know:** `coditect-store` and `coditect-protocol`; nothing of HTTP, cookies or routes.
//!
//! **Invariants:**
//! * Everything is refused unless it is known to be good; an access token alone lets in nobody: [`Auth::check`] asks for the rows of
//!   its session and its person. What was read is believed for a second at the longest, counted from before it was read, and dropped
//!   as soon as the log of endings tells: what is ended anywhere is ended everywhere within that second, whatever fails.
//! * No password and no refresh token is stored in a form that can be used again, and no secret is shown by `Debug`, written to
//!   a log or told to the [`AuditSink`].
//! * An unknown login and a wrong password take the same work and get the same answer; a mail with a code is prepared beside it.
//! * Nobody can lock out somebody else: attempts from a device that its person has used before are counted by that device alone.
//! * Every code, ticket and invitation is kept as a digest and used up in the transaction that it serves: once, on all servers
//!   together. What must be readable again (authenticators' secrets, signing keys) is sealed with the master key.
//! * A password is hashed on threads that may block, and only so many at once; who finds the queue full is told so at once, and no
//!   address fills it alone.
//! * Ids and secrets are made outside of transactions, so that a transaction whose result is unknown can be run again.

mod accounts;
mod acquaintances;
mod admin;
mod audit;
mod cache;
mod check;
mod clock;
mod codes;
mod confirm;
mod device_login;
mod device_name;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod invites;
mod keys;
mod known_device;
mod login;
mod login_name;
mod mail;
mod maintenance;
mod master;
mod operator;
mod password;
mod reset;
mod revocation;
mod rows;
mod second_factor;
mod secret;
mod sessions;
mod settings;
mod signature;
mod terminal_tokens;
#[cfg(test)]
mod tests;
mod throttle;
mod tokens;
mod whereabouts;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use coditect_protocol::auth::{Role, Scope, SecondFactorChallenge, SessionInfo, TokenAnswer, UserInfo};
use coditect_protocol::{SessionId, TokenId, UserId, WorkspaceId};
use coditect_store::{MasterKey, Store};
use tokio::sync::{Semaphore, broadcast};

pub use admin::PEOPLE_PAGE_MAX;
pub use audit::{AuditAction, AuditEvent, AuditSink, LogSink, LoginMeans};
pub use device_login::CLIENT_NAME_MAX_CHARS;
pub use error::AuthError;
pub use invites::MAX_OPEN_INVITES;
pub use keys::{Jwks, PublicKey};
pub use login_name::LoginFault;
pub use mail::{FileMailer, LogMailer, MAIL_FILES_KEPT, Mail, MailError, Mailer};
pub use password::Weakness;
pub use revocation::Ending;
pub use settings::{
    AuthSettings, DEFAULT_ATTEMPTS_PER_ACCOUNT, DEFAULT_ATTEMPTS_PER_ACCOUNT_ANYWHERE, DEFAULT_ATTEMPTS_PER_ADDRESS,
    DEFAULT_ATTEMPTS_PER_SECOND_FACTOR, DEFAULT_ATTEMPTS_REMEMBERED, DEFAULT_DEVICE_CODE_LIFETIME,
    DEFAULT_DEVICE_CODES_OPEN, DEFAULT_HASH_QUEUE, DEFAULT_HASH_SHARE, DEFAULT_INVITE_MAX_DAYS, DEFAULT_KEY_ROTATION,
    DEFAULT_MAILED_CODES_PER_ACCOUNT, DEFAULT_PASSWORD_MAX_CHARS, DEFAULT_RESET_CODE_LIFETIME, DEFAULT_REUSE_GRACE,
    DEFAULT_SESSIONS_PER_USER, DEFAULT_TOKEN_MAX_DAYS, DEFAULT_TOKENS_PER_PERSON, HashCost, MAX_DEVICE_CODE_LIFETIME,
    MAX_REUSE_GRACE, MailDelivery, PASSWORD_MAX_BYTES, PASSWORD_MIN_CHARS_FLOOR, Rate,
};
pub use terminal_tokens::{NewTerminalToken, TerminalHost, TerminalToken};
pub use tokens::{TOKEN_NAME_MAX_CHARS, TOKEN_PREFIX};
pub use whereabouts::Whereabouts;

use check::Caches;
use clock::{Clock, SystemClock};
use keys::Keys;
use mail::Post;
use password::Hasher;
use throttle::Throttle;

/// Accounts and sessions of one instance. A clone is the same.
#[derive(Clone)]
pub struct Auth {
    store: Store,
    inner: Arc<Inner>,
    audit: Arc<dyn AuditSink>,
    /// Nothing where no mail is sent.
    post: Option<Post>,
}

struct Inner {
    settings: AuthSettings,
    keys: Keys,
    hasher: Hasher,
    throttle: Throttle,
    clock: Arc<dyn Clock>,
    /// Protects what is secret in the store.
    master: MasterKey,
    caches: Caches,
    /// What ends, for who listens.
    endings: broadcast::Sender<Ending>,
    /// Whether the store was there and has been made ready.
    prepared: AtomicBool,
    /// Places for mails with a code that are being prepared.
    preparing: Arc<Semaphore>,
    /// Places for notes of tokens' last uses.
    token_uses: Arc<Semaphore>,
}

/// Where a request comes from. It is kept with the session, for the person to recognise it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// Address of the person's device, not of a proxy before the server. Without it, all that have none are counted as one.
    pub address: Option<IpAddr>,
    /// What the program calls itself; the first 256 characters are kept.
    pub user_agent: String,
    /// Value of the device cookie, if the program sent one: a browser from which somebody has logged in before.
    pub known: Option<String>,
}

impl std::fmt::Debug for Device {
    /// Shows no device token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("address", &self.address)
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
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
    /// For the device cookie, where the browser should get a new one.
    pub device_token: Option<String>,
    /// Who is logged in.
    pub session: SessionInfo,
}

impl From<Login> for TokenAnswer {
    fn from(login: Login) -> Self {
        Self {
            access_token: Some(login.access_token),
            token_type: "Bearer".to_owned(),
            expires_in: login.expires_in,
            refresh_token: Some(login.refresh_token),
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

/// What a login came to whose password was right.
#[derive(Debug, Clone)]
pub enum LoginStep {
    /// Logged in.
    Done(Login),
    /// The account has a second factor, which is asked for now.
    SecondFactor(SecondFactorChallenge),
}

/// What somebody showed to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A login.
    Session(SessionId),
    /// A personal access token.
    Token {
        /// Which.
        id: TokenId,
        /// What it may be used for.
        scopes: Vec<Scope>,
        /// The only workspace that it is good for, where it is not good for all of its person's.
        workspace: Option<WorkspaceId>,
    },
}

/// Who makes a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The person, as the store knows them now.
    pub user: UserInfo,
    /// What they showed.
    pub credential: Credential,
    /// When the login ends unless it is refreshed, or the token ends, milliseconds since 1970.
    pub expires_at: u64,
    /// Of a session only: a token is no browser's.
    csrf: Option<[u8; 32]>,
}

impl Identity {
    /// Answer of `GET /auth/me`. For a personal access token, the id is the token's, under which there is no session.
    #[must_use]
    pub fn session_info(&self) -> SessionInfo {
        let session_id = match &self.credential {
            Credential::Session(id) => *id,
            Credential::Token { id, .. } => SessionId(id.0),
        };
        SessionInfo { user: self.user.clone(), session_id, expires_at: self.expires_at }
    }

    /// The session, where it is one.
    #[must_use]
    pub fn session_id(&self) -> Option<SessionId> {
        match self.credential {
            Credential::Session(id) => Some(id),
            Credential::Token { .. } => None,
        }
    }

    /// The session's CSRF token, for its own page; empty where there is no session.
    #[must_use]
    pub fn csrf_token(&self) -> String {
        self.csrf.as_ref().map(|csrf| secret::encode(csrf)).unwrap_or_default()
    }

    /// Refuses a personal access token that was not made for this. A session may do everything that its person may.
    pub fn require(&self, scope: Scope) -> Result<(), AuthError> {
        match &self.credential {
            Credential::Session(_) => Ok(()),
            Credential::Token { scopes, .. } if scopes.contains(&scope) => Ok(()),
            Credential::Token { .. } => Err(AuthError::MissingScope(scope)),
        }
    }

    /// Like [`require`](Self::require), for something in this workspace or, where none is named, in none or in all of them. Models belong
    /// to no workspace; what plugins add to them does.
    pub fn require_in(&self, scope: Scope, workspace: Option<WorkspaceId>) -> Result<(), AuthError> {
        self.require(scope)?;
        match self.credential {
            Credential::Token { workspace: Some(only), .. } => match workspace {
                Some(asked) if asked == only => Ok(()),
                None if scope == Scope::Llm => Ok(()),
                _ => Err(AuthError::OtherWorkspace),
            },
            Credential::Token { workspace: None, .. } | Credential::Session(_) => Ok(()),
        }
    }

    /// Refuses every personal access token, for what only a login may do.
    pub fn require_session(&self) -> Result<SessionId, AuthError> {
        self.session_id().ok_or(AuthError::NeedsLogin)
    }

    /// Refuses who is no admin now, and a token that may not act as one.
    pub fn require_admin(&self) -> Result<(), AuthError> {
        self.require_admin_with(Scope::Admin)
    }

    /// Refuses who is no admin now, and a token that was not made for this part of what admins may do.
    pub fn require_admin_with(&self, scope: Scope) -> Result<(), AuthError> {
        self.require(scope)?;
        if self.user.role == Role::Admin { Ok(()) } else { Err(AuthError::NotAdmin) }
    }
}

impl std::fmt::Debug for Identity {
    /// Shows no CSRF token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("credential", &self.credential)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Auth {
    /// Reads the signing keys from the store, or makes the first one; `master` protects them and what else is secret there. A store
    /// that is away is no error: everything answers that until it is back. Events go to the log.
    pub async fn open(store: Store, settings: AuthSettings, master: MasterKey) -> Result<Self, AuthError> {
        Self::open_at(store, settings, master, Arc::new(SystemClock)).await
    }

    async fn open_at(
        store: Store,
        settings: AuthSettings,
        master: MasterKey,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuthError> {
        settings.validate()?;
        let prepared = master::prepare(&store, &master).await?;
        let post = Post::to(&settings);
        let inner = Inner {
            keys: Keys::open(store.clone(), &settings, master.clone(), clock.now()).await?,
            hasher: Hasher::new(&settings)?,
            throttle: Throttle::new(&settings),
            clock,
            master,
            caches: Caches::new(),
            endings: broadcast::Sender::new(revocation::ENDINGS_WAITING),
            prepared: AtomicBool::new(prepared),
            preparing: reset::preparing(),
            token_uses: Arc::new(Semaphore::new(tokens::USES_NOTED_AT_ONCE)),
            settings,
        };
        Ok(Self { store, inner: Arc::new(inner), audit: Arc::new(LogSink), post })
    }

    /// The same, with its events told to `audit`.
    #[must_use]
    pub fn with_audit(mut self, audit: Arc<dyn AuditSink>) -> Self {
        self.audit = audit;
        self
    }

    /// The same, with its mail sent by `mailer`.
    #[must_use]
    pub fn with_mailer(mut self, mailer: Arc<dyn Mailer>) -> Self {
        self.post = Some(Post::new(mailer));
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

    /// Makes a new signing key, for an admin. It signs after two minutes, when every server knows it; tokens signed before stay good.
    pub async fn rotate_keys(&self, identity: &Identity, device: &Device) -> Result<(), AuthError> {
        identity.require_admin()?;
        self.inner.keys.rotate(self.now()).await?;
        self.record(&AuditEvent {
            actor: Some(identity.user.id),
            session: identity.session_id(),
            address: device.address,
            ..self.event(AuditAction::KeysRotated)
        });
        Ok(())
    }

    fn now(&self) -> u64 {
        self.inner.clock.now()
    }

    fn tell(&self, action: AuditAction, user: Option<UserId>, session: Option<SessionId>, address: Option<IpAddr>) {
        self.record(&AuditEvent { user, session, address, ..self.event(action) });
    }

    /// An event that happens now, to be filled in.
    fn event(&self, action: AuditAction) -> AuditEvent {
        AuditEvent::new(action, self.now())
    }

    fn record(&self, event: &AuditEvent) {
        self.audit.record(event);
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}
