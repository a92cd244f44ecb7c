//! Files of the workspace, as the person.

use async_trait::async_trait;
use bytes::Bytes;
use coditect_plugin_host::ports::{Answer, Entry, EntryKind, Files, Refused};
use coditect_protocol::RelPath;
use coditect_protocol::files::{FileKind, FileStat, FolderEntry, Page, Root, WriteMode};
use coditect_protocol::workspace::WorkspaceRole;
use coditect_workspace::WorkspaceError;
use coditect_workspace::tree::{Deletion, Tree};
use futures_util::{StreamExt as _, TryStreamExt as _};
use std::sync::Arc;

use super::Place;
use super::refused::refused;

/// Entries of a folder that are looked at together for their versions.
const STATS_AT_ONCE: usize = 8;

/// Name of what git keeps for itself.
const GITS_OWN: &str = ".git";

/// See the module. What a path leads to through symbolic links is another file than the one that was granted: none is followed.
pub(super) struct WorkspaceFiles(pub(super) Place);

impl WorkspaceFiles {
    /// The tree, where the person may do so much there now.
    async fn tree(&self, at_least: WorkspaceRole) -> Answer<Arc<Tree>> {
        let Place { user, workspace, features, .. } = &self.0;
        let tree = features.workspaces.tree(*user, Root::Workspace(*workspace), at_least).await;
        tree.map_err(|error| refused(&error))
    }
}

/// Refuses what git keeps for itself: hooks in there are programs, and its settings may hold logins.
fn refuse_gits_own(path: &RelPath) -> Answer<()> {
    if path.as_str().split('/').any(|part| part.eq_ignore_ascii_case(GITS_OWN)) {
        let said = format!("{path} belongs to git, which plugins reach with git.read only.");
        return Err(Refused::Denied(said));
    }
    Ok(())
}

/// Refuses a path that is a link, or leads through one.
async fn refuse_links(tree: &Tree, path: &RelPath) -> Answer<()> {
    let mut at = Some(path.clone());
    while let Some(place) = at.filter(|place| !place.is_root()) {
        match tree.stat(&place).await {
            Ok(stat) if stat.is_link => {
                let said = format!("{place} is a symbolic link, and plugins follow none.");
                return Err(Refused::Denied(said));
            }
            // What is not there yet leads nowhere; what is above it may.
            Ok(_) | Err(WorkspaceError::NotFound(_)) => at = place.parent(),
            Err(error) => return Err(refused(&error)),
        }
    }
    Ok(())
}

fn kind_of(kind: FileKind, is_link: bool) -> EntryKind {
    match kind {
        _ if is_link => EntryKind::Symlink,
        FileKind::File => EntryKind::File,
        FileKind::Folder => EntryKind::Directory,
        FileKind::BrokenLink => EntryKind::Symlink,
        FileKind::Other => EntryKind::Other,
    }
}

fn entry(name: String, stat: FileStat) -> Entry {
    let kind = kind_of(stat.kind, stat.is_link);
    // Of what a link points at, nothing is told.
    let (size, version) = if kind == EntryKind::Symlink { (0, String::new()) } else { (stat.size, stat.etag) };
    Entry { name, kind, size, version }
}

/// An entry of a folder with its version; nothing where it has gone since.
async fn looked_at(tree: &Tree, folder: &RelPath, listed: FolderEntry) -> Answer<Option<Entry>> {
    let kind = kind_of(listed.kind, listed.is_link);
    if kind != EntryKind::File {
        let size = if kind == EntryKind::Symlink { 0 } else { listed.size };
        return Ok(Some(Entry { name: listed.name, kind, size, version: String::new() }));
    }
    // A name that no path can hold cannot be asked for either.
    let Ok(path) = folder.join(&listed.name) else { return Ok(None) };
    match tree.stat(&path).await {
        Ok(stat) => Ok(Some(entry(listed.name, stat))),
        Err(WorkspaceError::NotFound(_)) => Ok(None),
        Err(error) => Err(refused(&error)),
    }
}

#[async_trait]
impl Files for WorkspaceFiles {
    async fn read(&self, path: &RelPath, max_bytes: usize) -> Answer<(Vec<u8>, String)> {
        refuse_gits_own(path)?;
        let tree = self.tree(WorkspaceRole::Read).await?;
        refuse_links(&tree, path).await?;
        let read = tree.read(path, 0, None, max_bytes as u64).await;
        let (stat, content) = read.map_err(|error| refused(&error))?;
        Ok((content, stat.etag))
    }

    async fn write(&self, path: &RelPath, content: Vec<u8>, version: Option<String>) -> Answer<String> {
        refuse_gits_own(path)?;
        let tree = self.tree(WorkspaceRole::Write).await?;
        refuse_links(&tree, path).await?;
        if let Some(folder) = path.parent().filter(|folder| !folder.is_root()) {
            tree.make_folder(&folder).await.map_err(|error| refused(&error))?;
        }
        let mode = version.map_or(WriteMode::CreateNew, WriteMode::Replace);
        let written = tree.write(path, Bytes::from(content), mode).await;
        Ok(written.map_err(|error| refused(&error))?.etag)
    }

    async fn delete(&self, path: &RelPath) -> Answer<()> {
        refuse_gits_own(path)?;
        let tree = self.tree(WorkspaceRole::Write).await?;
        if let Some(folder) = path.parent() {
            refuse_links(&tree, &folder).await?;
        }
        let by = format!("{} ({})", self.0.person_name().await, self.0.plugin);
        let deletion = Deletion { recursive: false, known: None, trash: Some(by) };
        tree.delete(path, deletion).await.map_err(|error| refused(&error))
    }

    async fn stat(&self, path: &RelPath) -> Answer<Entry> {
        refuse_gits_own(path)?;
        let tree = self.tree(WorkspaceRole::Read).await?;
        if let Some(folder) = path.parent() {
            refuse_links(&tree, &folder).await?;
        }
        let stat = tree.stat(path).await.map_err(|error| refused(&error))?;
        Ok(entry(path.name().unwrap_or_default().to_owned(), stat))
    }

    async fn list(&self, path: &RelPath, after: Option<&str>, limit: usize) -> Answer<Vec<Entry>> {
        let Ok(limit) = u32::try_from(limit) else {
            return Err(Refused::Limit("So many cannot be listed.".to_owned()));
        };
        if limit == 0 {
            return Ok(Vec::new());
        }
        refuse_gits_own(path)?;
        let tree = self.tree(WorkspaceRole::Read).await?;
        refuse_links(&tree, path).await?;
        let page = Page { after: after.map(str::to_owned), limit };
        let listing = tree.read_folder(path, page).await.map_err(|error| refused(&error))?;
        let entries = listing.entries.into_iter().map(|listed| looked_at(&tree, path, listed));
        let entries = futures_util::stream::iter(entries).buffered(STATS_AT_ONCE);
        entries.try_filter_map(async |entry| Ok(entry)).try_collect().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_keeps_is_no_file_of_the_workspace() {
        for own in [".git", ".git/config", "a/.git/hooks/x", "a/.GIT/y"] {
            assert!(matches!(refuse_gits_own(&RelPath::parse(own).unwrap()), Err(Refused::Denied(_))), "{own}");
        }
        for other in ["", ".gitignore", "a/.github/b", "git"] {
            assert_eq!(refuse_gits_own(&RelPath::parse(other).unwrap()), Ok(()), "{other}");
        }
    }
}
