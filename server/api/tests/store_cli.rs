//! What an operator does with a store, through the program itself.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use coditect_store::{Store, Subspace};

/// What takes longer does not happen.
const PATIENCE: Duration = Duration::from_secs(30);

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn url(&self, name: &str) -> String {
        format!("embedded://{}", self.path(name).display())
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coditect-v5-api"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// Runs to the end, quietly; answers what was printed.
fn succeeds(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs, and fails with this code and status.
fn fails(args: &[&str], code: &str, status: i32) {
    let output = run(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{args:?}: {output:?}");
    assert!(said.contains(&format!("({code})")) && output.stdout.is_empty(), "{args:?}: {said}");
}

fn digest(printed: &str) -> &str {
    printed.lines().find_map(|line| line.strip_prefix("sha256: ")).unwrap()
}

async fn fill(url: &str, rows: u64, value: usize) -> Store {
    let store = Store::open(url).await.unwrap();
    for begin in (0..rows).step_by(100) {
        let write = |tx: coditect_store::Transaction| async move {
            (begin..rows.min(begin + 100)).try_for_each(|row| {
                tx.set(Subspace::root(["auth", "workspace"][usize::from(row % 3 == 0)]).pack(&row), vec![b'v'; value])
            })
        };
        store.transact(write).await.unwrap();
    }
    store
}

/// The server, until it is told to stop.
struct Server(Child);

impl Server {
    fn start(data: &Path, store: &str) -> Command {
        let data = data.to_str().unwrap();
        let mut command =
            command(&["serve", "--listen", "127.0.0.1:0", "--data", data, "--llm-discover", "off", "--store", store]);
        command.current_dir(data).stdout(Stdio::null());
        command
    }

    fn ready(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("ready")), "the server did not start");
        // Read on, so that the server never waits for somebody to read.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_backup_goes_out_and_comes_back() {
    let place = Place::new();
    let (url, file) = (place.url("a"), place.path("a.backup"));
    let file = file.to_str().unwrap();
    fill(&url, 500, 90).await.close().await;
    let checked = succeeds(&["store", "check", "--store", &url]);
    assert!(checked.contains("pages: all") && checked.contains("workspace") && checked.contains("500"), "{checked}");
    let made = succeeds(&["store", "backup", "--store", &url, "--to", file]);
    assert!(made.starts_with("backed up: 500 rows, ") && made.contains("one state"), "{made}");
    assert_eq!(digest(&made), digest(&checked));
    assert_eq!(digest(&succeeds(&["store", "check", "--backup", file])), digest(&checked));

    let other = place.url("b");
    let restored = succeeds(&["store", "restore", "--from", file, "--store", &other]);
    assert_eq!(digest(&restored), digest(&checked));
    assert_eq!(digest(&succeeds(&["store", "check", "--store", &other])), digest(&checked));
    fails(&["store", "restore", "--from", file, "--store", &other], "store.not_empty", 1);
    fill(&other, 700, 1).await.close().await;
    succeeds(&["store", "restore", "--from", file, "--store", &other, "--replace"]);
    assert_eq!(digest(&succeeds(&["store", "check", "--store", &other])), digest(&checked));

    let copied = succeeds(&["store", "copy", "--from", &other, "--to", &place.url("c")]);
    assert!(copied.starts_with("copied and compared: 500 rows"), "{copied}");
    assert_eq!(digest(&copied), digest(&checked));
    fails(&["store", "copy", "--from", &other, "--to", &other], "store.locked", 1);
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let place = Place::new();
    let (url, file) = (place.url("a"), place.path("a.backup"));
    let file = file.to_str().unwrap();
    fill(&url, 50, 90).await.close().await;
    succeeds(&["store", "backup", "--store", &url, "--to", file]);
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, &bytes).unwrap();
    fails(&["store", "restore", "--from", file, "--store", &place.url("b")], "store.backup_corrupt", 1);
    fails(&["store", "check", "--backup", file], "store.backup_corrupt", 1);
    fails(&["store", "check", "--backup", "/nowhere/a.backup"], "store.io", 1);
    fails(&["store", "backup", "--store", "postgres://x", "--to", file], "store.bad_url", 2);
    fails(&["store", "backup", "--store", &url], "config.flags", 2);
    fails(&["store", "check"], "config.flags", 2);
    fails(&["store", "copy", "--from", &url, "--to", &url, "--resume", "--replace"], "config.flags", 2);
    let letter = place.path("letter");
    std::fs::write(&letter, "Dear Sir").unwrap();
    fails(&["store", "backup", "--store", &url, "--to", letter.to_str().unwrap()], "store.backup_destination", 1);
    for name in ["backup", "restore", "copy", "check"] {
        let help = run(&["store", name, "--help"]);
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(help.status.success() && text.contains("Exit status") && text.contains("embedded:///"), "{text}");
    }
}

#[tokio::test]
async fn a_running_server_is_backed_up() {
    let place = Place::new();
    let (url, data, file) = (place.url("store"), place.path("data"), place.path("a.backup"));
    std::fs::create_dir(&data).unwrap();
    fill(&url, 300, 90).await.close().await;
    let server = Server::ready(Server::start(&data, &url));
    let file = file.to_str().unwrap();
    let made = succeeds(&["store", "backup", "--store", &url, "--to", file]);
    assert!(made.contains("one state"), "{made}");
    let checked = succeeds(&["store", "check", "--store", &url]);
    assert!(checked.contains("in use") && checked.contains("workspace"), "{checked}");
    fails(&["store", "restore", "--from", file, "--store", &url, "--replace"], "store.locked", 1);
    drop(server);
    let restored = place.url("restored");
    succeeds(&["store", "restore", "--from", file, "--store", &restored]);
    // A server starts on it.
    drop(Server::ready(Server::start(&data, &restored)));
}

/// Stands for a process that has the store open, and whose backup stops in the middle.
fn half_a_backup(socket: &Path, backup: Vec<u8>) -> std::thread::JoinHandle<()> {
    std::fs::remove_file(socket).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 9]).unwrap();
        // Until the other end is gone, which may be before it took all of it.
        let _ = stream.write_all(&backup[..backup.len() / 2]).and_then(|()| stream.read(&mut [0]));
    })
}

#[tokio::test]
async fn a_copy_that_is_interrupted_can_be_resumed_and_is_no_store_until_then() {
    let place = Place::new();
    let (from, to, data) = (place.url("from"), place.url("to"), place.path("data"));
    std::fs::create_dir(&data).unwrap();
    let store = fill(&from, 4_000, 4_000).await;
    let file = place.path("a.backup");
    store.backup(&file, |_| {}).await.unwrap();
    let other_end = half_a_backup(&place.path("from/backup.sock"), std::fs::read(&file).unwrap());
    let mut copying = command(&["store", "copy", "--from", &from, "--to", &to]).spawn().unwrap();
    let started = Instant::now();
    while std::fs::metadata(place.path("to/data.redb")).map_or(0, |file| file.len()) < 6_000_000 {
        assert!(started.elapsed() < PATIENCE && copying.try_wait().unwrap().is_none(), "nothing is copied");
        tokio::task::yield_now().await;
    }
    let id = rustix::process::Pid::from_raw(copying.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let output = copying.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--resume"), "{output:?}");
    other_end.join().unwrap();
    store.close().await;

    let refused = Server::start(&data, &to).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("store.unfinished"), "{refused:?}");
    fails(&["store", "copy", "--from", &from, "--to", &to], "store.unfinished", 1);
    fails(&["store", "check", "--store", &to], "store.unfinished", 1);
    let copied = succeeds(&["store", "copy", "--from", &from, "--to", &to, "--resume"]);
    assert_eq!(digest(&copied), digest(&succeeds(&["store", "check", "--store", &to])));
    drop(Server::ready(Server::start(&data, &to)));
}
