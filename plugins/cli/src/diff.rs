//! What differs between two texts, line by line.

/// The most lines that are compared one with each other: the table grows with their product.
const MAX_LINES: usize = 2000;

/// Lines of both texts: `-` of the first alone, `+` of the second alone, two spaces before those of both. Spaces at the ends of lines
/// that differ are shown as `·`.
pub(crate) fn lines(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    if old.len().max(new.len()) > MAX_LINES {
        return vec![format!("  ({} lines, and {} lines)", old.len(), new.len())];
    }
    let common = common(&old, &new);
    let (mut one, mut other, mut out) = (0, 0, Vec::new());
    while one < old.len() || other < new.len() {
        let same = one < old.len() && other < new.len() && old[one] == new[other];
        if same {
            out.push(format!("  {}", old[one]));
            (one, other) = (one + 1, other + 1);
        } else if other >= new.len() || (one < old.len() && common[one + 1][other] >= common[one][other + 1]) {
            out.push(format!("- {}", ends_shown(old[one])));
            one += 1;
        } else {
            out.push(format!("+ {}", ends_shown(new[other])));
            other += 1;
        }
    }
    out
}

/// How many lines the rests of both have in common, from each pair of lines on.
fn common(old: &[&str], new: &[&str]) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; new.len() + 1]; old.len() + 1];
    for one in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            table[one][other] = if old[one] == new[other] {
                table[one + 1][other + 1] + 1
            } else {
                table[one + 1][other].max(table[one][other + 1])
            };
        }
    }
    table
}

fn ends_shown(line: &str) -> String {
    let text = line.trim_end();
    format!("{text}{}", "·".repeat(line.chars().count() - text.chars().count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_marked() {
        assert_eq!(lines("a\nb \nc", "a\nb\nc\nd"), ["  a", "- b·", "+ b", "  c", "+ d"]);
        assert_eq!(lines("a", "a"), ["  a"]);
        assert_eq!(lines("", "x"), ["- ", "+ x"]);
    }
}
