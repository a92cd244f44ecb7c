//! The repositories of a workspace.

use coditect_protocol::RelPath;
use std::collections::VecDeque;
use std::path::Path;
use tokio_util::sync::CancellationToken;

use crate::error::GitError;
use crate::limits::{MAX_FOLDERS, MAX_REPOSITORIES, REPOSITORY_DEPTH};
use crate::repository;
use crate::work::Work;

/// Folders in which nobody keeps repositories of their own, and which hold very many folders.
const SKIPPED: &[&str] = &[".git", "node_modules", "target", ".venv", "__pycache__"];

pub(super) async fn repositories(work: &Work) -> Result<Vec<RelPath>, GitError> {
    let (root, cancel) = (work.settings.root.clone(), work.cancel.clone());
    let found = tokio::task::spawn_blocking(move || find(&root, &cancel)).await;
    found.map_err(|error| GitError::Internal(error.to_string()))?
}

/// Folder by folder, the near ones first.
fn find(root: &Path, cancel: &CancellationToken) -> Result<Vec<RelPath>, GitError> {
    let mut found = Vec::new();
    let mut folders = VecDeque::from([(RelPath::root(), 0)]);
    let mut seen = 0;
    while let Some((folder, depth)) = folders.pop_front() {
        Work::check(cancel)?;
        seen += 1;
        if seen > MAX_FOLDERS || found.len() >= MAX_REPOSITORIES {
            break;
        }
        let place = root.join(folder.as_str());
        if repository::open(&place, &folder).is_ok() {
            found.push(folder.clone());
        }
        if depth < REPOSITORY_DEPTH {
            folders.extend(below(&place, &folder).into_iter().map(|folder| (folder, depth + 1)));
        }
    }
    Ok(found)
}

/// The folders in a folder, by name. Links are not followed.
fn below(place: &Path, folder: &RelPath) -> Vec<RelPath> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    let names = names.filter(|name| !SKIPPED.contains(&name.as_str()));
    let mut below: Vec<_> = names.filter_map(|name| folder.join(&name).ok()).collect();
    below.sort();
    below
}
