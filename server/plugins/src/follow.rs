//! Following what lies in the store: what is held in memory of it is read again once any server changed it.

use std::future::Future;
use std::time::Duration;

use coditect_store::{Store, StoreError, Transaction};
use tokio::time::{sleep, timeout};

/// It is read this often at the least, should a watch ever get lost.
const READ_AT_LEAST_EVERY: Duration = Duration::from_secs(60);
/// Pause after a failure; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A versionstamp, followed by its place in the value (little-endian), which is its begin.
const STAMP: [u8; 14] = [0; 14];

/// Tells all servers that watch a key, with the commit, to read again.
pub(crate) fn note_changed(tx: &Transaction, key: &[u8]) -> Result<(), StoreError> {
    tx.set_versionstamped_value(key, STAMP)
}

/// Reads now, and again whenever the key changed and from time to time, until it is dropped or the store is closed. The watch stands before
/// anything is read, so that nothing changes unseen.
pub(crate) async fn follow<F, Fut>(store: &Store, key: &[u8], what: &str, read: F)
where
    F: Fn() -> Fut + Send,
    Fut: Future<Output = Result<(), StoreError>> + Send,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let once = async {
            let changed = store.watch(key).await?;
            read().await?;
            timeout(READ_AT_LEAST_EVERY, changed).await.unwrap_or(Ok(()))
        };
        match once.await {
            Ok(()) => pause = FIRST_PAUSE,
            // This server stops.
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "{what} cannot be followed at the moment; reading again");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
