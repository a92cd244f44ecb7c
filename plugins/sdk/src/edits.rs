//! From a text to another one by small edits, which leave cursors and folds where nothing changed.

use crate::bindings::coditect::plugin::types::TextEdit;
use crate::error::{Error, Result};
use crate::text::LineIndex;

/// Most lines that may differ before what differs is replaced as a whole. The search takes its square in time and memory.
const MAX_DIFFERENCES: usize = 800;

/// Edits that make `new` out of `old`, line by line. Sorted, not overlapping; none where both are the same.
///
/// ```
/// use coditect_plugin_sdk::edits;
///
/// let (old, new) = ("a\nb \nc\n", "a\nb\nc\n");
/// let edits = edits::between(old, new);
/// assert_eq!(edits.len(), 1);
/// assert_eq!(edits::apply(old, &edits).as_deref(), Ok(new));
/// ```
#[must_use]
pub fn between(old: &str, new: &str) -> Vec<TextEdit> {
    let before: Vec<&str> = old.split_inclusive('\n').collect();
    let after: Vec<&str> = new.split_inclusive('\n').collect();
    let same = before.iter().zip(&after).take_while(|(one, other)| one == other).count();
    let rest = (before.len() - same).min(after.len() - same);
    let tail = (0..rest).take_while(|&at| before[before.len() - 1 - at] == after[after.len() - 1 - at]).count();
    let (mine, theirs) = (&before[same..before.len() - tail], &after[same..after.len() - tail]);

    let index = LineIndex::new(old);
    let starts = starts(&before);
    let mut edits = Vec::new();
    let (mut from, mut to) = (0, 0);
    // The end counts as a pair, so that what is before it becomes an edit too.
    for (one, other) in pairs(mine, theirs).into_iter().chain([(mine.len(), theirs.len())]) {
        if (from, to) != (one, other) {
            let range = index.range(starts[same + from]..starts[same + one]);
            edits.push(TextEdit::replace(range, theirs[to..other].concat()));
        }
        (from, to) = (one + 1, other + 1);
    }
    edits
}

/// Does what edits say. `invalid` where one is not in the text, or two overlap.
pub fn apply(text: &str, edits: &[TextEdit]) -> Result<String> {
    let index = LineIndex::new(text);
    let outside = || Error::invalid("an edit is not in the text");
    let mut places = Vec::with_capacity(edits.len());
    for edit in edits {
        places.push((index.bytes(edit.range).ok_or_else(outside)?, &edit.text));
    }
    places.sort_by_key(|(bytes, _)| (bytes.start, bytes.end));
    let (mut result, mut at) = (String::with_capacity(text.len()), 0);
    for (bytes, replacement) in places {
        let kept = text.get(at..bytes.start).ok_or_else(|| Error::invalid("two edits overlap"))?;
        result.push_str(kept);
        result.push_str(replacement);
        at = bytes.end;
    }
    result.push_str(&text[at..]);
    Ok(result)
}

/// The byte at which each line begins, and the end.
fn starts(lines: &[&str]) -> Vec<usize> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in lines {
        at += line.len();
        starts.push(at);
    }
    starts
}

/// Lines that stay, as pairs in ascending order: the greedy algorithm of Myers, "An O(ND) Difference Algorithm" (1986).
fn pairs(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let most = (old.len() + new.len()).min(MAX_DIFFERENCES);
    // How far along `old` each diagonal came, for each number of differences; diagonal k of round d is at d + k.
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for differences in 0..=most {
        let mut reached = vec![0; 2 * differences + 1];
        for slot in (0..=2 * differences).step_by(2) {
            let mut x = rounds.last().map_or(0, |last| furthest(last, slot).0);
            let mut y = x + differences - slot;
            while x < old.len() && y < new.len() && old[x] == new[y] {
                (x, y) = (x + 1, y + 1);
            }
            reached[slot] = x;
            if (x, y) == (old.len(), new.len()) {
                rounds.push(reached);
                return backwards(&rounds, slot, old.len());
            }
        }
        rounds.push(reached);
    }
    Vec::new()
}

/// Where a path goes on from the round before, for a slot of this one, and the slot there: a line more of `old` or of `new`.
fn furthest(last: &[usize], slot: usize) -> (usize, usize) {
    let inserted = last.get(slot).map(|&x| (x, slot));
    let deleted = slot.checked_sub(2).and_then(|before| last.get(before)).map(|&x| (x + 1, slot - 2));
    match (inserted, deleted) {
        (Some(one), Some(other)) if one.0 >= other.0 => one,
        (_, Some(other)) => other,
        (one, None) => one.unwrap_or_default(),
    }
}

fn backwards(rounds: &[Vec<usize>], mut slot: usize, mut x: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for differences in (0..rounds.len()).rev() {
        let (begin, before) = match differences.checked_sub(1) {
            Some(last) => furthest(&rounds[last], slot),
            None => (0, 0),
        };
        while x > begin {
            x -= 1;
            pairs.push((x, x + differences - slot));
        }
        if let Some(last) = differences.checked_sub(1) {
            (x, slot) = (rounds[last][before], before);
        }
    }
    pairs.reverse();
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bindings::coditect::plugin::types::{Position, Range};

    #[test]
    fn only_what_differs_is_touched() {
        let edits = between("a\nb\nc\nd\ne\n", "a\nB\nc\nd\nx\ne\n");
        let lines: Vec<_> = edits.iter().map(|edit| (edit.range.start.line, edit.range.end.line)).collect();
        assert_eq!(lines, [(1, 2), (4, 4)]);
        assert_eq!(between("a\n", "a\n"), []);
    }

    #[test]
    fn edits_that_overlap_or_are_outside_are_refused() {
        let edit = |from, to| TextEdit::replace(Range::new(Position::new(0, from), Position::new(0, to)), "x");
        assert!(apply("abc", &[edit(0, 2), edit(1, 3)]).is_err());
        assert!(apply("abc", &[edit(0, 4)]).is_err());
        assert_eq!(apply("abc", &[edit(2, 3), edit(0, 1)]).as_deref(), Ok("xbx"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_edits_lead_there(old in "[ab\u{1f600}\r\n]{0,60}", new in "[ab\u{1f600}\r\n]{0,60}") {
            let edits = between(&old, &new);
            prop_assert_eq!(apply(&old, &edits).unwrap(), new);
            prop_assert!(edits.windows(2).all(|two| two[0].range.end < two[1].range.start));
        }

        #[test]
        fn the_edits_are_few(lines in prop::collection::vec("[a-z]{3}", 0..50), at in 0usize..50) {
            let old: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let mut changed = lines.clone();
            changed.insert(at.min(lines.len()), "0".into());
            let new: String = changed.iter().map(|line| format!("{line}\n")).collect();
            let edits = between(&old, &new);
            prop_assert_eq!(edits.iter().map(|edit| edit.text.as_str()).collect::<Vec<_>>(), ["0\n"]);
        }
    }

    #[test]
    fn texts_without_anything_in_common_are_replaced() {
        let many = |word: &str| (0..3000).map(|n| format!("{word}{n}\n")).collect::<String>();
        let (old, new) = (many("a"), many("b"));
        let edits = between(&old, &new);
        assert_eq!((edits.len(), apply(&old, &edits).unwrap()), (1, new));
    }
}
