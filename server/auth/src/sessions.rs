//! Sessions: checking, refreshing and ending them.
//!
//! # Refresh tokens
//!
//! Each is good once and gives the next. If one comes that was used before, somebody copied it, and nobody can tell which of
//! the two is the thief: the session ends. One case is not theft. Tabs of one browser share the cookie and may use the same
//! token at the same moment, and an answer can get lost on the way. So a token that was used less than
//! [`reuse_grace`](crate::AuthSettings::reuse_grace) ago is taken again and gets **another** successor (the store has only
//! digests, so that the first one cannot be told again). Both successors are good, because nobody knows which answer reached
//! the cookie last; the first one that is used ends its siblings, which are then used tokens like any other. A thief who is
//! quick enough to use the grace is therefore found out at the next refresh: of two people who go on with two siblings, the
//! second comes after the grace with a used token, and the session ends for both.

use coditect_protocol::SessionId;
use coditect_protocol::auth::{SessionInfo, UserInfo};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::audit::AuditAction;
use crate::rows::{self, SessionRow, Superseded};
use crate::secret::{self, RefreshToken, SecretHash, random};
use crate::settings::{AuthSettings, millis};
use crate::{Auth, AuthError, Device, Identity, Login};

/// Characters of a program's name for itself that are kept.
const USER_AGENT_MAX_CHARS: usize = 256;
/// Tokens that a session may give out within the grace; more tabs than this do not wake up in the same seconds.
const MAX_SIBLINGS: usize = 32;
/// Used tokens that are remembered within the grace.
const MAX_SUPERSEDED: usize = 128;
/// Ended sessions that one transaction takes away.
const PURGE_BATCH: usize = 256;

/// A session that is about to be stored, with its first refresh token.
pub(crate) struct NewSession {
    pub(crate) token: RefreshToken,
    pub(crate) row: SessionRow,
}

impl NewSession {
    pub(crate) fn new(
        user: coditect_protocol::UserId,
        device: &Device,
        settings: &AuthSettings,
        now: u64,
    ) -> Result<Self, AuthError> {
        let token = RefreshToken::first(SessionId(Uuid::now_v7()))?;
        let mut row = SessionRow {
            user,
            created_at: now,
            refreshed_at: now,
            expires_at: 0,
            family: token.family_hash(),
            current: vec![token.rotating_hash()],
            superseded: Vec::new(),
            csrf: random()?,
            address: None,
            user_agent: String::new(),
        };
        row.touch(device, settings, now);
        Ok(Self { token, row })
    }

    pub(crate) fn id(&self) -> SessionId {
        self.token.session
    }
}

/// What a refresh token turned out to be.
enum Turn {
    /// Good, or used within the grace.
    Next(SessionRow),
    /// Used before.
    Reused,
}

impl SessionRow {
    /// When it ends. The lifetimes in force now count too, for an operator who shortens them means the sessions there are.
    fn ends_at(&self, settings: &AuthSettings) -> u64 {
        let idle = self.refreshed_at.saturating_add(millis(settings.refresh_idle_lifetime));
        let absolute = self.created_at.saturating_add(millis(settings.absolute_lifetime));
        self.expires_at.min(idle).min(absolute)
    }

    /// Used now, from this device.
    fn touch(&mut self, device: &Device, settings: &AuthSettings, now: u64) {
        self.refreshed_at = now;
        self.expires_at = u64::MAX;
        self.expires_at = self.ends_at(settings);
        self.address = device.address;
        self.user_agent = device.user_agent.chars().take(USER_AGENT_MAX_CHARS).collect();
    }

    /// Takes a refresh token and puts its successor in its place.
    fn turn(mut self, used: SecretHash, next: SecretHash, grace: u64, now: u64) -> Result<Turn, AuthError> {
        if self.current.contains(&next) {
            // This very call was committed before without anybody knowing.
            return Ok(Turn::Next(self));
        }
        self.superseded.retain(|token| now.saturating_sub(token.at) < grace);
        if self.current.contains(&used) {
            self.superseded.extend(self.current.drain(..).map(|hash| Superseded { hash, at: now }));
            let forgotten = self.superseded.len().saturating_sub(MAX_SUPERSEDED);
            self.superseded.drain(..forgotten);
        } else if !self.superseded.iter().any(|token| token.hash == used) {
            return Ok(Turn::Reused);
        } else if self.current.len() >= MAX_SIBLINGS {
            return Err(AuthError::TooManyAttempts { seconds: grace.div_ceil(1000).max(1) });
        }
        self.current.push(next);
        Ok(Turn::Next(self))
    }
}

impl Auth {
    /// Takes a refresh token for the next pair. The module's text tells what happens to one that is used twice.
    pub async fn refresh(&self, refresh_token: &str, device: &Device) -> Result<Login, AuthError> {
        let used = RefreshToken::parse(refresh_token)?;
        let next = used.next()?;
        let now = self.now();
        let settings = &self.inner.settings;
        let (presented, successor) = (&used, &next);
        let turned = self
            .store
            .transact(|tx| async move {
                let id = presented.session;
                let before = rows::session(&tx, id).await?.ok_or(AuthError::SessionEnded)?;
                // Digests are compared, so that the time of the comparison tells nothing about a secret.
                if before.family != presented.family_hash() {
                    return Err(AuthError::InvalidToken);
                }
                let user = rows::user(&tx, before.user).await?;
                let Some(user) = user.filter(|_| before.ends_at(settings) > now) else {
                    rows::clear_session(&tx, id, &before)?;
                    return Ok(None);
                };
                let (used, next) = (presented.rotating_hash(), successor.rotating_hash());
                match before.clone().turn(used, next, millis(settings.reuse_grace), now)? {
                    Turn::Reused => {
                        rows::clear_session(&tx, id, &before)?;
                        Ok(Some((user.info(before.user), None)))
                    }
                    Turn::Next(mut row) => {
                        row.touch(device, settings, now);
                        rows::set_session(&tx, id, &row, Some(&before))?;
                        Ok(Some((user.info(row.user), Some(row))))
                    }
                }
            })
            .await?;
        match turned {
            None => Err(AuthError::SessionEnded),
            Some((user, None)) => {
                self.tell(AuditAction::RefreshReused, Some(user.id), Some(used.session), device.address);
                self.tell(AuditAction::SessionRevoked, Some(user.id), Some(used.session), device.address);
                Err(AuthError::RefreshReused)
            }
            Some((user, Some(row))) => self.login_of(user, &row, &next, now).await,
        }
    }

    /// Ends a session. One that has ended already is no error.
    pub async fn logout(&self, session: SessionId) -> Result<(), AuthError> {
        let ended = self
            .store
            .transact(|tx| async move {
                let row = rows::session(&tx, session).await?;
                if let Some(row) = &row {
                    rows::clear_session(&tx, session, row)?;
                }
                Ok::<_, AuthError>(row)
            })
            .await?;
        if let Some(row) = ended {
            self.tell(AuditAction::LoggedOut, Some(row.user), Some(session), row.address);
        }
        Ok(())
    }

    /// Who an access token belongs to: verifies it, then reads the session.
    pub async fn check(&self, access_token: &str) -> Result<Identity, AuthError> {
        let claims = self.inner.keys.verify(access_token, self.now()).await?;
        let identity = self.check_session(claims.sid).await?;
        if identity.user.id == claims.sub { Ok(identity) } else { Err(AuthError::InvalidToken) }
    }

    /// Who a session belongs to, if it has not ended. For connections that outlive the token they were opened with.
    pub async fn check_session(&self, session: SessionId) -> Result<Identity, AuthError> {
        let now = self.now();
        let (row, user) = self
            .store
            .transact(|tx| async move {
                let row = rows::session(&tx, session).await?.ok_or(AuthError::SessionEnded)?;
                let user = rows::user(&tx, row.user).await?.ok_or(AuthError::SessionEnded)?;
                Ok::<_, AuthError>((row, user))
            })
            .await?;
        let expires_at = row.ends_at(&self.inner.settings);
        if expires_at <= now {
            return Err(AuthError::SessionEnded);
        }
        Ok(Identity { user: user.info(row.user), session_id: session, expires_at, csrf: row.csrf })
    }

    /// Whether a request that came with a cookie was made by the session's own page: it repeats the session's CSRF token.
    pub fn check_csrf(&self, identity: &Identity, header: Option<&str>) -> Result<(), AuthError> {
        let expected = identity.csrf_token();
        let given = header.unwrap_or_default();
        if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) { Ok(()) } else { Err(AuthError::Csrf) }
    }

    /// Takes away the rows of sessions that have ended; says how many. They are refused all the same.
    pub async fn purge_expired(&self) -> Result<usize, AuthError> {
        let now = self.now();
        let mut purged = 0;
        loop {
            let batch = self
                .store
                .transact(|tx| async move { Ok::<_, AuthError>(rows::purge(&tx, now, PURGE_BATCH).await?) })
                .await?;
            purged += batch;
            if batch < PURGE_BATCH {
                return Ok(purged);
            }
        }
    }

    /// The pair of tokens of a session as it was just stored.
    pub(crate) async fn login_of(
        &self,
        user: UserInfo,
        row: &SessionRow,
        token: &RefreshToken,
        now: u64,
    ) -> Result<Login, AuthError> {
        let (access_token, ends_at) = self.inner.keys.sign(user.id, token.session, row.expires_at, now).await?;
        Ok(Login {
            access_token,
            expires_in: ends_at.saturating_sub(now / 1000),
            refresh_token: token.reveal(),
            csrf_token: secret::encode(&row.csrf),
            session: SessionInfo { user, session_id: token.session, expires_at: row.expires_at },
        })
    }
}
