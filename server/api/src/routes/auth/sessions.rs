//! `/auth/sessions`: a person's logins.

use axum::Json;
use axum::extract::State;
use coditect_protocol::auth::{Ended, SessionEntry};
use coditect_protocol::{Kind, SessionId};
use http::StatusCode;

use crate::AppState;
use crate::error::ApiError;
use crate::identity::{Caller, Origin};
use crate::routes::named::Named;
use crate::routes::refusals::Refusals;

pub(in crate::routes) const END: &[Refusals] = &[&[(Kind::NotFound, &["auth.no_such_session"])]];

/// The person's logins.
#[utoipa::path(get, path = "/auth/sessions", operation_id = "list_sessions", tag = "auth", responses((status = 200, body = Vec<SessionEntry>)))]
pub(in crate::routes) async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
) -> Result<Json<Vec<SessionEntry>>, ApiError> {
    Ok(Json(state.auth.sessions(&identity).await?))
}

/// Ends every login but the one that asks.
#[utoipa::path(delete, path = "/auth/sessions", operation_id = "end_other_sessions", tag = "auth",
    responses((status = 200, body = Ended)))]
pub(in crate::routes) async fn end_others(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
) -> Result<Json<Ended>, ApiError> {
    Ok(Json(state.auth.end_other_sessions(&identity, &origin.device).await?))
}

/// Ends one login of the person.
#[utoipa::path(delete, path = "/auth/sessions/{id}", operation_id = "end_session", tag = "auth",
    params(("id" = SessionId, Path)), responses((status = 204, description = "Ended, on every server within a second.")))]
pub(in crate::routes) async fn end(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Named(id): Named<SessionId>,
) -> Result<StatusCode, ApiError> {
    state.auth.end_session(&identity, id, &origin.device).await?;
    Ok(StatusCode::NO_CONTENT)
}
