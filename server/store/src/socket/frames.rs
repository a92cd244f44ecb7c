//! What client and server say to each other, and how errors and writes look on the way.

use crate::error::StoreError;
use crate::mutation::{AtomicOp, Mutation};
use crate::range::{KeyRange, KeyValue, Range, Rows, key_after};
use crate::store::Committed;
use crate::transaction::Transaction;
use bytes::Bytes;
use coditect_protocol::Coded;
use serde::{Deserialize, Serialize};

/// Version of this language. A change that the other side would not understand raises it.
pub(super) const PROTOCOL: u32 = 1;

/// From the client. Identifiers are the client's; each request with an `id` is answered once, whatever happens to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Request {
    /// Comes first, and only then.
    Hello { protocol: u32 },
    /// Says that the client is there, and asks the same; nothing is looked at for it.
    Heartbeat,
    /// Whether the store can be read from.
    Ping { id: u64 },
    /// Begins a transaction; everything else about it follows.
    Begin { tx: u64 },
    /// Adds writes. If one is refused, whatever is asked of the transaction afterwards is answered with that refusal.
    Write { tx: u64, writes: Vec<Write> },
    /// Watches a key; answered by [`Reply::WatchEnded`] alone. A refusal also counts for the transaction, as with writes.
    Watch { tx: u64, id: u64, key: Bytes },
    /// Reads.
    Ask { tx: u64, id: u64, question: Question },
    /// Commits, after which the transaction is unknown.
    Commit { tx: u64, id: u64 },
    /// Gives a transaction up, after which it is unknown.
    Cancel { tx: u64 },
    /// Drops a watch; one that has ended meanwhile may be named.
    Unwatch { id: u64 },
}

/// A read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Question {
    Get { key: Bytes, snapshot: bool },
    Range { begin: Bytes, end: Bytes, limit: u32, reverse: bool, snapshot: bool },
    ReadVersion,
}

/// Something that a transaction does without an answer. A versionstamp's place is behind its key or value, in four bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Write {
    Set {
        key: Bytes,
        value: Bytes,
    },
    Clear {
        key: Bytes,
    },
    ClearRange {
        begin: Bytes,
        end: Bytes,
    },
    Atomic {
        #[serde(with = "AtomicOpNames")]
        op: AtomicOp,
        key: Bytes,
        operand: Bytes,
    },
    StampedKey {
        key: Bytes,
        value: Bytes,
    },
    StampedValue {
        key: Bytes,
        value: Bytes,
    },
    /// Conflicts as if it had read the range.
    SeeRange {
        begin: Bytes,
        end: Bytes,
    },
    /// Lets others conflict as if it had written the range.
    TouchRange {
        begin: Bytes,
        end: Bytes,
    },
}

/// Gives [`AtomicOp`] its names on the wire.
#[derive(Serialize, Deserialize)]
#[serde(remote = "AtomicOp")]
enum AtomicOpNames {
    Add,
    Min,
    Max,
    ByteMin,
    ByteMax,
    And,
    Or,
    Xor,
    CompareAndClear,
    AppendIfFits,
}

/// From the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reply {
    /// Answers a [`Request::Hello`].
    Welcome { protocol: u32 },
    /// Comes instead, before the connection ends.
    Refused { reason: String },
    /// Answers a [`Request::Heartbeat`].
    Heartbeat,
    /// Answers a request.
    Answer { id: u64, result: Result<Answer, Fault> },
    /// The watched key has changed, or the watch ended for another reason.
    WatchEnded { id: u64, result: Result<(), Fault> },
}

/// What a request yielded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    Alive,
    Value(Option<Bytes>),
    Rows { rows: Vec<(Bytes, Bytes)>, more: bool },
    Version(u64),
    Committed { version: Option<u64>, versionstamp: Option<[u8; 10]> },
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fault {
    /// Code of the error.
    code: String,
    /// What is said about it beyond that.
    detail: String,
    /// The place it names, if it names one.
    place: String,
}

/// Errors that their code says all about.
const PLAIN: [StoreError; 14] = [
    StoreError::Conflict,
    StoreError::TransactionTooOld,
    StoreError::CommitUnknown,
    StoreError::ConnectionLost,
    StoreError::TransactionFinished,
    StoreError::TransactionTooLarge,
    StoreError::KeyReserved,
    StoreError::RangeInverted,
    StoreError::RangeTooLarge,
    StoreError::Unreadable,
    StoreError::VersionstampPlace,
    StoreError::TooManyWatches,
    StoreError::WatchCancelled,
    StoreError::OutOfSpace,
];

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let code = error.code().to_owned();
        let (place, detail) = match error {
            StoreError::Unavailable { reason } => (String::new(), reason),
            StoreError::Io { detail } | StoreError::Busy { detail } => (String::new(), detail),
            StoreError::Corrupt { place, detail } => (place, detail),
            other => (String::new(), other.to_string()),
        };
        Self { code, detail, place }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let Fault { code, detail, place } = fault;
        if let Some(plain) = PLAIN.iter().find(|error| error.code() == code) {
            return plain.clone();
        }
        match &code[..] {
            "store.io" => Self::Io { detail },
            "store.busy" => Self::Busy { detail },
            "store.corrupt" => Self::Corrupt { place, detail },
            // The other process stops, not this one: the store comes back.
            "store.closed" => Self::unavailable("the process that serves it is stopping"),
            _ => Self::unavailable(detail),
        }
    }
}

impl Write {
    /// Bytes that it takes in a frame, at most.
    pub(super) fn frame_bytes(&self) -> usize {
        /// Names, lengths and lists around keys and values.
        const AROUND: usize = 64;
        let (a, b) = match self {
            Self::Set { key, value } | Self::StampedKey { key, value } | Self::StampedValue { key, value } => {
                (key.len(), value.len())
            }
            Self::Atomic { key, operand, .. } => (key.len(), operand.len()),
            Self::Clear { key } => (key.len(), 0),
            Self::ClearRange { begin, end } | Self::SeeRange { begin, end } | Self::TouchRange { begin, end } => {
                (begin.len(), end.len())
            }
        };
        a + b + AROUND
    }

    /// Does it to a transaction, which checks it.
    pub(super) fn apply(&self, transaction: &Transaction) -> Result<(), StoreError> {
        match self {
            Self::Set { key, value } => transaction.set(key, value),
            Self::Clear { key } => transaction.clear(key),
            Self::ClearRange { begin, end } => transaction.clear_range(&Range::new(begin, end)),
            Self::Atomic { op, key, operand } => transaction.atomic(*op, key, operand),
            Self::StampedKey { key, value } => transaction.set_versionstamped_key(key, value),
            Self::StampedValue { key, value } => transaction.set_versionstamped_value(key, value),
            Self::SeeRange { begin, end } => transaction.add_read_conflict(&Range::new(begin, end)),
            Self::TouchRange { begin, end } => transaction.add_write_conflict(&Range::new(begin, end)),
        }
    }

    /// A conflict declared as a read.
    pub(super) fn read_conflict(range: KeyRange) -> Self {
        let (begin, end) = bounds(range);
        Self::SeeRange { begin, end }
    }

    /// A conflict declared as a write.
    pub(super) fn write_conflict(range: KeyRange) -> Self {
        let (begin, end) = bounds(range);
        Self::TouchRange { begin, end }
    }
}

impl From<Mutation> for Write {
    fn from(mutation: Mutation) -> Self {
        match mutation {
            Mutation::Set { key, value } => Self::Set { key, value },
            Mutation::Clear { key } => Self::Clear { key },
            Mutation::ClearRange { begin, end } => Self::ClearRange { begin, end },
            Mutation::Atomic { op, key, operand } => Self::Atomic { op, key, operand },
            Mutation::StampedKey { key, place, value } => Self::StampedKey { key: with_place(key, place), value },
            Mutation::StampedValue { key, value, place } => Self::StampedValue { key, value: with_place(value, place) },
        }
    }
}

/// Puts the place of a stamp behind the bytes, as callers of the store do.
fn with_place(mut bytes: Vec<u8>, place: usize) -> Bytes {
    // A place lies within a key or a value, which are far smaller.
    bytes.extend_from_slice(&u32::try_from(place).unwrap_or(u32::MAX).to_le_bytes());
    bytes.into()
}

fn bounds(range: KeyRange) -> (Bytes, Bytes) {
    match range {
        KeyRange::Between(begin, end) => (begin, end),
        KeyRange::Key(key) => {
            let end = key_after(&key);
            (key, end)
        }
    }
}

impl From<Range> for Question {
    fn from(range: Range) -> Self {
        let Range { begin, end, limit, reverse, snapshot } = range;
        Self::Range { begin, end, limit: u32::try_from(limit).unwrap_or(u32::MAX), reverse, snapshot }
    }
}

impl Question {
    /// Asks a transaction, which checks it.
    pub(super) async fn ask(self, transaction: &Transaction) -> Result<Answer, StoreError> {
        match self {
            Self::Get { key, snapshot: false } => transaction.get(key).await.map(Answer::Value),
            Self::Get { key, snapshot: true } => transaction.get_snapshot(key).await.map(Answer::Value),
            Self::Range { begin, end, limit, reverse, snapshot } => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                transaction.range(Range { begin, end, limit, reverse, snapshot }).await.map(Answer::from)
            }
            Self::ReadVersion => transaction.read_version().await.map(Answer::Version),
        }
    }
}

impl From<Rows> for Answer {
    fn from(rows: Rows) -> Self {
        let more = rows.more;
        Self::Rows { rows: rows.into_iter().map(|row| (row.key, row.value)).collect(), more }
    }
}

impl From<Committed> for Answer {
    fn from(committed: Committed) -> Self {
        Self::Committed { version: committed.version, versionstamp: committed.versionstamp }
    }
}

impl Answer {
    /// The value, if that was asked for.
    pub(super) fn value(self) -> Result<Option<Bytes>, StoreError> {
        if let Self::Value(value) = self { Ok(value) } else { Err(another_answer()) }
    }

    /// The rows, if they were asked for.
    pub(super) fn rows(self) -> Result<Rows, StoreError> {
        let Self::Rows { rows, more } = self else { return Err(another_answer()) };
        Ok(Rows { rows: rows.into_iter().map(|(key, value)| KeyValue { key, value }).collect(), more })
    }

    /// The version, if that was asked for.
    pub(super) fn version(self) -> Result<u64, StoreError> {
        if let Self::Version(version) = self { Ok(version) } else { Err(another_answer()) }
    }

    /// The commit, if that was asked for.
    pub(super) fn committed(self) -> Result<Committed, StoreError> {
        // Whatever it was: it was committed or not, and this does not say.
        let Self::Committed { version, versionstamp } = self else { return Err(StoreError::CommitUnknown) };
        Ok(Committed { version, versionstamp })
    }
}

fn another_answer() -> StoreError {
    StoreError::unavailable("the process that serves it answered something else")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_arrive_as_they_were() {
        let detailed = [
            StoreError::unavailable("x"),
            StoreError::Io { detail: "x".to_owned() },
            StoreError::Busy { detail: "x".to_owned() },
            StoreError::Corrupt { place: "p".to_owned(), detail: "x".to_owned() },
        ];
        for error in PLAIN.into_iter().chain(detailed) {
            assert_eq!(StoreError::from(Fault::from(error.clone())), error);
        }
        assert_eq!(StoreError::from(Fault::from(StoreError::Closed)).code(), "store.unavailable");
        let unknown = Fault { code: "store.new".to_owned(), detail: "x".to_owned(), place: String::new() };
        assert_eq!(StoreError::from(unknown), StoreError::unavailable("x"));
    }
}
