//! The Responses dialect over a WebSocket, as codex speaks it.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use coditect_auth::Identity;
use coditect_llm::{Events, ResponsesSession};
use coditect_protocol::Kind;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::asker::asker;
use super::room::SMALL_BYTES;
use crate::connection::Intake;
use crate::error::{ApiError, ApiFault};
use crate::identity::{Caller, Origin, same_origin};
use crate::state::AppState;

/// What is read at once, in bytes.
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// Most messages that wait, each way; then whoever sends them waits.
const MAX_WAITING: usize = 4;
/// How long nothing is said before a sign of life: shorter than proxies wait.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Opens a WebSocket on which questions in OpenAI's dialect of responses are put one after another.
#[utoipa::path(get, path = "/llm/v1/responses", operation_id = "open_responses_socket", tag = "gateway",
    responses((status = 101, description = "From here on it is a WebSocket."),
        (status = 426, description = "Only a WebSocket can be opened here; put questions with `POST`.")))]
pub(super) async fn open(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Extension(intake): Extension<Arc<Intake>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    if !same_origin(&headers, origin.secure, &state.settings.cors_origins) {
        return Err(ApiFault::OtherSite.into());
    }
    let Ok(upgrade) = upgrade else {
        let mut refusal = StatusCode::UPGRADE_REQUIRED.into_response();
        refusal.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return Ok(refusal);
    };
    if state.draining.is_cancelled() {
        return Err(ApiFault::Draining.into());
    }
    // Whoever may not be in the workspace that the headers name learns of it now.
    asker(&identity, &headers, &state).await?;
    let place = state.questions.socket(identity.user.id)?;
    let largest = state.settings.llm_request_max_bytes;
    Ok(upgrade.read_buffer_size(READ_BUFFER_BYTES).max_message_size(largest).max_frame_size(largest).on_upgrade(
        move |socket| async move {
            Box::pin(run(state, identity, intake, headers, socket)).await;
            drop(place);
        },
    ))
}

async fn run(state: AppState, identity: Identity, intake: Arc<Intake>, headers: HeaderMap, socket: WebSocket) {
    intake.limit_by_places(SMALL_BYTES as u64, state.questions.messages.clone());
    let (sink, stream) = socket.split();
    let (questions, asked) = mpsc::channel(MAX_WAITING);
    let (answers, told) = mpsc::channel(MAX_WAITING);
    // Whichever ends first ends the others: an answer that nobody takes is dropped, and with it the upstream's.
    tokio::select! {
        () = listen(stream, &intake, questions) => {}
        () = write(sink, told) => {}
        () = leave(&state, answers.clone()) => {}
        () = answer(&state, &identity, headers, asked, answers) => {}
    }
}

/// Takes in questions until the client goes.
async fn listen(mut stream: SplitStream<WebSocket>, intake: &Intake, questions: mpsc::Sender<Utf8Bytes>) {
    while let Some(Ok(message)) = stream.next().await {
        intake.message_ended();
        match message {
            Message::Text(text) => {
                if questions.send(text).await.is_err() {
                    return;
                }
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Binary(_) | Message::Close(_) => return,
        }
    }
}

/// Sends what is to be told, and signs of life between.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut told: mpsc::Receiver<Message>) {
    loop {
        let message = match timeout(PING_EVERY, told.recv()).await {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(_) => Message::Ping(Bytes::new()),
        };
        let is_last = matches!(message, Message::Close(_));
        if sink.send(message).await.is_err() || is_last {
            return;
        }
    }
}

/// Says farewell when the server stops, so that the client comes back to the next one.
async fn leave(state: &AppState, answers: mpsc::Sender<Message>) {
    state.closing.cancelled().await;
    say_farewell(close_code::RESTART, "the server is restarting", &answers).await;
}

async fn say_farewell(code: u16, reason: &'static str, answers: &mpsc::Sender<Message>) {
    let _ = answers.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
    // Until it is sent.
    answers.closed().await;
}

/// Answers one question after another.
async fn answer(
    state: &AppState,
    identity: &Identity,
    headers: HeaderMap,
    mut asked: mpsc::Receiver<Utf8Bytes>,
    answers: mpsc::Sender<Message>,
) {
    let mut session = ResponsesSession::new(state.gateway.clone(), headers.clone());
    while let Some(text) = asked.recv().await {
        // The token may have ended since the socket was opened.
        let asker = match state.auth.check_again(identity).await {
            Ok(identity) => asker(&identity, &headers, state).await,
            Err(error) => Err(error.into()),
        };
        match asker {
            Ok(asker) => session.message(asker, &text, &mut Told(&answers)).await,
            Err(error) => {
                let problem = error.into_problem();
                if problem.kind != Kind::Unavailable {
                    return say_farewell(close_code::POLICY, "the token has ended", &answers).await;
                }
                let error = json!({ "type": "server_error", "code": problem.code, "message": problem.message });
                let headers = json!({ "retry-after": "2" });
                let refusal = json!({ "type": "error", "status": 503, "error": error, "headers": headers });
                let _ = answers.send(Message::Text(refusal.to_string().into())).await;
            }
        }
    }
}

/// The way to the client.
struct Told<'a>(&'a mpsc::Sender<Message>);

impl Events for Told<'_> {
    async fn send(&mut self, event: String) -> bool {
        self.0.send(Message::Text(event.into())).await.is_ok()
    }
}
