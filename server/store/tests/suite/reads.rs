//! Reading.

use super::write;
use coditect_store::{Range, Store, StoreError, Subspace, limits, tuple::Versionstamp};

pub(crate) async fn ranges_go_both_ways_and_say_whether_there_is_more(store: Store) {
    write(&store, |tx| (0..9).try_for_each(|n| tx.set(format!("r/{n}"), n.to_string()))).await;
    let tx = store.begin();
    let names = async |range: Range| {
        let rows = tx.range(range).await.unwrap();
        let names: Vec<_> = rows.iter().map(|row| String::from_utf8_lossy(&row.key[2..]).into_owned()).collect();
        (names.concat(), rows.more)
    };
    let all = Range::prefix("r/");
    assert_eq!(names(all.clone()).await, ("012345678".to_owned(), false));
    assert_eq!(names(all.clone().reverse()).await, ("876543210".to_owned(), false));
    assert_eq!(names(all.clone().limit(3)).await, ("012".to_owned(), true));
    assert_eq!(names(all.clone().limit(3).reverse()).await, ("876".to_owned(), true));
    assert_eq!(names(all.clone().limit(3).after("r/2")).await, ("345".to_owned(), true));
    assert_eq!(names(all.clone().reverse().before("r/3")).await, ("210".to_owned(), false));
    assert_eq!(names(all.clone().limit(9)).await, ("012345678".to_owned(), false));
    assert_eq!(names(all.clone().limit(0)).await, (String::new(), true));
    assert_eq!(names(Range::new("r/3", "r/3")).await, (String::new(), false));
    assert_eq!(names(Range::new("r/3", "r/30")).await, ("3".to_owned(), false));
    assert_eq!(tx.range(Range::new("r/3", "r/2")).await, Err(StoreError::RangeInverted));
    assert_eq!(tx.range(Range::new("", b"\xff")).await.unwrap().len(), 9);
}

pub(crate) async fn long_ranges_come_in_parts(store: Store) {
    const ROWS: usize = limits::RANGE_MAX_ROWS + 2_345;
    let key = |n: usize| Subspace::root("long").pack(&n);
    write(&store, |tx| (0..ROWS).try_for_each(|n| tx.set(key(n), n.to_string()))).await;
    let range = Subspace::root("long").range();
    let tx = store.begin();
    let part = tx.range(range.clone()).await.unwrap();
    assert_eq!((part.len(), part.more), (limits::RANGE_MAX_ROWS, true));
    for reverse in [false, true] {
        let rows = tx.range_all(Range { reverse, ..range.clone() }).await.unwrap();
        let keys: Vec<_> = rows.iter().map(|row| row.key.to_vec()).collect();
        let mut expected: Vec<_> = (0..ROWS).map(key).collect();
        if reverse {
            expected.reverse();
        }
        assert!(keys == expected);
    }
    // Own writes are laid over every slice.
    (0..ROWS).step_by(2).for_each(|n| tx.clear(key(n)).unwrap());
    assert_eq!(tx.range_all(range).await.unwrap().len(), ROWS / 2);

    let big = vec![1; 90_000];
    for chunk in 0..2_usize {
        write(&store, |tx| (0..60).try_for_each(|n| tx.set(Subspace::root("big").pack(&(chunk, n)), &big))).await;
    }
    let range = Subspace::root("big").range();
    let part = store.begin().range(range.clone()).await.unwrap();
    assert!(part.more && part.len() < 20, "{}", part.len());
    assert_eq!(store.begin().range_all(range).await, Err(StoreError::RangeTooLarge));
}

pub(crate) async fn own_writes_are_seen(store: Store) {
    write(&store, |tx| (0..5).try_for_each(|n| tx.set(format!("o/{n}"), "old"))).await;
    let tx = store.begin();
    tx.clear_range(&Range::new("o/1", "o/3")).unwrap();
    tx.clear_range(&Range::new("o/2", "o/4")).unwrap();
    tx.set("o/2", "new").unwrap();
    tx.append_if_fits("o/3", "appended").unwrap();
    tx.append_if_fits("o/4", "er").unwrap();
    tx.append_if_fits("o/9", "first").unwrap();
    let read = async |reverse: bool, limit: usize| {
        let rows = tx.range(Range { reverse, ..Range::prefix("o/").limit(limit) }).await.unwrap();
        rows.into_iter()
            .map(|row| format!("{}={}", row.key[2] - b'0', String::from_utf8_lossy(&row.value)))
            .collect::<Vec<_>>()
    };
    let all: Vec<String> = ["0=old", "2=new", "3=appended", "4=older", "9=first"].map(str::to_owned).into();
    assert_eq!(read(false, 100).await, all);
    for limit in 1..5 {
        assert_eq!(read(false, limit).await, all[..limit]);
        let mut reversed = all.clone();
        reversed.reverse();
        assert_eq!(read(true, limit).await, reversed[..limit]);
    }
    assert_eq!(tx.get("o/1").await.unwrap(), None);
    assert_eq!(tx.get("o/4").await.unwrap().as_deref(), Some(&b"older"[..]));
    assert_eq!(store.begin().get("o/4").await.unwrap().as_deref(), Some(&b"old"[..]));
    tx.commit().await.unwrap();
    let rows = store.begin().range_all(Range::prefix("o/")).await.unwrap();
    assert_eq!(rows.len(), all.len());
}

pub(crate) async fn what_the_commit_completes_cannot_be_read_before(store: Store) {
    let part = Subspace::root("v");
    let tx = store.begin();
    tx.set_versionstamped_key(part.pack_with_versionstamp(&Versionstamp::incomplete(0)).unwrap(), "x").unwrap();
    tx.set_versionstamped_value("value", [0; 14]).unwrap();
    assert_eq!(tx.get("value").await, Err(StoreError::Unreadable));
    assert_eq!(tx.range(part.range()).await, Err(StoreError::Unreadable));
    assert!(tx.get("other").await.unwrap().is_none());
    tx.set("value", "plain").unwrap();
    assert_eq!(tx.get("value").await.unwrap().as_deref(), Some(&b"plain"[..]));
    tx.commit().await.unwrap();
    assert_eq!(store.begin().range(part.range()).await.unwrap().len(), 1);
}
