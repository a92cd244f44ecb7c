//! Globs of paths in a workspace.

use std::collections::BTreeSet;

use coditect_protocol::RelPath;
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// Most forms into which the braces of one glob are taken apart. Of a glob with more, folders are shown as if it led anywhere below the
/// part that has them.
const MAX_FORMS: usize = 64;
/// Most folders that are found above the forms of one glob. Of a glob with more, as above.
const MAX_FOLDERS: usize = 64;

/// Globs that count from the workspace's root and stand for whole paths. `*` and `?` stop at `/`; upper and lower case differ.
#[derive(Debug)]
pub(crate) struct Globs {
    words: Vec<String>,
    files: GlobSet,
    folders: GlobSet,
}

impl Default for Globs {
    fn default() -> Self {
        Self { words: Vec::new(), files: GlobSet::empty(), folders: GlobSet::empty() }
    }
}

impl Globs {
    /// What cannot be read stands for nothing.
    pub(crate) fn new(words: &[String]) -> Self {
        let words: Vec<String> = words.iter().filter(|word| glob(word).is_some()).cloned().collect();
        let files = set(words.iter().map(String::as_str));
        let folders: Vec<String> = words.iter().flat_map(|word| above(word)).collect();
        Self { files, folders: set(folders.iter().map(String::as_str)), words }
    }

    /// For whole paths alone: which folders they lead below is not found out.
    pub(crate) fn of_paths(words: &[String]) -> Self {
        Self { files: set(words.iter().map(String::as_str)), ..Self::default() }
    }

    /// Whether each of them can be read. That takes next to nothing, as against translating them.
    pub(crate) fn are_good(words: &[String]) -> bool {
        words.iter().all(|word| glob(word).is_some())
    }

    /// As they were written.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether they stand for the path. Nothing of git's own is ever meant.
    pub(crate) fn matches(&self, path: &RelPath) -> bool {
        !path.is_root() && !is_git(path) && self.files.is_match(path.as_str())
    }

    /// Whether they may stand for something below the path.
    pub(crate) fn lead_below(&self, path: &RelPath) -> bool {
        !self.words.is_empty() && !is_git(path) && (path.is_root() || self.folders.is_match(path.as_str()))
    }
}

/// Whether a path is or lies in a `.git`: what git keeps there names programs that it starts. However it is written: some file systems
/// take upper and lower case for the same.
pub(crate) fn is_git(path: &RelPath) -> bool {
    path.as_str().split('/').any(|name| name.eq_ignore_ascii_case(".git"))
}

fn glob(word: &str) -> Option<Glob> {
    GlobBuilder::new(word).literal_separator(true).backslash_escape(true).build().ok()
}

fn set<'a>(words: impl Iterator<Item = &'a str>) -> GlobSet {
    let mut builder = GlobSetBuilder::new();
    for glob in words.filter_map(glob) {
        builder.add(glob);
    }
    // Too large a set is the only way for this to fail.
    builder.build().unwrap_or_else(|_| GlobSet::empty())
}

/// Globs of the folders below which a glob may stand for something.
fn above(word: &str) -> Vec<String> {
    let mut folders = BTreeSet::new();
    for form in forms(word) {
        folders.extend(above_form(&form));
        if folders.len() > MAX_FOLDERS {
            return above_form(word);
        }
    }
    folders.into_iter().collect()
}

fn above_form(form: &str) -> Vec<String> {
    let parts: Vec<&str> = form.split('/').filter(|part| !part.is_empty()).collect();
    let mut folders = Vec::new();
    for (depth, part) in parts.iter().enumerate() {
        let here = parts.get(..depth).unwrap_or_default().join("/");
        // Braces that were left, and classes with a slash in them, may end anywhere.
        let is_open = part.contains(['{', '}']) || part.matches('[').count() != part.matches(']').count();
        if *part == "**" || is_open {
            folders.push(if here.is_empty() { "**".to_owned() } else { format!("{here}/**") });
            folders.push(here);
            break;
        }
        folders.push(here);
    }
    folders.retain(|folder| !folder.is_empty());
    folders
}

/// The glob without alternatives, once for each of them; as it is where there would be too many.
fn forms(word: &str) -> Vec<String> {
    let mut open = vec![word.to_owned()];
    let mut done = Vec::new();
    while let Some(form) = open.pop() {
        match alternatives(&form) {
            Some(more) => open.extend(more),
            None => done.push(form),
        }
        if open.len() + done.len() > MAX_FORMS {
            return vec![word.to_owned()];
        }
    }
    done
}

/// One form for each alternative of the first braces, which may have others within.
fn alternatives(form: &str) -> Option<Vec<String>> {
    let mut depth = 0_usize;
    let mut is_class = false;
    let mut marks = Vec::new();
    let mut bytes = form.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'[' if !is_class => is_class = true,
            b']' => is_class = false,
            b'{' if !is_class => {
                depth += 1;
                if depth == 1 {
                    marks.push(at);
                }
            }
            b',' if depth == 1 && !is_class => marks.push(at),
            b'}' if depth > 0 && !is_class => {
                depth -= 1;
                if depth == 0 {
                    marks.push(at);
                    break;
                }
            }
            _ => {}
        }
    }
    let (first, last) = (*marks.first()?, *marks.last()?);
    if depth != 0 {
        return None;
    }
    let (before, after) = (form.get(..first)?, form.get(last + 1..)?);
    let between = marks.windows(2).filter_map(|pair| form.get(pair[0] + 1..pair[1]));
    Some(between.map(|part| format!("{before}{part}{after}")).collect())
}
