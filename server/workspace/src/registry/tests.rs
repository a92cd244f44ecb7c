use super::*;
use coditect_protocol::Coded;
use coditect_protocol::files::{Root, WriteMode};
use coditect_protocol::workspace::WorkspaceState;
use coditect_sandbox::SandboxMode;
use std::time::{Duration, Instant};
use tempfile::TempDir;

mod members;
mod room;

struct Fixture {
    dir: TempDir,
    store: Store,
    workspaces: Workspaces,
}

fn user() -> UserId {
    UserId(Uuid::new_v4())
}

fn empty(name: &str) -> CreateWorkspace {
    CreateWorkspace { name: Some(name.to_owned()), source: WorkspaceSource::Empty }
}

fn git(path: &Path) -> CreateWorkspace {
    CreateWorkspace { name: None, source: WorkspaceSource::Git { url: path.display().to_string() } }
}

fn upload(bytes: Vec<u8>) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Unpin + Send {
    futures_util::stream::iter([Ok(Bytes::from(bytes))])
}

fn archive(names: &[&str]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for name in names {
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &b"x"[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, WorkspaceError>) -> &'static str {
    result.unwrap_err().code()
}

impl Fixture {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl Fn(&mut RegistrySettings)) -> Self {
        let dir = TempDir::new().unwrap();
        let store = Store::open("memory:").await.unwrap();
        let mut settings = RegistrySettings::new(dir.path().join("data"));
        std::fs::create_dir(dir.path().join("open")).unwrap();
        settings.import.import_paths = vec![dir.path().join("open")];
        change(&mut settings);
        let workspaces = Workspaces::open(store.clone(), settings).await.unwrap();
        Self { dir, store, workspaces }
    }

    /// One that clones. There are no walls, so that a test's own programs can be run.
    async fn cloning(change: impl Fn(&mut RegistrySettings)) -> Self {
        let mut fixture = Self::new().await;
        let mut settings = fixture.cloning_settings().await;
        change(&mut settings);
        fixture.workspaces = Workspaces::open(fixture.store.clone(), settings).await.unwrap();
        fixture
    }

    async fn cloning_settings(&self) -> RegistrySettings {
        let sandboxes = crate::needs::sandbox_settings(self.dir.path(), SandboxMode::None);
        let mut settings = RegistrySettings::new(self.dir.path().join("data"));
        settings.sandboxes = crate::needs::sandboxes(sandboxes).await;
        settings.import.import_paths = vec![self.dir.path().join("open")];
        settings
    }

    /// A git that runs the script instead.
    fn pretend(&self, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.path().join("pretend-git");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    async fn settled(&self, owner: UserId, id: WorkspaceId) -> Workspace {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let workspace = self.workspaces.get(owner, id).await.unwrap();
            if !matches!(workspace.state, WorkspaceState::Creating { .. }) {
                return workspace;
            }
            assert!(Instant::now() < deadline, "{workspace:?}");
            tokio::task::yield_now().await;
        }
    }

    fn entries(&self, folder: &str) -> usize {
        std::fs::read_dir(self.dir.path().join("data").join(folder)).unwrap().count()
    }
}

#[tokio::test]
async fn a_workspace_lives() {
    let f = Fixture::new().await;
    let owner = user();
    let made = f.workspaces.create(owner, empty(" My project ")).await.unwrap();
    assert_eq!((made.name.as_str(), made.folder.as_str()), ("My project", "My-project"));
    assert_eq!(made.state, WorkspaceState::Ready);
    let tree = f.workspaces.tree(owner, Root::Workspace(made.id), WorkspaceRole::Read).await.unwrap();
    let path = RelPath::parse("file").unwrap();
    tree.write(&path, Bytes::from_static(b"x"), WriteMode::CreateNew).await.unwrap();
    let same = f.workspaces.tree(owner, Root::Workspace(made.id), WorkspaceRole::Read).await.unwrap();
    assert!(tree.is_shared_with(&same));
    let paths = f.workspaces.access(owner, made.id, WorkspaceRole::Read).await.unwrap().paths;
    assert!(paths.files.join("file").exists() && paths.home.is_dir() && paths.files.is_absolute());
    let renamed = f.workspaces.rename(owner, made.id, "Other").await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.folder.as_str()), ("Other", "My-project"));
    let second = f.workspaces.create(owner, empty("Second")).await.unwrap();
    let opened = f.workspaces.touch_opened(owner, made.id).await.unwrap();
    assert!(opened.opened_at >= second.opened_at);
    assert_eq!(f.workspaces.list(owner).await.unwrap().len(), 2);
    f.workspaces.delete(owner, made.id).await.unwrap();
    assert_eq!(code(f.workspaces.get(owner, made.id).await), "workspace.not_found");
    assert_eq!(code(f.workspaces.delete(owner, made.id).await), "workspace.not_found");
    f.workspaces.close().await;
    assert_eq!((f.entries("workspaces"), f.entries("trash")), (1, 0));
}

#[tokio::test]
async fn what_is_somebody_elses_does_not_exist() {
    let f = Fixture::new().await;
    let (owner, other) = (user(), user());
    let id = f.workspaces.create(owner, empty("mine")).await.unwrap().id;
    assert_eq!(code(f.workspaces.get(other, id).await), "workspace.not_found");
    assert_eq!(code(f.workspaces.tree(other, Root::Workspace(id), WorkspaceRole::Read).await), "workspace.not_found");
    assert_eq!(code(f.workspaces.access(other, id, WorkspaceRole::Read).await), "workspace.not_found");
    assert_eq!(code(f.workspaces.rename(other, id, "x").await), "workspace.not_found");
    assert_eq!(code(f.workspaces.touch_opened(other, id).await), "workspace.not_found");
    assert_eq!(code(f.workspaces.delete(other, id).await), "workspace.not_found");
    assert!(f.workspaces.list(other).await.unwrap().is_empty());
    assert_ne!(
        f.workspaces.home(owner).await.unwrap().identity(),
        f.workspaces.tree(other, Root::Home, WorkspaceRole::Read).await.unwrap().identity()
    );
}

#[tokio::test]
async fn names_and_numbers_are_bounded() {
    let f = Fixture::with(|settings| settings.max_workspaces_per_person = 2).await;
    let owner = user();
    for bad in ["", "  ", "a\nb", &"x".repeat(101)] {
        assert_eq!(code(f.workspaces.create(owner, empty(bad)).await), "workspace.bad_name", "{bad:?}");
    }
    let many = (0..6).map(|number| {
        let workspaces = f.workspaces.clone();
        tokio::spawn(async move { workspaces.create(owner, empty(&format!("w{number}"))).await })
    });
    let results: Vec<_> = futures_util::future::join_all(many).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2);
    assert!(results.into_iter().filter_map(Result::err).all(|error| error.code() == "workspace.too_many"));
    assert_eq!(f.entries("workspaces"), 2);
    f.workspaces.create(user(), empty("another's")).await.unwrap();
}

#[tokio::test]
async fn clones_a_repository() {
    let f = Fixture::cloning(|_| {}).await;
    let owner = user();
    let repository = f.dir.path().join("open/tool.git");
    let run = |args: &[&str]| {
        let done = std::process::Command::new("git").args(args).current_dir(&repository).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    std::fs::create_dir(&repository).unwrap();
    run(&["init"]);
    std::fs::write(repository.join("README.md"), "hello").unwrap();
    run(&["add", "."]);
    run(&["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-m", "first"]);
    let made = f.workspaces.create(owner, git(&repository)).await.unwrap();
    assert_eq!(made.name, "tool");
    assert!(matches!(made.state, WorkspaceState::Creating { .. }));
    assert_eq!(f.settled(owner, made.id).await.state, WorkspaceState::Ready);
    let tree = f.workspaces.tree(owner, Root::Workspace(made.id), WorkspaceRole::Read).await.unwrap();
    let (_, content) = tree.read(&RelPath::parse("README.md").unwrap(), 0, None, 100).await.unwrap();
    assert_eq!(content, b"hello");
    f.workspaces.close().await;
    // Its files, and the trash and the uploads beside them.
    assert_eq!(f.entries(&format!("workspaces/{}", made.id)), 3);
}

#[tokio::test]
async fn a_failed_clone_says_why_and_can_be_deleted() {
    let f = Fixture::new().await;
    let owner = user();
    let refused = f.workspaces.create(owner, git(Path::new("/etc"))).await;
    assert_eq!(code(refused), "sandbox.unavailable", "git runs nowhere else");
    let f = Fixture::cloning(|_| {}).await;
    let error = f.workspaces.create(owner, git(Path::new("ext::sh -c id"))).await;
    assert_eq!(code(error), "import.url_refused");
    assert!(f.workspaces.list(owner).await.unwrap().is_empty());
    let made = f.workspaces.create(owner, git(Path::new("/etc"))).await.unwrap();
    let failed = f.settled(owner, made.id).await;
    assert!(
        matches!(&failed.state, WorkspaceState::Failed { code, .. } if code == "import.path_refused"),
        "{failed:?}"
    );
    assert_eq!(
        code(f.workspaces.tree(owner, Root::Workspace(made.id), WorkspaceRole::Read).await),
        "workspace.not_ready"
    );
    assert_eq!(code(f.workspaces.touch_opened(owner, made.id).await), "workspace.not_ready");
    f.workspaces.delete(owner, made.id).await.unwrap();
    assert_eq!(f.entries("workspaces"), 0);
}

#[tokio::test]
async fn imports_show_progress_are_bounded_and_end_when_deleted() {
    let f = Fixture::new().await;
    let program = f.pretend("echo 'Receiving objects:  42% (1/2)' >&2; sleep 1000");
    std::fs::create_dir(f.dir.path().join("open/x")).unwrap();
    let mut settings = f.cloning_settings().await;
    settings.import.git_program = program;
    settings.max_imports_per_person = 1;
    let workspaces = Workspaces::open(f.store.clone(), settings.clone()).await.unwrap();
    let owner = user();
    let made = workspaces.create(owner, git(&f.dir.path().join("open/x"))).await.unwrap();
    let expected = WorkspaceState::Creating { step: "Receiving objects".to_owned(), percent: Some(42) };
    let deadline = Instant::now() + Duration::from_secs(30);
    while workspaces.get(owner, made.id).await.unwrap().state != expected {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    assert_eq!(code(workspaces.create(owner, git(&f.dir.path().join("open/x"))).await), "workspace.too_many_imports");
    assert_eq!(
        code(workspaces.tree(owner, Root::Workspace(made.id), WorkspaceRole::Read).await),
        "workspace.not_ready"
    );
    workspaces.delete(owner, made.id).await.unwrap();
    let again = workspaces.create(owner, git(&f.dir.path().join("open/x"))).await.unwrap();
    // The server dies now: nothing of it is told to this process, only the store and the directory remain.
    let other = Workspaces::open(f.store.clone(), settings).await.unwrap();
    let state = other.get(owner, again.id).await.unwrap().state;
    assert!(
        matches!(&state, WorkspaceState::Failed { code, .. } if code == "workspace.import_interrupted"),
        "{state:?}"
    );
    other.delete(owner, again.id).await.unwrap();
    workspaces.close().await;
    other.close().await;
    assert_eq!((f.entries("workspaces"), f.entries("trash")), (0, 0));
}

#[tokio::test]
async fn files_of_a_workspace_that_is_none_any_more_are_cleared_up() {
    let f = Fixture::new().await;
    let kept = f.workspaces.create(user(), empty("kept")).await.unwrap().id;
    f.workspaces.close().await;
    // Its record went, then the server died.
    let [gone, strange] = std::array::from_fn(|_| WorkspaceId(Uuid::new_v4()));
    let data = f.dir.path().join("data");
    for id in [gone, strange] {
        std::fs::create_dir_all(data.join(format!("workspaces/{id}/files/deep"))).unwrap();
    }
    for id in [gone, kept] {
        std::fs::write(data.join(format!("workspaces/{id}/deleted")), "").unwrap();
    }
    let again = Workspaces::open(f.store.clone(), RegistrySettings::new(data.clone())).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while (f.entries("workspaces"), f.entries("trash")) != (2, 0) {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    // What the store has is not deleted, and what it has never heard of may be another store's.
    for id in [kept, strange] {
        assert!(data.join(format!("workspaces/{id}/files")).is_dir());
    }
    again.close().await;
}

#[tokio::test]
async fn what_cannot_be_removed_keeps_nothing_else() {
    let dir = TempDir::new().unwrap();
    for name in ["a", "b", "c"] {
        std::fs::create_dir_all(dir.path().join(name).join("inside")).unwrap();
    }
    let mount = dir.path().join("b/inside");
    // What others use cannot be removed; nobody but root can make such a thing.
    let bound = std::process::Command::new("mount").arg("--bind").args([&mount, &mount]).output();
    if !bound.is_ok_and(|output| output.status.success()) {
        return crate::needs::missing("mount", "nothing can be mounted");
    }
    let removed = empty_folder(dir.path());
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    std::process::Command::new("umount").arg(&mount).status().unwrap();
    assert!(removed.is_err() && left == ["b"], "{removed:?} {left:?}");
    empty_folder(dir.path()).unwrap();
}

#[tokio::test]
async fn what_a_killed_server_left_of_an_import_is_cleared_up() {
    let f = Fixture::new().await;
    let owner = user();
    let made = f.workspaces.create(owner, empty("mine")).await.unwrap();
    let folder = f.dir.path().join("data/workspaces").join(made.id.to_string());
    std::fs::write(folder.join("files/kept"), "x").unwrap();
    for name in ["git", "incoming", "stripped"] {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("gitconfig"), "extraHeader = Authorization: Basic secret").unwrap();
    }
    std::fs::write(folder.join("upload"), "x").unwrap();
    let settings = RegistrySettings::new(f.dir.path().join("data"));
    let next = Workspaces::open(f.store.clone(), settings).await.unwrap();
    assert!(!folder.join("git").exists(), "credentials are gone before anything else happens");
    next.close().await;
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    // Made when the tree is opened first.
    names.retain(|name| name != "trash" && name != "uploads");
    assert_eq!(names, ["files"]);
    assert!(folder.join("files/kept").exists());
}

#[tokio::test]
async fn a_failed_import_leaves_no_credentials() {
    let f = Fixture::new().await;
    let folder = f.dir.path().join("folder");
    for name in filling::LEFTOVERS {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("id_ed25519"), "secret").unwrap();
    }
    filling::discard(folder.clone()).await;
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

#[tokio::test]
async fn the_servers_own_data_cannot_be_imported() {
    let above = |settings: &mut RegistrySettings| {
        settings.import.import_paths = vec![settings.data.parent().unwrap().to_owned()];
    };
    let f = Fixture::cloning(above).await;
    let (owner, other) = (user(), user());
    let theirs = f.workspaces.create(other, empty("theirs")).await.unwrap().id;
    let files = f.workspaces.access(other, theirs, WorkspaceRole::Read).await.unwrap().paths.files;
    let git = |args: &[&str]| {
        let done = std::process::Command::new("git").args(args).current_dir(&files).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init"]);
    git(&["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--allow-empty", "-m", "first"]);
    let source = WorkspaceSource::Git { url: files.display().to_string() };
    let made = f.workspaces.create(owner, CreateWorkspace { name: None, source }).await.unwrap();
    let failed = f.settled(owner, made.id).await;
    assert!(
        matches!(&failed.state, WorkspaceState::Failed { code, .. } if code == "import.path_refused"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn archives_become_workspaces() {
    let f = Fixture::new().await;
    let owner = user();
    let one = archive(&["top/a", "top/b/c"]);
    let made = f.workspaces.create_from_archive(owner, "Up", "up.tar", upload(one)).await.unwrap();
    assert_eq!(f.settled(owner, made.id).await.state, WorkspaceState::Ready);
    let names = |tree: Arc<Tree>| async move {
        let entries = tree.read_folder(&RelPath::root(), Default::default()).await.unwrap().entries;
        entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
    };
    // The single folder at its top is taken off.
    assert_eq!(
        names(f.workspaces.tree(owner, Root::Workspace(made.id), WorkspaceRole::Read).await.unwrap()).await,
        ["a", "b"]
    );
    let two = archive(&["a", "top/b"]);
    let made = f.workspaces.create_from_archive(owner, "Up", "up.tar", upload(two)).await.unwrap();
    assert_eq!(f.settled(owner, made.id).await.state, WorkspaceState::Ready);
    assert_eq!(
        names(f.workspaces.tree(owner, Root::Workspace(made.id), WorkspaceRole::Read).await.unwrap()).await,
        ["a", "top"]
    );
    // Its files, and the trash and the uploads beside them.
    assert_eq!(f.entries(&format!("workspaces/{}", made.id)), 3);
}

#[tokio::test]
async fn bad_uploads_leave_nothing() {
    let f = Fixture::with(|settings| settings.import.max_archive_bytes = 4096).await;
    let owner = user();
    let make = |bytes: Vec<u8>| f.workspaces.create_from_archive(owner, "Up", "up.zip", upload(bytes));
    assert_eq!(code(make(b"no archive".to_vec()).await), "import.archive_invalid");
    assert_eq!(code(make(vec![0; 5000]).await), "import.archive_too_large");
    let (sender, begun) = tokio::sync::oneshot::channel();
    let never = Box::pin(futures_util::stream::once(async move {
        let _ = sender.send(());
        std::future::pending::<Result<Bytes, std::io::Error>>().await
    }));
    tokio::select! {
        result = f.workspaces.create_from_archive(owner, "Up", "up.zip", never) => panic!("{result:?}"),
        begun = begun => begun.unwrap(),
    }
    f.workspaces.close().await;
    assert!(f.workspaces.list(owner).await.unwrap().is_empty());
    assert_eq!(f.entries("workspaces"), 0);
}
