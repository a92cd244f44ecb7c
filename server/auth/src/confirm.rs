//! Showing again who one is, before something that a stolen session must not be enough for.
//!
//! Failures are counted by person: only who has a session of theirs can fail, so that nobody else can use up the count. They are
//! forgiven once all that is asked for was right: a right password alone forgives no wrong code.

use coditect_protocol::UserId;

use crate::audit::AuditAction;
use crate::password::Checked;
use crate::rows::{self, PasswordRow};
use crate::settings::PASSWORD_MAX_BYTES;
use crate::throttle::Counter;
use crate::{Auth, AuthError, Device, Identity};

impl Auth {
    /// Asks who is logged in for their password and, where they have a second factor, for a code of it, which is used up. Answers
    /// the password as it is.
    pub(crate) async fn confirm_person(
        &self,
        identity: &Identity,
        password: &str,
        code: Option<&str>,
        device: &Device,
    ) -> Result<PasswordRow, AuthError> {
        let user = identity.user.id;
        let attempt = self.attempt(device, vec![Counter::Confirmation(self.inner.throttle.person(user))])?;
        let row = self.right_password(user, password, device).await;
        let Some(row) = self.or_not_made(&attempt, row)? else {
            self.tell(AuditAction::ConfirmationFailed, Some(user), identity.session_id(), device.address);
            return Err(AuthError::WrongPassword);
        };
        match self.confirm_code(user, &row, code.unwrap_or_default(), device).await {
            Ok(()) => {
                self.inner.throttle.succeeded(&attempt, self.now());
                Ok(row)
            }
            Err(AuthError::WrongSecondFactor) => Err(AuthError::WrongSecondFactor),
            // Nothing was found out about a code.
            Err(error) => self.or_not_made(&attempt, Err(error)),
        }
    }

    /// A person's password, if this is it.
    async fn right_password(
        &self,
        user: UserId,
        password: &str,
        device: &Device,
    ) -> Result<Option<PasswordRow>, AuthError> {
        let row = self.store.transact(|tx| async move { Ok::<_, AuthError>(rows::password(&tx, user).await?) }).await?;
        let fits = password.len() <= PASSWORD_MAX_BYTES;
        let hash = row.as_ref().map(|row| row.hash.clone());
        let checked = self.inner.hasher.check(if fits { password } else { "" }, hash, device.address.into()).await?;
        Ok(row.filter(|_| matches!(checked, Checked::Right | Checked::RightButOutdated)))
    }
}
