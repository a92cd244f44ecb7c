//! `/auth/tokens`: a person's personal access tokens.

use axum::Json;
use axum::extract::State;
use coditect_protocol::auth::{NewToken, TokenEntry, TokenMade};
use coditect_protocol::{Kind, TokenId};
use http::StatusCode;

use crate::AppState;
use crate::error::ApiError;
use crate::identity::{Caller, Origin};
use crate::problem::Body;
use crate::routes::named::Named;
use crate::routes::refusals::{self, Refusals};

pub(in crate::routes) const MAKE: &[Refusals] = &[
    refusals::ASKED_AGAIN,
    &[
        (Kind::Invalid, &["auth.bad_token_request"]),
        (Kind::Forbidden, &["auth.not_admin"]),
        (Kind::Conflict, &["auth.too_many_tokens"]),
    ],
];
pub(in crate::routes) const REVOKE: &[Refusals] = &[&[(Kind::NotFound, &["auth.no_such_token"])]];

/// The person's tokens.
#[utoipa::path(get, path = "/auth/tokens", operation_id = "list_tokens", tag = "tokens",
    responses((status = 200, body = Vec<TokenEntry>)))]
pub(in crate::routes) async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
) -> Result<Json<Vec<TokenEntry>>, ApiError> {
    Ok(Json(state.auth.tokens(&identity).await?))
}

/// Makes a token; only this answer shows it. With a second factor, `code` is asked for besides the password.
#[utoipa::path(post, path = "/auth/tokens", operation_id = "make_token", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = TokenMade)))]
pub(in crate::routes) async fn make(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<TokenMade>), ApiError> {
    Ok((StatusCode::CREATED, Json(state.auth.make_token(&identity, &new, &origin.device).await?)))
}

/// Revokes a token.
#[utoipa::path(delete, path = "/auth/tokens/{id}", operation_id = "revoke_token", tag = "tokens",
    params(("id" = TokenId, Path)), responses((status = 204, description = "Revoked, on every server within a second.")))]
pub(in crate::routes) async fn revoke(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Named(id): Named<TokenId>,
) -> Result<StatusCode, ApiError> {
    state.auth.revoke_token(&identity, id, &origin.device).await?;
    Ok(StatusCode::NO_CONTENT)
}
