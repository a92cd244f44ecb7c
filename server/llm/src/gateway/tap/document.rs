//! One JSON document in place of a stream. Read at its end, it may be a failure that repeats a key: none of it goes on before that, unless
//! it is larger than any failure.

use bytes::{Bytes, BytesMut};
use coditect_dialects::MAX_EVENT_BYTES;

use super::held::Held;

/// Failures are no larger, in bytes.
const MAX_FAILURE_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Document {
    /// All of it, for being read. Nothing where it grew too large.
    kept: Option<BytesMut>,
    held: Held,
    /// Its beginning went on.
    is_open: bool,
}

impl Document {
    pub(super) fn new() -> Self {
        Self { kept: Some(BytesMut::new()), held: Held::default(), is_open: false }
    }

    /// More bytes, of which the first `blanks` say nothing; what of them goes on.
    pub(super) fn feed(&mut self, chunk: Bytes, blanks: usize) -> Bytes {
        self.kept = self.kept.take().filter(|kept| kept.len() + chunk.len() <= MAX_EVENT_BYTES);
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(&chunk[blanks..]);
        }
        let is_open = &mut self.is_open;
        self.held.pass(chunk, |all, _| {
            *is_open |= all.len() > MAX_FAILURE_BYTES;
            if *is_open { all.len() } else { 0 }
        })
    }

    /// All of it, as far as it is known.
    pub(super) fn whole(&mut self) -> BytesMut {
        self.kept.take().unwrap_or_default()
    }

    /// Whether some of it went on.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// What was held back.
    pub(super) fn rest(&mut self) -> Bytes {
        self.held.take()
    }
}
