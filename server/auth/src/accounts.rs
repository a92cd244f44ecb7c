//! Accounts: making them, and changing their passwords.

use coditect_protocol::auth::{AuthConfig, PasswordChange, Registration, RegistrationPolicy, Role};
use coditect_protocol::{SessionId, UserId};
use uuid::Uuid;

use crate::audit::{AuditAction, AuditEvent};
use crate::invites::usable_invite;
use crate::login_name::LoginName;
use crate::mail::Notice;
use crate::password::{self, Weakness};
use crate::revocation::Ending;
use crate::rows::{self, PasswordRow, UserRow};
use crate::secret::readable_password;
use crate::sessions::{NewSession, Renewal};
use crate::settings::PASSWORD_MAX_BYTES;
use crate::throttle::{Counter, Source};
use crate::{Auth, AuthError, Device, Identity, Login};

impl Auth {
    /// What a page must know before anybody is logged in.
    #[must_use]
    pub fn config(&self) -> AuthConfig {
        let settings = &self.inner.settings;
        AuthConfig {
            registration: settings.registration,
            password_min_chars: settings.password_min_chars,
            password_max_chars: settings.password_max_chars,
            sends_mail: self.post.is_some(),
        }
    }

    /// Makes an account and logs in. The first account of an instance is its admin's; what an invitation says comes next.
    pub async fn register(&self, registration: &Registration, device: &Device) -> Result<Login, AuthError> {
        match (self.inner.settings.registration, &registration.invite) {
            (RegistrationPolicy::Closed, _) => return Err(AuthError::RegistrationClosed),
            (RegistrationPolicy::Invite, None) => return Err(AuthError::InviteNeeded),
            _ => {}
        }
        // Counted and never given back: making many accounts is what an address may not do, too.
        self.attempt(device, vec![Counter::Address(device.address.into())])?;
        let login = LoginName::parse(&registration.login).map_err(AuthError::InvalidLogin)?;
        let code = registration.invite.as_deref();
        let now = self.now();
        // Asked before the hash for the work it saves; what counts is asked again in the transaction.
        let (asked, settings) = (&login, &self.inner.settings);
        self.store
            .transact(|tx| async move {
                if let Some(code) = code {
                    usable_invite(&tx, code, asked, now).await?;
                }
                password::check(&registration.password, asked, settings).map_err(AuthError::WeakPassword)?;
                let taken = rows::user_of(&tx, asked).await?.is_some();
                if taken { Err(AuthError::LoginTaken) } else { Ok(()) }
            })
            .await?;
        let hash = self.inner.hasher.hash(&registration.password, device.address.into()).await?;
        let now = self.now();
        let id = UserId(Uuid::now_v7());
        let password = PasswordRow { hash, changed_at: now };
        let session = NewSession::new(id, device, settings, now)?;
        let (login, password, new) = (&login, &password, &session);
        let (row, invite) = self
            .store
            .transact(|tx| async move {
                if let Some(row) = rows::user(&tx, id).await? {
                    // This very call was committed before without anybody knowing.
                    return Ok((row, None));
                }
                let invite = match code {
                    Some(code) => Some(usable_invite(&tx, code, login, now).await?),
                    None => None,
                };
                let role = invite.as_ref().map_or(Role::Member, |(_, invite)| invite.role);
                if let Some((id, invite)) = &invite {
                    rows::clear_invite(&tx, *id, invite)?;
                }
                let row = rows::add_user(&tx, id, login, role, password).await?;
                rows::set_session(&tx, new.id(), &new.row, None)?;
                Ok::<_, AuthError>((row, invite.map(|(id, _)| id)))
            })
            .await?;
        if invite.is_some() {
            let event = self.event(AuditAction::InviteUsed);
            self.record(&AuditEvent { user: Some(id), invite, address: device.address, ..event });
        }
        self.tell(AuditAction::Registered, Some(id), Some(session.id()), device.address);
        let user = row.info(id);
        let device_token = self.device_token(&user, None, now)?;
        let login = self.login_of(user, &session.row, &session.token, now).await?;
        Ok(Login { device_token, ..login })
    }

    /// Makes the account of an instance on which nobody has registered yet, with a password to be shown once.
    ///
    /// Answers the login and the password, or nothing where somebody has registered before.
    pub async fn create_first_login(&self, login: &str) -> Result<Option<(String, String)>, AuthError> {
        let login = LoginName::parse(login).map_err(AuthError::InvalidLogin)?;
        if self.store.transact(|tx| async move { Ok::<_, AuthError>(rows::first_user(&tx).await?) }).await?.is_some() {
            return Ok(None);
        }
        let password = readable_password()?;
        let hash = self.inner.hasher.hash(&password, Source::Unknown).await?;
        let row = PasswordRow { hash, changed_at: self.now() };
        let id = UserId(Uuid::now_v7());
        let (typed, row) = (&login, &row);
        let made = self
            .store
            .transact(|tx| async move {
                if rows::first_user(&tx).await?.is_some_and(|first| first != id) {
                    return Ok::<_, AuthError>(false);
                }
                rows::add_user(&tx, id, typed, Role::Admin, row).await?;
                Ok(true)
            })
            .await?;
        if made {
            self.tell(AuditAction::FirstLoginCreated, Some(id), None, None);
        }
        Ok(made.then_some((login.typed, password)))
    }

    /// Changes the password of who is logged in, who shows the present one and, where they have a second factor, a code of it. Ends
    /// their other sessions with what was started by any of them, and voids the codes to reset it; this session goes on with new tokens, so that copies of the old
    /// ones are worth nothing. Personal access tokens stay.
    pub async fn change_password(
        &self,
        identity: &Identity,
        change: &PasswordChange,
        device: &Device,
    ) -> Result<Login, AuthError> {
        let session = identity.require_session()?;
        let user = identity.user.id;
        let row = self.user_row(user).await?;
        // First, for it uses up no code.
        self.check_new_password(&change.new_password, &row)?;
        if change.new_password == change.current_password {
            return Err(AuthError::WeakPassword(Weakness::Same));
        }
        let before = self.confirm_person(identity, &change.current_password, change.code.as_deref(), device).await?;
        let hash = self.inner.hasher.hash(&change.new_password, device.address.into()).await?;
        let now = self.now();
        let new = PasswordRow { hash, changed_at: now.max(before.changed_at.saturating_add(1)) };
        let renewal = Renewal::new(session)?;
        let (before, new, renewal, settings) = (&before, &new, &renewal, &self.inner.settings);
        let (session_row, ended, tokens) = self
            .store
            .transact(|tx| async move {
                let own = rows::session(&tx, session).await?.filter(|own| own.ends_at(settings) > now);
                let own = own.ok_or(AuthError::SessionEnded)?;
                let password = rows::password(&tx, user).await?;
                if password.as_ref() == Some(new) {
                    // This very call was committed before without anybody knowing.
                    return Ok((own, Vec::new(), Vec::new()));
                }
                if password.is_none_or(|password| password.changed_at != before.changed_at) {
                    return Err(AuthError::WrongPassword);
                }
                rows::set_password(&tx, user, new)?;
                rows::clear_resets(&tx, user).await?;
                rows::note_ended(&tx, Ending::Person(user))?;
                let renewed = renewal.apply(own.clone(), device, settings, now);
                rows::set_session(&tx, session, &renewed, Some(&own))?;
                let tokens = rows::log_out_everywhere(&tx, user, now).await?;
                Ok::<_, AuthError>((renewed, rows::end_sessions_of(&tx, user, Some(session)).await?, tokens))
            })
            .await?;
        self.forget_person(user, &ended);
        self.forget_terminals(user, &tokens);
        self.tell(AuditAction::PasswordChanged, Some(user), Some(session), device.address);
        self.notify(&row.login, Notice::PasswordChanged);
        let info = row.info(user);
        // The device was known by the password until now.
        let device_token = self.device_token(&info, None, now)?;
        let login = self.login_of(info, &session_row, &renewal.token, now).await?;
        Ok(Login { device_token, ..login })
    }

    /// Whether a person may take this password.
    pub(crate) fn check_new_password(&self, password: &str, row: &UserRow) -> Result<(), AuthError> {
        let settings = &self.inner.settings;
        if password.len() > PASSWORD_MAX_BYTES {
            return Err(AuthError::WeakPassword(Weakness::TooLong { max: settings.password_max_chars }));
        }
        let login = LoginName::parse(&row.login).map_err(AuthError::InvalidLogin)?;
        password::check(password, &login, settings).map_err(AuthError::WeakPassword)
    }

    /// A person as the store has them now.
    pub(crate) async fn user_row(&self, id: UserId) -> Result<UserRow, AuthError> {
        let row = self.store.transact(|tx| async move { Ok::<_, AuthError>(rows::user(&tx, id).await?) }).await?;
        row.ok_or(AuthError::NoSuchPerson)
    }

    /// Drops what this server remembers of a person and of sessions of theirs that were ended.
    pub(crate) fn forget_person(&self, user: UserId, ended: &[SessionId]) {
        self.forget_sessions(ended);
        self.forget(&[Ending::Person(user)]);
    }
}
