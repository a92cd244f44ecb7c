//! How things are written.

use unicode_width::UnicodeWidthStr;

/// How deep things are indented, and how long lines may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Style {
    /// One step.
    pub(crate) indent: String,
    /// Columns of a line.
    pub(crate) width: usize,
}

impl Style {
    /// White space of so many steps.
    pub(crate) fn indent(&self, depth: usize) -> String {
        self.indent.repeat(depth)
    }

    /// Columns that a text takes, a tab as many as a step has.
    pub(crate) fn columns(&self, text: &str) -> usize {
        let tabs = text.bytes().filter(|&byte| byte == b'\t').count();
        width(text) + tabs * 4
    }
}

/// Columns that a text without tabs takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}
