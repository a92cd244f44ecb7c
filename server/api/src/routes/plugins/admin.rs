//! `/admin/plugins`: what an admin allows, and how plugins do on this server.

use axum::Json;
use axum::extract::State;
use coditect_protocol::Kind;
use coditect_protocol::plugin::{PluginPolicy, PluginsOverview};

use super::{OFF, of};
use crate::AppState;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::problem::Body;
use crate::routes::refusals::Refusals;

pub(in crate::routes) const SHOW: &[Refusals] = &[OFF];
pub(in crate::routes) const CHANGE: &[Refusals] = &[OFF, &[(Kind::Invalid, &["plugins.policy_invalid"])]];

/// How much there is of plugins on this server, and what is wrong with the packages of its mirror directory.
#[utoipa::path(get, path = "/admin/plugins", operation_id = "show_plugins", tag = "admin",
    responses((status = 200, body = PluginsOverview)))]
pub(in crate::routes) async fn overview(State(state): State<AppState>) -> Result<Json<PluginsOverview>, ApiError> {
    Ok(Json(of(&state)?.overview().await?))
}

/// What is allowed of plugins.
#[utoipa::path(get, path = "/admin/plugins/policy", operation_id = "show_plugin_policy", tag = "admin",
    responses((status = 200, body = PluginPolicy)))]
pub(in crate::routes) async fn show(State(state): State<AppState>) -> Result<Json<PluginPolicy>, ApiError> {
    Ok(Json(of(&state)?.registry().policy().await?))
}

/// Replaces it. What is no longer allowed ends at once, on every server.
#[utoipa::path(put, path = "/admin/plugins/policy", operation_id = "change_plugin_policy", tag = "admin",
    request_body = PluginPolicy, responses((status = 200, body = PluginPolicy)))]
pub(in crate::routes) async fn change(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Body(wanted): Body<PluginPolicy>,
) -> Result<Json<PluginPolicy>, ApiError> {
    Ok(Json(of(&state)?.registry().set_policy(identity.user.id, wanted).await?))
}
