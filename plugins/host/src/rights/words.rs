//! Patterns of names, with `*`.

/// Whether a pattern stands for a whole text. `*` stands for any number of any characters, everything else for itself.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, mut pattern)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    // Each part as early as it can be, so that the most is left for the others: nothing ever has to be taken back.
    while let Some((part, rest)) = pattern.split_once('*') {
        let Some(at) = text.find(part) else { return false };
        text = text.split_at(at + part.len()).1;
        pattern = rest;
    }
    text.ends_with(pattern)
}
