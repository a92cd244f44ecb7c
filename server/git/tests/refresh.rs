//! What the program does to an index after a status that was slow.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod common;

use common::{Bench, path};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, UNIX_EPOCH};

/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// A status as slow as one that compares very many files.
const SLOW: &str = "*' status '*) sleep 0.3 ;;";

/// A repository whose files were replaced by others with the same content, and a `git` that does `first` before its work.
async fn restored(first: &str) -> Bench {
    let mut bench = Bench::with_repository().await;
    for n in 0..40 {
        bench.write(&format!("file-{n:02}"), format!("content {n}\n"));
    }
    bench.commit("All").await;
    for n in 0..40 {
        let file = bench.work().join(format!("file-{n:02}"));
        let copy = bench.folder.path().join("copy");
        std::fs::copy(&file, &copy).unwrap();
        let long_ago = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        std::fs::File::options().write(true).open(&copy).unwrap().set_modified(long_ago).unwrap();
        std::fs::rename(copy, file).unwrap();
    }
    let programs = bench.folder.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    let path = std::env::var("PATH").unwrap();
    let git = std::env::split_paths(&path).map(|folder| folder.join("git")).find(|file| file.is_file()).unwrap();
    let script = format!("#!/bin/sh\ncase \" $* \" in\n{first}\nesac\nexec '{}' \"$@\"\n", git.display());
    std::fs::write(programs.join("git"), script).unwrap();
    std::fs::set_permissions(programs.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    bench.restart(&format!("{}:{path}", programs.display()));
    bench
}

/// Files that git compares or finds changed.
fn compared(bench: &Bench) -> usize {
    bench.git(&["diff-files", "--name-only"]).lines().count()
}

async fn until(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it should come true");
}

#[tokio::test]
async fn a_slow_status_is_the_last_one() {
    let mut bench = restored(SLOW).await;
    bench.write("file-07", "CONTENT 7\n");
    assert_eq!(compared(&bench), 40);
    let status = bench.status().await;
    assert_eq!(status.entries.iter().map(|entry| entry.path.clone()).collect::<Vec<_>>(), [path("file-07")]);
    until(|| compared(&bench) == 1).await;
    assert_eq!(bench.git(&["diff-files", "--name-only"]), "file-07\n");
    assert_eq!(bench.status().await, status);
    assert!(bench.close().await.success());
}

#[tokio::test]
async fn one_that_is_under_way_ends_with_the_program_and_leaves_nothing() {
    let mut bench = restored(&format!("{SLOW}\n*' update-index '*) echo > ../begun; exec sleep 600 ;;")).await;
    bench.status().await;
    let begun = bench.folder.path().join("begun");
    until(|| begun.exists()).await;
    let folder = bench.work().join(".git");
    assert!(folder.join("index.coditect").exists());
    // Others go on meanwhile, and no second one begins.
    std::fs::remove_file(&begun).unwrap();
    assert!(bench.status().await.entries.is_empty());
    bench.write("more", "x\n");
    bench.commit("More").await;
    assert!(!begun.exists());
    // Closing takes the bench's folder away.
    let kept = std::mem::replace(&mut bench.folder, tempfile::tempdir().unwrap());
    assert!(bench.close().await.success());
    let left = std::fs::read_dir(kept.path().join("work/.git")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.starts_with("index.")), "{left:?}");
}
