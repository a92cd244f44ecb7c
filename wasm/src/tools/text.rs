//! What the tools do with text. Pure.

use std::fmt::Write;

/// Most text of one answer to a model, in bytes.
pub(super) const MAX_OUTPUT_BYTES: usize = 48 * 1024;
/// Most lines of one file that a model gets at once.
pub(super) const MAX_OUTPUT_LINES: usize = 1_000;
/// Longest line that is shown whole, in bytes.
pub(super) const MAX_LINE_BYTES: usize = 2_000;
/// How far into a file a NUL byte is looked for, in bytes.
const BINARY_PROBE_BYTES: usize = 8 * 1024;

/// The bytes as text, if they are.
pub(super) fn as_text(bytes: Vec<u8>) -> Result<String, &'static str> {
    const BINARY: &str = "this is a binary file; only text files can be read";
    if bytes.iter().take(BINARY_PROBE_BYTES).any(|byte| *byte == 0) {
        return Err(BINARY);
    }
    String::from_utf8(bytes).map_err(|_| BINARY)
}

/// The start of `text`, at most `limit` bytes, not cutting a character.
pub(super) fn clip(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// The lines asked for, from 1 and with both ends, under a heading that says which they are.
pub(super) fn show_lines(path: &str, text: &str, first: Option<u64>, last: Option<u64>) -> Result<String, String> {
    let total = text.lines().count();
    let first = first.map_or(1, to_usize).max(1);
    let last = last.map_or(total, to_usize).min(total);
    if total == 0 {
        return Ok(format!("{path} is empty."));
    }
    if first > total {
        return Err(format!("{path} has only {total} lines"));
    }
    if last < first {
        return Err(format!("end_line {last} is before start_line {first}"));
    }
    let mut shown = String::new();
    let mut end = first - 1;
    for line in text.lines().skip(first - 1).take((last + 1 - first).min(MAX_OUTPUT_LINES)) {
        let visible = clip(line, MAX_LINE_BYTES);
        if !shown.is_empty() && shown.len() + visible.len() > MAX_OUTPUT_BYTES {
            break;
        }
        shown.push_str(visible);
        if visible.len() < line.len() {
            let _ = write!(shown, "[… {} more bytes in this line]", line.len() - visible.len());
        }
        shown.push('\n');
        end += 1;
    }
    let more = if end < last { format!("[… go on with start_line {}]\n", end + 1) } else { String::new() };
    Ok(format!("{path}, lines {first}-{end} of {total}:\n{shown}{more}"))
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Replaces the one place where `old` stands.
pub(super) fn replace_once(text: &str, old: &str, new: &str) -> Result<String, String> {
    if old.is_empty() {
        return Err("old_text is empty; use write_file to make a file".to_owned());
    }
    if old == new {
        return Err("old_text and new_text are the same".to_owned());
    }
    match count_up_to_two(text, old) {
        1 => return Ok(text.replacen(old, new, 1)),
        2 => {
            return Err("old_text stands there more than once; add lines around it until it is unique".to_owned());
        }
        _ => {}
    }
    // Models write LF. In a file that has CRLF throughout they mean that.
    if has_only_crlf(text) && !old.contains('\r') {
        let (old, new) = (old.replace('\n', "\r\n"), to_crlf(new));
        if old.contains('\n') || new.contains('\n') {
            return match count_up_to_two(text, &old) {
                1 => Ok(text.replacen(&old, &new, 1)),
                2 => Err("old_text stands there more than once; add lines around it until it is unique".to_owned()),
                _ => Err(NOT_THERE.to_owned()),
            };
        }
    }
    Err(NOT_THERE.to_owned())
}

const NOT_THERE: &str =
    "old_text does not stand in the file just so; read the file again and copy it exactly, with its spaces";

/// How often `part` stands in `text`, overlaps included, but no more than two.
fn count_up_to_two(text: &str, part: &str) -> usize {
    let Some(first) = text.find(part) else { return 0 };
    let next = first + text[first..].chars().next().map_or(1, char::len_utf8);
    1 + usize::from(text[next..].contains(part))
}

fn has_only_crlf(text: &str) -> bool {
    let lines = text.matches('\n').count();
    lines > 0 && lines == text.matches("\r\n").count()
}

fn to_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Collects lines until an answer is full.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
    left_out: usize,
}

impl Lines {
    /// Adds a line, or counts it as left out.
    pub(super) fn push(&mut self, line: &str) {
        if self.left_out > 0 || self.text.len() + line.len() > MAX_OUTPUT_BYTES {
            self.left_out += 1;
            return;
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The text, with a word on what was left out.
    pub(super) fn finish(mut self, when_empty: &str) -> String {
        if self.left_out > 0 {
            let _ = writeln!(self.text, "[… {} more left out; ask for less]", self.left_out);
        }
        if self.text.is_empty() { when_empty.to_owned() } else { self.text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_the_lines_asked_for() {
        let check = |first, last, expected: &str| {
            assert_eq!(show_lines("f", "a\nb\nc\n", first, last).unwrap_or_else(|error| error), expected);
        };
        check(None, None, "f, lines 1-3 of 3:\na\nb\nc\n");
        check(Some(2), Some(2), "f, lines 2-2 of 3:\nb\n");
        check(Some(0), Some(99), "f, lines 1-3 of 3:\na\nb\nc\n");
        check(Some(4), None, "f has only 3 lines");
        check(Some(3), Some(2), "end_line 2 is before start_line 3");
        check(Some(u64::MAX), Some(0), "f has only 3 lines");
        assert_eq!(show_lines("f", "", Some(5), None).unwrap(), "f is empty.");
    }

    #[test]
    fn bounds_what_a_model_gets() {
        let shown = show_lines("f", &"x\n".repeat(MAX_OUTPUT_LINES + 5), None, None).unwrap();
        assert!(shown.ends_with("[… go on with start_line 1001]\n"), "{shown}");
        let shown = show_lines("f", &"é".repeat(1_000_000), None, None).unwrap();
        assert!(shown.len() < 2 * MAX_LINE_BYTES);
        let line = format!("{}\n", "y".repeat(MAX_LINE_BYTES));
        assert!(show_lines("f", &line.repeat(500), None, None).unwrap().len() < MAX_OUTPUT_BYTES + 200);
    }

    #[test]
    fn replaces_what_is_unique() {
        let check = |text, old, new, expected: &str| {
            assert_eq!(replace_once(text, old, new).unwrap_or_else(|error| error), expected);
        };
        check("a b c", "b", "x", "a x c");
        check("a b c", "b", "$0", "a $0 c");
        check("one\r\ntwo\r\n", "one\ntwo", "1\n2", "1\r\n2\r\n");
        check("one\r\ntwo\r\n", "one", "1", "1\r\ntwo\r\n");
        check("abc", "abc", "", "");
    }

    #[test]
    fn refuses_what_is_not() {
        let check = |text, old, new, part: &str| {
            let error = replace_once(text, old, new).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        check("a a", "a", "b", "more than once");
        // Overlapping places are two places.
        check("aaa", "aa", "b", "more than once");
        check("ééé", "éé", "b", "more than once");
        check("abc", "x", "y", "does not stand");
        check("abc", "", "y", "empty");
        check("abc", "a", "a", "the same");
        check("one\ntwo\r\n", "one\r\ntwo", "x", "does not stand");
    }

    #[test]
    fn tells_text_from_binary() {
        assert!(as_text(b"abc\0".to_vec()).is_err());
        assert!(as_text(vec![0xff, 0xfe]).is_err());
        assert_eq!(as_text("ä".into()).unwrap(), "ä");
    }

    #[test]
    fn says_what_was_left_out() {
        let mut lines = Lines::default();
        for _ in 0..3 {
            lines.push(&"x".repeat(MAX_OUTPUT_BYTES / 2));
        }
        assert!(lines.finish("").ends_with("[… 2 more left out; ask for less]\n"));
        assert_eq!(Lines::default().finish("Nothing."), "Nothing.");
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}", old in "\\PC{0,3}", limit in 0usize..50) {
            let _ = replace_once(&text, &old, "new");
            prop_assert!(clip(&text, limit).len() <= limit);
        }
    }
}
