//! Taking away what is kept long enough.

use coditect_protocol::llm::Step;
use coditect_store::{Range, StoreError};

use super::Usage;
use super::rows::length_of;

/// Chunks that one transaction takes away.
const BATCH: usize = 500;

impl Usage {
    /// Takes away records and sums of calls that began before this time, in milliseconds since 1970.
    pub(crate) async fn sweep(&self, before: u64) -> Result<(), StoreError> {
        self.sweep_calls(before).await?;
        for step in [Step::Hour, Step::Day] {
            let sums = self.places.sums_of(step);
            let old = &Range::new(sums.range().begin, sums.pack(&(before / length_of(step),)));
            self.store.transact(|tx| async move { tx.clear_range(old) }).await?;
        }
        Ok(())
    }

    async fn sweep_calls(&self, before: u64) -> Result<(), StoreError> {
        let (calls, places) = (&self.places.calls, &self.places);
        let end = calls.pack(&(before / length_of(Step::Hour),));
        let old = &Range::new(calls.range().begin, end).limit(BATCH).snapshot();
        loop {
            let more = self.store.transact(|tx| async move {
                let rows = tx.range(old.clone()).await?;
                for row in &rows {
                    tx.clear(places.person_key(&places.call_place(&row.key)?))?;
                    tx.clear(&row.key)?;
                }
                Ok::<_, StoreError>(rows.more)
            });
            if !more.await? {
                return Ok(());
            }
        }
    }
}
