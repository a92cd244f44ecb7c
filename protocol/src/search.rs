//! Search for files by name and for text in files.

use serde::{Deserialize, Serialize};

use crate::call::OVERHEAD_BYTES;
use crate::path::RelPath;
use crate::problem::Problem;

/// Find files by a fuzzy pattern, best first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(default)]
pub struct FindFiles {
    /// What the person typed; empty lists everything.
    pub pattern: String,
    /// Fuzzy ranking, else a plain substring.
    pub fuzzy: bool,
    /// Most paths to answer.
    pub limit: u32,
    /// Obey `.gitignore` and its kin.
    pub use_ignore_files: bool,
    /// Only paths that match one of these globs (all, where empty).
    pub include: Vec<String>,
    /// No path that matches one of these globs.
    pub exclude: Vec<String>,
    /// Where to look.
    pub folder: RelPath,
}

/// Find text in files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(default)]
pub struct SearchText {
    /// The text or the regular expression.
    pub query: String,
    /// `query` is a regular expression.
    pub regex: bool,
    /// Case matters.
    pub case_sensitive: bool,
    /// Only whole words.
    pub whole_word: bool,
    /// Search hidden and ignored files too.
    pub include_ignored: bool,
    /// Only paths that match one of these globs (all, where empty).
    pub include: Vec<String>,
    /// No path that matches one of these globs.
    pub exclude: Vec<String>,
    /// Most matches to answer.
    pub max_matches: u32,
    /// Largest file to look into, bytes; 0 for no bound.
    pub max_file_bytes: u64,
    /// Folders to look in; everywhere, where empty.
    pub folders: Vec<RelPath>,
    /// Lines to tell before each match, at most [`MAX_CONTEXT_LINES`].
    pub lines_before: u32,
    /// Lines to tell after each match, at most [`MAX_CONTEXT_LINES`].
    pub lines_after: u32,
    /// A match may span lines (regular expressions only).
    pub multiline: bool,
}

/// Most lines told before, and after, a match.
pub const MAX_CONTEXT_LINES: u32 = 20;

/// Put another text in place of each match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(default)]
pub struct ReplaceText {
    /// What to look for, and where.
    pub search: SearchText,
    /// The text; with a regular expression, `$1` and `${name}` stand for its groups and `$$` for a dollar.
    pub replacement: String,
    /// Keeps the match's case: all small, all capital, or capital first.
    pub preserve_case: bool,
    /// Writes nothing, and tells what would change.
    pub preview: bool,
    /// Only these files, each only in the version that is named; all that match, where empty.
    pub files: Vec<ReplaceFile>,
}

/// A file to replace in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct ReplaceFile {
    /// The file.
    pub path: RelPath,
    /// Its version as it was found or previewed; any where empty.
    pub etag: String,
}

/// What was, or would be, replaced in one file; sent as it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct FileReplacements {
    /// The file.
    pub path: RelPath,
    /// Entity tag: of the version that was looked at for a preview, else of the new one.
    pub etag: String,
    /// How many.
    pub replacements: u64,
    /// The lines concerned, for a preview.
    pub lines: Vec<ReplacedLines>,
    /// Why the file was left as it is, where it was.
    pub problem: Option<Problem>,
}

impl FileReplacements {
    /// Bytes of it on the wire, about.
    #[must_use]
    pub fn cost(&self) -> usize {
        let lines = self.lines.iter().map(|lines| lines.before.len() + lines.after.len() + OVERHEAD_BYTES);
        self.path.as_str().len() + OVERHEAD_BYTES + lines.sum::<usize>()
    }
}

/// Neighbouring lines that a replacement changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct ReplacedLines {
    /// First line, from 1.
    pub line: u64,
    /// Their text, shortened where very long.
    pub before: String,
    /// What it becomes.
    pub after: String,
}

/// How a replacement ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct ReplaceSummary {
    /// Files changed, or that would be.
    pub files: u64,
    /// Matches replaced, or that would be.
    pub replacements: u64,
    /// Files left as they are because of a problem.
    pub failed: u64,
    /// Stopped at `max_matches`.
    pub limit_reached: bool,
}

/// Matches in one file; sent as they are found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMatches {
    /// The file.
    pub path: RelPath,
    /// Entity tag of the version that was looked at.
    #[serde(default)]
    pub etag: String,
    /// Its matches in order.
    #[serde(with = "rows")]
    pub matches: Vec<TextMatch>,
    /// Lines around them that were asked for, in order, each once.
    #[serde(default)]
    pub context: Vec<ContextLine>,
}

impl FileMatches {
    /// Bytes of it on the wire, about.
    #[must_use]
    pub fn cost(&self) -> usize {
        let lines = self.matches.iter().map(|found| &found.text).chain(self.context.iter().map(|line| &line.text));
        self.path.as_str().len() + OVERHEAD_BYTES + lines.map(|text| text.len() + OVERHEAD_BYTES).sum::<usize>()
    }
}

/// A line near a match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct ContextLine {
    /// Line, from 1.
    pub line: u64,
    /// Its text, shortened where it is very long.
    pub text: String,
}

/// One match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct TextMatch {
    /// Line, from 1.
    pub line: u64,
    /// First column, from 1, in UTF-16 code units (what the editor counts).
    pub column: u32,
    /// Length in UTF-16 code units.
    pub length: u32,
    /// The line's text, shortened around the match where it is very long.
    pub text: String,
    /// First column of the match within `text`, from 1, in UTF-16 code units.
    pub text_column: u32,
}

/// Matches on the wire: of each its fields alone, in their order. There may be hundreds of thousands, and the names of the
/// fields would be half of what is sent, and more than half of what it takes to read it.
mod rows {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::TextMatch;

    type Row<T> = (u64, u32, u32, T, u32);

    fn row(found: &TextMatch) -> Row<&str> {
        (found.line, found.column, found.length, &found.text, found.text_column)
    }

    pub(super) fn serialize<S: Serializer>(matches: &[TextMatch], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(matches.iter().map(row))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TextMatch>, D::Error> {
        let rows = Vec::<Row<String>>::deserialize(deserializer)?;
        let read = |(line, column, length, text, text_column)| TextMatch { line, column, length, text, text_column };
        Ok(rows.into_iter().map(read).collect())
    }
}

/// How a text search ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct SearchSummary {
    /// Files looked into.
    pub files_searched: u64,
    /// Matches found.
    pub matches: u64,
    /// Stopped at `max_matches`.
    pub limit_reached: bool,
}

/// `text` in small letters, capital ones, or with a capital one first, as `model` is: what preserving the case means.
#[must_use]
pub fn in_case_of(model: &str, text: &str) -> String {
    let letters = || model.chars().filter(|letter| letter.is_alphabetic());
    let mut rest = text.chars();
    if letters().next().is_none() {
        text.to_owned()
    } else if letters().all(char::is_lowercase) {
        text.to_lowercase()
    } else if letters().all(char::is_uppercase) && letters().nth(1).is_some() {
        text.to_uppercase()
    } else if model.starts_with(char::is_uppercase) {
        rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
    } else {
        text.to_owned()
    }
}
