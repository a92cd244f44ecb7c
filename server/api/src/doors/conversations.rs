//! Conversations, in each dialect.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use coditect_auth::Identity;
use coditect_dialects::{Dialect, Framing};
use coditect_llm::{AnswerBody, Call, Conversation, Embedding, Form};
use http::header;
use http::request::Parts;

use super::asker::asker;
use super::room::{Place, Placed};
use crate::error::{ApiError, ApiFault};
use crate::identity::Caller;
use crate::state::AppState;

/// A conversation in OpenAI's dialect of chat completions, with any model.
#[utoipa::path(post, path = "/llm/v1/chat/completions", tag = "gateway",
    request_body(content = Object, description = "As OpenAI's `POST /v1/chat/completions`"),
    responses((status = 200, description = "As OpenAI's; a stream of events where `stream` is true",
        content((Object = "application/json"), (String = "text/event-stream")))))]
pub(super) async fn chat(state: State<AppState>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    converse(state, caller, request, |call| Ok(Conversation::new(Dialect::Chat, call))).await
}

/// A conversation in OpenAI's dialect of responses, with any model.
#[utoipa::path(post, path = "/llm/v1/responses", tag = "gateway",
    request_body(content = Object, description = "As OpenAI's `POST /v1/responses`"),
    responses((status = 200, description = "As OpenAI's; a stream of events where `stream` is true",
        content((Object = "application/json"), (String = "text/event-stream")))))]
pub(super) async fn responses(state: State<AppState>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    converse(state, caller, request, |call| Ok(Conversation::new(Dialect::Responses, call))).await
}

/// A conversation in Anthropic's dialect of messages, with any model.
#[utoipa::path(post, path = "/llm/v1/messages", tag = "gateway",
    request_body(content = Object, description = "As Anthropic's `POST /v1/messages`"),
    responses((status = 200, description = "As Anthropic's; a stream of events where `stream` is true",
        content((Object = "application/json"), (String = "text/event-stream")))))]
pub(super) async fn messages(state: State<AppState>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    converse(state, caller, request, |call| Ok(Conversation::new(Dialect::Anthropic, call))).await
}

/// A conversation in Gemini's dialect, with any model.
#[utoipa::path(post, path = "/llm/v1/models/{*call}", tag = "gateway",
    params(("call" = String, Path, description = "`MODEL:generateContent` or `MODEL:streamGenerateContent`"),
        ("alt" = Option<String>, Query, description = "`sse`: a stream of events and not one JSON array")),
    request_body(content = Object, description = "As Gemini's"),
    responses((status = 200, description = "As Gemini's",
        content((Object = "application/json"), (String = "text/event-stream")))))]
pub(super) async fn gemini(state: State<AppState>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    gemini_call(state, caller, request).await
}

/// The same as below `v1`.
#[utoipa::path(post, path = "/llm/v1beta/models/{*call}", tag = "gateway",
    params(("call" = String, Path, description = "`MODEL:generateContent` or `MODEL:streamGenerateContent`"),
        ("alt" = Option<String>, Query, description = "`sse`: a stream of events and not one JSON array")),
    request_body(content = Object, description = "As Gemini's"),
    responses((status = 200, description = "As Gemini's",
        content((Object = "application/json"), (String = "text/event-stream")))))]
pub(super) async fn gemini_beta(
    state: State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    gemini_call(state, caller, request).await
}

/// The same for clients that leave out `models/` where the name of a model holds a `/`.
#[utoipa::path(post, path = "/llm/v1beta/{*call}", tag = "gateway",
    params(("call" = String, Path, description = "`MODEL:generateContent` or `MODEL:streamGenerateContent`"),
        ("alt" = Option<String>, Query, description = "`sse`: a stream of events and not one JSON array")),
    request_body(content = Object, description = "As Gemini's"),
    responses((status = 200, description = "As Gemini's",
        content((Object = "application/json"), (String = "text/event-stream")))))]
pub(super) async fn gemini_bare(
    state: State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    gemini_call(state, caller, request).await
}

async fn gemini_call(state: State<AppState>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    let (model, method) = called(request.uri().path())?;
    let stream = match method.as_str() {
        "generateContent" => false,
        "streamGenerateContent" => true,
        "embedContent" => return embed(state, caller, request, Form::GeminiOne, Some(model)).await,
        "batchEmbedContents" => return embed(state, caller, request, Form::GeminiMany, Some(model)).await,
        "countTokens" => return count(state, caller, request, Dialect::Gemini, Some(model)).await,
        _ => return Err(ApiFault::NoSuchRoute.into()),
    };
    let is_events = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    let framing = if !stream || is_events { Framing::Events } else { Framing::Array };
    converse(state, caller, request, |call| {
        let (model, stream) = (Some(model), Some(stream));
        Ok(Conversation { dialect: Dialect::Gemini, framing, model, stream, call })
    })
    .await
}

/// Model and method of an address that ends in `models/MODEL:METHOD`. The model may hold both `/` and `:`.
fn called(path: &str) -> Result<(String, String), ApiError> {
    let below = path.split_once("/llm/").and_then(|(_, below)| below.split_once('/')).ok_or(ApiFault::NoSuchRoute)?.1;
    let last = below.strip_prefix("models/").unwrap_or(below);
    let (model, method) = last.rsplit_once(':').ok_or(ApiFault::NoSuchRoute)?;
    let model = percent_encoding::percent_decode_str(model).decode_utf8();
    Ok((model.map_err(|_| ApiFault::NoSuchRoute)?.into_owned(), method.to_owned()))
}

/// How many tokens a conversation in Anthropic's dialect has, with any model.
#[utoipa::path(post, path = "/llm/v1/messages/count_tokens", tag = "gateway",
    request_body(content = Object, description = "As Anthropic's `POST /v1/messages/count_tokens`"),
    responses((status = 200, description = "As Anthropic's", body = Object)))]
pub(super) async fn count_tokens(
    state: State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    count(state, caller, request, Dialect::Anthropic, None).await
}

/// Texts as vectors, in OpenAI's dialect, with any model that makes them.
#[utoipa::path(post, path = "/llm/v1/embeddings", tag = "gateway",
    request_body(content = Object, description = "As OpenAI's `POST /v1/embeddings`"),
    responses((status = 200, description = "As OpenAI's", body = Object)))]
pub(super) async fn embeddings(state: State<AppState>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    embed(state, caller, request, Form::OpenAi, None).await
}

async fn embed(
    State(state): State<AppState>,
    Caller(identity): Caller,
    request: Request,
    form: Form,
    model: Option<String>,
) -> Result<Response, ApiError> {
    let (call, place) = call(&state, &identity, request).await?;
    Ok(placed(state.gateway.embed(Embedding { form, model, call }).await, place))
}

async fn count(
    State(state): State<AppState>,
    Caller(identity): Caller,
    request: Request,
    dialect: Dialect,
    model: Option<String>,
) -> Result<Response, ApiError> {
    let (call, place) = call(&state, &identity, request).await?;
    Ok(placed(state.gateway.count(Conversation { model, ..Conversation::new(dialect, call) }).await, place))
}

/// What comes in, and its place.
async fn call(state: &AppState, identity: &Identity, request: Request) -> Result<(Call, Place), ApiError> {
    let (Parts { headers, .. }, body) = request.into_parts();
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(ApiFault::BadRequest("Send the question as it is, without Content-Encoding.").into());
    }
    let mut place = state.questions.place(identity.user.id)?;
    let asker = asker(identity, &headers, state).await?;
    let body = state.questions.read(&headers, body, &mut place).await?;
    Ok((Call { asker, headers, body }, place))
}

/// An answer that keeps the call's place until it ends. Its question is gone by now: an upstream has it, or nobody will.
fn placed(response: http::Response<AnswerBody>, mut place: Place) -> Response {
    place.question_gone();
    response.map(|body| Body::new(Placed { body, _place: place }))
}

async fn converse(
    State(state): State<AppState>,
    Caller(identity): Caller,
    request: Request,
    conversation: impl FnOnce(Call) -> Result<Conversation, ApiError>,
) -> Result<Response, ApiError> {
    let (call, place) = call(&state, &identity, request).await?;
    Ok(placed(state.gateway.converse(conversation(call)?).await, place))
}
