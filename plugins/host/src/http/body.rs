//! Bodies of answers, unpacked and bounded.

use std::io::{self, Write};

use bytes::{Buf as _, Bytes};
use flate2::write::MultiGzDecoder;
use http::header::{self, HeaderMap};
use tokio::time::{Instant, timeout_at};

use crate::ports::Refused;

/// Largest body of a request, and of an answer that is taken whole, unpacked; of an answer also as it comes. In bytes.
pub(super) const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Largest body that is read piece by piece, unpacked and as it comes. In bytes.
pub(super) const MAX_STREAM_BYTES: usize = 16 * 1024 * 1024;
/// Largest piece, in bytes.
pub(super) const MAX_PIECE_BYTES: usize = 64 * 1024;

/// Whether the body is packed in the one way that was asked for.
pub(super) fn is_packed(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let first = encodings.next().and_then(|encoding| encoding.to_str().ok());
    encodings.next().is_none()
        && first
            .is_some_and(|encoding| encoding.eq_ignore_ascii_case("gzip") || encoding.eq_ignore_ascii_case("x-gzip"))
}

/// A body as it comes. Nothing of it is read before it is asked for, and dropping it closes its connection.
pub(super) struct Body {
    response: reqwest::Response,
    /// Came, and is not unpacked yet.
    came: Bytes,
    unpacked: Unpacked,
    /// The most that may come, packed or not, and how much of that still may.
    most: usize,
    room: usize,
    /// Nothing more comes.
    has_ended: bool,
    /// Why not, where it came to no good end.
    fault: Option<Refused>,
}

impl Body {
    /// Of at most so many bytes.
    pub(super) fn new(response: reqwest::Response, most: usize) -> Result<Self, Refused> {
        if response.content_length().is_some_and(|bytes| bytes > most as u64) {
            return Err(too_large(most));
        }
        let bounded = Bounded { bytes: Vec::new(), room: most };
        let unpacked = match is_packed(response.headers()) {
            true => Unpacked::Packed(Box::new(MultiGzDecoder::new(bounded))),
            false => Unpacked::Plain(bounded),
        };
        Ok(Self { response, came: Bytes::new(), unpacked, most, room: most, has_ended: false, fault: None })
    }

    /// Reads it to its end, or to where it is too large.
    pub(super) async fn whole(mut self) -> Result<Vec<u8>, Refused> {
        while !self.is_at_end() {
            self.step(usize::MAX).await?;
        }
        Ok(self.unpacked.take(usize::MAX))
    }

    /// The next piece: what is there, and what comes in addition until a moment. None at the end.
    pub(super) async fn piece(&mut self, together: Instant) -> Result<Option<Vec<u8>>, Refused> {
        while self.unpacked.len() < MAX_PIECE_BYTES && !self.is_at_end() {
            let is_first = self.unpacked.len() == 0;
            let step = self.step(MAX_PIECE_BYTES);
            let stepped = if is_first { Ok(step.await) } else { timeout_at(together, step).await };
            let Ok(stepped) = stepped else { break };
            // What came before is told before.
            if let Err(why) = stepped {
                (self.fault, self.has_ended) = (Some(why), true);
                self.came.clear();
            }
        }
        match (self.unpacked.take(MAX_PIECE_BYTES), self.fault.take()) {
            (piece, fault) if !piece.is_empty() => {
                self.fault = fault;
                Ok(Some(piece))
            }
            (_, Some(why)) => Err(why),
            (_, None) => Ok(None),
        }
    }

    fn is_at_end(&self) -> bool {
        self.has_ended && self.came.is_empty()
    }

    /// Unpacks of what came until there is enough, or until more has to come; where nothing came, waits for it. It waits before it does
    /// anything else, so that nothing is lost where nobody waits any longer.
    async fn step(&mut self, enough: usize) -> Result<(), Refused> {
        if self.came.is_empty() {
            let broken = |_| Refused::Unavailable("The answer broke off.".to_owned());
            let Some(came) = self.response.chunk().await.map_err(broken)? else { return self.end() };
            self.room = self.room.checked_sub(came.len()).ok_or_else(|| too_large(self.most))?;
            self.came = came;
        }
        let unpacked = self.unpacked.add(&mut self.came, enough);
        unpacked.map_err(|error| refused(&error, self.most))
    }

    fn end(&mut self) -> Result<(), Refused> {
        self.has_ended = true;
        // An answer without a body, as to HEAD, is packed in nothing.
        if self.room == self.most {
            return Ok(());
        }
        self.unpacked.end().map_err(|error| refused(&error, self.most))
    }
}

fn too_large(most: usize) -> Refused {
    Refused::Limit(format!("The body of this answer has at most {} MiB.", most >> 20))
}

fn refused(error: &io::Error, most: usize) -> Refused {
    match error.kind() {
        io::ErrorKind::FileTooLarge => too_large(most),
        _ => Refused::Failed("The body of the answer is not packed as its header says.".to_owned()),
    }
}

enum Unpacked {
    Plain(Bounded),
    Packed(Box<MultiGzDecoder<Bounded>>),
}

impl Unpacked {
    fn bytes(&self) -> &Vec<u8> {
        match self {
            Self::Plain(bounded) => &bounded.bytes,
            Self::Packed(decoder) => &decoder.get_ref().bytes,
        }
    }

    fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Unpacks until there is enough. However well it is packed, there is little more: a decoder writes some ten KiB at once.
    fn add(&mut self, came: &mut Bytes, enough: usize) -> io::Result<()> {
        while !came.is_empty() && self.len() < enough {
            let taken = match self {
                Self::Plain(bounded) => bounded.write(&came[..came.len().min(enough - bounded.bytes.len())])?,
                Self::Packed(decoder) => decoder.write(came)?,
            };
            if taken == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            came.advance(taken);
        }
        // What a decoder keeps back until more comes is wanted now.
        match self {
            Self::Packed(decoder) if came.is_empty() => decoder.flush(),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Packed(decoder) => decoder.try_finish(),
        }
    }

    /// Takes at most so many bytes away.
    fn take(&mut self, most: usize) -> Vec<u8> {
        let bytes = match self {
            Self::Plain(bounded) => &mut bounded.bytes,
            Self::Packed(decoder) => &mut decoder.get_mut().bytes,
        };
        let rest = bytes.split_off(most.min(bytes.len()));
        std::mem::replace(bytes, rest)
    }
}

/// Takes at most so many bytes in all.
struct Bounded {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room = self.room.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
