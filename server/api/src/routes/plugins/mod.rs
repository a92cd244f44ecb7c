//! `/plugins` and `/admin/plugins`: the registry, who publishes in it, and what people have of it in their workspaces.

pub(super) mod admin;
mod assets;
pub(super) mod develop;
pub(super) mod installed;
pub(super) mod publishers;
pub(super) mod registry;
pub(super) mod review;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use coditect_auth::Identity;
use coditect_plugins::{Author, Plugins};
use coditect_protocol::workspace::WorkspaceRole;
use coditect_protocol::{Kind, WorkspaceId};
use http::request::Parts;
use serde::Deserialize;

use super::refusals::Refusals;
use crate::AppState;
use crate::error::{ApiError, ApiFault};

/// Wherever plugins may be switched off.
pub(super) const OFF: Refusals = &[
    (Kind::NotFound, &["plugins.off"]),
    (Kind::Unavailable, &["plugins.not_ready"]),
    (Kind::TooManyRequests, &["plugins.busy"]),
];
/// A workspace in the query.
const WORKSPACE: Refusals = &[
    (Kind::Invalid, &["api.bad_query"]),
    (Kind::Forbidden, &["workspace.read_only", "workspace.access_ended"]),
    (Kind::NotFound, &["workspace.not_found"]),
    (Kind::Conflict, &["workspace.not_ready"]),
];
/// A package that is sent.
const PACKAGE: Refusals = &[
    (
        Kind::Invalid,
        &[
            "plugins.package_unknown",
            "plugins.package_damaged",
            "plugins.package_path",
            "plugins.package_incomplete",
            "plugins.package_file_invalid",
            "plugins.signature_invalid",
            "plugins.unsigned",
            "plugins.key_unknown",
            "plugins.key_invalid",
            "plugins.manifest_syntax",
            "plugins.manifest_unknown_key",
            "plugins.manifest_missing",
            "plugins.manifest_type",
            "plugins.manifest_value",
            "plugins.manifest_double",
            "plugins.manifest_too_many",
            "plugins.manifest_capability",
            "plugins.manifest_empty",
            "plugins.contract_unknown",
            "plugins.contract",
            "plugins.not_a_component",
            "plugins.unknown_import",
            "plugins.unknown_contract",
            "plugins.not_exported",
            "plugins.component_refused",
        ],
    ),
    (
        Kind::TooLarge,
        &[
            "plugins.too_large",
            "plugins.too_many",
            "plugins.package_too_large",
            "plugins.package_file_too_large",
            "plugins.manifest_too_large",
            "plugins.component_too_large",
        ],
    ),
];

/// The plugins, where there are any.
pub(super) fn of(state: &AppState) -> Result<&Plugins, ApiError> {
    Ok(state.plugins()?)
}

/// Who publishes. A token is good for what is its person's own, whatever its person is.
fn author(identity: &Identity) -> Author {
    let governs = identity.require_admin().is_ok();
    Author { user: identity.user.id, role: identity.user.role, governs }
}

/// A workspace in the query, and nothing else.
pub(super) struct InWorkspace(pub(super) WorkspaceId);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkspaceQuery {
    workspace: WorkspaceId,
}

impl<S: Send + Sync> FromRequestParts<S> for InWorkspace {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query: Result<Query<WorkspaceQuery>, QueryRejection> = Query::from_request_parts(parts, state).await;
        let Query(query) =
            query.map_err(|_| ApiFault::BadQuery("Give `workspace`, the identifier of one of yours."))?;
        Ok(Self(query.workspace))
    }
}

/// Refuses who may not even look at the workspace. What a plugin may do there is looked up when it does it.
pub(super) async fn member_of(state: &AppState, identity: &Identity, workspace: WorkspaceId) -> Result<(), ApiError> {
    state.workspaces.access(identity.user.id, workspace, WorkspaceRole::Read).await?;
    Ok(())
}
