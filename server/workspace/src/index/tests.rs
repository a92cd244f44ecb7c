//! Indexes of real trees, beside walks of the same.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use coditect_protocol::RelPath;
use tempfile::TempDir;

use super::*;
use crate::tree::TreeSettings;
use crate::watch::WatchSettings;

/// A change that does not come within this time does not come.
const PATIENCE: Duration = Duration::from_secs(30);

struct Fixture {
    dir: TempDir,
    tree: Arc<Tree>,
    watchers: Watchers,
    indexes: Indexes,
}

impl Fixture {
    async fn new(files: &[(&str, &str)], idle_limit: Duration) -> Self {
        Self::with_limits(files, idle_limit, MAX_INDEXES_BYTES).await
    }

    async fn with_limits(files: &[(&str, &str)], idle_limit: Duration, max_bytes: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let watchers = Watchers::new(WatchSettings::default()).unwrap();
        let tree = Arc::new(Tree::open(dir.path().to_owned(), TreeSettings::default()).await.unwrap());
        let fixture =
            Self { tree, indexes: Indexes::with_limits(watchers.clone(), idle_limit, max_bytes), watchers, dir };
        for (path, text) in files {
            fixture.write(path, text);
        }
        fixture
    }

    fn real(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.real(path).parent().unwrap()).unwrap();
        fs::write(self.real(path), text).unwrap();
    }

    async fn find(&self, query: FindFiles) -> FoundPaths {
        let person = UserId(uuid::Uuid::new_v4());
        self.indexes.find_files(person, &self.tree, query, CancellationToken::new()).await.unwrap()
    }

    /// Until the index tells the same as a walk.
    async fn agrees(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut found = self.find(all()).await.paths;
            let person = UserId(uuid::Uuid::new_v4());
            let walked = find_files(person, self.dir.path().to_owned(), all(), CancellationToken::new()).await.unwrap();
            let mut walked = walked.paths;
            found.sort();
            walked.sort();
            if found == walked {
                return;
            }
            assert!(Instant::now() < deadline, "index: {found:?}, walk: {walked:?}");
            tokio::task::yield_now().await;
        }
    }
}

fn all() -> FindFiles {
    FindFiles { use_ignore_files: true, fuzzy: true, ..FindFiles::default() }
}

fn typed(pattern: &str) -> FindFiles {
    FindFiles { pattern: pattern.to_owned(), ..all() }
}

#[tokio::test]
async fn follows_what_happens_in_the_tree() {
    let files = [
        (".git/HEAD", ""),
        (".gitignore", "*.log\nout/\n"),
        ("a.rs", ""),
        ("b.log", ""),
        ("src/c.rs", ""),
        ("out/x", ""),
    ];
    let f = Fixture::new(&files, IDLE_LIMIT).await;
    f.agrees().await;
    assert_eq!(f.find(typed("c")).await.paths, ["src/c.rs"]);
    f.write("src/deep/er/d.rs", "");
    f.write("src/deep/er/d.log", "");
    f.write("out/y", "");
    f.agrees().await;
    fs::rename(f.real("src/deep"), f.real("moved")).unwrap();
    fs::remove_file(f.real("a.rs")).unwrap();
    f.agrees().await;
    // Rules that change, come and go.
    f.write(".gitignore", "*.rs\n");
    f.agrees().await;
    f.write("moved/.ignore", "!*.rs\n");
    f.agrees().await;
    f.write(".git/info/exclude", "b.*\n");
    fs::remove_file(f.real("moved/.ignore")).unwrap();
    f.agrees().await;
    fs::remove_dir_all(f.real(".git")).unwrap();
    f.agrees().await;
    fs::remove_dir_all(f.real("src")).unwrap();
    std::os::unix::fs::symlink("moved", f.real("src")).unwrap();
    f.agrees().await;
    assert_eq!(f.watchers.watched_trees(), 1);
}

#[tokio::test]
async fn answers_as_a_walk_does() {
    let files = [
        ("src/main.rs", ""),
        ("src/domain/index.ts", ""),
        ("node_modules/m/index.js", ""),
        (".git/HEAD", ""),
        (".gitignore", "ignored"),
        ("ignored/x.ts", ""),
    ];
    let f = Fixture::new(&files, IDLE_LIMIT).await;
    let queries = [
        typed("index"),
        FindFiles { include: vec!["*.ts".to_owned()], ..all() },
        FindFiles { exclude: vec!["node_modules".to_owned()], ..typed("i") },
        FindFiles { exclude: vec!["src/*".to_owned()], ..all() },
        FindFiles { folder: RelPath::parse("src").unwrap(), ..all() },
        FindFiles { folder: RelPath::parse("ignored").unwrap(), ..all() },
        FindFiles { folder: RelPath::parse("nowhere").unwrap(), ..all() },
        FindFiles { use_ignore_files: false, ..typed("x") },
        FindFiles { limit: 2, ..all() },
        FindFiles { fuzzy: false, ..typed("n/m") },
    ];
    for query in queries {
        let person = UserId(uuid::Uuid::new_v4());
        let walked =
            find_files(person, f.dir.path().to_owned(), query.clone(), CancellationToken::new()).await.unwrap();
        assert_eq!(f.find(query.clone()).await, walked, "{query:?}");
    }
}

#[tokio::test]
async fn is_shared_and_goes_when_nobody_uses_it() {
    let f = Fixture::new(&[("a", "")], Duration::from_millis(50)).await;
    let (one, two) = tokio::join!(f.find(all()), f.find(all()));
    assert_eq!((one, f.watchers.watched_trees()), (two, 1));
    assert_eq!(f.indexes.size(&f.tree).unwrap().files, 1);
    let deadline = Instant::now() + PATIENCE;
    while f.indexes.size(&f.tree).is_some() || f.watchers.watched_trees() > 0 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(f.find(all()).await.paths, ["a"]);
}

#[tokio::test]
async fn the_index_used_longest_ago_makes_room() {
    let f = Fixture::with_limits(&[("a", "")], IDLE_LIMIT, 1000).await;
    f.find(all()).await;
    let other = TempDir::new().unwrap();
    for number in 0..100 {
        fs::write(other.path().join(format!("file{number}")), "").unwrap();
    }
    let tree = Arc::new(Tree::open(other.path().to_owned(), TreeSettings::default()).await.unwrap());
    let search = async |tree| {
        let person = UserId(uuid::Uuid::new_v4());
        f.indexes.find_files(person, tree, all(), CancellationToken::new()).await.unwrap().paths.len()
    };
    assert!(f.indexes.size(&f.tree).is_some());
    assert_eq!(search(&tree).await, 100);
    // It alone is more than there is room for; both are answered all the same.
    let deadline = Instant::now() + PATIENCE;
    while f.indexes.size(&f.tree).is_some() || f.indexes.size(&tree).is_some() {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    assert_eq!((search(&tree).await, search(&f.tree).await), (100, 1));
}

#[tokio::test]
async fn what_indexes_take_is_given_back() {
    let f = Fixture::new(&[("a", ""), ("b/c", "")], Duration::from_millis(50)).await;
    f.find(all()).await;
    let size = f.indexes.size(&f.tree).unwrap().bytes;
    assert_eq!(f.indexes.0.bytes.load(Ordering::Relaxed), size);
    fs::remove_dir_all(f.real("b")).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while f.indexes.0.bytes.load(Ordering::Relaxed) > 0 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// 200,000 files: what the index takes, how long a keystroke takes, and that a change is seen.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_files() {
    const FOLDERS: usize = 2000;
    const FILES: usize = 100;
    let f = Fixture::new(&[], IDLE_LIMIT).await;
    for folder in 0..FOLDERS {
        let path = f.real(&format!("packages/module{}/source{folder}", folder % 40));
        fs::create_dir_all(&path).unwrap();
        for file in 0..FILES {
            let name = ["component", "serviceWorker", "index", "file_system", "UserTable"][file % 5];
            fs::File::create(path.join(format!("{name}{file}.ts"))).unwrap();
        }
    }
    f.find(all()).await;
    let size = f.indexes.size(&f.tree).unwrap();
    assert_eq!(size.files, FOLDERS * FILES);
    assert!(size.bytes / size.files < 48, "{size:?}");
    let mut slowest = Duration::ZERO;
    for length in 1..="serviceworker7".len() {
        let began = Instant::now();
        let found = f.find(FindFiles { limit: 200, ..typed(&"serviceworker7"[..length]) }).await;
        slowest = slowest.max(began.elapsed());
        assert_eq!(found.paths.len(), 200);
    }
    eprintln!("{} bytes a path, slowest keystroke {slowest:?}", size.bytes / size.files);
    let mut subscription = f.watchers.subscribe(UserId(uuid::Uuid::new_v4()), &f.tree).await.unwrap();
    f.write("packages/module7/source7/the-new-one.ts", "");
    let told = tokio::time::timeout(PATIENCE, subscription.next()).await.unwrap().unwrap();
    assert!(matches!(told, crate::watch::WatchItem::Changes(_)), "{told:?}");
    let deadline = Instant::now() + PATIENCE;
    while f.find(typed("newone")).await.paths != ["packages/module7/source7/the-new-one.ts"] {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}
