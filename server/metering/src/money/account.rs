//! One budget in one period: what this server took of it, and what is left of that.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coditect_protocol::llm::{BudgetScope, Usd};
use coditect_store::{Record, StoreError, Subspace};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use uuid::Uuid;

use super::Period;

/// Which of a scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Of {
    /// There is only one.
    Instance,
    /// By identifier.
    Id(Uuid),
    /// By name.
    Agent(Arc<str>),
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance => Ok(()),
            Self::Id(id) => id.fmt(f),
            Self::Agent(name) => f.write_str(name),
        }
    }
}

/// Whose budget, and when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AccountId {
    pub(crate) period: Period,
    pub(crate) scope: BudgetScope,
    pub(crate) of: Of,
}

/// Stands for servers that have given back what they took, in place of one.
const NOBODY: Uuid = Uuid::nil();

impl AccountId {
    /// The rows of all servers.
    pub(crate) fn rows(&self, money: &Subspace) -> Subspace {
        let word = Period::word(self.period.kind());
        money.sub(&(word, self.period.number(), self.scope.name(), self.of.to_string()))
    }

    /// The row of one server, by what it is called from its start to its end.
    pub(crate) fn key(&self, money: &Subspace, server: Uuid) -> Vec<u8> {
        self.rows(money).pack(&server)
    }

    /// The row of what was spent by servers that have no row of their own any more.
    pub(crate) fn base_key(&self, money: &Subspace) -> Vec<u8> {
        self.key(money, NOBODY)
    }
}

/// What a server took of a budget, as it is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Taken, in billionths of a dollar. Counts as spent.
    pub(crate) granted: u64,
    /// Of that, really spent as far as was written down.
    pub(crate) consumed: u64,
}

impl Taken {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            granted: self.granted.saturating_add(other.granted),
            consumed: self.consumed.saturating_add(other.consumed),
        }
    }
}

impl Record for Taken {
    const VERSION: u8 = 1;
}

/// A budget on this server.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    purse: Mutex<Purse>,
    /// Held by whoever changes what the store has of it.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The right to change what the store has of a budget.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// What there is of it in memory, in billionths of a dollar.
#[derive(Debug)]
pub(crate) struct Purse {
    pub(crate) granted: u64,
    pub(crate) consumed: u64,
    /// The limit that counted when something was last set aside: what was taken under another one is not for now.
    limit: u64,
    /// Set aside for calls under way.
    pub(crate) reserved: u64,
    /// Calls that have something set aside, be it nothing.
    pub(crate) holds: u32,
    /// What the store has, where that is known.
    pub(crate) written: Option<Taken>,
    /// It is being given back, and nothing can be set aside before the store has said that it was.
    pub(crate) folding: bool,
    pub(crate) used_at: Instant,
    /// When something was last taken from the store, and for how many calls.
    pub(crate) took: Option<(Instant, u64)>,
    /// The last time that the store did not answer, for those who waited behind.
    pub(crate) failure: Option<(Instant, StoreError)>,
}

impl Purse {
    fn new() -> Self {
        Self {
            granted: 0,
            consumed: 0,
            limit: 0,
            reserved: 0,
            holds: 0,
            written: Some(Taken::default()),
            folding: false,
            used_at: Instant::now(),
            took: None,
            failure: None,
        }
    }

    /// What can be set aside.
    pub(crate) fn free(&self) -> u64 {
        self.granted.saturating_sub(self.consumed).saturating_sub(self.reserved)
    }

    /// What the store should have. What was spent or is held counts even where it is more than was taken.
    pub(crate) fn to_write(&self) -> Taken {
        let used = self.consumed.saturating_add(self.reserved);
        Taken { granted: self.granted.max(used), consumed: self.consumed }
    }

    /// Gives up what is not set aside.
    pub(crate) fn give_up(&mut self) {
        self.granted = self.granted.min(self.consumed.saturating_add(self.reserved));
    }

    /// Whether the store has something else than it should.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.folding && self.written != Some(self.to_write())
    }
}

impl Account {
    pub(crate) fn new(id: AccountId) -> Self {
        Self { id, purse: Mutex::new(Purse::new()), turn: Arc::default() }
    }

    pub(crate) fn purse(&self) -> MutexGuard<'_, Purse> {
        self.purse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to change what the store has.
    pub(crate) async fn turn(&self) -> Turn {
        self.turn.clone().lock_owned().await
    }

    /// The same, if nobody else has it.
    pub(crate) fn turn_now(&self) -> Option<Turn> {
        self.turn.clone().try_lock_owned().ok()
    }

    /// Sets so much aside for a call, where there is so much.
    pub(crate) fn reserve(&self, amount: u64, limit: Usd) -> bool {
        let mut purse = self.purse();
        purse.used_at = Instant::now();
        if purse.limit != limit.nanos() {
            purse.give_up();
            purse.limit = limit.nanos();
        }
        let is_there = !purse.folding && purse.free() >= amount;
        if is_there {
            purse.reserved += amount;
            purse.holds += 1;
        }
        is_there
    }

    /// What was set aside for a call is free again, but for what it cost.
    pub(crate) fn settle(&self, reserved: u64, cost: u64) {
        let mut purse = self.purse();
        purse.reserved = purse.reserved.saturating_sub(reserved);
        purse.holds = purse.holds.saturating_sub(1);
        purse.consumed = purse.consumed.saturating_add(cost);
    }

    /// Of a call that had two amounts set aside, these are one now.
    pub(crate) fn join(&self) {
        let mut purse = self.purse();
        purse.holds = purse.holds.saturating_sub(1);
    }

    /// What the store has is about to change, and whether it has may never be known.
    pub(crate) fn may_be_written(&self) {
        self.purse().written = None;
    }

    /// It was given back: begins anew, with nothing taken.
    pub(crate) fn begin_anew(&self) {
        *self.purse() = Purse::new();
    }
}
