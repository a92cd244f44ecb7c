//! The record of every call, and the sums over them.
//!
//! A call has a place in the queue before it is made, so that it is recorded whatever happens to it. One task writes records down,
//! some at a time, together with the sums that they change and what budgets have come to. A batch is written once: its first chunk
//! stands for it.

pub(crate) mod batch;
mod calls;
mod export;
mod report;
pub(crate) mod rows;
mod sweep;
mod writer;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use coditect_protocol::llm::CallRecord;
use coditect_store::{Store, Subspace};
use tokio::sync::mpsc;

pub use calls::CallFilter;
pub use export::{Export, ExportForm};
pub use report::ReportQuery;
use rows::Places;

/// A place in the queue.
pub(crate) type Place = mpsc::OwnedPermit<CallRecord>;

/// The record of every call.
pub(crate) struct Usage {
    store: Store,
    places: Places,
    queue: mpsc::Sender<CallRecord>,
    /// The other end, until somebody writes records down.
    other_end: Mutex<Option<mpsc::Receiver<CallRecord>>>,
    unwritten: AtomicUsize,
}

impl Usage {
    pub(crate) fn new(store: Store, root: &Subspace, queue: usize) -> Self {
        let (queue, other_end) = mpsc::channel(queue.max(1));
        let other_end = Mutex::new(Some(other_end));
        Self { store, places: Places::below(root), queue, other_end, unwritten: AtomicUsize::new(0) }
    }

    /// A place for one more record, where there is one.
    pub(crate) fn place(&self) -> Option<Place> {
        self.queue.clone().try_reserve_owned().ok()
    }

    /// Records a call in its place.
    pub(crate) fn record(&self, place: Place, call: CallRecord) {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        place.send(call);
    }

    fn written(&self, calls: usize) {
        self.unwritten.fetch_sub(calls, Ordering::Relaxed);
    }

    /// Records that are not written down.
    pub(crate) fn unwritten(&self) -> usize {
        self.unwritten.load(Ordering::Relaxed)
    }

    /// Places that are taken, by calls under way and by records.
    pub(crate) fn taken(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// The end of the queue to write down from. There is only one.
    pub(crate) fn other_end(&self) -> Option<mpsc::Receiver<CallRecord>> {
        self.other_end.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
