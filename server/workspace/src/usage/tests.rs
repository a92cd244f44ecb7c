use super::*;
use coditect_protocol::Coded as _;
use std::sync::atomic::{AtomicBool, Ordering};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

fn limited(bytes: u64) -> Room {
    Room { bytes: Some(bytes), ..Room::default() }
}

fn meter(room: Room) -> (tempfile::TempDir, Arc<Meter>) {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("files")).unwrap();
    let meter = Arc::new(Meter::new(dir.path().to_owned(), Kind::Workspace, room));
    (dir, meter)
}

async fn now(meter: &Arc<Meter>) -> Counted {
    meter.count(None).await.unwrap()
}

#[tokio::test]
async fn room_is_held_until_it_is_used_or_given_back() {
    let (_dir, meter) = meter(limited(MIB));
    let empty = now(&meter).await.bytes;
    let room = MIB - empty;
    let mut first = meter.begin();
    first.grow(room - 10).unwrap();
    let mut second = meter.begin();
    second.grow(10).unwrap();
    let refused = second.grow(1).unwrap_err();
    assert_eq!(refused.code(), "workspace.quota");
    assert!(refused.to_string().contains("takes 1.0 MiB of the 1.0 MiB that it may, 1 B more do not fit"), "{refused}");
    drop(first);
    second.grow(1).unwrap();
    second.finish(0, 11);
    assert_eq!(meter.usage(false).await.unwrap().bytes, empty + 11);
    // Counted, it is what it is.
    assert_eq!(now(&meter).await.bytes, empty);
}

#[tokio::test]
async fn what_replaces_something_needs_only_what_it_has_more() {
    let (_dir, meter) = meter(limited(MIB));
    let room = MIB - now(&meter).await.bytes;
    let mut writing = meter.begin();
    writing.replaces(700 * KIB);
    writing.grow(700 * KIB).unwrap();
    writing.grow(room).unwrap();
    assert!(writing.grow(1).is_err());
    // What goes over bytes that were asked for already needs nothing more.
    writing.overlaps(5);
    writing.grow(5).unwrap();
    assert!(writing.grow(1).is_err());
    drop(writing);
    meter.begin().grow(room).unwrap();
}

#[tokio::test]
async fn replacing_one_file_many_times_at_once_takes_little_more_than_there_may_be() {
    let (_dir, meter) = meter(limited(100 * MIB));
    let mut taken = now(&meter).await.bytes;
    let mut writers = Vec::new();
    for _ in 0..100 {
        let mut writing = meter.begin();
        writing.replaces(90 * MIB);
        while writing.grow(MIB).is_ok() {
            taken += MIB;
        }
        writers.push(writing);
    }
    assert!(taken <= 100 * MIB + REPLACING_BYTES, "{taken}");
    drop(writers);
    assert_eq!(meter.state().spared, 0);
    assert!(meter.state().held.is_none());
}

#[tokio::test]
async fn a_file_being_written_counts_once() {
    use std::os::unix::fs::MetadataExt as _;
    let (dir, meter) = meter(limited(u64::MAX));
    let before = now(&meter).await.bytes;
    let path = dir.path().join("files/growing");
    std::fs::write(&path, vec![1; 256 * 1024]).unwrap();
    let facts = std::fs::metadata(&path).unwrap();
    let mut writing = meter.begin();
    writing.stands_for(facts.dev(), facts.ino());
    assert_eq!(now(&meter).await.bytes, before);
    drop(writing);
    assert!(now(&meter).await.bytes >= before + 256 * KIB);
}

#[tokio::test]
async fn files_are_limited_with_those_in_the_trash() {
    let (dir, meter) = meter(Room { entries: Some(10), ..Room::default() });
    let entries = now(&meter).await.all_entries;
    let mut writing = meter.begin();
    writing.add_entries(10 - entries).unwrap();
    assert_eq!(meter.begin().add_entries(1).unwrap_err().code(), "workspace.too_many_files");
    writing.grow(u64::MAX).unwrap();
    drop(writing);
    assert_eq!(meter.left().await, Some(u64::MAX.into()));
    std::fs::create_dir(dir.path().join("trash")).unwrap();
    for number in 0..10 {
        std::fs::write(dir.path().join(format!("trash/{number}")), "").unwrap();
    }
    let too_many = i128::from(now(&meter).await.all_entries) - 10;
    assert_eq!(meter.left().await, Some(-4096 * too_many));
    assert!(too_many > 0 && meter.begin().add_entries(1).is_err());
    assert_eq!(meter.state().counted.unwrap().entries, entries, "they are not shown as the person's");
}

#[tokio::test]
async fn the_last_of_the_disk_is_left_alone() {
    let (_dir, meter) = meter(Room { disk_reserve_bytes: u64::MAX / 2, ..Room::default() });
    let refused = meter.begin().grow(1).unwrap_err();
    assert_eq!((refused.code(), refused.is_of_room()), ("files.disk_reserve", false));
}

/// The runtime has one thread for blocking work, and the count that goes on is held up.
#[test]
fn who_waits_for_a_count_holds_no_thread_and_shares_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (_dir, meter) = meter(limited(u64::MAX));
        let held_up = Arc::clone(&meter.turn).lock_owned().await;
        let mut waiting: Vec<_> = (0..50)
            .map(|_| {
                let meter = Arc::clone(&meter);
                tokio::spawn(async move { meter.count(Some(&COUNTS)).await.unwrap().at })
            })
            .collect();
        let gone = waiting.pop().unwrap();
        tokio::task::yield_now().await;
        gone.abort();
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        assert!(waiting.iter().all(|task| !task.is_finished()));
        drop(held_up);
        let mut counts = HashSet::new();
        for task in waiting {
            counts.insert(task.await.unwrap());
        }
        assert_eq!(counts.len(), 1);
    });
}

#[tokio::test]
async fn nobody_has_it_counted_all_the_time_just_to_see() {
    let (dir, meter) = meter(Room::default());
    let before = meter.usage(true).await.unwrap();
    std::fs::write(dir.path().join("files/theirs"), vec![1; 256 * 1024]).unwrap();
    let age = |age: Duration, took: Duration| {
        let mut state = meter.state();
        let counted = state.counted.as_mut().unwrap();
        counted.at = Instant::now().checked_sub(age).unwrap();
        counted.took = took;
    };
    // A tree that takes long to count is counted less often.
    age(Duration::from_secs(10), Duration::from_secs(1));
    assert_eq!(meter.usage(true).await.unwrap(), before);
    age(Duration::from_secs(25), Duration::from_secs(1));
    assert!(meter.usage(true).await.unwrap().bytes >= before.bytes + 256 * KIB);
    // Soon enough it is waited for.
    age(Duration::from_millis(900), Duration::ZERO);
    std::fs::remove_file(dir.path().join("files/theirs")).unwrap();
    assert_eq!(meter.usage(true).await.unwrap(), before);
}

#[test]
fn a_folder_that_moves_while_it_is_walked_does_not_lead_elsewhere() {
    let dir = tempfile::TempDir::new().unwrap();
    for number in 0..40 {
        let folder = dir.path().join(format!("files/a/b/{number}/c/d"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("file"), "x").unwrap();
        std::fs::create_dir_all(dir.path().join(format!("files/kept/{number}"))).unwrap();
    }
    let (stop, root) = (Arc::new(AtomicBool::new(false)), dir.path().join("files"));
    let mover = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                std::fs::rename(root.join("a/b"), root.join("moved")).unwrap();
                std::fs::rename(root.join("moved"), root.join("a/b")).unwrap();
            }
        }
    });
    for _ in 0..50 {
        let count = walk::count(dir.path(), Kind::Workspace, &HashSet::new()).unwrap();
        // What keeps still is seen whatever else moves, and nothing that is not there.
        assert!(!count.is_partial && (2 + 41..=2 + 41 + 2 * 161).contains(&count.entries), "{count:?}");
    }
    stop.store(true, Ordering::Relaxed);
    mover.join().unwrap();
    let count = walk::count(dir.path(), Kind::Workspace, &HashSet::new()).unwrap();
    assert_eq!(count.entries, 2 + 41 + 1 + 40 * 4);
}

#[test]
fn a_deep_folder_that_moves_takes_away_only_what_is_beside_it() {
    let dir = tempfile::TempDir::new().unwrap();
    let deep = (0..60).fold(dir.path().join("files"), |above, _| above.join("d"));
    std::fs::create_dir_all(deep.join("here/below")).unwrap();
    std::fs::create_dir_all(dir.path().join("files/kept/below")).unwrap();
    let (stop, aside) = (Arc::new(AtomicBool::new(false)), dir.path().join("files/aside"));
    let mover = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                std::fs::rename(deep.join("here"), &aside).unwrap();
                std::fs::rename(&aside, deep.join("here")).unwrap();
            }
        }
    });
    for _ in 0..50 {
        let count = walk::count(dir.path(), Kind::Workspace, &HashSet::new()).unwrap();
        assert!(count.entries >= 1 + 60 + 2, "{count:?}");
    }
    stop.store(true, Ordering::Relaxed);
    mover.join().unwrap();
}

#[tokio::test]
async fn what_cannot_be_counted_as_a_whole_is_no_less_than_it_was() {
    let (dir, meter) = meter(limited(100 * MIB));
    let known = now(&meter).await;
    meter.state().counted.as_mut().unwrap().bytes = 50 * MIB;
    let seen = Count { bytes: 10 * MIB, entries: 7, all_entries: 7, trash_bytes: 0, is_partial: true };
    let taken = meter.state().taken(seen, Instant::now());
    assert_eq!((taken.bytes, taken.all_entries, taken.is_stale), (50 * MIB, known.all_entries.max(7), true));
    let more = Count { bytes: 60 * MIB, ..seen };
    assert_eq!(meter.state().taken(more, Instant::now()).bytes, 60 * MIB);
    // Where it cannot be counted at all, what is known stays, and programs may write nothing.
    assert!(meter.left().await.is_some());
    meter.state().counted.as_mut().unwrap().is_stale = false;
    std::fs::rename(dir.path().join("files"), dir.path().with_extension("gone")).unwrap();
    std::fs::remove_dir(dir.path()).unwrap();
    let before = meter.state().counted.unwrap();
    assert_eq!(meter.left().await, None);
    let after = meter.state().counted.unwrap();
    assert_eq!((after.bytes, after.at, after.is_stale), (before.bytes, before.at, true));
    assert_eq!(meter.usage(true).await.unwrap().bytes, before.bytes);
    std::fs::remove_dir(dir.path().with_extension("gone")).unwrap();
}

#[tokio::test]
async fn a_home_is_counted_with_all_that_is_in_it() {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("trash")).unwrap();
    std::fs::write(dir.path().join("trash/file"), "").unwrap();
    let meter = Arc::new(Meter::new(dir.path().to_owned(), Kind::Home, limited(MIB)));
    let counted = now(&meter).await;
    assert_eq!((counted.entries, counted.all_entries, counted.trash_bytes), (2, 2, 0));
    assert_eq!(meter.begin().grow(MIB + 1).unwrap_err().code(), "home.quota");
    std::fs::write(dir.path().join("large"), vec![1; 2 * 1024 * 1024]).unwrap();
    assert!(meter.left().await.is_some_and(|left| left < 0));
}

#[test]
fn a_folder_that_is_closed_meanwhile_is_not_opened_again() {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::TempDir::new().unwrap();
    let folder = std::fs::File::open(dir.path()).unwrap();
    let set = |mode| std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    let mode = || std::fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777;
    set(0o100);
    let opened = crate::tree::Opened::new(folder.as_fd(), rustix::fs::Mode::RUSR).unwrap();
    assert_eq!(mode(), 0o500);
    drop(opened);
    assert_eq!(mode(), 0o100);
    let opened = crate::tree::Opened::new(folder.as_fd(), rustix::fs::Mode::RUSR).unwrap();
    set(0o750);
    drop(opened);
    assert_eq!(mode(), 0o750);
}

#[tokio::test(start_paused = true)]
async fn what_others_change_is_counted_after_a_pause() {
    let (dir, meter) = meter(limited(u64::MAX));
    let before = now(&meter).await.bytes;
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
