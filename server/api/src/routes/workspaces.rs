//! `/workspaces`: list, create, rename, delete.

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Query, State};
use coditect_protocol::WorkspaceId;
use coditect_protocol::workspace::{CreateWorkspace, RenameWorkspace, Workspace};
use coditect_workspace::WorkspaceError;
use futures_util::TryStreamExt as _;
use http::StatusCode;
use serde::Deserialize;

use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::Caller;
use crate::problem::Body;

/// An id in the path; one that is no id at all names nothing, like any other unknown one.
pub(super) struct WorkspacePath(pub(super) WorkspaceId);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for WorkspacePath {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut http::request::Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::RawPathParams::from_request_parts(parts, state).await.ok();
        let id = path
            .iter()
            .flat_map(|params| params.iter())
            .find(|(name, _)| *name == "id")
            .and_then(|(_, value)| value.parse().ok());
        Ok(id.map(Self).ok_or(WorkspaceError::WorkspaceNotFound)?)
    }
}

pub(super) async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
) -> Result<Json<Vec<Workspace>>, ApiError> {
    Ok(Json(state.workspaces.list(identity.user.id).await?))
}

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

/// The body is the archive itself.
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

pub(super) async fn show(
    State(state): State<AppState>,
    Caller(identity): Caller,
    WorkspacePath(id): WorkspacePath,
) -> Result<Json<Workspace>, ApiError> {
    Ok(Json(state.workspaces.get(identity.user.id, id).await?))
}

pub(super) async fn rename(
    State(state): State<AppState>,
    Caller(identity): Caller,
    WorkspacePath(id): WorkspacePath,
    Body(rename): Body<RenameWorkspace>,
) -> Result<Json<Workspace>, ApiError> {
    Ok(Json(state.workspaces.rename(identity.user.id, id, &rename.name).await?))
}

pub(super) async fn delete(
    State(state): State<AppState>,
    Caller(identity): Caller,
    WorkspacePath(id): WorkspacePath,
) -> Result<StatusCode, ApiError> {
    // A task of its own: a client that goes away must not leave terminals running in what is gone.
    let deleting = tokio::spawn(async move {
        state.workspaces.delete(identity.user.id, id).await?;
        state.terminals.close_workspace(id).await;
        Ok::<_, ApiError>(StatusCode::NO_CONTENT)
    });
    deleting.await.map_err(|error| {
        tracing::error!(%error, "deleting a workspace was broken off");
        ApiError::internal()
    })?
}
