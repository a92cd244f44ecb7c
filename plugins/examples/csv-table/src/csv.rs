//! Comma-separated values, as RFC 4180 has them, and their kin with other characters between the fields.

/// Rows of fields.
pub(crate) type Rows = Vec<Vec<String>>;

/// Characters that fields may have between them.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// Lines that are looked at to find out which it is.
const LOOKED_AT: usize = 20;

/// Reads a text. Quotes that are not closed are closed by its end, and characters behind a closing quote belong to the field: nothing is
/// lost of a text that keeps to no rule.
pub(crate) fn read(text: &str, delimiter: char) -> Rows {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = Rows::new();
    let (mut row, mut field) = (Vec::new(), String::new());
    let (mut in_quotes, mut is_begun) = (false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if in_quotes && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if in_quotes => in_quotes = false,
            '"' if field.is_empty() => (in_quotes, is_begun) = (true, true),
            _ if in_quotes => field.push(character),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' | '\r' => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
                is_begun = false;
            }
            _ if character == delimiter => {
                row.push(std::mem::take(&mut field));
                is_begun = true;
            }
            _ => {
                field.push(character);
                is_begun = true;
            }
        }
    }
    if is_begun {
        row.push(field);
        rows.push(row);
    }
    // An empty line is no row of one empty field.
    rows.retain(|row| row.len() > 1 || row.iter().any(|field| !field.is_empty()));
    rows
}

/// The character between the fields: that which gives the first lines the most columns, of those that give all of them as many.
pub(crate) fn delimiter(path: &str, text: &str) -> char {
    if path.to_ascii_lowercase().ends_with(".tsv") {
        return '\t';
    }
    let end = text.match_indices('\n').nth(LOOKED_AT).map_or(text.len(), |(at, _)| at);
    let columns = |delimiter: char| {
        let rows = read(&text[..end], delimiter);
        let first = rows.first().map_or(0, Vec::len);
        let alike = rows.iter().filter(|row| row.len() == first).count();
        // A row may be cut off at the end of what is looked at.
        if first > 1 && alike + 1 >= rows.len() { first } else { 0 }
    };
    // The first of those that give as many is meant, and `max_by_key` tells the last.
    DELIMITERS
        .into_iter()
        .rev()
        .max_by_key(|delimiter| columns(*delimiter))
        .filter(|best| columns(*best) > 0)
        .unwrap_or(',')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_hold_what_is_special() {
        let text = "\u{feff}a,\"b, \"\"c\"\"\r\nd\",\r\n\n,\"\"\n\"x\"y,z";
        assert_eq!(read(text, ','), [vec!["a", "b, \"c\"\r\nd", ""], vec!["", ""], vec!["xy", "z"]]);
        assert_eq!(read("", ','), Rows::new());
        assert_eq!(read("\"a", ','), [["a"]]);
        assert_eq!(read("a\rb", ','), [["a"], ["b"]]);
    }

    #[test]
    fn the_delimiter_is_found() {
        assert_eq!(delimiter("a.csv", "a;b,c;d\n1;2,5;3\n"), ';');
        assert_eq!(delimiter("a.csv", "a,b\n\"x;y\",2\n"), ',');
        assert_eq!(delimiter("a.csv", "a|b|c\n1|2|3\n"), '|');
        assert_eq!(delimiter("a.csv", "a\tb\n"), '\t');
        assert_eq!(delimiter("a.csv", "one\ntwo\n"), ',');
        assert_eq!(delimiter("a.TSV", "a,b\n"), '\t');
    }

    fn written(rows: &[Vec<String>], delimiter: char) -> String {
        let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
        let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(&delimiter.to_string());
        rows.iter().map(|row| line(row) + "\r\n").collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_written_is_read(rows in prop::collection::vec(prop::collection::vec("[a,;\"\n\r\té]{0,6}", 2..5), 0..8), which in 0usize..4) {
            let delimiter = DELIMITERS[which];
            prop_assert_eq!(read(&written(&rows, delimiter), delimiter), rows);
        }

        #[test]
        fn any_text_is_read(text in "[a,;\"\n\r\t é]{0,80}") {
            let fields = read(&text, delimiter("a.csv", &text));
            prop_assert!(fields.iter().all(|row| !row.is_empty()));
        }
    }
}
