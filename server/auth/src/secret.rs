//! Random secrets and their digests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coditect_protocol::SessionId;
use rand::TryRng as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::AuthError;

/// SHA-256 of a secret: what the store keeps in its place.
pub(crate) type SecretHash = [u8; 32];

/// Bytes from the operating system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], AuthError> {
    let mut bytes = [0; N];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| AuthError::Internal(format!("the system gave no random bytes ({error})")))?;
    Ok(bytes)
}

/// Digest of a secret. The secrets are random and long, so that a fast hash without salt protects them.
pub(crate) fn sha256(secret: &[u8]) -> SecretHash {
    Sha256::digest(secret).into()
}

/// Text of bytes for tokens.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

const SESSION_LEN: usize = 16;
const FAMILY_LEN: usize = 16;
const ROTATING_LEN: usize = 32;
const REFRESH_LEN: usize = SESSION_LEN + FAMILY_LEN + ROTATING_LEN;

/// A refresh token in clear: which session, a secret that stays the same for its whole family, and 256 bits that are new
/// each time.
///
/// The family's secret tells a token that was really given out (and is therefore reused) from one that somebody made up
/// around a session's id: only the former may end the session.
pub(crate) struct RefreshToken {
    pub(crate) session: SessionId,
    pub(crate) family: [u8; FAMILY_LEN],
    rotating: [u8; ROTATING_LEN],
}

impl RefreshToken {
    /// The first token of a session.
    pub(crate) fn first(session: SessionId) -> Result<Self, AuthError> {
        Ok(Self { session, family: random()?, rotating: random()? })
    }

    /// The next token of the same family.
    pub(crate) fn next(&self) -> Result<Self, AuthError> {
        Ok(Self { session: self.session, family: self.family, rotating: random()? })
    }

    /// Digest of the part that stays.
    pub(crate) fn family_hash(&self) -> SecretHash {
        sha256(&self.family)
    }

    /// Digest of the part that changes.
    pub(crate) fn rotating_hash(&self) -> SecretHash {
        sha256(&self.rotating)
    }

    /// The text that the person's device keeps.
    pub(crate) fn reveal(&self) -> String {
        let mut bytes = [0; REFRESH_LEN];
        bytes[..SESSION_LEN].copy_from_slice(self.session.0.as_bytes());
        bytes[SESSION_LEN..SESSION_LEN + FAMILY_LEN].copy_from_slice(&self.family);
        bytes[SESSION_LEN + FAMILY_LEN..].copy_from_slice(&self.rotating);
        encode(&bytes)
    }

    /// Reads the text back.
    pub(crate) fn parse(text: &str) -> Result<Self, AuthError> {
        let mut bytes = [0; REFRESH_LEN];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(REFRESH_LEN) => {}
            _ => return Err(AuthError::InvalidToken),
        }
        let (session, secrets) = bytes.split_at(SESSION_LEN);
        let (family, rotating) = secrets.split_at(FAMILY_LEN);
        let malformed = |_| AuthError::InvalidToken;
        Ok(Self {
            session: SessionId(Uuid::from_slice(session).map_err(|_| AuthError::InvalidToken)?),
            family: family.try_into().map_err(malformed)?,
            rotating: rotating.try_into().map_err(malformed)?,
        })
    }
}

/// Letters and digits that cannot be taken for one another, 32 of them.
const READABLE: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A password for a person to copy once: 20 characters of 5 bits each, in groups.
pub(crate) fn readable_password() -> Result<String, AuthError> {
    let bytes: [u8; 20] = random()?;
    let characters: Vec<u8> = bytes.iter().map(|byte| READABLE[usize::from(byte % 32)]).collect();
    let groups: Vec<_> = characters.chunks(5).map(String::from_utf8_lossy).collect();
    Ok(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_reads_back() {
        let token = RefreshToken::first(SessionId(Uuid::now_v7())).unwrap();
        let read = RefreshToken::parse(&token.reveal()).unwrap();
        assert_eq!(read.session, token.session);
        assert_eq!(read.family_hash(), token.family_hash());
        assert_eq!(read.rotating_hash(), token.rotating_hash());
        assert_ne!(token.next().unwrap().rotating_hash(), token.rotating_hash());
    }

    #[test]
    fn other_lengths_and_other_letters_are_no_refresh_token() {
        let token = RefreshToken::first(SessionId(Uuid::now_v7())).unwrap().reveal();
        let long = format!("{token}AAAA");
        let padded = format!("{token}==");
        let huge = "A".repeat(1 << 20);
        for text in ["", "a", &token[..token.len() - 1], &token[..40], &long, &padded, &huge, "ä", "\0"] {
            assert!(RefreshToken::parse(text).is_err());
        }
    }

    #[test]
    fn readable_passwords_differ_and_are_long() {
        let (one, other) = (readable_password().unwrap(), readable_password().unwrap());
        assert_eq!(one.len(), 23);
        assert_ne!(one, other);
    }
}
