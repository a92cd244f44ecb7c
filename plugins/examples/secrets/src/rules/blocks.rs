//! Secrets with a structure: private keys, JSON Web Tokens, addresses with a password in them.

use std::ops::Range;

use super::{Secret, entropy, is_word, run};

pub(super) fn find(text: &str) -> Vec<Secret> {
    let keys = private_keys(text).map(|at| Secret { at, rule: "private-key", what: "a private key" });
    let webs = web_tokens(text).map(|at| Secret { at, rule: "web-token", what: "a JSON Web Token" });
    let passwords =
        passwords(text).map(|at| Secret { at, rule: "password-in-address", what: "a password in an address" });
    keys.chain(webs).chain(passwords).collect()
}

/// Fewest characters of base64 that a key has; what is shorter is about the form of keys.
const MIN_KEY: usize = 60;

fn private_keys(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    text.match_indices("-----BEGIN ").filter_map(|(start, mark)| {
        let rest = &text[start + mark.len()..];
        let (label, body) = rest.split_once("-----")?;
        let is_private = label.len() < 40 && (label.ends_with("PRIVATE KEY") || label == "PGP PRIVATE KEY BLOCK");
        let end = format!("-----END {label}-----");
        let length = body.find(&end)?;
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        let key = body.as_bytes()[..length].iter().filter(|byte| is_base64(byte)).count();
        let at = start..start + mark.len() + label.len() + 5 + length + end.len();
        (is_private && key >= MIN_KEY).then_some(at)
    })
}

/// Three parts of base64, of which the first is a JSON object that names an algorithm and the second is a JSON object.
fn web_tokens(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    text.match_indices("eyJ").filter_map(|(start, _)| {
        if start > 0 && is_word(text.as_bytes()[start - 1]) {
            return None;
        }
        let token = &text[start..start + run(text, start, |byte| is_word(byte) || byte == b'.')];
        let token = token.trim_end_matches('.');
        let [head, claims, signature] = token.split('.').collect::<Vec<_>>().try_into().ok()?;
        let head = object(head)?;
        object(claims)?;
        let is_signed = head.get("alg")?.as_str()? != "none" && signature.len() >= 20;
        is_signed.then_some(start..start + token.len())
    })
}

fn object(base64: &str) -> Option<serde_json::Map<String, serde_json::Value>> {
    serde_json::from_slice(&decoded(base64)?).ok()
}

/// Base64 for addresses, without padding.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::with_capacity(text.len()));
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// The password in `scheme://user:password@host`.
fn passwords(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    text.match_indices("://").filter_map(|(at, mark)| {
        let begin = at + mark.len();
        let is_part = |byte: u8| {
            !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'@' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'?')
        };
        let length = run(text, begin, is_part);
        let (user, password) = text[begin..begin + length].split_once(':')?;
        let is_address =
            text[begin + length..].starts_with('@') && text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let start = begin + user.len() + 1;
        (is_address && is_password(password)).then_some(start..begin + length)
    })
}

/// Not what an example, a template or a machine of one's own has.
fn is_password(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let usual = [
        "password", "passwd", "pass", "secret", "example", "changeme", "postgres", "root", "admin", "test", "user",
        "guest",
    ];
    let is_template = text.starts_with(['$', '{', '%', '[', '*']) || text.contains("${") || text.contains("{{");
    let is_usual = usual.iter().any(|word| lower.starts_with(word)) || lower.contains("xxx");
    // A short word of small letters is one of an example, more often than not.
    let is_word = text.len() < 12 && text.bytes().all(|byte| byte.is_ascii_lowercase());
    text.len() >= 6 && !is_template && !is_usual && !is_word && entropy(text) > 2.0
}
