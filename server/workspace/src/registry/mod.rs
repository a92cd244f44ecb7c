//! Who owns which workspace, and where its files are.
//!
//! The store has the records, the data directory the files: `workspaces/<id>/files`, `homes/<person>` and `trash/`. A record
//! lies under its owner's key, so that nobody can reach somebody else's even by knowing its id.

mod denied;
mod filling;
mod record;

use crate::error::WorkspaceError;
use crate::import::{self, ArchiveKind, GitAddress, ImportSettings, Progress, folder_name};
use crate::tree::{Locked, NEVER, Tree, TreeSettings, at, blocking, remove_entry};
use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coditect_protocol::files::Root;
use coditect_protocol::workspace::{CreateWorkspace, MAX_WORKSPACE_NAME_CHARS, Workspace, WorkspaceSource};
use coditect_protocol::{RelPath, UserId, WorkspaceId};
use coditect_store::Store;
use denied::Denied;
use filling::{Filling, Running, clear_interrupted};
use futures_util::Stream;
use record::{Records, StoredState, WorkspaceRecord};
use std::collections::HashMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// Default of [`RegistrySettings::max_workspaces_per_person`].
pub const DEFAULT_MAX_WORKSPACES_PER_PERSON: usize = 100;
/// Default of [`RegistrySettings::max_imports_per_person`].
pub const DEFAULT_MAX_IMPORTS_PER_PERSON: usize = 4;
/// Mode of the directories that the server makes for itself.
const PRIVATE_FOLDER_MODE: u32 = 0o700;
/// Where a workspace's files are, within its directory.
const FILES: &str = "files";
/// Where they are while they arrive.
const INCOMING: &str = "incoming";
/// Where an upload is while it arrives.
const UPLOAD: &str = "upload";

/// Where workspaces are kept, and how many.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// The data directory; made if need be.
    pub data: PathBuf,
    /// Most workspaces of one person.
    pub max_workspaces_per_person: usize,
    /// Most workspaces of one person that are filled at once.
    pub max_imports_per_person: usize,
    /// Where files may come from.
    pub import: ImportSettings,
    /// Limits of each tree.
    pub tree: TreeSettings,
}

impl RegistrySettings {
    /// Defaults with this data directory.
    #[must_use]
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            max_workspaces_per_person: DEFAULT_MAX_WORKSPACES_PER_PERSON,
            max_imports_per_person: DEFAULT_MAX_IMPORTS_PER_PERSON,
            import: ImportSettings::default(),
            tree: TreeSettings::default(),
        }
    }
}

/// The real directories of a workspace, for the programs that run in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspacePaths {
    /// The workspace's files.
    pub files: PathBuf,
    /// The person's home.
    pub home: PathBuf,
    /// Name of the workspace's folder below `/workspace`.
    pub folder: String,
}

/// All workspaces. A clone is the same.
#[derive(Clone)]
pub struct Workspaces(Arc<Shared>);

impl std::fmt::Debug for Workspaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspaces").field("data", &self.0.settings.data).finish_non_exhaustive()
    }
}

struct Shared {
    records: Records,
    settings: RegistrySettings,
    running: Mutex<HashMap<WorkspaceId, Running>>,
    trees: Mutex<HashMap<TreeKey, Weak<Tree>>>,
    tasks: TaskTracker,
    denied: Denied,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum TreeKey {
    Workspace(WorkspaceId),
    Home(UserId),
}

impl Workspaces {
    /// Opens the registry: makes its directories, marks and clears up what was being filled when the server stopped, and
    /// empties the trash. Nothing at or below the data directory can be imported by its path.
    pub async fn open(store: Store, mut settings: RegistrySettings) -> Result<Self, WorkspaceError> {
        let data = settings.data.clone();
        let (data, clearing) = blocking(move || {
            for folder in ["", "workspaces", "homes", "trash"] {
                make_private_folder(&data.join(folder))?;
            }
            // Programs are started there from other folders.
            let data = data.canonicalize().map_err(|source| place_error(&data, source))?;
            let workspaces = data.join("workspaces");
            let clearing = clear_interrupted(&workspaces).map_err(|source| place_error(&workspaces, source))?;
            Ok((data, clearing))
        })
        .await?;
        settings.import.forbidden_paths.push(data.clone());
        let records = Records::new(store);
        records.mark_interrupted().await?;
        let registry = Self(Arc::new(Shared {
            records,
            settings: RegistrySettings { data, ..settings },
            running: Mutex::default(),
            trees: Mutex::default(),
            tasks: TaskTracker::new(),
            denied: Denied::new(),
        }));
        registry.0.tasks.spawn_blocking(clearing);
        registry.0.empty_trash();
        Ok(registry)
    }

    /// Makes a workspace. One from git is answered at once and filled afterwards.
    pub async fn create(&self, owner: UserId, create: CreateWorkspace) -> Result<Workspace, WorkspaceError> {
        let given = create.name.filter(|name| !name.trim().is_empty());
        match create.source {
            WorkspaceSource::Empty => {
                let record =
                    WorkspaceRecord::new(owner, &check_name(&given.unwrap_or_default())?, WorkspaceSource::Empty);
                self.0.begin(&record, 0).await?;
                let record = WorkspaceRecord { state: StoredState::Ready, ..record };
                let files = self.0.folder(record.id).join(FILES);
                let made = async {
                    blocking(move || make_private_folder(&files)).await?;
                    self.0.records.set_state(owner, record.id, StoredState::Ready).await
                };
                if let Err(error) = made.await {
                    self.delete(owner, record.id).await?;
                    return Err(error);
                }
                Ok(record.view(None))
            }
            WorkspaceSource::Git { url } => {
                let address = GitAddress::parse(&url, &self.0.settings.import)?;
                let name = check_name(&given.unwrap_or_else(|| shortened(&address.name())))?;
                let record = WorkspaceRecord::new(owner, &name, WorkspaceSource::Git { url: address.url() });
                self.0.begin(&record, self.0.settings.max_imports_per_person).await?;
                let home = self.home(owner).await?;
                let progress = Progress::step("Connecting");
                self.0.start(&record, progress.clone(), Filling::Git { address, home });
                Ok(record.view(Some(progress)))
            }
            WorkspaceSource::Archive { .. } => {
                Err(WorkspaceError::ArchiveInvalid("its content is missing; upload it".to_owned()))
            }
        }
    }

    /// Makes a workspace from an uploaded archive: takes it in, then answers and unpacks it afterwards. What is no archive,
    /// or too large, is refused and leaves nothing.
    pub async fn create_from_archive<S, E>(
        &self,
        owner: UserId,
        name: &str,
        file_name: &str,
        content: S,
    ) -> Result<Workspace, WorkspaceError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
        E: std::fmt::Display + Send,
    {
        let source = WorkspaceSource::Archive { file_name: shortened(file_name) };
        let record = WorkspaceRecord::new(owner, &check_name(name)?, source);
        self.0.begin(&record, self.0.settings.max_imports_per_person).await?;
        // Whatever ends this early, also a caller that goes away, takes the record with it.
        let mut unfinished = Unfinished { registry: Some(self.clone()), owner, id: record.id };
        let upload = self.0.folder(record.id).join(UPLOAD);
        let received = async {
            import::receive(content, &upload, &self.0.settings.import).await?;
            blocking(move || {
                let mut file = std::fs::File::open(&upload).map_err(|source| place_error(&upload, source))?;
                ArchiveKind::of(&mut file)?;
                Ok(file)
            })
            .await
        };
        let archive = match received.await {
            Ok(archive) => archive,
            Err(error) => {
                unfinished.registry = None;
                self.delete(owner, record.id).await?;
                return Err(error);
            }
        };
        unfinished.registry = None;
        let progress = Progress { step: "Unpacking".to_owned(), percent: Some(0) };
        self.0.start(&record, progress.clone(), Filling::Archive { archive });
        Ok(record.view(Some(progress)))
    }

    /// A person's workspaces, the one opened last first.
    pub async fn list(&self, owner: UserId) -> Result<Vec<Workspace>, WorkspaceError> {
        let mut records = self.0.records.list(owner).await?;
        records.sort_by_key(|record| std::cmp::Reverse(record.opened_at.max(record.created_at)));
        Ok(records.into_iter().map(|record| self.0.view(record)).collect())
    }

    /// One workspace.
    pub async fn get(&self, owner: UserId, id: WorkspaceId) -> Result<Workspace, WorkspaceError> {
        Ok(self.0.view(self.0.record(owner, id).await?))
    }

    /// Gives a workspace another name; its folder keeps its own.
    pub async fn rename(&self, owner: UserId, id: WorkspaceId, name: &str) -> Result<Workspace, WorkspaceError> {
        let name = check_name(name)?;
        let change = |mut record: WorkspaceRecord| {
            record.name.clone_from(&name);
            Ok(record)
        };
        Ok(self.0.view(self.0.change(owner, id, change).await?))
    }

    /// Deletes a workspace with its files; ends its import if it is being filled.
    pub async fn delete(&self, owner: UserId, id: WorkspaceId) -> Result<(), WorkspaceError> {
        self.0.noted(owner, id, self.0.records.remove(owner, id).await).await?;
        if let Some(running) = lock(&self.0.running).remove(&id) {
            running.cancel.cancel();
        }
        lock(&self.0.trees).remove(&TreeKey::Workspace(id));
        let folder = self.0.folder(id);
        let trash = self.0.settings.data.join("trash").join(Uuid::new_v4().to_string());
        blocking(move || match std::fs::rename(&folder, trash) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(place_error(&folder, error)),
            _ => Ok(()),
        })
        .await?;
        self.0.empty_trash();
        Ok(())
    }

    /// Notes that a workspace is opened now; it must be ready.
    pub async fn touch_opened(&self, owner: UserId, id: WorkspaceId) -> Result<Workspace, WorkspaceError> {
        let now = now_millis();
        let change = |mut record: WorkspaceRecord| {
            record.check_ready()?;
            record.opened_at = now.max(record.opened_at);
            Ok(record)
        };
        Ok(self.0.view(self.0.change(owner, id, change).await?))
    }

    /// The tree that `root` means for this person.
    pub async fn tree(&self, owner: UserId, root: Root) -> Result<Arc<Tree>, WorkspaceError> {
        match root {
            Root::Workspace(id) => {
                self.0.record(owner, id).await?.check_ready()?;
                self.0.open_tree(TreeKey::Workspace(id), self.0.folder(id).join(FILES)).await
            }
            Root::Home => self.home(owner).await,
        }
    }

    /// A person's home, made when it is first asked for.
    pub async fn home(&self, owner: UserId) -> Result<Arc<Tree>, WorkspaceError> {
        let path = self.0.home_folder(owner);
        let made = path.clone();
        blocking(move || make_private_folder(&made)).await?;
        self.0.open_tree(TreeKey::Home(owner), path).await
    }

    /// The real directories of a workspace that is ready, for the programs that run in it.
    pub async fn paths(&self, owner: UserId, id: WorkspaceId) -> Result<WorkspacePaths, WorkspaceError> {
        let record = self.0.record(owner, id).await?;
        record.check_ready()?;
        let home = self.home(owner).await?.path().to_owned();
        Ok(WorkspacePaths { files: self.0.folder(id).join(FILES), home, folder: record.folder })
    }

    /// Ends the imports that run, and waits for what is being removed or cleaned up.
    pub async fn close(&self) {
        for (_, running) in lock(&self.0.running).drain() {
            running.cancel.cancel();
        }
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Shared {
    fn folder(&self, id: WorkspaceId) -> PathBuf {
        self.settings.data.join("workspaces").join(id.to_string())
    }

    fn home_folder(&self, owner: UserId) -> PathBuf {
        self.settings.data.join("homes").join(owner.to_string())
    }

    /// The record of one of the person's workspaces.
    async fn record(&self, owner: UserId, id: WorkspaceId) -> Result<WorkspaceRecord, WorkspaceError> {
        self.noted(owner, id, self.records.get(owner, id).await).await
    }

    /// Changes the record of one of the person's workspaces.
    async fn change(
        &self,
        owner: UserId,
        id: WorkspaceId,
        change: impl Fn(WorkspaceRecord) -> Result<WorkspaceRecord, WorkspaceError> + Send + Sync,
    ) -> Result<WorkspaceRecord, WorkspaceError> {
        self.noted(owner, id, self.records.change(owner, id, change).await).await
    }

    /// A record as its owner sees it, with the progress of its import.
    fn view(&self, record: WorkspaceRecord) -> Workspace {
        let progress = lock(&self.running).get(&record.id).map(|running| running.progress.borrow().clone());
        record.view(progress)
    }

    /// Makes the directory, then the record. `max_filling` of 0: it is not going to be filled.
    async fn begin(&self, record: &WorkspaceRecord, max_filling: usize) -> Result<(), WorkspaceError> {
        let folder = self.folder(record.id);
        let made = folder.clone();
        blocking(move || make_private_folder(&made)).await?;
        let created = self.records.create(record, self.settings.max_workspaces_per_person, max_filling).await;
        if created.is_err() {
            blocking(move || std::fs::remove_dir(&folder).map_err(|source| place_error(&folder, source))).await?;
        }
        created
    }

    async fn open_tree(&self, key: TreeKey, path: PathBuf) -> Result<Arc<Tree>, WorkspaceError> {
        if let Some(tree) = lock(&self.trees).get(&key).and_then(Weak::upgrade) {
            return Ok(tree);
        }
        let opened = Arc::new(Tree::open(path, self.settings.tree.clone()).await?);
        let mut trees = lock(&self.trees);
        // Another call may have been faster; all share one, and so its limits.
        if let Some(tree) = trees.get(&key).and_then(Weak::upgrade) {
            return Ok(tree);
        }
        trees.retain(|_, tree| tree.strong_count() > 0);
        trees.insert(key, Arc::downgrade(&opened));
        Ok(opened)
    }

    /// Removes what was thrown away, while others go on.
    fn empty_trash(&self) {
        let trash = self.settings.data.join("trash");
        self.tasks.spawn_blocking(move || {
            if let Err(error) = empty_folder(&trash) {
                tracing::warn!(%error, "the trash could not be emptied; the next start tries again");
            }
        });
    }
}

/// Deletes a workspace whose upload ended early.
struct Unfinished {
    registry: Option<Workspaces>,
    owner: UserId,
    id: WorkspaceId,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let (Some(registry), Ok(runtime)) = (self.registry.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let (owner, id, tasks) = (self.owner, self.id, registry.0.tasks.clone());
        tasks.spawn_on(
            async move {
                if let Err(error) = registry.delete(owner, id).await {
                    tracing::warn!(%error, %id, "an unfinished workspace could not be deleted");
                }
            },
            &runtime,
        );
    }
}

fn empty_folder(folder: &Path) -> std::io::Result<()> {
    let folder = Dir::open_ambient_dir(folder, ambient_authority())?;
    for entry in folder.entries()? {
        let name = entry?.file_name();
        // Two that clean at the same time take from each other what is missing.
        let removed = folder
            .symlink_metadata(&name)
            .and_then(|facts| remove_entry(&folder, &name, &facts, Locked::Force, &NEVER));
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn make_private_folder(path: &Path) -> Result<(), WorkspaceError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER_MODE).create(path);
    made.map_err(|source| place_error(path, source))
}

fn place_error(path: &Path, source: std::io::Error) -> WorkspaceError {
    match at(&RelPath::root())(source) {
        WorkspaceError::Io { source, .. } => {
            WorkspaceError::DataDirectory { place: path.display().to_string(), source }
        }
        WorkspaceError::OutOfSpace(root) => WorkspaceError::OutOfSpace(root),
        other => {
            WorkspaceError::DataDirectory { place: path.display().to_string(), source: std::io::Error::other(other) }
        }
    }
}

fn check_name(name: &str) -> Result<String, WorkspaceError> {
    let name = name.trim();
    let length = name.chars().count();
    if length == 0 || length > MAX_WORKSPACE_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(WorkspaceError::WorkspaceName { limit: MAX_WORKSPACE_NAME_CHARS });
    }
    Ok(name.to_owned())
}

fn shortened(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(MAX_WORKSPACE_NAME_CHARS).collect()
}

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
