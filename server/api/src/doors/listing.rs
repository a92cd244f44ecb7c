//! Which models there are, in each dialect.

use axum::Json;
use axum::extract::{Request, State};
use coditect_dialects::Dialect;
use coditect_protocol::chat::ModelInfo;
use coditect_protocol::llm::Alias;
use serde_json::{Value, json};

use super::dialect_of;
use crate::error::{ApiError, ApiFault};
use crate::identity::Caller;
use crate::state::AppState;

/// What lists say of the time a model was made, which no list here knows.
const LONG_AGO: &str = "1970-01-01T00:00:00Z";

/// The models that may be asked, in the dialect of who asks: Anthropic's where `anthropic-version` is sent, Gemini's where its key is,
/// else OpenAI's.
#[utoipa::path(get, path = "/llm/v1/models", tag = "gateway",
    responses((status = 200, description = "As the dialect has it", body = Object)))]
pub(super) async fn list(state: State<AppState>, caller: Caller, request: Request) -> Json<Value> {
    let dialect = dialect_of(request.method(), request.uri().path(), request.headers(), request.uri().query());
    Json(listed(dialect, &models(dialect, &state, &caller).await))
}

/// One of them.
#[utoipa::path(get, path = "/llm/v1/models/{*call}", tag = "gateway",
    params(("call" = String, Path, description = "Its name")),
    responses((status = 200, description = "As the dialect has it", body = Object)))]
pub(super) async fn show(state: State<AppState>, caller: Caller, request: Request) -> Result<Json<Value>, ApiError> {
    let dialect = dialect_of(request.method(), request.uri().path(), request.headers(), request.uri().query());
    one(dialect, &state, &caller, request.uri().path()).await
}

/// The models that may be asked, as Gemini lists them.
#[utoipa::path(get, path = "/llm/v1beta/models", tag = "gateway", responses((status = 200, description = "As Gemini's", body = Object)))]
pub(super) async fn list_gemini(state: State<AppState>, caller: Caller) -> Json<Value> {
    Json(listed(Dialect::Gemini, &models(Dialect::Gemini, &state, &caller).await))
}

/// One of them, as Gemini shows it.
#[utoipa::path(get, path = "/llm/v1beta/models/{*call}", tag = "gateway",
    params(("call" = String, Path, description = "Its name")),
    responses((status = 200, description = "As Gemini's", body = Object)))]
pub(super) async fn show_gemini(
    state: State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    one(Dialect::Gemini, &state, &caller, request.uri().path()).await
}

/// What this person may ask: models, and other names that lead to some. As at OpenAI's, its clients find models among them that only make
/// vectors; others are told what can be talked to.
async fn models(dialect: Dialect, State(state): &State<AppState>, Caller(identity): &Caller) -> Vec<ModelInfo> {
    let rules = state.gateway.metering().rules();
    let (user, role) = (identity.user.id, identity.user.role);
    let models = match dialect {
        Dialect::Chat | Dialect::Responses => state.gateway.list_all(user, role).await,
        Dialect::Anthropic | Dialect::Gemini => state.gateway.list(false, user, role).await.models,
    };
    let leads = |alias: &&Alias| alias.targets.iter().any(|target| rules.may_ask(role, &target.model));
    let aliases = rules.aliases().iter().filter(|alias| !alias.name.contains('*')).filter(leads);
    let named = aliases.map(|alias| ModelInfo {
        id: alias.name.clone(),
        name: alias.name.clone(),
        upstream: "alias".to_owned(),
        context_tokens: None,
        loaded: None,
    });
    named.chain(models).collect()
}

async fn one(dialect: Dialect, state: &State<AppState>, caller: &Caller, path: &str) -> Result<Json<Value>, ApiError> {
    let name = path.split_once("/models/").map(|(_, name)| name).ok_or(ApiFault::NoSuchRoute)?;
    let name = percent_encoding::percent_decode_str(name).decode_utf8().map_err(|_| ApiFault::NoSuchRoute)?;
    let models = models(dialect, state, caller).await;
    let found = models.iter().find(|model| model.id == name).or_else(|| models.iter().find(|model| model.name == name));
    found.map(|model| Json(entry(dialect, model))).ok_or_else(|| ApiFault::NoSuchRoute.into())
}

fn listed(dialect: Dialect, models: &[ModelInfo]) -> Value {
    let entries: Vec<Value> = models.iter().map(|model| entry(dialect, model)).collect();
    match dialect {
        Dialect::Chat | Dialect::Responses => json!({ "object": "list", "data": entries }),
        Dialect::Anthropic => json!({
            "data": entries,
            "first_id": models.first().map(|model| &model.id),
            "last_id": models.last().map(|model| &model.id),
            "has_more": false,
        }),
        Dialect::Gemini => json!({ "models": entries }),
    }
}

fn entry(dialect: Dialect, model: &ModelInfo) -> Value {
    let ModelInfo { id, name, upstream, context_tokens, loaded } = model;
    match dialect {
        Dialect::Chat | Dialect::Responses => {
            let mut entry = json!({
                "id": id, "object": "model", "created": 0, "owned_by": upstream, "context_length": context_tokens,
            });
            if let Some(loaded) = loaded {
                entry["loaded"] = json!(loaded);
            }
            entry
        }
        Dialect::Anthropic => json!({ "type": "model", "id": id, "display_name": name, "created_at": LONG_AGO }),
        Dialect::Gemini => json!({
            "name": format!("models/{id}"),
            "displayName": name,
            "inputTokenLimit": context_tokens,
            "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
        }),
    }
}
