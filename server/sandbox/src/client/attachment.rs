//! A terminal's output on its way to somebody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coditect_protocol::terminal::{EndCause, TerminalExit};

use super::connection::Connection;
use crate::terminal::{Chunk, UNKNOWN_EXIT};
use crate::wire::{GOODBYE, Reply};

/// Reads a terminal's output. As long as it lives, the program waits for it within limits: drop it when nobody looks
/// any more.
pub struct Attachment {
    connection: Connection,
    /// A frame on its way here, kept when [`Self::next`] is dropped.
    incoming: Incoming,
    exit: Option<TerminalExit>,
    leaving: Arc<AtomicBool>,
}

impl Attachment {
    pub(super) fn new(connection: Connection, leaving: Arc<AtomicBool>) -> Self {
        Self { connection, incoming: Incoming::default(), exit: None, leaving }
    }

    /// The next bytes; `None` after the last byte of a program that ended. Nothing is lost when the call is dropped
    /// while it waits.
    pub async fn next(&mut self) -> Option<Chunk> {
        if self.exit.is_some() {
            return None;
        }
        match self.incoming.next(&self.connection.stream).await {
            Ok(Some(Reply::Output { offset, data })) => Some(Chunk { offset, data }),
            Ok(Some(Reply::Ended(exit))) => {
                self.exit = Some(exit);
                None
            }
            _ => {
                self.exit = Some(TerminalExit { cause: Some(EndCause::HostLost), ..UNKNOWN_EXIT });
                None
            }
        }
    }

    /// How the program ended; nothing known before [`Self::next`] gave `None`.
    #[must_use]
    pub fn exit(&self) -> TerminalExit {
        self.exit.unwrap_or(UNKNOWN_EXIT)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if self.exit.is_none() && !self.leaving.load(Ordering::Relaxed) {
            // A byte always fits: nothing else goes this way. Without it the supervisor takes this for a cut.
            let _ = self.connection.stream.try_write(&[GOODBYE]);
        }
    }
}

/// The bytes of a frame that have come so far.
#[derive(Default)]
struct Incoming {
    bytes: Vec<u8>,
    have: usize,
}

impl Incoming {
    /// The next frame; may be dropped and called again.
    async fn next(&mut self, stream: &tokio::net::UnixStream) -> std::io::Result<Option<Reply>> {
        const HEAD: usize = size_of::<u32>();
        loop {
            let needed = self.needed()?;
            if self.have >= HEAD && self.have == needed {
                let reply = rmp_serde::from_slice(&self.bytes[HEAD..needed]).map_err(std::io::Error::other);
                self.have = 0;
                return reply.map(Some);
            }
            self.bytes.resize(needed, 0);
            stream.readable().await?;
            match stream.try_read(&mut self.bytes[self.have..]) {
                Ok(0) => return Ok(None),
                Ok(count) => self.have += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Bytes of the frame with its head, as far as that is known.
    fn needed(&self) -> std::io::Result<usize> {
        let Some(head) = self.bytes.first_chunk().filter(|_| self.have >= size_of::<u32>()) else {
            return Ok(size_of::<u32>());
        };
        let length = u32::from_be_bytes(*head) as usize;
        if length > crate::wire::MAX_FRAME_BYTES {
            return Err(std::io::Error::other("a frame is larger than it may be"));
        }
        Ok(size_of::<u32>() + length)
    }
}
