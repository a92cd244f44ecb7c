//! Whether edits and ranges lie in a text.

use coditect_protocol::plugin::{Edit, EditRange, Point};

use super::check::malformed;
use crate::CallError;

/// Most edits of an answer.
const MAX_EDITS: usize = 10_000;

const fn place(point: Point) -> (u32, u32) {
    (point.line, point.column)
}

/// A range must not end before it begins.
pub(super) fn range(range: EditRange) -> Result<(), CallError> {
    if place(range.start) <= place(range.end) { Ok(()) } else { Err(malformed("a range ends before it begins")) }
}

/// Puts edits in order. Each must begin and end at a place of the text, and none may touch what another replaces. Insertions at the
/// same place stay in the order in which they were given.
pub(super) fn checked(mut edits: Vec<Edit>, text: Option<&str>) -> Result<Vec<Edit>, CallError> {
    if edits.is_empty() {
        return Ok(edits);
    }
    let text = text.ok_or_else(|| malformed("there are edits, but no text that they could be for"))?;
    if edits.len() > MAX_EDITS {
        return Err(malformed(&format!("there are more than {MAX_EDITS} edits")));
    }
    edits.iter().try_for_each(|edit| range(edit.range))?;
    edits.sort_by_key(|edit| (place(edit.range.start), place(edit.range.end)));
    if edits.array_windows().any(|[before, after]| place(before.range.end) > place(after.range.start)) {
        return Err(malformed("edits overlap"));
    }
    let places = edits.iter().flat_map(|edit| [place(edit.range.start), place(edit.range.end)]);
    if are_in(text, places) { Ok(edits) } else { Err(malformed("an edit lies outside of the text")) }
}

/// Whether all places, in order, are places of the text: not behind a line's end, and not within a character.
fn are_in(text: &str, places: impl Iterator<Item = (u32, u32)>) -> bool {
    let mut places = places.peekable();
    let (mut line, mut column) = (0, 0);
    let mut chars = text.chars().peekable();
    loop {
        while places.next_if_eq(&(line, column)).is_some() {}
        if places.peek().is_none() {
            return true;
        }
        match chars.next() {
            None => return false,
            // As editors count: these three end a line.
            Some('\r') if chars.peek() == Some(&'\n') => {
                chars.next();
                (line, column) = (line + 1, 0);
            }
            Some('\r' | '\n') => (line, column) = (line + 1, 0),
            Some(char) => column += if char.len_utf16() == 2 { 2 } else { 1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(start: (u32, u32), end: (u32, u32), text: &str) -> Edit {
        let point = |(line, column)| Point { line, column };
        Edit { range: EditRange { start: point(start), end: point(end) }, text: text.into() }
    }

    fn refusal(edits: Vec<Edit>, text: &str) -> String {
        checked(edits, Some(text)).unwrap_err().to_string()
    }

    #[test]
    fn edits_come_in_order_and_within_the_text() {
        let text = "äb😀\r\nzwei\n";
        let edits = vec![edit((2, 0), (2, 0), "end"), edit((0, 4), (1, 4), "x"), edit((0, 0), (0, 2), "y")];
        let ordered = checked(edits, Some(text)).unwrap();
        assert_eq!(ordered.iter().map(|edit| edit.text.as_str()).collect::<Vec<_>>(), ["y", "x", "end"]);
        // Behind the line, within a pair of code units, behind the text, within a line's end.
        for place in [(0, 5), (0, 3), (3, 0), (2, 1), (1, 5)] {
            assert!(refusal(vec![edit(place, place, "")], text).contains("outside"), "{place:?}");
        }
        assert!(checked(vec![edit((0, 0), (0, 0), "a")], Some("")).is_ok());
        assert!(checked(vec![edit((1, 0), (1, 0), "a")], Some("\r")).is_ok());
    }

    #[test]
    fn edits_do_not_overlap() {
        let text = "0123456789";
        assert!(refusal(vec![edit((0, 0), (0, 5), ""), edit((0, 4), (0, 6), "")], text).contains("overlap"));
        assert!(refusal(vec![edit((0, 0), (0, 5), ""), edit((0, 2), (0, 2), "")], text).contains("overlap"));
        assert!(refusal(vec![edit((0, 5), (0, 4), "")], text).contains("ends before"));
        let twice = checked(vec![edit((0, 5), (0, 5), "a"), edit((0, 5), (0, 5), "b")], Some(text)).unwrap();
        assert_eq!(twice[0].text, "a");
        assert!(checked(vec![edit((0, 0), (0, 5), ""), edit((0, 5), (0, 6), "")], Some(text)).is_ok());
        assert!(checked(vec![edit((0, 0), (0, 0), "")], None).is_err());
        let many = std::iter::repeat_n(edit((0, 0), (0, 0), "a"), MAX_EDITS + 1).collect();
        assert!(refusal(many, text).contains("more than"));
    }
}
