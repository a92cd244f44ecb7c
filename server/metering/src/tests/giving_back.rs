//! What was taken of a budget comes back, and no row stays for nothing.

use std::time::{Duration, SystemTime};

use coditect_protocol::llm::{BudgetPeriod, BudgetScope, Usd};
use coditect_store::{Range, Record as _, Store, StoreError, Subspace};
use uuid::Uuid;

use crate::money::{AccountId, Ledger, Of, Period, Refused, Taken};

const NOW: Duration = Duration::ZERO;

fn account(of: u128) -> AccountId {
    let period = Period::at(BudgetPeriod::Month, SystemTime::now());
    AccountId { period, scope: BudgetScope::Person, of: Of::Id(Uuid::from_u128(of)) }
}

fn usd(nanos: u64) -> Usd {
    Usd::from_nanos(nanos)
}

fn ledger(store: &Store) -> Ledger {
    Ledger::new(store.clone(), Subspace::root("metering").sub(&"money"))
}

/// All rows of the ledger.
async fn rows(store: &Store) -> Vec<Taken> {
    let rows = store.transact(|tx| async move { tx.range_all(Range::prefix(b"")).await }).await;
    let rows: Result<_, StoreError> = rows;
    rows.unwrap().iter().map(|row| Taken::decode(&row.value).unwrap()).collect()
}

async fn flush(store: &Store, ledger: &Ledger) {
    let unwritten = ledger.unwritten(1_000);
    let some = &unwritten;
    let written: Result<(), StoreError> = store.transact(|tx| async move { ledger.write(&tx, some).await }).await;
    written.unwrap();
    unwritten.into_iter().for_each(crate::money::Unwritten::done);
}

#[tokio::test]
async fn what_is_idle_is_given_back_and_what_was_spent_stays() {
    let store = Store::open("memory:").await.unwrap();
    let (one, other) = (ledger(&store), ledger(&store));
    for (at, ledger) in [&one, &other].into_iter().enumerate() {
        for of in 0..250 {
            let hold = ledger.hold(vec![(account(of), usd(1_000_000))], usd(100)).await.unwrap();
            hold.settle(usd(40 + at as u64));
        }
        flush(&store, ledger).await;
    }
    assert_eq!(rows(&store).await.len(), 500);
    // Somebody still asks: that one stays.
    let held = one.hold(vec![(account(0), usd(1_000_000))], usd(100)).await.unwrap();
    one.give_back(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(rows(&store).await.len(), 500);
    one.give_back(NOW).await.unwrap();
    other.give_back(NOW).await.unwrap();
    let left = rows(&store).await;
    assert_eq!(left.len(), 251);
    assert_eq!(left.iter().filter(|row| **row == Taken { granted: 81, consumed: 81 }).count(), 249);
    assert_eq!(one.state(&account(1)).await.unwrap(), (usd(81), usd(0)));
    // Asked for again, it begins with what is left.
    assert!(matches!(
        one.hold(vec![(account(1), usd(1_000_000))], usd(999_920)).await.unwrap_err(),
        Refused::OutOfMoney { left, .. } if left == usd(999_919)
    ));
    let all = one.hold(vec![(account(1), usd(1_000_000))], usd(999_919)).await.unwrap();
    assert!(other.hold(vec![(account(1), usd(1_000_000))], usd(1)).await.is_err());
    drop((all, held));
}

#[tokio::test]
async fn giving_back_twice_adds_nothing_twice() {
    let store = Store::open("memory:").await.unwrap();
    let ledger = ledger(&store);
    let budget = || vec![(account(1), usd(1_000))];
    ledger.hold(budget(), usd(100)).await.unwrap().settle(usd(60));
    flush(&store, &ledger).await;
    // Of whoever gives back and is cut off at any point, nobody knows how far it came.
    for polls in 0..50 {
        let giving_back = ledger.give_back(NOW);
        tokio::pin!(giving_back);
        for _ in 0..polls {
            if futures_util::poll!(&mut giving_back).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let hold = ledger.hold(budget(), usd(940)).await.unwrap();
    assert!(ledger.hold(budget(), usd(1)).await.is_err());
    drop(hold);
    assert_eq!(ledger.state(&account(1)).await.unwrap().0, usd(60));
}

#[tokio::test]
async fn an_amount_that_was_not_written_down_is_not_lost_at_the_end() {
    let store = Store::open("memory:").await.unwrap();
    let first = ledger(&store);
    let budget = || vec![(account(1), usd(1_000))];
    // Nothing was set aside, and it cost something all the same.
    first.hold(budget(), usd(0)).await.unwrap().settle(usd(70));
    let held = first.hold(budget(), usd(0)).await.unwrap();
    assert_eq!(rows(&store).await, []);
    first.stop().await.unwrap();
    assert_eq!(rows(&store).await, [Taken { granted: 70, consumed: 70 }]);
    assert!(matches!(first.hold(budget(), usd(1)).await, Err(Refused::Full)));
    drop(held);
    assert_eq!(ledger(&store).state(&account(1)).await.unwrap(), (usd(70), usd(0)));
}

#[tokio::test]
async fn what_calls_hold_at_the_end_counts_as_spent() {
    let store = Store::open("memory:").await.unwrap();
    let first = ledger(&store);
    let budget = || vec![(account(1), usd(1_000))];
    let held = first.hold(budget(), usd(300)).await.unwrap();
    first.stop().await.unwrap();
    held.settle(usd(300));
    let next = ledger(&store);
    assert_eq!(next.state(&account(1)).await.unwrap(), (usd(0), usd(300)));
    assert!(next.hold(budget(), usd(701)).await.is_err());
    next.hold(budget(), usd(700)).await.unwrap();
}

#[tokio::test]
async fn what_was_written_late_changes_nothing() {
    let store = Store::open("memory:").await.unwrap();
    let first = ledger(&store);
    let budget = || vec![(account(1), usd(6_400))];
    first.hold(budget(), usd(100)).await.unwrap().settle(usd(60));
    // A commit that was given up, and arrives after the next.
    let (late, unwritten) = (store.begin(), first.unwritten(10));
    first.write(&late, &unwritten).await.unwrap();
    drop(unwritten);
    let hold = first.hold(budget(), usd(1_000)).await.unwrap();
    assert!(late.commit().await.is_err());
    flush(&store, &first).await;
    let other = ledger(&store);
    let Err(Refused::OutOfMoney { left, .. }) = other.hold(budget(), usd(6_400)).await else { panic!("overspent") };
    assert!(left.nanos() <= 6_400 - 1_060, "{left}");
    drop(hold);
}

#[tokio::test]
async fn what_was_given_back_without_anybody_knowing_is_not_given_back_again() {
    for polls in 0..40 {
        let store = Store::open("memory:").await.unwrap();
        let first = ledger(&store);
        let budget = || vec![(account(1), usd(1_000))];
        first.hold(budget(), usd(100)).await.unwrap().settle(usd(60));
        flush(&store, &first).await;
        {
            let giving_back = first.give_back(NOW);
            tokio::pin!(giving_back);
            for _ in 0..polls {
                if futures_util::poll!(&mut giving_back).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // Commits that nobody waits for any more come before this one.
        let last: Result<(), StoreError> = store.transact(|tx| async move { tx.set("last", []) }).await;
        last.unwrap();
        if polls % 2 == 0 {
            first.hold(budget(), usd(1)).await.unwrap();
        }
        first.stop().await.unwrap();
        assert_eq!(ledger(&store).state(&account(1)).await.unwrap(), (usd(60), usd(0)), "{polls}");
    }
}
