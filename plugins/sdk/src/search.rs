//! Searching the workspace. Capability `search`, within its globs; what is ignored by the workspace's rules is not searched.

pub use crate::bindings::coditect::plugin::search::{Found, Match, Query};
use crate::bindings::coditect::plugin::types::{Position, Range};
use crate::error::{Error, Result};
use crate::host::search as host;
use crate::text::LineIndex;

/// Matches that are told where nothing else is said.
const MATCHES: u32 = 1000;

impl Query {
    /// For a text, in upper or lower case.
    ///
    /// ```
    /// use coditect_plugin_sdk::prelude::*;
    ///
    /// # let _host = testing::Host::new().search(|_| Ok(vec![])).enter();
    /// let found = search::Query::regex(r"\bunsafe\b").case_sensitive().within(["src/**"]).at_most(500).run()?;
    /// assert!(!found.limit_reached);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn text(pattern: impl Into<String>) -> Self {
        Self {
            pattern: pattern.into(),
            is_regex: false,
            is_case_sensitive: false,
            includes: Vec::new(),
            excludes: Vec::new(),
            max_matches: MATCHES,
        }
    }

    /// For a regular expression, in upper or lower case.
    #[must_use]
    pub fn regex(pattern: impl Into<String>) -> Self {
        Self { is_regex: true, ..Self::text(pattern) }
    }

    /// In this case only.
    #[must_use]
    pub fn case_sensitive(mut self) -> Self {
        self.is_case_sensitive = true;
        self
    }

    /// In files that match one of these globs too.
    #[must_use]
    pub fn within<S: Into<String>>(mut self, globs: impl IntoIterator<Item = S>) -> Self {
        self.includes.extend(globs.into_iter().map(Into::into));
        self
    }

    /// Not in files that match one of these globs.
    #[must_use]
    pub fn without<S: Into<String>>(mut self, globs: impl IntoIterator<Item = S>) -> Self {
        self.excludes.extend(globs.into_iter().map(Into::into));
        self
    }

    /// At most so many matches; no more than 10000.
    #[must_use]
    pub fn at_most(mut self, matches: u32) -> Self {
        self.max_matches = matches;
        self
    }

    /// Searches.
    pub fn run(&self) -> Result<Found> {
        host::text(self).map_err(Error::from_wire)
    }
}

impl Match {
    /// A match with its whole line.
    #[must_use]
    pub fn new(path: impl Into<String>, range: Range, line: impl Into<String>) -> Self {
        Self { path: path.into(), range, line: line.into(), line_start: 0 }
    }

    /// What [`Self::line`] has before the match, of it, and behind it; none where the match is not in it.
    ///
    /// ```
    /// use coditect_plugin_sdk::prelude::*;
    ///
    /// let range = Range::new(Position::new(7, 1004), Position::new(7, 1008));
    /// let found = search::Match { line_start: 1000, ..search::Match::new("a.rs", range, "// \u{f6}NOTE: x") };
    /// assert_eq!(found.parts(), Some(("// \u{f6}", "NOTE", ": x")));
    /// ```
    #[must_use]
    pub fn parts(&self) -> Option<(&str, &str, &str)> {
        let index = LineIndex::new(&self.line);
        let offset = |column: u32| index.offset(Position::new(0, column.checked_sub(self.line_start)?));
        let start = offset(self.range.start.column)?;
        let is_here = self.range.end.line == self.range.start.line;
        let end = if is_here { offset(self.range.end.column) } else { None };
        let end = end.unwrap_or(self.line.len());
        Some((&self.line[..start], self.line.get(start..end)?, &self.line[end..]))
    }
}

/// Paths that match one of `includes` and none of `excludes`, in order, at most so many.
pub fn paths(includes: &[&str], excludes: &[&str], max_paths: u32) -> Result<Vec<String>> {
    let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect::<Vec<_>>();
    host::paths(&owned(includes), &owned(excludes), max_paths).map_err(Error::from_wire)
}
