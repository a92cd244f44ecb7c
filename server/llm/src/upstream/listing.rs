//! Which models there are: `GET /models`, and what LM Studio and Ollama tell beyond it.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use bytes::Bytes;
use coditect_dialects::Dialect;
use coditect_protocol::chat::ModelInfo;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::Upstream;
use super::client::{read_beginning, read_whole};
use crate::error::LlmError;
use crate::failure;
use crate::settings::Secret;

/// Largest list, in bytes.
const MAX_LISTING_BYTES: usize = 16 * 1024 * 1024;
/// Most of a failure's body that is read, in bytes.
const MAX_FAILURE_BYTES: usize = 64 * 1024;
/// Most models of one upstream.
const MAX_MODELS: usize = 10_000;
/// Longest name of a model, in bytes.
const MAX_MODEL_NAME_BYTES: usize = 512;
/// How long before the deadline it is too late for what is only nice to know.
const RESERVE: Duration = Duration::from_millis(200);
/// Most models of an Ollama that are asked for one by one.
const MAX_SHOWN: usize = 100;
/// How many of them at once.
const SHOWN_AT_ONCE: usize = 8;
/// Who owns every model, by which these servers are recognised wherever they listen.
const LM_STUDIO_OWNER: &str = "organization_owner";
const OLLAMA_OWNER: &str = "library";

/// One model of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    name: String,
    context_tokens: Option<u64>,
    talks: bool,
    /// Whether the server holds it ready, where it tells.
    loaded: Option<bool>,
    owner: String,
}

/// A model of an upstream.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) info: ModelInfo,
    /// Whether it can be talked to. Others make vectors, pictures or sounds only.
    pub(crate) talks: bool,
}

/// The models, by name.
pub(crate) async fn models(
    upstream: &Upstream,
    key: Option<&Secret>,
    deadline: Instant,
) -> Result<Vec<Model>, LlmError> {
    let identity = &upstream.identity;
    let query = match upstream.dialect() {
        Dialect::Chat | Dialect::Responses => None,
        Dialect::Anthropic => Some("limit=1000"),
        Dialect::Gemini => Some("pageSize=1000"),
    };
    let mut response = upstream.ask(Method::GET, upstream.uri("models", query), key, Bytes::new()).await?;
    if !response.status().is_success() {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_beginning(response.body_mut(), MAX_FAILURE_BYTES, deadline - RESERVE).await;
        return Err(failure::of_response(identity, status, &headers, &body));
    }
    let body = read_whole(response.body_mut(), MAX_LISTING_BYTES).await;
    let listing = body.and_then(|body| serde_json::from_slice(&body).ok()).and_then(|value| parse(&value));
    let Some(mut listed) = listing else {
        return Err(identity.bad_stream("it sent no list of models; its base_url usually ends in /v1"));
    };
    let _ = timeout_at(deadline - RESERVE, tell_more(upstream, key, &mut listed)).await;
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let model = |Listed { name, context_tokens, talks, loaded, owner: _ }| {
        let (id, upstream) = (format!("{}/{name}", identity.name), identity.name.clone());
        Model { info: ModelInfo { id, name, upstream, context_tokens, loaded }, talks }
    };
    Ok(listed.into_iter().map(model).collect())
}

/// Whatever fails here is only not known.
async fn tell_more(upstream: &Upstream, key: Option<&Secret>, listed: &mut [Listed]) {
    let all_of = |owner: &str| !listed.is_empty() && listed.iter().all(|model| model.owner == owner);
    if all_of(LM_STUDIO_OWNER) {
        let _ = tell_more_of_lm_studio(upstream, key, listed).await;
    } else if all_of(OLLAMA_OWNER) {
        tell_more_of_ollama(upstream, key, listed).await;
    }
}

async fn tell_more_of_lm_studio(upstream: &Upstream, key: Option<&Secret>, listed: &mut [Listed]) -> Option<()> {
    let asked = upstream.ask(Method::GET, upstream.sibling_uri("api/v0/models"), key, Bytes::new());
    let body = read_whole(asked.await.ok()?.body_mut(), MAX_LISTING_BYTES).await?;
    let detailed = parse(&serde_json::from_slice(&body).ok()?)?;
    let by_name: HashMap<&str, &Listed> = detailed.iter().map(|model| (model.name.as_str(), model)).collect();
    for model in listed {
        if let Some(detail) = by_name.get(model.name.as_str()) {
            model.context_tokens = detail.context_tokens.or(model.context_tokens);
            model.talks &= detail.talks;
            model.loaded = detail.loaded;
        }
    }
    Some(())
}

/// Ollama's list does not tell which models only embed. It cuts a conversation at its own setting, not at the model's
/// bound, so the bound it tells would promise too much.
async fn tell_more_of_ollama(upstream: &Upstream, key: Option<&Secret>, listed: &mut [Listed]) {
    let shown = listed.len().min(MAX_SHOWN);
    for some in listed[..shown].chunks_mut(SHOWN_AT_ONCE) {
        let answers = join_all(some.iter().map(|model| ollama_talks(upstream, key, &model.name))).await;
        for (model, talks) in some.iter_mut().zip(answers) {
            model.talks &= talks.unwrap_or(true);
        }
    }
}

async fn ollama_talks(upstream: &Upstream, key: Option<&Secret>, name: &str) -> Option<bool> {
    let body = json!({ "model": name }).to_string().into_bytes();
    let asked = upstream.ask(Method::POST, upstream.sibling_uri("api/show"), key, body.into());
    let body = read_whole(asked.await.ok()?.body_mut(), MAX_LISTING_BYTES).await?;
    let shown: Value = serde_json::from_slice(&body).ok()?;
    Some(has_speech(shown.get("capabilities")))
}

/// `None` when it is no list.
fn parse(value: &Value) -> Option<Vec<Listed>> {
    let items =
        value.as_array().or_else(|| value.get("data")?.as_array()).or_else(|| value.get("models")?.as_array())?;
    let mut seen = HashSet::new();
    let unique = |model: &Listed| seen.insert(model.name.clone());
    Some(items.iter().filter_map(listed).filter(unique).take(MAX_MODELS).collect())
}

impl Listed {
    fn named(name: &str) -> Option<Self> {
        let is_good =
            !name.trim().is_empty() && name.len() <= MAX_MODEL_NAME_BYTES && !name.chars().any(char::is_control);
        is_good.then(|| Self {
            name: name.to_owned(),
            context_tokens: None,
            talks: true,
            loaded: None,
            owner: String::new(),
        })
    }
}

fn listed(item: &Value) -> Option<Listed> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let name = item.as_str().or_else(|| text("id")).or_else(|| text("name"))?;
    // Gemini names them by their path.
    let name = name.strip_prefix("models/").unwrap_or(name);
    Some(Listed {
        context_tokens: context_tokens(item),
        talks: talks(item),
        loaded: text("state").map(|state| state == "loaded"),
        owner: text("owned_by").unwrap_or_default().to_owned(),
        ..Listed::named(name)?
    })
}

fn context_tokens(item: &Value) -> Option<u64> {
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).filter(|number| *number > 0);
    // What a model was loaded with goes before what it could be loaded with.
    const NAMES: [&str; 7] = [
        "loaded_context_length",
        "context_length",
        "max_model_len",
        "max_context_length",
        "context_window",
        "inputTokenLimit",
        "max_input_tokens",
    ];
    NAMES.iter().find_map(|name| number(item, name)).or_else(|| {
        let meta = item.get("meta")?;
        number(meta, "n_ctx").or_else(|| number(meta, "n_ctx_train"))
    })
}

/// Everything talks unless the list says that it does something else only.
fn talks(item: &Value) -> bool {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
    let other = ["embedding", "embeddings", "image", "audio", "video", "rerank", "moderation", "transcribe"];
    let outputs = item.get("architecture").and_then(|architecture| architecture.get("output_modalities"));
    let writes = outputs.and_then(Value::as_array).is_none_or(|outputs| outputs.iter().any(|output| output == "text"));
    let methods = item.get("supportedGenerationMethods").and_then(Value::as_array);
    let generates = methods.is_none_or(|methods| methods.iter().any(|method| method == "generateContent"));
    !other.contains(&kind) && writes && generates && has_speech(item.get("capabilities"))
}

/// Reads capabilities as a list of words or as an object of yes and no.
fn has_speech(capabilities: Option<&Value>) -> bool {
    match capabilities {
        Some(Value::Array(words)) => {
            let has = |word: &str| words.iter().any(|known| known == word);
            !has("embedding") || has("completion") || has("chat")
        }
        Some(Value::Object(flags)) => flags.get("completion_chat").and_then(Value::as_bool).unwrap_or(true),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(item: &Value, expected: Option<(Option<u64>, bool)>) {
        assert_eq!(listed(item).map(|model| (model.context_tokens, model.talks)), expected, "{item}");
    }

    #[test]
    fn what_lists_tell() {
        check(&json!({ "id": "a" }), Some((None, true)));
        check(&json!("a"), Some((None, true)));
        check(&json!({ "name": "a" }), Some((None, true)));
        check(&json!({ "id": "a", "max_model_len": 7 }), Some((Some(7), true)));
        check(&json!({ "id": "a", "context_length": 7 }), Some((Some(7), true)));
        check(&json!({ "id": "a", "context_length": 0, "meta": { "n_ctx_train": 9 } }), Some((Some(9), true)));
        check(&json!({ "id": "a", "meta": { "n_ctx": 8, "n_ctx_train": 9 } }), Some((Some(8), true)));
        check(&json!({ "id": "a", "type": "llm", "max_context_length": 7 }), Some((Some(7), true)));
        let loaded = json!({ "id": "a", "max_context_length": 9, "loaded_context_length": 7 });
        check(&loaded, Some((Some(7), true)));
        check(&json!({ "id": "a", "type": "embeddings" }), Some((None, false)));
        check(&json!({ "id": "a", "capabilities": { "completion_chat": false } }), Some((None, false)));
        check(&json!({ "id": "a", "capabilities": ["embedding"] }), Some((None, false)));
        check(&json!({ "id": "a", "capabilities": ["completion", "tools"] }), Some((None, true)));
        check(&json!({ "id": "a", "architecture": { "output_modalities": ["image"] } }), Some((None, false)));
        for bad in [json!({}), json!({ "id": "" }), json!({ "id": " " }), json!({ "id": "a\nb" }), json!({ "id": 7 })] {
            check(&bad, None);
        }
        check(&json!({ "id": "x".repeat(MAX_MODEL_NAME_BYTES + 1) }), None);
    }

    #[test]
    fn lists_of_every_shape() {
        let names =
            |value: &Value| parse(value).map(|list| list.into_iter().map(|model| model.name).collect::<Vec<_>>());
        let two = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(names(&json!({ "data": [{ "id": "a" }, { "id": "b" }, { "id": "a" }] })), two);
        assert_eq!(names(&json!([{ "id": "a" }, {}, { "id": "b" }])), two);
        assert_eq!(names(&json!({ "models": [{ "name": "a" }, { "name": "b" }] })), two);
        assert_eq!(names(&json!({ "data": [] })), Some(vec![]));
        for bad in [json!({}), json!("x"), json!({ "data": {} }), json!(null)] {
            assert_eq!(names(&bad), None);
        }
    }
}
