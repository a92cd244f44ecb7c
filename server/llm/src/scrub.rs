//! Makes an upstream's own words fit to be shown and logged.

use crate::settings::Secret;

/// Longest text of an upstream that is shown, in characters.
const MAX_SHOWN_CHARS: usize = 400;
/// A shorter secret hides nothing, and hiding it would garble the text.
pub(crate) const MIN_SECRET_BYTES: usize = 4;
/// How keys of well-known providers begin: some upstreams answer with a part of the key.
const KEY_PREFIXES: [&str; 12] =
    ["sk-", "sk_", "pk-", "rk-", "gsk_", "xai-", "AIza", "hf_", "nvapi-", "key-", "eyJ", "r8_"];
/// Shortest word that counts as a key by its beginning, in bytes.
const MIN_KEY_BYTES: usize = 8;
pub(crate) const HIDDEN: &str = "[key]";

/// `text` on one line, without the given secrets and without anything that looks like a key, cut to a length that can be
/// shown.
pub(crate) fn scrub(text: &str, secrets: &[Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().map(Secret::expose).filter(|secret| secret.len() >= MIN_SECRET_BYTES) {
        text = text.replace(secret, HIDDEN);
    }
    let mut shown = String::new();
    let mut after_bearer = false;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !shown.is_empty() {
            shown.push(' ');
        }
        if after_bearer {
            shown.push_str(HIDDEN);
        } else {
            hide_keys(word, &mut shown);
        }
        after_bearer = word.trim_matches(|c: char| !c.is_alphanumeric()).eq_ignore_ascii_case("bearer");
    }
    shorten(&shown)
}

/// `text` without control characters, cut to a length that can be shown.
pub(crate) fn shorten(text: &str) -> String {
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = chars.by_ref().take(MAX_SHOWN_CHARS).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

fn hide_keys(word: &str, shown: &mut String) {
    let is_edge =
        |c: char| matches!(c, '"' | '\'' | '`' | '(' | ')' | '<' | '>' | ',' | ';' | ':' | '=' | '&' | '?' | '/');
    for part in word.split_inclusive(is_edge) {
        let key = part.trim_end_matches(is_edge);
        if key.len() >= MIN_KEY_BYTES && KEY_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
            shown.push_str(HIDDEN);
            shown.push_str(&part[key.len()..]);
        } else {
            shown.push_str(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_come_through() {
        let secrets = [Secret::from("correct-horse"), Secret::from("ab")];
        for (text, expected) in [
            ("Incorrect API key provided: sk-proj-****abcd.", "Incorrect API key provided: [key]"),
            ("key \"correct-horse\" is wrong", "key \"[key]\" is wrong"),
            ("xcorrect-horsex", "x[key]x"),
            ("Authorization: Bearer  abc.def", "Authorization: Bearer [key]"),
            ("at /v1?key=AIzaSyAAAAAAA&x=1", "at /v1?key=[key]&x=1"),
            ("line\nbreak\u{1b}[31m\0end", "line break [31m end"),
            ("about keys", "about keys"),
            ("", ""),
        ] {
            assert_eq!(scrub(text, &secrets), expected);
        }
    }

    #[test]
    fn long_text_is_cut_after_it_was_scrubbed() {
        let secret = "s".repeat(50);
        let text = format!("{}{secret}", "ä".repeat(MAX_SHOWN_CHARS - 10));
        let shown = scrub(&text, &[Secret::from(secret)]);
        assert!(shown.ends_with(HIDDEN), "{shown}");
        assert_eq!(scrub(&"ä".repeat(5000), &[]).chars().count(), MAX_SHOWN_CHARS + 1);
    }
}
