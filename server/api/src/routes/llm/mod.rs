//! `/llm` and `/admin/llm`: which models there are, what governs them, their keys, and what was asked of them.

pub(super) mod export;
pub(super) mod history;
pub(super) mod keys;
pub(super) mod policy;
pub(super) mod usage;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use coditect_auth::{Credential, Identity};
use coditect_metering::Asker;
use coditect_protocol::chat::ModelList;
use coditect_protocol::llm::{BudgetScope, MyModels};
use serde::Deserialize;

use crate::AppState;
use crate::error::ApiError;
use crate::identity::Caller;

/// Stands for every model.
const ALL_MODELS: &str = "*";

#[derive(Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    refresh: bool,
}

/// The models that the person may talk to, and what is wrong with model servers that give none.
#[utoipa::path(get, path = "/llm/models", tag = "llm",
    params(("refresh" = Option<bool>, Query, description = "Ask the model servers again.")),
    responses((status = 200, body = ModelList)))]
pub(super) async fn models(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<ModelList>, ApiError> {
    Ok(Json(state.gateway.list(query.refresh, identity.user.id, identity.user.role).await))
}

/// What the person may ask, and what is left of the budgets that count for every question of theirs. With a token, those of the token
/// and of its workspace are among them.
#[utoipa::path(get, path = "/llm/me", operation_id = "show_my_models", tag = "llm", responses((status = 200, body = MyModels)))]
pub(super) async fn me(State(state): State<AppState>, Caller(identity): Caller) -> Result<Json<MyModels>, ApiError> {
    let (metering, user) = (state.gateway.metering(), &identity.user);
    let (rules, asker) = (metering.rules(), asker(&identity));
    let mut budgets = metering.budgets_of(&asker).await?;
    // Which program will ask is not known.
    budgets.retain(|budget| budget.scope != BudgetScope::Agent);
    Ok(Json(MyModels {
        team: rules.team(user.id).map(|team| team.name.clone()),
        allowed: rules.allowed(user.role).map_or_else(|| vec![ALL_MODELS.to_owned()], <[String]>::to_vec),
        aliases: rules.aliases().iter().map(|alias| alias.name.clone()).collect(),
        budgets,
        limits: metering.limits_of(&asker),
        keeps_content: state.gateway.history().terms(user.id).await?.keeps_content,
    }))
}

fn asker(identity: &Identity) -> Asker {
    let (token, workspace) = match &identity.credential {
        Credential::Session(_) => (None, None),
        Credential::Token { id, workspace, .. } => (Some(*id), *workspace),
    };
    let (user, role) = (identity.user.id, identity.user.role);
    Asker { user, role, token, workspace, agent: Arc::from(""), allowance: None }
}
