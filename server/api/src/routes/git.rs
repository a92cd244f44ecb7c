//! `/git/credentials`: a person's logins at the sites that repositories are fetched from and pushed to.

use axum::Json;
use axum::extract::State;
use coditect_protocol::git::{AddGitCredential, GitCredential};
use coditect_protocol::{CredentialId, Kind};
use http::StatusCode;

use super::named::Named;
use super::refusals::Refusals;
use crate::AppState;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::problem::Body;

pub(super) const ADD: &[Refusals] =
    &[&[(Kind::Invalid, &["git.bad_credential"]), (Kind::Conflict, &["git.too_many_credentials"])]];
pub(super) const REMOVE: &[Refusals] = &[&[(Kind::NotFound, &["git.no_such_credential"])]];

/// The person's logins at other sites, without their secrets.
#[utoipa::path(get, path = "/git/credentials", operation_id = "list_git_credentials", tag = "git",
    responses((status = 200, body = Vec<GitCredential>)))]
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
) -> Result<Json<Vec<GitCredential>>, ApiError> {
    Ok(Json(state.git.credentials().list(identity.user.id).await?))
}

/// Keeps a login for a site, in place of one with the same name there. Its secret is sent to nobody but that site, over `https`,
/// when the person fetches or pushes.
#[utoipa::path(post, path = "/git/credentials", operation_id = "add_git_credential", tag = "git",
    request_body = AddGitCredential, responses((status = 201, body = GitCredential)))]
pub(super) async fn add(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Body(add): Body<AddGitCredential>,
) -> Result<(StatusCode, Json<GitCredential>), ApiError> {
    Ok((StatusCode::CREATED, Json(state.git.credentials().add(identity.user.id, add).await?)))
}

/// Forgets a login.
#[utoipa::path(delete, path = "/git/credentials/{id}", operation_id = "remove_git_credential", tag = "git",
    params(("id" = CredentialId, Path)), responses((status = 204, description = "Forgotten.")))]
pub(super) async fn remove(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<CredentialId>,
) -> Result<StatusCode, ApiError> {
    state.git.credentials().remove(identity.user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
