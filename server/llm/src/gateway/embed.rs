//! Texts as vectors, whichever dialect they are asked in.

use std::ops::Range;

use bytes::Bytes;
use coditect_dialects::embeddings::{self, Asked as Texts, Form};
use coditect_dialects::{Dialect, Failure};
use coditect_protocol::llm::{CallOutcome, Door};
use http::{HeaderValue, Response, header};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::answer::AnswerBody;
use super::ask::{Asked, place};
use super::carry::{collected, told};
use super::door::Call;
use super::heavy::heavy;
use super::meter::Meter;
use super::open::{NoAnswer, Opened};
use super::question::{Prepared, Question, gemini_call, headers};
use super::{Gateway, refusal};
use crate::error::code_of;
use crate::failure::not_an_answer;
use crate::routing::Target;

/// Most requests of one batch: each is told the model's name, which may be much longer than they are.
const MAX_REQUESTS: usize = 10_000;
/// Bytes for each token of what nobody here understands.
const BYTES_PER_TOKEN: u64 = 4;

/// A question for vectors.
#[derive(Debug)]
pub struct Embedding {
    /// How it and its answer are written.
    pub form: Form,
    /// The model, where the address names it and not the body (Gemini).
    pub model: Option<String>,
    /// The call.
    pub call: Call,
}

/// Texts, in the words of whoever asks.
pub(crate) struct Embed {
    form: Form,
    body: Bytes,
    pub(super) asked: Asked,
    /// Where Gemini's bodies name the model once more.
    named: Vec<Range<usize>>,
    /// What is understood of it. Who is asked in the same form may understand more.
    texts: Result<Texts, Failure>,
}

/// A request of Gemini's for one vector, as far as the model's name goes.
#[derive(Deserialize)]
struct One<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
}

/// The same for many.
#[derive(Deserialize)]
struct Many<'a> {
    #[serde(borrow)]
    requests: Vec<One<'a>>,
}

impl Embed {
    pub(super) fn content(&self) -> Bytes {
        self.body.clone()
    }

    fn look(form: Form, body: Bytes, model: Option<String>) -> Result<Self, Failure> {
        let mut asked = Asked::look(dialect_of(form), &body, model, Some(false))?;
        // Vectors are no tokens.
        asked.max_output = Some(0);
        let value = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        let (named, texts) = (named(form, &body)?, form.read(&value));
        Ok(Self { form, body, asked, named, texts })
    }

    /// As `target` wants it.
    pub(super) fn prepare(&self, target: &Target) -> Result<Prepared, Failure> {
        let dialect = self.dialect_at(target);
        let form = self.form_in(dialect)?;
        let call = match form {
            Form::OpenAi => "embeddings".to_owned(),
            Form::GeminiOne => gemini_call(&target.model, "embedContent"),
            Form::GeminiMany => gemini_call(&target.model, "batchEmbedContents"),
        };
        let uri = target.upstream.uri(&call, None);
        let body = match form {
            _ if form != self.form => form.write(self.texts()?, &target.model)?.to_string().into(),
            Form::OpenAi => self.asked.body(&self.body, &target.model, false),
            Form::GeminiOne | Form::GeminiMany => self.naming(&target.model),
        };
        Ok(Prepared {
            uri: uri.ok_or_else(|| Failure::refused("model", "The name of the model cannot stand in an address."))?,
            headers: headers(false),
            body,
            dialect,
            asks_count: false,
            translated: None,
        })
    }

    /// What the target is asked in: the same where it knows it.
    fn dialect_at(&self, target: &Target) -> Dialect {
        target.upstream.dialect_for(dialect_of(self.form))
    }

    /// How a server is asked in this dialect.
    fn form_in(&self, dialect: Dialect) -> Result<Form, Failure> {
        if dialect_of(self.form) == dialect { Ok(self.form) } else { embeddings::form(dialect) }
    }

    fn texts(&self) -> Result<&Texts, Failure> {
        self.texts.as_ref().map_err(Clone::clone)
    }

    /// Gemini's body with another model. Nothing else changes.
    fn naming(&self, model: &str) -> Bytes {
        let name = Value::from(format!("models/{model}")).to_string();
        let mut changed = Vec::with_capacity(self.body.len() + self.named.len() * name.len());
        let mut done = 0;
        for at in &self.named {
            changed.extend_from_slice(&self.body[done..at.start]);
            changed.extend_from_slice(name.as_bytes());
            done = at.end;
        }
        changed.extend_from_slice(&self.body[done..]);
        changed.into()
    }

    /// About how many tokens it is.
    fn estimate(&self) -> u64 {
        self.texts.as_ref().map_or_else(|_| self.asked.max_input / BYTES_PER_TOKEN, Texts::estimate)
    }

    /// An answer of a server of this dialect as whoever asks wants it, and how many tokens it took.
    fn answer(&self, dialect: Dialect, bytes: Bytes, answer: &Value) -> Result<(Bytes, u64), Failure> {
        let form = self.form_in(dialect)?;
        let (body, tokens) = if form == self.form {
            (bytes, form.tokens(answer)?)
        } else {
            let embedded = form.read_answer(answer, self.texts()?)?;
            (self.form.write_answer(&embedded, self.texts()?).to_string().into(), embedded.tokens)
        };
        Ok((body, tokens.unwrap_or_else(|| self.estimate())))
    }
}

/// Where a body of Gemini's names the model.
fn named(form: Form, body: &[u8]) -> Result<Vec<Range<usize>>, Failure> {
    let requests = match form {
        Form::OpenAi => Ok(vec![]),
        Form::GeminiOne => serde_json::from_slice(body).map(|one| vec![one]),
        Form::GeminiMany => serde_json::from_slice(body).map(|many: Many<'_>| many.requests),
    };
    let requests: Vec<One<'_>> =
        requests.map_err(|error| Failure::refused("requests", format!("This is no request for vectors: {error}.")))?;
    if requests.len() > MAX_REQUESTS {
        return Err(Failure::refused("requests", format!("One batch has at most {MAX_REQUESTS} requests.")));
    }
    Ok(requests.iter().filter_map(|one| one.model).map(|raw| place(body, raw)).collect())
}

fn dialect_of(form: Form) -> Dialect {
    match form {
        Form::OpenAi => Dialect::Chat,
        Form::GeminiOne | Form::GeminiMany => Dialect::Gemini,
    }
}

impl Gateway {
    /// Answers a question for vectors, whatever happens.
    pub async fn embed(&self, embedding: Embedding) -> Response<AnswerBody> {
        let door = dialect_of(embedding.form);
        match self.try_embed(embedding).await {
            Ok(response) => response,
            Err(no_answer) => refusal::response(door, &no_answer),
        }
    }

    async fn try_embed(&self, embedding: Embedding) -> Result<Response<AnswerBody>, NoAnswer> {
        let started = Instant::now();
        let Embedding { form, model, call: Call { asker, body, .. } } = embedding;
        let embed = heavy(body.len(), || Embed::look(form, body, model))?;
        let max_input = embed.asked.max_input;
        let question = Question::Embed(Box::new(embed));
        let (opened, meter) = self.begin(&question, max_input, &asker, Door::Embeddings, started).await?;
        let Question::Embed(embed) = &question else {
            return Err(Failure::refused("", "This is no question for vectors.").into());
        };
        carry(embed, opened, meter, started + self.0.whole_timeout).await
    }
}

async fn carry(
    embed: &Embed,
    opened: Opened,
    mut meter: Meter,
    deadline: Instant,
) -> Result<Response<AnswerBody>, NoAnswer> {
    let Opened { target, identity, prepared, first, body, .. } = opened;
    let identity = &identity;
    let headers = told(&target.id, &meter);
    let answered = async {
        let bytes = collected(identity, first, body, deadline).await?;
        heavy(bytes.len(), || {
            let value: Value = serde_json::from_slice(&bytes).map_err(|_| not_an_answer(identity, "no JSON"))?;
            embed.answer(prepared.dialect, bytes.clone(), &value)
        })
    };
    match answered.await {
        Ok((body, tokens)) => {
            meter.read(tokens);
            meter.heard(&body);
            meter.finish();
            let mut response = Response::new(AnswerBody::whole(body));
            *response.headers_mut() = headers;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(response)
        }
        Err(failure) => {
            meter.end(CallOutcome::BrokeOff, Some(code_of(&failure)));
            Err(failure.into())
        }
    }
}
