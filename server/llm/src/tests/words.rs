//! What upstreams of every dialect say, and what is understood of it.

use coditect_dialects::{Disguised, Failure, Piece, Reading, Stop};

use super::*;

/// What every scripted answer costs its upstream.
pub(super) const INPUT: u64 = 70;
pub(super) const OUTPUT: u64 = 30;

/// Every door, at every upstream.
pub(super) fn pairs() -> impl Iterator<Item = (Dialect, Dialect)> {
    Dialect::ALL.into_iter().flat_map(|door| Dialect::ALL.into_iter().map(move |upstream| (door, upstream)))
}

/// A question in a dialect, for an answer of at most 50 tokens.
pub(super) fn asking(dialect: Dialect, stream: bool) -> Conversation {
    let messages = json!([{ "role": "user", "content": "hello" }]);
    let body = match dialect {
        Dialect::Chat => json!({ "model": "u/m", "messages": messages, "max_tokens": 50, "stream": stream }),
        Dialect::Responses => json!({ "model": "u/m", "input": messages, "max_output_tokens": 50, "stream": stream }),
        Dialect::Anthropic => json!({ "model": "u/m", "messages": messages, "max_tokens": 50, "stream": stream }),
        Dialect::Gemini => json!({
            "contents": [{ "role": "user", "parts": [{ "text": "hello" }] }], "generationConfig": { "maxOutputTokens": 50 },
        }),
    };
    let mut conversation = conversation(dialect, body.to_string());
    if dialect == Dialect::Gemini {
        (conversation.model, conversation.stream) = (Some("u/m".to_owned()), Some(stream));
    }
    conversation
}

/// A question for a model by its name.
pub(super) fn asking_for(model: &str) -> Conversation {
    conversation(Dialect::Chat, json!({ "model": model, "messages": [], "stream": true }).to_string())
}

fn event(data: &Value) -> String {
    match data["type"].as_str() {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}

/// How an answer begins that says these words.
pub(super) fn begins(dialect: Dialect, words: &[&str]) -> Vec<Bytes> {
    let mut all = Vec::new();
    match dialect {
        Dialect::Chat => {
            all.push(
                json!({ "id": "c", "choices": [{ "index": 0, "delta": { "role": "assistant", "content": "" } }] }),
            );
        }
        Dialect::Responses => {
            let item = json!({ "type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": [] });
            all.push(json!({ "type": "response.created", "response": { "id": "resp_1", "status": "in_progress", "output": [], "error": null } }));
            all.push(json!({ "type": "response.output_item.added", "output_index": 0, "item": item }));
        }
        Dialect::Anthropic => {
            let usage = json!({ "input_tokens": INPUT, "output_tokens": 1 });
            all.push(json!({ "type": "message_start", "message": {
                "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage,
            } }));
            all.push(
                json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
            );
        }
        Dialect::Gemini => {}
    }
    all.extend(words.iter().map(|word| match dialect {
        Dialect::Chat => json!({ "id": "c", "choices": [{ "index": 0, "delta": { "content": word } }] }),
        Dialect::Responses => {
            json!({ "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": word })
        }
        Dialect::Anthropic => {
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": word } })
        }
        Dialect::Gemini => json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": word }] } }] }),
    }));
    all.iter().map(|data| event(data).into()).collect()
}

fn usage(dialect: Dialect) -> Value {
    match dialect {
        Dialect::Chat => json!({ "prompt_tokens": INPUT, "completion_tokens": OUTPUT }),
        Dialect::Responses | Dialect::Anthropic => json!({ "input_tokens": INPUT, "output_tokens": OUTPUT }),
        Dialect::Gemini => json!({ "promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT }),
    }
}

/// How an answer ends that said this.
pub(super) fn closes(dialect: Dialect, said: &str) -> Vec<Bytes> {
    let all = match dialect {
        Dialect::Chat => vec![
            json!({ "id": "c", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }),
            json!({ "id": "c", "choices": [], "usage": usage(dialect) }),
        ],
        Dialect::Responses => {
            let response = whole(dialect, said);
            let item = response["output"][0].clone();
            vec![
                json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
                json!({ "type": "response.completed", "response": response }),
            ]
        }
        Dialect::Anthropic => vec![
            json!({ "type": "content_block_stop", "index": 0 }),
            json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": OUTPUT } }),
            json!({ "type": "message_stop" }),
        ],
        Dialect::Gemini => vec![json!({
            "candidates": [{ "content": { "role": "model", "parts": [{ "text": "" }] }, "finishReason": "STOP" }],
            "usageMetadata": usage(dialect),
        })],
    };
    let done = (dialect == Dialect::Chat).then(|| Bytes::from("data: [DONE]\n\n"));
    all.iter().map(|data| event(data).into()).chain(done).collect()
}

/// A stream that says these words.
pub(super) fn streamed(dialect: Dialect, words: &[&str]) -> Vec<Bytes> {
    [begins(dialect, words), closes(dialect, &words.concat())].concat()
}

/// The same at once.
pub(super) fn whole(dialect: Dialect, said: &str) -> Value {
    match dialect {
        Dialect::Chat => json!({
            "id": "c", "object": "chat.completion", "model": "m", "usage": usage(dialect),
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": said }, "finish_reason": "stop" }],
        }),
        Dialect::Responses => json!({
            "id": "resp_1", "object": "response", "status": "completed", "model": "m", "error": null, "usage": usage(dialect),
            "output": [{ "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                         "content": [{ "type": "output_text", "text": said, "annotations": [] }] }],
        }),
        Dialect::Anthropic => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
            "content": [{ "type": "text", "text": said }], "usage": usage(dialect),
        }),
        Dialect::Gemini => json!({
            "candidates": [{ "content": { "role": "model", "parts": [{ "text": said }] }, "finishReason": "STOP" }],
            "usageMetadata": usage(dialect),
        }),
    }
}

/// An upstream that answers well, in pieces or at once as it is asked.
pub(super) async fn good(dialect: Dialect, words: &'static [&'static str]) -> Script {
    Script::start(move |seen, guard| {
        let streams = seen.body["stream"] == true || seen.path.contains(":streamGenerateContent");
        std::future::ready(if streams {
            events(stream::iter(streamed(dialect, words)), guard)
        } else {
            answer(200, &[("content-type", "application/json")], whole(dialect, &words.concat()).to_string().into())
        })
    })
    .await
}

/// What a client of a dialect understands of an answer: the text, and how it ended.
pub(super) fn understood(door: Dialect, answered: &Answered) -> (String, Result<Stop, Failure>) {
    let mut reading = Reading::new(door, answered.header("content-type"), Disguised::default()).expect("no answer");
    let mut pieces = Vec::new();
    reading.feed(&answered.bytes, &mut pieces);
    reading.end(&mut pieces);
    let end = match pieces.last() {
        Some(Piece::Stop(stop)) => Ok(stop.clone()),
        Some(Piece::Failed(failure)) => Err(failure.clone()),
        other => panic!("{other:?}"),
    };
    let texts =
        pieces.iter().filter_map(|piece| if let Piece::Text(text) = piece { Some(text.as_str()) } else { None });
    (texts.collect(), end)
}

/// Money for much, at a price that shows in every sum: 1 $ for a million tokens read, 10 $ for a million written.
pub(super) fn plenty() -> Value {
    json!({
        "prices": [{ "model": "*", "input": 1, "output": 10, "max_output_tokens": 1000 }],
        "budgets": [{ "scope": "person", "limit": 1, "period": "total" }, { "scope": "instance", "limit": 5, "period": "day" }],
    })
}

/// What so many tokens cost at that price.
pub(super) fn price(input: u64, output: u64) -> Usd {
    Usd::from_nanos(input * 1000 + output * 10_000)
}
