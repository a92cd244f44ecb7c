//! `/admin/llm/policy`: other names for models, who may ask which, prices, budgets, limits, teams.

use axum::Json;
use axum::extract::State;
use coditect_protocol::Kind;
use coditect_protocol::llm::PolicyInForce;

use crate::AppState;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::problem::Body;
use crate::routes::refusals::Refusals;

pub(in crate::routes) const CHANGE: &[Refusals] = &[&[
    (Kind::Invalid, &["llm.policy_invalid"]),
    (Kind::Conflict, &["llm.policy_changed"]),
    (Kind::TooLarge, &["llm.policy_too_large"]),
]];

/// Everything that admins say about models, and its version.
#[utoipa::path(get, path = "/admin/llm/policy", operation_id = "show_llm_policy", tag = "admin",
    responses((status = 200, body = PolicyInForce)))]
pub(in crate::routes) async fn show(State(state): State<AppState>) -> Json<PolicyInForce> {
    Json(state.gateway.metering().policy())
}

/// Replaces it. `version` is the one that was seen: where somebody else changed it meanwhile, nothing happens.
#[utoipa::path(put, path = "/admin/llm/policy", operation_id = "change_llm_policy", tag = "admin",
    request_body = PolicyInForce, responses((status = 200, body = PolicyInForce)))]
pub(in crate::routes) async fn change(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Body(wanted): Body<PolicyInForce>,
) -> Result<Json<PolicyInForce>, ApiError> {
    let changed = state.gateway.metering().put_policy(wanted.version, wanted.policy).await?;
    tracing::info!(target: "audit", action = "llm.policy_changed", user = %identity.user.id, version = changed.version);
    Ok(Json(changed))
}
