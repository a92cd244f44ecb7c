//! `/admin/plugins`: what an admin allows, who publishes, and how plugins do on this server.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use coditect_protocol::Kind;
use coditect_protocol::plugin::{PluginPolicy, PluginsOverview, PublishersPage};
use serde::Deserialize;

use super::{OFF, of};
use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::Caller;
use crate::problem::Body;
use crate::routes::refusals::Refusals;

pub(in crate::routes) const SHOW: &[Refusals] = &[OFF];
pub(in crate::routes) const CHANGE: &[Refusals] = &[OFF, &[(Kind::Invalid, &["plugins.policy_invalid"])]];

pub(in crate::routes) const PUBLISHERS: &[Refusals] =
    &[OFF, &[(Kind::Invalid, &["api.bad_query", "plugins.bad_cursor"])]];

/// Publishers on a page where nothing else is said.
const PAGE: usize = 50;
const BAD_PAGE: ApiFault = ApiFault::BadQuery("Give `after` as the page before told it, and `limit`, a whole number.");

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::routes) struct PublishersQuery {
    after: Option<String>,
    limit: usize,
}

impl Default for PublishersQuery {
    fn default() -> Self {
        Self { after: None, limit: PAGE }
    }
}

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

/// Replaces it. What is blocked ends at once, on every server; what is not on the list stays where it is installed, and is installed
/// nowhere anew.
#[utoipa::path(put, path = "/admin/plugins/policy", operation_id = "change_plugin_policy", tag = "admin",
    request_body = PluginPolicy, responses((status = 200, body = PluginPolicy)))]
pub(in crate::routes) async fn change(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Body(wanted): Body<PluginPolicy>,
) -> Result<Json<PluginPolicy>, ApiError> {
    Ok(Json(of(&state)?.registry().set_policy(identity.user.id, wanted).await?))
}

/// All names that plugins are published under, with whose they are and their keys. An admin's login revokes any of these.
#[utoipa::path(get, path = "/admin/plugins/publishers", operation_id = "list_all_publishers", tag = "admin",
    params(
        ("after" = Option<String>, Query, description = "The `next` of the page before."),
        ("limit" = Option<u32>, Query, description = "Most publishers of the page, up to 100."),
    ),
    responses((status = 200, body = PublishersPage)))]
pub(in crate::routes) async fn publishers(
    State(state): State<AppState>,
    query: Result<Query<PublishersQuery>, QueryRejection>,
) -> Result<Json<PublishersPage>, ApiError> {
    let Query(query) = query.map_err(|_| BAD_PAGE)?;
    Ok(Json(of(&state)?.registry().all_publishers(query.after.as_deref(), query.limit).await?))
}
