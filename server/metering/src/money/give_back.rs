//! Giving back what a server took of budgets and does not need.
//!
//! What it spent is added to the row of all that was spent before, and its own row taken away, in one transaction. Done again after a
//! commit that nobody knows the result of, it finds no row of its own, and nothing is added twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use coditect_protocol::llm::BudgetPeriod;
use coditect_store::{Range, StoreError, Transaction};

use super::account::{Account, AccountId, Taken, Turn};
use super::{Ledger, Period};

/// Budgets that are given back in one transaction.
const BATCH: usize = 100;
/// How long rows of days stay, in days.
const KEEP_DAYS: u64 = 60;
/// How long rows of months stay, in months.
const KEEP_MONTHS: u64 = 26;

/// A budget that is being given back.
struct Folding {
    account: Arc<Account>,
    /// What is added to what was spent.
    taken: Taken,
    _turn: Turn,
}

impl Folding {
    /// Nothing can be set aside of it from now on, until it was given back.
    fn begin(account: &Arc<Account>, turn: Turn) -> Self {
        let mut purse = account.purse();
        purse.give_up();
        purse.folding = true;
        purse.written = None;
        Self { account: account.clone(), taken: purse.to_write(), _turn: turn }
    }
}

impl Ledger {
    /// Gives back what nobody used for so long, and forgets it. To be called now and then.
    pub(crate) async fn give_back(&self, idle_for: Duration) -> Result<(), StoreError> {
        let idle = self.accounts().values().filter(|account| is_idle(account, idle_for)).cloned().collect::<Vec<_>>();
        for some in idle.chunks(BATCH) {
            let begin = |account: &Arc<Account>| {
                let turn = account.turn_now()?;
                // Somebody may have come meanwhile.
                is_idle(account, idle_for).then(|| Folding::begin(account, turn))
            };
            self.fold_some(some.iter().filter_map(begin).collect()).await?;
        }
        drop(idle);
        self.forget();
        Ok(())
    }

    async fn fold_some(&self, folding: Vec<Folding>) -> Result<(), StoreError> {
        let rows: Vec<_> = folding.iter().map(|one| (&one.account.id, one.taken)).collect();
        self.fold(&rows).await?;
        for one in &folding {
            one.account.begin_anew();
        }
        Ok(())
    }

    /// Forgets budgets that stand at nothing and that nobody has.
    fn forget(&self) {
        self.accounts().retain(|_, account| {
            let purse = account.purse();
            let is_used = purse.folding || purse.holds > 0 || purse.written != Some(Taken::default());
            is_used || purse.is_dirty() || Arc::strong_count(account) > 1
        });
    }

    /// Gives back what could not be, so that it can be used again.
    pub(super) async fn fold_again(&self, account: &Arc<Account>, _turn: &Turn) -> Result<(), StoreError> {
        let taken = account.purse().to_write();
        self.fold(&[(&account.id, taken)]).await?;
        account.begin_anew();
        Ok(())
    }

    /// Gives everything back, but for what calls still hold, which counts as spent. Nothing can be set aside any more.
    pub(crate) async fn stop(&self) -> Result<(), StoreError> {
        self.shared().stopped.store(true, Ordering::Release);
        let all: Vec<_> = self.accounts().values().cloned().collect();
        for some in all.chunks(BATCH) {
            let (mut folding, mut unwritten) = (Vec::new(), Vec::new());
            for account in some {
                let turn = account.turn().await;
                let is_begun = account.purse().folding;
                let one = Folding::begin(account, turn);
                if !is_begun {
                    unwritten.push((account.id.clone(), one.taken));
                }
                folding.push(one);
            }
            self.write_now(&unwritten).await?;
            let rows: Vec<_> = folding.iter().map(|one| (&one.account.id, one.taken)).collect();
            self.fold(&rows).await?;
        }
        Ok(())
    }

    /// What was never written down has no row, and would be taken for given back.
    async fn write_now(&self, rows: &[(AccountId, Taken)]) -> Result<(), StoreError> {
        let rows = || rows.iter().map(|(id, taken)| (id, *taken));
        self.shared().store.transact(|tx| async move { self.write_rows(&tx, rows()).await }).await
    }

    async fn fold(&self, accounts: &[(&AccountId, Taken)]) -> Result<(), StoreError> {
        if accounts.is_empty() {
            return Ok(());
        }
        self.shared().store.transact(|tx| async move { self.fold_rows(&tx, accounts).await }).await
    }

    async fn fold_rows(&self, tx: &Transaction, accounts: &[(&AccountId, Taken)]) -> Result<(), StoreError> {
        let shared = self.shared();
        for (id, taken) in accounts {
            let (own, base) = (id.key(&shared.rows, shared.server), id.base_key(&shared.rows));
            if tx.get(&own).await?.is_some() {
                let before = tx.get_record::<Taken>(&base).await?.unwrap_or_default();
                tx.set_record(&base, &before.plus(*taken))?;
                tx.clear(&own)?;
            }
        }
        Ok(())
    }

    /// Takes away rows of periods that are long over.
    pub(crate) async fn sweep(&self, now: SystemTime) -> Result<(), StoreError> {
        for (kind, keep) in [(BudgetPeriod::Day, KEEP_DAYS), (BudgetPeriod::Month, KEEP_MONTHS)] {
            let rows = self.shared().rows.sub(&Period::word(kind));
            let first_kept = Period::at(kind, now).number().saturating_sub(keep);
            let old = &Range::new(rows.range().begin, rows.pack(&first_kept));
            self.shared().store.transact(|tx| async move { tx.clear_range(old) }).await?;
        }
        Ok(())
    }
}

fn is_idle(account: &Account, idle_for: Duration) -> bool {
    let purse = account.purse();
    let is_unused = purse.holds == 0 && purse.used_at.elapsed() >= idle_for;
    let is_written = !purse.is_dirty() && purse.written != Some(Taken::default());
    // What was begun is gone on with.
    purse.folding || (is_unused && is_written)
}
