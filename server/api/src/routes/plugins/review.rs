//! `/plugins/review`: what a plugin is and asks for, looked at before anybody consents.

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State;
use coditect_protocol::Kind;
use coditect_protocol::plugin::{PackageSource, Review};
use http::HeaderMap;

use super::{InWorkspace, OFF, PACKAGE, WORKSPACE, member_of, of};
use crate::AppState;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::problem::Body;
use crate::routes::refusals::Refusals;

const ALLOWED: Refusals = &[(Kind::Forbidden, &["plugins.not_allowed", "plugins.no_files"])];
pub(in crate::routes) const FILE: &[Refusals] = &[OFF, WORKSPACE, PACKAGE, ALLOWED];
pub(in crate::routes) const SOURCE: &[Refusals] = &[
    OFF,
    WORKSPACE,
    PACKAGE,
    ALLOWED,
    &[
        (Kind::NotFound, &["plugins.not_found", "plugins.version_not_found", "plugins.upload_not_found"]),
        (Kind::Conflict, &["plugins.yanked", "plugins.other_signer", "plugins.downgrade"]),
    ],
];

/// What a version of the registry, or a package that was sent before, would be in a workspace.
#[utoipa::path(post, path = "/plugins/review", operation_id = "review_plugin", tag = "plugins",
    params(("workspace" = String, Query, description = "Where it would be installed.")),
    request_body = PackageSource, responses((status = 200, body = Review)))]
pub(in crate::routes) async fn source(
    State(state): State<AppState>,
    Caller(identity): Caller,
    InWorkspace(workspace): InWorkspace,
    Body(source): Body<PackageSource>,
) -> Result<Json<Review>, ApiError> {
    let plugins = of(&state)?;
    member_of(&state, &identity, workspace).await?;
    Ok(Json(plugins.review(identity.user.id, workspace, &source).await?))
}

/// Takes in a package, where files are allowed, and tells what it would be in a workspace. It waits an hour to be installed.
#[utoipa::path(post, path = "/plugins/review/file", operation_id = "review_plugin_file", tag = "plugins",
    params(("workspace" = String, Query, description = "Where it would be installed.")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Review)))]
pub(in crate::routes) async fn file(
    State(state): State<AppState>,
    Caller(identity): Caller,
    InWorkspace(workspace): InWorkspace,
    headers: HeaderMap,
    body: HttpBody,
) -> Result<Json<Review>, ApiError> {
    let plugins = of(&state)?;
    member_of(&state, &identity, workspace).await?;
    let package = state.packages.receive(identity.user.id, &headers, body).await?;
    Ok(Json(plugins.review_file(identity.user.id, workspace, package.bytes.clone()).await?))
}
