//! Sealing: values that whoever gets hold of the store alone can neither read nor change.
//!
//! A sealed value is `version, id of the key, nonce, ciphertext with tag` (XChaCha20-Poly1305). The context that it belongs
//! to is authenticated with it and not stored: a value that is moved to another person's row, or another use, does not open.
//!
//! Keys rotate: a [`MasterKey`] holds several, of which the first seals and all open. Put a new key in front, seal again what
//! [`MasterKey::is_outdated`] names, and take the old one away.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRng as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::StoreError;

/// Length of a key, in bytes.
pub const MASTER_KEY_BYTES: usize = 32;
/// Most keys that are held at once: one that seals and those it follows.
pub const MASTER_KEYS_MAX: usize = 8;

/// The form that is written.
const VERSION: u8 = 1;
const ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = 1 + ID_BYTES;

/// The keys that protect secrets in the store. A clone is the same; it shows nothing of itself, and is wiped when the last
/// clone is dropped.
#[derive(Clone)]
pub struct MasterKey(Arc<[Key]>);

struct Key {
    id: [u8; ID_BYTES],
    bytes: Zeroizing<[u8; MASTER_KEY_BYTES]>,
}

impl Key {
    fn new(bytes: Zeroizing<[u8; MASTER_KEY_BYTES]>) -> Self {
        let digest = Sha256::new().chain_update(b"coditect master key id").chain_update(bytes.as_slice()).finalize();
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&digest[..ID_BYTES]);
        Self { id, bytes }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }
}

impl MasterKey {
    /// A new key from the operating system's generator.
    pub fn generate() -> Result<Self, StoreError> {
        let mut bytes = Zeroizing::new([0; MASTER_KEY_BYTES]);
        random(bytes.as_mut_slice())?;
        Ok(Self(Arc::new([Key::new(bytes)])))
    }

    /// This key and none before it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; MASTER_KEY_BYTES]) -> Self {
        Self(Arc::new([Key::new(Zeroizing::new(bytes))]))
    }

    /// Reads a key file: the 32 bytes themselves, or one key in Base64 on each line, the newest first. Empty lines and those
    /// that begin with `#` count nothing.
    pub fn parse(file: &[u8]) -> Result<Self, StoreError> {
        if let Ok(bytes) = <[u8; MASTER_KEY_BYTES]>::try_from(file) {
            return Ok(Self::from_bytes(bytes));
        }
        let bad = |detail: &str| StoreError::MasterKeyForm { detail: detail.to_owned() };
        let text = std::str::from_utf8(file).map_err(|_| bad("it is neither 32 bytes nor text"))?;
        let mut keys = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let decoded = Zeroizing::new(STANDARD.decode(line).map_err(|_| bad("a line is not Base64"))?);
            let bytes =
                <[u8; MASTER_KEY_BYTES]>::try_from(decoded.as_slice()).map_err(|_| bad("a key has not 32 bytes"))?;
            keys.push(Key::new(Zeroizing::new(bytes)));
        }
        match keys.len() {
            0 => Err(bad("it is empty")),
            1..=MASTER_KEYS_MAX => Ok(Self(keys.into())),
            _ => Err(bad("it has more than eight keys")),
        }
    }

    /// The text of a key file that [`MasterKey::parse`] reads: the keys themselves, so keep it where only the server reads it.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * 48));
        for key in self.0.iter() {
            STANDARD.encode_string(key.bytes.as_slice(), &mut text);
            text.push('\n');
        }
        text
    }

    /// Seals a value for one context, which names its use and whose it is.
    pub fn seal(&self, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, StoreError> {
        let key = self.0.first().ok_or(StoreError::SealedElsewhere)?;
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce)?;
        let mut sealed = Vec::with_capacity(HEAD_BYTES + NONCE_BYTES + plaintext.len() + TAG_BYTES);
        sealed.push(VERSION);
        sealed.extend_from_slice(&key.id);
        let aad = [&sealed, context].concat();
        sealed.extend_from_slice(&nonce);
        let payload = Payload { msg: plaintext, aad: &aad };
        let body = key.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| StoreError::SealBroken)?;
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what was sealed for this context, with whichever of the keys sealed it.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let (head, rest) = sealed.split_at_checked(HEAD_BYTES).ok_or(StoreError::SealBroken)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(StoreError::SealBroken)?;
        if head[0] != VERSION {
            return Err(StoreError::SealBroken);
        }
        let key = self.0.iter().find(|key| key.id == head[1..]).ok_or(StoreError::SealedElsewhere)?;
        let aad = [head, context].concat();
        let payload = Payload { msg: body, aad: &aad };
        let opened = key.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| StoreError::SealBroken)?;
        Ok(Zeroizing::new(opened))
    }

    /// Whether a value was sealed with another key than the one that seals now.
    #[must_use]
    pub fn is_outdated(&self, sealed: &[u8]) -> bool {
        self.0.first().is_none_or(|key| sealed.get(1..HEAD_BYTES) != Some(&key.id[..]))
    }
}

impl PartialEq for MasterKey {
    /// Compares the names of the keys, which are digests of them.
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(|key| key.id).eq(other.0.iter().map(|key| key.id))
    }
}

impl Eq for MasterKey {}

impl std::fmt::Debug for MasterKey {
    /// Shows nothing of the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKey").finish_non_exhaustive()
    }
}

fn random(bytes: &mut [u8]) -> Result<(), StoreError> {
    rand::rngs::SysRng
        .try_fill_bytes(bytes)
        .map_err(|error| StoreError::unavailable(format!("the system gave no random bytes: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::from_bytes([byte; MASTER_KEY_BYTES])
    }

    #[test]
    fn what_is_sealed_opens_in_its_context_only() {
        let master = key(1);
        let sealed = master.seal(b"totp of ada", b"secret").unwrap();
        assert_eq!(sealed.len(), HEAD_BYTES + NONCE_BYTES + 6 + TAG_BYTES);
        assert_eq!(master.open(b"totp of ada", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(master.open(b"totp of bob", &sealed), Err(StoreError::SealBroken));
        assert_eq!(key(2).open(b"totp of ada", &sealed), Err(StoreError::SealedElsewhere));
        assert_ne!(sealed, master.seal(b"totp of ada", b"secret").unwrap(), "a new nonce each time");
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
    }

    #[test]
    fn a_value_with_any_bit_changed_or_a_byte_missing_does_not_open() {
        let master = key(1);
        let sealed = master.seal(b"c", b"ab").unwrap();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert!(master.open(b"c", &changed).is_err(), "{at}");
            }
            assert!(master.open(b"c", &sealed[..at]).is_err(), "{at}");
        }
        assert!(master.open(b"c", &[&sealed[..], &[0]].concat()).is_err());
    }

    #[test]
    fn keys_rotate() {
        let (old, new) = (key(1), key(2));
        let sealed = old.seal(b"c", b"x").unwrap();
        let both =
            MasterKey::parse(format!("# newest first\n{}\n{}", *new.reveal(), *old.reveal()).as_bytes()).unwrap();
        assert_eq!(both.open(b"c", &sealed).unwrap().as_slice(), b"x");
        assert!(both.is_outdated(&sealed) && !old.is_outdated(&sealed));
        let again = both.seal(b"c", b"x").unwrap();
        assert!(!both.is_outdated(&again));
        assert_eq!(new.open(b"c", &again).unwrap().as_slice(), b"x");
        assert_eq!(old.open(b"c", &again), Err(StoreError::SealedElsewhere));
    }

    #[test]
    fn key_files_are_bytes_or_lines_and_others_are_refused() {
        let generated = MasterKey::generate().unwrap();
        assert_eq!(MasterKey::parse(generated.reveal().as_bytes()).unwrap(), generated);
        assert_ne!(generated, MasterKey::generate().unwrap());
        assert_eq!(MasterKey::parse(&[7; 32]).unwrap(), key(7));
        let short = STANDARD.encode([1; 31]);
        let many = key(1).reveal().repeat(9);
        for file in ["", "\n# nothing\n", "not base64!", short.as_str(), many.as_str()] {
            assert!(matches!(MasterKey::parse(file.as_bytes()), Err(StoreError::MasterKeyForm { .. })), "{file}");
        }
        assert!(MasterKey::parse(&[0xff; 33]).is_err());
    }

    #[test]
    fn a_key_shows_nothing_of_itself() {
        let master = key(0x61);
        let shown = format!("{master:?}");
        assert!(shown.starts_with("MasterKey") && !shown.contains("61") && !shown.contains("aaa"), "{shown}");
        let error = MasterKey::parse(b"c2VjcmV0IHRleHQ=").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("c2Vj"));
    }

    proptest! {
        #[test]
        fn every_value_comes_back_and_foreign_bytes_never_panic(value: Vec<u8>, context: Vec<u8>) {
            let master = key(3);
            let sealed = master.seal(&context, &value).unwrap();
            let opened = master.open(&context, &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), &value[..]);
            prop_assert!(master.open(&context, &value).is_err());
        }
    }
}
