//! Frames on a stream: four bytes that say how long it is, big-endian, then one value as MessagePack.

use crate::limits::{SOCKET_BUFFER_BYTES, SOCKET_REPLY_MAX_BYTES, SOCKET_REQUEST_MAX_BYTES, SOCKET_SILENCE};
use bytes::{Buf, BufMut, BytesMut};
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Instant;

/// Bytes in front of a frame.
const LENGTH_BYTES: usize = 4;
/// Most frames that are taken or made before the other direction has its turn.
pub(super) const TURN_FRAMES: usize = 64;
/// Bytes for which there is room before each read.
const READ_BYTES: usize = 16 << 10;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("the other side ended it")]
    Ended,
    #[error("the other side ended it within a frame")]
    Truncated,
    #[error("a frame of {bytes} bytes is longer than the {max_bytes} allowed")]
    TooLong { bytes: usize, max_bytes: usize },
    #[error("a frame cannot be read: {0}")]
    Malformed(String),
    #[error("a frame out of turn: {0}")]
    OutOfTurn(&'static str),
    #[error("the other side was silent for {} s", SOCKET_SILENCE.as_secs())]
    Silent,
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Frames that come in.
pub(super) struct Incoming {
    half: OwnedReadHalf,
    buffer: BytesMut,
    max_bytes: usize,
}

/// Frames that go out.
pub(super) struct Outgoing {
    half: OwnedWriteHalf,
    buffer: BytesMut,
    max_bytes: usize,
    /// When the other side last took something, or there was nothing to take.
    moved: Instant,
}

/// Both directions, as the client has them.
pub(super) fn client_ends(stream: UnixStream) -> (Incoming, Outgoing) {
    ends(stream, SOCKET_REPLY_MAX_BYTES, SOCKET_REQUEST_MAX_BYTES)
}

/// Both directions, as the server has them.
pub(super) fn server_ends(stream: UnixStream) -> (Incoming, Outgoing) {
    ends(stream, SOCKET_REQUEST_MAX_BYTES, SOCKET_REPLY_MAX_BYTES)
}

fn ends(stream: UnixStream, max_in: usize, max_out: usize) -> (Incoming, Outgoing) {
    let (read, write) = stream.into_split();
    (
        Incoming { half: read, buffer: BytesMut::new(), max_bytes: max_in },
        Outgoing { half: write, buffer: BytesMut::new(), max_bytes: max_out, moved: Instant::now() },
    )
}

impl Incoming {
    /// The next frame and its length, if it has arrived.
    pub(super) fn take<T: DeserializeOwned>(&mut self) -> Result<Option<(T, usize)>, WireError> {
        take_frame(&mut self.buffer, self.max_bytes)
    }

    /// The next frame and its length. Nothing is lost when this is dropped.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<(T, usize), WireError> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(frame);
            }
            self.buffer.reserve(READ_BYTES);
            if self.half.read_buf(&mut self.buffer).await? == 0 {
                return Err(if self.buffer.is_empty() { WireError::Ended } else { WireError::Truncated });
            }
        }
    }
}

impl Outgoing {
    /// Adds a frame to what is to be written.
    pub(super) fn push<T: Serialize>(&mut self, frame: &T) -> Result<(), WireError> {
        if self.buffer.is_empty() {
            self.moved = Instant::now();
        }
        put_frame(&mut self.buffer, frame, self.max_bytes)
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Whether more should be added before some of it is written.
    pub(super) fn has_room(&self) -> bool {
        self.buffer.len() < SOCKET_BUFFER_BYTES
    }

    /// Whether the other side has taken nothing for too long.
    pub(super) fn is_stuck(&self) -> bool {
        !self.buffer.is_empty() && self.moved.elapsed() > SOCKET_SILENCE
    }

    /// Writes some of it. Nothing is lost when this is dropped.
    pub(super) async fn write_some(&mut self) -> Result<(), WireError> {
        if self.half.write_buf(&mut self.buffer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        self.moved = Instant::now();
        Ok(())
    }

    /// Writes all of it.
    pub(super) async fn flush(&mut self) -> Result<(), WireError> {
        while !self.is_empty() {
            self.write_some().await?;
        }
        Ok(())
    }
}

/// Puts a frame behind what is there.
pub(super) fn put_frame<T: Serialize>(buffer: &mut BytesMut, frame: &T, max_bytes: usize) -> Result<(), WireError> {
    let start = buffer.len();
    buffer.put_bytes(0, LENGTH_BYTES);
    let written = rmp_serde::encode::write(&mut buffer.writer(), frame);
    let bytes = buffer.len() - start - LENGTH_BYTES;
    if let Err(error) = written {
        buffer.truncate(start);
        return Err(WireError::Malformed(error.to_string()));
    }
    let length = u32::try_from(bytes).ok().filter(|_| bytes <= max_bytes);
    let Some(length) = length else {
        buffer.truncate(start);
        return Err(WireError::TooLong { bytes, max_bytes });
    };
    buffer[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Takes the first frame off the front, if all of it has arrived.
pub(super) fn take_frame<T: DeserializeOwned>(
    buffer: &mut BytesMut,
    max_bytes: usize,
) -> Result<Option<(T, usize)>, WireError> {
    let Some(length) = buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let bytes = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if bytes > max_bytes {
        return Err(WireError::TooLong { bytes, max_bytes });
    }
    let Some(body) = buffer[LENGTH_BYTES..].get(..bytes) else {
        buffer.reserve(LENGTH_BYTES + bytes - buffer.len());
        return Ok(None);
    };
    let mut rest = body;
    let frame = rmp_serde::from_read(&mut rest).map_err(|error| WireError::Malformed(error.to_string()))?;
    if !rest.is_empty() {
        return Err(WireError::Malformed(format!("{} bytes are left over", rest.len())));
    }
    buffer.advance(LENGTH_BYTES + bytes);
    Ok(Some((frame, bytes)))
}
