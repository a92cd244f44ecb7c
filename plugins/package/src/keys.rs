//! Keys and signatures: Ed25519 (RFC 8032).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom as _;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{KeyFault, PackageError};

/// Bytes of a private key's seed, and of a public key.
const KEY_BYTES: usize = 32;
/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 64;
/// Hexadecimal digits of a key's identifier.
const ID_DIGITS: usize = 16;
/// What is signed begins with this, so that no signature made for something else counts.
const DOMAIN: &[u8] = b"coditect-plugin-package-v1\0";
const BEGIN: &str = "-----BEGIN CODITECT PLUGIN KEY-----";
const END: &str = "-----END CODITECT PLUGIN KEY-----";
/// No key's text is longer.
const MAX_TEXT_BYTES: usize = 1024;

/// What a digest is signed as.
fn message(digest: &[u8; 32]) -> Vec<u8> {
    [DOMAIN, digest].concat()
}

/// Identifier of a key: the first 16 hexadecimal digits of the SHA-256 of the public key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A publisher's public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// Reads base64 (standard alphabet, padded).
    pub fn parse(text: &str) -> Result<Self, PackageError> {
        decode(text).map(Self).ok_or(PackageError::Key(KeyFault::NotAPublicKey))
    }

    /// What it is called.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut digits = crate::sha256_hex(&self.0);
        digits.truncate(ID_DIGITS);
        KeyId(digits)
    }

    /// Whether it signed this content's digest.
    pub(crate) fn verifies(&self, digest: &[u8; 32], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(&message(digest), signature).is_ok()
    }
}

/// Base64, as [`PublicKey::parse`] reads it.
impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// A publisher's private key. It is wiped from memory when it is dropped, and shown to nobody.
pub struct SigningKey {
    seed: Zeroizing<[u8; KEY_BYTES]>,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A new one.
    pub fn generate() -> Result<Self, PackageError> {
        let mut seed = Zeroizing::new([0; KEY_BYTES]);
        ring::rand::SystemRandom::new().fill(seed.as_mut()).map_err(|_| PackageError::Key(KeyFault::NoRandom))?;
        Self::of_seed(seed)
    }

    fn of_seed(seed: Zeroizing<[u8; KEY_BYTES]>) -> Result<Self, PackageError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref())
            .map_err(|_| PackageError::Key(KeyFault::NotASigningKey))?;
        Ok(Self { seed, pair })
    }

    /// Reads what [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Result<Self, PackageError> {
        let not_one = PackageError::Key(KeyFault::NotASigningKey);
        let inner = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let inner = inner.filter(|inner| inner.len() <= MAX_TEXT_BYTES).ok_or_else(|| not_one.clone())?;
        let bytes = Zeroizing::new(STANDARD.decode(inner.trim()).map_err(|_| not_one.clone())?);
        let mut seed = Zeroizing::new([0; KEY_BYTES]);
        if bytes.len() != KEY_BYTES {
            return Err(not_one);
        }
        seed.copy_from_slice(&bytes);
        Self::of_seed(seed)
    }

    /// As a text for a file that only its owner may read.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(STANDARD.encode(self.seed.as_ref()));
        Zeroizing::new(format!("{BEGIN}\n{}\n{END}\n", seed.as_str()))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(bytes)
    }

    pub(crate) fn sign(&self, digest: &[u8; 32]) -> Signature {
        let mut bytes = [0; SIGNATURE_BYTES];
        bytes.copy_from_slice(self.pair.sign(&message(digest)).as_ref());
        Signature { key: self.public(), bytes }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public().id().as_str()).finish_non_exhaustive()
    }
}

/// A signature as it stands in a package. That it stands there says nothing: [`crate::Package::verify`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    key: PublicKey,
    bytes: [u8; SIGNATURE_BYTES],
}

/// A signature on the wire: canonical JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    key: String,
    signature: String,
}

impl Signature {
    /// The key that it names.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether the key that it names signed this content's digest.
    pub(crate) fn is_of(&self, digest: &[u8; 32]) -> bool {
        self.key.verifies(digest, &self.bytes)
    }

    pub(crate) fn to_block(self) -> Vec<u8> {
        let block = Block { key: self.key.to_string(), signature: STANDARD.encode(self.bytes) };
        // Two texts of base64 need no escape, so that this is the canonical form.
        format!(r#"{{"key":"{}","signature":"{}"}}"#, block.key, block.signature).into_bytes()
    }

    /// Reads a block; none where it is not in its one form.
    pub(crate) fn of_block(block: &[u8]) -> Option<Self> {
        let read: Block = serde_json::from_slice(block).ok()?;
        let signature = Self { key: PublicKey::parse(&read.key).ok()?, bytes: decode(&read.signature)? };
        (signature.to_block() == block).then_some(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_text() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::parse(&key.to_text()).unwrap();
        assert_eq!(key.public(), again.public());
        assert_eq!(PublicKey::parse(&key.public().to_string()).unwrap(), key.public());
        assert_eq!(key.public().id().as_str().len(), 16);
        assert_ne!(SigningKey::generate().unwrap().public(), key.public());
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_told() {
        let key = SigningKey::generate().unwrap();
        let text = key.to_text();
        let secret = text.lines().nth(1).unwrap();
        assert!(!format!("{key:?}").contains(secret));
        for bad in ["", secret, &text[..text.len() - 5], &text.replace(secret, "AAAA"), &text.replace(secret, "ä")] {
            let error = SigningKey::parse(bad).unwrap_err();
            assert_eq!(error, PackageError::Key(KeyFault::NotASigningKey));
            assert!(!format!("{error} {error:?}").contains(secret));
        }
        for bad in ["", "AAAA", "not base64", &format!("{} ", key.public()), &"A".repeat(5000)] {
            assert_eq!(PublicKey::parse(bad).unwrap_err(), PackageError::Key(KeyFault::NotAPublicKey), "{bad}");
        }
    }

    #[test]
    fn a_signature_is_of_one_digest_and_key() {
        let key = SigningKey::generate().unwrap();
        let signature = key.sign(&[1; 32]);
        assert!(signature.is_of(&[1; 32]) && !signature.is_of(&[2; 32]));
        let other = Signature { key: SigningKey::generate().unwrap().public(), ..signature };
        assert!(!other.is_of(&[1; 32]));
        // Without its domain it is no signature of a package.
        let bare = Signature { bytes: key.pair.sign(&[1; 32]).as_ref().try_into().unwrap(), ..signature };
        assert!(!bare.is_of(&[1; 32]));
        assert_eq!(Signature::of_block(&signature.to_block()), Some(signature));
        let text = String::from_utf8(signature.to_block()).unwrap();
        for bad in [text.replace(':', ": "), text.replace("}", ",\"x\":1}"), format!("{text} "), String::new()] {
            assert_eq!(Signature::of_block(bad.as_bytes()), None, "{bad}");
        }
    }
}
