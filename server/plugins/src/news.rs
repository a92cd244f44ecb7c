//! What changed, until somebody looks.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// So many names are told apart; of more, all count as changed.
const TOLD_APART_MAX: usize = 1_000;

/// What changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// What has these names.
    Names(HashSet<String>),
    /// Perhaps everything.
    All,
}

impl Default for Changed {
    fn default() -> Self {
        Self::Names(HashSet::new())
    }
}

impl Changed {
    /// Whether what has a name changed.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::Names(names) => names.contains(name),
            Self::All => true,
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Names(names) if names.is_empty())
    }
}

/// Tells one who follows what changed since they looked last.
#[derive(Debug, Default)]
pub(crate) struct News {
    changed: Mutex<Changed>,
    told: Notify,
}

impl News {
    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has these names changed.
    pub(crate) fn tell(&self, names: impl IntoIterator<Item = String>) {
        let mut changed = self.changed();
        if let Changed::Names(known) = &mut *changed {
            known.extend(names);
            if known.len() > TOLD_APART_MAX {
                *changed = Changed::All;
            }
        }
        self.told.notify_one();
    }

    /// Perhaps everything changed.
    pub(crate) fn tell_all(&self) {
        *self.changed() = Changed::All;
        self.told.notify_one();
    }

    /// Waits until something changed, and answers what.
    pub(crate) async fn next(&self) -> Changed {
        loop {
            let changed = std::mem::take(&mut *self.changed());
            if !changed.is_nothing() {
                return changed;
            }
            self.told.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_changed_is_told_once_and_in_bounds() {
        let news = News::default();
        assert_eq!(news.next().now_or_never(), None);
        news.tell(["a".to_owned(), "b".to_owned()]);
        news.tell(["a".to_owned()]);
        let changed = news.next().await;
        assert!(changed.has("a") && changed.has("b") && !changed.has("c"));
        assert_eq!(news.next().now_or_never(), None);
        news.tell((0..=TOLD_APART_MAX).map(|n| n.to_string()));
        assert_eq!(news.next().await, Changed::All);
        news.tell_all();
        news.tell(["a".to_owned()]);
        assert!(news.next().await.has("b"));
    }
}
