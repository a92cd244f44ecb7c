//! What the columns of a table hold, and how they are sorted.

use std::cmp::Ordering;

use crate::csv::Rows;

/// What all fields of a column are that are not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Date,
    Truth,
    Text,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::Truth => "yes or no",
            Self::Text => "text",
        }
    }

    fn of<'a>(fields: impl Iterator<Item = &'a str> + Clone) -> Self {
        let mut filled = fields.map(str::trim).filter(|field| !field.is_empty()).peekable();
        if filled.peek().is_none() {
            return Self::Text;
        }
        let all = |is: fn(&str) -> bool| filled.clone().all(is);
        if all(|field| number(field).is_some()) {
            Self::Number
        } else if all(is_date) {
            Self::Date
        } else if all(|field| truth(field).is_some()) {
            Self::Truth
        } else {
            Self::Text
        }
    }

    fn compare(self, one: &str, other: &str) -> Ordering {
        match self {
            Self::Number => number(one).unwrap_or(0.0).total_cmp(&number(other).unwrap_or(0.0)),
            // Dates are written so that their letters sort them.
            Self::Date => one.trim().cmp(other.trim()),
            Self::Truth => truth(one).cmp(&truth(other)),
            Self::Text => one.to_lowercase().cmp(&other.to_lowercase()).then_with(|| one.cmp(other)),
        }
    }
}

/// A number, also with a comma for the point. Numbers with a zero before them are names, such as postal codes.
fn number(field: &str) -> Option<f64> {
    let field = field.trim();
    let digits = field.strip_prefix(['-', '+']).unwrap_or(field);
    let is_name = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    let is_plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || b".,eE+-".contains(&byte));
    (is_plain && !is_name).then(|| field.replacen(',', ".", 1).parse().ok()).flatten()
}

/// `2026-01-31`, also with a time behind it.
fn is_date(field: &str) -> bool {
    let bytes = field.as_bytes();
    let has_form = bytes.len() >= 10
        && bytes[..10].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let part = |from: usize| field.get(from..from + 2).and_then(|part| part.parse::<u8>().ok());
    let is_real =
        || part(5).is_some_and(|month| (1..=12).contains(&month)) && part(8).is_some_and(|day| (1..=31).contains(&day));
    has_form && is_real() && matches!(bytes.get(10), None | Some(b'T' | b' '))
}

fn truth(field: &str) -> Option<bool> {
    match field.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" => Some(true),
        "false" | "no" => Some(false),
        _ => None,
    }
}

/// A table: names of the columns, what they hold, and rows as long as there are columns.
pub(crate) struct Table {
    pub(crate) names: Vec<String>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) rows: Rows,
}

impl Table {
    pub(crate) fn new(mut rows: Rows) -> Self {
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut names = if has_head(&rows) { rows.remove(0) } else { Vec::new() };
        (names.len() + 1..=width).for_each(|number| names.push(format!("Column {number}")));
        rows.iter_mut().for_each(|row| row.resize(width, String::new()));
        let kind = |column: usize| Kind::of(rows.iter().map(move |row| row[column].as_str()));
        let kinds = (0..width).map(kind).collect();
        Self { names, kinds, rows }
    }

    /// Numbers of the rows that have a text in one of their fields, sorted by a column. Empty fields are last in both directions.
    pub(crate) fn order(&self, filter: &str, sort: Option<(usize, bool)>) -> Vec<usize> {
        let filter = filter.to_lowercase();
        let has =
            |row: &Vec<String>| filter.is_empty() || row.iter().any(|field| field.to_lowercase().contains(&filter));
        let mut order: Vec<usize> = (0..self.rows.len()).filter(|at| has(&self.rows[*at])).collect();
        if let Some((column, is_down)) = sort.filter(|(column, _)| *column < self.names.len()) {
            let kind = self.kinds[column];
            order.sort_by(|one, other| {
                let (one, other) = (&self.rows[*one][column], &self.rows[*other][column]);
                let by_value = kind.compare(one, other);
                let by_value = if is_down { by_value.reverse() } else { by_value };
                one.trim().is_empty().cmp(&other.trim().is_empty()).then(by_value)
            });
        }
        order
    }
}

/// Whether the first row names the columns: it has a different text for each, and no values.
fn has_head(rows: &Rows) -> bool {
    let Some(first) = rows.first() else { return false };
    let is_name = |field: &String| {
        !field.trim().is_empty() && number(field).is_none() && !is_date(field) && truth(field).is_none()
    };
    let are_different = first.iter().enumerate().all(|(at, field)| !first[..at].contains(field));
    rows.len() > 1 && first.iter().all(is_name) && are_different
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        Table::new(crate::csv::read(text, ','))
    }

    #[test]
    fn kinds_are_found() {
        let table = table("n,d,t,x,code,none\n1,2026-01-31,yes,1,01234,\n-2.5e3,2026-01-31T10:00,No,a,04321,\n,,,,,\n");
        assert_eq!(table.kinds, [Kind::Number, Kind::Date, Kind::Truth, Kind::Text, Kind::Text, Kind::Text]);
        for odd in ["2026-13-01", "2026-01-32", "20260131", "inf", "1.2.3", "1-2"] {
            assert!(!is_date(odd) && number(odd).is_none_or(|_| odd == "20260131"), "{odd}");
        }
    }

    #[test]
    fn heads_are_told_from_values() {
        assert_eq!(table("a,b\n1,2\n").names, ["a", "b"]);
        assert_eq!(table("1,2\n3,4\n").names, ["Column 1", "Column 2"]);
        assert_eq!(table("a,a\n1,2\n").names, ["Column 1", "Column 2"]);
        assert_eq!(table("a\n1,2,3\n").names, ["a", "Column 2", "Column 3"]);
        assert_eq!(table("").names, [""; 0]);
    }

    #[test]
    fn rows_are_sorted_by_what_they_hold() {
        let table = table("n,t\n10,b\n9,A\n,c\n-1,a\n");
        assert_eq!(table.order("", Some((0, false))), [3, 1, 0, 2]);
        assert_eq!(table.order("", Some((0, true))), [0, 1, 3, 2]);
        assert_eq!(table.order("", Some((1, false))), [1, 3, 0, 2]);
        assert_eq!(table.order("A", Some((7, false))), [1, 3]);
        assert_eq!(table.order("", None), [0, 1, 2, 3]);
    }
}
