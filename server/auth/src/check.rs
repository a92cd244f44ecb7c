//! Who makes a request: from an access token, a personal access token or a session's id to an [`Identity`].
//!
//! A check asks three things: is the token one of ours, is its session still there, and what is its person now. The first never
//! changes for one token, so that it is remembered until the token ends. The other two change at any time, so that what was read is
//! believed for [`CACHED_FOR`] at the longest, and not even that once this server has heard of an ending.

use std::sync::Arc;
use std::time::Duration;

use coditect_protocol::auth::UserInfo;
use coditect_protocol::{SessionId, TokenId, UserId};
use subtle::ConstantTimeEq as _;

use crate::cache::Cache;
use crate::rows::{self, SessionRow, UserRow};
use crate::tokens::{CachedToken, TOKEN_PREFIX};
use crate::{Auth, AuthError, Credential, Identity, secret};

/// How long a row is believed, from before it was read: the longest that something ended elsewhere still counts here.
pub(crate) const CACHED_FOR: Duration = Duration::from_secs(1);
/// Sessions, people and tokens that are cached at once, each: those that are seen within one second. Some 200 bytes each.
const CACHED_ROWS: usize = 65_536;

/// Rows that were read within the last second.
pub(crate) struct Caches {
    pub(crate) sessions: Cache<SessionId, CachedSession>,
    pub(crate) people: Cache<UserId, Arc<CachedPerson>>,
    pub(crate) tokens: Cache<TokenId, CachedToken>,
}

/// What a check needs of a session.
#[derive(Clone)]
pub(crate) struct CachedSession {
    user: UserId,
    ends_at: u64,
    csrf: [u8; 32],
}

/// What a check needs of a person.
pub(crate) struct CachedPerson {
    pub(crate) info: UserInfo,
    pub(crate) disabled: bool,
}

impl Caches {
    pub(crate) fn new() -> Self {
        Self { sessions: Cache::new(CACHED_ROWS), people: Cache::new(CACHED_ROWS), tokens: Cache::new(CACHED_ROWS) }
    }
}

impl CachedPerson {
    fn new(id: UserId, row: UserRow) -> Arc<Self> {
        Arc::new(Self { disabled: row.disabled, info: row.info(id) })
    }
}

impl Auth {
    /// Who a token belongs to. A personal access token is known by its prefix; anything else must be an access token.
    pub async fn check(&self, token: &str) -> Result<Identity, AuthError> {
        if token.starts_with(TOKEN_PREFIX) {
            return self.check_token(token).await;
        }
        let claims = self.inner.keys.verify(token, self.now(), self.inner.clock.elapsed()).await?;
        let identity = self.check_session(claims.session).await?;
        if identity.user.id == claims.user { Ok(identity) } else { Err(AuthError::InvalidToken) }
    }

    /// Who a session belongs to, if it has not ended and its person is not kept out.
    pub async fn check_session(&self, session: SessionId) -> Result<Identity, AuthError> {
        let at = self.inner.clock.elapsed();
        let (row, person) = match self.inner.caches.sessions.get(&session, at) {
            Some(row) => {
                let person = self.person(row.user, at).await?.ok_or(AuthError::SessionEnded)?;
                (row, person)
            }
            None => self.read_session(session, at).await?,
        };
        if row.ends_at <= self.now() || person.disabled {
            return Err(AuthError::SessionEnded);
        }
        Ok(Identity {
            user: person.info.clone(),
            credential: Credential::Session(session),
            expires_at: row.ends_at,
            csrf: Some(row.csrf),
        })
    }

    /// Checks once more who was checked before, for connections that outlive the token they were opened with.
    pub async fn check_again(&self, identity: &Identity) -> Result<Identity, AuthError> {
        match &identity.credential {
            Credential::Session(session) => self.check_session(*session).await,
            Credential::Token { id, .. } => self.token_identity(*id, None).await,
        }
    }

    /// A session with its person, read at one moment.
    async fn read_session(
        &self,
        session: SessionId,
        at: Duration,
    ) -> Result<(CachedSession, Arc<CachedPerson>), AuthError> {
        let caches = &self.inner.caches;
        // Before the read: what is dropped while it goes on must not come back with it.
        let (of_sessions, of_people) = (caches.sessions.ticket(at), caches.people.ticket(at));
        let (row, user): (SessionRow, UserRow) = self
            .store
            .transact(|tx| async move {
                let row = rows::session(&tx, session).await?.ok_or(AuthError::SessionEnded)?;
                let user = rows::user(&tx, row.user).await?.ok_or(AuthError::SessionEnded)?;
                Ok::<_, AuthError>((row, user))
            })
            .await?;
        let ends_at = row.ends_at(&self.inner.settings);
        let person = CachedPerson::new(row.user, user);
        let row = CachedSession { user: row.user, ends_at, csrf: row.csrf };
        caches.sessions.put(session, row.clone(), of_sessions, CACHED_FOR);
        caches.people.put(row.user, Arc::clone(&person), of_people, CACHED_FOR);
        Ok((row, person))
    }

    /// A person as they are now, if they are there.
    pub(crate) async fn person(&self, id: UserId, at: Duration) -> Result<Option<Arc<CachedPerson>>, AuthError> {
        let people = &self.inner.caches.people;
        if let Some(person) = people.get(&id, at) {
            return Ok(Some(person));
        }
        let ticket = people.ticket(at);
        let row = self.store.transact(|tx| async move { Ok::<_, AuthError>(rows::user(&tx, id).await?) }).await?;
        let person = row.map(|row| CachedPerson::new(id, row));
        if let Some(person) = &person {
            people.put(id, Arc::clone(person), ticket, CACHED_FOR);
        }
        Ok(person)
    }

    /// Whether a request that came with a cookie was made by the session's own page: it repeats the session's CSRF token.
    pub fn check_csrf(&self, identity: &Identity, header: Option<&str>) -> Result<(), AuthError> {
        // A personal access token has none, and no page.
        let expected = identity.csrf.as_ref().map(|csrf| secret::encode(csrf)).ok_or(AuthError::Csrf)?;
        let given = header.unwrap_or_default();
        if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) { Ok(()) } else { Err(AuthError::Csrf) }
    }
}
