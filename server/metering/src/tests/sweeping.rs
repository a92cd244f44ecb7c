//! What is kept long enough is taken away.

use std::time::{Duration, UNIX_EPOCH};

use coditect_protocol::llm::{BudgetPeriod, BudgetScope, Step, UsageBy, Usd};
use coditect_store::{Range, Store, StoreError, Subspace};

use super::record;
use crate::money::{AccountId, Ledger, Of, Period};
use crate::time::{DAY_MS, HOUR_MS};
use crate::usage::Usage;
use crate::usage::batch::Batch;
use crate::{CallFilter, ReportQuery};

async fn keys(store: &Store) -> usize {
    let rows: Result<_, StoreError> = store.transact(|tx| async move { tx.range_all(Range::prefix(b"")).await }).await;
    rows.unwrap().len()
}

#[tokio::test]
async fn old_records_and_sums_go_and_others_stay() {
    let store = Store::open("memory:").await.unwrap();
    let usage = Usage::new(store.clone(), &Subspace::root("metering"), 8);
    let ledger = Ledger::new(store.clone(), Subspace::root("metering").sub(&"money"));
    let start = 20_000 * DAY_MS;
    // Two calls an hour for ten days, of two people.
    let calls: Vec<_> = (0..480).map(|n| record(n % 2, start + n / 2 * HOUR_MS, "up/model")).collect();
    for batch in Batch::split(calls) {
        let batch = &batch;
        for _ in 0..2 {
            usage.write_once(batch, &ledger).await.unwrap();
        }
    }
    let filter = CallFilter { user: None, from: start, to: start + 10 * DAY_MS };
    let query = ReportQuery { user: None, from: filter.from, to: filter.to, step: Step::Day, by: UsageBy::Model };
    assert_eq!(usage.page(&filter, None, 1_000).await.unwrap().calls.len(), 480);
    assert_eq!(usage.report(&query).await.unwrap().totals.calls, 480);

    usage.sweep(start + 3 * DAY_MS).await.unwrap();
    let page = usage.page(&filter, None, 1_000).await.unwrap();
    assert_eq!((page.calls.len(), page.next), (336, None));
    assert!(page.calls.iter().all(|call| call.at >= start + 3 * DAY_MS));
    assert_eq!(usage.report(&query).await.unwrap().totals.calls, 336);
    let hours = ReportQuery { step: Step::Hour, ..query };
    assert_eq!(usage.report(&hours).await.unwrap().totals.calls, 336);

    usage.sweep(u64::MAX).await.unwrap();
    assert_eq!(keys(&store).await, 0);
}

#[tokio::test]
async fn old_budgets_go_and_others_stay() {
    let store = Store::open("memory:").await.unwrap();
    let ledger = Ledger::new(store.clone(), Subspace::root("metering").sub(&"money"));
    let now = UNIX_EPOCH + Duration::from_secs(20_000 * 86_400);
    for (kind, days) in [
        (BudgetPeriod::Day, 0),
        (BudgetPeriod::Day, 60),
        (BudgetPeriod::Day, 61),
        (BudgetPeriod::Month, 700),
        (BudgetPeriod::Month, 900),
        (BudgetPeriod::Total, 9_000),
    ] {
        let period = Period::at(kind, now - Duration::from_secs(days * 86_400));
        let id = AccountId { period, scope: BudgetScope::Instance, of: Of::Instance };
        let limit = Usd::from_nanos(100);
        ledger.hold(vec![(id, limit)], limit).await.unwrap().settle(limit);
    }
    assert_eq!(keys(&store).await, 6);
    ledger.sweep(now).await.unwrap();
    assert_eq!(keys(&store).await, 4);
}
