//! `.gitignore`, `.ignore`, `.rgignore` and `.git/info/exclude`: which files count as ignored.
//!
//! The order of precedence is ripgrep's. The files are read by [`super::walk`], confined like all others.

use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::walk::read_small;

/// Largest file of rules that is obeyed, in bytes; what lies beyond is not read.
const MAX_RULES_BYTES: u64 = 1024 * 1024;

/// Names that matter to [`Rules::enter`].
#[derive(Default)]
pub(crate) struct Marks {
    git: bool,
    gitignore: bool,
    ignore: bool,
    rgignore: bool,
}

impl Marks {
    pub(crate) fn note(&mut self, name: &str) {
        match name {
            ".git" | ".jj" => self.git = true,
            ".gitignore" => self.gitignore = true,
            ".ignore" => self.ignore = true,
            ".rgignore" => self.rgignore = true,
            _ => {}
        }
    }

    const fn any(&self) -> bool {
        self.git || self.gitignore || self.ignore || self.rgignore
    }
}

/// The rules of a folder and, through `parent`, of those above it.
#[derive(Default)]
pub(crate) struct Rules {
    parent: Option<Arc<Rules>>,
    /// A repository begins here: git's rules from above do not reach below.
    has_git: bool,
    /// Here or above there is a repository; git's rules hold only in one.
    in_git: bool,
    rgignore: Option<Gitignore>,
    ignore: Option<Gitignore>,
    gitignore: Option<Gitignore>,
    exclude: Option<Gitignore>,
}

impl Rules {
    /// The rules of a folder below one with the rules `above`.
    pub(crate) fn enter(above: &Arc<Self>, folder: &Dir, path: &str, marks: &Marks) -> Arc<Self> {
        if !marks.any() {
            return Arc::clone(above);
        }
        let read = |wanted: bool, name: &str| if wanted { load(folder, path, name) } else { None };
        // Git's rules outside any repository hold for nothing, and compiling them is what costs most.
        let in_git = above.in_git || marks.git;
        Arc::new(Self {
            parent: Some(Arc::clone(above)),
            has_git: marks.git,
            in_git,
            rgignore: read(marks.rgignore, ".rgignore"),
            ignore: read(marks.ignore, ".ignore"),
            gitignore: read(marks.gitignore && in_git, ".gitignore"),
            exclude: read(marks.git, ".git/info/exclude"),
        })
    }

    /// Whether the rules leave out what lies at `path`.
    pub(crate) fn ignores(&self, path: &str, is_folder: bool) -> bool {
        let path = Path::new("/").join(path);
        let mut verdicts = [None; 4];
        let mut left_repository = false;
        let mut level = Some(self);
        while let Some(rules) = level {
            let git = self.in_git && !left_repository;
            let sources =
                [(true, &rules.rgignore), (true, &rules.ignore), (git, &rules.gitignore), (git, &rules.exclude)];
            for (verdict, (holds, source)) in verdicts.iter_mut().zip(sources) {
                if verdict.is_none() && holds {
                    *verdict = source.as_ref().and_then(|source| judge(source, &path, is_folder));
                }
            }
            left_repository |= rules.has_git;
            level = rules.parent.as_deref();
        }
        verdicts.into_iter().flatten().next().unwrap_or(false)
    }
}

fn judge(rules: &Gitignore, path: &Path, is_folder: bool) -> Option<bool> {
    match rules.matched(path, is_folder) {
        Match::None => None,
        Match::Ignore(_) => Some(true),
        Match::Whitelist(_) => Some(false),
    }
}

fn load(folder: &Dir, path: &str, name: &str) -> Option<Gitignore> {
    let bytes = read_small(folder, name, MAX_RULES_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut builder = GitignoreBuilder::new(Path::new("/").join(path));
    for line in text.trim_start_matches('\u{feff}').lines() {
        // A malformed line is skipped, as git does.
        drop(builder.add_line(None, line));
    }
    builder.build().ok().filter(|rules| !rules.is_empty())
}
