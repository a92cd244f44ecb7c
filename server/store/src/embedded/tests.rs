//! Faults of the disk, and directories that are not as they should be.

mod disk;
mod power;

use super::*;
use crate::store::Store;
use coditect_protocol::Coded;
use redb::StorageBackend;
use redb::backends::FileBackend;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// What the disk does.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Arc<FaultState>);

#[derive(Debug, Default)]
struct FaultState {
    /// No write may reach behind this many bytes, unless it is zero.
    full_at: AtomicU64,
    sync_fails: AtomicBool,
    /// Takes the place of the file.
    disk: Mutex<Option<disk::Disk>>,
}

impl Faults {
    fn set_disk(&self, disk: disk::Disk) {
        *self.0.disk.lock().unwrap() = Some(disk);
    }

    pub(super) fn check_space(&self, end: u64) -> io::Result<()> {
        match self.0.full_at.load(Ordering::SeqCst) {
            full_at if full_at > 0 && end > full_at => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

/// A file with faults.
#[derive(Debug)]
pub(super) struct FaultyFile {
    inner: Box<dyn StorageBackend>,
    faults: Faults,
}

impl FaultyFile {
    pub(super) fn new(inner: FileBackend, faults: Faults) -> Self {
        let disk = faults.0.disk.lock().unwrap().clone();
        let inner: Box<dyn StorageBackend> = match disk {
            Some(disk) => Box::new(disk),
            None => Box::new(inner),
        };
        Self { inner, faults }
    }
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.check_space(len)?;
        self.inner.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        if self.faults.0.sync_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk does not answer"));
        }
        self.inner.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.faults.check_space(offset + data.len() as u64)?;
        self.inner.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }
}

/// A store whose disk can be given faults.
fn faulty(path: &Path) -> (Store, Faults) {
    let file = DataFile::open(path, 1 << 20).unwrap();
    let faults = file.faults();
    let (storage, snapshot) = EmbeddedStorage::open(file).unwrap();
    (Store::from_backend(LocalBackend::start("embedded", storage, snapshot).unwrap()), faults)
}

async fn set(store: &Store, key: &str, value: &[u8]) -> Result<(), StoreError> {
    store
        .transact(|tx| async move {
            tx.get(key).await?;
            tx.set(key, value)
        })
        .await
}

async fn get(store: &Store, key: &str) -> Result<Option<Bytes>, StoreError> {
    store.transact(|tx| async move { tx.get(key).await }).await
}

async fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(&format!("embedded://{}", path.display())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (store, faults) = faulty(directory.path());
    set(&store, "before", b"1").await.unwrap();
    faults.0.full_at.store(std::fs::metadata(directory.path().join("data.redb")).unwrap().len(), Ordering::SeqCst);
    let value = vec![7; 90_000];
    let mut written = Vec::new();
    let refusal = loop {
        let key = format!("fill {}", written.len());
        match set(&store, &key, &value).await {
            Ok(()) => written.push(key),
            Err(error) => break error,
        }
        assert!(written.len() < 1_000);
    };
    assert_eq!(refusal.code(), "store.out_of_space");
    for _ in 0..3 {
        assert_eq!(set(&store, "more", &value).await.unwrap_err().code(), "store.out_of_space");
        assert_eq!(get(&store, "before").await.unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(get(&store, "more").await.unwrap(), None);
    }
    for key in &written {
        assert!(get(&store, key).await.unwrap().is_some());
    }
    faults.0.full_at.store(0, Ordering::SeqCst);
    set(&store, "more", &value).await.unwrap();
    assert!(get(&store, "more").await.unwrap().is_some());
    store.close().await;
    let store = open(directory.path()).await.unwrap();
    assert!(get(&store, "more").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_is_never_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (store, faults) = faulty(directory.path());
    set(&store, "a", b"1").await.unwrap();
    let watch = store.watch("a").await.unwrap();
    faults.0.sync_fails.store(true, Ordering::SeqCst);
    let tx = store.begin();
    tx.set("a", b"2").unwrap();
    assert_eq!(tx.commit().await.unwrap_err().code(), "store.commit_unknown");
    assert_eq!(watch.await.unwrap_err().code(), "store.watch_cancelled");
    assert!(set(&store, "a", b"3").await.is_err());
    faults.0.sync_fails.store(false, Ordering::SeqCst);
    // It is tried again at the next commit, at most so often.
    while let Err(error) = set(&store, "a", b"4").await {
        assert_eq!(error.code(), "store.io");
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&store, "a").await.unwrap().as_deref(), Some(&b"4"[..]));
}

#[tokio::test]
async fn what_is_wrong_with_a_directory_is_said() {
    let root = tempfile::tempdir().unwrap();
    let check = async |name: &str, code: &str| {
        let error = open(&root.path().join(name)).await.unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
    };
    let make = async |name: &str| {
        let path = root.path().join(name);
        let store = open(&path).await.unwrap();
        set(&store, "key", b"value").await.unwrap();
        store.close().await;
        path
    };
    std::fs::create_dir(root.path().join("foreign")).unwrap();
    std::fs::write(root.path().join("foreign/letter.txt"), "Dear").unwrap();
    check("foreign", "store.not_a_store").await;
    std::fs::write(root.path().join("file"), "").unwrap();
    check("file", "store.io").await;

    std::fs::write(make("newer").await.join("format"), "coditect-store 2\n").unwrap();
    check("newer", "store.newer_format").await;
    for (name, text) in [("odd", "coditect-store x"), ("old", "coditect-store 0"), ("empty", "")] {
        std::fs::write(make(name).await.join("format"), text).unwrap();
        check(name, "store.corrupt").await;
    }
    std::fs::write(make("garbage").await.join("data.redb"), vec![0x5a; 100_000]).unwrap();
    check("garbage", "store.corrupt").await;
    std::fs::write(make("nothing").await.join("data.redb"), "").unwrap();
    check("nothing", "store.corrupt").await;
    std::fs::remove_file(make("missing").await.join("data.redb")).unwrap();
    check("missing", "store.corrupt").await;
    let cut = make("cut").await.join("data.redb");
    std::fs::File::options().write(true).open(&cut).unwrap().set_len(5_000).unwrap();
    check("cut", "store.corrupt").await;
}

#[tokio::test]
async fn data_without_a_format_are_not_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path()).await.unwrap();
    set(&store, "key", b"value").await.unwrap();
    store.close().await;
    let format = root.path().join("format");
    let text = std::fs::read(&format).unwrap();
    std::fs::remove_file(&format).unwrap();
    assert_eq!(open(root.path()).await.unwrap_err().code(), "store.corrupt");
    std::fs::write(&format, text).unwrap();
    assert!(get(&open(root.path()).await.unwrap(), "key").await.unwrap().is_some());
}

#[test]
fn a_failed_read_lets_the_file_be_opened_again() {
    let root = tempfile::tempdir().unwrap();
    let (mut storage, before) = EmbeddedStorage::open(DataFile::open(root.path(), 1 << 20).unwrap()).unwrap();
    let set = Mutation::Set { key: Bytes::from_static(b"k"), value: Bytes::from_static(b"v") };
    let applied = storage.apply(&[Commit { version: 5, mutations: vec![set] }]);
    assert!(matches!(applied, Applied { result: Ok(()), state: Some(State::Open(snapshot)) } if snapshot.version == 5));
    assert_eq!(before.get(b"k").unwrap(), None);
    assert!(storage.idle().is_none() && storage.idle().is_none());
    storage.failed.store(true, Ordering::SeqCst);
    let Some(State::Open(after)) = storage.idle() else { panic!("it was not opened again") };
    assert_eq!((after.version, after.get(b"k").unwrap().as_deref()), (5, Some(&b"v"[..])));
    assert!(storage.idle().is_none());
}

#[test]
fn a_start_after_a_crash_is_prepared_while_idle() {
    let root = tempfile::tempdir().unwrap();
    let crash_after = |is_idle: bool| {
        let (mut storage, _) = EmbeddedStorage::open(DataFile::open(root.path(), 1 << 20).unwrap()).unwrap();
        let set = Mutation::Set { key: Bytes::from_static(b"k"), value: Bytes::from_static(b"v") };
        assert!(storage.apply(&[Commit { version: 9, mutations: vec![set] }]).result.is_ok());
        if is_idle {
            assert!(storage.idle().is_none());
        }
        // The file as a crash would leave it.
        let crashed = root.path().join("crashed.redb");
        std::fs::copy(root.path().join("data.redb"), &crashed).unwrap();
        let repairs = Arc::new(AtomicBool::new(false));
        let repaired = repairs.clone();
        let mut builder = redb::Builder::new();
        builder.set_repair_callback(move |_| repaired.store(true, Ordering::SeqCst));
        drop(builder.open(&crashed).unwrap());
        repairs.load(Ordering::SeqCst)
    };
    assert!(crash_after(false));
    assert!(!crash_after(true));
}

#[tokio::test]
async fn a_first_start_that_was_broken_off_is_done_again() {
    let root = tempfile::tempdir().unwrap();
    for name in ["lock", "data.redb.new", "format.new"] {
        std::fs::write(root.path().join(name), "half").unwrap();
    }
    let store = open(root.path()).await.unwrap();
    set(&store, "key", b"value").await.unwrap();
}

#[tokio::test]
async fn two_cannot_open_one_directory() {
    let root = tempfile::tempdir().unwrap();
    let first = open(root.path()).await.unwrap();
    assert_eq!(open(root.path()).await.unwrap_err().code(), "store.locked");
    first.close().await;
    open(root.path()).await.unwrap();
}

#[tokio::test]
async fn only_its_user_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a/b");
    open(&path).await.unwrap().close().await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for file in ["data.redb", "format", "lock"] {
        assert_eq!(mode(&path.join(file)), 0o600, "{file}");
    }
}
