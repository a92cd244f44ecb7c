//! Sums over calls.

use std::collections::BTreeMap;

use coditect_protocol::UserId;
use coditect_protocol::llm::{Step, UsageBy, UsageReport, UsageRow, UsageTotals};
use coditect_store::{KeyValue, Range, Record as _, Rows, StoreError};
use futures_util::future::try_join_all;
use uuid::Uuid;

use super::Usage;
use super::rows::{Sum, SumOf, length_of, together};
use crate::MeteringError;

/// Most rows of a report.
const ROWS_MAX: usize = 10_000;
/// Most sums that a report is made of.
const SUMS_MAX: usize = 1_000_000;
/// Most steps of a report: three months of hours, or six years of days.
const STEPS_MAX: u64 = 2_232;
/// Steps of one person that are read at once.
const STEPS_AT_ONCE: u64 = 64;

/// Which sums. A step counts whole where a part of it lies within the time.
#[derive(Debug, Clone, Copy)]
pub struct ReportQuery {
    /// Of this person only.
    pub user: Option<UserId>,
    /// From this time on, in milliseconds since 1970.
    pub from: u64,
    /// Up to this time, in milliseconds since 1970.
    pub to: u64,
    /// Length of the periods.
    pub step: Step,
    /// What is told apart.
    pub by: UsageBy,
}

impl ReportQuery {
    /// The first step, and the first no longer.
    fn steps(&self) -> Result<(u64, u64), MeteringError> {
        if self.from >= self.to {
            return Err(MeteringError::BadRange("The time ends before it begins"));
        }
        let length = length_of(self.step);
        let (first, end) = (self.from / length, self.to.div_ceil(length));
        if end - first > STEPS_MAX {
            return Err(MeteringError::BadRange(
                "The time is too long; ask for 93 days by hours, or six years by days",
            ));
        }
        Ok((first, end))
    }
}

/// What a report is made of, so far.
struct Gathered<'a> {
    usage: &'a Usage,
    query: &'a ReportQuery,
    rows: BTreeMap<(u64, String), UsageTotals>,
    totals: UsageTotals,
    sums: usize,
}

impl Gathered<'_> {
    fn add(&mut self, rows: &[KeyValue]) -> Result<(), MeteringError> {
        self.sums += rows.len();
        for row in rows {
            let of = self.usage.places.sum_of(self.query.step, &row.key)?;
            let sum = Sum::decode(&row.value)?.0;
            self.totals = together(&self.totals, &sum);
            let entry = self.rows.entry((of.bucket, told_apart(self.query.by, of))).or_default();
            *entry = together(entry, &sum);
        }
        if self.rows.len() > ROWS_MAX || self.sums > SUMS_MAX {
            return Err(MeteringError::ReportTooLarge { most: ROWS_MAX });
        }
        Ok(())
    }

    fn report(self) -> UsageReport {
        let length = length_of(self.query.step);
        let row = |((bucket, of), totals)| UsageRow { at: bucket * length, of, name: None, totals };
        let mut rows: Vec<_> = self.rows.into_iter().map(row).collect();
        // By time they are already, and by name where they cost the same.
        rows.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| b.totals.cost.cmp(&a.totals.cost)));
        UsageReport { step: self.query.step, by: self.query.by, rows, totals: self.totals }
    }
}

fn told_apart(by: UsageBy, of: SumOf) -> String {
    match by {
        UsageBy::Model => of.model,
        UsageBy::Agent => of.agent,
        UsageBy::Workspace => of.workspace.map(|id| id.to_string()).unwrap_or_default(),
        UsageBy::Person => of.user.to_string(),
    }
}

impl Usage {
    /// Sums over a time.
    pub(crate) async fn report(&self, query: &ReportQuery) -> Result<UsageReport, MeteringError> {
        let (first, end) = query.steps()?;
        let (rows, totals) = (BTreeMap::new(), UsageTotals::default());
        let mut gathered = Gathered { usage: self, query, rows, totals, sums: 0 };
        match query.user {
            Some(user) => self.sums_of_person(&mut gathered, user.0, first, end).await?,
            None => self.sums_of_all(&mut gathered, first, end).await?,
        }
        Ok(gathered.report())
    }

    async fn sums_of_all(&self, gathered: &mut Gathered<'_>, first: u64, end: u64) -> Result<(), MeteringError> {
        let sums = self.places.sums_of(gathered.query.step);
        let mut range = Range::new(sums.pack(&(first,)), sums.pack(&(end,))).snapshot();
        loop {
            let part = &range;
            let Rows { rows, more } =
                self.store.transact(|tx| async move { tx.range(part.clone()).await }).await.map_err(store)?;
            gathered.add(&rows)?;
            match rows.last() {
                Some(last) if more => range = range.after(&last.key),
                _ => return Ok(()),
            }
        }
    }

    async fn sums_of_person(
        &self,
        gathered: &mut Gathered<'_>,
        user: Uuid,
        first: u64,
        end: u64,
    ) -> Result<(), MeteringError> {
        let sums = &self.places.sums_of(gathered.query.step);
        for from in (first..end).step_by(usize::try_from(STEPS_AT_ONCE).unwrap_or(1)) {
            let steps = from..end.min(from + STEPS_AT_ONCE);
            let steps = &steps;
            let read = self.store.transact(|tx| async move {
                let range = |step| tx.range_all(sums.sub(&(step, user)).range().snapshot());
                try_join_all(steps.clone().map(range)).await
            });
            for rows in read.await.map_err(store)? {
                gathered.add(&rows)?;
            }
        }
        Ok(())
    }
}

/// More than the store reads at once is more than a report has.
fn store(error: StoreError) -> MeteringError {
    match error {
        StoreError::RangeTooLarge => MeteringError::ReportTooLarge { most: ROWS_MAX },
        other => MeteringError::Store(other),
    }
}
