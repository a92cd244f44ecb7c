//! The second factor: codes of an authenticator, and recovery codes for when it is lost.
//!
//! * A code of the authenticator is good once: the step it belongs to is kept in the transaction that takes it, so that it is
//!   refused on every server. The secret is sealed with the master key.
//! * Recovery codes have 125 bits and are kept as digests; each is good once.
//! * A login whose password was right gets a **ticket** (`challenge.rs`), which is good for a few tries and minutes.
//!
//! # Other methods
//!
//! What an account can answer a challenge with is [`Method`], and each has rows of its own (`totp` now). A passkey becomes a variant,
//! a row beside it and an arm of [`accept`]. Who logs in with a passkey alone, or through OIDC, needs no password and no ticket:
//! such a login begins its session by [`crate::login::admit`] and [`Auth::welcome`], as the device code does.

mod challenge;
mod totp;

pub(crate) use challenge::Ticket;

use std::time::Duration;

use coditect_protocol::UserId;
use coditect_protocol::auth::{
    Reauthentication, RecoveryCodes, SecondFactorMethod, SecondFactorStatus, TotpCode, TotpSetup,
};
use coditect_store::MasterKey;

use crate::audit::{AuditAction, LoginMeans};
use crate::codes;
use crate::known_device::KnownDevice;
use crate::mail::Notice;
use crate::rows::{self, PasswordRow, SecondFactorRow, SetupRow};
use crate::secret::SecretHash;
use crate::settings::millis;
use crate::throttle::{Attempt, Counter};
use crate::{Auth, AuthError, Device, Identity};
use totp::TotpSecret;

/// What an authenticator shows as the name of the service.
const SERVICE: &str = "Coditect";
/// How long a set-up waits for its first code.
const SETUP_LIFETIME: Duration = Duration::from_secs(600);
/// Recovery codes of a person.
const RECOVERY_CODES: usize = 10;

/// What an account can answer a challenge with.
type Method = SecondFactorMethod;

/// A code that somebody typed.
enum Given {
    Totp(String),
    Recovery(SecretHash),
}

impl Given {
    fn parse(typed: &str) -> Option<Self> {
        match totp::digits(typed) {
            Some(code) => Some(Self::Totp(code)),
            None => codes::digest(typed).map(Self::Recovery),
        }
    }
}

/// A code that was right, and what the factor is once it is used up.
struct Accepted {
    method: Method,
    row: SecondFactorRow,
}

impl Accepted {
    /// What a login with it is told as.
    fn means(&self) -> LoginMeans {
        match self.method {
            Method::Totp => LoginMeans::Totp,
            Method::RecoveryCode => LoginMeans::RecoveryCode,
        }
    }
}

/// What a secret is sealed for.
fn context(user: UserId) -> Vec<u8> {
    [b"auth: totp of ", user.0.as_bytes().as_slice()].concat()
}

fn unseal(master: &MasterKey, user: UserId, sealed: &[u8]) -> Result<TotpSecret, AuthError> {
    Ok(TotpSecret::from_bytes(master.open(&context(user), sealed)?))
}

/// Takes a code, if it is right.
fn accept(
    master: &MasterKey,
    user: UserId,
    row: &SecondFactorRow,
    typed: &str,
    now: u64,
) -> Result<Option<Accepted>, AuthError> {
    let mut row = row.clone();
    let method = match Given::parse(typed) {
        None => return Ok(None),
        Some(Given::Totp(code)) => {
            let secret = unseal(master, user, &row.secret)?;
            let Some(step) = secret.step_of(&code, now, Some(row.last_step)) else { return Ok(None) };
            row.last_step = step;
            // The key may have been rotated since.
            if master.is_outdated(&row.secret) {
                row.secret = master.seal(&context(user), secret.bytes())?;
            }
            Method::Totp
        }
        Some(Given::Recovery(digest)) => {
            // Digests are compared, so that the time of the comparison tells nothing about a code.
            let Some(at) = row.recovery.iter().position(|left| *left == digest) else { return Ok(None) };
            row.recovery.remove(at);
            Method::RecoveryCode
        }
    };
    Ok(Some(Accepted { method, row }))
}

/// New recovery codes with their digests.
fn new_recovery_codes() -> Result<(Vec<String>, Vec<SecretHash>), AuthError> {
    let codes = (0..RECOVERY_CODES).map(|_| codes::readable(codes::RECOVERY_GROUPS));
    let codes = codes.collect::<Result<Vec<_>, _>>()?;
    let digests = codes.iter().filter_map(|code| codes::digest(code)).collect();
    Ok((codes, digests))
}

impl Auth {
    /// Whether the person's logins ask for a second factor.
    pub async fn second_factor(&self, identity: &Identity) -> Result<SecondFactorStatus, AuthError> {
        identity.require_session()?;
        let row = self.factor(identity.user.id).await?;
        Ok(SecondFactorStatus {
            enabled: row.is_some(),
            enabled_at: row.as_ref().map(|row| row.enabled_at),
            recovery_codes_left: row.map_or(0, |row| u32::try_from(row.recovery.len()).unwrap_or(u32::MAX)),
        })
    }

    /// Begins to set up an authenticator. It counts once [`Auth::confirm_totp`] has seen a code of it.
    pub async fn begin_totp(
        &self,
        identity: &Identity,
        shown: &Reauthentication,
        device: &Device,
    ) -> Result<TotpSetup, AuthError> {
        identity.require_session()?;
        let user = identity.user.id;
        self.confirm_person(identity, &shown.password, shown.code.as_deref(), device).await?;
        let secret = TotpSecret::generate()?;
        let expires_at = self.now().saturating_add(millis(SETUP_LIFETIME));
        let row = SetupRow { secret: self.master().seal(&context(user), secret.bytes())?, expires_at };
        let row = &row;
        self.store
            .transact(|tx| async move {
                if rows::second_factor(&tx, user).await?.is_some() {
                    return Err(AuthError::SecondFactorEnabled);
                }
                Ok::<_, AuthError>(rows::set_setup(&tx, user, row).await?)
            })
            .await?;
        let uri = totp::uri(SERVICE, &identity.user.login, &secret);
        Ok(TotpSetup { secret: secret.base32(), qr_svg: totp::qr_svg(&uri)?, uri, expires_at })
    }

    /// Switches the second factor on, with the first code of the authenticator that is being set up.
    pub async fn confirm_totp(
        &self,
        identity: &Identity,
        first: &TotpCode,
        device: &Device,
    ) -> Result<RecoveryCodes, AuthError> {
        let session = identity.require_session()?;
        let (user, now, master) = (identity.user.id, self.now(), self.master());
        let attempt = self.attempt(device, vec![Counter::Confirmation(self.inner.throttle.person(user))])?;
        let (codes, recovery) = new_recovery_codes()?;
        let (recovery, typed) = (&recovery, totp::digits(&first.code).unwrap_or_default());
        let typed = &typed;
        let right = self
            .store
            .transact(|tx| async move {
                if let Some(row) = rows::second_factor(&tx, user).await? {
                    // Ours, if this very call was committed before without anybody knowing.
                    return if row.recovery == *recovery { Ok(true) } else { Err(AuthError::SecondFactorEnabled) };
                }
                let setup = rows::setup(&tx, user, now).await?.ok_or(AuthError::SecondFactorMissing)?;
                let Some(last_step) = unseal(master, user, &setup.secret)?.step_of(typed, now, None) else {
                    return Ok(false);
                };
                let row =
                    SecondFactorRow { secret: setup.secret, enabled_at: now, last_step, recovery: recovery.clone() };
                rows::clear_setup(&tx, user).await?;
                rows::set_second_factor(&tx, user, &row)?;
                Ok::<_, AuthError>(true)
            })
            .await;
        if !self.or_not_made(&attempt, right)? {
            self.tell(AuditAction::SecondFactorFailed, Some(user), Some(session), device.address);
            return Err(AuthError::WrongSecondFactor);
        }
        self.inner.throttle.succeeded(&attempt, self.now());
        self.tell(AuditAction::SecondFactorEnabled, Some(user), Some(session), device.address);
        self.notify(&identity.user.login, Notice::SecondFactorEnabled);
        Ok(RecoveryCodes { codes })
    }

    /// Makes new recovery codes in place of those there were.
    pub async fn renew_recovery_codes(
        &self,
        identity: &Identity,
        shown: &Reauthentication,
        device: &Device,
    ) -> Result<RecoveryCodes, AuthError> {
        let session = identity.require_session()?;
        let user = identity.user.id;
        self.factor(user).await?.ok_or(AuthError::SecondFactorMissing)?;
        self.confirm_person(identity, &shown.password, shown.code.as_deref(), device).await?;
        let (codes, recovery) = new_recovery_codes()?;
        let recovery = &recovery;
        self.store
            .transact(|tx| async move {
                let row = rows::second_factor(&tx, user).await?.ok_or(AuthError::SecondFactorMissing)?;
                let row = SecondFactorRow { recovery: recovery.clone(), ..row };
                Ok::<_, AuthError>(rows::set_second_factor(&tx, user, &row)?)
            })
            .await?;
        self.tell(AuditAction::RecoveryCodesRenewed, Some(user), Some(session), device.address);
        self.notify(&identity.user.login, Notice::RecoveryCodesRenewed);
        Ok(RecoveryCodes { codes })
    }

    /// Switches the second factor off.
    pub async fn disable_second_factor(
        &self,
        identity: &Identity,
        shown: &Reauthentication,
        device: &Device,
    ) -> Result<(), AuthError> {
        let session = identity.require_session()?;
        let user = identity.user.id;
        self.factor(user).await?.ok_or(AuthError::SecondFactorMissing)?;
        self.confirm_person(identity, &shown.password, shown.code.as_deref(), device).await?;
        self.store.transact(|tx| async move { Ok::<_, AuthError>(rows::clear_second_factor(&tx, user)?) }).await?;
        self.tell(AuditAction::SecondFactorDisabled, Some(user), Some(session), device.address);
        self.notify(&identity.user.login, Notice::SecondFactorDisabled);
        Ok(())
    }

    /// Uses up a code of a person whose password was right; where they have no second factor, nothing is asked.
    pub(crate) async fn confirm_code(
        &self,
        user: UserId,
        password: &PasswordRow,
        typed: &str,
        device: &Device,
    ) -> Result<(), AuthError> {
        if self.factor(user).await?.is_none() {
            return Ok(());
        }
        let seen = self.known_device(device).filter(|seen| seen.fits(user, password.changed_at));
        let attempt = self.attempt_second_factor(user, seen.as_ref(), device)?;
        let (now, master) = (self.now(), self.master());
        let accepted = self
            .store
            .transact(|tx| async move {
                let Some(row) = rows::second_factor(&tx, user).await? else { return Ok::<_, AuthError>(None) };
                let accepted = accept(master, user, &row, typed, now)?;
                if let Some(accepted) = &accepted {
                    rows::set_second_factor(&tx, user, &accepted.row)?;
                }
                Ok(accepted)
            })
            .await;
        match self.or_not_made(&attempt, accepted)? {
            Some(accepted) => {
                self.inner.throttle.succeeded(&attempt, self.now());
                self.tell_of_code(&accepted, user, device);
                Ok(())
            }
            None => {
                self.tell(AuditAction::SecondFactorFailed, Some(user), None, device.address);
                Err(AuthError::WrongSecondFactor)
            }
        }
    }

    /// Counts a try at a person's second factor, or refuses it.
    fn attempt_second_factor(
        &self,
        user: UserId,
        seen: Option<&KnownDevice>,
        device: &Device,
    ) -> Result<Attempt, AuthError> {
        let (throttle, person) = (&self.inner.throttle, self.inner.throttle.person(user));
        let counters = match seen {
            Some(seen) => vec![Counter::SecondFactorKnown(throttle.hashed(&seen.name), person)],
            None => vec![Counter::Address(device.address.into()), Counter::SecondFactor(person)],
        };
        self.attempt(device, counters)
    }

    fn tell_of_code(&self, accepted: &Accepted, user: UserId, device: &Device) {
        if accepted.method == Method::RecoveryCode {
            self.tell(AuditAction::RecoveryCodeUsed, Some(user), None, device.address);
        }
    }

    async fn factor(&self, user: UserId) -> Result<Option<SecondFactorRow>, AuthError> {
        self.store.transact(|tx| async move { Ok::<_, AuthError>(rows::second_factor(&tx, user).await?) }).await
    }

    /// The secret of a person's authenticator, for tests that answer in its place.
    #[cfg(test)]
    pub(crate) async fn totp_code(&self, user: UserId, now: u64) -> String {
        let row = self.factor(user).await.unwrap().unwrap();
        unseal(self.master(), user, &row.secret).unwrap().code_at(now)
    }
}

/// The code that an authenticator with this secret shows, for tests.
#[cfg(test)]
pub(crate) fn code_of(base32: &str, now: u64) -> String {
    TotpSecret::from_base32(base32).code_at(now)
}
