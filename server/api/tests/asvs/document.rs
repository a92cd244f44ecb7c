//! What `docs/asvs.md` says, so that the tests attack what is written there.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the repository.
pub fn source(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn document() -> String {
    source("docs/asvs.md")
}

/// The section below a heading, up to the next.
pub fn section(heading: &str) -> String {
    let document = document();
    let (_, rest) =
        document.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("there is no section `{heading}`"));
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The rows of the table below a heading, without its head; each cell without the marks of code.
pub fn table(heading: &str) -> Vec<Vec<String>> {
    let section = section(heading);
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('|').trim().to_owned()).collect()
    };
    let rows: Vec<Vec<String>> = section.lines().filter(|line| line.starts_with('|')).map(cells).collect();
    assert!(rows.len() > 2, "the table below `{heading}` is empty");
    rows[2..].to_vec()
}

/// A cell without the marks of code.
pub fn plain(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// The number in the row of a table that begins with these words.
pub fn number(heading: &str, subject: &str) -> u64 {
    let rows = table(heading);
    let row =
        rows.iter().find(|row| row[0] == subject).unwrap_or_else(|| panic!("`{heading}` says nothing of `{subject}`"));
    let digits: String = row[1].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("`{subject}`: {} is no number", row[1]))
}
