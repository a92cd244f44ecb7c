//! A backend whose commits end as a test says; the rest is another backend's.

use crate::around::{Change, Inner, around};
use crate::error::StoreError;
use crate::store::{Committed, Store};
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How a commit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitFault {
    /// As it does.
    None,
    /// Refused.
    Conflict,
    /// Done, and nobody is told.
    UnknownDone,
    /// Not done, and nobody is told.
    UnknownLost,
    /// Nobody is told, and it is done while the next attempt is under way.
    UnknownLate,
    /// Never.
    Hang,
}

/// The commits to come; shared with the test.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    next: VecDeque<CommitFault>,
    then: Option<CommitFault>,
    late: Vec<Inner>,
}

impl Script {
    /// The next commits end so, all further ones as they do.
    pub(crate) fn play(&self, faults: &[CommitFault]) {
        let mut state = self.lock();
        state.next = faults.iter().copied().collect();
        state.then = None;
    }

    /// All commits behind those that were said end so.
    pub(crate) fn repeat(&self, fault: CommitFault) {
        self.lock().then = Some(fault);
    }

    /// How many of those that were said did not come up.
    pub(crate) fn left(&self) -> usize {
        self.lock().next.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> (CommitFault, Vec<Inner>) {
        let mut state = self.lock();
        let fault = state.next.pop_front().or(state.then).unwrap_or(CommitFault::None);
        (fault, std::mem::take(&mut state.late))
    }
}

/// The store with commits after a script.
pub(crate) fn unsure(store: Store) -> (Store, Script) {
    let script = Script::default();
    (around(store, script.clone()), script)
}

#[async_trait]
impl Change for Script {
    async fn commit(&self, inner: &Inner) -> Result<Committed, StoreError> {
        let (fault, late) = self.next();
        for transaction in late {
            let _ = transaction.commit().await;
        }
        match fault {
            CommitFault::None => inner.commit().await,
            CommitFault::Conflict => Err(StoreError::Conflict),
            CommitFault::UnknownDone => {
                inner.commit().await?;
                Err(StoreError::CommitUnknown)
            }
            CommitFault::UnknownLost => Err(StoreError::CommitUnknown),
            CommitFault::UnknownLate => {
                self.lock().late.push(inner.clone());
                Err(StoreError::CommitUnknown)
            }
            CommitFault::Hang => std::future::pending().await,
        }
    }

    fn cancel(&self, inner: &Inner) {
        // What may still be committed late is not given up.
        if self.lock().late.iter().all(|late| !Arc::ptr_eq(late, inner)) {
            inner.cancel();
        }
    }
}
