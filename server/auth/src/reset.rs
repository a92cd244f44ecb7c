//! Forgotten passwords: a one-time code, brought by a mail or handed out by an admin, sets a new one.
//!
//! A code has 150 bits and is kept as digests. It lives for [`reset_code_lifetime`](crate::AuthSettings::reset_code_lifetime),
//! is good once and only for the password that it was made to replace. Its first group says which code is meant: a try that begins
//! otherwise is wrong without being counted against the code, so that nobody can use up the tries of a code that they have
//! not seen. A second factor stays as it is: who has lost both needs an admin twice.
//!
//! Whether a login exists shows nowhere: a mail is prepared beside the answer, and a wrong code for a known login and any code
//! for an unknown one are the same.

use std::sync::Arc;

use coditect_protocol::UserId;
use coditect_protocol::auth::{PasswordForgotten, PasswordReset, ResetCode};
use coditect_store::Transaction;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use crate::admin::{require_admin_now, require_other};
use crate::audit::{AuditAction, AuditEvent};
use crate::codes;
use crate::login_name::LoginName;
use crate::mail::Notice;
use crate::revocation::Ending;
use crate::rows::{self, PasswordRow, ResetKind, ResetRow, UserRow};
use crate::secret::SecretHash;
use crate::settings::millis;
use crate::throttle::{Counter, Source};
use crate::{Auth, AuthError, Device, Identity};

/// Tries at one code.
const TRIES: u8 = 5;
/// Mails with a code that are prepared at once; further ones are not made.
const PREPARED_AT_ONCE: usize = 16;

/// Bounds how many mails with a code are prepared at once.
pub(crate) fn preparing() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(PREPARED_AT_ONCE))
}

/// A code that somebody typed.
struct Typed {
    selector: SecretHash,
    code: SecretHash,
}

impl Typed {
    fn parse(text: &str) -> Option<Self> {
        Some(Self { selector: codes::selector(text)?, code: codes::digest(text)? })
    }

    fn is(&self, row: &ResetRow) -> bool {
        bool::from(self.code.ct_eq(&row.code))
    }
}

/// What a code turned out to be.
enum Found {
    /// Good; the account as it is.
    Good(UserId, UserRow, PasswordRow),
    /// Wrong, used, past its time or for another password.
    Wrong(Option<UserId>),
}

/// Looks whether a code is good, and counts a try at it that is not.
async fn try_code(tx: &Transaction, login: &LoginName, typed: &Typed, now: u64) -> Result<Found, AuthError> {
    let Some(id) = rows::user_of(tx, login).await? else { return Ok(Found::Wrong(None)) };
    let (Some(user), Some(password)) = (rows::user(tx, id).await?, rows::password(tx, id).await?) else {
        return Ok(Found::Wrong(Some(id)));
    };
    for kind in ResetKind::ALL {
        let Some(row) = rows::reset(tx, id, kind, now).await? else { continue };
        if row.password_changed_at != password.changed_at || row.selector != typed.selector {
            continue;
        }
        if typed.is(&row) {
            return Ok(Found::Good(id, user, password));
        }
        match row.tries_left.saturating_sub(1) {
            0 => rows::clear_reset(tx, id, kind).await?,
            tries_left => rows::set_reset(tx, id, kind, &ResetRow { tries_left, ..row }).await?,
        }
    }
    Ok(Found::Wrong(Some(id)))
}

impl Auth {
    /// Sends a code to who has forgotten their password, where the login is an e-mail address of an account. The answer is the
    /// same in any case, and takes the same time: whatever there is to do is done after it.
    pub async fn forgot_password(&self, forgotten: &PasswordForgotten, device: &Device) -> Result<(), AuthError> {
        self.attempt(device, vec![Counter::Address(device.address.into())])?;
        // Not told: the last mail that was sent holds a good code.
        let counted = vec![Counter::MailedCode(self.counted(&forgotten.login))];
        let due = self.inner.throttle.take(counted, self.now()).is_ok();
        let login = LoginName::parse(&forgotten.login).ok().filter(LoginName::is_address);
        let (Some(login), true, true) = (login, due, self.post.is_some()) else { return Ok(()) };
        let Ok(place) = Arc::clone(&self.inner.preparing).try_acquire_owned() else {
            tracing::warn!(target: "mail", "a code was not sent, because too many are being prepared");
            return Ok(());
        };
        let (auth, address) = (self.clone(), device.address);
        tokio::spawn(async move {
            match auth.mail_code(&login).await {
                Ok(Some(user)) => auth.tell(AuditAction::PasswordForgotten, Some(user), None, address),
                Ok(None) => {}
                Err(error) => tracing::warn!(target: "mail", %error, "a code could not be made"),
            }
            drop(place);
        });
        Ok(())
    }

    /// Makes a code for a login and mails it, if it has an account that can log in.
    async fn mail_code(&self, login: &LoginName) -> Result<Option<UserId>, AuthError> {
        let id = self.store.transact(|tx| async move { Ok::<_, AuthError>(rows::user_of(&tx, login).await?) }).await?;
        let Some(id) = id else { return Ok(None) };
        let (code, row) = self.new_code()?;
        let row = &row;
        let made = self
            .store
            .transact(|tx| async move {
                let able = rows::user(&tx, id).await?.is_some_and(|user| !user.disabled);
                let Some(password) = rows::password(&tx, id).await?.filter(|_| able) else {
                    return Ok::<_, AuthError>(false);
                };
                let row = ResetRow { password_changed_at: password.changed_at, ..row.clone() };
                rows::set_reset(&tx, id, ResetKind::Mail, &row).await?;
                Ok(true)
            })
            .await?;
        if made {
            self.mail_reset_code(login, &code);
        }
        Ok(made.then_some(id))
    }

    /// Makes a code for an admin to hand to somebody else. For admins.
    pub async fn issue_reset_code(
        &self,
        identity: &Identity,
        id: UserId,
        device: &Device,
    ) -> Result<ResetCode, AuthError> {
        identity.require_admin()?;
        identity.require_session()?;
        require_other(identity, id)?;
        let (code, row) = self.new_code()?;
        let expires_at = row.expires_at;
        let row = &row;
        self.store
            .transact(|tx| async move {
                require_admin_now(&tx, identity).await?;
                let password = rows::password(&tx, id).await?.ok_or(AuthError::NoSuchPerson)?;
                let row = ResetRow { password_changed_at: password.changed_at, ..row.clone() };
                Ok::<_, AuthError>(rows::set_reset(&tx, id, ResetKind::Admin, &row).await?)
            })
            .await?;
        self.tell_of_person(AuditAction::ResetCodeIssued, identity, id, device);
        Ok(ResetCode { code, expires_at })
    }

    fn new_code(&self) -> Result<(String, ResetRow), AuthError> {
        let code = codes::readable(codes::RESET_GROUPS)?;
        let typed = Typed::parse(&code).ok_or_else(|| AuthError::Internal("a code was not one".to_owned()))?;
        let expires_at = self.now().saturating_add(millis(self.inner.settings.reset_code_lifetime));
        let Typed { selector, code: digest } = typed;
        let row = ResetRow { selector, code: digest, password_changed_at: 0, expires_at, tries_left: TRIES };
        Ok((code, row))
    }

    /// Sets a new password with a code, which is used up. Ends all sessions of the person and revokes their personal access tokens:
    /// who needs a reset may have lost the account to somebody who made some.
    pub async fn reset_password(&self, reset: &PasswordReset, device: &Device) -> Result<(), AuthError> {
        let (source, account) = (Source::from(device.address), self.counted(&reset.login));
        // Not counted for the account as a whole: nobody guesses a code, and nobody shall keep out who has one.
        let attempt = self.attempt(device, vec![Counter::Address(source), Counter::AccountFrom(source, account)])?;
        let parsed = LoginName::parse(&reset.login).ok().zip(Typed::parse(&reset.code));
        let Some((login, typed)) = parsed else { return Err(self.wrong_code(None, device)) };
        let now = self.now();
        let (login, typed) = (&login, &typed);
        let found = self.store.transact(|tx| async move { try_code(&tx, login, typed, now).await }).await;
        let (id, row) = match self.or_not_made(&attempt, found)? {
            Found::Good(id, row, _) => (id, row),
            Found::Wrong(id) => return Err(self.wrong_code(id, device)),
        };
        self.check_new_password(&reset.new_password, &row)?;
        let hash = self.inner.hasher.hash(&reset.new_password, source).await;
        let (hash, now) = (self.or_not_made(&attempt, hash)?, self.now());
        let hash = &hash;
        let ended = self
            .store
            .transact(|tx| async move {
                if rows::password(&tx, id).await?.is_some_and(|password| password.hash == *hash) {
                    // This very call was committed before without anybody knowing.
                    return Ok(Some((Vec::new(), Vec::new())));
                }
                let Found::Good(_, _, before) = try_code(&tx, login, typed, now).await? else { return Ok(None) };
                let changed_at = now.max(before.changed_at.saturating_add(1));
                rows::set_password(&tx, id, &PasswordRow { hash: hash.clone(), changed_at })?;
                rows::clear_resets(&tx, id).await?;
                rows::note_ended(&tx, Ending::Person(id))?;
                let mut tokens = rows::log_out_everywhere(&tx, id, now).await?;
                tokens.extend(rows::end_tokens_of(&tx, id).await?);
                Ok::<_, AuthError>(Some((rows::end_sessions_of(&tx, id, None).await?, tokens)))
            })
            .await?;
        let Some((ended, tokens)) = ended else { return Err(self.wrong_code(Some(id), device)) };
        self.inner.throttle.succeeded(&attempt, self.now());
        self.forget_person(id, &ended);
        self.forget_terminals(id, &tokens);
        self.tell(AuditAction::PasswordReset, Some(id), None, device.address);
        self.notify(&row.login, Notice::PasswordReset);
        Ok(())
    }

    fn wrong_code(&self, user: Option<UserId>, device: &Device) -> AuthError {
        let event = self.event(AuditAction::PasswordResetFailed);
        self.record(&AuditEvent { user, address: device.address, ..event });
        AuthError::WrongResetCode
    }
}
