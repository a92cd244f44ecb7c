//! Globs of paths in a workspace.
//!
//! They are translated when they are asked about for the first time, and everybody who has the same shares what that made: most rights are
//! never used, and those of a plugin are the same for all its people.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use coditect_protocol::RelPath;
use globset::{Glob, GlobBuilder};
use regex::bytes::{RegexSet, RegexSetBuilder};

/// Most forms into which the braces of one glob are taken apart. Of a glob with more, folders are shown as if it led anywhere below the
/// part that has them.
const MAX_FORMS: usize = 64;
/// How much longer the globs of the folders above a glob may be than itself, and how long in any case, in bytes. Of one whose forms make
/// more of them, as above.
const MAX_FOLDERS_FACTOR: usize = 2;
const MIN_FOLDERS_BYTES: usize = 64;
/// Most that translated globs take, in bytes: those of one list, and beside that what matching them makes up for each thread that does.
/// Those that would take more stand for nothing; what a manifest may have takes less.
const MAX_TRANSLATED_BYTES: usize = 8 << 20;
const MAX_MADE_UP_BYTES: usize = 256 << 10;
/// How deep the translation of a glob may be: each folder of a path may be in the one above.
const MAX_DEPTH: u32 = 1_000;

/// Globs that count from the workspace's root and stand for whole paths. `*` and `?` stop at `/`; upper and lower case differ.
#[derive(Debug, Clone, Default)]
pub struct Globs(Arc<Shared>);

/// What all who have the same globs share.
#[derive(Debug, Default)]
struct Shared {
    words: Arc<[String]>,
    files: OnceLock<RegexSet>,
    folders: OnceLock<RegexSet>,
}

type Known = HashMap<Arc<[String]>, Weak<Shared>>;

/// Those that somebody has.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut known = known();
        // Somebody may have made them anew meanwhile.
        if known.get(&self.words).is_some_and(|shared| shared.strong_count() == 0) {
            known.remove(&self.words);
        }
    }
}

impl Globs {
    /// What cannot be read stands for nothing.
    #[must_use]
    pub fn new(words: &[String]) -> Self {
        let words: Arc<[String]> = words.iter().filter(|word| glob(word).is_some()).cloned().collect();
        let mut known = known();
        if let Some(shared) = known.get(&words).and_then(Weak::upgrade) {
            return Self(shared);
        }
        let shared = Arc::new(Shared { words: words.clone(), files: OnceLock::new(), folders: OnceLock::new() });
        known.insert(words, Arc::downgrade(&shared));
        Self(shared)
    }

    /// Whether each of them can be read. That takes next to nothing, as against translating them.
    pub(crate) fn are_good(words: &[String]) -> bool {
        words.iter().all(|word| glob(word).is_some())
    }

    /// As they were written.
    pub(crate) fn words(&self) -> &[String] {
        &self.0.words
    }

    /// Whether they stand for the path. Nothing of git's own is ever meant.
    #[must_use]
    pub fn matches(&self, path: &RelPath) -> bool {
        let files = || set(self.words().iter().filter_map(|word| glob(word)));
        !path.is_root() && !is_git(path) && self.0.files.get_or_init(files).is_match(path.as_str().as_bytes())
    }

    /// Whether they may stand for something below the path.
    pub(crate) fn lead_below(&self, path: &RelPath) -> bool {
        let folders = || set(self.words().iter().flat_map(|word| above(word)).filter_map(|word| folder_glob(&word)));
        let is_above = || self.0.folders.get_or_init(folders).is_match(path.as_str().as_bytes());
        !self.words().is_empty() && !is_git(path) && (path.is_root() || is_above())
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

fn folder_glob(word: &str) -> Option<Glob> {
    let mut builder = GlobBuilder::new(word);
    builder.literal_separator(true).backslash_escape(true).empty_alternates(true).build().ok()
}

fn set(globs: impl Iterator<Item = Glob>) -> RegexSet {
    let words: Vec<_> = globs.map(|glob| glob.regex().to_owned()).collect();
    let mut builder = RegexSetBuilder::new(words);
    builder.dot_matches_new_line(true).nest_limit(MAX_DEPTH);
    builder.size_limit(MAX_TRANSLATED_BYTES).dfa_size_limit(MAX_MADE_UP_BYTES);
    // Too large a set is the only way for this to fail.
    builder.build().unwrap_or_else(|_| RegexSet::empty())
}

/// Globs of the folders below which a glob may stand for something.
fn above(word: &str) -> BTreeSet<String> {
    let folders: BTreeSet<_> = forms(word).iter().filter_map(|form| above_form(form)).collect();
    let most = (MAX_FOLDERS_FACTOR * word.len()).max(MIN_FOLDERS_BYTES);
    if folders.iter().map(String::len).sum::<usize>() > most { above_form(word).into_iter().collect() } else { folders }
}

/// One glob for all folders above a form, each in the one above: `a{,/b{,/c}}` for `a/b/c/d`.
fn above_form(form: &str) -> Option<String> {
    let parts: Vec<&str> = form.split('/').filter(|part| !part.is_empty()).collect();
    let open = parts.iter().position(|part| *part == "**" || is_open(part));
    let names = parts.get(..open.unwrap_or(parts.len().saturating_sub(1)))?;
    names.iter().rfold(open.map(|_| "**".to_owned()), |below, name| {
        let name = without_commas(name);
        Some(below.map_or_else(|| name.clone(), |below| format!("{name}{{,/{below}}}")))
    })
}

/// Whether a part may end anywhere: braces that were left, classes with a slash in them, and what would mean something else in braces.
fn is_open(part: &str) -> bool {
    part.contains(['{', '}'])
        || part.matches('[').count() != part.matches(']').count()
        || part.ends_with('\\')
        || part.contains(',') && part.contains('[')
}

/// The part as it is written within braces, where a comma stands between alternatives.
fn without_commas(part: &str) -> String {
    let mut is_escaped = false;
    let mut written = String::with_capacity(part.len());
    for char in part.chars() {
        if char == ',' && !is_escaped {
            written.push('\\');
        }
        is_escaped = char == '\\' && !is_escaped;
        written.push(char);
    }
    written
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

#[cfg(test)]
impl Globs {
    /// Whether both are one.
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether they were translated, for paths and for the folders above them.
    pub(super) fn are_translated(&self) -> (bool, bool) {
        (self.0.files.get().is_some(), self.0.folders.get().is_some())
    }

    /// Whether anything is remembered of globs.
    pub(super) fn are_known(words: &[String]) -> bool {
        known().contains_key(words)
    }
}
