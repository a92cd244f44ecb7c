//! Who owns which workspace, who else may do what in it, and where its files are.
//!
//! The store has the records, the data directory the files: `workspaces/<id>/files`, beside them the `trash` and `uploads` of the
//! workspace, `homes/<person>`, and `trash/` for whole workspaces. A record
//! lies under its owner's key, and each member has a row of their own that leads there, so that nobody can reach somebody else's even
//! by knowing its id. Whatever is done with a workspace begins with [`Workspaces::access`].

mod access;
mod denied;
mod filling;
mod members;
mod record;
mod room;

use crate::error::WorkspaceError;
use crate::import::{self, ArchiveKind, GitAddress, ImportSettings, Progress, folder_name};
use crate::tree::{Downloads, Locked, NEVER, PackKind, Places, Tree, TreeSettings, at, blocking, remove_entry};
use crate::usage::Meter;
use access::Holds;
pub use access::{Access, WorkspacePaths};
use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coditect_protocol::workspace::{
    CreateWorkspace, MAX_WORKSPACE_NAME_CHARS, Workspace, WorkspaceRole, WorkspaceSource,
};
use coditect_protocol::{RelPath, UserId, WorkspaceId};
use coditect_sandbox::SandboxError;
use coditect_sandbox::client::Sandboxes;
use coditect_store::Store;
use denied::Denied;
use filling::{Filling, Running, clear_interrupted, end_interrupted};
use futures_util::Stream;
pub use members::{DEFAULT_MAX_MEMBERS, MAX_MEMBERS_LIMIT, MAX_SHARED_WITH_PERSON, Member, NoNames, People};
use record::{Found, Records, StoredState, WorkspaceRecord};
use std::collections::HashMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// Default of [`RegistrySettings::max_workspaces_per_person`].
pub const DEFAULT_MAX_WORKSPACES_PER_PERSON: usize = 100;
/// Default of [`RegistrySettings::max_imports_per_person`].
pub const DEFAULT_MAX_IMPORTS_PER_PERSON: usize = 4;
/// Default of [`RegistrySettings::quota_bytes`]: 10 GiB.
pub const DEFAULT_QUOTA_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// Default of [`RegistrySettings::home_quota_bytes`]: 10 GiB.
pub const DEFAULT_HOME_QUOTA_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// Default of [`RegistrySettings::max_entries`].
pub const DEFAULT_MAX_ENTRIES: u64 = 2_000_000;
/// Default of [`RegistrySettings::trash_age`]: 30 days.
pub const DEFAULT_TRASH_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often what got too old is looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(6 * 60 * 60);
/// Mode of the directories that the server makes for itself.
const PRIVATE_FOLDER_MODE: u32 = 0o700;
/// Where a workspace's files are, within its directory.
const FILES: &str = "files";
/// File that a workspace has from when its owner deletes it: where the server dies meanwhile, the next one goes on.
const DELETED: &str = "deleted";
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
    /// Most members of one workspace beside its owner, at the most [`MAX_MEMBERS_LIMIT`].
    pub max_members: usize,
    /// Where files may come from.
    pub import: ImportSettings,
    /// Where git runs that clones repositories; none can be where there are none.
    pub sandboxes: Option<Sandboxes>,
    /// Limits of each tree.
    pub tree: TreeSettings,
    /// Most bytes that one workspace takes on the disk, its trash included; none where absent.
    pub quota_bytes: Option<u64>,
    /// Most bytes that one home takes on the disk; none where absent.
    pub home_quota_bytes: Option<u64>,
    /// Most files and folders of one workspace, its trash included, and of one home; none where absent.
    pub max_entries: Option<u64>,
    /// Bytes of the disk that are left free.
    pub disk_reserve_bytes: u64,
    /// How long what was deleted can be had back; for ever where absent.
    pub trash_age: Option<Duration>,
}

impl RegistrySettings {
    /// Defaults with this data directory.
    #[must_use]
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            max_workspaces_per_person: DEFAULT_MAX_WORKSPACES_PER_PERSON,
            max_imports_per_person: DEFAULT_MAX_IMPORTS_PER_PERSON,
            max_members: DEFAULT_MAX_MEMBERS,
            import: ImportSettings::default(),
            sandboxes: None,
            tree: TreeSettings::default(),
            quota_bytes: Some(DEFAULT_QUOTA_BYTES),
            home_quota_bytes: Some(DEFAULT_HOME_QUOTA_BYTES),
            max_entries: Some(DEFAULT_MAX_ENTRIES),
            disk_reserve_bytes: coditect_sandbox::settings::DEFAULT_DISK_RESERVE_BYTES,
            trash_age: Some(DEFAULT_TRASH_AGE),
        }
    }
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
    /// Kept while nobody has the tree open: counting is dear.
    meters: Mutex<HashMap<TreeKey, Arc<Meter>>>,
    /// Those of each person who does something now.
    places: Mutex<HashMap<UserId, Weak<Places>>>,
    tasks: TaskTracker,
    /// Held while what was thrown away is removed.
    emptying: Arc<tokio::sync::Mutex<()>>,
    downloads: Downloads,
    denied: Denied,
    holds: Holds,
    people: std::sync::OnceLock<Arc<dyn People>>,
    closing: CancellationToken,
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
        let data = blocking(move || {
            for folder in ["", "workspaces", "homes", "trash"] {
                make_private_folder(&data.join(folder))?;
            }
            // Programs are started there from other folders.
            data.canonicalize().map_err(|source| place_error(&data, source))
        })
        .await?;
        let workspaces = data.join("workspaces");
        if let Some(sandboxes) = &settings.sandboxes {
            end_interrupted(workspaces.clone(), sandboxes).await?;
        }
        let clearing =
            blocking(move || clear_interrupted(&workspaces).map_err(|source| place_error(&workspaces, source))).await?;
        settings.import.forbidden_paths.push(data.clone());
        settings.import.disk_reserve_bytes = settings.disk_reserve_bytes;
        let records = Records::new(store);
        records.mark_interrupted().await?;
        let registry = Self(Arc::new(Shared {
            records,
            settings: RegistrySettings { data, ..settings },
            running: Mutex::default(),
            trees: Mutex::default(),
            meters: Mutex::default(),
            places: Mutex::default(),
            tasks: TaskTracker::new(),
            emptying: Arc::default(),
            downloads: Downloads::default(),
            denied: Denied::new(),
            holds: Holds::default(),
            people: std::sync::OnceLock::new(),
            closing: CancellationToken::new(),
        }));
        let following = access::follow(Arc::downgrade(&registry.0));
        tokio::spawn(registry.0.closing.clone().run_until_cancelled_owned(following));
        registry.0.tasks.spawn_blocking(clearing);
        registry.0.empty_trash();
        registry.0.tasks.spawn(keep_swept(Arc::downgrade(&registry.0), registry.0.closing.clone()));
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
                Ok(self.0.named(record.owned(), None).await)
            }
            WorkspaceSource::Git { url } => {
                let address = GitAddress::parse(&url, &self.0.settings.import)?;
                let sandboxes = self.0.sandboxes()?;
                let name = check_name(&given.unwrap_or_else(|| shortened(&address.name())))?;
                let record = WorkspaceRecord::new(owner, &name, WorkspaceSource::Git { url: address.url() });
                self.0.begin(&record, self.0.settings.max_imports_per_person).await?;
                let home = self.home(owner).await?;
                let progress = Progress::step("Connecting");
                self.0.start(&record, progress.clone(), Filling::Git { address, home, sandboxes });
                Ok(self.0.named(record.owned(), Some(progress)).await)
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
        Ok(self.0.named(record.owned(), Some(progress)).await)
    }

    /// A person's own workspaces and those shared with them, the one opened last first.
    pub async fn list(&self, user: UserId) -> Result<Vec<Workspace>, WorkspaceError> {
        let mut all = self.0.records.list(user).await?;
        all.sort_by_key(|found| std::cmp::Reverse(found.opened_at.max(found.record.created_at)));
        let owners: Vec<_> = all.iter().map(|found| found.record.owner).collect();
        let names = self.0.names(&owners).await;
        let name_of = |owner| names.get(owner).cloned().unwrap_or_default();
        let views = all.into_iter().map(|found| (self.0.progress(found.record.id), found));
        Ok(views.zip(&owners).map(|((progress, found), owner)| found.view(progress, name_of(owner))).collect())
    }

    /// One workspace.
    pub async fn get(&self, user: UserId, id: WorkspaceId) -> Result<Workspace, WorkspaceError> {
        Ok(self.0.view(self.0.found(user, id, WorkspaceRole::Read).await?).await)
    }

    /// Gives a workspace another name; its folder keeps its own. For its admins.
    pub async fn rename(&self, user: UserId, id: WorkspaceId, name: &str) -> Result<Workspace, WorkspaceError> {
        let name = check_name(name)?;
        let change = |mut record: WorkspaceRecord| {
            record.name.clone_from(&name);
            Ok(record)
        };
        let changed = self.0.records.change(user, id, WorkspaceRole::Admin, change).await;
        Ok(self.0.view(self.0.noted(user, id, changed).await?).await)
    }

    /// Deletes a workspace with its files; ends its import if it is being filled. For its owner.
    pub async fn delete(&self, owner: UserId, id: WorkspaceId) -> Result<(), WorkspaceError> {
        self.0.found(owner, id, WorkspaceRole::Owner).await?;
        let mark = self.0.folder(id).join(DELETED);
        blocking(move || match std::fs::File::create(&mark) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(place_error(&mark, error)),
            _ => Ok(()),
        })
        .await?;
        self.0.noted(owner, id, self.0.records.remove(owner, id).await).await?;
        if let Some(running) = lock(&self.0.running).remove(&id) {
            running.cancel.cancel();
        }
        lock(&self.0.trees).remove(&TreeKey::Workspace(id));
        lock(&self.0.meters).remove(&TreeKey::Workspace(id));
        self.0.throw_away(id).await
    }

    /// Files and folders of a workspace with everything below them as one stream, made as it is taken. There are only so many at once.
    /// Ends with an error where it cannot be whole; dropped, or not taken for a while, it is not made any further.
    pub async fn download(
        &self,
        access: &Access,
        paths: Vec<RelPath>,
        kind: PackKind,
    ) -> Result<impl Stream<Item = Result<Bytes, WorkspaceError>> + Send + use<>, WorkspaceError> {
        let place = self.0.downloads.begin(access.user)?;
        self.tree_of(access).await?.pack(paths, kind, place).await
    }

    /// Notes that a workspace is opened now; it must be ready.
    pub async fn touch_opened(&self, user: UserId, id: WorkspaceId) -> Result<Workspace, WorkspaceError> {
        let touched = self.0.records.touch(user, id, now_millis()).await;
        Ok(self.0.view(self.0.noted(user, id, touched).await?).await)
    }

    /// A person's home, made when it is first asked for.
    pub async fn home(&self, owner: UserId) -> Result<Arc<Tree>, WorkspaceError> {
        let path = self.0.home_folder(owner);
        let made = path.clone();
        blocking(move || make_private_folder(&made)).await?;
        self.0.tree_for(owner, TreeKey::Home(owner), path).await
    }

    /// Ends the imports that run, and waits for what is being removed or cleaned up.
    pub async fn close(&self) {
        self.0.closing.cancel();
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

    /// Where git can run now.
    fn sandboxes(&self) -> Result<Sandboxes, WorkspaceError> {
        let none = || SandboxError::Unavailable { reason: "the server has no sandboxes".to_owned() };
        let sandboxes = self.settings.sandboxes.clone().ok_or_else(none)?;
        sandboxes.check_available()?;
        Ok(sandboxes)
    }

    fn home_folder(&self, owner: UserId) -> PathBuf {
        self.settings.data.join("homes").join(owner.to_string())
    }

    /// A workspace as somebody has it who may do that.
    async fn found(&self, user: UserId, id: WorkspaceId, at_least: WorkspaceRole) -> Result<Found, WorkspaceError> {
        self.noted(user, id, self.records.get(user, id, at_least).await).await
    }

    fn progress(&self, id: WorkspaceId) -> Option<Progress> {
        lock(&self.running).get(&id).map(|running| running.progress.borrow().clone())
    }

    /// A workspace as its person sees it, with the progress of its import.
    async fn view(&self, found: Found) -> Workspace {
        let progress = self.progress(found.record.id);
        self.named(found, progress).await
    }

    async fn named(&self, found: Found, progress: Option<Progress>) -> Workspace {
        let owner = found.record.owner;
        let name = self.names(&[owner]).await.remove(&owner);
        found.view(progress, name.unwrap_or_default())
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

    /// Removes from all workspaces what has been in their trash for too long, and uploads that nobody goes on with.
    async fn sweep(&self) -> Result<(), WorkspaceError> {
        let folder = self.settings.data.join("workspaces");
        let ids = blocking(move || {
            let entries = std::fs::read_dir(&folder).map_err(|source| place_error(&folder, source))?;
            let id = |entry: std::fs::DirEntry| Some(WorkspaceId(entry.file_name().to_str()?.parse().ok()?));
            Ok(entries.flatten().filter_map(id).collect::<Vec<_>>())
        });
        let (ids, known) = (ids.await?, self.records.ids().await?);
        for id in ids {
            // Only where both say so: a store that knows nothing of a workspace may be the wrong store.
            if !known.contains(&id) {
                if tokio::fs::metadata(self.folder(id).join(DELETED)).await.is_ok() {
                    self.throw_away(id).await?;
                }
                continue;
            }
            let files = self.folder(id).join(FILES);
            // Not one that is being filled.
            if tokio::fs::metadata(&files).await.is_err() {
                continue;
            }
            let swept =
                async { self.open_tree(TreeKey::Workspace(id), files).await?.sweep(self.settings.trash_age).await };
            if let Err(error) = swept.await {
                tracing::warn!(%id, %error, "the trash of a workspace could not be cleared; it is tried again later");
            }
        }
        Ok(())
    }

    async fn open_tree(&self, key: TreeKey, path: PathBuf) -> Result<Arc<Tree>, WorkspaceError> {
        if let Some(tree) = lock(&self.trees).get(&key).and_then(Weak::upgrade) {
            return Ok(tree);
        }
        let settings = self.settings.tree.clone();
        let opened = Arc::new(match key {
            TreeKey::Workspace(_) => Tree::open_workspace(path, settings, self.meter(key)).await?,
            TreeKey::Home(_) => Tree::open_home(path, settings, self.meter(key)).await?,
        });
        let mut trees = lock(&self.trees);
        // Another call may have been faster; all share one, and so its limits.
        if let Some(tree) = trees.get(&key).and_then(Weak::upgrade) {
            return Ok(tree);
        }
        trees.retain(|_, tree| tree.strong_count() > 0);
        trees.insert(key, Arc::downgrade(&opened));
        Ok(opened)
    }

    /// Removes the files of a workspace that is none any more.
    async fn throw_away(&self, id: WorkspaceId) -> Result<(), WorkspaceError> {
        let folder = self.folder(id);
        let trash = self.settings.data.join("trash").join(Uuid::new_v4().to_string());
        blocking(move || match std::fs::rename(&folder, trash) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(place_error(&folder, error)),
            _ => Ok(()),
        })
        .await?;
        self.empty_trash();
        Ok(())
    }

    /// Removes what was thrown away, while others go on.
    fn empty_trash(&self) {
        let trash = self.settings.data.join("trash");
        let emptying = Arc::clone(&self.emptying);
        self.tasks.spawn(async move {
            // One at a time: those who wait hold no thread, and then find nothing left to do.
            let _turn = emptying.lock().await;
            let emptied = blocking(move || empty_folder(&trash).map_err(|source| place_error(&trash, source)));
            if let Err(error) = emptied.await {
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

/// Removes what can be removed; the first error is told at the end.
fn empty_folder(folder: &Path) -> std::io::Result<()> {
    let folder = Dir::open_ambient_dir(folder, ambient_authority())?;
    let mut first = Ok(());
    for entry in folder.entries()? {
        let name = entry?.file_name();
        // Two that clean at the same time take from each other what is missing.
        let removed = folder
            .symlink_metadata(&name)
            .and_then(|facts| remove_entry(&folder, &name, &facts, Locked::Force, &NEVER));
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => first = first.and(Err(error)),
            _ => {}
        }
    }
    first
}

/// Sweeps now and from time to time, until the registry is closed or nobody has it any more.
async fn keep_swept(registry: Weak<Shared>, closing: CancellationToken) {
    let mut tick = tokio::time::interval(SWEEP_INTERVAL);
    while closing.run_until_cancelled(tick.tick()).await.is_some() {
        let Some(shared) = registry.upgrade() else { return };
        if let Some(Err(error)) = closing.run_until_cancelled(shared.sweep()).await {
            tracing::warn!(%error, "the trashes could not be cleared; it is tried again later");
        }
    }
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
