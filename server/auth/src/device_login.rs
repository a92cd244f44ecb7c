//! Logging in a program that has no browser (RFC 8628): it shows a short code, which its person enters where they are logged in.
//!
//! The device code has 256 bits and is kept as a digest; the user code has 34 bits, lives for minutes, and tries at it are
//! counted for each person, who has to be logged in. Nothing that the program says of itself proves who it is: the person sees its name and
//! where it asks from, and decides. The session that comes of it begins when the program asks next, if the session it was
//! approved in is still there and the password is the same.

use coditect_protocol::UserId;
use coditect_protocol::auth::{DeviceCode, DeviceCodeRequest, DeviceRequest};
use coditect_store::Transaction;

use crate::audit::{AuditAction, LoginMeans};
use crate::codes;
use crate::login::admit;
use crate::rows::{self, Decision, DeviceLoginRow};
use crate::secret::{SecretHash, encode, random, sha256};
use crate::sessions::NewSession;
use crate::settings::{MAX_DEVICE_CODE_LIFETIME, millis};
use crate::throttle::{Attempt, Counter};
use crate::{Auth, AuthError, Device, Identity, Login};

/// Least time between two questions at first, in seconds (RFC 8628 §3.2).
const INTERVAL: u64 = 5;
/// What it grows by each time a program asks too soon, in seconds (RFC 8628 §3.5).
const SLOWED_BY: u64 = 5;
/// What it grows to at the most, in seconds.
const MAX_INTERVAL: u64 = 60;
/// Clocks and networks may let a question come that much early, in milliseconds.
const EARLY_MILLIS: u64 = 500;
/// Longest name of a program, in characters.
pub const CLIENT_NAME_MAX_CHARS: usize = 64;
/// Longest text that is looked at as a device code, in bytes.
const MAX_BYTES: usize = 64;

/// What a question came to.
enum Polled {
    Pending,
    TooSoon,
    Expired,
    Denied,
    Approved(UserId),
}

/// A name that can be shown: what it looks like is what it is.
fn checked_name(name: &str) -> Result<String, AuthError> {
    let name = name.trim();
    let visible = |c: char| c == ' ' || (!c.is_whitespace() && !c.is_control() && !is_invisible(c));
    let length = name.chars().count();
    if (1..=CLIENT_NAME_MAX_CHARS).contains(&length) && name.chars().all(visible) {
        Ok(name.to_owned())
    } else {
        Err(AuthError::BadClientName)
    }
}

/// Characters that hide, join or turn round the text about them, which an attacker could spoof a name with.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}'
        | '\u{e0000}'..='\u{10ffff}')
}

impl Auth {
    /// Begins to log in a program. `base_uri` is the address of the front, without a slash at its end; the setting
    /// `public_url` goes before it.
    pub async fn begin_device_login(
        &self,
        request: &DeviceCodeRequest,
        device: &Device,
        base_uri: &str,
    ) -> Result<DeviceCode, AuthError> {
        // Counted and never given back, as registrations are.
        self.attempt(device, vec![Counter::Address(device.address.into())])?;
        let client_name = checked_name(&request.client_name)?;
        let (device_code, now) = (encode(&random::<32>()?), self.now());
        let (lifetime, max) = (self.inner.settings.device_code_lifetime, self.inner.settings.device_codes_open);
        // Of those given out before, none is open any more.
        let since = now.saturating_sub(millis(MAX_DEVICE_CODE_LIFETIME));
        let row = DeviceLoginRow {
            user_code: codes::user_code()?,
            client_name,
            address: device.address,
            created_at: now,
            expires_at: now.saturating_add(millis(lifetime)),
            interval: INTERVAL,
            polled_at: None,
            decision: Decision::Pending,
        };
        let (digest, new) = (sha256(device_code.as_bytes()), &row);
        let digest = &digest;
        self.store
            .transact(|tx| async move {
                // One in billions: somebody else has the same code just now.
                if let Some((other, _)) = rows::device_login_of(&tx, &new.user_code, now).await? {
                    // Or this very call was committed before without anybody knowing.
                    return if other == *digest { Ok(()) } else { Err(AuthError::Busy) };
                }
                if rows::device_logins_counted(&tx, since).await? >= max {
                    return Err(AuthError::TooManyDeviceCodes);
                }
                rows::count_device_login(&tx, since, now)?;
                Ok(rows::set_device_login(&tx, digest, new).await?)
            })
            .await?;
        let user_code = codes::shown_user_code(&row.user_code);
        let public = self.inner.settings.public_url.trim_end_matches('/');
        let verification_uri = format!("{}/device", if public.is_empty() { base_uri } else { public });
        Ok(DeviceCode {
            device_code,
            verification_uri_complete: format!("{verification_uri}?code={user_code}"),
            user_code,
            verification_uri,
            expires_in: lifetime.as_secs(),
            interval: INTERVAL,
        })
    }

    /// A program asks whether it is let in. Once it was, the code is used up.
    pub async fn poll_device_login(&self, device_code: &str, device: &Device) -> Result<Login, AuthError> {
        if device_code.len() > MAX_BYTES {
            return Err(AuthError::NoSuchDeviceCode);
        }
        let (digest, now) = (sha256(device_code.as_bytes()), self.now());
        let digest = &digest;
        let polled = self.store.transact(|tx| async move { poll(&tx, digest, now).await }).await?;
        match polled {
            Polled::Approved(user) => self.let_in(user, digest, device).await,
            Polled::Pending => Err(AuthError::AuthorizationPending),
            Polled::TooSoon => Err(AuthError::SlowDown),
            Polled::Expired => Err(AuthError::DeviceExpired),
            Polled::Denied => Err(AuthError::DeviceDenied),
        }
    }

    /// Begins the session of a program that was let in, and uses up its code.
    async fn let_in(&self, id: UserId, digest: &SecretHash, device: &Device) -> Result<Login, AuthError> {
        let now = self.now();
        let session = NewSession::new(id, device, &self.inner.settings, now)?;
        let (new, settings) = (&session, &self.inner.settings);
        let begun = self
            .store
            .transact(|tx| async move {
                if rows::session(&tx, new.id()).await?.is_some() {
                    // This very call was committed before without anybody knowing.
                    let user = rows::user(&tx, id).await?.ok_or(AuthError::DeviceDenied)?;
                    return Ok(Some((user.info(id), Vec::new())));
                }
                let row = rows::device_login(&tx, digest).await?.ok_or(AuthError::NoSuchDeviceCode)?;
                rows::clear_device_login(&tx, digest, &row)?;
                let Decision::Approved { user, session: approved_in } = row.decision else { return Ok(None) };
                let live = rows::session(&tx, approved_in).await?.is_some_and(|row| row.ends_at(settings) > now);
                // Who changes the password means everybody whom they let in before.
                let password = rows::password(&tx, id).await?;
                let live = live && password.is_some_and(|password| password.changed_at <= row.created_at);
                let person = rows::user(&tx, id).await?.filter(|person| live && user == id && !person.disabled);
                let Some(person) = person else { return Ok(None) };
                let ended = admit(&tx, new, settings.sessions_per_user).await?;
                Ok::<_, AuthError>(Some((person.info(id), ended)))
            })
            .await?;
        let (user, ended) = begun.ok_or(AuthError::DeviceDenied)?;
        let login = self.welcome(user, &session, &ended, None, Some(LoginMeans::DeviceCode), device).await?;
        // A program keeps no cookies.
        Ok(Login { device_token: None, ..login })
    }

    /// Who asks to be let in with a user code, for the person to see.
    pub async fn device_request(&self, identity: &Identity, user_code: &str) -> Result<DeviceRequest, AuthError> {
        identity.require_session()?;
        let (attempt, now) = (self.attempt_user_code(identity, &Device::default())?, self.now());
        let code = codes::normalized_user_code(user_code).ok_or(AuthError::NoSuchDeviceCode)?;
        let code = &code;
        let found = self
            .store
            .transact(|tx| async move { Ok::<_, AuthError>(rows::device_login_of(&tx, code, now).await?) })
            .await;
        let found = self.or_not_made(&attempt, found)?;
        let pending = found.map(|(_, row)| row).filter(|row| row.decision == Decision::Pending);
        let row = pending.ok_or(AuthError::NoSuchDeviceCode)?;
        self.inner.throttle.succeeded(&attempt, self.now());
        Ok(DeviceRequest {
            client_name: row.client_name,
            address: row.address.map(|address| address.to_string()),
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }

    /// Lets a program in as the person, or refuses it. Decided once.
    pub async fn decide_device_login(
        &self,
        identity: &Identity,
        user_code: &str,
        approve: bool,
        device: &Device,
    ) -> Result<(), AuthError> {
        let session = identity.require_session()?;
        let (user, now) = (identity.user.id, self.now());
        let attempt = self.attempt_user_code(identity, device)?;
        let code = codes::normalized_user_code(user_code).ok_or(AuthError::NoSuchDeviceCode)?;
        let code = &code;
        let decision = if approve { Decision::Approved { user, session } } else { Decision::Denied };
        let decided = self
            .store
            .transact(|tx| async move {
                let found = rows::device_login_of(&tx, code, now).await?;
                let Some((digest, row)) = found else { return Ok::<_, AuthError>(false) };
                if row.decision != Decision::Pending {
                    // The same again is no other decision; it may be this very call, committed before without anybody knowing.
                    return Ok(row.decision == decision);
                }
                rows::set_device_login(&tx, &digest, &DeviceLoginRow { decision, ..row }).await?;
                Ok(true)
            })
            .await;
        if !self.or_not_made(&attempt, decided)? {
            return Err(AuthError::NoSuchDeviceCode);
        }
        self.inner.throttle.succeeded(&attempt, self.now());
        let action = if approve { AuditAction::DeviceApproved } else { AuditAction::DeviceDenied };
        self.tell(action, Some(user), Some(session), device.address);
        Ok(())
    }

    /// Counts a try at a user code, or refuses it.
    fn attempt_user_code(&self, identity: &Identity, device: &Device) -> Result<Attempt, AuthError> {
        let person = self.inner.throttle.person(identity.user.id);
        self.attempt(device, vec![Counter::UserCode(person)])
    }
}

/// Looks what was decided, and writes down when the program asked.
async fn poll(tx: &Transaction, digest: &SecretHash, now: u64) -> Result<Polled, AuthError> {
    let row = rows::device_login(tx, digest).await?.ok_or(AuthError::NoSuchDeviceCode)?;
    if row.expires_at <= now {
        return Ok(Polled::Expired);
    }
    match row.decision {
        Decision::Approved { user, .. } => return Ok(Polled::Approved(user)),
        Decision::Denied => {
            rows::clear_device_login(tx, digest, &row)?;
            return Ok(Polled::Denied);
        }
        Decision::Pending => {}
    }
    let next_at = row.polled_at.map_or(0, |at| at.saturating_add(row.interval * 1000).saturating_sub(EARLY_MILLIS));
    let too_soon = now < next_at;
    let interval = if too_soon { (row.interval + SLOWED_BY).min(MAX_INTERVAL) } else { row.interval };
    rows::set_device_login(tx, digest, &DeviceLoginRow { interval, polled_at: Some(now), ..row }).await?;
    Ok(if too_soon { Polled::TooSoon } else { Polled::Pending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_they_look_like() {
        for name in ["coditect", "  Coditect CLI 1.2 (laptop) ", "Ada's Käsekästchen", "終端", &"é".repeat(64)] {
            assert_eq!(checked_name(name).unwrap(), name.trim());
        }
        for name in [
            "",
            "   ",
            "a\nb",
            "a\tb",
            "a\0b",
            "\u{1b}[31mred",
            "safe\u{202e}gpj.exe",
            "zero\u{200b}width",
            "a\u{a0}b",
            "\u{feff}x",
            "\u{e0041}x",
            "\u{e000}x",
            &"x".repeat(65),
            &"x".repeat(1 << 20),
        ] {
            assert!(checked_name(name).is_err(), "{name:.80?}");
        }
    }
}
