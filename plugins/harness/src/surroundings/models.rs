//! Language models that answer by a script.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use coditect_plugin_host::ports::{Answer, Model, Models, Question, Refused};
use coditect_protocol::llm::Usd;
use tokio::sync::mpsc;

use super::locked;
use crate::declared::Pattern;

/// The model that there is where a script names none.
pub const TEST_MODEL: &str = "test/model";
/// Context of every model here, in tokens.
const CONTEXT_TOKENS: u64 = 128_000;

/// What a model answers to questions of a kind.
#[derive(Debug, Clone)]
pub struct ScriptedAnswer {
    /// Which model: `upstream/model`.
    pub model: String,
    /// The last message of the question; any where absent.
    pub asked: Option<Pattern>,
    /// Pieces of the answer.
    pub pieces: Vec<String>,
    /// Or why it does not answer, after the pieces.
    pub fails: Option<String>,
}

impl ScriptedAnswer {
    /// To any question of [`TEST_MODEL`].
    #[must_use]
    pub fn new(pieces: &[&str]) -> Self {
        let pieces = pieces.iter().map(|&piece| piece.to_owned()).collect();
        Self { model: TEST_MODEL.to_owned(), asked: None, pieces, fails: None }
    }
}

/// The first that fits answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    answers: Arc<Vec<ScriptedAnswer>>,
    asked: Arc<Mutex<Vec<Question>>>,
}

impl Script {
    pub(crate) fn new(answers: Vec<ScriptedAnswer>) -> Self {
        Self { answers: Arc::new(answers), asked: Arc::default() }
    }

    /// What was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Question> {
        locked(&self.asked).clone()
    }
}

#[async_trait]
impl Models for Script {
    async fn list(&self) -> Answer<Vec<Model>> {
        let mut ids: Vec<String> = self.answers.iter().map(|answer| answer.model.clone()).collect();
        ids.sort();
        ids.dedup();
        Ok(ids.into_iter().map(|id| Model { id, context_tokens: Some(CONTEXT_TOKENS) }).collect())
    }

    async fn ask(&self, question: Question, _usd_per_day: Usd, pieces: mpsc::Sender<String>) -> Answer<()> {
        let last = question.messages.last().map_or("", |message| message.text.as_str()).to_owned();
        let fits = |answer: &&ScriptedAnswer| {
            answer.model == question.model && answer.asked.as_ref().is_none_or(|pattern| pattern.matches(&last))
        };
        let found = self.answers.iter().find(fits).cloned();
        locked(&self.asked).push(question);
        let answer = found.ok_or_else(|| Refused::NotFound(format!("The test has no answer to: {last}")))?;
        for piece in answer.pieces {
            if pieces.send(piece).await.is_err() {
                return Ok(());
            }
        }
        answer.fails.map_or(Ok(()), |why| Err(Refused::Unavailable(why)))
    }
}
