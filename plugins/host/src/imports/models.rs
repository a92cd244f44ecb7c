//! Asking language models.

use std::sync::Arc;

use coditect_protocol::plugin::{CapabilityName, Said, SaidBy};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::component::Resource;

use super::{Error, MAX_ANSWER_BYTES, Settled, Stop, Told, present, settle, wit};
use crate::CallError;
use crate::ports::{self, Models};
use crate::state::{Around, State};
use wit::models::{Host, HostAnswer};
use wit::types::{Model, Question, Role};

/// Most models of a list.
const MAX_MODELS: usize = 1000;
/// Longest name of a model, in bytes.
const MAX_MODEL_BYTES: usize = 256;
/// Most messages of a question, and all their texts together, in bytes.
const MAX_MESSAGES: usize = 1000;
const MAX_QUESTION_BYTES: usize = 1 << 20;
/// Most answers of a call that are being given at the same time.
const MAX_ANSWERS: usize = 4;
/// Pieces that wait to be taken.
const WAITING_PIECES: usize = 16;

/// An answer that is being given. Dropping it ends the question.
#[expect(unreachable_pub, reason = "the bindings name it")]
pub struct Answer {
    model: String,
    pieces: mpsc::Receiver<String>,
    end: Option<AbortOnDropHandle<ports::Answer<()>>>,
    /// How much of it may still come, in bytes.
    left: usize,
}

impl Host for State {
    async fn list(&mut self) -> Settled<Vec<Model>> {
        settle(list(&self.around).await)
    }

    async fn ask(&mut self, question: Question) -> Settled<Resource<Answer>> {
        let under_way = self.table.iter_mut().filter(|entry| entry.is::<Answer>()).count();
        match settle(ask(&self.around, question, under_way).await)? {
            Ok(answer) => Ok(Ok(self.table.push(answer)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl HostAnswer for State {
    async fn next(&mut self, answer: Resource<Answer>) -> Settled<Option<String>> {
        let around = Arc::clone(&self.around);
        settle(next(&around, self.table.get_mut(&answer)?).await)
    }

    async fn drop(&mut self, answer: Resource<Answer>) -> wasmtime::Result<()> {
        self.table.delete(answer)?;
        Ok(())
    }
}

fn granted(around: &Around) -> Told<Arc<dyn Models>> {
    around.enter()?;
    around.need(CapabilityName::Models)?;
    Ok(present(around.caller.ports.models.as_ref(), "no language model")?)
}

/// The models that both manifest and person allow.
async fn allowed(around: &Around, port: Arc<dyn Models>) -> Told<Vec<ports::Model>> {
    let rights = around.caller.rights.now();
    let mut models = around.ask(async move { port.list().await }).await?;
    models.retain(|model| rights.model(&model.id));
    models.truncate(MAX_MODELS);
    Ok(models)
}

async fn list(around: &Around) -> Told<Vec<Model>> {
    let models = allowed(around, granted(around)?).await?;
    Ok(models.into_iter().map(|model| Model { id: model.id, context_tokens: model.context_tokens }).collect())
}

async fn ask(around: &Around, question: Question, under_way: usize) -> Told<Answer> {
    let port = granted(around)?;
    if under_way >= MAX_ANSWERS {
        return Err(Error::Limit(format!("A call has at most {MAX_ANSWERS} answers given at the same time.")).into());
    }
    check(&question)?;
    let model = match question.model {
        Some(model) => model,
        None => {
            let first = allowed(around, port.clone()).await?.into_iter().next().map(|model| model.id);
            first.ok_or_else(|| Error::Unavailable("The person has no model that the manifest names.".to_owned()))?
        }
    };
    let rights = around.caller.rights.now();
    let usd_per_day = match rights.usd_per_day() {
        Some(usd) if rights.model(&model) => usd,
        _ => return Err(around.denied(CapabilityName::Models, &model).into()),
    };
    let messages = question.messages.into_iter().map(|message| Said {
        by: match message.role {
            Role::System => SaidBy::System,
            Role::User => SaidBy::User,
            Role::Assistant => SaidBy::Assistant,
        },
        text: message.text,
    });
    let asked = ports::Question {
        model: model.clone(),
        messages: messages.collect(),
        max_tokens: question.max_tokens,
        temperature: question.temperature,
    };
    let (sender, pieces) = mpsc::channel(WAITING_PIECES);
    let end = around.outside.spawn(async move { port.ask(asked, usd_per_day, sender).await });
    Ok(Answer { model, pieces, end: Some(AbortOnDropHandle::new(end)), left: MAX_ANSWER_BYTES })
}

fn check(question: &Question) -> Result<(), Error> {
    let bytes: usize = question.messages.iter().map(|message| message.text.len()).sum();
    if question.messages.len() > MAX_MESSAGES || bytes > MAX_QUESTION_BYTES {
        let most = MAX_QUESTION_BYTES >> 20;
        return Err(Error::Limit(format!("A question has at most {MAX_MESSAGES} messages and {most} MiB of text.")));
    }
    if question.messages.is_empty() {
        return Err(Error::Invalid("A question has at least one message.".to_owned()));
    }
    if question.model.as_ref().is_some_and(|model| model.len() > MAX_MODEL_BYTES) {
        return Err(Error::Limit(format!("The name of a model has at most {MAX_MODEL_BYTES} bytes.")));
    }
    if question.temperature.is_some_and(|temperature| !temperature.is_finite()) {
        return Err(Error::Invalid("The temperature is no number.".to_owned()));
    }
    Ok(())
}

async fn next(around: &Around, answer: &mut Answer) -> Told<Option<String>> {
    around.enter()?;
    if !around.caller.rights.model(&answer.model) {
        answer.close();
        return Err(around.denied(CapabilityName::Models, &answer.model).into());
    }
    let Some(piece) = answer.pieces.recv().await else { return answer.ended().await };
    match answer.left.checked_sub(piece.len()) {
        Some(left) => {
            answer.left = left;
            Ok(Some(piece))
        }
        None => {
            answer.close();
            Err(Error::Limit(format!("An answer has at most {} MiB.", MAX_ANSWER_BYTES >> 20)).into())
        }
    }
}

impl Answer {
    fn close(&mut self) {
        self.pieces.close();
        self.end = None;
    }

    /// What came of it, once; nothing more from then on.
    async fn ended(&mut self) -> Told<Option<String>> {
        let Some(end) = self.end.take() else { return Ok(None) };
        let broken = |_| CallError::Internal { detail: "a question was not brought to an end".to_owned() };
        end.await.map_err(|error| Stop::Ended(broken(error).into()))??;
        Ok(None)
    }
}
