//! Finding remarks such as `TODO: this`.

use std::collections::BTreeMap;

use coditect_plugin_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// Most remarks that are looked for: as many as a search tells.
const MAX_MATCHES: u32 = 10_000;

/// A remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    pub(crate) path: String,
    /// From 0.
    pub(crate) line: u32,
    pub(crate) tag: String,
    /// What it says, without the tag.
    pub(crate) text: String,
}

/// All remarks of the workspace, by path and line.
pub(crate) struct Remarks {
    pub(crate) list: Vec<Remark>,
    /// There are more than the search tells.
    pub(crate) is_cut_off: bool,
}

/// How many remarks there are: what is kept from one call to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) by_tag: BTreeMap<String, u32>,
    pub(crate) is_cut_off: bool,
}

impl Count {
    const KEY: &str = "count";

    pub(crate) fn stored() -> Result<Option<Self>> {
        storage::get(Self::KEY)
    }

    pub(crate) fn store(&self) -> Result<()> {
        storage::set(Self::KEY, self)
    }

    pub(crate) fn total(&self) -> u32 {
        self.by_tag.values().sum()
    }
}

impl Remarks {
    /// Searches the workspace.
    pub(crate) fn find() -> Result<Self> {
        let tags = tags()?;
        let pattern = format!(r"\b({})\b", tags.join("|"));
        let query = search::Query::regex(pattern).case_sensitive().without(settings::words("exclude")?);
        let found = query.at_most(MAX_MATCHES).run()?;
        let mut list: Vec<Remark> = found.matches.iter().filter_map(remark).collect();
        list.sort_by(|one, other| (&one.path, one.line).cmp(&(&other.path, other.line)));
        // Of two tags in a line the first counts.
        list.dedup_by(|one, other| one.path == other.path && one.line == other.line);
        Ok(Self { list, is_cut_off: found.limit_reached })
    }

    pub(crate) fn count(&self) -> Count {
        let mut by_tag = BTreeMap::new();
        for remark in &self.list {
            *by_tag.entry(remark.tag.clone()).or_default() += 1;
        }
        Count { by_tag, is_cut_off: self.is_cut_off }
    }
}

/// The words that are looked for.
pub(crate) fn tags() -> Result<Vec<String>> {
    let tags = settings::words("tags")?;
    let is_word = |tag: &String| tag.chars().all(|c| c.is_alphanumeric() || c == '_');
    match tags.iter().find(|tag| !is_word(tag)) {
        Some(odd) => {
            Err(Error::Invalid(format!("{odd:?} cannot be looked for: a tag is made of letters, digits and _")))
        }
        None if tags.is_empty() => Err(Error::invalid("set at least one tag to look for")),
        None => Ok(tags),
    }
}

/// What a match says; none where it is no remark, but a name or a word of a text.
fn remark(found: &search::Match) -> Option<Remark> {
    let (before, tag, after) = found.parts()?;
    let is_named = after.starts_with([':', '(']);
    if !is_named && !is_comment(before) {
        return None;
    }
    let text = said(after);
    let text = if text.is_empty() { tag.to_owned() } else { text.to_owned() };
    Some(Remark { path: found.path.clone(), line: found.range.start.line, tag: tag.to_owned(), text })
}

/// Whether what stands before a tag begins a comment, in any of the usual languages.
fn is_comment(before: &str) -> bool {
    let bare = before.trim_end_matches([' ', '\t', '@', '[', '!', '*', '-']);
    ["//", "/*", "#", "--", "<!--", ";", "%", "*", "\"\"\""]
        .iter()
        .any(|mark| bare.ends_with(mark) || before.trim_start().starts_with(mark))
}

/// What is said behind a tag, without who is meant and without the end of the comment.
fn said(after: &str) -> &str {
    let named = after.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let bare = named.map_or(after, |(_, text)| text);
    let bare = bare.trim_start_matches([':', '-', ']', ' ', '\t', '\u{2013}', '\u{2014}']).trim_end();
    let bare = bare.strip_suffix("*/").or_else(|| bare.strip_suffix("-->")).unwrap_or(bare);
    bare.trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, tag: &str) -> Option<(String, String)> {
        let at = line[..line.find(tag).unwrap()].encode_utf16().count() as u32;
        let range = Range::new(Position::new(3, at), Position::new(3, at + tag.len() as u32));
        let found = search::Match::new("a", range, line);
        remark(&found).map(|remark| (remark.tag, remark.text))
    }

    #[test]
    fn remarks_are_told_from_words() {
        for (line, text) in [
            ("    // TODO: write it", "write it"),
            ("😀 # TODO(ada) - write it", "write it"),
            ("/* TODO write it */", "write it"),
            ("<!-- TODO: write it -->", "write it"),
            (" * @TODO write it", "write it"),
            ("- [ ] TODO: write it", "write it"),
            ("// TODO", "TODO"),
        ] {
            assert_eq!(of(line, "TODO"), Some(("TODO".into(), text.into())), "{line}");
        }
        for line in ["let x = TODO + 1;", "const TODO = 4", "\"the TODO list\""] {
            assert_eq!(of(line, "TODO"), None, "{line}");
        }
    }

    #[test]
    fn of_a_long_line_a_part_will_do() {
        let range = Range::new(Position::new(0, 2003), Position::new(0, 2007));
        let part = search::Match { line_start: 2000, ..search::Match::new("a", range, "// TODO: this") };
        assert_eq!(remark(&part).unwrap().text, "this");
    }
}
