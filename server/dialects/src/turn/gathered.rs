//! An answer put together again.

use super::{Call, CallKind, Failure, FailureKind, Part, Piece, Stop, Tokens};

/// Longest answer that is put together, in bytes.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Most parts of one.
const MAX_PARTS: usize = 10_000;

/// A whole answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gathered {
    /// The upstream's name for it.
    pub id: Option<String>,
    /// The upstream's name for the model that answered.
    pub model: Option<String>,
    /// Thoughts, texts and calls, in the order in which they came.
    pub parts: Vec<Part>,
    /// Why the model would not answer, in its words.
    pub refusal: Option<String>,
    /// Why it ended; nothing before it has.
    pub stop: Option<Stop>,
    /// Tokens used, where the upstream tells.
    pub tokens: Option<Tokens>,
    bytes: usize,
}

impl Gathered {
    /// All pieces of an answer.
    pub fn all(pieces: impl IntoIterator<Item = Piece>) -> Result<Self, Failure> {
        let mut gathered = Self::default();
        for piece in pieces {
            gathered.take(piece)?;
        }
        Ok(gathered)
    }

    /// Adds a piece. A failure ends it.
    pub fn take(&mut self, piece: Piece) -> Result<(), Failure> {
        self.bytes += piece.size();
        if self.bytes > MAX_ANSWER_BYTES || self.parts.len() > MAX_PARTS {
            return Err(Failure::new(
                FailureKind::Upstream,
                "llm.bad_stream",
                "The answer is too large to be put together.",
            ));
        }
        match piece {
            Piece::Start { id, model } => (self.id, self.model) = (id, model),
            Piece::Text(more) => match self.parts.last_mut() {
                Some(Part::Text { text, signature: None }) => text.push_str(&more),
                _ => self.parts.push(Part::text(more)),
            },
            Piece::TextSignature(signed) => match self.parts.last_mut() {
                Some(Part::Text { signature: signature @ None, .. }) => *signature = Some(signed),
                _ => self.parts.push(Part::Text { text: String::new(), signature: Some(signed) }),
            },
            Piece::Refusal(more) => self.refusal.get_or_insert_default().push_str(&more),
            Piece::Thought(more) => match self.parts.last_mut() {
                Some(Part::Thought { text, signature: None }) => text.push_str(&more),
                _ => self.parts.push(Part::Thought { text: more, signature: None }),
            },
            Piece::ThoughtSignature(signed) => match self.parts.last_mut() {
                Some(Part::Thought { signature: signature @ None, .. }) => *signature = Some(signed),
                _ => self.parts.push(Part::Thought { text: String::new(), signature: Some(signed) }),
            },
            Piece::Redacted(data) => self.parts.push(Part::Redacted(data)),
            Piece::Call { id, name, kind, signature } => {
                self.parts.push(Part::Call(Call { id, name, arguments: String::new(), kind, signature }));
            }
            Piece::Arguments(more) => {
                if let Some(Part::Call(call)) = self.parts.last_mut() {
                    call.arguments.push_str(&more);
                }
            }
            Piece::Tokens(tokens) => self.tokens = Some(tokens),
            Piece::Stop(stop) => self.stop = Some(stop),
            Piece::Failed(failure) => return Err(failure),
        }
        Ok(())
    }

    /// All texts together.
    #[must_use]
    pub fn text(&self) -> String {
        self.parts
            .iter()
            .filter_map(|part| if let Part::Text { text, .. } = part { Some(text.as_str()) } else { None })
            .collect()
    }

    /// All thoughts together.
    #[must_use]
    pub fn thoughts(&self) -> String {
        self.parts
            .iter()
            .filter_map(|part| if let Part::Thought { text, .. } = part { Some(text.as_str()) } else { None })
            .collect()
    }

    /// The calls.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.parts.iter().filter_map(|part| if let Part::Call(call) = part { Some(call) } else { None })
    }

    /// The pieces it would come in.
    #[must_use]
    pub fn pieces(self) -> Vec<Piece> {
        let mut pieces = vec![Piece::Start { id: self.id, model: self.model }];
        for part in self.parts {
            match part {
                Part::Text { text, signature } => {
                    pieces.push(Piece::Text(text));
                    pieces.extend(signature.map(Piece::TextSignature));
                }
                Part::Thought { text, signature } => {
                    pieces.push(Piece::Thought(text));
                    pieces.extend(signature.map(Piece::ThoughtSignature));
                }
                Part::Redacted(data) => pieces.push(Piece::Redacted(data)),
                Part::Call(Call { id, name, arguments, kind, signature }) => {
                    pieces.push(Piece::Call { id, name, kind, signature });
                    let is_empty = arguments.trim().is_empty() && kind == CallKind::Function;
                    pieces.push(Piece::Arguments(if is_empty { "{}".to_owned() } else { arguments }));
                }
                // No model says these.
                Part::Image(_) | Part::Document { .. } | Part::Outcome(_) => {}
            }
        }
        pieces.extend(self.refusal.map(Piece::Refusal));
        pieces.extend(self.tokens.map(Piece::Tokens));
        pieces.push(Piece::Stop(self.stop.unwrap_or(Stop::End)));
        pieces
    }
}
