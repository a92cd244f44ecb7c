//! Texts of plugins, in a form that can be shown.

/// What is put behind a text that was cut off.
const CUT: &str = "…";
/// How much is looked at of a text whose white space is left out, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The text without characters that would change how it is read, at most so many bytes of it. Of control characters, the ends of lines
/// and tabs stay; others are written as escapes, and so are those that turn the direction of writing.
pub(super) fn clean(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most));
    for character in text.chars() {
        let before = out.len();
        if is_shown(character) {
            out.push(character);
        } else {
            out.extend(character.escape_unicode());
        }
        if out.len() > most {
            out.truncate(before);
            cut(&mut out, most.saturating_sub(CUT.len()));
            out.push_str(CUT);
            break;
        }
    }
    out
}

/// In one line.
pub(super) fn clean_line(text: &str, most: usize) -> String {
    clean(&head(text).split_whitespace().collect::<Vec<_>>().join(" "), most)
}

/// The part of a text that is looked at where all of it would be too much: what is shown of it is far shorter.
pub(super) fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_HEAD_BYTES)]
}

/// Cuts a text off where a character ends.
pub(super) fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
    }
}

fn is_shown(character: char) -> bool {
    match character {
        '\n' | '\t' => true,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => false,
        other => !other.is_control(),
    }
}
