//! Texts as vectors, whichever dialect they are asked in.

use bytes::Bytes;
use coditect_dialects::embeddings::{self, Asked as Texts, Form};
use coditect_dialects::{Dialect, Failure};
use coditect_protocol::llm::{CallOutcome, Door};
use http::{HeaderValue, Response, header};
use serde_json::Value;
use tokio::time::Instant;

use super::answer::AnswerBody;
use super::ask::Asked;
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
    texts: Texts,
}

impl Embed {
    pub(super) fn content(&self) -> Bytes {
        self.body.clone()
    }

    /// As `target` wants it.
    pub(super) fn prepare(&self, target: &Target) -> Result<Prepared, Failure> {
        let dialect = target.upstream.dialect();
        let form = self.form_for(dialect)?;
        let call = match form {
            Form::OpenAi => "embeddings".to_owned(),
            Form::GeminiOne => gemini_call(&target.model, "embedContent"),
            Form::GeminiMany => gemini_call(&target.model, "batchEmbedContents"),
        };
        let uri = target.upstream.uri(&call, None);
        // Gemini's bodies name the model once more.
        let body = if form == self.form && form == Form::OpenAi {
            self.asked.body(&self.body, &target.model, false)
        } else {
            form.write(&self.texts, &target.model)?.to_string().into()
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

    /// How a server of this dialect is asked.
    fn form_for(&self, dialect: Dialect) -> Result<Form, Failure> {
        let form = embeddings::form(dialect)?;
        Ok(if form == Form::GeminiMany && self.form == Form::GeminiOne { Form::GeminiOne } else { form })
    }
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
        let (mut asked, texts) = heavy(body.len(), || {
            let asked = Asked::look(dialect_of(form), &body, model, Some(false))?;
            let value = serde_json::from_slice::<Value>(&body).unwrap_or_default();
            Ok::<_, Failure>((asked, form.read(&value)?))
        })?;
        // Vectors are no tokens.
        asked.max_output = Some(0);
        let max_input = asked.max_input;
        let question = Question::Embed(Box::new(Embed { form, body, asked, texts }));
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
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| not_an_answer(identity, "no JSON"))?;
        let form = embed.form_for(prepared.dialect)?;
        let embedded = form.read_answer(&value, &embed.texts)?;
        let tokens = embedded.tokens.unwrap_or_else(|| embed.texts.estimate());
        let body = if form == embed.form {
            bytes
        } else {
            embed.form.write_answer(&embedded, &embed.texts).to_string().into()
        };
        Ok::<_, Failure>((body, tokens))
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
