//! What is held back of an answer until it is whole enough to go on.

use bytes::{Bytes, BytesMut};

/// The bytes that did not go on yet.
#[derive(Debug, Default)]
pub(super) struct Held(BytesMut);

impl Held {
    /// More bytes; what goes on. `goes_on` is shown all that is here and where the new bytes begin in it, and says how many of its
    /// first bytes go on. Nothing is copied where all of them do and none were held back.
    pub(super) fn pass(&mut self, mut chunk: Bytes, goes_on: impl FnOnce(&[u8], usize) -> usize) -> Bytes {
        if self.0.is_empty() {
            let rest = chunk.split_off(goes_on(&chunk, 0));
            self.0.extend_from_slice(&rest);
            return chunk;
        }
        let from = self.0.len();
        self.0.extend_from_slice(&chunk);
        let end = goes_on(&self.0, from);
        self.0.split_to(end).freeze()
    }

    /// How many bytes are held back.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All that is held back; nothing is any more.
    pub(super) fn take(&mut self) -> Bytes {
        self.0.split().freeze()
    }
}
