//! Logging in with a password.

use coditect_protocol::auth::{Credentials, SecondFactorChallenge, UserInfo};
use coditect_protocol::{SessionId, UserId};
use coditect_store::{StoreError, Transaction};

use crate::audit::{AuditAction, AuditEvent, LoginMeans};
use crate::known_device::KnownDevice;
use crate::login_name::LoginName;
use crate::password::Checked;
use crate::revocation::Ending;
use crate::rows::{self, PasswordRow};
use crate::second_factor::Ticket;
use crate::sessions::NewSession;
use crate::settings::PASSWORD_MAX_BYTES;
use crate::throttle::{Attempt, Counter, Source};
use crate::{Auth, AuthError, Device, Login, LoginStep};

/// So much of what was typed as a login names the account in the count of attempts, in bytes.
const COUNTED_NAME_MAX_BYTES: usize = 256;

/// An account as it was before its password was checked.
pub(crate) struct Known {
    pub(crate) id: UserId,
    pub(crate) password: PasswordRow,
}

/// What a right password came to.
enum Begun {
    Session(UserInfo, Vec<SessionId>),
    SecondFactor(SecondFactorChallenge),
    Disabled,
}

impl Auth {
    /// Logs in. An unknown login and a wrong password cannot be told apart, by the answer or by its time; that an account is
    /// disabled or has a second factor is told only to who has its password.
    pub async fn login(&self, credentials: &Credentials, device: &Device) -> Result<LoginStep, AuthError> {
        let seen = self.known_device_of(device, &credentials.login);
        let attempt = self.attempt(device, self.login_counters(device, &credentials.login, seen.as_ref()))?;
        let known = self.known(&credentials.login).await;
        let known = self.or_not_made(&attempt, known)?;
        let (seen, attempt) = self.recount(seen, known.as_ref(), attempt, credentials, device)?;
        // Nobody can have a longer one, and nobody has an empty one, which is checked instead: that takes its time as well.
        let fits = credentials.password.len() <= PASSWORD_MAX_BYTES;
        let password = if fits { credentials.password.as_str() } else { "" };
        let hash = known.as_ref().map(|known| known.password.hash.clone());
        let from = Source::from(device.address);
        // A busy server must not count against who waits for it.
        let checked = self.or_not_made(&attempt, self.inner.hasher.check(password, hash, from).await)?;
        let known = match (known, checked) {
            (Some(known), Checked::Right | Checked::RightButOutdated) => known,
            (known, _) => {
                self.tell(AuditAction::LoginFailed, known.map(|known| known.id), None, device.address);
                return Err(AuthError::BadCredentials);
            }
        };
        let renewed = match checked {
            // A busy server renews it another time.
            Checked::RightButOutdated => self.inner.hasher.hash(password, from).await.ok(),
            _ => None,
        };
        let step = self.begin_session(&known, renewed, seen.as_ref(), device).await?;
        // Who still owes the second factor has not succeeded: whoever learned the password would clear the count with it.
        if matches!(step, LoginStep::Done(_)) {
            self.inner.throttle.succeeded(&attempt, self.now());
        }
        Ok(step)
    }

    /// Counts an attempt, or refuses it.
    pub(crate) fn attempt(&self, device: &Device, counters: Vec<Counter>) -> Result<Attempt, AuthError> {
        self.inner.throttle.take(counters, self.now()).map_err(|seconds| {
            self.tell(AuditAction::LoginThrottled, None, None, device.address);
            AuthError::TooManyAttempts { seconds }
        })
    }

    /// Gives an attempt back where the server could not even try.
    pub(crate) fn or_not_made<T>(&self, attempt: &Attempt, tried: Result<T, AuthError>) -> Result<T, AuthError> {
        tried.inspect_err(|_| self.inner.throttle.not_made(attempt, self.now()))
    }

    /// What an attempt at what was typed as a login is counted by.
    fn login_counters(&self, device: &Device, login: &str, seen: Option<&KnownDevice>) -> Vec<Counter> {
        let (throttle, account) = (&self.inner.throttle, self.counted(login));
        if let Some(seen) = seen {
            return vec![Counter::KnownDevice(throttle.hashed(&seen.name), account)];
        }
        let source = Source::from(device.address);
        vec![Counter::Address(source), Counter::AccountFrom(source, account), Counter::Account(account)]
    }

    /// How what was typed as a login is named in the count of attempts, whether there is such an account or not.
    pub(crate) fn counted(&self, login: &str) -> crate::throttle::Hashed {
        let name = login.trim();
        let name = name[..name.floor_char_boundary(COUNTED_NAME_MAX_BYTES)].to_ascii_lowercase();
        self.inner.throttle.hashed(name.as_bytes())
    }

    /// A device token that is older than the password, or another person's, counts for nothing.
    fn recount(
        &self,
        seen: Option<KnownDevice>,
        known: Option<&Known>,
        attempt: Attempt,
        credentials: &Credentials,
        device: &Device,
    ) -> Result<(Option<KnownDevice>, Attempt), AuthError> {
        let fits = |seen: &KnownDevice| known.is_some_and(|known| seen.fits(known.id, known.password.changed_at));
        match seen {
            Some(seen) if !fits(&seen) => {
                let attempt = self.attempt(device, self.login_counters(device, &credentials.login, None))?;
                Ok((None, attempt))
            }
            seen => Ok((seen, attempt)),
        }
    }

    /// The account of a login, if there is one. What cannot be a login is looked for as well, and not found.
    pub(crate) async fn known(&self, login: &str) -> Result<Option<Known>, AuthError> {
        let Ok(login) = LoginName::parse(login) else { return Ok(None) };
        let login = &login;
        self.store
            .transact(|tx| async move {
                let Some(id) = rows::user_of(&tx, login).await? else { return Ok(None) };
                let password = rows::password(&tx, id).await?;
                Ok(password.map(|password| Known { id, password }))
            })
            .await
    }

    /// Begins a session of somebody whose password was right, or asks for their second factor.
    pub(crate) async fn begin_session(
        &self,
        known: &Known,
        renewed: Option<String>,
        seen: Option<&KnownDevice>,
        device: &Device,
    ) -> Result<LoginStep, AuthError> {
        let (now, id) = (self.now(), known.id);
        let session = NewSession::new(id, device, &self.inner.settings, now)?;
        let ticket = Ticket::new()?;
        let renewed = renewed.map(|hash| PasswordRow { hash, changed_at: known.password.changed_at });
        let (new, ticket, renewed) = (&session, &ticket, renewed.as_ref());
        let max = self.inner.settings.sessions_per_user;
        let begun = self
            .store
            .transact(|tx| async move {
                // The account as it is now: it may be gone, or have another password than the one that was right.
                let row = rows::user(&tx, id).await?.ok_or(AuthError::BadCredentials)?;
                let password = rows::password(&tx, id).await?.ok_or(AuthError::BadCredentials)?;
                if password.changed_at != known.password.changed_at {
                    return Err(AuthError::BadCredentials);
                }
                if let Some(renewed) = renewed {
                    rows::set_password(&tx, id, renewed)?;
                }
                if row.disabled {
                    return Ok(Begun::Disabled);
                }
                if let Some(factor) = rows::second_factor(&tx, id).await? {
                    return Ok(Begun::SecondFactor(ticket.issue(&tx, id, &password, &factor, now).await?));
                }
                let ended = admit(&tx, new, max).await?;
                Ok(Begun::Session(row.info(id), ended))
            })
            .await?;
        match begun {
            Begun::Session(user, ended) => {
                let means = Some(LoginMeans::Password);
                self.welcome(user, &session, &ended, seen, means, device).await.map(LoginStep::Done)
            }
            Begun::SecondFactor(challenge) => Ok(LoginStep::SecondFactor(challenge)),
            Begun::Disabled => {
                self.tell(AuditAction::LoginDisabled, Some(id), None, device.address);
                Err(AuthError::Disabled)
            }
        }
    }

    /// What somebody gets whose session has begun. `ended` are the sessions that had to make room for it; `means` is unknown only
    /// where a commit went through before without anybody knowing.
    pub(crate) async fn welcome(
        &self,
        user: UserInfo,
        session: &NewSession,
        ended: &[SessionId],
        seen: Option<&KnownDevice>,
        means: Option<LoginMeans>,
        device: &Device,
    ) -> Result<Login, AuthError> {
        let (id, now) = (user.id, self.now());
        let device_token = self.device_token(&user, seen, now)?;
        for ended in ended {
            self.forget(&[Ending::Session(*ended)]);
            self.tell(AuditAction::SessionRevoked, Some(id), Some(*ended), device.address);
        }
        let (user_id, session_id, address) = (Some(id), Some(session.id()), device.address);
        let event = self.event(AuditAction::LoggedIn);
        self.record(&AuditEvent { user: user_id, session: session_id, means, address, ..event });
        let login = self.login_of(user, &session.row, &session.token, now).await?;
        Ok(Login { device_token, ..login })
    }
}

/// Puts a session into the store, and ends the oldest ones where its person has too many; says which.
pub(crate) async fn admit(tx: &Transaction, new: &NewSession, max: usize) -> Result<Vec<SessionId>, StoreError> {
    let ended = rows::make_room(tx, new.row.user, new.id(), max).await?;
    rows::set_session(tx, new.id(), &new.row, None)?;
    Ok(ended)
}
