//! The doors of the gateway: what other people's programs know of language models, below `/api/v5/llm/v1` and `/v1beta`.
//!
//! Each door speaks a dialect, refusals included, and takes a token in that dialect's own header. Nothing here knows what is said: the
//! gateway answers.

mod asker;
mod conversations;
mod layer;
mod listing;
mod room;
mod socket;

use coditect_dialects::Dialect;
use http::{HeaderMap, Method};

use crate::routes::access::Access::Door;
use crate::routes::api::Routes;
use crate::state::AppState;

pub(crate) use asker::identify;
pub(crate) use layer::{CODE, around};
pub(crate) use room::Questions;

/// All of them.
pub(crate) fn routes(state: &AppState) -> Routes {
    use utoipa_axum::routes;
    Routes::new(state)
        .add(Door, &[], routes!(listing::list))
        .add(Door, &[], routes!(listing::show, conversations::gemini))
        .add(Door, &[], routes!(listing::list_gemini))
        .add(Door, &[], routes!(listing::show_gemini, conversations::gemini_beta))
        .add(Door, &[], routes!(conversations::gemini_bare))
        .add(Door, &[], routes!(conversations::chat))
        .add(Door, &[], routes!(conversations::responses, socket::open))
        .add(Door, &[], routes!(conversations::messages))
        .add(Door, &[], routes!(conversations::count_tokens))
        .add(Door, &[], routes!(conversations::embeddings))
}

/// What who calls this speaks.
pub(crate) fn dialect_of(method: &Method, path: &str, headers: &HeaderMap, query: Option<&str>) -> Dialect {
    let below = path.split_once("/llm/").map_or(path, |(_, below)| below);
    let has = |name: &str| headers.contains_key(name);
    if below.starts_with("v1beta") {
        return Dialect::Gemini;
    }
    match below.strip_prefix("v1/").unwrap_or(below) {
        "responses" => Dialect::Responses,
        rest if rest.starts_with("messages") => Dialect::Anthropic,
        rest if rest.starts_with("models/") && method == Method::POST => Dialect::Gemini,
        // Three dialects list their models here.
        _ if has("anthropic-version") => Dialect::Anthropic,
        _ if has("x-goog-api-key") || asker::key_in_query(query).is_some() => Dialect::Gemini,
        _ => Dialect::Chat,
    }
}
