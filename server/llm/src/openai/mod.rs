//! The OpenAI-compatible protocol: chat completions and the list of models.

mod answer;
mod failure;
mod listing;
mod request;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use coditect_protocol::chat::{ChatDelta, ChatEnd, ChatRequest, ModelInfo};
use reqwest::{Response, StatusCode, header::CONTENT_TYPE};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

use self::{
    answer::{Answer, Decoder},
    request::Shape,
};
use crate::{
    endpoint::{Endpoint, read_beginning},
    error::LlmError,
    provider::Provider,
};

/// Most of a failure's body that is read, in bytes.
const MAX_FAILURE_BYTES: usize = 64 * 1024;
/// How long a failure's body may take.
const FAILURE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the count of tokens may follow the end of the answer.
const TAIL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the last bytes after the end mark are waited for, so that the connection can be used again.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(20);

/// An OpenAI-compatible upstream.
#[derive(Debug)]
pub(crate) struct OpenAi {
    endpoint: Endpoint,
    /// It refused to be asked for the count of tokens before.
    refuses_usage: AtomicBool,
}

impl OpenAi {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, refuses_usage: AtomicBool::new(false) }
    }

    fn silent_at_start(&self) -> LlmError {
        let seconds = self.endpoint.first_token_timeout.as_secs_f64().ceil();
        LlmError::TimeoutFirstToken { upstream: self.endpoint.identity.name.clone(), seconds: whole(seconds) }
    }

    fn silent_later(&self) -> LlmError {
        let seconds = self.endpoint.idle_timeout.as_secs_f64().ceil();
        LlmError::TimeoutIdle { upstream: self.endpoint.identity.name.clone(), seconds: whole(seconds) }
    }

    /// Puts the question, in another shape where the upstream does not understand the first, until it accepts it.
    async fn open(&self, model: &str, request: &ChatRequest, deadline: Instant) -> Result<Response, LlmError> {
        let mut shape = Shape { ask_usage: !self.refuses_usage.load(Ordering::Relaxed), new_bound: false };
        loop {
            let body = request::encode(model, request, shape)?;
            let url = self.endpoint.url("chat/completions");
            let sent = timeout_at(deadline, self.endpoint.post(url, "text/event-stream", body)).await;
            let mut response = sent.map_err(|_| self.silent_at_start())??;
            if response.status().is_success() {
                // Only now it is sure that the count was what it did not like, and not a refusal that quotes the asker.
                self.refuses_usage.store(!shape.ask_usage, Ordering::Relaxed);
                return Ok(response);
            }
            let until = deadline.min(Instant::now() + FAILURE_TIMEOUT);
            let body = read_beginning(&mut response, MAX_FAILURE_BYTES, until).await;
            let is_about_the_body =
                matches!(response.status(), StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY);
            match shape.otherwise(&body).filter(|_| is_about_the_body) {
                Some(other) => shape = other,
                None => return Err(failure::of_response(&self.endpoint.identity, model, &response, &body)),
            }
        }
    }

    async fn read(
        &self,
        response: Response,
        deadline: Instant,
        sink: &mpsc::Sender<ChatDelta>,
    ) -> Result<ChatEnd, LlmError> {
        let content_type =
            response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let decoder = Decoder::for_type(content_type)
            .ok_or_else(|| failure::not_an_answer(&self.endpoint.identity, content_type))?;
        let mut reading = Reading {
            provider: self,
            response,
            decoder,
            answer: Answer::new(&self.endpoint.identity),
            phase: Phase::FirstToken,
            deadline,
            sink,
        };
        while !reading.answer.is_done() && reading.step().await? {}
        if reading.answer.is_done() {
            // Nothing that comes now matters, and neither does what goes wrong now.
            let _ = timeout(DRAIN_TIMEOUT, reading.response.chunk()).await;
        }
        let (calls, end) = reading.answer.finish()?;
        for call in calls {
            sink.send(ChatDelta::ToolCall(call)).await.map_err(|_| LlmError::Cancelled)?;
        }
        Ok(end)
    }
}

#[async_trait]
impl Provider for OpenAi {
    fn name(&self) -> &str {
        &self.endpoint.identity.name
    }

    fn address(&self) -> &str {
        &self.endpoint.identity.address
    }

    async fn models(&self, deadline: Instant) -> Result<Vec<ModelInfo>, LlmError> {
        listing::models(&self.endpoint, deadline).await
    }

    async fn chat(
        &self,
        model: &str,
        request: &ChatRequest,
        sink: &mpsc::Sender<ChatDelta>,
    ) -> Result<ChatEnd, LlmError> {
        let deadline = Instant::now() + self.endpoint.first_token_timeout;
        let response = self.open(model, request, deadline).await?;
        self.read(response, deadline, sink).await
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; the cast saturates")]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}

/// What the clock waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    FirstToken,
    NextToken,
    /// The answer is whole; only the count of tokens may follow.
    Tail,
}

/// An answer on its way from the upstream to the sink.
struct Reading<'a> {
    provider: &'a OpenAi,
    response: Response,
    decoder: Decoder,
    answer: Answer<'a>,
    phase: Phase,
    deadline: Instant,
    sink: &'a mpsc::Sender<ChatDelta>,
}

impl Reading<'_> {
    /// Reads one piece; whether there may be more.
    async fn step(&mut self) -> Result<bool, LlmError> {
        let chunk = match (timeout_at(self.deadline, self.response.chunk()).await, self.phase) {
            (Ok(Ok(chunk)), _) => chunk,
            (Ok(Err(_)) | Err(_), Phase::Tail) => None,
            (Ok(Err(_)), _) => {
                let identity = &self.provider.endpoint.identity;
                return Err(identity.bad_stream("the connection broke before the answer was complete"));
            }
            (Err(_), Phase::FirstToken) => return Err(self.provider.silent_at_start()),
            (Err(_), Phase::NextToken) => return Err(self.provider.silent_later()),
        };
        let mut rest = chunk.as_deref();
        loop {
            let event = match &mut rest {
                Some(rest) => self.decoder.next(rest),
                None => self.decoder.finish(),
            };
            let Some(event) = event.map_err(|fault| self.provider.endpoint.identity.bad_stream(fault))? else {
                break;
            };
            let mut deltas = Vec::new();
            let progressed = self.answer.take(&event, &mut deltas)?;
            for delta in deltas {
                self.sink.send(delta).await.map_err(|_| LlmError::Cancelled)?;
            }
            self.wind(progressed);
            if self.answer.is_done() {
                break;
            }
        }
        // A slow reader of the sink is not the upstream's silence.
        if self.decoder.is_collecting() {
            self.wind(true);
        }
        Ok(chunk.is_some())
    }

    /// Winds the clock up again after the upstream did something for the answer.
    fn wind(&mut self, progressed: bool) {
        if self.answer.is_whole() {
            if self.phase != Phase::Tail {
                self.phase = Phase::Tail;
                self.deadline = Instant::now() + TAIL_TIMEOUT;
            }
        } else if progressed {
            self.phase = Phase::NextToken;
            self.deadline = Instant::now() + self.provider.endpoint.idle_timeout;
        }
    }
}
