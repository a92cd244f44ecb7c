//! Streams as clients of each dialect insist on them.

use serde_json::{Value, json};

use super::{label, write};
use crate::{CallKind, Dialect, Failure, FailureKind, Framing, Piece, SseParser, Stop, Tokens};

fn call(id: &str, name: &str) -> Piece {
    Piece::Call { id: id.to_owned(), name: name.to_owned(), kind: CallKind::Function, signature: None }
}

fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

/// Thoughts, words and two calls.
fn answer() -> Vec<Piece> {
    vec![
        Piece::Start { id: Some("up".to_owned()), model: Some("up".to_owned()) },
        Piece::Thought("Hm".to_owned()),
        Piece::Thought(".".to_owned()),
        Piece::ThoughtSignature("sig".to_owned()),
        text("Both"),
        text("."),
        call("1", "f"),
        Piece::Arguments("{\"a\":".to_owned()),
        Piece::Arguments("1}".to_owned()),
        call("2", "g"),
        Piece::Arguments("{}".to_owned()),
        Piece::Tokens(Tokens {
            input: 100,
            cached: 60,
            cache_write: 10,
            cache_write_hour: 0,
            output: 20,
            reasoning: 5,
        }),
        Piece::Stop(Stop::Tools),
    ]
}

/// Names and data of the events.
fn events(bytes: &[u8]) -> Vec<(Option<String>, Value)> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.ends_with("\n\n") || text.ends_with("\r\n\r\n"), "{text}");
    let blocks = text.split("\n\n").flat_map(|block| block.split("\r\n\r\n")).filter(|block| !block.is_empty());
    let events = blocks.map(|block| {
        let name = block.lines().find_map(|line| line.strip_prefix("event: ").map(str::to_owned));
        let data = block.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        (name, serde_json::from_str(data).unwrap_or_else(|_| data.into()))
    });
    events.collect()
}

fn types(events: &[(Option<String>, Value)]) -> Vec<&str> {
    events.iter().map(|(_, data)| data["type"].as_str().unwrap()).collect()
}

#[test]
fn chat() {
    let events = events(&write(Dialect::Chat, Framing::Events, &answer()));
    let deltas: Vec<&Value> = events.iter().map(|(_, data)| &data["choices"][0]["delta"]).collect();
    assert!(events.iter().all(|(name, _)| name.is_none()));
    assert_eq!(deltas[0], &json!({ "role": "assistant", "content": "" }));
    assert_eq!(deltas[1], &json!({ "reasoning_content": "Hm" }));
    assert_eq!(deltas[3], &json!({ "content": "Both" }));
    let begun = json!({ "index": 0, "id": "1", "type": "function", "function": { "name": "f", "arguments": "" } });
    assert_eq!(deltas[5], &json!({ "tool_calls": [begun] }));
    assert_eq!(deltas[6], &json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{\"a\":" } }] }));
    assert_eq!(deltas[9]["tool_calls"][0]["index"], 1);
    let [.., (_, finish), (_, usage), (_, done)] = &events[..] else { panic!("too short") };
    assert_eq!((&finish["choices"][0]["finish_reason"], &finish["usage"]), (&json!("tool_calls"), &Value::Null));
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(120)));
    assert_eq!(done, "[DONE]");
    for (_, data) in &events[..events.len() - 1] {
        assert_eq!((&data["model"], &data["id"]), (&json!("asked-for"), &json!("chatcmpl-0123abcd")));
    }
}

#[test]
fn chat_without_usage() {
    let mut writer = Dialect::Chat.writer(crate::Label { wants_usage: false, ..label() }, Framing::Events);
    let mut out = Vec::new();
    answer().iter().for_each(|piece| writer.piece(piece, &mut out));
    assert!(!String::from_utf8(out).unwrap().contains("usage"));
}

#[test]
fn responses() {
    let events = events(&write(Dialect::Responses, Framing::Events, &answer()));
    for (number, (name, data)) in events.iter().enumerate() {
        assert_eq!(name.as_deref(), data["type"].as_str());
        assert_eq!(data["sequence_number"], number);
    }
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(types(&events), expected);
    let done: Vec<&Value> =
        events.iter().filter(|(_, data)| data["type"] == "response.output_item.done").map(|(_, data)| data).collect();
    for (index, event) in done.iter().enumerate() {
        assert_eq!(event["output_index"], index);
    }
    let call = &done[2]["item"];
    assert_eq!(
        (&call["status"], &call["arguments"], &call["call_id"]),
        (&json!("completed"), &json!("{\"a\":1}"), &json!("1"))
    );
    assert_eq!(done[0]["item"]["encrypted_content"], label().origin.mark("sig"));
    let response = &events.last().unwrap().1["response"];
    let items: Vec<&Value> = done.iter().map(|event| &event["item"]).collect();
    assert_eq!(response["output"], json!(items));
    let details = json!({ "cached_tokens": 60, "cache_write_tokens": 10 });
    assert_eq!(
        (&response["usage"]["total_tokens"], &response["usage"]["input_tokens_details"]),
        (&json!(120), &details)
    );
}

#[test]
fn responses_that_break_off() {
    let begun = [Piece::Start { id: None, model: None }, call("1", "f"), Piece::Arguments("{\"a".to_owned())];
    let stopped: Vec<Piece> = begun.iter().cloned().chain([Piece::Stop(Stop::Length)]).collect();
    let events_of = |pieces: &[Piece]| events(&write(Dialect::Responses, Framing::Events, pieces));
    let response = &events_of(&stopped).last().unwrap().1["response"].clone();
    assert_eq!((&response["status"], &response["output"][0]["status"]), (&json!("incomplete"), &json!("incomplete")));
    assert_eq!(response["usage"]["total_tokens"], 0);
    let failed = Failure::new(FailureKind::Upstream, "llm.upstream_error", "Broken.");
    for pieces in [begun.to_vec(), Vec::new()] {
        let pieces: Vec<Piece> = pieces.into_iter().chain([Piece::Failed(failed.clone())]).collect();
        let events = events_of(&pieces);
        assert_eq!(events[0].1["type"], "response.created");
        let last = &events.last().unwrap().1;
        assert_eq!(
            (&last["type"], &last["response"]["error"]["message"]),
            (&json!("response.failed"), &json!("Broken."))
        );
    }
}

#[test]
fn anthropic() {
    let events = events(&write(Dialect::Anthropic, Framing::Events, &answer()));
    assert!(events.iter().all(|(name, data)| name.as_deref() == data["type"].as_str()));
    let expected = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(types(&events), expected);
    let indexes: Vec<u64> = events.iter().filter_map(|(_, data)| data["index"].as_u64()).collect();
    assert_eq!(indexes, [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3]);
    assert_eq!(events[0].1["message"]["usage"]["input_tokens"], 0);
    let delta = &events[17].1;
    assert_eq!(delta["delta"], json!({ "stop_reason": "tool_use", "stop_sequence": null }));
    let usage = json!({
        "input_tokens": 30, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 60,
        "output_tokens": 20, "output_tokens_details": { "thinking_tokens": 5 },
    });
    assert_eq!(delta["usage"], usage);
    let tokens = Piece::Tokens(Tokens { input: 7, ..Tokens::default() });
    let early = write(Dialect::Anthropic, Framing::Events, &[tokens, text("x"), Piece::Stop(Stop::End)]);
    assert_eq!(self::events(&early)[0].1["message"]["usage"]["input_tokens"], 7);
}

#[test]
fn gemini() {
    let bytes = write(Dialect::Gemini, Framing::Events, &answer());
    // Nothing but lines of data and empty ones.
    let all = std::str::from_utf8(&bytes).unwrap();
    assert!(all.lines().all(|line| line.is_empty() || line.starts_with("data: {")));
    let events = events(&bytes);
    let parts: Vec<&Value> = events.iter().map(|(_, data)| &data["candidates"][0]["content"]["parts"][0]).collect();
    let signature = label().origin.mark("sig");
    let expected = [
        json!({ "text": "Hm", "thought": true }),
        json!({ "text": ".", "thought": true }),
        json!({ "text": "", "thought": true, "thoughtSignature": signature }),
        json!({ "text": "Both" }),
        json!({ "text": "." }),
        json!({ "functionCall": { "id": "1", "name": "f", "args": { "a": 1 } } }),
        json!({ "functionCall": { "id": "2", "name": "g", "args": {} } }),
        json!({ "text": "" }),
    ];
    assert_eq!(parts, expected.iter().collect::<Vec<_>>());
    let last = &events.last().unwrap().1;
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    let usage = json!({
        "promptTokenCount": 100, "candidatesTokenCount": 15, "thoughtsTokenCount": 5,
        "cachedContentTokenCount": 60, "totalTokenCount": 120,
    });
    assert_eq!(last["usageMetadata"], usage);
    let array: Vec<Value> = serde_json::from_slice(&write(Dialect::Gemini, Framing::Array, &answer())).unwrap();
    assert_eq!(array, events.into_iter().map(|(_, data)| data).collect::<Vec<_>>());
}

#[test]
fn failures_in_the_middle() {
    let failed = Failure::new(FailureKind::Overloaded, "llm.upstream_error", "Busy.");
    let pieces = [Piece::Start { id: None, model: None }, text("Half"), Piece::Failed(failed)];
    let last = |dialect| events(&write(dialect, Framing::Events, &pieces)).pop().unwrap();
    assert_eq!(last(Dialect::Chat).1["error"]["code"], "server_is_overloaded");
    assert_eq!(last(Dialect::Anthropic), (Some("error".to_owned()), last(Dialect::Anthropic).1));
    assert_eq!(last(Dialect::Anthropic).1["error"]["type"], "overloaded_error");
    assert_eq!(last(Dialect::Gemini).1["error"]["code"], 503);
    let array: Vec<Value> = serde_json::from_slice(&write(Dialect::Gemini, Framing::Array, &pieces)).unwrap();
    assert_eq!(array[1]["error"]["status"], "UNAVAILABLE");
    let early: Vec<Value> = serde_json::from_slice(&write(Dialect::Gemini, Framing::Array, &pieces[2..])).unwrap();
    assert_eq!(early.len(), 1);
}

#[test]
fn refusals() {
    let pieces = [Piece::Start { id: None, model: None }, Piece::Refusal("No.".to_owned()), Piece::Stop(Stop::End)];
    let events = |dialect| events(&write(dialect, Framing::Events, &pieces));
    assert_eq!(events(Dialect::Chat)[1].1["choices"][0]["delta"], json!({ "refusal": "No." }));
    assert!(types(&events(Dialect::Responses)).contains(&"response.refusal.done"));
    let anthropic = events(Dialect::Anthropic);
    assert_eq!(anthropic[anthropic.len() - 2].1["delta"]["stop_reason"], "refusal");
    assert_eq!(events(Dialect::Gemini).last().unwrap().1["candidates"][0]["finishReason"], "SAFETY");
}

#[test]
fn what_keeps_a_connection_alive() {
    for dialect in Dialect::ALL {
        let mut writer = dialect.writer(label(), Framing::Events);
        let before = writer.keep_alive();
        assert_eq!(before.is_some(), matches!(dialect, Dialect::Chat | Dialect::Responses));
        let mut out = Vec::new();
        writer.piece(&text("x"), &mut out);
        let Some(ping) = writer.keep_alive() else {
            assert_eq!(dialect, Dialect::Gemini);
            continue;
        };
        let mut parser = SseParser::new(1024);
        let event = parser.next(&mut &ping[..]).unwrap();
        // Readers of OpenAI's dialects take an event without data for broken JSON.
        assert_eq!(event.is_some(), dialect == Dialect::Anthropic);
    }
}
