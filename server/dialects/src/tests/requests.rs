//! Requests: each dialect is read and written again, and random questions keep the rules that upstreams insist on.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{origin, target};
use crate::fuzz::is_bare;
use crate::{
    Call, CallKind, Dialect, Failure, Habits, Losses, Media, Message, Outcome, Part, Reasoning, Role, Target, Tool,
    ToolChoice, Turn,
};

pub(super) fn read(dialect: Dialect, body: &Value) -> Result<(Turn, Losses), Failure> {
    dialect.read(body, &origin())
}

pub(super) fn openai(model: &str) -> Target {
    Target { habits: Habits { is_openai: true, wants_thoughts_back: false }, ..target(model) }
}

/// What is read and written again, with nothing lost.
fn again(dialect: Dialect, body: &Value, to: &Target) -> Value {
    let (turn, mut losses) = dialect.read(body, &to.origin).unwrap();
    let written = dialect.write(&turn, to, &mut losses).unwrap();
    let (turn_again, _) = dialect.read(&written, &to.origin).unwrap();
    let written_again = dialect.write(&turn_again, to, &mut losses).unwrap();
    assert_eq!(written_again.to_string().len(), written.to_string().len(), "{written_again}\n{written}");
    written
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": { "city": { "type": "string" } },
        "required": ["city"],
        "additionalProperties": false,
    })
}

fn chat_body() -> Value {
    json!({
        "model": "deployment",
        "messages": [
            { "role": "developer", "content": "Be brief." },
            { "role": "user", "content": [
                { "type": "text", "text": "Look" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
                { "type": "image_url", "image_url": { "url": "https://example.com/a.png" } },
                { "type": "file", "file": { "file_data": "data:application/pdf;base64,BBBB", "filename": "a.pdf" } },
            ] },
            { "role": "assistant", "content": "I look.", "tool_calls": [
                { "id": "call_1", "type": "function", "function": { "name": "f", "arguments": "{\"city\": \"Köln\"}" } },
                { "id": "call_2", "type": "custom", "custom": { "name": "patch", "input": "*** Begin" } },
            ] },
            { "role": "tool", "tool_call_id": "call_1", "content": "sunny" },
            { "role": "tool", "tool_call_id": "call_2", "content": "done" },
            { "role": "developer", "content": "Now." },
            { "role": "user", "content": "Go on." },
        ],
        "tools": [
            { "type": "function", "function":
                { "name": "f", "description": "Weather", "parameters": schema(), "strict": true } },
            { "type": "custom", "custom": { "name": "patch", "description": "Edits", "format":
                { "type": "grammar", "grammar": { "syntax": "lark", "definition": "start: x" } } } },
        ],
        "tool_choice": { "type": "allowed_tools", "allowed_tools": { "mode": "required", "tools": [
            { "type": "function", "function": { "name": "f" } },
            { "type": "custom", "custom": { "name": "patch" } },
        ] } },
        "parallel_tool_calls": false,
        "max_completion_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["a", "b"],
        "seed": -7,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "reasoning_effort": "high",
        "response_format": { "type": "json_schema", "json_schema":
            { "name": "n", "description": "d", "schema": schema(), "strict": true } },
        "verbosity": "low",
        "prompt_cache_key": "key",
        "stream": true,
        "stream_options": { "include_usage": true },
    })
}

#[test]
fn chat_there_and_back() {
    assert_eq!(again(Dialect::Chat, &chat_body(), &openai("deployment")), chat_body());
}

fn responses_body(signature: &str) -> Value {
    json!({
        "model": "deployment",
        "instructions": "Be brief.",
        "input": [
            { "type": "message", "role": "user", "content": [
                { "type": "input_text", "text": "Look" },
                { "type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto" },
                { "type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB" },
                { "type": "input_file", "file_url": "https://example.com/b.pdf" },
            ] },
            { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "Hm." }],
                "encrypted_content": signature },
            { "type": "message", "role": "assistant", "content":
                [{ "type": "output_text", "text": "I look.", "annotations": [] }] },
            { "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}" },
            { "type": "custom_tool_call", "call_id": "call_2", "name": "patch", "input": "*** Begin" },
            { "type": "function_call_output", "call_id": "call_1", "output": [
                { "type": "input_text", "text": "sunny" },
                { "type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto" },
            ] },
            { "type": "custom_tool_call_output", "call_id": "call_2", "output": "done" },
            { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "Now." }] },
            { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "Go on." }] },
        ],
        "tools": [
            { "type": "function", "name": "f", "description": "Weather", "parameters": schema(), "strict": true },
            { "type": "custom", "name": "patch", "format": { "type": "grammar", "syntax": "lark", "definition": "x" } },
        ],
        "tool_choice": { "type": "allowed_tools", "mode": "auto", "tools":
            [{ "type": "function", "name": "f" }, { "type": "custom", "name": "patch" }] },
        "parallel_tool_calls": true,
        "max_output_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning": { "effort": "minimal", "summary": "auto" },
        "text": { "format": { "type": "json_schema", "name": "n", "schema": schema(), "strict": true },
            "verbosity": "high" },
        "prompt_cache_key": "key",
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "stream": true,
    })
}

#[test]
fn responses_there_and_back() {
    let to = openai("deployment");
    let (turn, mut losses) = Dialect::Responses.read(&responses_body(&to.origin.mark("sig")), &to.origin).unwrap();
    assert_eq!(Dialect::Responses.write(&turn, &to, &mut losses).unwrap(), responses_body("sig"));
    assert_eq!(losses.listed(), None);
}

fn anthropic_body(signature: &str, data: &str) -> Value {
    let cache = json!({ "type": "ephemeral" });
    json!({
        "model": "claude-opus-4-6",
        "max_tokens": 4000,
        "system": [{ "type": "text", "text": "Be brief.", "cache_control": cache }],
        "messages": [
            { "role": "user", "content": [
                { "type": "text", "text": "Look" },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } },
                { "type": "image", "source": { "type": "url", "url": "https://example.com/a.png" } },
                { "type": "document", "title": "a.pdf",
                    "source": { "type": "base64", "media_type": "application/pdf", "data": "BBBB" } },
            ] },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "Hm.", "signature": signature },
                { "type": "redacted_thinking", "data": data },
                { "type": "text", "text": "I look." },
                { "type": "tool_use", "id": "toolu_1", "name": "f", "input": { "city": "Köln" } },
                { "type": "tool_use", "id": "toolu_2", "name": "f", "input": {} },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "toolu_1", "content": [
                    { "type": "text", "text": "sunny" },
                    { "type": "image", "source": { "type": "url", "url": "https://example.com/b.png" } },
                ] },
                { "type": "tool_result", "tool_use_id": "toolu_2", "is_error": true,
                    "content": [{ "type": "text", "text": "no such city" }] },
                { "type": "text", "text": "Go on.", "cache_control": cache },
            ] },
        ],
        "tools": [{ "name": "f", "description": "Weather", "input_schema": schema() }],
        "tool_choice": { "type": "auto", "disable_parallel_tool_use": true },
        "stop_sequences": ["END"],
        "thinking": { "type": "adaptive", "display": "summarized" },
        "output_config": { "effort": "xhigh", "format": { "type": "json_schema", "schema": schema() } },
        "stream": true,
    })
}

#[test]
fn anthropic_there_and_back() {
    let to = target("claude-opus-4-6");
    let marked = |text| to.origin.mark(text);
    let (turn, mut losses) =
        Dialect::Anthropic.read(&anthropic_body(&marked("sig"), &marked("data")), &to.origin).unwrap();
    assert_eq!(Dialect::Anthropic.write(&turn, &to, &mut losses).unwrap(), anthropic_body("sig", "data"));
    assert_eq!(losses.listed().as_deref(), Some("cache_control"));
}

fn gemini_body(signature: &str) -> Value {
    json!({
        "systemInstruction": { "parts": [{ "text": "Be brief." }] },
        "contents": [
            { "role": "user", "parts": [
                { "text": "Look" },
                { "inlineData": { "mimeType": "image/png", "data": "AAAA" } },
                { "inlineData": { "mimeType": "application/pdf", "data": "BBBB" } },
            ] },
            { "role": "model", "parts": [
                { "text": "I look.", "thoughtSignature": signature },
                { "functionCall": { "name": "f", "args": { "city": "Köln" } }, "thoughtSignature": signature },
                { "functionCall": { "name": "g", "args": {} } },
            ] },
            { "role": "user", "parts": [
                { "functionResponse": { "name": "f", "response": { "output": "sunny" } } },
                { "functionResponse": { "name": "g", "response": { "error": "no such city" } } },
                { "text": "Go on." },
            ] },
        ],
        "tools": [{ "functionDeclarations": [
            { "name": "f", "description": "Weather", "parametersJsonSchema": schema() },
            { "name": "g" },
        ] }],
        "toolConfig": { "functionCallingConfig": { "mode": "VALIDATED", "allowedFunctionNames": ["f", "g"] } },
        "generationConfig": {
            "maxOutputTokens": 100,
            "temperature": 1.5,
            "topP": 0.9,
            "topK": 40,
            "stopSequences": ["END"],
            "seed": 7,
            "frequencyPenalty": 0.1,
            "presencePenalty": 0.2,
            "thinkingConfig": { "thinkingLevel": "HIGH", "includeThoughts": true },
            "responseMimeType": "application/json",
            "responseJsonSchema": schema(),
        },
    })
}

#[test]
fn gemini_there_and_back() {
    let to = target("gemini-3-flash");
    let (turn, mut losses) = Dialect::Gemini.read(&gemini_body(&to.origin.mark("sig")), &to.origin).unwrap();
    assert_eq!(Dialect::Gemini.write(&turn, &to, &mut losses).unwrap(), gemini_body("sig"));
    assert_eq!(losses.listed(), None);
}

/// What only one dialect has words for is named, and what changes nothing is not.
#[test]
fn what_goes_lost_is_named() {
    let image = |detail: &str| json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA", "detail": detail } }] }]);
    let input = |item: Value| json!([{ "role": "user", "content": "hi" }, item]);
    let thought = json!({ "type": "reasoning", "summary": [], "encrypted_content": "of somebody else" });
    let close = json!({ "role": "user", "content": [{ "type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "high" }] });
    let thinks = json!([{ "role": "assistant", "reasoning_content": "Hm.", "content": "Yes." }, { "role": "user", "content": "hi" }]);
    let cached = json!([{ "name": "f", "input_schema": {}, "cache_control": { "type": "ephemeral" } }]);
    for (from, body, lost) in [
        (Dialect::Chat, json!({ "messages": image("high") }), Some("image_url.detail")),
        (Dialect::Chat, json!({ "messages": image("auto") }), None),
        (Dialect::Chat, json!({ "messages": thinks }), Some("thinking")),
        (Dialect::Responses, json!({ "input": input(close) }), Some("input_image.detail")),
        (Dialect::Responses, json!({ "input": input(thought) }), Some("reasoning.encrypted_content")),
        (
            Dialect::Responses,
            json!({ "input": "hi", "store": true, "include": ["file_search_call.results"] }),
            Some("include,store"),
        ),
        (
            Dialect::Responses,
            json!({ "input": "hi", "store": false, "include": ["reasoning.encrypted_content"] }),
            None,
        ),
        (
            Dialect::Anthropic,
            json!({ "messages": [{ "role": "user", "content": "hi" }], "tools": cached }),
            Some("cache_control"),
        ),
    ] {
        let (turn, mut losses) = read(from, &body).unwrap();
        Dialect::Gemini.write(&turn, &target("gemini-3-flash"), &mut losses).unwrap();
        assert_eq!(losses.listed().as_deref(), lost, "{body}");
    }
}

/// One request of each dialect that has everything.
pub(crate) fn bodies() -> [(Dialect, Value); 4] {
    let marked = origin().mark("sig");
    [
        (Dialect::Chat, chat_body()),
        (Dialect::Responses, responses_body(&marked)),
        (Dialect::Anthropic, anthropic_body(&marked, &marked)),
        (Dialect::Gemini, gemini_body(&marked)),
    ]
}

#[test]
fn the_other_spellings_of_gemini() {
    let body = json!({
        "system_instruction": { "parts": [{ "text": "Be brief." }] },
        "contents": [
            { "parts": [{ "text": "Hi" }, { "inline_data": { "mime_type": "image/png", "data": "AA" } }] },
            { "role": "model", "parts": [
                { "text": "Hm.", "thought": true },
                { "text": " Well.", "thought": true },
                { "text": "", "thought": true, "thought_signature": origin().mark("sig") },
                { "function_call": { "name": "f", "args": { "a": 1 } } },
                { "function_call": { "name": "f", "args": { "a": 2 } } },
            ] },
            { "role": "function", "parts": [
                { "function_response": { "name": "f", "response": { "result": "one" } } },
                { "function_response": { "name": "f", "response": { "content": [{ "text": "two" }] } } },
            ] },
        ],
        "tools": [{ "function_declarations": [{ "name": "f", "parameters": { "type": "OBJECT",
            "properties": { "a": { "type": "INTEGER" } } } }] }, { "googleSearch": {} }],
        "tool_config": { "function_calling_config": { "mode": "any", "allowed_function_names": ["f"] } },
        "generation_config": { "max_output_tokens": 5, "thinking_config": { "thinking_budget": -1 },
            "response_mime_type": "application/json", "response_schema": { "type": "OBJECT" } },
        "safety_settings": [],
    });
    let (turn, losses) = read(Dialect::Gemini, &body).unwrap();
    assert_eq!(losses.listed().as_deref(), Some("safetySettings,tools"));
    let roles: Vec<Role> = turn.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User]);
    let thought = Part::Thought { text: "Hm. Well.".to_owned(), signature: Some("sig".to_owned()) };
    assert_eq!(turn.messages[2].parts[0], thought);
    let told = |part: &Part| match part {
        Part::Call(call) => call.id.clone(),
        Part::Outcome(outcome) => format!("{} {:?}", outcome.id, outcome.parts),
        other => panic!("{other:?}"),
    };
    assert_eq!(told(&turn.messages[2].parts[1]), "call_1");
    assert_eq!(told(&turn.messages[3].parts[0]), format!("call_1 {:?}", [Part::text("one")]));
    assert_eq!(
        told(&turn.messages[3].parts[1]),
        format!("call_2 {:?}", [Part::text(r#"{"content":[{"text":"two"}]}"#)])
    );
    assert_eq!(turn.tool_choice, Some(ToolChoice::One("f".to_owned())));
    assert_eq!(
        turn.tools[0].parameters,
        Some(json!({ "type": "object", "properties": { "a": { "type": "integer" } } }))
    );
    assert_eq!(turn.reasoning, Some(Reasoning::default()));
    assert_eq!(turn.max_tokens, Some(5));
}

/// What a model may be told by any client.
fn turn() -> impl Strategy<Value = Turn> {
    let text = || "[a-z ]{0,6}";
    let id = || "[a-c:]{0,2}";
    let media = prop_oneof![
        Just(Media::Url("https://example.com/a".to_owned())),
        Just(Media::Base64 { mime: "image/png".to_owned(), data: "AAAA".to_owned() }),
    ];
    let plain = prop_oneof![
        4 => text().prop_map(Part::text),
        1 => media.clone().prop_map(Part::Image),
        1 => media.prop_map(|media| Part::Document { media, name: None }),
    ];
    let kind = || prop_oneof![Just(CallKind::Function), Just(CallKind::Custom)];
    let outcome = (id(), prop::collection::vec(plain.clone(), 0..3), any::<bool>(), kind())
        .prop_map(|(id, parts, is_error, kind)| Part::Outcome(Outcome { id, name: None, parts, is_error, kind }));
    let call =
        (id(), prop_oneof![Just("{\"a\":1}"), Just(""), Just("nonsense")], kind(), prop::option::of("[a-z]{1,3}"))
            .prop_map(|(id, arguments, kind, signature)| {
                Part::Call(Call { id, name: "f".to_owned(), arguments: arguments.to_owned(), kind, signature })
            });
    let thought =
        (text(), prop::option::of("[a-z]{1,3}")).prop_map(|(text, signature)| Part::Thought { text, signature });
    let said = prop_oneof![3 => text().prop_map(Part::text), 2 => call, 1 => thought,
        1 => text().prop_map(Part::Redacted)];
    let asked = prop_oneof![2 => plain, 2 => outcome];
    let message = prop_oneof![
        prop::collection::vec(text().prop_map(Part::text), 0..3)
            .prop_map(|parts| Message { role: Role::System, parts }),
        prop::collection::vec(asked, 0..4).prop_map(|parts| Message { role: Role::User, parts }),
        prop::collection::vec(said, 0..4).prop_map(|parts| Message { role: Role::Assistant, parts }),
    ];
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        Just(ToolChoice::One("f".to_owned())),
        any::<bool>().prop_map(|required| ToolChoice::Among { names: vec!["f".to_owned()], required }),
    ];
    let tool = kind().prop_map(|kind| Tool {
        name: "f".to_owned(),
        description: None,
        parameters: None,
        format: None,
        strict: Some(true),
        kind,
    });
    let budget = prop::option::of(0..50_000u64);
    (
        prop::collection::vec(message, 1..8),
        prop::collection::vec(tool, 0..2),
        prop::option::of(choice),
        prop::option::of(budget),
        prop::option::of(0..3000u64),
    )
        .prop_map(|(messages, tools, tool_choice, budget, max_tokens)| Turn {
            messages,
            tools,
            tool_choice,
            max_tokens,
            reasoning: budget.map(|budget| Reasoning { budget, ..Reasoning::default() }),
            stop: vec!["x".to_owned(); 7],
            ..Turn::default()
        })
}

/// Every call is answered by the very next message, and nothing else is.
fn check_anthropic(body: &Value) {
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages[0]["role"], "user", "{body}");
    let ids = |message: Option<&Value>, kind: &str, field: &str| -> Vec<String> {
        let blocks = message.and_then(|message| message["content"].as_array()).into_iter().flatten();
        blocks.filter(|block| block["type"] == kind).map(|block| block[field].as_str().unwrap().to_owned()).collect()
    };
    for (at, message) in messages.iter().enumerate() {
        assert_eq!(message["role"], if at % 2 == 0 { "user" } else { "assistant" }, "{body}");
        let blocks = message["content"].as_array().unwrap();
        assert!(!blocks.is_empty(), "{body}");
        for block in blocks {
            assert!(block["type"] != "text" || !block["text"].as_str().unwrap().trim().is_empty(), "{body}");
        }
        let first_other = blocks.iter().position(|block| block["type"] != "tool_result").unwrap_or(blocks.len());
        assert!(blocks[first_other..].iter().all(|block| block["type"] != "tool_result"), "{body}");
        let answered = ids(Some(message), "tool_result", "tool_use_id");
        let called = ids(at.checked_sub(1).and_then(|at| messages.get(at)), "tool_use", "id");
        assert_eq!(answered, called, "{body}");
    }
    let last_called = ids(messages.last(), "tool_use", "id");
    assert!(last_called.is_empty(), "{body}");
    let budget = body.pointer("/thinking/budget_tokens").and_then(Value::as_u64);
    assert!(budget.is_none_or(|budget| budget >= 1024 && budget < body["max_tokens"].as_u64().unwrap()), "{body}");
}

fn check_chat(body: &Value) {
    let mut open: Vec<String> = Vec::new();
    for message in body["messages"].as_array().unwrap() {
        if message["role"] == "tool" {
            assert_eq!(Some(&*open.remove(0)), message["tool_call_id"].as_str(), "{body}");
        } else {
            assert!(open.is_empty(), "{body}");
            let calls = message["tool_calls"].as_array().into_iter().flatten();
            open.extend(calls.map(|call| call["id"].as_str().unwrap().to_owned()));
        }
    }
    assert!(open.is_empty() && body["stop"].as_array().unwrap().len() == 4, "{body}");
}

fn check_gemini(body: &Value) {
    let contents = body["contents"].as_array().unwrap();
    assert_eq!(contents[0]["role"], "user", "{body}");
    for (at, content) in contents.iter().enumerate() {
        assert_eq!(content["role"], if at % 2 == 0 { "user" } else { "model" }, "{body}");
        let parts = content["parts"].as_array().unwrap();
        assert!(!parts.is_empty(), "{body}");
        let calls: Vec<&Value> = parts.iter().filter(|part| part.get("functionCall").is_some()).collect();
        assert!(calls.first().is_none_or(|call| call.get("thoughtSignature").is_some()), "{body}");
        let next = contents.get(at + 1).and_then(|next| next["parts"].as_array()).into_iter().flatten();
        assert_eq!(next.filter(|part| part.get("functionResponse").is_some()).count(), calls.len(), "{body}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_question_keeps_the_rules(turn in turn()) {
        for dialect in Dialect::ALL {
            for to in [target("claude-sonnet-4"), openai("gpt-5")] {
                let mut losses = Losses::default();
                // Gemini fetches no pictures, and nobody but Anthropic and OpenAI's responses documents; nothing else is refused.
                let Ok((body, _)) = dialect.ask(turn.clone(), &to, &mut losses) else {
                    prop_assert!(matches!(dialect, Dialect::Chat | Dialect::Gemini));
                    continue;
                };
                let again = dialect.ask(turn.clone(), &to, &mut losses).unwrap().0;
                prop_assert_eq!(body.to_string(), again.to_string());
                match dialect {
                    Dialect::Anthropic => check_anthropic(&body),
                    Dialect::Chat if !to.habits.is_openai => check_chat(&body),
                    Dialect::Gemini => check_gemini(&body),
                    Dialect::Chat | Dialect::Responses => {}
                }
                prop_assert!(is_bare(&body) || dialect.read(&body, &to.origin).is_ok(), "{}", body);
            }
        }
    }
}
