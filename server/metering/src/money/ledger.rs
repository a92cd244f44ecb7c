//! All budgets of this server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coditect_protocol::llm::Usd;
use coditect_store::{Record as _, Store, StoreError, Subspace, Transaction};
use futures_util::future::try_join_all;
use tokio::time::Instant;
use uuid::Uuid;

use super::Hold;
use super::account::{Account, AccountId, Taken, Turn};

/// How many more calls of the same size a block is for. Doubles while blocks are used up within [`SOON`].
const CALLS_AHEAD: u64 = 31;
/// Most calls that a block is for.
const MOST_CALLS_AHEAD: u64 = 1 << 20;
/// A block that lasts no longer was too small.
const SOON: Duration = Duration::from_secs(1);
/// A block is at most this part of the whole budget: as much may be lost with a crash.
const LARGEST_PART_OF_LIMIT: u64 = 64;
/// And at most this part of what is left, so that several servers share the rest of it.
const LARGEST_PART_OF_REST: u64 = 4;
/// Most budgets on one server at once: those of the last half minute.
const MAX_ACCOUNTS: usize = 100_000;

/// Why nothing could be set aside.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is not so much left of this budget.
    OutOfMoney { id: AccountId, limit: Usd, left: Usd },
    /// This server stops, or there are as many budgets in use as it keeps.
    Full,
    /// The store does not tell.
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// All budgets. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Shared>);

pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) rows: Subspace,
    /// This server, from its start to its end.
    pub(super) server: Uuid,
    pub(super) stopped: AtomicBool,
    accounts: Mutex<HashMap<AccountId, Arc<Account>>>,
}

impl Ledger {
    pub(crate) fn new(store: Store, rows: Subspace) -> Self {
        let (server, accounts, stopped) = (Uuid::now_v7(), Mutex::default(), AtomicBool::new(false));
        Self(Arc::new(Shared { store, rows, server, stopped, accounts }))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    pub(super) fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, Arc<Account>>> {
        self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn account(&self, id: AccountId) -> Result<Arc<Account>, Refused> {
        let mut accounts = self.accounts();
        if let Some(known) = accounts.get(&id) {
            return Ok(known.clone());
        }
        if accounts.len() >= MAX_ACCOUNTS {
            return Err(Refused::Full);
        }
        let account = Arc::new(Account::new(id.clone()));
        accounts.insert(id, account.clone());
        Ok(account)
    }

    /// Sets so much of every one of these budgets aside, or nothing of any.
    pub(crate) async fn hold(&self, budgets: Vec<(AccountId, Usd)>, amount: Usd) -> Result<Hold, Refused> {
        let mut hold = Hold::of(amount, budgets.len());
        for (id, limit) in budgets {
            self.hold_of(&mut hold, self.account(id)?, limit).await?;
        }
        Ok(hold)
    }

    /// Sets so much aside of the budgets that a call has something of already.
    pub(crate) async fn hold_more(&self, budgets: Vec<(Arc<Account>, Usd)>, amount: Usd) -> Result<Hold, Refused> {
        let mut hold = Hold::of(amount, budgets.len());
        for (account, limit) in budgets {
            self.hold_of(&mut hold, account, limit).await?;
        }
        Ok(hold)
    }

    async fn hold_of(&self, hold: &mut Hold, account: Arc<Account>, limit: Usd) -> Result<(), Refused> {
        let amount = hold.amount().nanos();
        if !account.reserve(amount, limit) {
            self.take(&account, limit, amount).await?;
        }
        hold.push(account, limit);
        Ok(())
    }

    /// Takes a block from the store, and sets so much of it aside.
    async fn take(&self, account: &Arc<Account>, limit: Usd, amount: u64) -> Result<(), Refused> {
        let asked_at = Instant::now();
        let turn = account.turn().await;
        // Whoever had the turn before may have taken enough for both, or have waited for the store in vain.
        if account.reserve(amount, limit) {
            return Ok(());
        }
        if let Some((at, failure)) = &account.purse().failure
            && *at >= asked_at
        {
            return Err(Refused::Store(failure.clone()));
        }
        let taken = self.take_in_turn(account, &turn, limit, amount).await;
        if let Err(Refused::Store(failure)) = &taken {
            account.purse().failure = Some((Instant::now(), failure.clone()));
        }
        taken
    }

    async fn take_in_turn(&self, account: &Arc<Account>, turn: &Turn, limit: Usd, amount: u64) -> Result<(), Refused> {
        if self.0.stopped.load(Ordering::Acquire) {
            return Err(Refused::Full);
        }
        if account.purse().folding {
            self.fold_again(account, turn).await?;
        }
        // What is there is set aside at once, so that nobody else counts on it meanwhile.
        let (rest, before) = Rest::of(account, amount);
        let needed = amount.saturating_sub(rest.amount);
        let ahead = calls_ahead(account);
        let (rows, key) = (account.id.rows(&self.0.rows), account.id.key(&self.0.rows, self.0.server));
        let (rows, key, rest_amount) = (&rows, &key, rest.amount);
        let taking = self.0.store.transact(|tx| async move {
            let others = sum(&tx, rows, key).await?.granted;
            let left = limit.nanos().saturating_sub(others).saturating_sub(before.granted);
            if left < needed {
                let left = Usd::from_nanos(left.saturating_add(rest_amount));
                return Err(Refused::OutOfMoney { id: account.id.clone(), limit, left });
            }
            let block = block(needed, amount.saturating_mul(ahead), left, limit.nanos());
            let taken = Taken { granted: before.granted.saturating_add(block), ..before };
            account.may_be_written();
            tx.set_record(key, &taken)?;
            Ok(taken)
        });
        let taken = taking.await?;
        rest.keep();
        let mut purse = account.purse();
        purse.granted = purse.granted.max(taken.granted);
        purse.written = Some(taken);
        purse.reserved = purse.reserved.saturating_add(needed);
        purse.holds += 1;
        purse.took = Some((Instant::now(), ahead));
        Ok(())
    }

    /// A limit may have changed: what is not set aside is given up, so that the next call asks the store.
    pub(crate) fn limits_changed(&self) {
        for account in self.accounts().values() {
            account.purse().give_up();
        }
    }

    /// Up to so many budgets of which the store should have something else than it has.
    pub(crate) fn unwritten(&self, most: usize) -> Vec<Unwritten> {
        let accounts = self.accounts();
        let dirty = accounts.values().filter(|account| account.purse().is_dirty());
        // Whoever takes more of it just now writes it down by that.
        dirty.filter_map(|account| Unwritten::of(account, account.turn_now()?)).take(most).collect()
    }

    /// Writes them, as a part of a transaction.
    pub(crate) async fn write(&self, tx: &Transaction, unwritten: &[Unwritten]) -> Result<(), StoreError> {
        self.write_rows(tx, unwritten.iter().map(|row| (&row.account.id, row.taken))).await
    }

    pub(super) async fn write_rows<'a>(
        &self,
        tx: &Transaction,
        rows: impl Iterator<Item = (&'a AccountId, Taken)>,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = rows.map(|(id, taken)| (id.key(&self.0.rows, self.0.server), taken)).collect();
        // They are read so that an earlier commit of this server, which was given up and arrives late, cannot win.
        try_join_all(rows.iter().map(|(key, _)| tx.get(key))).await?;
        rows.iter().try_for_each(|(key, taken)| tx.set_record(key, taken))
    }

    /// What was taken of a budget by all servers: really spent, and held.
    pub(crate) async fn state(&self, id: &AccountId) -> Result<(Usd, Usd), StoreError> {
        let (rows, key) = (&id.rows(&self.0.rows), &id.key(&self.0.rows, self.0.server));
        let others = self.0.store.transact(|tx| async move { sum(&tx, rows, key).await }).await?;
        let own = self.accounts().get(id).map(|account| account.purse().to_write()).unwrap_or_default();
        let all = others.plus(own);
        Ok((Usd::from_nanos(all.consumed), Usd::from_nanos(all.granted.saturating_sub(all.consumed))))
    }
}

/// Of a budget, what is to be written. Nobody else changes what the store has meanwhile.
pub(crate) struct Unwritten {
    account: Arc<Account>,
    taken: Taken,
    _turn: Turn,
}

impl Unwritten {
    fn of(account: &Arc<Account>, turn: Turn) -> Option<Self> {
        let mut purse = account.purse();
        if !purse.is_dirty() {
            return None;
        }
        purse.written = None;
        Some(Self { account: account.clone(), taken: purse.to_write(), _turn: turn })
    }

    /// It is written.
    pub(crate) fn done(self) {
        self.account.purse().written = Some(self.taken);
    }
}

/// What is left of what was taken before, set aside. Dropped, it is free again.
struct Rest<'a> {
    account: &'a Account,
    amount: u64,
}

impl<'a> Rest<'a> {
    /// Up to so much of it, and what the store should have of this server.
    fn of(account: &'a Account, most: u64) -> (Self, Taken) {
        let mut purse = account.purse();
        let amount = purse.free().min(most);
        purse.reserved = purse.reserved.saturating_add(amount);
        (Self { account, amount }, purse.to_write())
    }

    /// It stays set aside.
    fn keep(mut self) {
        self.amount = 0;
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        let mut purse = self.account.purse();
        purse.reserved = purse.reserved.saturating_sub(self.amount);
    }
}

/// For how many further calls the next block is.
fn calls_ahead(account: &Account) -> u64 {
    match account.purse().took {
        Some((at, ahead)) if at.elapsed() < SOON => (ahead * 2).min(MOST_CALLS_AHEAD),
        _ => CALLS_AHEAD,
    }
}

/// How much is taken at once: enough for this call and some more like it.
fn block(needed: u64, ahead: u64, left: u64, limit: u64) -> u64 {
    let most = (limit / LARGEST_PART_OF_LIMIT).min((left - needed) / LARGEST_PART_OF_REST);
    needed + ahead.min(most)
}

/// What all other servers took.
async fn sum(tx: &Transaction, rows: &Subspace, own: &[u8]) -> Result<Taken, StoreError> {
    let mut sum = Taken::default();
    for row in tx.range_all(rows.range()).await? {
        if row.key != *own {
            sum = sum.plus(Taken::decode(&row.value)?);
        }
    }
    Ok(sum)
}
