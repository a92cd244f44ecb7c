//! Registering and logging in.

use coditect_protocol::auth::{Credentials, UserInfo};
use coditect_protocol::{SessionId, UserId};
use uuid::Uuid;

use crate::audit::AuditAction;
use crate::email::Email;
use crate::password::{self, Checked};
use crate::rows::{self, PasswordRow, UserRow};
use crate::secret::readable_password;
use crate::sessions::NewSession;
use crate::settings::{PASSWORD_MAX_BYTES, Registration};
use crate::throttle::Attempt;
use crate::{Auth, AuthError, Device, Login};

/// So much of what was typed as an address names the account in the count of attempts, in bytes.
const COUNTED_NAME_MAX_BYTES: usize = 256;

/// An account as it was before its password was checked.
pub(crate) struct Known {
    pub(crate) id: UserId,
    pub(crate) password: PasswordRow,
}

impl Auth {
    /// Makes an account and logs in. The first account of an instance is its admin's.
    pub async fn register(&self, credentials: &Credentials, device: &Device) -> Result<Login, AuthError> {
        if self.inner.settings.registration == Registration::Closed {
            return Err(AuthError::RegistrationClosed);
        }
        // Counted and never given back: making many accounts is what an address may not do, too.
        self.attempt(device, None)?;
        let email = Email::parse(&credentials.email).map_err(AuthError::InvalidEmail)?;
        password::check(&credentials.password, &email, &self.inner.settings).map_err(AuthError::WeakPassword)?;
        // Asked before the hash for the work it saves; what counts is asked again in the transaction.
        let taken = &email;
        let taken =
            self.store.transact(|tx| async move { Ok::<_, AuthError>(rows::user_of(&tx, taken).await?) }).await?;
        if taken.is_some() {
            return Err(AuthError::EmailTaken);
        }
        let hash = self.inner.hasher.hash(credentials.password.clone()).await?;
        let now = self.now();
        let id = UserId(Uuid::now_v7());
        let password = PasswordRow { hash, changed_at: now };
        let session = NewSession::new(id, device, &self.inner.settings, now)?;
        let (email, password, new) = (&email, &password, &session);
        let row: UserRow = self
            .store
            .transact(|tx| async move {
                let row = rows::add_user(&tx, id, email, password).await?;
                rows::set_session(&tx, new.id(), &new.row, None)?;
                Ok::<_, AuthError>(row)
            })
            .await?;
        self.tell(AuditAction::Registered, Some(id), Some(session.id()), device.address);
        self.login_of(row.info(id), &session.row, &session.token, now).await
    }

    /// Logs in. An unknown address and a wrong password cannot be told apart, by the answer or by its time.
    pub async fn login(&self, credentials: &Credentials, device: &Device) -> Result<Login, AuthError> {
        let attempt = self.attempt(device, Some(&credentials.email))?;
        // Nobody can have a longer one, and nobody has an empty one, which is checked instead: that takes its time as well.
        let fits = credentials.password.len() <= PASSWORD_MAX_BYTES;
        let password = if fits { credentials.password.clone() } else { String::new() };
        let (known, checked) = match self.compare(&credentials.email, password.clone()).await {
            Ok(compared) => compared,
            Err(error) => {
                // A busy server must not count against who waits for it.
                self.inner.throttle.not_made(&attempt, self.now());
                return Err(error);
            }
        };
        let known = match (known, checked) {
            (Some(known), Checked::Right | Checked::RightButOutdated) => known,
            (known, _) => {
                self.tell(AuditAction::LoginFailed, known.map(|known| known.id), None, device.address);
                return Err(AuthError::BadCredentials);
            }
        };
        let renewed = match checked {
            // A busy server renews it another time.
            Checked::RightButOutdated => self.inner.hasher.hash(password).await.ok(),
            _ => None,
        };
        self.inner.throttle.succeeded(&attempt, self.now());
        self.begin_session(&known, renewed, device).await
    }

    /// The account of an address, if there is one, and whether a password is its. The same work in any case.
    async fn compare(&self, email: &str, password: String) -> Result<(Option<Known>, Checked), AuthError> {
        let known = self.known(email).await?;
        let hash = known.as_ref().map(|known| known.password.hash.clone());
        let checked = self.inner.hasher.check(password, hash).await?;
        Ok((known, checked))
    }

    /// Makes the account of an instance on which nobody has registered yet, with a password to be shown once.
    ///
    /// Answers the address and the password, or nothing where somebody has registered before.
    pub async fn create_first_login(&self, email: &str) -> Result<Option<(String, String)>, AuthError> {
        let email = Email::parse(email).map_err(AuthError::InvalidEmail)?;
        if self.store.transact(|tx| async move { Ok::<_, AuthError>(rows::first_user(&tx).await?) }).await?.is_some() {
            return Ok(None);
        }
        let password = readable_password()?;
        let hash = self.inner.hasher.hash(password.clone()).await?;
        let row = PasswordRow { hash, changed_at: self.now() };
        let id = UserId(Uuid::now_v7());
        let (typed, row) = (&email, &row);
        let made = self
            .store
            .transact(|tx| async move {
                if rows::first_user(&tx).await?.is_some_and(|first| first != id) {
                    return Ok::<_, AuthError>(false);
                }
                rows::add_user(&tx, id, typed, row).await?;
                Ok(true)
            })
            .await?;
        if made {
            self.tell(AuditAction::FirstLoginCreated, Some(id), None, None);
        }
        Ok(made.then_some((email.typed, password)))
    }

    /// Counts an attempt, or refuses it.
    fn attempt(&self, device: &Device, name: Option<&str>) -> Result<Attempt, AuthError> {
        let name = name.map(|name| {
            let name = name.trim();
            let end = name.floor_char_boundary(COUNTED_NAME_MAX_BYTES);
            name[..end].to_ascii_lowercase()
        });
        self.inner.throttle.take(device.address, name.as_deref(), self.now()).map_err(|seconds| {
            self.tell(AuditAction::LoginThrottled, None, None, device.address);
            AuthError::TooManyAttempts { seconds }
        })
    }

    /// The account of an address, if there is one. What cannot be an address is looked for as well, and not found.
    pub(crate) async fn known(&self, email: &str) -> Result<Option<Known>, AuthError> {
        let Ok(email) = Email::parse(email) else { return Ok(None) };
        let email = &email;
        self.store
            .transact(|tx| async move {
                let Some(id) = rows::user_of(&tx, email).await? else { return Ok(None) };
                let password = rows::password(&tx, id).await?;
                Ok(password.map(|password| Known { id, password }))
            })
            .await
    }

    /// Begins a session of somebody whose password was right.
    pub(crate) async fn begin_session(
        &self,
        known: &Known,
        renewed: Option<String>,
        device: &Device,
    ) -> Result<Login, AuthError> {
        let now = self.now();
        let session = NewSession::new(known.id, device, &self.inner.settings, now)?;
        let renewed = renewed.map(|hash| PasswordRow { hash, changed_at: known.password.changed_at });
        let (new, renewed, max) = (&session, renewed.as_ref(), self.inner.settings.sessions_per_user);
        let (user, ended): (UserInfo, Vec<SessionId>) = self
            .store
            .transact(|tx| async move {
                // The account as it is now: it may be gone, or have another password than the one that was right.
                let row = rows::user(&tx, known.id).await?.ok_or(AuthError::BadCredentials)?;
                let password = rows::password(&tx, known.id).await?.ok_or(AuthError::BadCredentials)?;
                if password.changed_at != known.password.changed_at {
                    return Err(AuthError::BadCredentials);
                }
                if let Some(renewed) = renewed {
                    rows::set_password(&tx, known.id, renewed)?;
                }
                let ended = rows::make_room(&tx, known.id, new.id(), max).await?;
                rows::set_session(&tx, new.id(), &new.row, None)?;
                Ok((row.info(known.id), ended))
            })
            .await?;
        for id in ended {
            self.tell(AuditAction::SessionRevoked, Some(known.id), Some(id), device.address);
        }
        self.tell(AuditAction::LoggedIn, Some(known.id), Some(session.id()), device.address);
        self.login_of(user, &session.row, &session.token, now).await
    }
}
