//! Sessions: refreshing, listing and ending them.
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

use coditect_protocol::auth::{Ended, SessionEntry, SessionInfo, UserInfo};
use coditect_protocol::{SessionId, UserId};
use uuid::Uuid;

use crate::admin::require_admin_now;
use crate::audit::{AuditAction, AuditEvent};
use crate::device_name::device_name;
use crate::revocation::Ending;
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

/// A session that is about to be stored, with its first refresh token.
pub(crate) struct NewSession {
    pub(crate) token: RefreshToken,
    pub(crate) row: SessionRow,
}

impl NewSession {
    pub(crate) fn new(user: UserId, device: &Device, settings: &AuthSettings, now: u64) -> Result<Self, AuthError> {
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

/// New secrets of a session that goes on.
pub(crate) struct Renewal {
    pub(crate) token: RefreshToken,
    csrf: [u8; 32],
}

impl Renewal {
    pub(crate) fn new(session: SessionId) -> Result<Self, AuthError> {
        Ok(Self { token: RefreshToken::first(session)?, csrf: random()? })
    }

    /// The session with these secrets. Refresh tokens of the family until now are no tokens of it any more, so that who comes with
    /// one neither gets in nor ends it.
    pub(crate) fn apply(&self, row: SessionRow, device: &Device, settings: &AuthSettings, now: u64) -> SessionRow {
        let mut row = SessionRow {
            family: self.token.family_hash(),
            current: vec![self.token.rotating_hash()],
            superseded: Vec::new(),
            csrf: self.csrf,
            ..row
        };
        row.touch(device, settings, now);
        row
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
    pub(crate) fn ends_at(&self, settings: &AuthSettings) -> u64 {
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
        // Also where the clock was set back: that must not make the grace any longer.
        self.superseded.retain(|token| now.abs_diff(token.at) < grace);
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

/// What a list shows of a session.
fn entry(id: SessionId, row: SessionRow, current: bool, settings: &AuthSettings) -> SessionEntry {
    SessionEntry {
        id,
        current,
        device: device_name(&row.user_agent),
        expires_at: row.ends_at(settings),
        user_agent: row.user_agent,
        address: row.address.map(|address| address.to_string()),
        created_at: row.created_at,
        used_at: row.refreshed_at,
    }
}

fn count(ended: &[SessionId]) -> Ended {
    Ended { ended: u32::try_from(ended.len()).unwrap_or(u32::MAX) }
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
                let Some(user) = user.filter(|user| !user.disabled && before.ends_at(settings) > now) else {
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
        // The end of the session has moved, if it has not come.
        self.inner.caches.sessions.drop_one(&used.session);
        if !matches!(turned, Some((_, Some(_)))) {
            self.forget(&[Ending::Session(used.session)]);
        }
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
    pub async fn logout(&self, session: SessionId, device: &Device) -> Result<(), AuthError> {
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
        self.forget(&[Ending::Session(session)]);
        if let Some(row) = ended {
            self.tell(AuditAction::LoggedOut, Some(row.user), Some(session), device.address);
        }
        Ok(())
    }

    /// The person's sessions that have not ended, the one used last first.
    pub async fn sessions(&self, identity: &Identity) -> Result<Vec<SessionEntry>, AuthError> {
        let current = identity.require_session()?;
        let (user, now, settings) = (identity.user.id, self.now(), &self.inner.settings);
        let rows =
            self.store.transact(|tx| async move { Ok::<_, AuthError>(rows::sessions(&tx, user).await?) }).await?;
        let live = rows.into_iter().filter(|(_, row)| row.ends_at(settings) > now);
        let mut entries: Vec<_> = live.map(|(id, row)| entry(id, row, id == current, settings)).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse((entry.used_at, entry.id)));
        Ok(entries)
    }

    /// Ends one of the person's sessions. Somebody else's does not exist.
    pub async fn end_session(&self, identity: &Identity, id: SessionId, device: &Device) -> Result<(), AuthError> {
        identity.require_session()?;
        let user = identity.user.id;
        self.store
            .transact(|tx| async move {
                let row = rows::session(&tx, id).await?.filter(|row| row.user == user);
                rows::clear_session(&tx, id, &row.ok_or(AuthError::NoSuchSession)?)?;
                Ok::<_, AuthError>(())
            })
            .await?;
        self.forget(&[Ending::Session(id)]);
        self.tell(AuditAction::SessionEnded, Some(user), Some(id), device.address);
        Ok(())
    }

    /// Ends every session of the person but the one that asks, and what was started by any of them.
    pub async fn end_other_sessions(&self, identity: &Identity, device: &Device) -> Result<Ended, AuthError> {
        let current = identity.require_session()?;
        let user = identity.user.id;
        let now = self.now();
        let (ended, tokens) = self
            .store
            .transact(|tx| async move {
                let tokens = rows::log_out_everywhere(&tx, user, now).await?;
                Ok::<_, AuthError>((rows::end_sessions_of(&tx, user, Some(current)).await?, tokens))
            })
            .await?;
        self.forget_sessions(&ended);
        self.forget_terminals(user, &tokens);
        self.tell(AuditAction::OtherSessionsEnded, Some(user), Some(current), device.address);
        Ok(count(&ended))
    }

    /// Ends every session of somebody, and what was started by any of them, for an admin.
    pub async fn end_sessions_of(
        &self,
        identity: &Identity,
        user: UserId,
        device: &Device,
    ) -> Result<Ended, AuthError> {
        identity.require_admin()?;
        let now = self.now();
        let (ended, tokens) = self
            .store
            .transact(|tx| async move {
                require_admin_now(&tx, identity).await?;
                rows::user(&tx, user).await?.ok_or(AuthError::NoSuchPerson)?;
                let tokens = rows::log_out_everywhere(&tx, user, now).await?;
                Ok::<_, AuthError>((rows::end_sessions_of(&tx, user, None).await?, tokens))
            })
            .await?;
        self.forget_sessions(&ended);
        self.forget_terminals(user, &tokens);
        self.record(&AuditEvent {
            user: Some(user),
            actor: Some(identity.user.id),
            address: device.address,
            ..self.event(AuditAction::SessionsEndedByAdmin)
        });
        Ok(count(&ended))
    }

    /// Drops what this server has cached of sessions that were just ended.
    pub(crate) fn forget_sessions(&self, ended: &[SessionId]) {
        let endings: Vec<_> = ended.iter().copied().map(Ending::Session).collect();
        self.forget(&endings);
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
            device_token: None,
            session: SessionInfo { user, session_id: token.session, expires_at: row.expires_at },
        })
    }
}
