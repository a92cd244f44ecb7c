//! Where the rows of a backup or a copy come from.

use super::format::{Block, Damage, Decoder, FORMAT, HEADER_BYTES, PREAMBLE_BYTES};
use super::{Summary, format};
use crate::copy::mark_key;
use crate::engine::Snapshot;
use crate::error::StoreError;
use crate::limits::{BACKUP_READ_ATTEMPTS, RANGE_MAX_BYTES, RANGE_MAX_ROWS, RESERVED_PREFIX};
use crate::range::{KeyValue, Range, key_after};
use crate::store::Store;
use crate::transaction::Transaction;
use bytes::Bytes;
use std::io::ErrorKind;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// All rows, some at a time, in the order of their keys; without the mark of an unfinished copy.
pub(crate) enum Source {
    /// Of one state that lasts.
    Snapshot(SnapshotSource),
    /// Of one state after the other.
    Transactions(TransactionSource),
    /// Of a backup.
    Stream(Box<StreamSource>),
}

pub(crate) struct SnapshotSource {
    snapshot: Arc<dyn Snapshot>,
    next: Option<Bytes>,
}

pub(crate) struct TransactionSource {
    store: Store,
    transaction: Transaction,
    next: Option<Bytes>,
    states: u64,
    version: u64,
}

/// Reads the form of a backup from a file or a socket.
pub(crate) struct StreamSource {
    input: Box<dyn AsyncRead + Send + Unpin>,
    decoder: Decoder,
    /// Name for people.
    place: String,
    /// Whether a process makes it while it is read; one that is cut off is no damaged file.
    is_live: bool,
    /// Bytes read so far.
    at: u64,
    end: Option<Summary>,
}

impl Source {
    /// The rows of a store.
    pub(crate) fn store(store: &Store) -> Result<Self, StoreError> {
        Ok(match store.backend().snapshot()? {
            Some(snapshot) => Self::Snapshot(SnapshotSource { snapshot, next: Some(Bytes::new()) }),
            None => Self::Transactions(TransactionSource {
                store: store.clone(),
                transaction: store.begin(),
                next: Some(Bytes::new()),
                states: 1,
                version: 0,
            }),
        })
    }

    /// The next rows; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<KeyValue>>, StoreError> {
        match self {
            Self::Snapshot(source) => source.next().await,
            Self::Transactions(source) => source.next().await,
            Self::Stream(source) => source.next().await,
        }
    }

    /// How many states the rows come from, and the newest version; known when all was read.
    pub(crate) fn states_and_version(&self) -> (u64, u64) {
        match self {
            Self::Snapshot(source) => (1, source.snapshot.version()),
            Self::Transactions(source) => (source.states, source.version),
            Self::Stream(source) => source.end.as_ref().map_or((0, 0), |end| (end.states, end.version)),
        }
    }
}

/// Takes the mark out.
fn without_mark(mut rows: Vec<KeyValue>) -> Vec<KeyValue> {
    let mark = mark_key();
    rows.retain(|row| row.key != mark);
    rows
}

impl SnapshotSource {
    async fn next(&mut self) -> Result<Option<Vec<KeyValue>>, StoreError> {
        let Some(begin) = self.next.take() else { return Ok(None) };
        let snapshot = self.snapshot.clone();
        let (rows, next) = offload(move || read_snapshot(&*snapshot, begin)).await??;
        self.next = next;
        Ok(Some(without_mark(rows)))
    }
}

/// About as many rows as a range read answers, and where to go on.
fn read_snapshot(snapshot: &dyn Snapshot, mut begin: Bytes) -> Result<(Vec<KeyValue>, Option<Bytes>), StoreError> {
    let mut rows: Vec<KeyValue> = Vec::new();
    let mut bytes = 0;
    loop {
        let slice = snapshot.slice(&begin, &[RESERVED_PREFIX], false, RANGE_MAX_ROWS).map_err(|error| match error {
            StoreError::TransactionTooOld => StoreError::unavailable("its file was opened again meanwhile"),
            other => other,
        })?;
        let more = slice.more;
        bytes += slice.iter().map(|row| row.key.len() + row.value.len()).sum::<usize>();
        rows.extend(slice);
        match rows.last() {
            Some(last) if more => begin = key_after(&last.key),
            _ => return Ok((rows, None)),
        }
        if bytes >= RANGE_MAX_BYTES || rows.len() >= RANGE_MAX_ROWS {
            return Ok((rows, Some(begin)));
        }
    }
}

impl TransactionSource {
    async fn next(&mut self) -> Result<Option<Vec<KeyValue>>, StoreError> {
        let Some(begin) = self.next.take() else { return Ok(None) };
        let range = Range::new(&begin, [RESERVED_PREFIX]).snapshot();
        let mut attempt = 1;
        let found = loop {
            let found = async {
                self.version = self.version.max(self.transaction.read_version().await?);
                self.transaction.range(range.clone()).await
            };
            match found.await {
                Ok(found) => break found,
                // The state is over; the next one goes on behind what was read.
                Err(error) if error.is_retryable() && attempt < BACKUP_READ_ATTEMPTS => {
                    attempt += 1;
                    self.transaction = self.store.begin();
                    self.states += u64::from(!begin.is_empty());
                }
                Err(error) => return Err(error),
            }
        };
        self.next = found.last().filter(|_| found.more).map(|last| key_after(&last.key));
        Ok(Some(without_mark(found.rows)))
    }
}

impl StreamSource {
    /// Reads the beginning.
    pub(crate) async fn open(
        input: impl AsyncRead + Send + Unpin + 'static,
        place: String,
        is_live: bool,
    ) -> Result<Self, StoreError> {
        let (input, at) = (Box::new(input), PREAMBLE_BYTES as u64);
        let mut source = Self { input, decoder: Decoder::default(), place, is_live, at: 0, end: None };
        let mut preamble = [0; PREAMBLE_BYTES];
        source.fill(&mut preamble).await?;
        source.decoder = Decoder::start(&preamble).map_err(|damage| source.damaged(damage))?;
        source.at = at;
        Ok(source)
    }

    async fn next(&mut self) -> Result<Option<Vec<KeyValue>>, StoreError> {
        loop {
            match self.block().await? {
                Block::About(_) => {}
                Block::Rows(rows) => return Ok(Some(rows)),
                Block::End(summary) => {
                    if self.input.read(&mut [0]).await.map_err(|error| self.failed(&error))? > 0 {
                        return Err(self.damaged(Damage::Because("something follows its end".to_owned())));
                    }
                    self.end = Some(summary);
                    return Ok(None);
                }
            }
        }
    }

    async fn block(&mut self) -> Result<Block, StoreError> {
        let mut header = [0; HEADER_BYTES];
        self.fill(&mut header).await?;
        let length = self.decoder.body_bytes(&header).map_err(|damage| self.damaged(damage))?;
        let mut body = vec![0; length];
        self.fill(&mut body).await?;
        let mut decoder = std::mem::take(&mut self.decoder);
        let (decoder, block) = offload(move || {
            let block = decoder.block(&header, &Bytes::from(body));
            (decoder, block)
        })
        .await?;
        self.decoder = decoder;
        let block = block.map_err(|damage| self.damaged(damage))?;
        self.at += (HEADER_BYTES + length) as u64;
        Ok(block)
    }

    async fn fill(&mut self, bytes: &mut [u8]) -> Result<(), StoreError> {
        self.input.read_exact(bytes).await.map(drop).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> StoreError {
        match error.kind() {
            _ if self.is_live => StoreError::unavailable(format!("{} was cut off: {error}", self.place)),
            ErrorKind::UnexpectedEof => self.damaged(Damage::Because("it is cut off".to_owned())),
            _ => StoreError::Io { detail: error.to_string() },
        }
    }

    /// Damage in the block that begins at this place.
    fn damaged(&self, damage: Damage) -> StoreError {
        match damage {
            Damage::Newer(found) => StoreError::NewerFormat { place: self.place.clone(), found, known: FORMAT },
            Damage::Because(detail) => {
                StoreError::BackupCorrupt { place: format!("{} from byte {} on", self.place, self.at), detail }
            }
        }
    }
}

/// Counts all that a source has.
pub(crate) async fn tally(
    source: &mut Source,
    mut each: impl FnMut(&[KeyValue], &format::Tally) + Send,
) -> Result<Summary, StoreError> {
    let mut tally = format::Tally::default();
    while let Some(rows) = source.next().await? {
        let (counted, rows) = offload(move || tally.add(&rows).map(|()| (tally, rows))).await??;
        tally = counted;
        each(&rows, &tally);
    }
    let (states, version) = source.states_and_version();
    Ok(tally.finish(states, version))
}

/// Does what takes its time on a thread that may block.
pub(crate) async fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::unavailable("its work was aborted"))
}
