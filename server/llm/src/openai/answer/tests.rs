use coditect_protocol::Coded;
use proptest::prelude::*;
use serde_json::json;

use super::*;

type Outcome = (Vec<ChatDelta>, Result<(Vec<ToolCall>, ChatEnd), &'static str>);

/// Everything that is made of an answer that arrives in these pieces.
fn run(content_type: &str, chunks: &[&[u8]]) -> Outcome {
    let identity = Identity::for_test("u", "topsecret");
    let mut decoder = Decoder::for_type(content_type).unwrap();
    let mut answer = Answer::new(&identity);
    let mut out = Vec::new();
    let mut inner = || -> Result<(), LlmError> {
        let bad = |reason: String| identity.bad_stream(reason);
        for chunk in chunks {
            let mut rest = *chunk;
            while let Some(event) = decoder.next(&mut rest).map_err(bad)? {
                answer.take(&event, &mut out)?;
                if answer.is_done() {
                    return Ok(());
                }
            }
        }
        while let Some(event) = decoder.finish().map_err(bad)? {
            answer.take(&event, &mut out)?;
        }
        Ok(())
    };
    let result = inner().and_then(|()| answer.finish());
    // Made-up identifiers differ from run to run.
    let steady = |mut calls: Vec<ToolCall>| {
        for call in calls.iter_mut().filter(|call| call.id.starts_with("call_")) {
            call.id = "made up".to_owned();
        }
        calls
    };
    (out, result.map(|(calls, end)| (steady(calls), end)).map_err(|error| error.code()))
}

fn stream(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

fn delta(delta: &Value) -> Value {
    json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] })
}

fn end(reason: &str) -> Value {
    json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] })
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
}

fn text(text: &str) -> ChatDelta {
    ChatDelta::Text { text: text.to_owned() }
}

#[expect(clippy::needless_pass_by_value, reason = "so that the expectation reads as a value where it stands")]
fn check_calls(events: &[Value], expected: Result<Vec<ToolCall>, &str>) {
    let (_, result) = run("text/event-stream", &[stream(events).as_bytes()]);
    assert_eq!(result.map(|(calls, _)| calls), expected, "{events:?}");
}

#[test]
fn calls_however_a_server_cuts_them() {
    let part = |part: Value| delta(&json!({ "tool_calls": [part] }));
    let f = |index: u64, arguments: &str| json!({ "index": index, "function": { "arguments": arguments } });
    let named = |index: u64, id: &str, name: &str, arguments: &str| json!({ "index": index, "id": id, "function": { "name": name, "arguments": arguments } });
    let bare = |id: &str, name: &str, arguments: &str| json!({ "id": id, "function": { "name": name, "arguments": arguments } });
    // In parallel and interleaved.
    check_calls(
        &[
            part(named(0, "a", "one", "")),
            part(f(0, "{\"x\"")),
            part(named(1, "b", "two", "{")),
            part(f(0, ":1}")),
            part(f(1, "}")),
            end("tool_calls"),
        ],
        Ok(vec![call("a", "one", "{\"x\":1}"), call("b", "two", "{}")]),
    );
    // No index at all; the same index for all; identifier and name repeated with each fragment.
    check_calls(
        &[part(bare("a", "one", "{}")), part(bare("b", "two", "{}")), end("stop")],
        Ok(vec![call("a", "one", "{}"), call("b", "two", "{}")]),
    );
    check_calls(
        &[part(named(0, "a", "one", "{}")), part(named(0, "b", "two", "[")), part(f(0, "]")), end("stop")],
        Ok(vec![call("a", "one", "{}"), call("b", "two", "[]")]),
    );
    check_calls(
        &[part(bare("a", "one", "[1,")), part(bare("a", "one", "2]")), end("stop")],
        Ok(vec![call("a", "one", "[1,2]")]),
    );
    check_calls(
        &[part(bare("", "one", "{}")), part(bare("", "one", "[]")), end("stop")],
        Ok(vec![call("made up", "one", "{}"), call("made up", "one", "[]")]),
    );
    // Arguments as JSON, none, `null`; an identifier given twice.
    check_calls(
        &[
            part(json!({ "index": 0, "id": "a", "function": { "name": "one", "arguments": { "x": 1 } } })),
            part(named(1, "b", "two", " ")),
            part(named(2, "b", "three", "null")),
            end("tool_calls"),
        ],
        Ok(vec![call("a", "one", "{\"x\":1}"), call("b", "two", "{}"), call("made up", "three", "{}")]),
    );
    check_calls(&[part(named(0, "a", "one", "{\"x\"")), end("tool_calls")], Err("llm.bad_tool_call"));
    check_calls(&[part(named(0, "a", "", "{}")), end("tool_calls")], Err("llm.bad_tool_call"));
    // Cut by the bound on tokens: what is whole is kept, what is not may not run.
    check_calls(
        &[part(named(0, "a", "one", "{}")), part(named(1, "b", "two", "{\"x\"")), end("length")],
        Ok(vec![call("a", "one", "{}")]),
    );
    check_calls(&[part(named(0, "a", "delete", "")), end("length")], Ok(vec![]));
    check_calls(&[part(named(0, "a", "one", "{}"))], Err("llm.bad_stream"));
    let flood: Vec<Value> = (0..300).map(|n| part(named(n, "", "x", "{}"))).collect();
    check_calls(&flood, Err("llm.bad_stream"));
}

#[test]
fn tool_calls_are_bounded_together() {
    let identity = Identity::for_test("u", "topsecret");
    let mut answer = Answer::new(&identity);
    let piece = json!({ "index": 0, "id": "a", "function": { "name": "x", "arguments": "y".repeat(1024 * 1024) } });
    let event = Event { is_error: false, data: delta(&json!({ "tool_calls": [piece] })).to_string().into_bytes() };
    let failed = (0..20).find_map(|n| answer.take(&event, &mut Vec::new()).err().map(|error| (n, error.code())));
    assert_eq!(failed, Some((15, "llm.bad_stream")));
}

#[test]
fn reasons_usage_and_what_is_left_out() {
    for (said, meant) in [
        ("stop", StopReason::Stop),
        ("eos", StopReason::Stop),
        ("tool_calls", StopReason::Stop),
        ("length", StopReason::Length),
        ("content_filter", StopReason::ContentFilter),
    ] {
        let events = [
            delta(&json!({ "role": "assistant", "content": "" })),
            delta(&json!({ "reasoning_content": "hm", "reasoning": "hm" })),
            delta(&json!({ "reasoning": "so" })),
            delta(&json!({ "content": "a", "reasoning_content": "" })),
            delta(&json!({ "content": [{ "type": "thinking", "thinking": [{ "text": "t" }] }, { "text": "b" }] })),
            json!({ "choices": [{ "index": 1, "delta": { "content": "another choice" } }] }),
            json!({ "type": "ping" }),
            end(said),
            json!({ "choices": [], "usage": {
                "prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": { "cached_tokens": 2 } } }),
        ];
        let (out, result) = run("text/event-stream", &[stream(&events).as_bytes()]);
        let thought = |text: &str| ChatDelta::Reasoning { text: text.to_owned() };
        assert_eq!(out, [thought("hm"), thought("so"), text("a"), thought("t"), text("b")]);
        let usage = Some(Usage { input_tokens: 5, output_tokens: 3, cached_tokens: 2 });
        assert_eq!(result, Ok((vec![], ChatEnd { reason: meant, usage })));
    }
}

#[test]
fn ends() {
    let hello = delta(&json!({ "content": "hello" }));
    let outcome = |body: &str| run("text/event-stream", &[body.as_bytes()]).1.map(|(_, end)| end.reason);
    let events = |events: &[Value]| stream(events);
    assert_eq!(outcome(&(events(std::slice::from_ref(&hello)) + "data: [DONE]\n\n")), Ok(StopReason::Stop));
    assert_eq!(outcome(&(events(std::slice::from_ref(&hello)) + "data: [DONE]")), Ok(StopReason::Stop));
    assert_eq!(outcome(&events(&[hello.clone(), end("stop")])), Ok(StopReason::Stop));
    assert_eq!(outcome(&events(std::slice::from_ref(&hello))), Err("llm.bad_stream"));
    assert_eq!(outcome("data: [DONE]\n\n"), Err("llm.bad_stream"));
    assert_eq!(outcome(""), Err("llm.bad_stream"));
    assert_eq!(outcome("data: {\"choices\": [\n\n"), Err("llm.bad_stream"));
    assert_eq!(outcome("garbage\u{1}\n\nmore"), Err("llm.bad_stream"));
    assert_eq!(outcome("data: {\"error\":{\"message\":\"no\"}}\n\n"), Err("llm.upstream_error"));
    assert_eq!(outcome("data: {\"error\":{\"code\":429}}\n\n"), Err("llm.rate_limited"));
    assert_eq!(outcome("event: error\ndata: {\"message\":\"prompt is too long\"}\n\n"), Err("llm.context_overflow"));
    let deep = format!("data: {}\n\n", "[".repeat(100_000));
    assert_eq!(outcome(&deep), Err("llm.bad_stream"));
}

#[test]
fn servers_that_ignore_stream() {
    let whole = json!({
        "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": "hi", "tool_calls": [
                { "id": "", "function": { "name": "x", "arguments": "" } },
                { "id": "", "function": { "name": "x", "arguments": "[]" } } ] } }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 2 },
    });
    let body = format!("\n\r\n \u{feff}{whole}");
    for content_type in ["application/json; charset=utf-8", "", "text/event-stream", "text/plain"] {
        let (out, result) = run(content_type, &[body.as_bytes()]);
        assert_eq!(out, [text("hi")]);
        let (calls, end) = result.unwrap();
        assert_eq!(calls, [call("made up", "x", "{}"), call("made up", "x", "[]")]);
        assert_eq!(end.reason, StopReason::ToolCalls);
        assert_eq!(end.usage.unwrap().output_tokens, 2);
    }
    for body in ["<html>", "hello", "{", "{}", "[]", "{\"choices\":[]}"] {
        assert_eq!(run("application/json", &[body.as_bytes()]).1, Err("llm.bad_stream"), "{body}");
    }
    assert_eq!(run("application/json", &[b"{\"error\":\"no\"}"]).1, Err("llm.upstream_error"));
    assert_eq!(run("application/json", &[b"[{\"error\":{}}]"]).1, Err("llm.upstream_error"));
    for no in ["text/html", "application/x-ndjson", "image/png"] {
        assert!(Decoder::for_type(no).is_none(), "{no}");
    }
}

#[test]
fn a_long_text_comes_in_pieces() {
    let long = "ä".repeat(MAX_DELTA_BYTES);
    let events = stream(&[delta(&json!({ "content": long })), end("stop")]);
    let (out, _) = run("text/event-stream", &[events.as_bytes()]);
    let texts: Vec<&str> =
        out.iter().map(|delta| if let ChatDelta::Text { text } = delta { text.as_str() } else { "" }).collect();
    assert!(texts.len() == 2 && texts.iter().all(|text| text.len() <= MAX_DELTA_BYTES));
    assert_eq!(texts.concat(), long);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zä{}\"]{0,6}".prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "choices",
        "index",
        "delta",
        "message",
        "content",
        "reasoning",
        "thinking",
        "text",
        "tool_calls",
        "id",
        "function",
        "name",
        "arguments",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "prompt_tokens_details",
        "error",
        "code",
        "detail",
        "x_groq",
    ]);
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_events_in_any_chunks_mean_the_same(
        events in prop::collection::vec(value(), 0..6),
        size in 1_usize..40,
    ) {
        let body = stream(&events);
        let whole = run("text/event-stream", &[body.as_bytes()]);
        let chunks: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
        prop_assert_eq!(run("text/event-stream", &chunks), whole);
        let document = value_document(&events);
        let chunks: Vec<&[u8]> = document.as_bytes().chunks(size).collect();
        prop_assert_eq!(run("application/json", &chunks), run("application/json", &[document.as_bytes()]));
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1_usize..40) {
        let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
        for content_type in ["", "application/json", "text/event-stream"] {
            prop_assert!(run(content_type, &chunks).1.is_err());
        }
    }
}

fn value_document(events: &[Value]) -> String {
    json!({ "choices": events }).to_string()
}
