//! How many tokens a question has: asked of the upstream where it counts, estimated where it does not. It costs nothing.

use std::time::Duration;

use bytes::Bytes;
use coditect_dialects::{DEFAULT_MAX_OUTPUT_TOKENS, Dialect, Failure, Origin, Target as Written, count};
use http::{HeaderMap, HeaderValue, Method, Response, header};
use serde_json::Value;
use tokio::time::timeout;

use super::answer::AnswerBody;
use super::ask::Asked;
use super::door::{Call, Conversation};
use super::heavy::heavy;
use super::meter::refused;
use super::question::{PASSED_ON, gemini_call};
use super::{Gateway, refusal};
use crate::routing::Target;
use crate::upstream::client::read_whole;

/// Longest that counting may take, before it is estimated.
const COUNT_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
const MAX_COUNT_BYTES: usize = 64 * 1024;

impl Gateway {
    /// Counts a question, whatever happens.
    pub async fn count(&self, conversation: Conversation) -> Response<AnswerBody> {
        let door = conversation.dialect;
        match self.try_count(conversation).await {
            Ok(answer) => {
                let mut response = Response::new(AnswerBody::whole(answer.to_string()));
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Err(failure) => refusal::of_failure(door, &failure),
        }
    }

    async fn try_count(&self, conversation: Conversation) -> Result<Value, Failure> {
        let Conversation { dialect, model, call: Call { asker, headers: given, body }, .. } = conversation;
        let asked = heavy(body.len(), || Asked::look(dialect, &body, model, Some(false)))?;
        let shared = &self.0;
        let admission = shared.metering.admit(&asker, 0).map_err(|refusal| refused(&refusal))?;
        let rules = admission.rules();
        let Some(target) = self.plan(&asked.model, &asker, rules).await?.into_iter().next() else {
            return Err(Failure::refused("model", "There is no such model."));
        };
        let team = rules.team(asker.user).map(|team| team.id);
        let chosen = shared.keys.choose(target.upstream.name(), Some(&target.model), asker.user, team);
        let key = chosen.as_ref().map(|chosen| &chosen.secret).or(target.upstream.key.as_ref());
        let origin = Origin { upstream: target.upstream.name().to_owned(), model: target.model.clone() };
        let (mut turn, _) = heavy(body.len(), || {
            let value: Value = serde_json::from_slice(&body).unwrap_or_default();
            count::read(dialect, &value, &origin)
        })?;
        turn.model.clone_from(&target.model);
        let spoken = target.upstream.dialect_for(dialect);
        let habits = target.upstream.habits(target.upstream.learnt());
        let written = Written { origin, max_output_tokens: DEFAULT_MAX_OUTPUT_TOKENS, habits };
        let mut headers = target.upstream.headers(spoken, key);
        let question = if spoken == dialect {
            replace(&mut headers, &given);
            Some(asked.body(&body, &target.model, false))
        } else {
            count::write(spoken, &turn, &written)?.map(|question| Bytes::from(question.to_string()))
        };
        let counted = match question {
            Some(question) => timeout(COUNT_TIMEOUT, ask(&target, spoken, headers, question)).await.ok().flatten(),
            None => None,
        };
        let tokens = counted.unwrap_or_else(|| count::estimate(&turn));
        count::write_answer(dialect, tokens)
            .ok_or_else(|| Failure::refused("", "This dialect has no question for a count."))
    }
}

/// Puts what of a client's headers is passed on in the place of what would be said otherwise.
fn replace(headers: &mut HeaderMap, given: &HeaderMap) {
    for name in PASSED_ON.iter().filter(|name| given.contains_key(*name)) {
        headers.remove(name);
        headers.extend(given.get_all(name).iter().map(|value| (name.clone(), value.clone())));
    }
}

/// What the upstream counts; nothing where it does not.
async fn ask(target: &Target, dialect: Dialect, headers: HeaderMap, question: Bytes) -> Option<u64> {
    let call = match dialect {
        Dialect::Chat => return None,
        Dialect::Responses => "responses/input_tokens".to_owned(),
        Dialect::Anthropic => "messages/count_tokens".to_owned(),
        Dialect::Gemini => gemini_call(&target.model, "countTokens"),
    };
    let asked = target.upstream.ask_with(headers, Method::POST, target.upstream.uri(&call, None), question);
    let mut response = asked.await.ok()?;
    let body = read_whole(response.body_mut(), MAX_COUNT_BYTES).await.filter(|_| response.status().is_success())?;
    count::read_answer(dialect, &serde_json::from_slice(&body).ok()?)
}
