//! Writing records down, some at a time.

use std::time::Duration;

use coditect_protocol::llm::CallRecord;
use coditect_store::StoreError;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Usage;
use super::batch::Batch;
use crate::money::Ledger;

/// How long records are gathered before they are written.
const GATHER_FOR: Duration = Duration::from_millis(250);
/// Most records that are taken from the queue at once.
const GATHER_MOST: usize = 16_384;
/// Budgets that are written along.
const BUDGETS_ALONG: usize = 500;
/// Longest pause after the store did not take something.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Usage {
    /// Writes all records and budgets down until `stop`, and then what is there; ends when no call is under way any more. What the
    /// store does not take is kept, and no more is taken from the queue meanwhile.
    pub(crate) async fn write_down(&self, mut queue: Receiver<CallRecord>, ledger: &Ledger, stop: &CancellationToken) {
        let mut is_open = true;
        while is_open {
            let mut records = Vec::new();
            is_open = gather(&mut queue, &mut records, stop).await;
            for batch in Batch::split(records) {
                self.write_surely(&batch, ledger).await;
            }
        }
    }

    async fn write_surely(&self, batch: &Batch, ledger: &Ledger) {
        let mut pause = GATHER_FOR;
        while let Err(error) = self.write_once(batch, ledger).await {
            tracing::warn!(%error, calls = batch.calls, "who used what cannot be written down at the moment; trying again");
            if batch.calls == 0 {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.written(batch.calls);
    }

    pub(crate) async fn write_once(&self, batch: &Batch, ledger: &Ledger) -> Result<(), StoreError> {
        let budgets = ledger.unwritten(BUDGETS_ALONG);
        if budgets.is_empty() && batch.calls == 0 {
            return Ok(());
        }
        let (places, along) = (&self.places, &budgets);
        self.store
            .transact(|tx| async move {
                batch.write(&tx, places).await?;
                ledger.write(&tx, along).await
            })
            .await?;
        budgets.into_iter().for_each(crate::money::Unwritten::done);
        Ok(())
    }
}

/// Takes what gathered in the queue over a while; answers whether more can come.
async fn gather(queue: &mut Receiver<CallRecord>, records: &mut Vec<CallRecord>, stop: &CancellationToken) -> bool {
    if queue.is_closed() {
        // Those under way are waited for.
        return queue.recv_many(records, GATHER_MOST).await > 0;
    }
    // The queue is not listened to meanwhile, so that no call has to wake anybody.
    if stop.run_until_cancelled(sleep(GATHER_FOR)).await.is_none() {
        // No new call is let in any more.
        queue.close();
    }
    while records.len() < GATHER_MOST
        && let Ok(record) = queue.try_recv()
    {
        records.push(record);
    }
    true
}
