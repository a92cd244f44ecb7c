//! Backups and copies, and what can go wrong with them.

use super::*;
use crate::backup::format::{Damage, HEADER_BYTES, PREAMBLE_BYTES, decode_all};
use crate::backup::online::SOCKET_FILE;
use crate::keys::Subspace;
use crate::tuple::Versionstamp;
use bytes::Bytes;
use coditect_protocol::Coded as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn quiet(_: Progress) {}

async fn memory() -> Store {
    Store::open("memory:").await.unwrap()
}

/// Rows of all lengths, in several directories.
async fn filled(store: &Store, rows: usize) {
    for (part, numbers) in (0..rows).collect::<Vec<_>>().chunks(200).enumerate() {
        store
            .transact(|tx| async move {
                for number in numbers {
                    let directory = Subspace::root(["auth", "workspace", "x"][number % 3]);
                    tx.set(directory.pack(&(*number, part)), vec![7; number % 17 * 100])?;
                }
                tx.set("no directory", "v")
            })
            .await
            .unwrap();
    }
}

async fn rows(store: &Store) -> Vec<KeyValue> {
    let mut source = Source::store(store).unwrap();
    let mut all = Vec::new();
    while let Some(rows) = source.next().await.unwrap() {
        all.extend(rows);
    }
    all
}

/// A store whose states last only as long as a transaction.
async fn short_lived() -> Store {
    crate::unsure::unsure(memory().await).0
}

#[tokio::test]
async fn a_backup_comes_back_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.backup");
    for store in [memory().await, short_lived().await] {
        filled(&store, 3_000).await;
        let seen = AtomicU64::new(0);
        let made = store.backup(&file, |progress| seen.store(progress.rows, Ordering::SeqCst)).await.unwrap();
        assert_eq!((made.rows, made.states, seen.into_inner()), (3_001, 1, 3_001));
        let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["a.backup"]);
        for target in [memory().await, short_lived().await] {
            if target.backend().raise_version(made.version).await.is_err() {
                filled(&target, 20_000).await;
            }
            let restored = target.restore(&file, OnTarget::Replace, quiet).await.unwrap();
            assert_eq!(restored, made);
            assert!(rows(&target).await == rows(&store).await);
            assert_eq!(target.restore(&file, OnTarget::Refuse, quiet).await.unwrap_err().code(), "store.not_empty");
            assert_eq!(target.restore(&file, OnTarget::Resume, quiet).await.unwrap_err().code(), "store.not_empty");
        }
        let checked = Origin::file(&file).check(quiet).await.unwrap();
        assert_eq!(checked.summary, made);
        assert_eq!(checked.directories["auth"].0 + checked.directories["workspace"].0, 2_000);
        assert_eq!(checked.directories[""], (1, 13));
    }
}

#[tokio::test]
async fn commits_whose_result_nobody_knows_do_not_break_a_copy() {
    use crate::unsure::CommitFault::{Conflict, UnknownDone, UnknownLost};
    let from = memory().await;
    filled(&from, 300).await;
    for faults in [[UnknownDone; 5], [UnknownLost, Conflict, UnknownDone, UnknownDone, UnknownLost]] {
        for on_target in [OnTarget::Refuse, OnTarget::Resume, OnTarget::Replace] {
            let target = memory().await;
            target.backend().raise_version(1_000).await.unwrap();
            let (target, script) = crate::unsure::unsure(target);
            script.play(&faults);
            Origin::store(from.clone()).copy_to(&target, on_target, quiet).await.unwrap();
            assert!(rows(&target).await == rows(&from).await);
        }
    }
}

#[tokio::test]
async fn an_empty_store_has_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("empty");
    let made = memory().await.backup(&file, quiet).await.unwrap();
    assert_eq!((made.rows, made.bytes), (0, 0));
    assert_eq!(memory().await.restore(&file, OnTarget::Refuse, quiet).await.unwrap(), made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_one_state() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("embedded://{}", directory.path().join("store").display());
    let store = Store::open(&url).await.unwrap();
    filled(&store, 2_000).await;
    let stop = AtomicBool::new(false);
    let write = async {
        // The two always agree, and every row of the tail has the number that the head has.
        for number in 0_u64.. {
            let number = &number.to_be_bytes();
            let write = |tx: Transaction| async move { tx.set("a", number).and_then(|()| tx.set("z", number)) };
            store.transact(write).await.unwrap();
            if stop.load(Ordering::SeqCst) {
                return;
            }
        }
    };
    let back_up = async {
        for number in 0..4 {
            let file = directory.path().join(format!("{number}.backup"));
            // Once by the process itself, once by asking it.
            let origin = if number % 2 == 0 { Origin::store(store.clone()) } else { Origin::open(&url).await.unwrap() };
            assert_eq!(origin.is_in_use(), number % 2 == 1);
            let made = origin.backup_to(&file, quiet).await.unwrap();
            assert_eq!(made.states, 1);
            let (rows, _) = decode_all(&std::fs::read(&file).unwrap().into()).unwrap();
            let value =
                |name: &str| rows.iter().find(|row| &row.key[..] == name.as_bytes()).map(|row| row.value.clone());
            assert_eq!(value("a"), value("z"));
        }
        stop.store(true, Ordering::SeqCst);
    };
    tokio::join!(write, back_up);
    store.close().await;
    assert!(!Origin::open(&url).await.unwrap().is_in_use());
}

#[tokio::test]
async fn versionstamps_go_on_behind_the_copied_ones() {
    let log = &Subspace::root("log");
    let append = async |store: &Store| {
        let write = |tx: Transaction| async move {
            tx.set_versionstamped_key(log.pack_with_versionstamp(&Versionstamp::incomplete(0))?, "")
        };
        store.transact(write).await.unwrap();
    };
    let (from, to) = (memory().await, memory().await);
    for _ in 0..50 {
        append(&from).await;
    }
    Origin::store(from.clone()).copy_to(&to, OnTarget::Refuse, quiet).await.unwrap();
    let last = rows(&to).await.pop();
    append(&to).await;
    let after = rows(&to).await;
    assert!(after.len() == 51 && after[49].key == last.unwrap().key);
    // Where versions cannot be raised, that is said, and nobody takes the copy for a whole one.
    let (behind, _) = crate::unsure::unsure(memory().await);
    let refused = Origin::store(from).copy_to(&behind, OnTarget::Refuse, quiet).await.unwrap_err();
    assert_eq!(refused.code(), "store.version_behind");
    assert_eq!(behind.refuse_unfinished().await, Err(StoreError::Unfinished));
}

#[tokio::test]
async fn a_damaged_backup_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("b.backup");
    let store = memory().await;
    filled(&store, 40).await;
    store.backup(&file, quiet).await.unwrap();
    let whole = std::fs::read(&file).unwrap();
    let target = memory().await;
    let damaged = async |bytes: &[u8], code: &str, what: &str| {
        std::fs::write(&file, bytes).unwrap();
        let error = target.restore(&file, OnTarget::Refuse, quiet).await.unwrap_err();
        assert_eq!(error.code(), code, "{what}: {error}");
        if code == "store.backup_corrupt" {
            let place = file.display().to_string();
            assert!(error.to_string().contains(&place) && error.to_string().contains("from byte"), "{error}");
        }
        assert!(rows(&target).await.is_empty() && target.refuse_unfinished().await.is_ok(), "{what}");
    };
    for at in (0..whole.len()).step_by(61).chain(whole.len() - 8..whole.len()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        // Another number of the format may be a newer one.
        if !(16..PREAMBLE_BYTES).contains(&at) {
            damaged(&bytes, "store.backup_corrupt", &format!("byte {at}")).await;
        }
        damaged(&whole[..at], "store.backup_corrupt", &format!("cut at {at}")).await;
    }
    damaged(&[&whole[..], b"x"].concat(), "store.backup_corrupt", "longer").await;
    damaged(b"", "store.backup_corrupt", "empty").await;
    damaged(b"Dear Sir", "store.backup_corrupt", "a letter").await;
    let mut newer = whole.clone();
    newer[16] = 2;
    damaged(&newer, "store.newer_format", "newer").await;
    std::fs::write(&file, &whole).unwrap();
    target.restore(&file, OnTarget::Refuse, quiet).await.unwrap();
}

#[test]
fn blocks_cannot_change_places() {
    let row = |key: &'static str| KeyValue { key: Bytes::from_static(key.as_bytes()), value: Bytes::new() };
    let about = crate::backup::format::About { made_at: 0, backend: String::new() };
    let make = |keys: &[&'static str], shuffle: bool| {
        let mut encoder = crate::backup::format::Encoder::default();
        let start = encoder.start(&about).unwrap();
        let mut blocks: Vec<Vec<u8>> = keys.iter().map(|key| encoder.rows(&[row(key)]).unwrap()).collect();
        if shuffle {
            blocks.reverse();
        }
        let end = encoder.end(1, 1).unwrap().0;
        Bytes::from([start, blocks.concat(), end].concat())
    };
    assert_eq!(decode_all(&make(&["a", "b"], false)).unwrap().0.len(), 2);
    for (bytes, what) in [
        (make(&["a", "b"], true), "where it belongs"),
        (make(&["b", "a"], false), "in order"),
        (make(&["a", "a"], false), "in order"),
        (make(&["\u{fff}".repeat(4_000).leak()], false), "larger"),
    ] {
        let Err(Damage::Because(detail)) = decode_all(&bytes) else { panic!("{what}") };
        assert!(detail.contains(what), "{detail}");
    }
    let mut long = make(&["a"], false).to_vec();
    long[PREAMBLE_BYTES + 9..PREAMBLE_BYTES + HEADER_BYTES].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(decode_all(&long.into()).is_err());
}

#[tokio::test]
async fn nothing_but_a_backup_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let store = memory().await;
    let letter = directory.path().join("letter");
    std::fs::write(&letter, "Dear Sir").unwrap();
    for (path, code) in [
        (letter.clone(), "store.backup_destination"),
        (directory.path().to_owned(), "store.backup_destination"),
        (directory.path().join("none/x"), "store.io"),
    ] {
        let error = store.backup(&path, quiet).await.unwrap_err();
        assert_eq!(error.code(), code, "{}: {error}", path.display());
    }
    assert_eq!(std::fs::read(&letter).unwrap(), b"Dear Sir");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_backup_that_is_given_up_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = memory().await;
    filled(&store, 20_000).await;
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = Mutex::new(Some(tell));
    let file = directory.path().join("c.backup");
    {
        let first = |_: Progress| {
            let _ = tell.lock().unwrap().take().map(|tell| tell.send(()));
        };
        let backup = std::pin::pin!(store.backup(&file, first));
        tokio::select! {
            biased;
            _ = told => {}
            done = backup => panic!("{done:?}"),
        }
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_copy_that_is_broken_off_is_no_store_until_it_is_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("embedded://{}", directory.path().display());
    let from = memory().await;
    filled(&from, 20_000).await;
    let origin = Origin::store(from.clone());
    let target = Store::open(&url).await.unwrap();
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = Mutex::new(Some(tell));
    {
        let some = |progress: Progress| {
            if progress.rows > 5_000 {
                let _ = tell.lock().unwrap().take().map(|tell| tell.send(()));
            }
        };
        let copying = std::pin::pin!(origin.copy_to(&target, OnTarget::Refuse, some));
        tokio::select! {
            biased;
            _ = told => {}
            done = copying => panic!("{done:?}"),
        }
    }
    target.close().await;
    assert_eq!(Store::open(&url).await.unwrap_err().code(), "store.unfinished");
    let target = Store::open_target(&url).await.unwrap();
    let left = rows(&target).await.len();
    assert!((5_000..20_001).contains(&left), "{left}");
    assert_eq!(origin.copy_to(&target, OnTarget::Refuse, quiet).await.unwrap_err().code(), "store.unfinished");
    let version = target.begin().read_version().await.unwrap();
    origin.copy_to(&target, OnTarget::Resume, quiet).await.unwrap();
    assert!(rows(&target).await == rows(&from).await);
    // It did not begin anew.
    assert!(target.begin().read_version().await.unwrap() < version + 200);
    target.close().await;
    Store::open(&url).await.unwrap().close().await;
    // What was changed behind the resumed part is noticed.
    let target = Store::open(&url).await.unwrap();
    let mark = Mark { run: 1, at: Some(ByteBuf::from(b"\x7f".to_vec())) };
    target
        .transact(|tx| {
            let mark = mark.clone();
            async move { tx.set_record(mark_key(), &mark) }
        })
        .await
        .unwrap();
    from.transact(|tx| async move { tx.set(Subspace::root("auth").pack(&0), "changed") }).await.unwrap();
    let error = origin.copy_to(&target, OnTarget::Resume, quiet).await.unwrap_err();
    assert_eq!(error.code(), "store.copy_mismatch", "{error}");
    origin.copy_to(&target, OnTarget::Replace, quiet).await.unwrap();
    assert!(rows(&target).await == rows(&from).await);
}

#[tokio::test]
async fn only_one_copy_writes_to_a_target() {
    let from = memory().await;
    filled(&from, 12_000).await;
    let target = memory().await;
    let origin = Origin::store(from);
    let other = AtomicBool::new(false);
    let copying = origin.copy_to(&target, OnTarget::Refuse, |_| {
        other.store(true, Ordering::SeqCst);
    });
    let intruding = async {
        while !other.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        Filler::start(&target, OnTarget::Resume, |_, _| {}).await.map(drop)
    };
    let (copied, intruded) = tokio::join!(copying, intruding);
    assert_eq!((copied.unwrap_err().code(), intruded), ("store.copy_mismatch", Ok(())));
}

#[tokio::test]
async fn the_socket_answers_nobody_else() {
    use std::os::unix::fs::PermissionsExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let directory = tempfile::tempdir().unwrap();
    let url = format!("embedded://{}", directory.path().display());
    let store = Store::open(&url).await.unwrap();
    let socket = directory.path().join(SOCKET_FILE);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
    stream.write_all(b"restore 1").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    // More at once than there is room for are told so; room that was given up is given again.
    for _ in 0..3 {
        let mut held = Vec::new();
        for _ in 0..crate::limits::BACKUPS_AT_ONCE {
            held.push(tokio::net::UnixStream::connect(&socket).await.unwrap());
        }
        let refused = Origin::open(&url).await.unwrap().check(quiet).await;
        assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
        drop(held);
        while let Err(error) = Origin::open(&url).await.unwrap().check(quiet).await {
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
            tokio::task::yield_now().await;
        }
    }
    store.close().await;
    // What is left of it after a crash is in nobody's way.
    Store::open(&url).await.unwrap().close().await;
}

#[test]
fn what_the_store_keeps_for_itself_stays_readable() {
    let forms = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms");
    let about = crate::backup::format::About { made_at: 1_700_000_000_000, backend: "embedded".to_owned() };
    let summary = Summary { rows: 3, bytes: 70_000, digest: [0xd1; 32], states: 1, version: 9 };
    let mark = Mark { run: u64::MAX, at: Some(ByteBuf::from(b"key".to_vec())) };
    crate::record::check_form(&forms, "backup_about", &about).unwrap();
    crate::record::check_form(&forms, "backup_summary", &summary).unwrap();
    crate::record::check_form(&forms, "copy_mark", &mark).unwrap();
    crate::record::check_form(&forms, "once", &crate::once::sample()).unwrap();
}
