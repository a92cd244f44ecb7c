//! Finds the places in a file where a merge left both sides in it. Pure.

use serde::Serialize;
use tsify::Tsify;

use super::LineRange;

/// Repetitions of the sign that begins a line of `git`'s own between the sides.
const MARKER_LENGTH: usize = 7;

/// A place where both sides of a merge stand in the file.
#[derive(Debug, PartialEq, Eq, Serialize, Tsify)]
pub struct ConflictRegion {
    /// All of it, with git's own lines.
    pub whole: LineRange,
    /// What was here.
    pub current: LineRange,
    /// What both had before, where git was told to show it.
    pub base: Option<LineRange>,
    /// What came.
    pub incoming: LineRange,
    /// Where the present side comes from, as git says it (`HEAD`).
    pub current_name: String,
    /// Where the other side comes from, as git says it.
    pub incoming_name: String,
}

/// A region that was begun.
#[derive(Default)]
struct Begun {
    start: u32,
    name: String,
    base: Option<u32>,
    middle: Option<u32>,
}

/// The regions in their order. What does not end, or stands in another order, is left alone.
pub(super) fn find(text: &str) -> Vec<ConflictRegion> {
    let mut found = Vec::new();
    let mut begun: Option<Begun> = None;
    for (line, number) in text.split('\n').zip(1u32..) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(name) = marker(line, '<') {
            begun = Some(Begun { start: number, name: name.to_owned(), ..Begun::default() });
            continue;
        }
        let Some(region) = &mut begun else { continue };
        if marker(line, '|').is_some() && region.middle.is_none() {
            region.base.get_or_insert(number);
        } else if marker(line, '=') == Some("") {
            region.middle.get_or_insert(number);
        } else if let (Some(name), Some(middle)) = (marker(line, '>'), region.middle) {
            found.push(ended(region, middle, number, name));
            begun = None;
        }
    }
    found
}

fn ended(region: &Begun, middle: u32, end: u32, incoming_name: &str) -> ConflictRegion {
    let between = |after: u32, before: u32| LineRange { first: after + 1, last: before - 1 };
    ConflictRegion {
        whole: LineRange { first: region.start, last: end },
        current: between(region.start, region.base.unwrap_or(middle)),
        base: region.base.map(|base| between(base, middle)),
        incoming: between(middle, end),
        current_name: region.name.clone(),
        incoming_name: incoming_name.to_owned(),
    }
}

/// What stands after a line's marker: nothing, or a name after one space.
fn marker(line: &str, sign: char) -> Option<&str> {
    let rest = line.trim_start_matches(sign);
    if line.len() - rest.len() != MARKER_LENGTH {
        return None;
    }
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(u32, u32, &str)]) {
        let lines: Vec<&str> = text.split('\n').collect();
        let taken = |range: &LineRange| {
            if range.first > range.last {
                return String::new();
            }
            lines[range.first as usize - 1..range.last as usize].join(",")
        };
        let found: Vec<(u32, u32, String)> = find(text)
            .iter()
            .map(|region| {
                let base = region.base.as_ref().map_or_else(|| "-".to_owned(), taken);
                let sides = format!("{} {} {}", taken(&region.current), base, taken(&region.incoming));
                (region.whole.first, region.whole.last, sides)
            })
            .collect();
        let found: Vec<(u32, u32, &str)> = found.iter().map(|(first, last, sides)| (*first, *last, &**sides)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn finds_both_styles_and_their_sides() {
        check("x\n<<<<<<< HEAD\na\nb\n=======\nc\n>>>>>>> topic\ny", &[(2, 7, "a,b - c")]);
        check("<<<<<<< HEAD\na\n||||||| 1234567\no\n=======\n>>>>>>> topic", &[(1, 6, "a o ")]);
        check("<<<<<<<\n=======\n>>>>>>>\n<<<<<<<\n=======\nz\n>>>>>>>", &[(1, 3, " - "), (4, 7, " - z")]);
    }

    #[test]
    fn leaves_alone_what_only_looks_like_one() {
        check("=======\n>>>>>>> topic", &[]);
        check("<<<<<<< HEAD\na\n>>>>>>> topic", &[]);
        check("<<<<<<<<\n=======\n>>>>>>>>", &[]);
        check("<<<<<<<no space\n=======\n>>>>>>>", &[]);
        check("<<<<<<< a\nlost\n<<<<<<< b\n=======\n>>>>>>> c", &[(3, 5, " - ")]);
    }

    #[test]
    fn says_where_the_sides_come_from() {
        let [region] = &find("<<<<<<< HEAD\r\n=======\r\n>>>>>>> topic (fix)\r\n")[..] else { panic!("one is there") };
        assert_eq!((region.current_name.as_str(), region.incoming_name.as_str()), ("HEAD", "topic (fix)"));
    }
}
