//! Results of a search as one text: each file with its matching lines and those around them. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use coditect_protocol::search::{FileMatches, SearchSummary, SearchText};

/// Columns of a line's number.
const NUMBER_COLUMNS: usize = 6;

/// A document that grows while a search goes on.
pub(super) struct Document {
    head: String,
    /// The lines of each file by their number, and whether something matches there.
    files: BTreeMap<String, BTreeMap<u64, (bool, String)>>,
}

impl Document {
    pub(super) fn new(query: &SearchText) -> Self {
        let flags = [
            (query.regex, "regular expression"),
            (query.case_sensitive, "match case"),
            (query.whole_word, "whole word"),
            (query.multiline, "across lines"),
            (query.include_ignored, "ignored files too"),
        ];
        let flags: Vec<_> = flags.into_iter().filter_map(|(set, name)| set.then_some(name)).collect();
        let mut head = format!("# Query: {}\n", query.query);
        for (name, values) in [("Flags", flags.join(", ")), ("Including", query.include.join(", "))] {
            if !values.is_empty() {
                head.push_str(&["# ", name, ": ", &values, "\n"].concat());
            }
        }
        Self { head, files: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, found: FileMatches) {
        let lines = self.files.entry(found.path.as_str().to_owned()).or_default();
        for line in found.context {
            lines.entry(line.line).or_insert((false, line.text));
        }
        for place in found.matches {
            // A match may span several lines, and then the text has them all.
            for (number, text) in (place.line..).zip(place.text.split('\n')) {
                lines.insert(number, (true, text.trim_end_matches('\r').to_owned()));
            }
        }
    }

    pub(super) fn finish(self, summary: &SearchSummary) -> String {
        let mut text = self.head;
        let more = if summary.limit_reached { ", and there are more" } else { "" };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "\n{} results in {} files{more}", summary.matches, self.files.len());
        for (path, lines) in self.files {
            let _ = writeln!(text, "\n{path}:");
            let mut last = None;
            for (number, (is_match, line)) in lines {
                if last.is_some_and(|last| last + 1 < number) {
                    text.push('\n');
                }
                let mark = if is_match { ':' } else { ' ' };
                let _ = writeln!(text, "{number:NUMBER_COLUMNS$}{mark} {line}");
                last = Some(number);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::RelPath;
    use coditect_protocol::search::{ContextLine, TextMatch};

    #[test]
    fn shows_matches_with_the_lines_around_them() {
        let query = SearchText { query: "needle".to_owned(), regex: true, ..SearchText::default() };
        let mut document = Document::new(&query);
        let place = |line, text: &str| TextMatch { line, column: 1, length: 1, text: text.to_owned(), text_column: 1 };
        let around = |line, text: &str| ContextLine { line, text: text.to_owned() };
        let path = |path| RelPath::parse(path).unwrap();
        document.add(FileMatches {
            path: path("b"),
            etag: String::new(),
            matches: vec![place(9, "x needle"), place(9, "x needle")],
            context: vec![around(8, "before")],
        });
        document.add(FileMatches {
            path: path("b"),
            etag: String::new(),
            matches: vec![place(20, "needle\nneedle")],
            context: Vec::new(),
        });
        document.add(FileMatches {
            path: path("a"),
            etag: String::new(),
            matches: vec![place(1, "needle")],
            context: vec![around(2, "after")],
        });
        let text = document.finish(&SearchSummary { matches: 4, limit_reached: true, ..SearchSummary::default() });
        assert_eq!(
            text,
            "# Query: needle\n# Flags: regular expression\n\n4 results in 2 files, and there are more\n\na:\n     1: needle\n     2  after\n\nb:\n     8  before\n     9: x needle\n\n    20: needle\n    21: needle\n"
        );
    }
}
