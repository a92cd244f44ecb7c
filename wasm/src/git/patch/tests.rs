use coditect_protocol::Coded as _;
use coditect_protocol::path::RelPath;
use proptest::prelude::*;

use super::*;

const HEADER: &str = "diff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n";
const NONE: LineRange = LineRange { first: 1, last: 0 };

fn lines(first: u32, last: u32) -> Option<LineRange> {
    Some(LineRange { first, last })
}

fn chosen_of(diff: &FileDiff, chosen: ChosenLines, reverse: bool) -> Option<String> {
    of_lines(diff, chosen, reverse).unwrap()
}

fn diff_with(change: GitChange, header: &str, hunks: Vec<Hunk>) -> FileDiff {
    let path = RelPath::parse("f").unwrap();
    FileDiff { path, from: None, change, binary: false, not_utf8: false, header: header.to_owned(), hunks }
}

/// What `patch` makes of `text`, as strictly as `git apply` reads it and without looking for another place.
fn apply(text: &str, patch: &str, reverse: bool) -> String {
    let (mut rest, mut out, mut at) = (split(text), String::new(), 1);
    let mut lines = patch.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(ranges) = line.strip_prefix("@@ -") else { continue };
        let (old, new) = ranges.trim_end_matches(" @@").split_once(" +").unwrap();
        let (start, count) = if reverse { new } else { old }.split_once(',').unwrap();
        let (start, mut count) = (start.parse::<usize>().unwrap(), count.parse::<usize>().unwrap());
        let first = start + usize::from(count == 0);
        let other = if reverse { old } else { new }.split_once(',').unwrap().1;
        let mut other = other.parse::<usize>().unwrap();
        while at < first {
            out.push_str(rest.remove(0));
            at += 1;
        }
        while count + other > 0 {
            let line = lines.next().expect("the hunk is as long as it says");
            let unended = lines.next_if(|next| next.starts_with('\\')).is_some();
            let content = format!("{}{}", &line[1..], if unended { "" } else { "\n" });
            let sign = line.chars().next().unwrap();
            if sign == ' ' || (sign == '-') != reverse {
                assert_eq!(rest.remove(0), content, "in {patch}");
                (at, count) = (at + 1, count - 1);
            }
            if sign == ' ' || (sign == '+') != reverse {
                out.push_str(&content);
                other -= 1;
            }
        }
    }
    out + &rest.concat()
}

fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// A hunk without context for each place where the two differ, by the longest common subsequence.
fn diff_of(old: &str, new: &str) -> FileDiff {
    let (a, b) = (split(old), split(new));
    let mut common = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut hunks) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
            continue;
        }
        let (from_old, from_new) = (i, j);
        while i < a.len() && (j >= b.len() || (a[i] != b[j] && common[i + 1][j] >= common[i][j + 1])) {
            i += 1;
        }
        while j < b.len() && (i >= a.len() || (a[i] != b[j] && common[i][j + 1] >= common[i + 1][j])) {
            j += 1;
        }
        hunks.push(hunk(&a, &b, from_old..i, from_new..j));
    }
    diff_with(GitChange::Modified, HEADER, hunks)
}

fn hunk(a: &[&str], b: &[&str], old: std::ops::Range<usize>, new: std::ops::Range<usize>) -> Hunk {
    let start = |range: &std::ops::Range<usize>| (range.start + usize::from(!range.is_empty())) as u32;
    let mut text = "@@ @@\n".to_owned();
    let signed = a[old.clone()].iter().map(|line| ('-', line)).chain(b[new.clone()].iter().map(|line| ('+', line)));
    for (sign, line) in signed {
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
    let (old_start, new_start) = (start(&old), start(&new));
    Hunk { old_start, old_lines: old.len() as u32, new_start, new_lines: new.len() as u32, text }
}

/// Chooses lines going from `old` to `new`; shows what that makes of the one, and taking it back of the other.
fn check(old: &str, new: &str, chosen: ChosenLines, forward: &str, back: &str) {
    let diff = diff_of(old, new);
    assert_eq!(apply(old, &chosen_of(&diff, chosen, false).unwrap(), false), forward);
    assert_eq!(apply(new, &chosen_of(&diff, chosen, true).unwrap(), true), back);
}

#[test]
fn one_line_of_several() {
    let new = |first, last| ChosenLines { old: None, new: lines(first, last) };
    check("a\nb\n", "c\nd\n", new(1, 1), "c\nb\n", "a\nd\n");
    check("a\nb\n", "c\nd\n", new(2, 2), "a\nd\n", "c\nb\n");
    check("a\nb\n", "a\nx\ny\nb\n", new(3, 3), "a\ny\nb\n", "a\nx\nb\n");
    let old = |first, last| ChosenLines { old: lines(first, last), new: None };
    check("a\nb\nc\n", "x\n", old(1, 1), "x\nb\nc\n", "a\n");
    check("a\nb\nc\n", "x\n", old(2, 2), "a\nc\n", "x\nb\n");
}

#[test]
fn exactly_what_is_named_on_both_sides() {
    check("a\n", "b\n", ChosenLines { old: Some(NONE), new: lines(1, 1) }, "a\nb\n", "");
    check("a\n", "b\n", ChosenLines { old: lines(1, 1), new: Some(NONE) }, "", "a\nb\n");
}

#[test]
fn a_change_that_another_comparison_found_some_lines_off() {
    // Which of the equal lines is new, nobody can tell.
    let (old, new) = ("a\nx\nb\n", "a\nx\nx\nb\n");
    for line in 2..=3 {
        check(old, new, ChosenLines { old: Some(NONE), new: lines(line, line) }, new, old);
    }
    let (old, new) = ("a\nx\ny\nb\n", "a\nx\ny\nx\ny\nb\n");
    check(old, new, ChosenLines { old: Some(NONE), new: lines(3, 4) }, new, old);
}

#[test]
fn what_is_gone_is_chosen_by_a_neighbour() {
    for neighbour in [1, 2] {
        let chosen = ChosenLines { old: None, new: lines(neighbour, neighbour) };
        check("a\ngone\nb\n", "a\nb\n", chosen, "a\nb\n", "a\ngone\nb\n");
    }
    let far = ChosenLines { old: None, new: lines(3, 3) };
    assert_eq!(chosen_of(&diff_of("a\ngone\nb\nc\n", "a\nb\nc\n"), far, false), None);
}

#[test]
fn later_hunks_move_by_what_the_earlier_ones_add() {
    let (old, new) = ("a\nb\nc\nd\n", "1\n2\na\nb\nC\nd\n");
    check(old, new, ChosenLines { old: None, new: lines(2, 5) }, "2\na\nb\nC\nd\n", "1\na\nb\nc\nd\n");
}

#[test]
fn the_end_without_a_newline_is_taken_whole() {
    let chosen = ChosenLines { old: None, new: lines(2, 2) };
    check("a", "a\nb\n", chosen, "a\nb\n", "a");
    check("a\nb", "x\ny", chosen, "x\ny", "a\nb");
}

#[test]
fn a_part_of_a_new_or_deleted_file_leaves_the_file() {
    let text = |sign: char| format!("@@ @@\n{sign}one\n{sign}two\n");
    let hunk = |old_lines: u32, new_lines: u32, sign| Hunk {
        old_start: old_lines.min(1),
        old_lines,
        new_start: new_lines.min(1),
        new_lines,
        text: text(sign),
    };
    let added = "diff --git \"a/\\303\\244\" \"b/\\303\\244\"\nnew file mode 100644\nindex 0..1\n--- /dev/null\n+++ \"b/\\303\\244\"\n";
    let added = diff_with(GitChange::Added, added, vec![hunk(0, 2, '+')]);
    let second = ChosenLines { old: None, new: lines(2, 2) };
    let unstaged = "diff --git \"a/\\303\\244\" \"b/\\303\\244\"\n--- \"a/\\303\\244\"\n+++ \"b/\\303\\244\"\n@@ -1,1 +1,2 @@\n one\n+two\n";
    assert_eq!(chosen_of(&added, second, true).as_deref(), Some(unstaged));
    let whole = chosen_of(&added, ChosenLines { old: None, new: lines(1, 2) }, true).unwrap();
    assert!(whole.contains("new file mode") && whole.contains("--- /dev/null"), "{whole}");

    let deleted = "diff --git a/f b/f\ndeleted file mode 100644\nindex 1..0\n--- a/f\n+++ /dev/null\n";
    let deleted = diff_with(GitChange::Deleted, deleted, vec![hunk(2, 0, '-')]);
    let first = ChosenLines { old: lines(1, 1), new: None };
    let staged = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,2 +1,1 @@\n-one\n two\n";
    assert_eq!(chosen_of(&deleted, first, false).as_deref(), Some(staged));
}

#[test]
fn context_stays_around_a_change() {
    let text = "@@ -1,4 +1,4 @@ fn x\n a\n-b\n+B\n c\n \n".to_owned();
    let hunk = Hunk { old_start: 1, old_lines: 4, new_start: 1, new_lines: 4, text };
    let diff = diff_with(GitChange::Modified, HEADER, vec![hunk]);
    let patch = chosen_of(&diff, ChosenLines { old: None, new: lines(2, 2) }, false);
    assert_eq!(patch, Some(format!("{HEADER}@@ -1,4 +1,4 @@\n a\n-b\n+B\n c\n \n")));
}

proptest! {
    #[test]
    fn any_choice_applies(
        old in "([abc]\n){0,6}[abc]?", new in "([abc]\n){0,6}[abc]?",
        old_first in 1..8_u32, old_last in 0..8_u32, new_first in 1..8_u32, new_last in 0..8_u32, sides in 0..3,
    ) {
        let old_lines = (sides != 0).then_some(LineRange { first: old_first, last: old_last });
        let new_lines = (sides != 1).then_some(LineRange { first: new_first, last: new_last });
        let chosen = ChosenLines { old: old_lines, new: new_lines };
        let diff = diff_of(&old, &new);
        for reverse in [false, true] {
            if let Some(patch) = chosen_of(&diff, chosen, reverse) {
                apply(if reverse { &new } else { &old }, &patch, reverse);
            }
        }
        let all = ChosenLines { old: lines(1, 99), new: lines(1, 99) };
        match chosen_of(&diff, all, false) {
            Some(patch) => {
                prop_assert_eq!(apply(&old, &patch, false), new.clone());
                prop_assert_eq!(apply(&new, &patch, true), old);
            }
            None => prop_assert_eq!(old, new),
        }
        let nothing = ChosenLines { old: Some(NONE), new: Some(NONE) };
        prop_assert_eq!(chosen_of(&diff, nothing, false), None);
    }
}

#[test]
fn lines_of_a_file_that_is_not_utf8_are_refused() {
    let diff = FileDiff { not_utf8: true, ..diff_of("a\n", "Stra\u{fffd}e\n") };
    let all = ChosenLines { old: lines(1, 1), new: lines(1, 1) };
    let error = of_lines(&diff, all, false).unwrap_err();
    assert_eq!(error.problem().code, "git.not_utf8");
}
