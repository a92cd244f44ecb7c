//! What waits to be written, and writing it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coditect_protocol::{Coded as _, Kind};
use coditect_store::{MasterKey, StoreError};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Kept;
use super::rows::Table;

/// Conversations that wait to be written, at most, in bytes. What comes while they are full is not kept.
pub const QUEUE_MAX_BYTES: usize = 64 << 20;
/// What a conversation counts beside its text, in bytes.
const ITEM_BYTES: usize = 1 << 10;
/// Conversations that are written at once.
const WRITERS: usize = 4;
/// Pause before a conversation is written again that could not be, as the store is away; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a conversation is tried before it is dropped.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10 * 60);
/// How long what waits is still written once the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How often the log tells at most that conversations are dropped.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// A conversation that waits, with its room in the queue.
struct Waiting {
    kept: Kept,
    consent: Uuid,
    _room: OwnedSemaphorePermit,
}

/// Conversations on their way to the store.
pub(super) struct Queue {
    room: Arc<Semaphore>,
    sender: UnboundedSender<Waiting>,
    /// Held by the one that writes.
    receiver: Mutex<UnboundedReceiver<Waiting>>,
    dropped: Dropped,
}

impl Queue {
    pub(super) fn new() -> Self {
        // Bounded by the room: each conversation holds its part of it.
        let (sender, receiver) = unbounded_channel();
        let room = Arc::new(Semaphore::new(QUEUE_MAX_BYTES));
        Self { room, sender, receiver: Mutex::new(receiver), dropped: Dropped::new() }
    }

    /// Conversations that were not kept although their people want it, since the server started.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.count.load(Ordering::Relaxed)
    }

    /// Queues a conversation, or drops it where there is no room.
    pub(super) fn push(&self, kept: Kept, consent: Uuid) {
        let bytes = kept.question.len().saturating_add(kept.answer.len()).saturating_add(ITEM_BYTES);
        let room =
            u32::try_from(bytes).ok().and_then(|bytes| Arc::clone(&self.room).try_acquire_many_owned(bytes).ok());
        let Some(room) = room else { return self.dropped.one("too many wait") };
        if self.sender.send(Waiting { kept, consent, _room: room }).is_err() {
            self.dropped.one("the server stops");
        }
    }

    /// Writes what is queued until it is told to stop, and then what still waits. One at a time does.
    pub(super) async fn write(&self, table: &Table, master: &MasterKey, stop: &CancellationToken) {
        let Ok(mut receiver) = self.receiver.try_lock() else { return };
        let mut stopped = std::pin::pin!(stop.cancelled().fuse());
        let waiting = stream::poll_fn(|context| {
            if stopped.poll_unpin(context).is_ready() {
                receiver.close();
            }
            receiver.poll_recv(context)
        });
        let writing = waiting.for_each_concurrent(WRITERS, |waiting| self.write_one(table, master, waiting));
        let too_late = async {
            stop.cancelled().await;
            sleep(STOP_WITHIN).await;
        };
        tokio::select! {
            () = writing => {}
            () = too_late => tracing::warn!("the store did not take all conversations that were to be kept before the stop"),
        }
    }

    /// Writes a conversation, once the store is there.
    async fn write_one(&self, table: &Table, master: &MasterKey, Waiting { kept, consent, _room }: Waiting) {
        let (mut pause, begun) = (FIRST_PAUSE, Instant::now());
        while let Err(error) = table.put(&kept, consent, master).await {
            if !is_passing(&error) || begun.elapsed() > GIVE_UP_AFTER {
                tracing::debug!(%error, "a conversation could not be written");
                return self.dropped.one(error.code());
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn is_passing(error: &StoreError) -> bool {
    error.is_retryable() || matches!(error.kind(), Kind::Unavailable | Kind::Timeout)
}

/// Counts what is not kept, and tells the log from time to time.
struct Dropped {
    count: AtomicU64,
    begun: Instant,
    /// Milliseconds since then; before that the log is told nothing.
    next_warning: AtomicU64,
}

impl Dropped {
    fn new() -> Self {
        Self { count: AtomicU64::new(0), begun: Instant::now(), next_warning: AtomicU64::new(0) }
    }

    fn one(&self, why: &str) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (now, due) = (millis(self.begun.elapsed()), self.next_warning.load(Ordering::Relaxed));
        let next = now.saturating_add(millis(WARN_EVERY));
        if due <= now && self.next_warning.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(count, why, "conversations that their people want kept were not");
        }
    }
}
