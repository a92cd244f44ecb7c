//! The upstream: a server of a language model that answers at once what it has ready, far faster than any gateway.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::chat::{self, Model};
use crate::http::Connection;

/// Pause before each token of the model that takes its time.
const PACE: Duration = Duration::from_millis(20);

/// What decides about the answer.
#[derive(Deserialize)]
struct Request<'a> {
    model: &'a str,
    #[serde(default)]
    stream: bool,
}

/// All that is ever answered, as it is sent.
struct Answers {
    models: Vec<u8>,
    unknown: Vec<u8>,
    fast: Completion,
    paced: Completion,
}

struct Completion {
    json: Vec<u8>,
    /// In pieces as they are sent: the head is with the first token, as servers send it.
    events: Vec<Vec<u8>>,
    pace: Duration,
}

impl Answers {
    fn new() -> Self {
        Self {
            models: json("200 OK", &chat::models()),
            unknown: json("404 Not Found", r#"{"error":{"message":"there is nothing here"}}"#),
            fast: Completion::new(Model::Fast, Duration::ZERO),
            paced: Completion::new(Model::Paced, PACE),
        }
    }
}

impl Completion {
    fn new(model: Model, pace: Duration) -> Self {
        let mut events: Vec<String> =
            chat::events(model).iter().map(|event| format!("{:x}\r\n{event}\r\n", event.len())).collect();
        if let Some(first) = events.first_mut() {
            *first = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
                 transfer-encoding: chunked\r\n\r\n{first}"
            );
        }
        if let Some(last) = events.last_mut() {
            last.push_str("0\r\n\r\n");
        }
        let events = events.into_iter().map(String::into_bytes).collect();
        Self { json: json("200 OK", &chat::completion(model)), events, pace }
    }
}

fn json(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Listens on a port of the system's choice, prints it, and answers until the process is ended.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let answers = Arc::new(Answers::new());
    loop {
        let (stream, _) = listener.accept().await?;
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            // Whoever breaks a connection off sees that as its own fault.
            let _ended = converse(Connection::new(stream)?, &answers).await;
            anyhow::Ok(())
        });
    }
}

async fn converse(mut connection: Connection, answers: &Answers) -> Result<()> {
    let mut body = Vec::new();
    while let Some(head) = connection.request().await? {
        connection.body(head.framing, &mut body, |_| ()).await?;
        match head.path.split('?').next() {
            Some("/v1/chat/completions") => complete(&mut connection, &body, answers).await?,
            Some("/v1/models") => connection.write(&answers.models).await?,
            _ => connection.write(&answers.unknown).await?,
        }
    }
    Ok(())
}

async fn complete(connection: &mut Connection, body: &[u8], answers: &Answers) -> Result<()> {
    let request: Request<'_> = serde_json::from_slice(body).context("the request cannot be read")?;
    let answer = if request.model == Model::Paced.name() { &answers.paced } else { &answers.fast };
    if !request.stream {
        return connection.write(&answer.json).await;
    }
    for (index, event) in answer.events.iter().enumerate() {
        if index < chat::TOKENS && !answer.pace.is_zero() {
            sleep(answer.pace).await;
        }
        connection.write(event).await?;
    }
    Ok(())
}
