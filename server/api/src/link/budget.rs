//! Bytes that one person's calls, or the answers to them, may take in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts bytes against a limit. Whoever comes while there is room gets as much as it needs, so that what is larger than the whole
/// limit passes alone.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    held: AtomicUsize,
    freed: Notify,
}

/// Bytes of a budget, given back when it goes.
#[derive(Debug)]
pub(super) struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::AcqRel);
        self.budget.freed.notify_waiters();
    }
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0), freed: Notify::new() }
    }

    /// Counts bytes that are there already, whether there is room or not: further ones then wait.
    pub(super) fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        self.held.fetch_add(bytes, Ordering::AcqRel);
        Held { budget: self.clone(), bytes }
    }

    /// Counts bytes, unless there is no room.
    pub(super) fn hold_if_room(self: &Arc<Self>, bytes: usize) -> Option<Held> {
        let more = |held: usize| (held <= self.limit).then_some(held.saturating_add(bytes));
        self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Held { budget: self.clone(), bytes })
    }

    /// Waits until there is room.
    pub(super) async fn room(&self) {
        loop {
            // It hears of every change from here on, polled or not.
            let freed = self.freed.notified();
            if self.held() <= self.limit {
                return;
            }
            freed.await;
        }
    }

    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn what_is_larger_than_all_of_it_passes_alone() {
        let budget = Arc::new(Budget::new(100));
        let large = budget.hold_if_room(1000).unwrap();
        assert!(budget.hold_if_room(1).is_none());
        let mut room = std::pin::pin!(budget.room());
        assert!(poll!(&mut room).is_pending());
        let small = budget.hold(10);
        drop(large);
        assert!(poll!(&mut room).is_ready());
        assert_eq!(budget.held(), 10);
        drop(small);
        assert_eq!(budget.held(), 0);
    }
}
