//! What others wrote, short enough to be shown.

/// Longest text that is repeated in a message, in characters.
const MAX_SHOWN_CHARS: usize = 400;

/// The text without control characters, cut where it is long.
pub(crate) fn shorten(text: &str) -> String {
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = chars.by_ref().take(MAX_SHOWN_CHARS).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_strange_texts() {
        assert_eq!(shorten("ä\n\u{1b}[2J"), "ä  [2J");
        assert_eq!(shorten(&"ö".repeat(400)), "ö".repeat(400));
        assert_eq!(shorten(&"ö".repeat(401)), "ö".repeat(400) + "…");
    }
}
