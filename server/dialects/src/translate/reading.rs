//! An upstream's answer in pieces, while it comes.

use std::mem::Discriminant;

use serde_json::Value;

use crate::dialect::{AnswerReader, Dialect, unreadable};
use crate::events::{Decoder, Event};
use crate::failure;
use crate::turn::{Disguised, MAX_ANSWER_BYTES, Piece, Unmasking};

/// Most times an answer goes over from one kind of piece to another.
const MAX_PARTS: usize = 20_000;

/// The bytes of an answer become its pieces, the last of which is a [`Piece::Stop`] or a [`Piece::Failed`]. Nothing follows that one.
pub struct Reading {
    decoder: Decoder,
    reader: Box<dyn AnswerReader>,
    unmasking: Unmasking,
    has_ended: bool,
    /// How much of the answer was passed on: writers keep what they wrote of it until its end.
    size: Size,
}

#[derive(Debug, Default)]
struct Size {
    bytes: usize,
    parts: usize,
    last: Option<Discriminant<Piece>>,
}

impl Size {
    /// Whether the answer stays within bounds with this piece.
    fn holds(&mut self, piece: &Piece) -> bool {
        if matches!(piece, Piece::Tokens(_)) {
            return true;
        }
        let kind = std::mem::discriminant(piece);
        self.bytes = self.bytes.saturating_add(piece.size());
        self.parts += usize::from(self.last.replace(kind) != Some(kind) || matches!(piece, Piece::Redacted(_)));
        self.bytes <= MAX_ANSWER_BYTES && self.parts <= MAX_PARTS
    }
}

impl Reading {
    /// Of one dialect, whose bytes are of this content type. Nothing where that type can hold no answer.
    #[must_use]
    pub fn new(from: Dialect, content_type: &str, disguised: Disguised) -> Option<Self> {
        Some(Self {
            decoder: Decoder::for_type(content_type)?,
            reader: from.reader(),
            unmasking: Unmasking::new(disguised),
            has_ended: false,
            size: Size::default(),
        })
    }

    /// More bytes of the upstream. The pieces that they complete are put behind `out`.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<Piece>) {
        while !self.is_done() {
            match self.decoder.next(&mut bytes) {
                Ok(Some(event)) => self.event(&event, out),
                Ok(None) => return,
                Err(reason) => self.pass(vec![unreadable(&reason)], out),
            }
        }
    }

    /// The upstream has no more bytes, or nothing that would still come matters.
    pub fn end(&mut self, out: &mut Vec<Piece>) {
        while !self.is_done()
            && let Some(event) = self.decoder.finish()
        {
            if !self.decoder.is_document() {
                self.event(&event, out);
                continue;
            }
            match serde_json::from_slice::<Value>(&event.data) {
                Ok(value) => self.read(out, |reader, pieces| reader.whole(&value, pieces)),
                Err(_) => self.pass(vec![unreadable("it sent JSON that breaks off")], out),
            }
        }
        self.read(out, |reader, pieces| reader.end(pieces));
    }

    /// Nothing that the upstream may still send matters.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.has_ended || self.reader.is_done()
    }

    /// The answer is whole; only the count of tokens may follow.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.reader.is_whole()
    }

    fn event(&mut self, event: &Event, out: &mut Vec<Piece>) {
        if !event.is_error {
            return self.read(out, |reader, pieces| reader.event(&event.data, pieces));
        }
        let told = serde_json::from_slice(&event.data)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&event.data).into_owned()));
        self.pass(vec![Piece::Failed(failure::read(None, &told))], out);
    }

    fn read(&mut self, out: &mut Vec<Piece>, read: impl FnOnce(&mut dyn AnswerReader, &mut Vec<Piece>)) {
        if self.has_ended {
            return;
        }
        let mut pieces = Vec::new();
        read(self.reader.as_mut(), &mut pieces);
        self.pass(pieces, out);
    }

    fn pass(&mut self, pieces: Vec<Piece>, out: &mut Vec<Piece>) {
        for piece in self.unmasking.pieces(pieces) {
            if self.has_ended {
                return;
            }
            let piece = if self.size.holds(&piece) { piece } else { unreadable("it is too large") };
            self.has_ended = matches!(piece, Piece::Stop(_) | Piece::Failed(_));
            out.push(piece);
        }
    }
}
