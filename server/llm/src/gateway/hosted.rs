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
/// What Gemini calls the tools that clients run.
const GEMINI_CLIENT_TOOLS: [&str; 4] = ["functionDeclarations", "function_declarations", "computerUse", "computer_use"];

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
            (_, "function" | "custom") | (Dialect::Responses, "local_shell" | "apply_patch") => true,
            (Dialect::Responses, "tool_search") => tool.execution.as_deref() == Some("client"),
            (Dialect::Responses, "namespace") if may_nest => {
                return hosted(dialect, tool.tools.map_or(b"null", |tools| tools.get().as_bytes()), false);
            }
            (Dialect::Anthropic, kind) => ANTHROPIC_CLIENT_TOOLS.iter().any(|tool| kind.starts_with(tool)),
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
            (Dialect::Responses, &["computer_use_preview", "shell", "tool_search"]),
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
        ]);
        assert!(!is_refused(Dialect::Responses, &codex));
        let claude = json!([{ "type": "bash_20250124" }, { "type": "text_editor_20250728" }]);
        assert!(!is_refused(Dialect::Anthropic, &claude));
        assert!(!is_refused(Dialect::Gemini, &json!([{ "functionDeclarations": [] }, {}])));
    }
}
