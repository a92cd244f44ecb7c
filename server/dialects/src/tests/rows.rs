//! The tables of `docs/llm-dialects.md`, row by row: what one dialect says, said by another.

use serde_json::{Value, json};

use super::requests::{openai, read};
use super::{label, target};
use crate::{Dialect, Effort, FailureKind, Gathered, Habits, Losses, Origin, Piece, Reasoning, Stop, Target};

/// A request of a chat client, with these fields.
fn chat(fields: Value) -> Value {
    let mut body = json!({
        "model": "m",
        "messages": [{ "role": "user", "content": "Hi" }],
        "tools": [
            { "type": "function", "function": { "name": "f", "parameters": { "type": "object" } } },
            { "type": "function", "function": { "name": "g", "parameters": { "type": "object" } } },
        ],
    });
    let Value::Object(fields) = fields else { panic!("no fields") };
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// What it becomes, and what goes lost.
fn written(to: Dialect, target: &Target, body: &Value) -> (Value, String) {
    let (turn, mut losses) = Dialect::Chat.read(body, &target.origin).unwrap();
    let (body, _) = to.ask(turn, target, &mut losses).unwrap();
    (body, losses.listed().unwrap_or_default())
}

fn refused(dialect: Dialect, body: &Value) -> String {
    let failure = read(dialect, body).unwrap_err();
    assert_eq!(failure.kind, FailureKind::BadRequest);
    failure.param.unwrap()
}

#[test]
fn reasons_why_an_answer_ends() {
    for (stop, chat, anthropic, gemini, responses, reason) in [
        (Stop::End, "stop", "end_turn", "STOP", "completed", None),
        (Stop::Sequence("x".to_owned()), "stop", "stop_sequence", "STOP", "completed", None),
        (Stop::Length, "length", "max_tokens", "MAX_TOKENS", "incomplete", Some("max_output_tokens")),
        (
            Stop::ContextFull,
            "length",
            "model_context_window_exceeded",
            "MAX_TOKENS",
            "incomplete",
            Some("max_output_tokens"),
        ),
        (Stop::Tools, "tool_calls", "tool_use", "STOP", "completed", None),
        (Stop::Filter, "content_filter", "refusal", "SAFETY", "incomplete", Some("content_filter")),
        (Stop::Pause, "stop", "pause_turn", "STOP", "completed", None),
        (Stop::BadCall, "stop", "end_turn", "MALFORMED_FUNCTION_CALL", "failed", None),
    ] {
        let answer = Gathered::all([Piece::Text("x".to_owned()), Piece::Stop(stop.clone())]).unwrap();
        let whole = |dialect: Dialect| dialect.whole(&answer, &label());
        assert_eq!(whole(Dialect::Chat)["choices"][0]["finish_reason"], chat);
        let message = whole(Dialect::Anthropic);
        let sequence = if matches!(stop, Stop::Sequence(_)) { json!("x") } else { Value::Null };
        assert_eq!((&message["stop_reason"], &message["stop_sequence"]), (&json!(anthropic), &sequence));
        assert_eq!(whole(Dialect::Gemini)["candidates"][0]["finishReason"], gemini);
        let response = whole(Dialect::Responses);
        assert_eq!(
            (&response["status"], &response["incomplete_details"]["reason"]),
            (&json!(responses), &json!(reason))
        );
        assert_eq!(response["error"].is_null(), responses != "failed");
    }
}

#[test]
fn choices_of_tools() {
    let one = json!({ "type": "function", "function": { "name": "f" } });
    let some = json!({ "type": "allowed_tools", "allowed_tools": { "mode": "required", "tools": [one] } });
    let responses_some =
        json!({ "type": "allowed_tools", "mode": "required", "tools": [{ "type": "function", "name": "f" }] });
    let mode = |mode: &str| json!({ "mode": mode });
    for (chat_choice, responses, anthropic, gemini) in [
        (json!("auto"), json!("auto"), json!({ "type": "auto" }), mode("AUTO")),
        (json!("required"), json!("required"), json!({ "type": "any" }), mode("ANY")),
        (json!("none"), json!("none"), json!({ "type": "none" }), mode("NONE")),
        (
            one,
            json!({ "type": "function", "name": "f" }),
            json!({ "type": "tool", "name": "f" }),
            json!({ "mode": "ANY", "allowedFunctionNames": ["f"] }),
        ),
        (some, responses_some, json!({ "type": "any" }), json!({ "mode": "ANY", "allowedFunctionNames": ["f"] })),
    ] {
        let is_some = chat_choice["type"] == "allowed_tools";
        let body = chat(json!({ "tool_choice": chat_choice }));
        let to = |dialect| written(dialect, &openai("m"), &body).0;
        assert_eq!(to(Dialect::Chat)["tool_choice"], chat_choice);
        assert_eq!(to(Dialect::Responses)["tool_choice"], responses);
        let message = to(Dialect::Anthropic);
        assert_eq!(message["tool_choice"], anthropic);
        assert_eq!(message["tools"].as_array().unwrap().len(), if is_some { 1 } else { 2 });
        assert_eq!(to(Dialect::Gemini)["toolConfig"]["functionCallingConfig"], gemini);
        // Others than OpenAI know no choice among some.
        let (other, _) = written(Dialect::Chat, &target("m"), &body);
        assert_eq!(other["tools"].as_array().unwrap().len(), if is_some { 1 } else { 2 });
        assert_eq!(other["tool_choice"], if is_some { json!("required") } else { chat_choice });
    }
}

#[test]
fn one_tool_at_a_time() {
    let body = chat(json!({ "parallel_tool_calls": false }));
    let to = |dialect| written(dialect, &target("m"), &body);
    assert_eq!(to(Dialect::Chat).0["parallel_tool_calls"], false);
    assert_eq!(to(Dialect::Responses).0["parallel_tool_calls"], false);
    let choice = json!({ "type": "auto", "disable_parallel_tool_use": true });
    assert_eq!(to(Dialect::Anthropic).0["tool_choice"], choice);
    assert_eq!(to(Dialect::Gemini).1, "parallel_tool_calls");
}

#[test]
fn how_much_a_model_thinks() {
    use Effort as E;
    let rows = [
        (E::None, "none", "minimal", "disabled", None, None, "MINIMAL", 0),
        (E::Minimal, "minimal", "minimal", "adaptive", Some("low"), Some(1024), "MINIMAL", 512),
        (E::Low, "low", "low", "adaptive", Some("low"), Some(2048), "LOW", 2048),
        (E::Medium, "medium", "medium", "adaptive", Some("medium"), Some(8192), "MEDIUM", 8192),
        (E::High, "high", "high", "adaptive", Some("high"), Some(16_384), "HIGH", 16_384),
        (E::ExtraHigh, "xhigh", "high", "adaptive", Some("xhigh"), Some(32_000), "HIGH", 24_576),
        (E::Max, "max", "high", "adaptive", Some("max"), Some(63_999), "HIGH", 24_576),
    ];
    for (effort, word, gpt5, kind, anthropic, budget, level, gemini_budget) in rows {
        let body = chat(json!({ "reasoning_effort": word, "max_tokens": 64_000 }));
        assert_eq!(read(Dialect::Chat, &body).unwrap().0.reasoning.unwrap().effort, Some(effort));
        let to = |dialect, target: &Target| written(dialect, target, &body).0;
        assert_eq!(to(Dialect::Chat, &openai("deployment"))["reasoning_effort"], word);
        assert_eq!(to(Dialect::Chat, &openai("gpt-5"))["reasoning_effort"], gpt5);
        assert_eq!(to(Dialect::Responses, &openai("deployment"))["reasoning"], json!({ "effort": word }));
        let new = to(Dialect::Anthropic, &target("claude-opus-4-7"));
        assert_eq!((&new["thinking"]["type"], &new["output_config"]["effort"]), (&json!(kind), &json!(anthropic)));
        let old = to(Dialect::Anthropic, &target("claude-opus-4-1"));
        assert_eq!(old["thinking"]["budget_tokens"], json!(budget));
        assert_eq!(
            to(Dialect::Gemini, &target("gemini-3-flash"))["generationConfig"]["thinkingConfig"]["thinkingLevel"],
            level
        );
        let config = &to(Dialect::Gemini, &target("gemini-2.5-flash"))["generationConfig"]["thinkingConfig"];
        assert_eq!(config, &json!({ "thinkingBudget": gemini_budget }));
    }
}

#[test]
fn thinking_that_is_not_possible() {
    let body = chat(json!({ "reasoning_effort": "high" }));
    for (dialect, to) in [
        (Dialect::Chat, openai("gpt-4o")),
        (Dialect::Responses, openai("gpt-4o")),
        (Dialect::Gemini, target("gemini-1.5-pro")),
    ] {
        let (body, lost) = written(dialect, &to, &body);
        assert_eq!(lost, "reasoning", "{body}");
        assert!(!body.to_string().contains("high"), "{body}");
    }
    assert_eq!(written(Dialect::Responses, &openai("gpt-4o"), &body).0.get("include"), None);
    let pro = written(Dialect::Gemini, &target("gemini-3-pro"), &chat(json!({ "reasoning_effort": "none" }))).0;
    assert_eq!(pro["generationConfig"]["thinkingConfig"]["thinkingLevel"], "LOW");
    // On a budget: not with a tool that must be called, too few tokens, or thoughts that went lost.
    let off = json!({ "type": "disabled" });
    let call = json!({ "id": "1", "type": "function", "function": { "name": "f", "arguments": "{}" } });
    let history = json!([
        { "role": "user", "content": "Hi" },
        { "role": "assistant", "content": null, "tool_calls": [call] },
        { "role": "tool", "tool_call_id": "1", "content": "ok" },
    ]);
    for fields in [json!({ "tool_choice": "required" }), json!({ "max_tokens": 1024 }), json!({ "messages": history })]
    {
        let mut body = body.clone();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (body, lost) = written(Dialect::Anthropic, &target("claude-opus-4-1"), &body);
        assert_eq!((&body["thinking"], lost.as_str()), (&off, "thinking"), "{body}");
    }
}

#[test]
fn whether_thoughts_are_shown() {
    for (display, shown) in [("summarized", true), ("omitted", false)] {
        let body = json!({
            "model": "m",
            "max_tokens": 9,
            "messages": [{ "role": "user", "content": "Hi" }],
            "thinking": { "type": "adaptive", "display": display },
        });
        let (turn, mut losses) = read(Dialect::Anthropic, &body).unwrap();
        assert_eq!(turn.reasoning, Some(Reasoning { shown: Some(shown), ..Reasoning::default() }));
        let mut to = |dialect: Dialect, model: &str| dialect.write(&turn, &target(model), &mut losses).unwrap();
        assert_eq!(to(Dialect::Anthropic, "claude-opus-4-7")["thinking"]["display"], display);
        let config = json!({ "includeThoughts": shown });
        assert_eq!(to(Dialect::Gemini, "gemini-3-pro")["generationConfig"]["thinkingConfig"], config);
        let summary = if shown { json!({ "summary": "auto" }) } else { Value::Null };
        assert_eq!(to(Dialect::Responses, "m").get("reasoning").cloned().unwrap_or_default(), summary);
    }
}

#[test]
fn forms_of_answers() {
    let closed = json!({ "type": "object", "properties": {}, "required": [], "additionalProperties": false });
    let open = json!({ "type": "object", "properties": { "a": {} } });
    for (schema, is_strict) in [(&closed, true), (&open, false)] {
        let asked = json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": schema, "strict": true } });
        let body = chat(json!({ "response_format": asked }));
        let to = |dialect, model: &str| written(dialect, &openai(model), &body);
        let (chat, lost) = to(Dialect::Chat, "m");
        assert_eq!(chat["response_format"]["json_schema"]["strict"], is_strict);
        assert_eq!(lost, if is_strict { "" } else { "response_format.strict" });
        let format = &to(Dialect::Responses, "m").0["text"]["format"];
        assert_eq!((&format["name"], &format["strict"], &format["schema"]), (&json!("n"), &json!(is_strict), schema));
        let config = &to(Dialect::Anthropic, "claude-opus-4-6").0["output_config"];
        assert_eq!(config["format"], json!({ "type": "json_schema", "schema": schema }));
        let (old, lost) = to(Dialect::Anthropic, "claude-3-5-haiku");
        assert_eq!((old.get("output_config"), lost.as_str()), (None, "response_format"));
        assert!(old["system"][0]["text"].as_str().unwrap().ends_with(&schema.to_string()));
        let config = &to(Dialect::Gemini, "gemini-3-pro").0["generationConfig"];
        assert_eq!(config, &json!({ "responseMimeType": "application/json", "responseJsonSchema": schema }));
    }
    let body = chat(json!({ "response_format": { "type": "json_object" } }));
    let to = |dialect| written(dialect, &target("m"), &body);
    assert_eq!(to(Dialect::Chat).0["response_format"], json!({ "type": "json_object" }));
    assert_eq!(to(Dialect::Responses).0["text"]["format"], json!({ "type": "json_object" }));
    assert_eq!(to(Dialect::Gemini).0["generationConfig"], json!({ "responseMimeType": "application/json" }));
    let (anthropic, lost) = to(Dialect::Anthropic);
    assert!(lost == "response_format" && anthropic["system"][0]["text"].as_str().unwrap().contains("JSON"));
}

#[test]
fn bounds_and_sampling() {
    let fields = json!({
        "temperature": 1.5, "top_p": 0.5, "stop": ["a", "b", "c", "d", "e", "f"], "seed": 1,
        "frequency_penalty": 1, "presence_penalty": 1, "logit_bias": { "1": 1 },
    });
    let body = chat(fields);
    let to = |dialect, target: &Target| written(dialect, target, &body);
    let (anthropic, lost) = to(Dialect::Anthropic, &target("claude-opus-4-1"));
    assert_eq!((&anthropic["temperature"], &anthropic["max_tokens"]), (&json!(1.0), &json!(4096)));
    assert_eq!(lost, "logit_bias,seed,frequency_penalty,presence_penalty");
    let (one, lost) = to(Dialect::Anthropic, &target("claude-opus-4-6"));
    assert!(one.get("top_p").is_none() && lost.contains("top_p"));
    let (none, _) = to(Dialect::Anthropic, &target("claude-opus-4-7"));
    assert!(none.get("temperature").is_none() && none.get("top_p").is_none());
    // What ends an answer is looked for here where the upstream is not told all of it.
    for (dialect, to, told) in [
        (Dialect::Chat, target("m"), 4),
        (Dialect::Chat, openai("gpt-5"), 0),
        (Dialect::Responses, target("m"), 0),
        (Dialect::Gemini, target("m"), 5),
        (Dialect::Anthropic, target("m"), 6),
    ] {
        let (turn, mut losses) = read(Dialect::Chat, &body).unwrap();
        let (body, disguised) = dialect.ask(turn, &to, &mut losses).unwrap();
        let stops = [&body["stop"], &body["stop_sequences"], &body["generationConfig"]["stopSequences"]];
        let stops = stops.iter().find_map(|stops| stops.as_array()).map_or(0, Vec::len);
        assert_eq!(stops, told, "{body}");
        assert!(!losses.listed().unwrap().contains("stop"));
        let answer = json!({
            "model": "m", "choices": [{ "message": { "content": "123f45" }, "finish_reason": "stop" }],
        });
        let (_, gathered) = crate::whole(Dialect::Chat, &answer, disguised, Dialect::Chat, &label()).unwrap();
        let expected = if told < 6 { ("123", Stop::Sequence("f".to_owned())) } else { ("123f45", Stop::End) };
        assert_eq!((gathered.text().as_str(), gathered.stop.unwrap()), (expected.0, expected.1));
    }
    let (lines, lost) = written(Dialect::Anthropic, &target("m"), &chat(json!({ "stop": ["\n", "x"] })));
    assert_eq!((&lines["stop_sequences"], lost.as_str()), (&json!(["x"]), ""));
    let (reasoning, lost) = to(Dialect::Chat, &openai("gpt-5"));
    assert!(reasoning.get("temperature").is_none() && lost.contains("temperature,top_p"));
}

#[test]
fn instructions_stay_where_they_are() {
    let body = json!({ "model": "m", "messages": [
        { "role": "system", "content": "One." },
        { "role": "developer", "content": "Two." },
        { "role": "user", "content": "Hi" },
        { "role": "assistant", "content": "Ho" },
        { "role": "system", "content": "Three." },
        { "role": "user", "content": "Go" },
    ] });
    let to = |dialect| written(dialect, &target("m"), &body).0;
    let roles: Vec<String> = to(Dialect::Chat)["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["role"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(roles, ["system", "system", "user", "assistant", "system", "user"]);
    let responses = to(Dialect::Responses);
    assert_eq!(responses["instructions"], "One.\n\nTwo.");
    assert_eq!(responses["input"][2]["role"], "developer");
    let anthropic = to(Dialect::Anthropic);
    assert_eq!(anthropic["system"].as_array().unwrap().len(), 2);
    assert_eq!(anthropic["messages"][2]["content"][0]["text"], "<system>\nThree.\n</system>");
    assert_eq!(anthropic["messages"][2]["content"][1]["text"], "Go");
    assert_eq!(to(Dialect::Gemini)["contents"][2]["parts"][0]["text"], "<system>\nThree.\n</system>");
    let only = json!({ "model": "m", "messages": [{ "role": "system", "content": "One." }] });
    assert_eq!(written(Dialect::Responses, &target("m"), &only).0["input"][0]["role"], "developer");
    assert_eq!(written(Dialect::Anthropic, &target("m"), &only).0["messages"][0]["role"], "user");
    assert_eq!(written(Dialect::Gemini, &target("m"), &only).0["contents"][0]["role"], "user");
}

#[test]
fn what_tools_answer() {
    let image = json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } });
    let body = json!({ "model": "m", "max_tokens": 9, "messages": [
        { "role": "user", "content": "Hi" },
        { "role": "assistant", "content": [
            { "type": "tool_use", "id": "a.b", "name": "f", "input": {} },
            { "type": "tool_use", "id": "x".repeat(70), "name": "f", "input": {} },
        ] },
        { "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": "a.b", "is_error": true, "content": [{ "type": "text", "text": "no" }, image] },
        ] },
    ] });
    let (turn, mut losses) = read(Dialect::Anthropic, &body).unwrap();
    let mut to = |dialect: Dialect, target: &Target| dialect.write(&turn, target, &mut losses).unwrap();
    let chat = to(Dialect::Chat, &openai("m"));
    assert_eq!(chat["messages"][2]["content"], "Error: no\n\n[What is attached is in the next message.]");
    assert_eq!(chat["messages"][3]["content"], "Error: [no result]");
    assert_eq!(chat["messages"][3]["tool_call_id"], chat["messages"][1]["tool_calls"][1]["id"]);
    assert_eq!(chat["messages"][3]["tool_call_id"].as_str().unwrap().len(), 40);
    assert_eq!(chat["messages"][4]["content"][0]["image_url"]["url"], "data:image/png;base64,AAAA");
    let responses = to(Dialect::Responses, &openai("m"));
    assert_eq!(responses["input"][3]["output"][1]["type"], "input_image");
    assert_eq!(responses["input"][4]["call_id"].as_str().unwrap().len(), 64);
    let gemini = to(Dialect::Gemini, &target("m"));
    assert_eq!(gemini["contents"][2]["parts"][0]["functionResponse"]["response"], json!({ "error": "no" }));
    assert_eq!(gemini["contents"][2]["parts"][2]["inlineData"]["data"], "AAAA");
    let again = to(Dialect::Anthropic, &target("m"));
    assert_eq!(again["messages"][1]["content"][0]["id"], "a_b");
    assert_eq!(again["messages"][2]["content"][0]["tool_use_id"], "a_b");
}

#[test]
fn arguments_that_are_no_json() {
    let call = json!({ "id": "1", "type": "function", "function": { "name": "f", "arguments": "{\"a\": oops" } });
    let body = json!({ "model": "m", "messages": [
        { "role": "user", "content": "" },
        { "role": "assistant", "content": null, "tool_calls": [call] },
    ] });
    let to = |dialect| written(dialect, &target("m"), &body).0;
    assert_eq!(to(Dialect::Chat)["messages"][1]["tool_calls"][0], call);
    let kept = json!({ "_raw": "{\"a\": oops" });
    assert_eq!(to(Dialect::Anthropic)["messages"][1]["content"][0]["input"], kept);
    assert_eq!(to(Dialect::Anthropic)["messages"][0]["content"][0]["text"], "(empty)");
    assert_eq!(to(Dialect::Gemini)["contents"][1]["parts"][0]["functionCall"]["args"], kept);
}

#[test]
fn what_is_signed_goes_back_to_its_origin_only() {
    let origin = |upstream: &str| Origin { upstream: upstream.to_owned(), model: "claude-opus-4-6".to_owned() };
    let marked = origin("a").mark("sig");
    let body = json!({ "model": "m", "max_tokens": 9, "thinking": { "type": "adaptive" }, "messages": [
        { "role": "user", "content": "Hi" },
        { "role": "assistant", "content": [
            { "type": "thinking", "thinking": "Hm.", "signature": marked },
            { "type": "redacted_thinking", "data": marked },
            { "type": "text", "text": "Ho" },
        ] },
        { "role": "user", "content": "Go" },
    ] });
    for (upstream, expected) in [("a", 3), ("b", 1)] {
        let to = Target { origin: origin(upstream), max_output_tokens: 9, habits: Habits::default() };
        let (turn, mut losses) = Dialect::Anthropic.read(&body, &to.origin).unwrap();
        let written = Dialect::Anthropic.write(&turn, &to, &mut losses).unwrap();
        assert_eq!(written["messages"][1]["content"].as_array().unwrap().len(), expected);
        let items = Dialect::Responses.write(&turn, &to, &mut losses).unwrap()["input"].as_array().unwrap().len();
        assert_eq!(items, if upstream == "a" { 4 } else { 3 });
        assert!(!Dialect::Chat.write(&turn, &to, &mut losses).unwrap().to_string().contains("Hm."));
        let lost = losses.listed().unwrap_or_default();
        assert_eq!(lost.contains("thinking.signature,redacted_thinking"), upstream == "b", "{lost}");
    }
}

#[test]
fn thoughts_that_are_wanted_back() {
    let call = json!({ "id": "1", "type": "function", "function": { "name": "f", "arguments": "{}" } });
    let body = json!({ "model": "m", "messages": [
        { "role": "user", "content": "Hi" },
        { "role": "assistant", "content": "", "reasoning_content": "Hm.", "tool_calls": [call] },
        { "role": "tool", "tool_call_id": "1", "content": "ok" },
        { "role": "assistant", "content": "", "tool_calls": [call] },
        { "role": "tool", "tool_call_id": "1", "content": "ok" },
    ] });
    let habits = Habits { wants_thoughts_back: true, is_openai: false };
    let (written, _) = written(Dialect::Chat, &Target { habits, ..target("m") }, &body);
    assert_eq!(written["messages"][1]["reasoning_content"], "Hm.");
    assert_eq!(written["messages"][3]["reasoning_content"], "");
}

#[test]
fn tools_in_namespaces_and_of_free_text() {
    let body = json!({ "model": "m", "input": "Hi", "tools": [
        { "type": "namespace", "name": "mcp", "tools": [{ "type": "function", "name": "read" }, { "type": "web_search" }] },
        { "type": "custom", "name": "patch", "format": { "type": "grammar", "syntax": "lark", "definition": "start: x" } },
        { "type": "web_search" },
    ] });
    let (turn, mut losses) = read(Dialect::Responses, &body).unwrap();
    let names = turn.names.clone();
    assert_eq!(losses.listed().as_deref(), Some("tools"));
    let (anthropic, disguised) = Dialect::Anthropic.ask(turn, &target("m"), &mut losses).unwrap();
    assert_eq!(anthropic["tools"][0]["name"], "mcp__read");
    let input = &anthropic["tools"][1]["input_schema"]["properties"]["input"];
    assert!(input["description"].as_str().unwrap().ends_with("start: x"), "{input}");
    let answer = json!({ "type": "message", "content": [
        { "type": "tool_use", "id": "1", "name": "mcp__read", "input": { "a": 1 } },
        { "type": "tool_use", "id": "2", "name": "patch", "input": { "input": "*** x\n" } },
    ], "stop_reason": "tool_use" });
    let label = crate::Label { names, ..label() };
    let (response, _) = crate::whole(Dialect::Anthropic, &answer, disguised, Dialect::Responses, &label).unwrap();
    let items = &response["output"];
    assert_eq!((&items[0]["namespace"], &items[0]["name"]), (&json!("mcp"), &json!("read")));
    assert_eq!((&items[1]["type"], &items[1]["input"]), (&json!("custom_tool_call"), &json!("*** x\n")));
}

#[test]
fn what_is_refused() {
    for (fields, param) in [
        (json!({ "n": 2 }), "n"),
        (json!({ "logprobs": true }), "logprobs"),
        (json!({ "modalities": ["text", "audio"] }), "modalities"),
        (json!({ "messages": [] }), "messages"),
        (json!({ "messages": [{ "role": "robot", "content": "Hi" }] }), "messages.role"),
        (json!({ "messages": [{ "role": "user", "content": [{ "type": "input_audio" }] }] }), "messages.content"),
        (
            json!({ "messages": [{ "role": "user", "content": [{ "type": "file", "file": { "file_id": "x" } }] }] }),
            "messages.content",
        ),
    ] {
        assert_eq!(refused(Dialect::Chat, &chat(fields)), param);
    }
    for (field, value) in [
        ("background", json!(true)),
        ("conversation", json!("c")),
        ("prompt", json!({ "id": "p" })),
        ("previous_response_id", json!("r")),
        ("tool_choice", json!({ "type": "web_search" })),
        ("input", json!([{ "type": "item_reference", "id": "x" }])),
        ("input", json!([])),
    ] {
        let mut body = json!({ "model": "m", "input": "Hi" });
        body[field] = value;
        assert_eq!(refused(Dialect::Responses, &body), field);
    }
    let gone = read(Dialect::Responses, &json!({ "input": "Hi", "previous_response_id": "r" })).unwrap_err();
    assert_eq!(Dialect::Responses.failure(&gone).1["error"]["code"], "previous_response_not_found");
    for (field, value) in [
        ("mcp_servers", json!([{}])),
        ("container", json!("c")),
        ("tool_choice", json!({ "type": "tool", "name": "web_search" })),
        ("messages", json!([])),
    ] {
        let tools = json!([{ "type": "web_search_20250305", "name": "web_search" }]);
        let mut body = json!({ "messages": [{ "role": "user", "content": "Hi" }], "tools": tools });
        body[field] = value;
        assert_eq!(refused(Dialect::Anthropic, &body), field);
    }
    for (fields, param) in [
        (json!({ "cachedContent": "c" }), "cachedContent"),
        (json!({ "generationConfig": { "candidateCount": 2 } }), "candidateCount"),
        (json!({ "generationConfig": { "responseModalities": ["IMAGE"] } }), "responseModalities"),
        (json!({ "generationConfig": { "responseLogprobs": true } }), "responseLogprobs"),
        (json!({ "contents": [{ "parts": [{ "fileData": { "fileUri": "gs://x" } }] }] }), "contents.parts.fileData"),
        (json!({ "contents": [{ "parts": [{ "inlineData": { "mimeType": "video/mp4" } }] }] }), "contents.parts"),
        (json!({ "contents": [] }), "contents"),
    ] {
        let mut body = json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] }] });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(refused(Dialect::Gemini, &body), param);
    }
    let document = json!([{ "type": "input_file", "file_url": "https://example.com/a.pdf" }]);
    let body = json!({ "input": [{ "role": "user", "content": document }] });
    let (turn, mut losses) = read(Dialect::Responses, &body).unwrap();
    assert!(Dialect::Chat.write(&turn, &target("m"), &mut losses).is_err());
    let picture = json!([{ "type": "image_url", "image_url": { "url": "https://example.com/a.png" } }]);
    let (turn, mut losses) =
        read(Dialect::Chat, &chat(json!({ "messages": [{ "role": "user", "content": picture }] }))).unwrap();
    assert!(Dialect::Gemini.write(&turn, &target("m"), &mut losses).is_err());
}

/// What a command-line agent sends to any model, shortened.
#[test]
fn the_first_request_of_an_agent() {
    let body = json!({
        "model": "unknown-model", "max_tokens": 32_000, "stream": true,
        "system": [
            { "type": "text", "text": "x-anthropic-billing-header: cc_version=2" },
            { "type": "text", "text": "You are an agent.", "cache_control": { "type": "ephemeral" } },
        ],
        "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "Hi" }] },
            { "role": "system", "content": [{ "type": "text", "text": "Today.", "cache_control": { "type": "ephemeral" } }] },
            { "role": "user", "content": [{ "type": "unheard_of", "x": 1 }, { "type": "text", "text": "Go" }] },
        ],
        "tools": [{ "name": "Bash", "input_schema": { "type": "object" }, "defer_loading": true }],
        "thinking": { "type": "adaptive", "display": "omitted" },
        "output_config": { "effort": "high" },
        "context_management": { "edits": [] },
        "metadata": { "user_id": "{}" },
    });
    let (turn, losses) = read(Dialect::Anthropic, &body).unwrap();
    assert_eq!(losses.listed().as_deref(), Some("metadata,context_management,cache_control,messages.content"));
    for dialect in Dialect::ALL {
        let written = dialect.write(&turn, &target("m"), &mut Losses::default()).unwrap().to_string();
        assert!(!written.contains("billing") && written.contains("Today.") && written.contains("Bash"), "{written}");
    }
    assert_eq!((turn.max_tokens, turn.stream, turn.wants_usage), (Some(32_000), true, true));
}
