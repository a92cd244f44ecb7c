//! Filling a workspace in the background.

use super::record::{StoredState, WorkspaceRecord};
use super::{FILES, INCOMING, Shared, UPLOAD, lock, place_error};
use crate::error::WorkspaceError;
use crate::import::{self, Cloning, GitAddress, KNOWN_HOSTS, Progress, ProgressSender, SshFile};
use crate::tree::{Locked, NEVER, Tree, blocking, remove_entry};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coditect_protocol::{Coded, Kind, RelPath, WorkspaceId};
use coditect_sandbox::SandboxId;
use coditect_sandbox::client::{Sandboxes, Scope};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Files in a person's `.ssh` that a clone may use.
const SSH_FILES: [&str; 4] = ["id_ed25519", "id_ecdsa", "id_rsa", KNOWN_HOSTS];
/// Largest of them, in bytes; larger ones are left out.
const MAX_SSH_FILE_BYTES: u64 = 1024 * 1024;
/// Folder for what git must be told in files, credentials and keys among it.
const GIT_WORK: &str = "git";
/// Folder that the single folder of an archive becomes on its way up.
const STRIPPED: &str = "stripped";
/// What an import leaves where it ends early, the secret first.
pub(super) const LEFTOVERS: [&str; 4] = [GIT_WORK, INCOMING, UPLOAD, STRIPPED];

/// An import that runs.
pub(super) struct Running {
    pub(super) cancel: CancellationToken,
    pub(super) progress: watch::Receiver<Progress>,
}

/// What a workspace is filled with.
pub(super) enum Filling {
    Git { address: GitAddress, home: Arc<Tree>, sandboxes: Sandboxes },
    Archive { archive: std::fs::File },
}

impl Shared {
    /// Fills the workspace in the background, and notes how it ended.
    pub(super) fn start(self: &Arc<Self>, record: &WorkspaceRecord, progress: Progress, filling: Filling) {
        let (owner, id) = (record.owner, record.id);
        let (sender, receiver) = watch::channel(progress);
        let cancel = CancellationToken::new();
        lock(&self.running).insert(id, Running { cancel: cancel.clone(), progress: receiver });
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            let folder = shared.folder(id);
            let mut result = shared.fill(SandboxId { person: owner, workspace: id }, filling, &sender, &cancel).await;
            if result.is_ok() {
                result = blocking(move || put_in_place(&folder)).await;
            } else {
                discard(folder).await;
            }
            let state = match &result {
                Ok(()) => StoredState::Ready,
                Err(error) => {
                    tracing::info!(%id, code = error.code(), "a workspace was not filled");
                    if error.kind() == Kind::Internal {
                        tracing::error!(%id, %error, "filling a workspace failed");
                    }
                    StoredState::failed(error)
                }
            };
            match shared.records.set_state(owner, id, state).await {
                // Deleted meanwhile, which ended it.
                Ok(()) | Err(WorkspaceError::WorkspaceNotFound) => {}
                Err(error) => tracing::error!(%id, %error, "the end of an import could not be stored"),
            }
            lock(&shared.running).remove(&id);
        });
    }

    async fn fill(
        &self,
        id: SandboxId,
        filling: Filling,
        progress: &ProgressSender,
        cancel: &CancellationToken,
    ) -> Result<(), WorkspaceError> {
        let folder = &self.folder(id.workspace);
        let incoming = folder.join(INCOMING);
        match filling {
            Filling::Git { address, home, sandboxes } => {
                let files = match &address {
                    GitAddress::Ssh { .. } => ssh_files(&home).await,
                    GitAddress::Web { .. } | GitAddress::Path(_) => Vec::new(),
                };
                let work = folder.join(GIT_WORK);
                let cloning = Cloning { sandboxes: &sandboxes, id, address: &address, target: &incoming, work, files };
                import::clone(cloning, &self.settings.import, progress, cancel).await
            }
            Filling::Archive { archive } => {
                let target = blocking(move || {
                    let failed = |source| place_error(&incoming, source);
                    std::fs::create_dir(&incoming).map_err(failed)?;
                    Dir::open_ambient_dir(&incoming, ambient_authority()).map_err(failed)
                })
                .await?;
                let (progress, cancel) = (progress.clone(), cancel.clone());
                import::unpack(
                    archive,
                    target.try_clone().map_err(|error| place_error(folder, error))?,
                    &self.settings.import,
                    progress,
                    cancel,
                )
                .await?;
                let folder = folder.to_owned();
                blocking(move || strip_single_folder(&folder, &target).map_err(|error| place_error(&folder, error)))
                    .await
            }
        }
    }
}

/// The person's own keys and known hosts, read through the confined tree: a link to the server's keys leads nowhere.
async fn ssh_files(home: &Tree) -> Vec<SshFile> {
    let mut files = Vec::new();
    for name in SSH_FILES {
        let Ok(path) = RelPath::parse(&format!(".ssh/{name}")) else { continue };
        if let Ok((_, content)) = home.read(&path, 0, None, MAX_SSH_FILE_BYTES).await {
            files.push(SshFile { name, content });
        }
    }
    files
}

/// Where all lies in one folder, as in most archives, that folder becomes the workspace.
fn strip_single_folder(folder: &Path, incoming: &Dir) -> std::io::Result<()> {
    let mut entries = incoming.entries()?;
    let (Some(only), None) = (entries.next().transpose()?, entries.next()) else { return Ok(()) };
    if !only.file_type()?.is_dir() {
        return Ok(());
    }
    let aside = folder.join(STRIPPED);
    std::fs::rename(folder.join(INCOMING).join(only.file_name()), &aside)?;
    std::fs::remove_dir(folder.join(INCOMING))?;
    std::fs::rename(aside, folder.join(INCOMING))
}

/// Gives what arrived its final name; it is whole now.
fn put_in_place(folder: &Path) -> Result<(), WorkspaceError> {
    let failed = |source| place_error(folder, source);
    std::fs::rename(folder.join(INCOMING), folder.join(FILES)).map_err(failed)?;
    match std::fs::remove_file(folder.join(UPLOAD)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Removes what arrived of an import that failed.
pub(super) async fn discard(folder: PathBuf) {
    let removed = blocking(move || remove_from(&folder, &LEFTOVERS).map_err(|source| place_error(&folder, source)));
    if let Err(error) = removed.await {
        tracing::warn!(%error, "what arrived of an import could not be removed");
    }
}

/// Waits for the end of what fills the workspaces in `folder` for a server that was killed.
pub(super) async fn end_interrupted(folder: PathBuf, sandboxes: &Sandboxes) -> Result<(), WorkspaceError> {
    let found = blocking(move || {
        let entries = std::fs::read_dir(&folder).map_err(|source| place_error(&folder, source))?.flatten();
        let begun = entries.filter(|entry| entry.path().join(GIT_WORK).symlink_metadata().is_ok());
        Ok(begun.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).map(WorkspaceId).collect::<Vec<_>>())
    });
    for id in found.await? {
        if let Err(error) = sandboxes.end(Scope::Workspace(id), None).await {
            // Where nobody answers nothing runs any more: it ends with who runs it.
            tracing::warn!(%id, %error, "the end of an interrupted import was not seen");
        }
    }
    Ok(())
}

/// Removes from the workspaces in `folder` what a server that was killed left of their imports: at once the files that hold
/// credentials; the rest, which may be large, in the work that it gives back.
pub(super) fn clear_interrupted(folder: &Path) -> std::io::Result<impl FnOnce() + Send + use<>> {
    let mut interrupted = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let place = entry?.path();
        remove_from(&place, &[GIT_WORK])?;
        if LEFTOVERS.iter().any(|name| place.join(name).symlink_metadata().is_ok()) {
            interrupted.push(place);
        }
    }
    Ok(move || {
        for place in interrupted {
            if let Err(error) = remove_from(&place, &LEFTOVERS) {
                tracing::warn!(%error, "what an interrupted import left could not be removed; the next start tries again");
            }
        }
    })
}

fn remove_from(folder: &Path, names: &[&str]) -> std::io::Result<()> {
    let dir = match Dir::open_ambient_dir(folder, ambient_authority()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        dir => dir?,
    };
    for name in names {
        let removed = dir
            .symlink_metadata(name)
            .and_then(|facts| remove_entry(&dir, name.as_ref(), &facts, Locked::Force, &NEVER));
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
