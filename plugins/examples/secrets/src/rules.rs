//! What secrets look like.
//!
//! A key or token with a prefix of its own is found by it, and where its maker put a checksum into it, that must be right. What has no
//! form of its own, such as a password, is only found behind a name that says what it is, and only where it looks made at random.

mod assigned;
mod blocks;
mod tokens;

use std::ops::Range;

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    /// Its bytes in the text.
    pub(crate) at: Range<usize>,
    /// Short name of the rule.
    pub(crate) rule: &'static str,
    /// What it is, for people, with its article.
    pub(crate) what: &'static str,
}

/// All secrets of a text, in order and not overlapping. `guess` also looks for those without a form of their own.
pub(crate) fn find(text: &str, guess: bool) -> Vec<Secret> {
    let mut secrets = tokens::find(text);
    secrets.extend(blocks::find(text));
    if guess {
        secrets.extend(assigned::find(text));
    }
    // Of those that overlap the one that begins first stays, and of these the longest.
    secrets.sort_by_key(|secret| (secret.at.start, usize::MAX - secret.at.end));
    let mut end = 0;
    secrets.retain(|secret| {
        let is_free = secret.at.start >= end;
        end = if is_free { secret.at.end } else { end };
        is_free
    });
    secrets
}

/// Shannon entropy in bits a character.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length)
        .map(|share| -share * share.log2())
        .sum()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// How many bytes from a place on are of a kind.
fn run(text: &str, from: usize, is_part: impl Fn(u8) -> bool) -> usize {
    text.as_bytes()[from..].iter().take_while(|byte| is_part(**byte)).count()
}

#[cfg(test)]
mod tests;
