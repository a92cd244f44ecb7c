//! Search for files by name and for text in files.

use serde::{Deserialize, Serialize};

use crate::path::RelPath;

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
}

/// Matches in one file; sent as they are found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct FileMatches {
    /// The file.
    pub path: RelPath,
    /// Its matches in order.
    pub matches: Vec<TextMatch>,
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
