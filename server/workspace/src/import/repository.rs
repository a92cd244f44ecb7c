//! Repositories on the server's own disk: which of them a path may name.
//!
//! Everything that git reads of a repository must lie below one folder that the operator opened, whatever links, `gitdir:`
//! files and lists of further object stores in it say, and nothing of it in a folder that is forbidden.

use super::ImportSettings;
use std::fs::FileType;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest file in which a repository names another place, in bytes.
const MAX_POINTER_BYTES: u64 = 64 * 1024;
/// Most object stores that a repository may borrow from, those that they borrow from included.
const MAX_BORROWED_STORES: usize = 32;

/// A repository that may be cloned.
pub(super) struct Repository {
    /// The real place of git's own files.
    pub(super) git_dir: PathBuf,
    /// All real places that belong to it.
    pub(super) shown: Vec<PathBuf>,
}

/// The repository that `path` names; `None` where it may not be cloned.
///
/// The answer for what is missing and for what is forbidden is the same: it is nobody's business which.
pub(super) fn allowed(path: &Path, settings: &ImportSettings) -> Option<Repository> {
    let real = path.canonicalize().ok().filter(|real| real.is_dir())?;
    let forbidden: Vec<_> = settings.forbidden_paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let opened = settings.import_paths.iter().filter_map(|folder| folder.canonicalize().ok());
    opened
        .filter(|folder| real.starts_with(folder))
        .find_map(|folder| Walls { folder, forbidden: &forbidden, seen: Vec::new() }.repository(&real))
}

/// What a repository may not lead out of.
struct Walls<'a> {
    folder: PathBuf,
    forbidden: &'a [PathBuf],
    /// What was found to be inside.
    seen: Vec<PathBuf>,
}

impl Walls<'_> {
    fn repository(mut self, real: &Path) -> Option<Repository> {
        let git_dir = self.git_dir(real)?;
        // What lies within another of them is shown with it.
        self.seen.sort_unstable();
        self.seen.dedup_by(|later, earlier| later.starts_with(earlier));
        Some(Repository { git_dir, shown: self.seen })
    }

    /// The real place of `path`, if it is inside.
    fn inside(&mut self, path: &Path) -> Option<PathBuf> {
        let real = path.canonicalize().ok()?;
        if !real.starts_with(&self.folder) || self.forbidden.iter().any(|path| real.starts_with(path)) {
            return None;
        }
        self.seen.push(real.clone());
        Some(real)
    }

    /// As [`Self::inside`]; what is not there leads nowhere.
    fn nothing_outside(&mut self, path: &Path) -> Option<()> {
        if path.symlink_metadata().is_ok() { self.inside(path).map(drop) } else { Some(()) }
    }

    /// Where git's own files of the repository at `real` are. A folder that is no repository is given back as it is: git says
    /// so to the person.
    fn git_dir(&mut self, real: &Path) -> Option<PathBuf> {
        let real = self.inside(real)?;
        let within = real.join(".git");
        let git_dir = match within.symlink_metadata() {
            Err(_) => real,
            Ok(_) => {
                let within = self.inside(&within)?;
                if within.is_dir() { within } else { self.inside(&pointed_at(&within, "gitdir:")?)? }
            }
        };
        // Git would look there first.
        if git_dir.join(".git").symlink_metadata().is_ok() {
            return None;
        }
        // A worktree shares what the repository it was made from has.
        let common = git_dir.join("commondir");
        let common = match common.symlink_metadata() {
            Err(_) => git_dir.clone(),
            Ok(_) => {
                let common = self.inside(&common)?;
                self.inside(&pointed_at(&common, "")?)?
            }
        };
        for name in ["HEAD", "config", "packed-refs", "refs"] {
            self.nothing_outside(&git_dir.join(name))?;
            self.nothing_outside(&common.join(name))?;
        }
        self.stores(common.join("objects"))?;
        Some(git_dir)
    }

    /// Checks an object store, and those that it borrows from.
    fn stores(&mut self, first: PathBuf) -> Option<()> {
        let (mut waiting, mut seen) = (vec![first], Vec::new());
        while let Some(store) = waiting.pop() {
            self.nothing_outside(&store)?;
            let Ok(store) = store.canonicalize() else { continue };
            if seen.contains(&store) {
                continue;
            }
            if seen.len() == MAX_BORROWED_STORES {
                return None;
            }
            for folder in [&store, &store.join("pack"), &store.join("info")] {
                self.links_of(folder)?;
            }
            let list = store.join("info/alternates");
            if list.symlink_metadata().is_ok() {
                let lines = small_text(&self.inside(&list)?)?;
                let places = lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
                for place in places {
                    // A quoted path is one with odd characters in it: rare enough to be refused with what is missing.
                    waiting.push(self.inside(&store.join(place))?);
                }
            }
            seen.push(store);
        }
        Some(())
    }

    /// Checks that no link directly in `folder` leads out.
    fn links_of(&mut self, folder: &Path) -> Option<()> {
        self.nothing_outside(folder)?;
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut links = entries.filter(|entry| entry.file_type().as_ref().is_ok_and(FileType::is_symlink));
        links.try_for_each(|link| self.inside(&link.path()).map(drop))
    }
}

/// The path in a file that holds nothing else, after `prefix`; relative to the folder of the file.
fn pointed_at(file: &Path, prefix: &str) -> Option<PathBuf> {
    let text = small_text(file)?;
    let place = text.strip_prefix(prefix)?.trim();
    Some(file.parent()?.join(place))
}

fn small_text(file: &Path) -> Option<String> {
    let mut text = String::new();
    let file = std::fs::File::open(file).ok().filter(|file| file.metadata().is_ok_and(|facts| facts.is_file()))?;
    file.take(MAX_POINTER_BYTES + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 <= MAX_POINTER_BYTES).then_some(text)
}
