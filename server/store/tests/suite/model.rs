//! Random work against a simple model.

use coditect_store::{AtomicOp, Range, Store, StoreError, Subspace, Transaction};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Cases, unless the variable says.
pub(super) const CASES: u32 = 96;

pub(super) type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone)]
enum Op {
    Set(Vec<u8>, Vec<u8>),
    Clear(Vec<u8>),
    ClearRange(Vec<u8>, Vec<u8>),
    Atomic(usize, Vec<u8>, Vec<u8>),
    Get(Vec<u8>, bool),
    Range { begin: Vec<u8>, end: Vec<u8>, limit: usize, reverse: bool, snapshot: bool },
}

pub(super) const ATOMIC: [AtomicOp; 10] = [
    AtomicOp::Add,
    AtomicOp::Min,
    AtomicOp::Max,
    AtomicOp::ByteMin,
    AtomicOp::ByteMax,
    AtomicOp::And,
    AtomicOp::Or,
    AtomicOp::Xor,
    AtomicOp::CompareAndClear,
    AtomicOp::AppendIfFits,
];

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0x7f), Just(0xff)], 0..3)
}

fn op() -> impl Strategy<Value = Op> {
    let value = || proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(255), any::<u8>()], 0..4);
    prop_oneof![
        3 => (key(), value()).prop_map(|(k, v)| Op::Set(k, v)),
        2 => key().prop_map(Op::Clear),
        1 => (key(), key()).prop_map(|(a, b)| Op::ClearRange(a.clone().min(b.clone()), a.max(b))),
        3 => (0..ATOMIC.len(), key(), value()).prop_map(|(o, k, v)| Op::Atomic(o, k, v)),
        3 => (key(), any::<bool>()).prop_map(|(k, s)| Op::Get(k, s)),
        3 => (key(), key(), 0_usize..6, any::<bool>(), any::<bool>()).prop_map(|(a, b, limit, reverse, snapshot)| {
            Op::Range { begin: a.clone().min(b.clone()), end: a.max(b), limit, reverse, snapshot }
        }),
    ]
}

/// What an operation of the contract makes of a number, told another way than the store does it.
pub(super) fn atomic(model: &mut Model, op: AtomicOp, key: &[u8], operand: &[u8]) {
    let Some(value) = model.get(key).cloned() else {
        if op != AtomicOp::CompareAndClear {
            model.insert(key.to_vec(), operand.to_vec());
        }
        return;
    };
    let length = operand.len();
    let number = |bytes: &[u8]| bytes.iter().take(length).rev().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let (a, b) = (number(&value), number(operand));
    let bytes = |n: u64| n.to_le_bytes()[..length].to_vec();
    let result = match op {
        AtomicOp::Add => bytes(a.wrapping_add(b)),
        AtomicOp::Min => bytes(a.min(b)),
        AtomicOp::Max => bytes(a.max(b)),
        AtomicOp::And => bytes(a & b),
        AtomicOp::Or => bytes(a | b),
        AtomicOp::Xor => bytes(a ^ b),
        AtomicOp::ByteMin => value.min(operand.to_vec()),
        AtomicOp::ByteMax => value.max(operand.to_vec()),
        AtomicOp::AppendIfFits => [value, operand.to_vec()].concat(),
        AtomicOp::CompareAndClear => {
            if value == operand {
                model.remove(key);
            }
            return;
        }
    };
    model.insert(key.to_vec(), result);
}

async fn step(tx: &Transaction, base: &[u8], model: &mut Model, op: &Op) -> Result<(), StoreError> {
    let at = |key: &[u8]| [base, key].concat();
    match op {
        Op::Set(key, value) => {
            tx.set(at(key), value)?;
            model.insert(key.clone(), value.clone());
        }
        Op::Clear(key) => {
            tx.clear(at(key))?;
            model.remove(key);
        }
        Op::ClearRange(begin, end) => {
            tx.clear_range(&Range::new(at(begin), at(end)))?;
            model.retain(|key, _| !(begin <= key && key < end));
        }
        Op::Atomic(number, key, operand) => {
            tx.atomic(ATOMIC[*number], at(key), operand)?;
            atomic(model, ATOMIC[*number], key, operand);
        }
        Op::Get(key, snapshot) => {
            let found = if *snapshot { tx.get_snapshot(at(key)).await? } else { tx.get(at(key)).await? };
            assert_eq!(found.as_deref(), model.get(key).map(Vec::as_slice), "{op:?}");
        }
        Op::Range { begin, end, limit, reverse, snapshot } => {
            let range =
                Range { limit: *limit, reverse: *reverse, snapshot: *snapshot, ..Range::new(at(begin), at(end)) };
            let found = tx.range(range).await?;
            let mut expected: Vec<_> = model.range(begin.clone()..end.clone()).collect();
            if *reverse {
                expected.reverse();
            }
            let has_more = expected.len() > *limit;
            expected.truncate(*limit);
            let rows: Vec<_> = found.iter().map(|row| (row.key[base.len()..].to_vec(), row.value.to_vec())).collect();
            let expected: Vec<_> = expected.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            assert_eq!(rows, expected, "{op:?}");
            assert!(found.more || !has_more, "{op:?}");
        }
    }
    Ok(())
}

/// Transactions of random operations, some of them cancelled, in a part of the store of their own.
async fn run_case(store: &Store, case: usize, transactions: Vec<(Vec<Op>, bool)>) {
    let base = Subspace::root("model").sub(&case).prefix().to_vec();
    let mut model = Model::new();
    for (ops, commits) in transactions {
        let tx = store.begin();
        let mut inside = model.clone();
        for op in &ops {
            step(&tx, &base, &mut inside, op).await.unwrap();
        }
        if commits {
            tx.commit().await.unwrap();
            model = inside;
        } else {
            tx.cancel();
        }
        let rows = store.begin().range_all(Range::prefix(&base)).await.unwrap();
        let rows: Model = rows.into_iter().map(|row| (row.key[base.len()..].to_vec(), row.value.to_vec())).collect();
        assert_eq!(rows, model);
    }
}

/// Cases, more in a long run.
pub(super) fn cases() -> u32 {
    std::env::var("CODITECT_STORE_CASES").map_or(CASES, |number| number.parse().unwrap())
}

pub(crate) async fn it_behaves_like_an_ordered_map(store: Store) {
    let runtime = tokio::runtime::Handle::current();
    let check = move || {
        let next = Mutex::new(0);
        let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
        let transactions = proptest::collection::vec((proptest::collection::vec(op(), 1..12), any::<bool>()), 1..6);
        let result = TestRunner::new(config).run(&transactions, |transactions| {
            let case = {
                let mut next = next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *next += 1;
                *next
            };
            runtime.block_on(run_case(&store, case, transactions));
            Ok(())
        });
        if let Err(error) = result {
            panic!("{error}");
        }
    };
    tokio::task::spawn_blocking(check).await.unwrap();
}
