//! Records and sums, as they are stored.
//!
//! | key below `metering` | value |
//! |---|---|
//! | `call`, hour, batch, person, number | [`Chunk`]: calls that began in that hour, in the order in which they ended |
//! | `of`, person, hour, batch, number | nothing: finds a person's chunks |
//! | `sum`, `h` or `d`, hour or day, person, workspace, agent, model | [`Sum`] |
//!
//! Hours and days are counted from 1970. Batches sort in the order in which they were made.

use std::io::{Read as _, Write as _};

use coditect_protocol::llm::{CallOutcome, CallRecord, CallTokens, Step, UsageTotals};
use coditect_store::{Record, StoreError, Subspace};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::{DAY_MS, HOUR_MS};

/// Most bytes of a chunk that is unpacked.
const MAX_UNPACKED_BYTES: u64 = 1024 * 1024;

/// Calls of one person.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Chunk {
    pub(crate) calls: Vec<CallRecord>,
}

impl Record for Chunk {
    const VERSION: u8 = 1;
}

impl Chunk {
    /// As it is stored: packed, since records of one person are much alike.
    pub(crate) fn pack(&self) -> Result<Vec<u8>, StoreError> {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&self.encode()?).and_then(|()| packer.finish()).map_err(|error| corrupt(&error))
    }

    /// Reads what [`Self::pack`] wrote.
    pub(crate) fn unpack(stored: &[u8]) -> Result<Self, StoreError> {
        let mut bytes = Vec::new();
        // Nothing that was packed here is larger.
        let mut unpacked = ZlibDecoder::new(stored).take(MAX_UNPACKED_BYTES);
        unpacked.read_to_end(&mut bytes).map_err(|error| corrupt(&error))?;
        Self::decode(&bytes)
    }
}

fn corrupt(error: &std::io::Error) -> StoreError {
    StoreError::RecordCorrupt { detail: error.to_string() }
}

/// A sum over calls.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sum(pub(crate) UsageTotals);

impl Record for Sum {
    const VERSION: u8 = 1;
}

/// Where a chunk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) hour: u64,
    pub(crate) batch: Uuid,
    pub(crate) user: Uuid,
    pub(crate) number: u64,
}

/// What a sum is over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SumOf {
    pub(crate) is_day: bool,
    /// Hours or days since 1970.
    pub(crate) bucket: u64,
    pub(crate) user: Uuid,
    pub(crate) workspace: Option<Uuid>,
    pub(crate) agent: String,
    pub(crate) model: String,
}

impl SumOf {
    /// Both that a call belongs to.
    pub(crate) fn both(call: &CallRecord) -> [Self; 2] {
        [(false, HOUR_MS), (true, DAY_MS)].map(|(is_day, length)| Self {
            is_day,
            bucket: call.at / length,
            user: call.user.0,
            workspace: call.workspace.map(|workspace| workspace.0),
            agent: call.agent.clone(),
            model: call.model.clone(),
        })
    }
}

/// Length of a step, in milliseconds.
pub(crate) fn length_of(step: Step) -> u64 {
    match step {
        Step::Hour => HOUR_MS,
        Step::Day => DAY_MS,
    }
}

/// Where everything about usage is kept.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) calls: Subspace,
    people: Subspace,
    sums: Subspace,
}

impl Places {
    pub(crate) fn below(root: &Subspace) -> Self {
        Self { calls: root.sub(&"call"), people: root.sub(&"of"), sums: root.sub(&"sum") }
    }

    pub(crate) fn call_key(&self, place: &Place) -> Vec<u8> {
        self.calls.pack(&(place.hour, place.batch, place.user, place.number))
    }

    pub(crate) fn call_place(&self, key: &[u8]) -> Result<Place, StoreError> {
        let (hour, batch, user, number) = self.calls.unpack(key)?;
        Ok(Place { hour, batch, user, number })
    }

    /// A person's, in the order of time.
    pub(crate) fn of_person(&self, user: Uuid) -> Subspace {
        self.people.sub(&user)
    }

    pub(crate) fn person_key(&self, place: &Place) -> Vec<u8> {
        self.of_person(place.user).pack(&(place.hour, place.batch, place.number))
    }

    pub(crate) fn person_place(&self, user: Uuid, key: &[u8]) -> Result<Place, StoreError> {
        let (hour, batch, number) = self.of_person(user).unpack(key)?;
        Ok(Place { hour, batch, user, number })
    }

    /// All of a step, in the order of time.
    pub(crate) fn sums_of(&self, step: Step) -> Subspace {
        self.sums.sub(&step_word(step))
    }

    pub(crate) fn sum_key(&self, of: &SumOf) -> Vec<u8> {
        let step = if of.is_day { Step::Day } else { Step::Hour };
        self.sums_of(step).pack(&(of.bucket, of.user, of.workspace, of.agent.as_str(), of.model.as_str()))
    }

    pub(crate) fn sum_of(&self, step: Step, key: &[u8]) -> Result<SumOf, StoreError> {
        let (bucket, user, workspace, agent, model) = self.sums_of(step).unpack(key)?;
        Ok(SumOf { is_day: step == Step::Day, bucket, user, workspace, agent, model })
    }
}

fn step_word(step: Step) -> &'static str {
    match step {
        Step::Hour => "h",
        Step::Day => "d",
    }
}

/// What one call adds to sums.
pub(crate) fn totals_of(call: &CallRecord) -> UsageTotals {
    UsageTotals {
        calls: 1,
        failures: u64::from(!matches!(call.outcome, CallOutcome::Ok | CallOutcome::Cancelled)),
        tokens: call.tokens,
        cost: call.cost,
        first_token_us: call.first_token_us.unwrap_or_default(),
        first_tokens: u64::from(call.first_token_us.is_some()),
        total_us: call.total_us,
    }
}

/// Both together.
pub(crate) fn together(one: &UsageTotals, other: &UsageTotals) -> UsageTotals {
    let (a, b) = (&one.tokens, &other.tokens);
    UsageTotals {
        calls: one.calls.saturating_add(other.calls),
        failures: one.failures.saturating_add(other.failures),
        tokens: CallTokens {
            input: a.input.saturating_add(b.input),
            cached: a.cached.saturating_add(b.cached),
            cache_write: a.cache_write.saturating_add(b.cache_write),
            output: a.output.saturating_add(b.output),
            reasoning: a.reasoning.saturating_add(b.reasoning),
        },
        cost: one.cost.plus(other.cost),
        first_token_us: one.first_token_us.saturating_add(other.first_token_us),
        first_tokens: one.first_tokens.saturating_add(other.first_tokens),
        total_us: one.total_us.saturating_add(other.total_us),
    }
}
