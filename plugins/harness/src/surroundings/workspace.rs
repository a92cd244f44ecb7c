//! A workspace in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use coditect_plugin_host::ports::{Answer, Entry, EntryKind, Files, Refused, Search, TextMatch, TextQuery};
use coditect_plugin_package::sha256_hex;
use coditect_protocol::RelPath;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use regex::RegexBuilder;

use super::locked;
use crate::edits::column;
use crate::error::HarnessError;
use crate::folder::files_below;

/// The most that a folder brings into a workspace, in bytes.
const MAX_FOLDER_BYTES: usize = 256 << 20;
/// The most of a matching line that is told, in bytes.
const MAX_LINE_BYTES: usize = 1024;
/// Digits of a version.
const VERSION_DIGITS: usize = 16;

/// Files by path. Folders are there while something is in them. Searches leave out what the `.gitignore` at the root names.
#[derive(Debug, Clone, Default)]
pub struct Workspace(Arc<Mutex<BTreeMap<RelPath, Vec<u8>>>>);

impl Workspace {
    /// Nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a copy of what is in a folder. Links are left out; the folder itself stays as it is, whatever a plugin does.
    pub fn of_folder(folder: &Path) -> Result<Self, HarnessError> {
        let workspace = Self::new();
        for (path, bytes) in files_below(folder, MAX_FOLDER_BYTES)? {
            if let Ok(path) = RelPath::parse(&path) {
                locked(&workspace.0).insert(path, bytes);
            }
        }
        Ok(workspace)
    }

    /// Puts a file there, in place of one that was there.
    pub fn put(&self, path: &RelPath, bytes: impl Into<Vec<u8>>) {
        locked(&self.0).insert(path.clone(), bytes.into());
    }

    /// A file.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        locked(&self.0).get(&RelPath::parse(path).ok()?).cloned()
    }

    /// A file as text; what is not UTF-8 stands as `\u{fffd}`.
    #[must_use]
    pub fn get_text(&self, path: &str) -> Option<String> {
        self.get(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Paths of all files, in order.
    #[must_use]
    pub fn all_paths(&self) -> Vec<String> {
        locked(&self.0).keys().map(|path| path.as_str().to_owned()).collect()
    }

    fn entry(&self, path: &RelPath) -> Answer<Entry> {
        let files = locked(&self.0);
        let name = path.name().unwrap_or_default().to_owned();
        if let Some(bytes) = files.get(path) {
            return Ok(Entry { name, kind: EntryKind::File, size: bytes.len() as u64, version: version(bytes) });
        }
        if path.is_root() || files.keys().any(|file| file.is_within(path)) {
            return Ok(Entry { name, kind: EntryKind::Directory, size: 0, version: String::new() });
        }
        Err(not_found(path))
    }

    /// Files that may be searched, as text.
    fn searched(&self) -> Vec<(String, String)> {
        let files = locked(&self.0);
        let rules = rules(files.get(&RelPath::parse(".gitignore").unwrap_or_default()));
        let text = |(path, bytes): (&RelPath, &Vec<u8>)| {
            let is_ignored = rules.matched_path_or_any_parents(path.as_str(), false).is_ignore();
            let text = (!is_ignored).then(|| String::from_utf8(bytes.clone()).ok())??;
            Some((path.as_str().to_owned(), text))
        };
        files.iter().filter_map(text).collect()
    }
}

fn rules(file: Option<&Vec<u8>>) -> Gitignore {
    let mut builder = GitignoreBuilder::new("");
    for line in file.map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default().lines() {
        // A line that makes no sense is no rule, as in git.
        let _ = builder.add_line(None, line);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

fn version(bytes: &[u8]) -> String {
    let mut digits = sha256_hex(bytes);
    digits.truncate(VERSION_DIGITS);
    digits
}

fn not_found(path: &RelPath) -> Refused {
    Refused::NotFound(format!("There is no {path}."))
}

#[async_trait]
impl Files for Workspace {
    async fn read(&self, path: &RelPath, max_bytes: usize) -> Answer<(Vec<u8>, String)> {
        let files = locked(&self.0);
        let bytes = files.get(path).ok_or_else(|| not_found(path))?;
        if bytes.len() > max_bytes {
            return Err(Refused::Limit(format!("{path} has more than {max_bytes} bytes.")));
        }
        Ok((bytes.clone(), version(bytes)))
    }

    async fn write(&self, path: &RelPath, content: Vec<u8>, replaced: Option<String>) -> Answer<String> {
        let mut files = locked(&self.0);
        let is_folder = path.is_root() || files.keys().any(|file| file != path && file.is_within(path));
        let is_below_a_file = files.keys().any(|file| file != path && path.is_within(file));
        if is_folder || is_below_a_file {
            return Err(Refused::Invalid(format!("{path} cannot be a file.")));
        }
        let current = files.get(path).map(|bytes| version(bytes));
        if current != replaced {
            return Err(Refused::Conflict(format!("{path} is at another version; read it again.")));
        }
        let new = version(&content);
        files.insert(path.clone(), content);
        Ok(new)
    }

    async fn delete(&self, path: &RelPath) -> Answer<()> {
        if path.is_root() {
            return Err(Refused::Invalid("The workspace itself cannot be deleted.".to_owned()));
        }
        let mut files = locked(&self.0);
        let before = files.len();
        files.retain(|file, _| !file.is_within(path));
        if files.len() == before { Err(not_found(path)) } else { Ok(()) }
    }

    async fn stat(&self, path: &RelPath) -> Answer<Entry> {
        self.entry(path)
    }

    async fn list(&self, path: &RelPath, after: Option<&str>, limit: usize) -> Answer<Vec<Entry>> {
        if self.entry(path)?.kind != EntryKind::Directory {
            return Err(Refused::Invalid(format!("{path} is no directory.")));
        }
        let depth = if path.is_root() { 0 } else { path.as_str().len() + 1 };
        let below = |file: &RelPath| file.as_str().get(depth..)?.split('/').next().map(str::to_owned);
        let names: BTreeSet<String> =
            locked(&self.0).keys().filter(|file| file.is_within(path)).filter_map(below).collect();
        let follows = names.into_iter().filter(|name| after.is_none_or(|after| name.as_str() > after));
        let entry = |name: String| path.join(&name).ok().and_then(|path| self.entry(&path).ok());
        Ok(follows.filter_map(entry).take(limit).collect())
    }
}

#[async_trait]
impl Search for Workspace {
    async fn text(&self, query: TextQuery) -> Answer<(Vec<TextMatch>, bool)> {
        let pattern = if query.is_regex { query.pattern.clone() } else { regex::escape(&query.pattern) };
        let regex = RegexBuilder::new(&pattern).case_insensitive(!query.is_case_sensitive).build();
        let regex = regex.map_err(|error| Refused::Invalid(format!("The pattern cannot be read: {error}")))?;
        let chosen = Chosen::new(&query.includes, &query.excludes)?;
        let mut found = Vec::new();
        for (path, text) in self.searched() {
            if !chosen.has(&path) {
                continue;
            }
            for (number, line) in text.lines().enumerate() {
                for hit in regex.find_iter(line).filter(|hit| !hit.is_empty()) {
                    if found.len() >= query.max_matches {
                        return Ok((found, true));
                    }
                    found.push(match_of(&path, number, line, hit.range()));
                }
            }
        }
        Ok((found, false))
    }

    async fn paths(&self, includes: Vec<String>, excludes: Vec<String>, max_paths: usize) -> Answer<Vec<String>> {
        let chosen = Chosen::new(&includes, &excludes)?;
        let paths = self.searched().into_iter().map(|(path, _)| path);
        Ok(paths.filter(|path| chosen.has(path)).take(max_paths).collect())
    }
}

fn match_of(path: &str, number: usize, line: &str, hit: std::ops::Range<usize>) -> TextMatch {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let found = TextMatch {
        path: path.to_owned(),
        start: (number, column(line, hit.start)),
        end: (number, column(line, hit.end)),
        line: line.to_owned(),
        line_start: 0,
    };
    found.shortened(MAX_LINE_BYTES)
}

/// Which paths are meant.
struct Chosen {
    includes: Option<GlobSet>,
    excludes: GlobSet,
}

impl Chosen {
    fn new(includes: &[String], excludes: &[String]) -> Answer<Self> {
        let includes = if includes.is_empty() { None } else { Some(globs(includes)?) };
        Ok(Self { includes, excludes: globs(excludes)? })
    }

    fn has(&self, path: &str) -> bool {
        self.includes.as_ref().is_none_or(|set| set.is_match(path)) && !self.excludes.is_match(path)
    }
}

fn globs(words: &[String]) -> Answer<GlobSet> {
    let wrong = |error: globset::Error| Refused::Invalid(format!("A glob cannot be read: {error}"));
    let mut set = GlobSetBuilder::new();
    for word in words {
        set.add(GlobBuilder::new(word).literal_separator(true).build().map_err(wrong)?);
    }
    set.build().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    fn workspace() -> Workspace {
        let workspace = Workspace::new();
        for (at, text) in [
            ("a.md", "Ä todo\ntodo Todo"),
            ("src/x/y.rs", "fn todo() {}"),
            (".gitignore", "build/\n"),
            ("build/o.md", "todo"),
        ] {
            workspace.put(&path(at), text);
        }
        workspace
    }

    #[tokio::test]
    async fn files_have_versions() {
        let files = workspace();
        let (bytes, version) = files.read(&path("a.md"), 100).await.unwrap();
        assert_eq!(bytes.len(), 17);
        assert!(matches!(files.read(&path("a.md"), 3).await, Err(Refused::Limit(_))));
        assert!(matches!(files.write(&path("a.md"), vec![], None).await, Err(Refused::Conflict(_))));
        let new = files.write(&path("a.md"), b"x".to_vec(), Some(version.clone())).await.unwrap();
        assert_ne!(new, version);
        assert!(matches!(files.write(&path("a.md"), vec![], Some(version)).await, Err(Refused::Conflict(_))));
        assert!(matches!(files.write(&path("src/x"), vec![], None).await, Err(Refused::Invalid(_))));
        assert!(matches!(files.write(&path("a.md/x"), vec![], None).await, Err(Refused::Invalid(_))));
        files.delete(&path("src")).await.unwrap();
        assert!(matches!(files.delete(&path("src")).await, Err(Refused::NotFound(_))));
        assert_eq!(files.all_paths(), [".gitignore", "a.md", "build/o.md"]);
    }

    #[tokio::test]
    async fn folders_are_listed_by_name() {
        let files = workspace();
        let names = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>();
        assert_eq!(names(files.list(&RelPath::root(), None, 9).await.unwrap()), [".gitignore", "a.md", "build", "src"]);
        assert_eq!(names(files.list(&RelPath::root(), Some("a.md"), 1).await.unwrap()), ["build"]);
        assert_eq!(names(files.list(&path("src"), None, 9).await.unwrap()), ["x"]);
        assert!(files.list(&path("a.md"), None, 9).await.is_err());
        assert_eq!(files.stat(&path("src/x")).await.unwrap().kind, EntryKind::Directory);
    }

    #[tokio::test]
    async fn searches_obey_globs_rules_and_limits() {
        let files = workspace();
        let query = |pattern: &str, includes: &[&str], max_matches| TextQuery {
            pattern: pattern.into(),
            is_regex: false,
            is_case_sensitive: false,
            includes: includes.iter().map(|&glob| glob.to_owned()).collect(),
            excludes: vec![],
            max_matches,
        };
        let (found, more) = files.text(query("todo", &["**/*.md"], 9)).await.unwrap();
        let places: Vec<_> = found.iter().map(|hit| (hit.path.as_str(), hit.start, hit.end)).collect();
        assert_eq!(places, [("a.md", (0, 2), (0, 6)), ("a.md", (1, 0), (1, 4)), ("a.md", (1, 5), (1, 9))]);
        assert!(!more);
        let (found, more) = files.text(query("todo", &[], 1)).await.unwrap();
        assert_eq!((found.len(), more), (1, true));
        assert_eq!(files.text(query("(", &[], 9)).await.unwrap().0.len(), 1, "a text and no pattern");
        let bad = TextQuery { is_regex: true, ..query("(", &[], 9) };
        assert!(matches!(files.text(bad).await, Err(Refused::Invalid(_))));
        assert_eq!(files.paths(vec!["**/*.rs".into()], vec![], 9).await.unwrap(), ["src/x/y.rs"]);
    }
}
