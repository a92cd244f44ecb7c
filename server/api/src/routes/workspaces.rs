//! `/workspaces`: list, create, rename, delete.

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Query, State};
use coditect_protocol::workspace::{CreateWorkspace, RenameWorkspace, Workspace};
use coditect_protocol::{Kind, WorkspaceId};
use futures_util::TryStreamExt as _;
use http::StatusCode;
use serde::Deserialize;

use super::named::Named;
use super::refusals::Refusals;
use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::Caller;
use crate::problem::Body;

pub(super) const ONE: &[Refusals] = &[&[(Kind::NotFound, &["workspace.not_found"])]];
pub(super) const CREATE: &[Refusals] = &[
    BAD_NAME,
    &[
        (Kind::Invalid, &["import.url_refused", "import.path_refused", "import.archive_invalid"]),
        (Kind::Conflict, &["workspace.too_many"]),
        (Kind::TooManyRequests, &["workspace.too_many_imports"]),
        (Kind::Unavailable, &["import.git_missing", "sandbox.unavailable"]),
        (Kind::OutOfSpace, &["files.disk_reserve", "files.out_of_space"]),
    ],
];
pub(super) const UPLOAD: &[Refusals] = &[
    BAD_NAME,
    &[
        (Kind::Invalid, &["api.bad_query", "import.archive_invalid", "import.entry_refused", "files.interrupted"]),
        (Kind::Conflict, &["workspace.too_many"]),
        (Kind::TooLarge, &["import.archive_too_large", "files.too_large"]),
        (Kind::Cancelled, &["import.cancelled"]),
        (Kind::TooManyRequests, &["workspace.too_many_imports"]),
        (Kind::OutOfSpace, &["files.disk_reserve", "files.out_of_space"]),
    ],
];
pub(super) const RENAME: &[Refusals] = &[BAD_NAME, ROLE, &[(Kind::NotFound, &["workspace.not_found"])]];
pub(super) const DELETE: &[Refusals] = &[ROLE, &[(Kind::NotFound, &["workspace.not_found"])]];
const ROLE: Refusals = &[(Kind::Forbidden, &["workspace.role_too_low"])];
const BAD_NAME: Refusals = &[(Kind::Invalid, &["workspace.bad_name"])];

/// The person's own workspaces and those shared with them.
#[utoipa::path(get, path = "/workspaces", operation_id = "list_workspaces", tag = "workspaces",
    responses((status = 200, body = Vec<Workspace>)))]
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
) -> Result<Json<Vec<Workspace>>, ApiError> {
    Ok(Json(state.workspaces.list(identity.user.id).await?))
}

/// Creates a workspace. One from a git repository is answered at once and filled afterwards; its state tells how far it is.
#[utoipa::path(post, path = "/workspaces", operation_id = "create_workspace", tag = "workspaces",
    request_body = CreateWorkspace, responses((status = 201, body = Workspace)))]
pub(super) async fn create(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Body(create): Body<CreateWorkspace>,
) -> Result<(StatusCode, Json<Workspace>), ApiError> {
    let workspace = state.workspaces.create(identity.user.id, create).await?;
    Ok((StatusCode::CREATED, Json(workspace)))
}

#[derive(Deserialize)]
pub(super) struct UploadQuery {
    name: String,
    file_name: String,
}

/// Creates a workspace from an archive, which is the body: `.zip`, `.tar` or `.tar.gz`.
#[utoipa::path(post, path = "/workspaces/upload", operation_id = "upload_workspace", tag = "workspaces",
    params(
        ("name" = String, Query, max_length = 100, description = "Name of the workspace."),
        ("file_name" = String, Query, description = "Name of the archive; its ending says what it is."),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Workspace)))]
pub(super) async fn upload(
    State(state): State<AppState>,
    Caller(identity): Caller,
    query: Result<Query<UploadQuery>, axum::extract::rejection::QueryRejection>,
    body: HttpBody,
) -> Result<(StatusCode, Json<Workspace>), ApiError> {
    let Query(query) = query.map_err(|_| ApiFault::BadQuery("Give `name` and `file_name` in the query."))?;
    let stream = body.into_data_stream().map_err(std::io::Error::other);
    let workspace =
        state.workspaces.create_from_archive(identity.user.id, &query.name, &query.file_name, stream).await?;
    Ok((StatusCode::CREATED, Json(workspace)))
}

/// A workspace.
#[utoipa::path(get, path = "/workspaces/{id}", operation_id = "show_workspace", tag = "workspaces",
    params(("id" = WorkspaceId, Path)), responses((status = 200, body = Workspace)))]
pub(super) async fn show(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
) -> Result<Json<Workspace>, ApiError> {
    Ok(Json(state.workspaces.get(identity.user.id, id).await?))
}

/// Renames a workspace; its folder keeps its name. For its admins.
#[utoipa::path(patch, path = "/workspaces/{id}", operation_id = "rename_workspace", tag = "workspaces",
    params(("id" = WorkspaceId, Path)), request_body = RenameWorkspace, responses((status = 200, body = Workspace)))]
pub(super) async fn rename(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    Body(rename): Body<RenameWorkspace>,
) -> Result<Json<Workspace>, ApiError> {
    Ok(Json(state.workspaces.rename(identity.user.id, id, &rename.name).await?))
}

/// Deletes a workspace with its files, and ends its terminals. For its owner.
#[utoipa::path(delete, path = "/workspaces/{id}", operation_id = "delete_workspace", tag = "workspaces",
    params(("id" = WorkspaceId, Path)), responses((status = 204, description = "Deleted.")))]
pub(super) async fn delete(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
) -> Result<StatusCode, ApiError> {
    // A task of its own: a client that goes away must not leave terminals running in what is gone.
    let deleting = tokio::spawn(async move {
        state.workspaces.delete(identity.user.id, id).await?;
        state.terminals.close_workspace(id).await;
        state.forget_plugins_of(id, None).await;
        Ok::<_, ApiError>(StatusCode::NO_CONTENT)
    });
    deleting.await.map_err(|error| {
        tracing::error!(%error, "deleting a workspace was broken off");
        ApiError::internal()
    })?
}
