//! Writing.

use super::write;
use coditect_store::{AtomicOp, Range, Store, StoreError, Subspace, tuple::Versionstamp};

pub(crate) async fn versionstamps_grow_with_the_commits(store: Store) {
    let log = Subspace::root("log");
    let mut tasks = Vec::new();
    for worker in 0..6_u64 {
        let (store, log) = (store.clone(), log.clone());
        tasks.push(tokio::spawn(async move {
            let mut stamps = Vec::new();
            for number in 0..5_u64 {
                let (_, committed) = store
                    .transact_committed(|tx| {
                        let entry = |n| log.pack_with_versionstamp(&(Versionstamp::incomplete(n), worker, number));
                        let entries = [entry(0), entry(1)];
                        async move {
                            for entry in entries {
                                tx.set_versionstamped_key(entry?, "")?;
                            }
                            let mut value = b"stamp:0123456789!".to_vec();
                            value.extend_from_slice(&6_u32.to_le_bytes());
                            tx.set_versionstamped_value(format!("last/{worker}"), value)
                        }
                    })
                    .await
                    .unwrap();
                stamps.push((committed.versionstamp.unwrap(), worker, number));
            }
            stamps
        }));
    }
    let mut stamps = Vec::new();
    for task in tasks {
        let own = task.await.unwrap();
        assert!(own.is_sorted());
        stamps.extend(own);
    }
    stamps.sort_unstable();
    let rows = store.begin().range_all(log.range()).await.unwrap();
    let found: Vec<(Versionstamp, u64, u64)> = rows.iter().map(|row| log.unpack(&row.key).unwrap()).collect();
    let expected: Vec<_> = stamps
        .iter()
        .flat_map(|(stamp, worker, number)| [0, 1].map(|n| (Versionstamp::complete(*stamp, n), *worker, *number)))
        .collect();
    assert_eq!(found, expected);
    let last = stamps.iter().rev().find(|(_, worker, _)| *worker == 3).unwrap();
    let value = store.begin().get("last/3").await.unwrap().unwrap();
    assert_eq!((&value[..6], &value[6..16], &value[16..]), (&b"stamp:"[..], &last.0[..], &b"!"[..]));
    assert_eq!(store.begin().set_versionstamped_key("short", ""), Err(StoreError::VersionstampPlace));
}

pub(crate) async fn atomic_operations_do_the_same_before_and_after_commit(store: Store) {
    use AtomicOp::*;
    let operations = [Add, Min, Max, ByteMin, ByteMax, And, Or, Xor, CompareAndClear, AppendIfFits];
    let values: [Option<&[u8]>; 6] =
        [None, Some(b""), Some(b"\x05"), Some(b"\x03\x01"), Some(b"\xff\xff\xff"), Some(b"\x03")];
    let key = |op: usize, value: usize| Subspace::root("atomic").pack(&(op, value));
    write(&store, |tx| {
        for (op, (number, value)) in
            (0..operations.len()).flat_map(|op| values.iter().enumerate().map(move |v| (op, v)))
        {
            value.map_or(Ok(()), |value| tx.set(key(op, number), value))?;
        }
        Ok(())
    })
    .await;
    let tx = store.begin();
    let mut inside = Vec::new();
    for (op, number) in (0..operations.len()).flat_map(|op| (0..values.len()).map(move |v| (op, v))) {
        tx.atomic(operations[op], key(op, number), b"\x03\x01").unwrap();
        tx.atomic(operations[op], key(op, number), b"\x03").unwrap();
        inside.push(tx.get_snapshot(key(op, number)).await.unwrap());
    }
    tx.commit().await.unwrap();
    let after = store.begin();
    let mut inside = inside.into_iter();
    for (op, number) in (0..operations.len()).flat_map(|op| (0..values.len()).map(move |v| (op, v))) {
        let stored = after.get(key(op, number)).await.unwrap();
        assert_eq!(Some(stored), inside.next(), "{:?} on {:?}", operations[op], values[number]);
    }
}

pub(crate) async fn many_writers_at_once_all_arrive(store: Store) {
    let tasks = (0..64_u64).map(|worker| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0..5_u64 {
                let key = Subspace::root("many").pack(&(worker, number));
                write(&store, |tx| tx.set(&key, number.to_le_bytes())).await;
                assert!(store.begin().get(&key).await.unwrap().is_some());
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(store.begin().range_all(Range::new("", b"\xff")).await.unwrap().len(), 320);
}
