//! Logins whose password was right and whose second factor is still owed.
//!
//! The ticket has 256 bits and is kept as a digest. It belongs to one person and the password that was right: it ends after
//! [`LIFETIME`], after [`TRIES`] wrong codes, with a change of the password, and when it is used, which happens in the
//! transaction that begins the session.

use std::time::Duration;

use coditect_protocol::auth::{SecondFactorAnswer, SecondFactorChallenge, SecondFactorMethod, UserInfo};
use coditect_protocol::{SessionId, UserId};
use coditect_store::{StoreError, Transaction};

use super::{Accepted, accept};
use crate::audit::AuditAction;
use crate::login::admit;
use crate::mail::Notice;
use crate::rows::{self, ChallengeRow, PasswordRow, SecondFactorRow};
use crate::secret::{SecretHash, encode, random, sha256};
use crate::sessions::NewSession;
use crate::settings::millis;
use crate::throttle::Counter;
use crate::{Auth, AuthError, Device, Login};

/// How long a ticket is good.
pub(super) const LIFETIME: Duration = Duration::from_secs(300);
/// Wrong codes that a ticket bears.
pub(super) const TRIES: u8 = 5;
/// Longest text that is looked at as a ticket, in bytes.
const MAX_BYTES: usize = 64;

/// A ticket that may be given out.
pub(crate) struct Ticket {
    text: String,
    digest: SecretHash,
}

/// What an answer came to.
enum Answered {
    Right(UserInfo, Vec<SessionId>, Option<Accepted>),
    Wrong { login: String, last: bool },
    Disabled,
}

impl Ticket {
    pub(crate) fn new() -> Result<Self, AuthError> {
        let text = encode(&random::<32>()?);
        Ok(Self { digest: sha256(text.as_bytes()), text })
    }

    /// Stores the ticket for a person, and tells it.
    pub(crate) async fn issue(
        &self,
        tx: &Transaction,
        user: UserId,
        password: &PasswordRow,
        factor: &SecondFactorRow,
        now: u64,
    ) -> Result<SecondFactorChallenge, StoreError> {
        let row = ChallengeRow {
            user,
            password_changed_at: password.changed_at,
            expires_at: now.saturating_add(millis(LIFETIME)),
            tries_left: TRIES,
        };
        rows::set_challenge(tx, &self.digest, &row).await?;
        let mut methods = vec![SecondFactorMethod::Totp];
        if !factor.recovery.is_empty() {
            methods.push(SecondFactorMethod::RecoveryCode);
        }
        Ok(SecondFactorChallenge { ticket: self.text.clone(), methods, expires_in: LIFETIME.as_secs() })
    }
}

impl Auth {
    /// Logs in who owes a second factor still.
    pub async fn answer_second_factor(&self, answer: &SecondFactorAnswer, device: &Device) -> Result<Login, AuthError> {
        if answer.ticket.len() > MAX_BYTES {
            return Err(AuthError::SecondFactorTicket);
        }
        let (digest, now) = (sha256(answer.ticket.as_bytes()), self.now());
        let ticket = &digest;
        let challenge = self
            .store
            .transact(|tx| async move { Ok::<_, AuthError>(rows::challenge(&tx, ticket, now).await?) })
            .await?;
        let Some(challenge) = challenge else {
            // Tickets cannot be guessed; who tries all the same is slowed down.
            self.attempt(device, vec![Counter::Address(device.address.into())])?;
            return Err(AuthError::SecondFactorTicket);
        };
        let user = challenge.user;
        let seen = self.known_device(device).filter(|seen| seen.fits(user, challenge.password_changed_at));
        let attempt = self.attempt_second_factor(user, seen.as_ref(), device)?;
        let session = NewSession::new(user, device, &self.inner.settings, now)?;
        let answered = self.answer(ticket, &answer.code, &session, now).await;
        match self.or_not_made(&attempt, answered)? {
            Answered::Right(user, ended, accepted) => {
                self.inner.throttle.succeeded(&attempt, self.now());
                if let Some(accepted) = &accepted {
                    self.tell_of_code(accepted, user.id, device);
                }
                let means = accepted.map(|accepted| accepted.means());
                self.welcome(user, &session, &ended, seen.as_ref(), means, device).await
            }
            Answered::Wrong { login, last } => {
                self.tell(AuditAction::SecondFactorFailed, Some(user), None, device.address);
                if last {
                    self.notify(&login, Notice::SecondFactorGuessed);
                }
                Err(AuthError::WrongSecondFactor)
            }
            Answered::Disabled => {
                self.tell(AuditAction::LoginDisabled, Some(user), None, device.address);
                Err(AuthError::Disabled)
            }
        }
    }

    /// Uses up the ticket and the code and begins the session, all in one transaction, or counts a wrong code.
    async fn answer(
        &self,
        ticket: &SecretHash,
        typed: &str,
        session: &NewSession,
        now: u64,
    ) -> Result<Answered, AuthError> {
        let (master, max) = (self.master(), self.inner.settings.sessions_per_user);
        self.store
            .transact(|tx| async move {
                if let Some(row) = rows::session(&tx, session.id()).await? {
                    // This very call was committed before without anybody knowing.
                    let user = rows::user(&tx, row.user).await?.ok_or(AuthError::SecondFactorTicket)?;
                    return Ok(Answered::Right(user.info(row.user), Vec::new(), None));
                }
                let challenge = rows::challenge(&tx, ticket, now).await?.ok_or(AuthError::SecondFactorTicket)?;
                let id = challenge.user;
                let user = rows::user(&tx, id).await?.ok_or(AuthError::SecondFactorTicket)?;
                let password = rows::password(&tx, id).await?;
                if password.is_none_or(|password| password.changed_at != challenge.password_changed_at) {
                    return Err(AuthError::SecondFactorTicket);
                }
                if user.disabled {
                    rows::clear_challenge(&tx, ticket, &challenge)?;
                    return Ok(Answered::Disabled);
                }
                // Switched off meanwhile: then the password alone would do, but let it be shown once more.
                let factor = rows::second_factor(&tx, id).await?.ok_or(AuthError::SecondFactorTicket)?;
                let Some(accepted) = accept(master, id, &factor, typed, now)? else {
                    let last = count_wrong(&tx, ticket, challenge).await?;
                    return Ok(Answered::Wrong { login: user.login, last });
                };
                rows::clear_challenge(&tx, ticket, &challenge)?;
                rows::set_second_factor(&tx, id, &accepted.row)?;
                let ended = admit(&tx, session, max).await?;
                Ok::<_, AuthError>(Answered::Right(user.info(id), ended, Some(accepted)))
            })
            .await
    }
}

/// Takes a try off a ticket, or the ticket with its last one.
async fn count_wrong(tx: &Transaction, ticket: &SecretHash, row: ChallengeRow) -> Result<bool, StoreError> {
    let tries_left = row.tries_left.saturating_sub(1);
    if tries_left == 0 {
        rows::clear_challenge(tx, ticket, &row)?;
    } else {
        rows::set_challenge(tx, ticket, &ChallengeRow { tries_left, ..row }).await?;
    }
    Ok(tries_left == 0)
}
