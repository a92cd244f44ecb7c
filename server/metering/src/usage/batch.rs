//! Records that are written in one transaction.

use std::collections::BTreeMap;

use coditect_protocol::llm::{CallRecord, UsageTotals};
use coditect_store::{StoreError, Transaction};
use futures_util::future::try_join_all;
use uuid::Uuid;

use super::rows::{Chunk, Place, Places, Sum, SumOf, together, totals_of};
use crate::time::HOUR_MS;

/// Bytes of records in one value; the store takes 100 kB.
const CHUNK_BYTES: usize = 90_000;
/// Bytes of one transaction, with sums and all that belongs to them, after which another is begun. The last chunk may have gone beyond
/// that, and budgets are written along; the store takes 10 MB.
const BATCH_BYTES: usize = 4_000_000;
/// What a sum takes of a transaction, beside its texts, which count [`SUM_TEXTS`] times: it is read and written, and both conflict.
const SUM_BYTES: usize = 1_500;
/// How often a text in the key of a sum counts.
const SUM_TEXTS: usize = 6;
/// What a record takes at the most, beside its texts: the names of its fields, its numbers and identifiers.
const RECORD_BYTES: usize = 640;

/// Records that are written together, once.
#[derive(Debug)]
pub(crate) struct Batch {
    id: Uuid,
    chunks: Vec<(Place, Chunk)>,
    sums: BTreeMap<SumOf, UsageTotals>,
    bytes: usize,
    /// How many calls it is.
    pub(crate) calls: usize,
}

/// What a record takes at the most.
fn bytes_of(call: &CallRecord) -> usize {
    let code = call.code.as_ref().map_or(0, String::len);
    RECORD_BYTES + call.agent.len() + call.asked.len() + call.model.len() + code
}

impl Batch {
    fn new() -> Self {
        Self { id: Uuid::now_v7(), chunks: Vec::new(), sums: BTreeMap::new(), bytes: 0, calls: 0 }
    }

    /// As many batches as these records need.
    pub(crate) fn split(calls: Vec<CallRecord>) -> Vec<Self> {
        let mut by_person: BTreeMap<(u64, Uuid), Vec<CallRecord>> = BTreeMap::new();
        for call in calls {
            by_person.entry((call.at / HOUR_MS, call.user.0)).or_default().push(call);
        }
        let mut batches = vec![Self::new()];
        for ((hour, user), calls) in by_person {
            for chunk in chunks(calls) {
                if batches.last().is_none_or(|batch| batch.bytes >= BATCH_BYTES) {
                    batches.push(Self::new());
                }
                if let Some(batch) = batches.last_mut() {
                    batch.push(hour, user, chunk);
                }
            }
        }
        batches
    }

    fn push(&mut self, hour: u64, user: Uuid, calls: Vec<CallRecord>) {
        for call in &calls {
            let one = totals_of(call);
            self.bytes += bytes_of(call);
            for of in SumOf::both(call) {
                let texts = of.agent.len() + of.model.len();
                let sum = self.sums.entry(of).or_insert_with(|| {
                    self.bytes += SUM_BYTES + SUM_TEXTS * texts;
                    UsageTotals::default()
                });
                *sum = together(sum, &one);
            }
        }
        self.calls += calls.len();
        let number = self.chunks.len() as u64;
        self.chunks.push((Place { hour, batch: self.id, user, number }, Chunk { calls }));
    }

    /// Writes it as a part of a transaction, unless it was written before.
    pub(crate) async fn write(&self, tx: &Transaction, places: &Places) -> Result<(), StoreError> {
        let Some((first, _)) = self.chunks.first() else { return Ok(()) };
        // Read with a conflict: an earlier commit, which was given up and arrives late, makes this one begin anew.
        if tx.get(places.call_key(first)).await?.is_some() {
            return Ok(());
        }
        let keys: Vec<_> = self.sums.keys().map(|of| places.sum_key(of)).collect();
        let before = try_join_all(keys.iter().map(|key| tx.get_record::<Sum>(key))).await?;
        for ((key, before), sum) in keys.iter().zip(before).zip(self.sums.values()) {
            tx.set_record(key, &Sum(together(&before.unwrap_or_default().0, sum)))?;
        }
        for (place, chunk) in &self.chunks {
            tx.set(places.call_key(place), chunk.pack()?)?;
            tx.set(places.person_key(place), [])?;
        }
        Ok(())
    }
}

/// Parts of them that fit into a value.
fn chunks(calls: Vec<CallRecord>) -> Vec<Vec<CallRecord>> {
    let (mut chunks, mut bytes) = (vec![Vec::new()], 0);
    for call in calls {
        let size = bytes_of(&call);
        let is_full = |chunk: &Vec<CallRecord>| bytes + size > CHUNK_BYTES && !chunk.is_empty();
        if chunks.last().is_none_or(is_full) {
            chunks.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(call);
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use coditect_store::Record as _;
    use coditect_store::limits::VALUE_MAX_BYTES;
    use coditect_store::{Store, Subspace};

    use super::*;
    use crate::admission::MODEL_MAX_CHARS;
    use crate::money::Ledger;
    use crate::tests::record;
    use crate::usage::Usage;
    use crate::{AGENT_MAX_CHARS, CallFilter};

    #[test]
    fn a_record_takes_no_more_than_it_is_thought_to() {
        let mut call = record(1, 5, "model");
        call.token = Some(coditect_protocol::TokenId(Uuid::max()));
        call.workspace = Some(coditect_protocol::WorkspaceId(Uuid::max()));
        call.code = Some("c".repeat(64));
        call.first_token_us = Some(u64::MAX);
        (call.at, call.total_us, call.retries) = (u64::MAX, u64::MAX, u32::MAX);
        call.tokens = coditect_protocol::llm::CallTokens {
            input: u64::MAX,
            cached: u64::MAX,
            cache_write: u64::MAX,
            output: u64::MAX,
            reasoning: u64::MAX,
        };
        call.outcome = coditect_protocol::llm::CallOutcome::OutOfMoney;
        call.door = coditect_protocol::llm::Door::Embeddings;
        let bytes = Chunk { calls: vec![call.clone()] }.encode().unwrap().len();
        assert!(bytes <= bytes_of(&call), "{bytes} {}", bytes_of(&call));
    }

    #[test]
    fn batches_and_chunks_are_bounded_and_lose_nothing() {
        let calls: Vec<_> = (0..20_000).map(|n| record(n % 7, n * 1000, &format!("up/{}", n % 900))).collect();
        let batches = Batch::split(calls.clone());
        assert!(batches.len() > 1);
        assert_eq!(batches.iter().map(|batch| batch.calls).sum::<usize>(), calls.len());
        let mut ids: Vec<_> = batches
            .iter()
            .flat_map(|batch| &batch.chunks)
            .flat_map(|(_, chunk)| &chunk.calls)
            .map(|call| call.id)
            .collect();
        ids.sort_unstable();
        let mut expected: Vec<_> = calls.iter().map(|call| call.id).collect();
        expected.sort_unstable();
        assert_eq!(ids, expected);
        for batch in &batches {
            assert!(batch.chunks.iter().all(|(_, chunk)| chunk.encode().unwrap().len() <= VALUE_MAX_BYTES));
        }
    }

    #[tokio::test]
    async fn the_store_takes_whatever_calls_are_named() {
        let store = Store::open("memory:").await.unwrap();
        let usage = Usage::new(store.clone(), &Subspace::root("metering"), 8);
        let ledger = Ledger::new(store.clone(), Subspace::root("metering").sub(&"money"));
        let long = |n: u64, chars| format!("{n}{}", "\u{10ffff}".repeat(chars - n.to_string().len()));
        let calls = (0..2_000).map(|n| {
            // Each belongs to sums of its own, and no text could be longer.
            let (agent, asked) = (long(n, AGENT_MAX_CHARS), long(n, MODEL_MAX_CHARS));
            CallRecord { agent, asked, ..record(n % 3, n * 1000, &long(n, MODEL_MAX_CHARS)) }
        });
        for batch in Batch::split(calls.collect()) {
            let (tx, places) = (store.begin(), &usage.places);
            batch.write(&tx, places).await.unwrap();
            tx.cancel();
            usage.write_once(&batch, &ledger).await.unwrap();
        }
        let filter = CallFilter { user: None, from: 0, to: u64::MAX };
        let mut export = (0, None);
        loop {
            let page = usage.page(&filter, export.1.as_deref(), 1_000).await.unwrap();
            export = (export.0 + page.calls.len(), page.next);
            if export.1.is_none() {
                break;
            }
        }
        assert_eq!(export.0, 2_000);
    }
}
