//! One dialect's answer as another's, while it comes.

mod reading;

use serde_json::Value;

pub use reading::Reading;

use crate::dialect::{AnswerWriter, Dialect, Framing, Label};
use crate::turn::{Disguised, Failure, Gathered, Piece, Stop, Tokens, Unmasking};

/// How an answer ended, for its record.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// It is whole.
    Whole(Stop),
    /// It broke off.
    Failed(Failure),
}

/// A stream on its way from an upstream to whoever asked.
pub struct Translation {
    reading: Reading,
    writer: Box<dyn AnswerWriter>,
    tokens: Option<Tokens>,
    pieces: usize,
    ending: Option<Ending>,
}

impl Translation {
    /// What is read becomes a stream of another dialect.
    #[must_use]
    pub fn new(reading: Reading, to: Dialect, label: Label, framing: Framing) -> Self {
        Self { reading, writer: to.writer(label, framing), tokens: None, pieces: 0, ending: None }
    }

    /// More bytes of the upstream. What they become is put behind `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut pieces = Vec::new();
        self.reading.feed(bytes, &mut pieces);
        self.write(pieces, out);
    }

    /// The upstream has no more bytes, or nothing that would still come matters.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        let mut pieces = Vec::new();
        self.reading.end(&mut pieces);
        self.write(pieces, out);
    }

    /// It broke off, for this reason.
    pub fn fail(&mut self, failure: Failure, out: &mut Vec<u8>) {
        self.write(vec![Piece::Failed(failure)], out);
    }

    /// Nothing that the upstream may still send matters.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.ending.is_some() || self.reading.is_done()
    }

    /// The answer is whole; only the count of tokens may follow.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.reading.is_whole()
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// The tokens that the upstream told.
    #[must_use]
    pub fn tokens(&self) -> Option<Tokens> {
        self.tokens
    }

    /// Pieces with text so far: about as many tokens, where nobody tells.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// What may be sent while nothing happens.
    #[must_use]
    pub fn keep_alive(&self) -> Option<&'static [u8]> {
        self.writer.keep_alive()
    }

    fn write(&mut self, pieces: Vec<Piece>, out: &mut Vec<u8>) {
        for piece in pieces {
            if self.ending.is_some() {
                return;
            }
            self.writer.piece(&piece, out);
            match piece {
                Piece::Text(_) | Piece::Thought(_) | Piece::Refusal(_) | Piece::Arguments(_) => self.pieces += 1,
                Piece::Tokens(tokens) => self.tokens = Some(tokens),
                Piece::Stop(stop) => self.ending = Some(Ending::Whole(stop)),
                Piece::Failed(failure) => self.ending = Some(Ending::Failed(failure)),
                _ => {}
            }
        }
    }
}

/// A whole answer of one dialect as one of another, and what is told of it.
///
/// # Errors
/// Where it is no answer, or a failure.
pub fn whole(
    from: Dialect,
    answer: &Value,
    disguised: Disguised,
    to: Dialect,
    label: &Label,
) -> Result<(Value, Gathered), Failure> {
    let mut reader = from.reader();
    let mut pieces = Vec::new();
    reader.whole(answer, &mut pieces);
    reader.end(&mut pieces);
    let mut unmasking = Unmasking::new(disguised);
    let gathered = Gathered::all(unmasking.pieces(pieces))?;
    Ok((to.whole(&gathered, label), gathered))
}
