//! The answer in pieces.

use super::Failure;

/// A piece of an answer.
///
/// An answer is `Start`, then any of the others, then `Stop` as the last of all; or it ends with `Failed`, at any time. `Tokens` stand
/// anywhere. What dialects let overlap comes one after another here: `Arguments` belong to the `Call` before them, a `…Signature` to what is before it.
/// Whoever reads a dialect that mixes calls holds the later ones back, and gives a call without arguments the arguments `{}`.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// It begins.
    Start {
        /// The upstream's name for the answer.
        id: Option<String>,
        /// The upstream's name for the model that answers.
        model: Option<String>,
    },
    /// More text.
    Text(String),
    /// What the upstream knows the text before it by again (Gemini).
    TextSignature(String),
    /// The model will not answer: why, in its words.
    Refusal(String),
    /// More of what the model thinks.
    Thought(String),
    /// What the upstream knows the thought by that ends with it.
    ThoughtSignature(String),
    /// A thought that is encrypted as a whole.
    Redacted(String),
    /// A call of a tool begins.
    Call {
        /// What its outcome will name it by. Never empty.
        id: String,
        /// Name of the tool.
        name: String,
        /// What kind of tool it is.
        kind: CallKind,
        /// What the upstream knows the thought before it by (Gemini).
        signature: Option<String>,
    },
    /// More arguments of that call: JSON text, or free text for [`CallKind::Custom`].
    Arguments(String),
    /// The tokens used so far. The last one counts.
    Tokens(Tokens),
    /// It is whole.
    Stop(Stop),
    /// It broke off.
    Failed(Failure),
}

/// What kind of tool is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CallKind {
    /// With arguments in JSON.
    #[default]
    Function,
    /// With free text, which only OpenAI's dialects know.
    Custom,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It was complete.
    End,
    /// This text ended it.
    Sequence(String),
    /// The bound on tokens was reached.
    Length,
    /// The context is full.
    ContextFull,
    /// The model waits for tools.
    Tools,
    /// The upstream withheld the rest, or the model would not say it.
    Filter,
    /// The model wants to go on in another turn (Anthropic).
    Pause,
    /// It called a tool in a way that nobody can read.
    BadCall,
}

/// Tokens of a call. All that were read and all that were written, whatever was cached or thought among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Read, from the cache and into it included.
    pub input: u64,
    /// Of those read, how many came from the upstream's cache.
    pub cached: u64,
    /// Of those read, how many went into the upstream's cache.
    pub cache_write: u64,
    /// Of those that went into the cache, how many it keeps for an hour (Anthropic).
    pub cache_write_hour: u64,
    /// Written, thoughts included.
    pub output: u64,
    /// Of those written, how many were thoughts.
    pub reasoning: u64,
}

impl Piece {
    /// Bytes of what others wrote in it.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text)
            | Self::TextSignature(text)
            | Self::Refusal(text)
            | Self::Thought(text)
            | Self::ThoughtSignature(text)
            | Self::Redacted(text)
            | Self::Arguments(text) => text.len(),
            Self::Call { id, name, signature, .. } => id.len() + name.len() + signature.as_ref().map_or(0, String::len),
            Self::Start { .. } | Self::Tokens(_) | Self::Stop(_) | Self::Failed(_) => 0,
        }
    }
}

impl Stop {
    /// What is meant where an answer that did or did not call a tool ends so: servers are careless with this.
    pub(crate) fn after(self, has_called: bool) -> Self {
        match self {
            Self::End | Self::Sequence(_) if has_called => Self::Tools,
            Self::Tools if !has_called => Self::End,
            stop => stop,
        }
    }
}
