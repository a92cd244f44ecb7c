//! The form of a backup, without input and output; `mod.rs` describes it.

use super::Summary;
use crate::error::StoreError;
use crate::limits::{BACKUP_BLOCK_MAX_BYTES, KEY_MAX_BYTES, RESERVED_PREFIX, VALUE_MAX_BYTES};
use crate::range::KeyValue;
use crate::record::Record;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What a backup begins with.
pub(crate) const MAGIC: &[u8; 16] = b"coditect-backup\n";
/// Number of the format.
pub(crate) const FORMAT: u32 = 1;
/// Bytes of the magic and the format.
pub(crate) const PREAMBLE_BYTES: usize = 20;
/// Bytes of a block before its content.
pub(crate) const HEADER_BYTES: usize = 13;
/// Bytes of a block behind its content.
pub(crate) const CHECKSUM_BYTES: usize = 4;

const ABOUT: u8 = 0;
const ROWS: u8 = 1;
const END: u8 = 2;

/// Bytes of a row's lengths.
const LENGTHS_BYTES: usize = 6;

/// The first block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// Milliseconds since 1970.
    pub(crate) made_at: u64,
    /// Name of the backend, for people.
    pub(crate) backend: String,
}

impl Record for About {
    const VERSION: u8 = 1;
}

impl Record for Summary {
    const VERSION: u8 = 1;
}

/// Counts rows and hashes them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    rows: u64,
    bytes: u64,
    hash: Sha256,
}

impl Tally {
    /// Adds rows as they stand in a block.
    fn add_content(&mut self, rows: &[KeyValue], content: &[u8]) {
        self.rows += rows.len() as u64;
        self.bytes += (content.len() - rows.len() * LENGTHS_BYTES) as u64;
        self.hash.update(content);
    }

    /// Adds rows.
    pub(crate) fn add(&mut self, rows: &[KeyValue]) -> Result<(), StoreError> {
        self.add_content(rows, &rows_content(rows)?);
        Ok(())
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was counted.
    pub(crate) fn finish(self, states: u64, version: u64) -> Summary {
        Summary { rows: self.rows, bytes: self.bytes, digest: self.hash.finalize().into(), states, version }
    }
}

/// Makes a backup.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    next: u64,
    tally: Tally,
}

impl Encoder {
    /// The beginning.
    pub(crate) fn start(&mut self, about: &About) -> Result<Vec<u8>, StoreError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend(self.block(ABOUT, &about.encode()?)?);
        Ok(bytes)
    }

    /// A block of rows, which follow all rows before.
    pub(crate) fn rows(&mut self, rows: &[KeyValue]) -> Result<Vec<u8>, StoreError> {
        let content = rows_content(rows)?;
        self.tally.add_content(rows, &content);
        self.block(ROWS, &content)
    }

    /// The end, and what it says.
    pub(crate) fn end(self, states: u64, version: u64) -> Result<(Vec<u8>, Summary), StoreError> {
        let summary = self.tally.clone().finish(states, version);
        let mut rest = self;
        Ok((rest.block(END, &summary.encode()?)?, summary))
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    fn block(&mut self, kind: u8, content: &[u8]) -> Result<Vec<u8>, StoreError> {
        let length = u32::try_from(content.len()).map_err(|_| StoreError::RangeTooLarge)?;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + content.len() + CHECKSUM_BYTES);
        bytes.push(kind);
        bytes.extend_from_slice(&self.next.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        self.next += 1;
        Ok(bytes)
    }
}

fn rows_content(rows: &[KeyValue]) -> Result<Vec<u8>, StoreError> {
    let bytes = rows.iter().map(|row| LENGTHS_BYTES + row.key.len() + row.value.len()).sum();
    let mut content = Vec::with_capacity(bytes);
    for KeyValue { key, value } in rows {
        let key_length = u16::try_from(key.len()).map_err(|_| StoreError::KeyTooLarge { bytes: key.len() })?;
        let value_length = u32::try_from(value.len()).map_err(|_| StoreError::ValueTooLarge { bytes: value.len() })?;
        content.extend_from_slice(&key_length.to_le_bytes());
        content.extend_from_slice(&value_length.to_le_bytes());
        content.extend_from_slice(key);
        content.extend_from_slice(value);
    }
    Ok(content)
}

/// What is wrong with a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Damage {
    /// It has a newer format.
    Newer(u32),
    /// Something else, in words.
    Because(String),
}

fn because(detail: impl Into<String>) -> Damage {
    Damage::Because(detail.into())
}

/// A block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Block {
    About(About),
    Rows(Vec<KeyValue>),
    End(Summary),
}

/// Reads a backup, and believes nothing of it.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    next: u64,
    tally: Tally,
    last: Option<Bytes>,
    ended: bool,
}

impl Decoder {
    /// Checks the magic and the format.
    pub(crate) fn start(preamble: &[u8; PREAMBLE_BYTES]) -> Result<Self, Damage> {
        let (magic, format) = preamble.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(because("it does not begin as a backup does"));
        }
        match format.try_into().map(u32::from_le_bytes) {
            Ok(FORMAT) => Ok(Self::default()),
            Ok(newer) if newer > FORMAT => Err(Damage::Newer(newer)),
            _ => Err(because("its format was never written by a release")),
        }
    }

    /// Bytes that follow a block's header.
    pub(crate) fn body_bytes(&self, header: &[u8; HEADER_BYTES]) -> Result<usize, Damage> {
        let [_, _, _, _, _, _, _, _, _, a, b, c, d] = *header;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if self.ended {
            return Err(because("something follows its end"));
        }
        if length > BACKUP_BLOCK_MAX_BYTES {
            return Err(because(format!("a block of {length} bytes is longer than {BACKUP_BLOCK_MAX_BYTES}")));
        }
        Ok(length + CHECKSUM_BYTES)
    }

    /// Reads the rest of a block.
    pub(crate) fn block(&mut self, header: &[u8; HEADER_BYTES], body: &Bytes) -> Result<Block, Damage> {
        let Some(end) = body.len().checked_sub(CHECKSUM_BYTES) else { return Err(because("a block is too short")) };
        let (content, checksum) = (body.slice(..end), &body[end..]);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(header);
        hasher.update(&content);
        if hasher.finalize().to_le_bytes() != *checksum {
            return Err(because("a block does not have its checksum"));
        }
        let [kind, a, b, c, d, e, f, g, h, ..] = *header;
        if u64::from_le_bytes([a, b, c, d, e, f, g, h]) != self.next {
            return Err(because(format!("block {} is not where it belongs", self.next)));
        }
        let block = match kind {
            ABOUT if self.next == 0 => About::decode(&content).map(Block::About).map_err(|e| because(e.to_string())),
            ROWS if self.next > 0 => self.rows(&content).map(Block::Rows),
            END if self.next > 0 => self.end(&content).map(Block::End),
            _ => Err(because(format!("a block of kind {kind} cannot be there"))),
        }?;
        self.next += 1;
        Ok(block)
    }

    fn rows(&mut self, content: &Bytes) -> Result<Vec<KeyValue>, Damage> {
        let mut rows = Vec::new();
        let mut rest = content.clone();
        while !rest.is_empty() {
            let row = take_row(&mut rest).ok_or_else(|| because("a row is cut off"))?;
            let KeyValue { key, value } = &row;
            if key.len() > KEY_MAX_BYTES || value.len() > VALUE_MAX_BYTES || key.first() == Some(&RESERVED_PREFIX) {
                return Err(because("a row is larger than a row may be, or its key is reserved"));
            }
            if self.last.as_ref().is_some_and(|last| last >= key) {
                return Err(because("its rows are not in order"));
            }
            self.last = Some(key.clone());
            rows.push(row);
        }
        self.tally.add_content(&rows, content);
        Ok(rows)
    }

    fn end(&mut self, content: &[u8]) -> Result<Summary, Damage> {
        let said = Summary::decode(content).map_err(|error| because(error.to_string()))?;
        let found = self.tally.clone().finish(said.states, said.version);
        if said != found {
            return Err(because(format!("it holds {} rows of {} said, or others", found.rows, said.rows)));
        }
        self.ended = true;
        Ok(said)
    }
}

fn take_row(rest: &mut Bytes) -> Option<KeyValue> {
    let [a, b, c, d, e, f] = *rest.first_chunk::<LENGTHS_BYTES>()?;
    let key = usize::from(u16::from_le_bytes([a, b]));
    let value = usize::try_from(u32::from_le_bytes([c, d, e, f])).ok()?;
    let end = (LENGTHS_BYTES + key).checked_add(value).filter(|end| *end <= rest.len())?;
    let row = rest.split_to(end);
    let (key, value) = (row.slice(LENGTHS_BYTES..LENGTHS_BYTES + key), row.slice(LENGTHS_BYTES + key..));
    Some(KeyValue { key, value })
}

/// For tests: reads a backup that lies in memory: its rows, and what its end says.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn decode_all(bytes: &Bytes) -> Result<(Vec<KeyValue>, Summary), Damage> {
    let cut = || because("it is cut off");
    let preamble = bytes.first_chunk().ok_or_else(cut)?;
    let mut decoder = Decoder::start(preamble)?;
    let mut rest = bytes.slice(PREAMBLE_BYTES..);
    let (mut all, mut summary) = (Vec::new(), None);
    while !rest.is_empty() {
        let header = *rest.first_chunk::<HEADER_BYTES>().ok_or_else(cut)?;
        let body = decoder.body_bytes(&header)?;
        if rest.len() < HEADER_BYTES + body {
            return Err(cut());
        }
        let block = rest.split_to(HEADER_BYTES + body);
        match decoder.block(&header, &block.slice(HEADER_BYTES..))? {
            Block::About(_) => {}
            Block::Rows(rows) => all.extend(rows),
            Block::End(end) => summary = Some(end),
        }
    }
    summary.map(|summary| (all, summary)).ok_or_else(cut)
}

/// For fuzzing: a backup of these blocks, whose checksums and numbers are right whatever they hold.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn framed(blocks: &[(u8, &[u8])]) -> Result<Bytes, StoreError> {
    let mut encoder = Encoder::default();
    let mut bytes = encoder.start(&About { made_at: 0, backend: String::new() })?;
    for (kind, content) in blocks {
        bytes.extend(encoder.block(*kind, content)?);
    }
    Ok(bytes.into())
}
