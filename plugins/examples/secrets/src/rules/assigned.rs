//! What is given a name that says it is secret: `password = "…"`, `"api_key": "…"`, `TOKEN=…`.

use super::{Secret, entropy};

/// Ends of names, in lower case, without `_` and `-`.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "secretkey",
    "apikey",
    "apisecret",
    "accesskey",
    "accesstoken",
    "authtoken",
    "token",
    "privatekey",
    "clientsecret",
    "encryptionkey",
    "signingkey",
    "credential",
    "credentials",
];

/// Least characters, and least entropy in bits a character. A random text of 16 hexadecimal digits has about 3.3.
const MIN_LENGTH: usize = 16;
const MAX_LENGTH: usize = 512;
const MIN_ENTROPY: f64 = 3.2;

pub(super) fn find(text: &str) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let found = values(line).filter(|(name, value)| is_secret_name(name) && is_random(value.1));
        secrets.extend(found.map(|(_, (at, value))| Secret {
            at: start + at..start + at + value.len(),
            rule: "assigned-secret",
            what: "a password or key",
        }));
        start += line.len();
    }
    secrets
}

/// Names and values with `=` or `:` between them, each value with its place in the line.
fn values(line: &str) -> impl Iterator<Item = (&str, (usize, &str))> {
    let marks = line.match_indices(['=', ':']).map(|(at, _)| at);
    marks.filter_map(|at| {
        let before = line[..at].trim_end_matches([':', '=', ' ', '\t', '"', '\'', '`', ']']);
        let name_start = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-').len();
        let behind = line[at + 1..].trim_start_matches(['=', '>', ' ', '\t']);
        let value_start = line.len() - behind.len();
        let (quote, value) = match behind.chars().next()? {
            quote @ ('"' | '\'' | '`') => (1, behind[1..].split_once(quote)?.0),
            // Without quotes it is one of a file of settings, where nothing else stands on the line.
            _ if is_setting(line, name_start) => (0, behind.trim_end()),
            _ => return None,
        };
        Some((before.get(name_start..)?, (value_start + quote, value)))
    })
}

/// `NAME=value` or `export NAME=value`, with a name as the environment has them.
fn is_setting(line: &str, name_start: usize) -> bool {
    let is_first = matches!(line[..name_start].trim(), "" | "export");
    is_first && line[name_start..].starts_with(|c: char| c.is_ascii_uppercase())
}

fn is_secret_name(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.iter().any(|secret| plain.ends_with(secret))
}

/// Made at random: long, of letters and digits, without the marks of templates, paths, addresses and words.
fn is_random(value: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+/=_-.!@#$%^&*~".contains(c);
    let has = |is: fn(char) -> bool| value.contains(is);
    let lower = value.to_ascii_lowercase();
    let is_told =
        ["example", "placeholder", "changeme", "your", "xxxx", "dummy", "sample", "password", "secret", "env."];
    (MIN_LENGTH..=MAX_LENGTH).contains(&value.len())
        && value.chars().all(is_plain)
        && has(|c| c.is_ascii_digit())
        && has(|c| c.is_ascii_alphabetic())
        && !value.starts_with(['$', '%', '/', '.', '*'])
        && !value.contains("${")
        && !is_told.iter().any(|word| lower.contains(word))
        && !is_wordy(value)
        && entropy(value) >= MIN_ENTROPY
}

/// Words with `-`, `_`, `.` or `/` between them, such as `my-service-v2.internal`: nothing random has only short parts of one kind.
fn is_wordy(value: &str) -> bool {
    let is_word = |part: &str| {
        part.chars().all(|c| c.is_ascii_digit())
            || part.trim_end_matches(|c: char| c.is_ascii_digit()).chars().all(|c| c.is_ascii_alphabetic())
    };
    let parts: Vec<&str> = value.split(['-', '_', '.', '/']).collect();
    parts.len() > 1 && parts.iter().all(|part| part.len() < 12 && is_word(part))
}
