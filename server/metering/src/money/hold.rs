//! Money set aside for a call.

use std::sync::Arc;

use coditect_protocol::llm::Usd;

use super::account::Account;

/// Money set aside for a call. Dropped without being settled, it is free again.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    from: Vec<(Arc<Account>, Usd)>,
    amount: u64,
}

impl Hold {
    /// Nothing so far, of so many budgets.
    pub(super) fn of(amount: Usd, budgets: usize) -> Self {
        Self { from: Vec::with_capacity(budgets), amount: amount.nanos() }
    }

    /// So much was set aside of this one as well, which has this limit.
    pub(super) fn push(&mut self, account: Arc<Account>, limit: Usd) {
        self.from.push((account, limit));
    }

    /// The budgets and their limits.
    pub(crate) fn budgets(&self) -> Vec<(Arc<Account>, Usd)> {
        self.from.clone()
    }

    /// Whether there is no budget that counts.
    pub(crate) fn is_empty(&self) -> bool {
        self.from.is_empty()
    }

    /// What is set aside of each.
    pub(crate) fn amount(&self) -> Usd {
        Usd::from_nanos(self.amount)
    }

    /// The call is over and cost so much.
    pub(crate) fn settle(mut self, cost: Usd) {
        for (account, _) in self.from.drain(..) {
            account.settle(self.amount, cost.nanos());
        }
    }

    /// Takes over what was set aside of the same budgets, for the same call.
    pub(crate) fn join(&mut self, mut more: Self) {
        let is_same = self.from.iter().map(|(account, _)| Arc::as_ptr(account));
        if !is_same.eq(more.from.iter().map(|(account, _)| Arc::as_ptr(account))) {
            // Of another call's budgets, or of those before a fallback: free again.
            return;
        }
        self.amount = self.amount.saturating_add(more.amount);
        for (account, _) in more.from.drain(..) {
            account.join();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for (account, _) in &self.from {
            account.settle(self.amount, 0);
        }
    }
}
