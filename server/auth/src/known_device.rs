//! Devices from which somebody has logged in before.
//!
//! Each login gives its browser a **device token**: whose it is, a random name, and when it was given, sealed with the master
//! key. It lets in nobody. Attempts at that account which come with it are counted apart from all others (`throttle.rs`), so
//! that somebody who fails on purpose at a victim's account does not keep the victim out where they were before.
//!
//! A token is good for one account, for [`GOOD_FOR`], and only while the password is the one it was given under: who has learned
//! a password and collected tokens with it has nothing left once it is changed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coditect_protocol::UserId;
use coditect_protocol::auth::UserInfo;
use coditect_store::MasterKey;
use uuid::Uuid;

use crate::login_name::LoginName;
use crate::secret::{self, random, sha256};
use crate::settings::millis;
use crate::{Auth, AuthError, Device};

/// How long a device stays known.
const GOOD_FOR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// A token that is older is replaced at a login, so that devices in use stay known.
const RENEWED_AFTER: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// What a device token is sealed for.
const CONTEXT: &[u8] = b"auth: known device";
const NAME_BYTES: usize = 16;
const PLAIN_BYTES: usize = 16 + 16 + NAME_BYTES + 8;
/// Longest text that is looked at as a device token, in bytes; ours have some 140.
const MAX_BYTES: usize = 256;

/// A device from which a person has logged in before.
#[derive(Clone)]
pub(crate) struct KnownDevice {
    pub(crate) user: UserId,
    /// Digest of the login, so that a token is told from another account's without asking the store.
    account: [u8; 16],
    /// Random, the device's own.
    pub(crate) name: [u8; NAME_BYTES],
    /// When the token was given, in milliseconds since 1970.
    pub(crate) given_at: u64,
}

impl KnownDevice {
    fn encode(&self) -> Vec<u8> {
        [self.user.0.as_bytes(), &self.account[..], &self.name[..], &self.given_at.to_be_bytes()[..]].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; PLAIN_BYTES] = bytes.try_into().ok()?;
        let (user, rest) = bytes.split_first_chunk::<16>()?;
        let (account, rest) = rest.split_first_chunk::<16>()?;
        let (name, at) = rest.split_first_chunk::<NAME_BYTES>()?;
        let given_at = u64::from_be_bytes(at.try_into().ok()?);
        Some(Self { user: UserId(Uuid::from_bytes(*user)), account: *account, name: *name, given_at })
    }

    /// Reads the text of a device token that was sealed with this key.
    pub(crate) fn parse(master: &MasterKey, text: &str) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(Some(text).filter(|text| text.len() <= MAX_BYTES)?).ok()?;
        Self::decode(&master.open(CONTEXT, &sealed).ok()?)
    }

    /// The text that the device keeps.
    fn reveal(&self, master: &MasterKey) -> Result<String, AuthError> {
        Ok(secret::encode(&master.seal(CONTEXT, &self.encode())?))
    }

    /// One for those who try to get past the seal.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn sample(master: &MasterKey) -> Result<String, AuthError> {
        let user = UserId(Uuid::from_bytes([7; 16]));
        Self { user, account: [7; 16], name: [7; NAME_BYTES], given_at: 0 }.reveal(master)
    }

    /// Whether it was given to this person under the password they have.
    pub(crate) fn fits(&self, user: UserId, password_changed_at: u64) -> bool {
        self.user == user && self.given_at >= password_changed_at
    }
}

fn account_digest(login: &LoginName) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(&sha256(login.key.as_bytes())[..16]);
    digest
}

impl Auth {
    /// The device that a request comes from, if it brought a token that is good.
    pub(crate) fn known_device(&self, device: &Device) -> Option<KnownDevice> {
        let known = KnownDevice::parse(self.master(), device.known.as_deref()?)?;
        let now = self.now();
        let age = now.checked_sub(known.given_at)?;
        (age < millis(GOOD_FOR)).then_some(known)
    }

    /// The same, if it is known for what was typed as a login.
    pub(crate) fn known_device_of(&self, device: &Device, login: &str) -> Option<KnownDevice> {
        let login = LoginName::parse(login).ok()?;
        self.known_device(device).filter(|known| known.account == account_digest(&login))
    }

    /// A token for the device of somebody who has just logged in, unless it has one that will do.
    pub(crate) fn device_token(
        &self,
        user: &UserInfo,
        known: Option<&KnownDevice>,
        now: u64,
    ) -> Result<Option<String>, AuthError> {
        let young = |known: &&KnownDevice| now.saturating_sub(known.given_at) < millis(RENEWED_AFTER);
        if known.filter(young).is_some() {
            return Ok(None);
        }
        let login = LoginName::parse(&user.login).map_err(AuthError::InvalidLogin)?;
        let name = known.map_or_else(random, |known| Ok(known.name))?;
        let token = KnownDevice { user: user.id, account: account_digest(&login), name, given_at: now };
        token.reveal(self.master()).map(Some)
    }
}
