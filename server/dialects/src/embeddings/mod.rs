//! Texts as vectors: OpenAI's `/v1/embeddings`, and Gemini's `:embedContent` and `:batchEmbedContents`. Answers are whole.

mod gemini;
mod openai;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::count::of_bytes;
use crate::dialect::Dialect;
use crate::turn::{Failure, FailureKind};

/// How a request and its answer are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `POST /v1/embeddings`.
    OpenAi,
    /// `:embedContent`: one text.
    GeminiOne,
    /// `:batchEmbedContents`: any number of texts.
    GeminiMany,
}

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// The model, as whoever asks wrote it; empty where it stands in the URL only.
    pub model: String,
    /// What becomes vectors, one each.
    pub inputs: Vec<Input>,
    /// How many numbers a vector is to have.
    pub dimensions: Option<u64>,
    /// The vectors are wanted as base64 of 32-bit numbers, the smallest byte first.
    pub base64: bool,
}

/// What becomes a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Text.
    Text(String),
    /// Tokens of the model. Only OpenAI's servers know which they are.
    Tokens(Vec<u64>),
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embedded {
    /// A vector for each input, in their order.
    pub vectors: Vec<Vec<f64>>,
    /// Tokens that were read, where the upstream tells.
    pub tokens: Option<u64>,
}

/// What servers of a dialect are asked in.
///
/// # Errors
/// For a dialect without embeddings.
pub fn form(of: Dialect) -> Result<Form, Failure> {
    match of {
        Dialect::Chat | Dialect::Responses => Ok(Form::OpenAi),
        Dialect::Gemini => Ok(Form::GeminiMany),
        Dialect::Anthropic => {
            let message = "The server of this model makes no embeddings: choose another model.";
            Err(Failure::refused("model", message))
        }
    }
}

impl Form {
    /// Reads a request. What only Gemini knows, titles and what the vectors are for, is left out: who is asked in the same form gets the
    /// request as it came.
    ///
    /// # Errors
    /// What is no request for embeddings of texts.
    pub fn read(self, body: &Value) -> Result<Asked, Failure> {
        match self {
            Self::OpenAi => openai::read(body),
            Self::GeminiOne => gemini::read_one(body),
            Self::GeminiMany => gemini::read_many(body),
        }
    }

    /// Writes a request for the model of this name at the upstream.
    ///
    /// # Errors
    /// Tokens instead of text, and more than one text for [`Self::GeminiOne`].
    pub fn write(self, asked: &Asked, model: &str) -> Result<Value, Failure> {
        match self {
            Self::OpenAi => Ok(openai::write(asked, model)),
            Self::GeminiOne => gemini::write_one(asked, model),
            Self::GeminiMany => gemini::write_many(asked, model),
        }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// What is no answer to these inputs.
    pub fn read_answer(self, answer: &Value, asked: &Asked) -> Result<Embedded, Failure> {
        let embedded = match self {
            Self::OpenAi => openai::read_answer(answer),
            Self::GeminiOne | Self::GeminiMany => gemini::read_answer(answer),
        };
        let is_whole = |embedded: &Embedded| embedded.vectors.len() == asked.inputs.len();
        embedded.filter(is_whole).ok_or_else(|| bad_answer("it is not one vector for each input"))
    }

    /// Looks at an answer that is passed on as it came: how many tokens were read, where it tells.
    ///
    /// # Errors
    /// What has no vectors.
    pub fn tokens(self, answer: &Value) -> Result<Option<u64>, Failure> {
        let (has_vectors, tokens) = match self {
            Self::OpenAi => (openai::has_vectors(answer), openai::tokens(answer)),
            Self::GeminiOne | Self::GeminiMany => (gemini::has_vectors(answer), gemini::tokens(answer)),
        };
        if has_vectors { Ok(tokens) } else { Err(bad_answer("it has no vectors")) }
    }

    /// Writes an answer.
    #[must_use]
    pub fn write_answer(self, embedded: &Embedded, asked: &Asked) -> Value {
        match self {
            Self::OpenAi => openai::write_answer(embedded, asked),
            Self::GeminiOne => gemini::write_one_answer(embedded),
            Self::GeminiMany => gemini::write_many_answer(embedded),
        }
    }
}

impl Asked {
    /// About how many tokens it is.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        let count = |input: &Input| match input {
            Input::Text(text) => of_bytes(text.len()),
            Input::Tokens(tokens) => u64::try_from(tokens.len()).unwrap_or(u64::MAX),
        };
        self.inputs.iter().map(count).fold(0, u64::saturating_add)
    }
}

fn bad_answer(reason: &str) -> Failure {
    let message = format!("The answer of the model's server could not be read: {reason}.");
    Failure::new(FailureKind::Upstream, "llm.bad_answer", message)
}

fn to_base64(vector: &[f64]) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the format has 32 bits for each number")]
    let bytes: Vec<u8> = vector.iter().flat_map(|number| (*number as f32).to_le_bytes()).collect();
    BASE64.encode(bytes)
}

fn from_base64(text: &str) -> Option<Vec<f64>> {
    let bytes = BASE64.decode(text).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect())
}

/// A list of numbers, and nothing else.
fn numbers(list: &Value) -> Option<Vec<f64>> {
    list.as_array()?.iter().map(Value::as_f64).collect()
}

#[cfg(test)]
mod tests;
