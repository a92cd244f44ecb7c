use super::*;
use coditect_protocol::Coded as _;

const KIB: u64 = 1024;

fn meter(quota: u64) -> (tempfile::TempDir, Arc<Meter>) {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("files")).unwrap();
    let meter = Arc::new(Meter::new(dir.path().to_owned(), Some(quota)));
    (dir, meter)
}

#[test]
fn room_is_held_until_it_is_used_or_given_back() {
    let (_dir, meter) = meter(1024 * KIB);
    let empty = meter.usage(true).unwrap().bytes;
    let room = 1024 * KIB - empty;
    let mut first = meter.begin();
    first.grow(room - 10).unwrap();
    let mut second = meter.begin();
    second.grow(10).unwrap();
    assert_eq!(second.grow(1).unwrap_err().code(), "workspace.quota");
    drop(first);
    second.grow(1).unwrap();
    second.finish(0, 11);
    assert_eq!(meter.usage(false).unwrap().bytes, empty + 11);
    // Counted, it is what it is.
    assert_eq!(meter.usage(true).unwrap().bytes, empty);
}

#[test]
fn what_replaces_something_needs_only_what_it_has_more() {
    let (_dir, meter) = meter(1024 * KIB);
    let room = 1024 * KIB - meter.usage(true).unwrap().bytes;
    let mut writing = meter.begin();
    writing.replaces(700 * KIB);
    writing.grow(700 * KIB).unwrap();
    writing.grow(room).unwrap();
    assert!(writing.grow(1).is_err());
    drop(writing);
    meter.begin().grow(room).unwrap();
}

#[test]
fn a_file_being_written_counts_once() {
    use std::os::unix::fs::MetadataExt as _;
    let (dir, meter) = meter(u64::MAX);
    let before = meter.usage(true).unwrap();
    let path = dir.path().join("files/growing");
    std::fs::write(&path, vec![1; 256 * 1024]).unwrap();
    let facts = std::fs::metadata(&path).unwrap();
    let mut writing = meter.begin();
    writing.stands_for(facts.dev(), facts.ino());
    assert_eq!(meter.usage(true).unwrap(), before);
    drop(writing);
    assert!(meter.usage(true).unwrap().bytes >= before.bytes + 256 * KIB);
}

#[test]
fn a_folder_that_moves_while_it_is_walked_does_not_lead_elsewhere() {
    let (dir, _) = meter(0);
    for number in 0..40 {
        let folder = dir.path().join(format!("files/a/b/{number}/c/d"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("file"), "x").unwrap();
    }
    let (stop, root) = (Arc::new(std::sync::atomic::AtomicBool::new(false)), dir.path().join("files"));
    let mover = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::fs::rename(root.join("a/b"), root.join("moved")).unwrap();
                std::fs::rename(root.join("moved"), root.join("a/b")).unwrap();
            }
        }
    });
    for _ in 0..50 {
        match walk::count(dir.path(), &HashSet::new()) {
            Ok(count) => assert!(count.entries <= 2 * 164, "{count:?}"),
            Err(error) => assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::STALE.raw_os_error())),
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    mover.join().unwrap();
    assert_eq!(walk::count(dir.path(), &HashSet::new()).unwrap().entries, 1 + 2 + 40 * 4);
}

#[tokio::test(start_paused = true)]
async fn what_others_change_is_counted_after_a_pause() {
    let (dir, meter) = meter(u64::MAX);
    let before = meter.usage(true).unwrap().bytes;
    std::fs::write(dir.path().join("files/theirs"), vec![1; 256 * 1024]).unwrap();
    for _ in 0..1000 {
        meter.note_change();
    }
    assert!(meter.state().is_scheduled);
    // The clock of tests stands for the pause; the figures follow without anybody asking.
    while meter.state().counted.unwrap().bytes < before + 256 * KIB {
        tokio::time::sleep(LEAST_PAUSE).await;
    }
}
