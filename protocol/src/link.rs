//! The resumable session that both ends run over the one WebSocket, without I/O.
//!
//! Every message is numbered and kept by its sender until the other end has acknowledged it. When the socket breaks, the page opens a
//! new one with [`Hello::resume`]; each end tells the last number it took in, and the other sends again from there. So every
//! message arrives exactly once and in order, however often the socket breaks, as long as the server still holds the link.
//!
//! On the wire each WebSocket message is binary: one byte for the kind; then, for data, the number as eight bytes (little endian)
//! and the message in MessagePack; for the other kinds their fields in MessagePack.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::id::{LinkId, UserId};
use crate::problem::{Coded, Kind, Problem};

/// Unacknowledged bytes one end keeps before it stops taking on more to send (default of the setting `link.buffer_bytes`).
pub const DEFAULT_BUFFER_BYTES: usize = 8 * 1024 * 1024;
/// Data frames taken in after which an acknowledgement is due at once.
pub const ACK_EVERY_FRAMES: u64 = 32;
/// Bytes taken in after which an acknowledgement is due at once.
pub const ACK_EVERY_BYTES: usize = 128 * 1024;
/// Longest that an acknowledgement may wait for company, in milliseconds.
pub const ACK_DELAY_MS: u64 = 100;
/// How often the page pings when nothing else moves, in milliseconds.
pub const PING_INTERVAL_MS: u64 = 15_000;
/// Silence after which an end takes the socket for dead, in milliseconds.
pub const SILENCE_LIMIT_MS: u64 = 40_000;
/// Largest frame, in bytes: the largest file of a call and room for its envelope.
pub const MAX_FRAME_BYTES: usize = 65 * 1024 * 1024;
/// Largest message from the page that is no file to write, in bytes: what has structure takes many times its size in memory. A file's
/// content does not, and is bounded by [`MAX_FRAME_BYTES`] alone.
pub const MAX_STRUCTURED_BYTES: usize = 16 * 1024 * 1024;
/// What [`Frame::Data`] adds to its message, in bytes: the kind and the number.
const DATA_ENVELOPE_BYTES: usize = 9;
/// Largest message of a frame, in bytes.
pub const MAX_MESSAGE_BYTES: usize = MAX_FRAME_BYTES - DATA_ENVELOPE_BYTES;

/// One WebSocket message.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// First from the page.
    Hello(Hello),
    /// First from the server.
    Welcome(Welcome),
    /// A numbered message.
    Data {
        /// Its number, from 1.
        seq: u64,
        /// The message in MessagePack.
        body: Bytes,
    },
    /// Everything up to this number was taken in.
    Ack {
        /// The number.
        seq: u64,
    },
    /// Asks for a [`Frame::Pong`].
    Ping {
        /// Comes back.
        nonce: u32,
    },
    /// Answers a [`Frame::Ping`].
    Pong {
        /// From the ping.
        nonce: u32,
    },
    /// The server ends the link; do not resume it.
    Bye(Problem),
}

/// Code of the problem that the page belongs to another person than the login it comes with.
pub const OTHER_PERSON: &str = "auth.other_person";

/// What a page says first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::PROTOCOL_VERSION`] of the page.
    pub protocol: u32,
    /// The link to go on with.
    pub resume: Option<Resume>,
    /// Who the page belongs to, once it knows. The cookies of its browser may be somebody else's meanwhile; the server then takes leave
    /// with [`OTHER_PERSON`].
    pub user: Option<UserId>,
}

/// Which link a page wants to go on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The link. Only the session that opened it may resume it.
    pub link: LinkId,
    /// Last number that the page took in.
    pub received: u64,
}

/// What the server answers to a [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The link.
    pub link: LinkId,
    /// Whether it is the one the page asked for. If not, whatever was under way is gone.
    pub resumed: bool,
    /// Last number that the server took in.
    pub received: u64,
    /// How long the server keeps the link after the socket broke, in milliseconds.
    pub keep_ms: u64,
    /// Calls that the server takes under way at once, where it says; it refuses further ones.
    pub max_calls: Option<u32>,
    /// Version of the server.
    pub server_version: String,
}

/// Why bytes from the other end could not be taken in. The socket is then closed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Empty, an unknown kind, or cut short.
    #[error("malformed frame")]
    Malformed,
    /// Not the MessagePack that the kind asks for.
    #[error("malformed message: {0}")]
    Decode(#[from] rmp_serde::decode::Error),
    /// Could not be written as MessagePack.
    #[error("message cannot be encoded: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    /// Larger than the other end takes.
    #[error("the message is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// A number is missing.
    #[error("frame {got} came where {expected} was due")]
    Gap {
        /// The number due.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// An acknowledgement of something that was never sent.
    #[error("frame {got} was acknowledged, but only {sent} were sent")]
    AckBeyond {
        /// Last number sent.
        sent: u64,
        /// Number acknowledged.
        got: u64,
    },
    /// The other end asks for frames that are no longer kept.
    #[error("frames from {wanted} on are asked for, but they are kept only from {kept} on")]
    Forgotten {
        /// First number asked for.
        wanted: u64,
        /// First number kept.
        kept: u64,
    },
}

impl Coded for LinkError {
    fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "link.malformed_frame",
            Self::Decode(_) => "link.malformed_message",
            Self::Encode(_) => "link.unencodable_message",
            Self::TooLarge { .. } => "link.too_large",
            Self::Gap { .. } => "link.gap",
            Self::AckBeyond { .. } => "link.ack_beyond",
            Self::Forgotten { .. } => "link.forgotten",
        }
    }
    fn kind(&self) -> Kind {
        match self {
            Self::TooLarge { .. } => Kind::TooLarge,
            _ => Kind::Invalid,
        }
    }
}

mod tag {
    pub(super) const HELLO: u8 = 1;
    pub(super) const WELCOME: u8 = 2;
    pub(super) const DATA: u8 = 3;
    pub(super) const ACK: u8 = 4;
    pub(super) const PING: u8 = 5;
    pub(super) const PONG: u8 = 6;
    pub(super) const BYE: u8 = 7;
}

impl Frame {
    /// The frame as bytes for one WebSocket message.
    pub fn encode(&self) -> Result<Bytes, LinkError> {
        let mut out = BytesMut::new().writer();
        match self {
            Self::Hello(hello) => control(&mut out, tag::HELLO, hello)?,
            Self::Welcome(welcome) => control(&mut out, tag::WELCOME, welcome)?,
            Self::Data { seq, body } => {
                let out = out.get_mut();
                out.reserve(DATA_ENVELOPE_BYTES + body.len());
                out.put_u8(tag::DATA);
                out.put_u64_le(*seq);
                out.put_slice(body);
            }
            Self::Ack { seq } => control(&mut out, tag::ACK, seq)?,
            Self::Ping { nonce } => control(&mut out, tag::PING, nonce)?,
            Self::Pong { nonce } => control(&mut out, tag::PONG, nonce)?,
            Self::Bye(problem) => control(&mut out, tag::BYE, problem)?,
        }
        Ok(out.into_inner().freeze())
    }

    /// Reads one WebSocket message. Never panics.
    pub fn decode(bytes: &Bytes) -> Result<Self, LinkError> {
        let (&kind, rest) = bytes.split_first().ok_or(LinkError::Malformed)?;
        Ok(match kind {
            tag::HELLO => Self::Hello(rmp_serde::from_slice(rest)?),
            tag::WELCOME => Self::Welcome(rmp_serde::from_slice(rest)?),
            tag::DATA => {
                let number = rest.first_chunk::<8>().ok_or(LinkError::Malformed)?;
                Self::Data { seq: u64::from_le_bytes(*number), body: bytes.slice(DATA_ENVELOPE_BYTES..) }
            }
            tag::ACK => Self::Ack { seq: rmp_serde::from_slice(rest)? },
            tag::PING => Self::Ping { nonce: rmp_serde::from_slice(rest)? },
            tag::PONG => Self::Pong { nonce: rmp_serde::from_slice(rest)? },
            tag::BYE => Self::Bye(rmp_serde::from_slice(rest)?),
            _ => return Err(LinkError::Malformed),
        })
    }
}

fn control(out: &mut bytes::buf::Writer<BytesMut>, kind: u8, fields: &impl Serialize) -> Result<(), LinkError> {
    out.get_mut().put_u8(kind);
    Ok(rmp_serde::encode::write_named(out, fields)?)
}

/// One end's half of the bookkeeping.
#[derive(Debug, Default)]
pub struct Session {
    sent: u64,
    unacked: VecDeque<(u64, Bytes)>,
    unacked_bytes: usize,
    received: u64,
    acked_frames: u64,
    unacked_received_bytes: usize,
}

impl Session {
    /// A link on which nothing was sent yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Numbers a message and keeps it until it is acknowledged. Answers the frame to send, if a socket is open.
    pub fn send(&mut self, message: &impl Serialize) -> Result<Bytes, LinkError> {
        self.send_within(message, usize::MAX)
    }

    /// As [`Self::send`]; a message of more than `limit` bytes is not numbered and fails with [`LinkError::TooLarge`].
    pub fn send_within(&mut self, message: &impl Serialize, limit: usize) -> Result<Bytes, LinkError> {
        let body = Bytes::from(rmp_serde::to_vec_named(message)?);
        if body.len() > limit {
            return Err(LinkError::TooLarge { limit });
        }
        let seq = self.sent + 1;
        let frame = Frame::Data { seq, body }.encode()?;
        self.sent = seq;
        self.unacked_bytes += frame.len();
        self.unacked.push_back((seq, frame.clone()));
        Ok(frame)
    }

    /// Bytes sent (or waiting for a socket) that were not acknowledged.
    #[must_use]
    pub fn unacked_bytes(&self) -> usize {
        self.unacked_bytes
    }

    /// Last number taken in.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes in a data frame. `None` when it came before.
    pub fn receive<T: DeserializeOwned>(&mut self, seq: u64, body: &[u8]) -> Result<Option<T>, LinkError> {
        if seq <= self.received {
            return Ok(None);
        }
        let expected = self.received + 1;
        if seq != expected {
            return Err(LinkError::Gap { expected, got: seq });
        }
        let message = rmp_serde::from_slice(body)?;
        self.received = seq;
        self.unacked_received_bytes += body.len();
        Ok(Some(message))
    }

    /// Whether so much was taken in that it should be acknowledged without waiting for [`ACK_DELAY_MS`].
    #[must_use]
    pub fn ack_is_urgent(&self) -> bool {
        self.received - self.acked_frames >= ACK_EVERY_FRAMES || self.unacked_received_bytes >= ACK_EVERY_BYTES
    }

    /// Whether anything was taken in that was not acknowledged.
    #[must_use]
    pub fn ack_is_due(&self) -> bool {
        self.received > self.acked_frames
    }

    /// The acknowledgement that is due, if any; it counts as sent.
    pub fn take_ack(&mut self) -> Option<Frame> {
        if !self.ack_is_due() {
            return None;
        }
        self.acked_frames = self.received;
        self.unacked_received_bytes = 0;
        Some(Frame::Ack { seq: self.received })
    }

    /// Forgets what the other end has.
    pub fn acknowledged(&mut self, seq: u64) -> Result<(), LinkError> {
        if seq > self.sent {
            return Err(LinkError::AckBeyond { sent: self.sent, got: seq });
        }
        while self.unacked.front().is_some_and(|(number, _)| *number <= seq) {
            if let Some((_, frame)) = self.unacked.pop_front() {
                self.unacked_bytes -= frame.len();
            }
        }
        Ok(())
    }

    /// Last number sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The unacknowledged frames numbered above `seq`, with their numbers, in order.
    pub fn frames_after(&self, seq: u64) -> impl Iterator<Item = (u64, Bytes)> + '_ {
        let skipped = self.unacked.partition_point(|(number, _)| *number <= seq);
        self.unacked.iter().skip(skipped).cloned()
    }

    /// A new socket is open and the other end has taken in everything up to `seq`: the frames to send again, in order.
    pub fn resume(&mut self, seq: u64) -> Result<impl Iterator<Item = Bytes> + '_, LinkError> {
        let kept = self.unacked.front().map_or(self.sent + 1, |(number, _)| *number);
        let wanted = seq.saturating_add(1);
        if wanted < kept {
            return Err(LinkError::Forgotten { wanted, kept });
        }
        self.acknowledged(seq)?;
        // The other end told what it has; what we have we told in the hello or welcome.
        self.acked_frames = self.received;
        self.unacked_received_bytes = 0;
        Ok(self.unacked.iter().map(|(_, frame)| frame.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_survive_the_wire() {
        let frames = [
            Frame::Hello(Hello { protocol: 1, ..Hello::default() }),
            Frame::Hello(Hello {
                protocol: 1,
                resume: Some(Resume { link: LinkId(uuid::Uuid::nil()), received: 7 }),
                user: Some(UserId(uuid::Uuid::max())),
            }),
            Frame::Data { seq: u64::MAX, body: Bytes::from_static(b"abc") },
            Frame::Data { seq: 1, body: Bytes::new() },
            Frame::Ack { seq: 3 },
            Frame::Ping { nonce: 9 },
            Frame::Bye(Problem::cancelled()),
        ];
        for frame in frames {
            assert_eq!(Frame::decode(&frame.encode().unwrap()).unwrap(), frame);
        }
    }

    #[test]
    fn a_page_of_before_is_understood() {
        #[derive(Serialize)]
        struct Before {
            protocol: u32,
            resume: Option<Resume>,
        }
        let said = rmp_serde::to_vec_named(&Before { protocol: 1, resume: None }).unwrap();
        assert_eq!(rmp_serde::from_slice::<Hello>(&said).unwrap(), Hello { protocol: 1, ..Hello::default() });
    }

    #[test]
    fn what_is_too_large_gets_no_number() {
        let mut session = Session::new();
        assert!(matches!(session.send_within(&"12345", 5), Err(LinkError::TooLarge { limit: 5 })));
        assert_eq!((session.sent(), session.unacked_bytes()), (0, 0));
        session.send_within(&"1234", 5).unwrap();
        assert_eq!(session.sent(), 1);
        let largest = Frame::Data { seq: 1, body: vec![0; MAX_MESSAGE_BYTES].into() };
        assert_eq!(largest.encode().unwrap().len(), MAX_FRAME_BYTES);
    }

    #[test]
    fn refuses_what_was_never_sent() {
        let mut session = Session::new();
        session.send(&1).unwrap();
        assert!(matches!(session.acknowledged(2), Err(LinkError::AckBeyond { sent: 1, got: 2 })));
        assert!(matches!(session.receive::<u32>(2, &[1]), Err(LinkError::Gap { expected: 1, got: 2 })));
        session.acknowledged(1).unwrap();
        assert!(matches!(session.resume(0).map(Iterator::count), Err(LinkError::Forgotten { wanted: 1, kept: 2 })));
        assert!(session.resume(u64::MAX - 1).is_err());
        assert!(session.resume(u64::MAX).is_err());
    }

    /// What happens to a link, from one end's view.
    #[derive(Debug, Clone)]
    enum Event {
        Send,
        Deliver(usize),
        Ack,
        Break,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => Just(Event::Send),
            4 => (1usize..4).prop_map(Event::Deliver),
            2 => Just(Event::Ack),
            1 => Just(Event::Break),
        ]
    }

    proptest! {
        /// However the socket breaks, every message arrives once and in order.
        #[test]
        fn exactly_once_in_order(events in prop::collection::vec(event(), 0..200)) {
            let (mut near, mut far) = (Session::new(), Session::new());
            let mut wire = VecDeque::new();
            let (mut next, mut seen) = (0u32, Vec::new());
            let mut take = |far: &mut Session, frame: Bytes| {
                let Ok(Frame::Data { seq, body }) = Frame::decode(&frame) else { panic!("not data") };
                if let Some(number) = far.receive::<u32>(seq, &body).unwrap() { seen.push(number); }
            };
            for event in events.into_iter().chain([Event::Break, Event::Deliver(usize::MAX)]) {
                match event {
                    Event::Send => { wire.push_back(near.send(&next).unwrap()); next += 1; }
                    Event::Deliver(count) => for _ in 0..count {
                        let Some(frame) = wire.pop_front() else { break };
                        take(&mut far, frame);
                    },
                    Event::Ack => if let Some(Frame::Ack { seq }) = far.take_ack() { near.acknowledged(seq).unwrap(); },
                    Event::Break => { wire.clear(); wire.extend(near.resume(far.received()).unwrap()); }
                }
            }
            prop_assert_eq!(seen, (0..next).collect::<Vec<_>>());
        }

        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let bytes = Bytes::from(bytes);
            if let Ok(Frame::Data { body, .. }) = Frame::decode(&bytes) {
                let _ = rmp_serde::from_slice::<crate::call::ClientMessage>(&body);
                let _ = rmp_serde::from_slice::<crate::call::ServerMessage>(&body);
            }
        }
    }
}
