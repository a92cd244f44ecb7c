//! Filling a store with the rows of another one or of a backup.
//!
//! While that is under way a mark stands in the target, so that nobody takes the half for the whole: [`Store::open`] refuses
//! it. Each transaction writes rows and, in the mark, how far they go, so that the work can be resumed. At the end the target
//! is read again and compared; only then the mark is taken away.

use crate::backup::source::{Source, tally};
use crate::backup::{Origin, Phase, Progress, Summary};
use crate::error::StoreError;
use crate::keys::own;
use crate::limits::{COPY_BATCH_BYTES, COPY_BATCH_ROWS, RESERVED_PREFIX};
use crate::range::{KeyValue, Range, key_after};
use crate::record::Record;
use crate::store::Store;
use crate::transaction::Transaction;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::path::Path;

#[cfg(test)]
mod tests;

/// What to do with what a target holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTarget {
    /// It must be empty.
    Refuse,
    /// It must be empty, or hold what an earlier copy of the same origin left when it was broken off.
    Resume,
    /// It is taken away first.
    Replace,
}

/// Stands in a target that is not whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mark {
    /// Which run writes, so that no two do.
    run: u64,
    /// Key of the last row that was written.
    at: Option<ByteBuf>,
}

impl Record for Mark {
    const VERSION: u8 = 1;
}

/// Where the mark stands. It belongs to no backup.
pub(crate) fn mark_key() -> Vec<u8> {
    own().pack(&"unfinished")
}

impl Store {
    /// Fills the store from a backup and compares; see [`Origin::copy_to`].
    pub async fn restore(
        &self,
        file: &Path,
        on_target: OnTarget,
        progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Summary, StoreError> {
        Origin::file(file).copy_to(self, on_target, progress).await
    }

    /// Refuses a store that a copy or a restore left half full. [`Store::open`] does it, where the store can be reached then.
    pub async fn refuse_unfinished(&self) -> Result<(), StoreError> {
        let key = &mark_key();
        let mark = self.transact(|tx| async move { tx.get(key).await }).await?;
        if mark.is_some() { Err(StoreError::Unfinished) } else { Ok(()) }
    }
}

/// Copies, compares, and takes the mark away.
pub(crate) async fn copy(
    origin: &Origin,
    target: &Store,
    on_target: OnTarget,
    progress: &(impl Fn(Progress) + Send + Sync),
) -> Result<Summary, StoreError> {
    let report = |phase: Phase| move |rows: u64, bytes: u64| progress(Progress { phase, rows, bytes });
    let expected = if origin.is_file() {
        let report = report(Phase::Checking);
        Some(origin.read(|_, (rows, bytes)| report(rows, bytes)).await?)
    } else {
        None
    };
    let mut source = origin.rows().await?;
    let mut filler = Filler::start(target, on_target, report(Phase::Clearing)).await?;
    let copied = filler.fill(&mut source, report(Phase::Copying)).await?;
    if expected.is_some_and(|expected| expected != copied) {
        return Err(mismatch("the backup was changed while it was read"));
    }
    let report = report(Phase::Verifying);
    let found = tally(&mut Source::store(target)?, |_, tally| report(tally.rows(), tally.bytes())).await?;
    if (found.rows, found.digest) != (copied.rows, copied.digest) {
        return Err(mismatch(&format!("{} rows were read, {} are there, or others", copied.rows, found.rows)));
    }
    // New commits sort behind the versionstamps that came along.
    target.backend().raise_version(copied.version).await?;
    filler.finish().await?;
    Ok(copied)
}

fn mismatch(detail: &str) -> StoreError {
    StoreError::CopyMismatch { detail: detail.to_owned() }
}

/// Writes to a marked target.
struct Filler<'a> {
    target: &'a Store,
    mark: Mark,
}

impl<'a> Filler<'a> {
    /// Puts the mark, and takes away what is there if that is wanted.
    async fn start(
        target: &'a Store,
        on_target: OnTarget,
        report: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<Self, StoreError> {
        let run = rand::random();
        let mark = target
            .transact(|tx| async move {
                let found = tx.get_record::<Mark>(mark_key()).await?;
                if let Some(own) = found.as_ref().filter(|found| found.run == run) {
                    // An attempt whose result nobody knew.
                    return Ok(own.clone());
                }
                let rows = tx.range(everything().limit(2)).await?;
                let has_rows = rows.len() > usize::from(found.is_some());
                let at = match (on_target, found) {
                    (OnTarget::Refuse, Some(_)) => return Err(StoreError::Unfinished),
                    (OnTarget::Refuse | OnTarget::Resume, None) if has_rows => return Err(StoreError::NotEmpty),
                    (OnTarget::Resume, Some(found)) => found.at,
                    (OnTarget::Refuse | OnTarget::Resume, None) | (OnTarget::Replace, _) => None,
                };
                let mark = Mark { run, at };
                tx.set_record(mark_key(), &mark)?;
                Ok(mark)
            })
            .await?;
        let filler = Self { target, mark };
        if on_target == OnTarget::Replace {
            filler.clear(report).await?;
        }
        Ok(filler)
    }

    /// Takes all rows away, some at a time: there may be more than one transaction can.
    async fn clear(&self, report: impl Fn(u64, u64) + Send + Sync) -> Result<(), StoreError> {
        let mut cleared = 0;
        let mut begin = Vec::new();
        loop {
            let from = &begin;
            let rows = self
                .target
                .transact(|tx| async move {
                    self.check(&tx).await?;
                    let rows = tx.range(Range::new(from, [RESERVED_PREFIX]).limit(COPY_BATCH_ROWS).snapshot()).await?;
                    if let Some(last) = rows.last() {
                        tx.clear_range(&Range::new(from, key_after(&last.key)))?;
                        tx.set_record(mark_key(), &self.mark)?;
                    }
                    Ok::<_, StoreError>(rows)
                })
                .await?;
            cleared += rows.len() as u64;
            report(cleared, 0);
            match rows.last() {
                Some(last) if rows.more => begin = key_after(&last.key).to_vec(),
                _ => return Ok(()),
            }
        }
    }

    /// Writes all that the source has, but for what an earlier run wrote.
    async fn fill(
        &mut self,
        source: &mut Source,
        report: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<Summary, StoreError> {
        let mut tally = crate::backup::format::Tally::default();
        while let Some(rows) = source.next().await? {
            let (counted, rows) =
                crate::backup::source::offload(move || tally.add(&rows).map(|()| (tally, rows))).await??;
            tally = counted;
            let written = self.mark.at.as_ref().map_or(0, |at| rows.partition_point(|row| row.key[..] <= at[..]));
            let mut rest = &rows[written..];
            while !rest.is_empty() {
                let (batch, others) = rest.split_at(batch_rows(rest));
                self.write(batch).await?;
                rest = others;
            }
            report(tally.rows(), tally.bytes());
        }
        let (states, version) = source.states_and_version();
        Ok(tally.finish(states, version))
    }

    async fn write(&mut self, rows: &[KeyValue]) -> Result<(), StoreError> {
        let at = rows.last().map(|row| ByteBuf::from(row.key.to_vec()));
        let mark = &Mark { run: self.mark.run, at };
        let filler = &*self;
        self.target
            .transact(|tx| async move {
                filler.check(&tx).await?;
                rows.iter().try_for_each(|row| tx.set(&row.key, &row.value))?;
                tx.set_record(mark_key(), mark)
            })
            .await?;
        self.mark = mark.clone();
        Ok(())
    }

    /// Takes the mark away.
    async fn finish(self) -> Result<(), StoreError> {
        let filler = &self;
        self.target
            .transact(|tx| async move {
                // Gone if this ran before and nobody knew its result.
                if tx.get(mark_key()).await?.is_some() {
                    filler.check(&tx).await?;
                    tx.clear(mark_key())?;
                }
                Ok(())
            })
            .await
    }

    /// Refuses to go on where another run writes.
    async fn check(&self, tx: &Transaction) -> Result<(), StoreError> {
        match tx.get_record::<Mark>(mark_key()).await? {
            Some(mark) if mark.run == self.mark.run => Ok(()),
            _ => Err(mismatch("another copy writes to the same target")),
        }
    }
}

fn everything() -> Range {
    Range::new("", [RESERVED_PREFIX])
}

/// How many of the rows go into one transaction; at least one.
fn batch_rows(rows: &[KeyValue]) -> usize {
    let mut bytes = 0;
    let fits = rows.iter().take(COPY_BATCH_ROWS).take_while(|row| {
        let is_first = bytes == 0;
        bytes += row.key.len() + row.value.len() + 1;
        is_first || bytes <= COPY_BATCH_BYTES
    });
    fits.count()
}
