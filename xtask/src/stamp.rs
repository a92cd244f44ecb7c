//! Fingerprints of inputs, so that a step is skipped when nothing it reads has changed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::repo::Repo;

/// The fingerprint of what a step reads, and where the one of its last success is kept.
pub(crate) struct Stamp {
    file: PathBuf,
    hash: Sha256,
}

impl Stamp {
    pub(crate) fn new(repo: &Repo, name: &str) -> Self {
        Self { file: repo.stamps().join(name), hash: Sha256::new() }
    }

    /// A word that the result depends on: a version, a mode.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.add(text.as_bytes());
        self
    }

    /// One file; a missing one counts as such.
    pub(crate) fn file(mut self, path: &Path) -> Self {
        self.add_file(path);
        self
    }

    /// The files below `dir` that version control would take.
    pub(crate) fn sources(mut self, dir: &Path) -> Self {
        let walk = ignore::WalkBuilder::new(dir).hidden(false).require_git(false).sort_by_file_path(Path::cmp).build();
        self.add_walk(walk);
        self
    }

    /// All files below `dir`, generated ones too.
    pub(crate) fn everything(mut self, dir: &Path) -> Self {
        let walk = ignore::WalkBuilder::new(dir).standard_filters(false).sort_by_file_path(Path::cmp).build();
        self.add_walk(walk);
        self
    }

    fn add_walk(&mut self, walk: ignore::Walk) {
        for entry in walk.flatten().filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file())) {
            self.add_file(entry.path());
        }
    }

    fn add_file(&mut self, path: &Path) {
        self.add(path.as_os_str().as_encoded_bytes());
        match fs::read(path) {
            Ok(content) => self.add(&content),
            Err(_) => self.add(b"(none)"),
        }
    }

    /// The length goes first: two neighbours cannot be mistaken for another pair.
    fn add(&mut self, part: &[u8]) {
        self.hash.update((part.len() as u64).to_le_bytes());
        self.hash.update(part);
    }

    fn digest(&self) -> String {
        hex(&self.hash.clone().finalize())
    }

    /// Whether the inputs are those of the last success and its results are all still there.
    pub(crate) fn is_fresh(&self, results: &[&Path]) -> bool {
        results.iter().all(|path| path.exists())
            && fs::read_to_string(&self.file).is_ok_and(|kept| kept == self.digest())
    }

    /// Keeps the fingerprint: the step has succeeded.
    pub(crate) fn keep(&self) -> Result<()> {
        write(&self.file, self.digest().as_bytes())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Writes a file and the folders it needs, whole or not at all.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    let says = || format!("{} cannot be written", path.display());
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).with_context(says)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = dir.join(name);
    fs::write(&part, content).with_context(says)?;
    fs::rename(&part, path).with_context(says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_an_added_file_and_a_lost_result_are_each_seen() {
        let dir = tempfile::tempdir().unwrap();
        let mut repo = Repo::at(dir.path());
        repo.target = dir.path().join("target");
        let source = dir.path().join("src");
        let result = dir.path().join("out");
        write(&source.join("a"), b"1").unwrap();
        write(&source.join(".gitignore"), b"ignored\n").unwrap();
        write(&result, b"").unwrap();
        let stamp = || Stamp::new(&repo, "x").sources(&source);
        assert!(!stamp().is_fresh(&[&result]));
        stamp().keep().unwrap();
        assert!(stamp().is_fresh(&[&result]));
        write(&source.join("ignored"), b"new").unwrap();
        assert!(stamp().is_fresh(&[&result]), "what version control ignores is no input");
        write(&source.join("b"), b"").unwrap();
        assert!(!stamp().is_fresh(&[&result]));
        stamp().keep().unwrap();
        write(&source.join("a"), b"2").unwrap();
        assert!(!stamp().is_fresh(&[&result]));
        stamp().keep().unwrap();
        fs::remove_file(&result).unwrap();
        assert!(!stamp().is_fresh(&[&result]));
    }
}
