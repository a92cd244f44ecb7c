//! Whatever an upstream sends, and however much: what is kept of it is bounded.

use serde_json::{Value, json};

use super::content_type;
use crate::{Dialect, Disguised, Failure, Piece, Reading};

/// Reads events until nothing matters any more, and how many pieces came.
fn read(dialect: Dialect, events: impl IntoIterator<Item = Value>) -> (usize, Failure) {
    let mut reading = Reading::new(dialect, content_type(true), Disguised::default()).unwrap();
    let (mut count, mut pieces) = (0, Vec::new());
    for event in events {
        reading.feed(format!("data: {event}\n\n").as_bytes(), &mut pieces);
        count += pieces.len();
        if let Some(Piece::Failed(failure)) = pieces.last() {
            assert!(reading.is_done());
            return (count, failure.clone());
        }
        pieces.clear();
    }
    panic!("it never ended");
}

fn delta(delta: &Value) -> Value {
    json!({ "id": "c", "choices": [{ "index": 0, "delta": delta }] })
}

fn large() -> String {
    "x".repeat(1024 * 1024)
}

#[test]
fn an_endless_answer() {
    let (_, failure) = read(Dialect::Chat, std::iter::repeat_with(|| delta(&json!({ "content": large() }))));
    assert!(failure.message.contains("too large"), "{}", failure.message);
}

#[test]
fn an_answer_in_endless_parts() {
    let both = json!({ "content": "x", "reasoning_content": "y" });
    let (count, failure) = read(Dialect::Chat, std::iter::repeat(delta(&both)));
    assert!(count < 25_000 && failure.message.contains("too large"), "{count} {}", failure.message);
}

#[test]
fn endless_calls() {
    let call = |index: u64| {
        let function = json!({ "name": "f", "arguments": "{}" });
        delta(&json!({ "tool_calls": [{ "index": index, "id": index.to_string(), "function": function }] }))
    };
    let (_, failure) = read(Dialect::Chat, (0..).map(call));
    assert!(failure.message.contains("256 tool calls"), "{}", failure.message);
}

#[test]
fn much_beside_an_unfinished_call() {
    let call = json!({ "tool_calls": [{ "index": 0, "id": "1", "function": { "name": "f", "arguments": "{" } }] });
    let other = json!({ "tool_calls": [{ "index": 1, "id": "2", "function": { "name": "g", "arguments": large() } }] });
    for more in [json!({ "content": large() }), other] {
        let events = std::iter::once(delta(&call)).chain(std::iter::repeat(delta(&more)));
        let (count, failure) = read(Dialect::Chat, events);
        assert!(count < 10 && failure.message.contains("16 MiB"), "{count} {}", failure.message);
    }
    let item = json!({ "type": "function_call", "call_id": "1", "name": "f" });
    let begun = json!({ "type": "response.output_item.added", "output_index": 0, "item": item });
    let more = json!({ "type": "response.output_text.delta", "output_index": 1, "delta": large() });
    let (count, failure) = read(Dialect::Responses, std::iter::once(begun).chain(std::iter::repeat(more)));
    assert!(count < 10 && failure.message.contains("16 MiB"), "{count} {}", failure.message);
}

#[test]
fn an_endless_signature() {
    let more = json!({ "type": "content_block_delta", "delta": { "type": "signature_delta", "signature": large() } });
    let (_, failure) = read(Dialect::Anthropic, std::iter::repeat(more));
    assert!(failure.message.contains("signature"), "{}", failure.message);
}

#[test]
fn an_endless_event() {
    let large = large();
    for (is_stream, begin) in [(true, "data: "), (false, "{\"x\":\"")] {
        let mut reading = Reading::new(Dialect::Chat, content_type(is_stream), Disguised::default()).unwrap();
        let mut pieces = Vec::new();
        reading.feed(begin.as_bytes(), &mut pieces);
        let fed = (1..).find(|_| {
            reading.feed(large.as_bytes(), &mut pieces);
            reading.is_done()
        });
        assert_eq!(fed, Some(16));
        assert!(matches!(&pieces[..], [Piece::Failed(failure)] if failure.message.contains("16 MiB")));
    }
}
