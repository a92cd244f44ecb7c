//! Tools that the model's server runs itself. They have a price for each call, and what they bring is read beyond what was asked.

use std::borrow::Cow;
use std::collections::BTreeMap;

use coditect_dialects::{Dialect, Failure};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Longest name of a tool that a refusal repeats, in characters.
const MAX_SHOWN_CHARS: usize = 64;
/// Tools of Anthropic's that clients run, by how the names of all their versions begin.
const ANTHROPIC_CLIENT_TOOLS: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];
/// Tools of Anthropic's that its servers run for nothing beside the tokens: they look for others among those of whoever asks.
const ANTHROPIC_FREE_TOOLS: [&str; 2] = ["tool_search_tool_regex", "tool_search_tool_bm25"];
/// Tools of the Responses dialect that clients run.
const RESPONSES_CLIENT_TOOLS: [&str; 4] = ["local_shell", "apply_patch", "computer_use_preview", "computer"];
/// How OpenRouter calls its search of the web, behind the name of any model.
const ONLINE: &str = "online";
/// What Gemini calls the tools that clients run.
const GEMINI_CLIENT_TOOLS: [&str; 4] = ["functionDeclarations", "function_declarations", "computerUse", "computer_use"];

/// An item of a conversation in the Responses dialect, which may bring further tools.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    /// Who runs a search for tools.
    #[serde(borrow)]
    execution: Option<Cow<'a, str>>,
    /// What a namespace holds.
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

/// Refuses tools that are not whoever asks's own to run. `tools`: the field, as it was written.
pub(super) fn refuse(dialect: Dialect, tools: &[u8]) -> Result<(), Failure> {
    let hosted = if dialect == Dialect::Gemini { hosted_by_gemini(tools) } else { hosted(dialect, tools, true) };
    match hosted {
        None => Ok(()),
        Some(name) => Err(refusal("tools", &name)),
    }
}

/// The same for the tools that items of a conversation bring. `input`: the field, as it was written. Only the Responses dialect has such.
pub(super) fn refuse_in_items(dialect: Dialect, input: &[u8]) -> Result<(), Failure> {
    if dialect != Dialect::Responses || input.first() != Some(&b'[') {
        return Ok(());
    }
    let items: Vec<&RawValue> = serde_json::from_slice(input).map_err(|_| refusal("input", "input"))?;
    for item in items.iter().filter(|item| item.get().starts_with('{')) {
        // Nobody knows which of two fields of one name the upstream reads.
        let item: Item<'_> = serde_json::from_str(item.get()).map_err(|_| refusal("input", "tools"))?;
        item.tools.map_or(Ok(()), |tools| refuse(dialect, tools.get().as_bytes()))?;
    }
    Ok(())
}

/// Refuses OpenRouter's models that search the web by their name (`…:online`).
pub(super) fn refuse_online(model: &str) -> Result<(), Failure> {
    let mut variants = model.split(':').skip(1);
    if variants.any(|variant| variant.eq_ignore_ascii_case(ONLINE)) { Err(refusal("model", model)) } else { Ok(()) }
}

/// That something has a price of its own.
pub(super) fn refusal(param: &str, name: &str) -> Failure {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(MAX_SHOWN_CHARS).collect();
    let message = format!(
        "What “{shown}” costs beside its tokens counts for no budget here: leave it out, or use a key of your own."
    );
    Failure::refused(param, message)
}

/// The first of the tools that is the server's own.
fn hosted(dialect: Dialect, tools: &[u8], may_nest: bool) -> Option<String> {
    let Ok(tools) = serde_json::from_slice::<Option<Vec<Tool<'_>>>>(tools) else { return Some("tools".to_owned()) };
    tools.into_iter().flatten().find_map(|tool| {
        // What names no kind is a function of whoever asks.
        let kind = tool.kind?;
        let is_clients = match (dialect, &*kind) {
            (_, "function" | "custom") => true,
            (Dialect::Responses, "tool_search") => tool.execution.as_deref() == Some("client"),
            (Dialect::Responses, "namespace") if may_nest => {
                return hosted(dialect, tool.tools.map_or(b"null", |tools| tools.get().as_bytes()), false);
            }
            (Dialect::Responses, kind) => RESPONSES_CLIENT_TOOLS.contains(&kind),
            (Dialect::Anthropic, kind) => {
                ANTHROPIC_CLIENT_TOOLS.iter().chain(&ANTHROPIC_FREE_TOOLS).any(|tool| kind.starts_with(tool))
            }
            _ => false,
        };
        (!is_clients).then(|| kind.into_owned())
    })
}

fn hosted_by_gemini(tools: &[u8]) -> Option<String> {
    let Ok(tools) = serde_json::from_slice::<Option<Vec<BTreeMap<String, IgnoredAny>>>>(tools) else {
        return Some("tools".to_owned());
    };
    let names = tools.into_iter().flatten().flat_map(BTreeMap::into_keys);
    names.into_iter().find(|name| !GEMINI_CLIENT_TOOLS.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn is_refused(dialect: Dialect, tools: &Value) -> bool {
        refuse(dialect, tools.to_string().as_bytes()).is_err()
    }

    #[test]
    fn tools_of_the_server_are_refused() {
        for (dialect, kinds) in [
            (Dialect::Chat, &["web_search", "browser_search", "code_interpreter"][..]),
            (
                Dialect::Responses,
                &["web_search", "web_search_preview", "image_generation", "code_interpreter", "file_search", "mcp"],
            ),
            (Dialect::Responses, &["shell", "tool_search"]),
            (Dialect::Anthropic, &["web_search_20250305", "web_fetch_20250910", "code_execution_20250825"]),
        ] {
            for kind in kinds {
                let function = json!({ "type": "function", "name": "f" });
                assert!(is_refused(dialect, &json!([function, { "type": kind }])), "{kind}");
                let nested = json!([{ "type": "namespace", "tools": [function, { "type": kind }] }]);
                assert!(is_refused(dialect, &nested), "{kind} in a namespace");
            }
        }
        for name in ["googleSearch", "google_search", "googleSearchRetrieval", "codeExecution", "urlContext"] {
            assert!(is_refused(Dialect::Gemini, &json!([{ "functionDeclarations": [] }, { name: {} }])), "{name}");
        }
        for dialect in Dialect::ALL {
            assert!(is_refused(dialect, &json!("x")) && is_refused(dialect, &json!([7])), "{dialect:?}");
        }
        assert!(refuse(Dialect::Chat, br#"[{"type":"function","type":"web_search"}]"#).is_err());
        assert!(refuse(Dialect::Chat, br#"[{"t\u0079pe":"web\u005fsearch"}]"#).is_err());
        let failure = refuse(Dialect::Chat, br#"[{"type":"web_search"}]"#).unwrap_err();
        assert!(failure.message.contains("“web_search”") && failure.param.as_deref() == Some("tools"), "{failure:?}");
    }

    #[test]
    fn tools_of_the_client_are_not() {
        let plain = json!([{ "type": "function", "function": {} }, { "type": "custom" }, { "name": "f" }]);
        for dialect in [Dialect::Chat, Dialect::Responses, Dialect::Anthropic] {
            assert!(!is_refused(dialect, &plain) && !is_refused(dialect, &Value::Null), "{dialect:?}");
        }
        let codex = json!([
            { "type": "local_shell" }, { "type": "apply_patch" }, { "type": "tool_search", "execution": "client" },
            { "type": "namespace", "tools": [{ "type": "function" }] }, { "type": "namespace" },
            { "type": "computer_use_preview" }, { "type": "computer" },
        ]);
        assert!(!is_refused(Dialect::Responses, &codex));
        let claude = json!([
            { "type": "bash_20250124" }, { "type": "text_editor_20250728" },
            { "type": "tool_search_tool_regex_20251119" }, { "type": "tool_search_tool_bm25_20251119" },
        ]);
        assert!(!is_refused(Dialect::Anthropic, &claude));
        assert!(!is_refused(Dialect::Gemini, &json!([{ "functionDeclarations": [] }, {}])));
    }

    #[test]
    fn items_bring_no_tools_of_the_server() {
        let items = |dialect, input: &str| refuse_in_items(dialect, input.as_bytes()).is_ok();
        for bad in [
            r#"[{"type":"additional_tools","tools":[{"type":"web_search"}]}]"#,
            r#"[{"type":"message"}, {"t\u006fols":[{"type":"function"},{"type":"mcp"}]}]"#,
            r#"[{"tools":[{"type":"namespace","tools":[{"type":"web_search"}]}]}]"#,
            r#"[{"tools":[],"tools":[{"type":"web_search"}]}]"#,
            r#"[{"tools":"x"}]"#,
        ] {
            assert!(!items(Dialect::Responses, bad), "{bad}");
            assert!(items(Dialect::Chat, bad), "{bad}");
        }
        for good in [
            r#""hello""#,
            "null",
            "[]",
            r#"["x",7,{"type":"message","content":[]},{"tools":null}]"#,
            r#"[{"type":"tool_search_output","tools":[{"type":"function"},{"type":"namespace","tools":[{"type":"function"}]}]}]"#,
        ] {
            assert!(items(Dialect::Responses, good), "{good}");
        }
    }

    #[test]
    fn models_that_search_by_their_name_are_refused() {
        for bad in ["openai/gpt-5:online", "a/b:free:ONLINE", "a/b:online:nitro"] {
            assert!(refuse_online(bad).is_err(), "{bad}");
        }
        for good in ["online", "a/online", "a/b:free", "a/b:onlinex"] {
            assert!(refuse_online(good).is_ok(), "{good}");
        }
    }
}
