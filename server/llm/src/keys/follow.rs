//! Following what lies in the store: whatever is held in memory of it is read again once any server changed it.
//!
//! Every change sets one key to the versionstamp of its commit ([`note_changed`]), in the same transaction and without a conflict.
//! Each server watches that key and reads all of it anew.

use std::time::Duration;

use coditect_store::{Committed, Store, StoreError, Transaction};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// It is read this often at the least, should a watch ever get lost.
const READ_AT_LEAST_EVERY: Duration = Duration::from_secs(60);
/// Whoever changes much makes nobody read all the time: from one reading to the next it takes so many times as long as a reading.
const PAUSE_TIMES: u32 = 4;
/// Longest such pause.
const LONGEST_READ_PAUSE: Duration = Duration::from_secs(5);
/// Pause after a failure; doubles up to the longest.
const FIRST_FAILURE_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause after failures.
const LONGEST_FAILURE_PAUSE: Duration = Duration::from_secs(2);
/// How long a change waits until this server's own memory has it: two readings and the longest pause between them.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// A versionstamp, followed by its place in the value (little-endian), which is its begin.
const STAMP: [u8; 14] = [0; 14];

/// Tells all servers, with the commit, to read again.
pub(crate) fn note_changed(tx: &Transaction, key: &[u8]) -> Result<(), StoreError> {
    tx.set_versionstamped_value(key, STAMP)
}

/// Reads now, and again whenever the key changed and from time to time, until it is told to stop.
pub(crate) async fn follow<F, Fut>(store: &Store, key: &[u8], what: &str, stop: &CancellationToken, read: F)
where
    F: Fn() -> Fut + Send,
    Fut: Future<Output = Result<(), StoreError>> + Send,
{
    let following = async {
        let mut failure_pause = FIRST_FAILURE_PAUSE;
        loop {
            match read_once(store, key, &read).await {
                Ok(()) => failure_pause = FIRST_FAILURE_PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "{what} cannot be read at the moment; reading again");
                    sleep(failure_pause).await;
                    failure_pause = (failure_pause * 2).min(LONGEST_FAILURE_PAUSE);
                }
            }
        }
    };
    stop.run_until_cancelled(following).await;
}

/// Reads, and returns when it is time to read again.
async fn read_once<F, Fut>(store: &Store, key: &[u8], read: &F) -> Result<(), StoreError>
where
    F: Fn() -> Fut + Send,
    Fut: Future<Output = Result<(), StoreError>> + Send,
{
    // The watch stands before the first row is read, so that nothing changes unseen while the rows are read one batch after the other.
    let changed = store.watch(key).await?;
    let begun = Instant::now();
    read().await?;
    let pause = (begun.elapsed() * PAUSE_TIMES).min(LONGEST_READ_PAUSE);
    timeout(READ_AT_LEAST_EVERY, changed).await.unwrap_or(Ok(()))?;
    sleep(pause.saturating_sub(begun.elapsed())).await;
    Ok(())
}

/// Up to which version of the store the memory of this server is.
pub(crate) struct Seen(watch::Sender<u64>);

impl Seen {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// What was committed up to this version is in memory.
    pub(crate) fn reached(&self, version: u64) {
        self.0.send_replace(version);
    }

    /// Returns once a change is in the memory of this server, or after [`SEEN_WITHIN`].
    pub(crate) async fn wait(&self, change: Committed) {
        let Some(version) = change.version else { return };
        let mut seen = self.0.subscribe();
        let _ = timeout(SEEN_WITHIN, seen.wait_for(|seen| *seen >= version)).await;
    }
}
