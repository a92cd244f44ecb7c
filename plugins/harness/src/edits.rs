//! What an editor does with edits.

use coditect_protocol::plugin::{Edit, Point};

/// The text after all edits, which count in the text before any of them. None where one lies outside the text or two overlap.
#[must_use]
pub fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut placed = edits
        .iter()
        .map(|edit| {
            Some((offset(text, &starts, edit.range.start)?, offset(text, &starts, edit.range.end)?, &edit.text))
        })
        .collect::<Option<Vec<_>>>()?;
    placed.sort_by_key(|&(start, end, _)| (start, end));
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for (start, end, new) in placed {
        out.push_str(text.get(at..start)?);
        out.push_str(new);
        at = end.max(start);
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

/// Byte of a place whose column counts UTF-16 code units.
fn offset(text: &str, starts: &[usize], point: Point) -> Option<usize> {
    let line = usize::try_from(point.line).ok()?;
    let start = *starts.get(line)?;
    let end = starts.get(line + 1).map_or(text.len(), |next| next - 1);
    let mut units = 0;
    for (at, c) in text.get(start..end)?.char_indices() {
        if units >= point.column {
            return (units == point.column).then_some(start + at);
        }
        units += u32::try_from(c.len_utf16()).unwrap_or_default();
    }
    (units == point.column).then_some(end)
}

/// The place of a byte of a line, in UTF-16 code units.
pub(crate) fn column(line: &str, byte: usize) -> u32 {
    let units = line.get(..byte).unwrap_or(line).encode_utf16().count();
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use coditect_protocol::plugin::EditRange;

    use super::*;

    fn edit(from: (u32, u32), to: (u32, u32), text: &str) -> Edit {
        let point = |(line, column)| Point { line, column };
        Edit { range: EditRange { start: point(from), end: point(to) }, text: text.to_owned() }
    }

    #[test]
    fn edits_count_in_the_text_before() {
        let edits = [edit((1, 0), (1, 1), "B"), edit((0, 1), (0, 3), "-"), edit((2, 0), (2, 0), "end")];
        assert_eq!(apply("a😀b\nbc\n", &edits).as_deref(), Some("a-b\nBc\nend"));
        assert_eq!(apply("", &[edit((0, 0), (0, 0), "x")]).as_deref(), Some("x"));
    }

    #[test]
    fn what_is_outside_or_overlaps_is_refused() {
        for bad in [vec![edit((0, 2), (0, 2), "x")], vec![edit((1, 0), (1, 0), "x")], vec![edit((0, 0), (0, 9), "x")]] {
            assert_eq!(apply("a", &bad), None, "{bad:?}");
        }
        assert_eq!(apply("😀", &[edit((0, 1), (0, 1), "x")]), None, "within a character");
        assert_eq!(apply("abc", &[edit((0, 0), (0, 2), "x"), edit((0, 1), (0, 3), "y")]), None);
    }
}
