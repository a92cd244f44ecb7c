use super::*;
use coditect_protocol::RelPath;
use std::cell::Cell;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::credential::Asks;
use crate::progress::Progress;
use crate::serve::Settings;

const FILES: usize = 40;
/// A time before all others, at which nothing is written any more.
const LONG_AGO: Duration = Duration::from_secs(1_000_000_000);

/// A repository whose files are those of its one commit.
struct Bench {
    folder: TempDir,
    work: Work,
    replaced: Cell<u64>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("work");
        std::fs::create_dir(&root).unwrap();
        let (frames, _) = mpsc::channel(1);
        let settings = Settings { root: root.clone(), program: "git".into(), helper: PathBuf::new() };
        let work = Work {
            id: 1,
            settings: Arc::new(settings),
            repository: RelPath::root(),
            folder: root,
            cancel: CancellationToken::new(),
            progress: Progress::new(1, frames.clone()),
            asks: Arc::new(Asks::new(frames)),
            room: Arc::new(Semaphore::new(2)),
            refreshes: Arc::default(),
        };
        let bench = Self { folder, work, replaced: Cell::new(0) };
        bench.git(&["init", "--quiet"]);
        for n in 0..FILES {
            std::fs::write(bench.file(n), format!("content {n}\n")).unwrap();
            // In no case in the second in which the index is written.
            set_modified(&bench.file(n), LONG_AGO - Duration::from_secs(60));
        }
        bench.git(&["add", "."]);
        bench.git(&["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", "All"]);
        bench
    }

    fn git(&self, args: &[&str]) -> String {
        let mut git = Command::new("git");
        git.env("HOME", "/nowhere").env("GIT_CONFIG_NOSYSTEM", "1").current_dir(&self.work.folder);
        let output = git.args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn file(&self, n: usize) -> PathBuf {
        self.work.folder.join(format!("file-{n:02}"))
    }

    fn in_git(&self, name: &str) -> PathBuf {
        self.work.folder.join(".git").join(name)
    }

    /// Puts files of the same content in the place of all, as a restored backup does.
    fn replace_files(&self) {
        // In no case those of before: a file system may give the same numbers again within a second, and git looks no closer.
        self.replaced.set(self.replaced.get() + 1);
        let time = LONG_AGO + Duration::from_secs(self.replaced.get());
        for n in 0..FILES {
            let copy = self.folder.path().join("copy");
            std::fs::copy(self.file(n), &copy).unwrap();
            set_modified(&copy, time);
            std::fs::rename(copy, self.file(n)).unwrap();
        }
        assert_eq!(self.compared(), FILES);
    }

    /// Has all files and the index come from one moment.
    fn set_all(&self, time: Duration) {
        for n in 0..FILES {
            set_modified(&self.file(n), time);
        }
        self.git(&["update-index", "-q", "--refresh"]);
        set_modified(&self.in_git(INDEX), time);
        assert_eq!(self.compared(), 0);
    }

    /// How many files git compares, or finds changed: it refreshes nothing to answer this.
    fn compared(&self) -> usize {
        self.git(&["diff-files", "--name-only"]).lines().count()
    }

    fn copy(&self) -> Copy {
        Copy::of(&self.work.folder.join(".git")).unwrap().expect("nobody else is at it")
    }

    async fn refresh(&self) -> Refreshed {
        refresh(&self.work).await.unwrap()
    }

    /// What begins after a status that took long, to its end.
    async fn after_a_slow_status(&self) {
        wanted(&self.work, REFRESH_AFTER).expect("an attempt").await;
    }

    /// Nothing of an attempt is left; what else is there is as it was.
    #[track_caller]
    fn is_tidy(&self, index: &Identity) {
        assert_eq!(&self.index(), index);
        let ours = [COPY, COPY_LOCK].map(|name| self.in_git(name).symlink_metadata().is_ok());
        assert_eq!(ours, [false; 2]);
    }

    fn index(&self) -> Identity {
        Identity::of(&self.in_git(INDEX).symlink_metadata().unwrap())
    }
}

fn set_modified(path: &Path, since: Duration) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(UNIX_EPOCH + since)).unwrap();
}

#[tokio::test]
async fn an_index_fits_its_files_again_and_hides_no_change() {
    let bench = Bench::new();
    bench.replace_files();
    std::fs::write(bench.file(7), "CONTENT 7\n").unwrap();
    assert!(wanted(&bench.work, REFRESH_AFTER - Duration::from_millis(1)).is_none());
    bench.after_a_slow_status().await;
    assert_eq!(bench.git(&["diff-files", "--name-only"]), "file-07\n");
    assert_eq!(bench.git(&["status", "--porcelain"]), " M file-07\n");
    let index = bench.index();
    assert_eq!(bench.refresh().await, Refreshed::Needless);
    bench.is_tidy(&index);
    assert!(!bench.in_git(INDEX_LOCK).exists());
    bench.git(&["fsck", "--strict"]);
}

#[tokio::test]
async fn a_change_in_the_second_of_the_index_is_not_hidden() {
    let bench = Bench::new();
    // All that git tells such a change by is that the file is not older than the index.
    bench.git(&["config", "core.trustctime", "false"]);
    bench.set_all(LONG_AGO);
    std::fs::write(bench.file(7), "CONTENT 7\n").unwrap();
    set_modified(&bench.file(7), LONG_AGO);
    assert_eq!(bench.refresh().await, Refreshed::Done);
    assert_eq!(bench.git(&["diff-files", "--name-only"]), "file-07\n");
    assert_eq!(bench.git(&["status", "--porcelain"]), " M file-07\n");
}

#[tokio::test]
async fn files_of_the_second_of_the_index_are_compared_once() {
    let bench = Bench::new();
    bench.set_all(LONG_AGO);
    bench.after_a_slow_status().await;
    let index = bench.index();
    assert!(index.modified.0 > LONG_AGO.as_secs().cast_signed());
    assert_eq!(bench.refresh().await, Refreshed::Needless);
    // One in ten is enough, whose content is compared by each status; git writes the index for a single one.
    bench.set_all(LONG_AGO);
    for n in (0..FILES).filter(|n| n % 10 != 0) {
        set_modified(&bench.file(n), LONG_AGO - Duration::from_secs(1));
    }
    bench.git(&["update-index", "-q", "--refresh"]);
    set_modified(&bench.in_git(INDEX), LONG_AGO);
    assert_eq!(bench.refresh().await, Refreshed::Done);
    // Of those that come from the future it would be of no use.
    let future = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + LONG_AGO;
    bench.set_all(future);
    assert_eq!(bench.refresh().await, Refreshed::Needless);
}

#[tokio::test]
async fn whoever_was_quicker_is_right() {
    let bench = Bench::new();
    bench.replace_files();
    let copy = bench.copy();
    assert!(refresh_copy(&bench.work, copy.path.clone(), u64::from(u32::MAX)).await.is_ok());
    std::fs::write(bench.file(7), "staged\n").unwrap();
    bench.git(&["add", "file-07"]);
    let index = bench.index();
    assert_eq!(copy.replace().unwrap(), Refreshed::Overtaken);
    bench.is_tidy(&index);
    assert_eq!(bench.git(&["diff", "--cached", "--name-only"]), "file-07\n");
    // Written in its place, by something that is not git.
    let copy = bench.copy();
    std::fs::write(bench.in_git(INDEX), std::fs::read(bench.in_git(INDEX)).unwrap()).unwrap();
    set_modified(&bench.in_git(INDEX), LONG_AGO);
    assert_eq!(copy.replace().unwrap(), Refreshed::Overtaken);
    let copy = bench.copy();
    std::fs::remove_file(bench.in_git(INDEX)).unwrap();
    assert_eq!(copy.replace().unwrap(), Refreshed::Overtaken);
    assert!(!bench.in_git(INDEX).exists());
}

#[tokio::test]
async fn a_lock_is_respected_and_stays() {
    let bench = Bench::new();
    bench.replace_files();
    let index = bench.index();
    let (copy, lock) = (bench.copy(), bench.in_git(INDEX_LOCK));
    std::fs::write(&lock, "theirs").unwrap();
    assert_eq!(copy.replace().unwrap(), Refreshed::Overtaken);
    assert_eq!(bench.refresh().await, Refreshed::Needless);
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "theirs");
    bench.is_tidy(&index);
    std::fs::remove_file(lock).unwrap();
    // Another helper is at it, or another request of this one.
    let folder = File::open(bench.in_git("")).unwrap();
    flock(&folder, FlockOperation::LockExclusive).unwrap();
    assert_eq!(bench.refresh().await, Refreshed::Overtaken);
    flock(&folder, FlockOperation::Unlock).unwrap();
    let turn = bench.work.refreshes.begin(&bench.work.folder);
    assert!(turn.is_some() && wanted(&bench.work, REFRESH_AFTER).is_none());
    drop(turn);
    bench.after_a_slow_status().await;
    assert_eq!(bench.compared(), 0);
}

#[tokio::test]
async fn what_is_of_no_use_is_not_tried_again() {
    let bench = Bench::new();
    for n in 0..FILES {
        std::fs::write(bench.file(n), format!("CONTENT {n}\n")).unwrap();
        set_modified(&bench.file(n), LONG_AGO);
    }
    let index = bench.index();
    bench.after_a_slow_status().await;
    bench.is_tidy(&index);
    assert!(wanted(&bench.work, REFRESH_AFTER).is_none());
    // As many are remembered as there is room for, the last ones.
    for n in 1..MAX_GIVEN_UP {
        bench.work.refreshes.give_up(Path::new(&n.to_string()));
    }
    assert!(wanted(&bench.work, REFRESH_AFTER).is_none());
    bench.work.refreshes.give_up(Path::new("one more"));
    assert!(wanted(&bench.work, REFRESH_AFTER).is_some());
    assert_eq!(bench.work.refreshes.given_up.lock().unwrap().len(), MAX_GIVEN_UP);
    // What could not be tried at all is of no use, too; what was cancelled may be another time.
    let other = Bench::new();
    other.replace_files();
    std::fs::create_dir(other.in_git(COPY)).unwrap();
    other.after_a_slow_status().await;
    assert!(wanted(&other.work, REFRESH_AFTER).is_none());
    let cancelled = Bench::new();
    cancelled.work.cancel.cancel();
    cancelled.replace_files();
    cancelled.after_a_slow_status().await;
    assert_eq!(cancelled.compared(), FILES);
    assert!(wanted(&cancelled.work, REFRESH_AFTER).is_some());
    cancelled.work.refreshes.end().await;
    assert!(wanted(&cancelled.work, REFRESH_AFTER).is_none());
}

#[tokio::test]
async fn nothing_that_a_repository_names_runs() {
    let bench = Bench::new();
    let [spy, ran] = ["spy", "ran"].map(|name| bench.folder.path().join(name));
    std::fs::write(&spy, format!("#!/bin/sh\ntouch {}\ncat\n", ran.display())).unwrap();
    std::fs::set_permissions(&spy, std::fs::Permissions::from_mode(0o755)).unwrap();
    let hooks = bench.in_git("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    std::fs::copy(&spy, hooks.join("post-index-change")).unwrap();
    for key in ["filter.spy.clean", "core.fsmonitor"] {
        bench.git(&["config", key, spy.to_str().unwrap()]);
    }
    std::fs::write(bench.in_git("info/attributes"), "* filter=spy\n").unwrap();
    bench.replace_files();
    let _ = std::fs::remove_file(&ran);
    bench.after_a_slow_status().await;
    assert!(!ran.exists());
    assert_eq!(bench.git(&["-c", "core.fsmonitor=false", "diff-files", "--name-only"]), "");
    bench.replace_files();
    bench.git(&["update-index", "-q", "--refresh"]);
    assert!(ran.exists(), "a test of nothing");
}

#[tokio::test]
async fn no_link_is_followed_and_no_index_in_parts_is_touched() {
    let bench = Bench::new();
    bench.replace_files();
    let precious = bench.folder.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    for name in [COPY, COPY_LOCK] {
        std::os::unix::fs::symlink(&precious, bench.in_git(name)).unwrap();
    }
    bench.after_a_slow_status().await;
    assert_eq!(bench.compared(), 0);
    bench.is_tidy(&bench.index());
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
    bench.replace_files();
    let elsewhere = bench.folder.path().join("elsewhere");
    std::fs::rename(bench.in_git(INDEX), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, bench.in_git(INDEX)).unwrap();
    assert_eq!(bench.refresh().await, Refreshed::Needless);
    assert!(Copy::of(&bench.in_git("")).is_err());
    std::fs::rename(&elsewhere, bench.in_git(INDEX)).unwrap();
    bench.git(&["update-index", "--split-index"]);
    bench.replace_files();
    let index = bench.index();
    assert_eq!(bench.refresh().await, Refreshed::Needless);
    bench.is_tidy(&index);
}
