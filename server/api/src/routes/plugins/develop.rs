//! `/plugins/develop`: a plugin that is being worked on, in a workspace of its author.

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use coditect_protocol::Kind;
use coditect_protocol::WorkspaceId;
use coditect_protocol::plugin::Installed;
use http::HeaderMap;
use serde::Deserialize;

use super::{OFF, PACKAGE, WORKSPACE, member_of, of};
use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::Caller;
use crate::routes::refusals::Refusals;

pub(in crate::routes) const DEVELOP: &[Refusals] = &[
    OFF,
    WORKSPACE,
    PACKAGE,
    &[
        (Kind::Forbidden, &["plugins.not_allowed", "plugins.no_files"]),
        (Kind::NotFound, &["plugins.not_installed"]),
        (Kind::Conflict, &["plugins.consent_changed", "plugins.other_signer"]),
    ],
];

const BAD_QUERY: ApiFault = ApiFault::BadQuery(
    "Give `workspace`, the identifier of one of yours, and `consent` where you grant what it asks for.",
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct DevelopQuery {
    workspace: WorkspaceId,
    consent: Option<String>,
}

/// Puts a package in place of the one before, for the person alone. It needs no signature. What it asks for beyond what it was granted is
/// granted with `consent`, which stands for just this: whoever works on it knows what it does, and made the token for that.
#[utoipa::path(post, path = "/plugins/develop", operation_id = "develop_plugin", tag = "plugins",
    params(
        ("workspace" = String, Query, description = "Where."),
        ("consent" = Option<String>, Query, description = "Stands for all that the package asks for."),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Installed)))]
pub(in crate::routes) async fn develop(
    State(state): State<AppState>,
    Caller(identity): Caller,
    query: Result<Query<DevelopQuery>, QueryRejection>,
    headers: HeaderMap,
    body: HttpBody,
) -> Result<Json<Installed>, ApiError> {
    let plugins = of(&state)?;
    let Query(DevelopQuery { workspace, consent }) = query.map_err(|_| BAD_QUERY)?;
    member_of(&state, &identity, workspace).await?;
    let package = state.packages.receive(identity.user.id, &headers, body).await?;
    Ok(Json(plugins.develop(identity.user.id, workspace, package.bytes.clone(), consent.as_deref()).await?))
}
