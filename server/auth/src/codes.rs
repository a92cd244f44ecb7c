//! Codes that people copy or type: for invitations, resets, recovery and devices.

use crate::AuthError;
use crate::secret::{self, SecretHash, random};

/// Letters and digits that cannot be taken for one another, 32 of them.
const READABLE: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Characters of a group.
const GROUP: usize = 5;
/// Letters of a user code: no vowels, so that no words come about, and none that looks like another (RFC 8628 §6.1).
const USER_CODE_LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters of a user code: 34 bits, for a code that lives for minutes and can be tried a few times.
const USER_CODE_LEN: usize = 8;
/// Longest text that is looked at as a code, in bytes.
const TYPED_MAX_BYTES: usize = 128;

/// Groups of five characters of 5 bits each, of an invitation: 150 bits.
pub(crate) const INVITE_GROUPS: usize = 6;
/// Of a recovery code: 125 bits, so that a fast hash is enough for it.
pub(crate) const RECOVERY_GROUPS: usize = 5;
/// Of a code to reset a password: 150 bits, of which the first group only tells which code is meant.
pub(crate) const RESET_GROUPS: usize = 6;

/// A code in groups: `k7m2p-…`.
pub(crate) fn readable(groups: usize) -> Result<String, AuthError> {
    let mut code = String::with_capacity(groups * (GROUP + 1));
    for group in 0..groups {
        if group > 0 {
            code.push('-');
        }
        let bytes: [u8; GROUP] = random()?;
        code.extend(bytes.iter().map(|byte| char::from(READABLE[usize::from(byte % 32)])));
    }
    Ok(code)
}

/// A code as it was meant: without spaces and dashes, in lower case. Nothing if it cannot be one.
pub(crate) fn normalized(typed: &str) -> Option<String> {
    if typed.len() > TYPED_MAX_BYTES {
        return None;
    }
    let code: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let code = code.to_ascii_lowercase();
    (!code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(code)
}

/// Digest of a code, whichever way it was typed.
pub(crate) fn digest(typed: &str) -> Option<SecretHash> {
    normalized(typed).map(|code| secret::sha256(code.as_bytes()))
}

/// Digest of the first group of a code: which code is meant, without a word of what makes it secret.
pub(crate) fn selector(typed: &str) -> Option<SecretHash> {
    normalized(typed)?.get(..GROUP).map(|group| secret::sha256(group.as_bytes()))
}

/// A user code, eight letters without the dash.
pub(crate) fn user_code() -> Result<String, AuthError> {
    let mut code = String::with_capacity(USER_CODE_LEN);
    while code.len() < USER_CODE_LEN {
        let bytes: [u8; 16] = random()?;
        // Of the 256 values, 240 are spread evenly over the letters; the others are thrown again.
        let even = bytes.iter().map(|byte| usize::from(*byte)).filter(|value| *value < 240);
        let letters = even.map(|value| char::from(USER_CODE_LETTERS[value % USER_CODE_LETTERS.len()]));
        code.extend(letters.take(USER_CODE_LEN - code.len()));
    }
    Ok(code)
}

/// A user code as people read it: `BCDF-GHJK`.
pub(crate) fn shown_user_code(code: &str) -> String {
    let (first, second) = code.split_at(code.len() / 2);
    format!("{first}-{second}")
}

/// A user code as it was meant. Nothing if it cannot be one.
pub(crate) fn normalized_user_code(typed: &str) -> Option<String> {
    let code = normalized(typed)?.to_ascii_uppercase();
    (code.len() == USER_CODE_LEN && code.bytes().all(|letter| USER_CODE_LETTERS.contains(&letter))).then_some(code)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_differ_and_read_back_however_they_are_typed() {
        let codes: HashSet<_> = (0..200).map(|_| readable(INVITE_GROUPS).unwrap()).collect();
        assert_eq!(codes.len(), 200);
        for code in &codes {
            assert_eq!(code.len(), 35);
            let typed = format!("  {} ", code.to_uppercase().replace('-', " "));
            assert_eq!(digest(&typed), digest(code));
            assert_eq!(selector(&typed), selector(&code[..5]));
        }
        assert_eq!(digest(""), None);
        assert_eq!(digest(" - "), None);
        assert_eq!(digest("käse"), None);
        assert_eq!(digest(&"a".repeat(1 << 20)), None);
        assert_eq!(selector("abc"), None);
    }

    #[test]
    fn user_codes_have_no_vowels_and_are_typed_with_or_without_dash() {
        let mut letters = HashSet::new();
        for _ in 0..200 {
            let code = user_code().unwrap();
            letters.extend(code.chars());
            let shown = shown_user_code(&code);
            assert_eq!((shown.len(), &shown[4..5]), (9, "-"));
            assert_eq!(normalized_user_code(&shown.to_lowercase()), Some(code.clone()));
            assert_eq!(normalized_user_code(&code), Some(code));
        }
        assert_eq!(letters.len(), 20);
        for wrong in ["", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF-GHJ1", "ßCDFGHJK"] {
            assert_eq!(normalized_user_code(wrong), None, "{wrong}");
        }
    }
}
