//! `/auth/password`: changing it, and getting in again without it.

use axum::extract::State;
use axum::response::Response;
use coditect_protocol::Kind;
use coditect_protocol::auth::{PasswordChange, PasswordForgotten, PasswordReset, TokenAnswer};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

use crate::AppState;
use crate::error::ApiError;
use crate::identity::{Caller, Origin};
use crate::problem::Body;
use crate::routes::refusals::{self, Refusals};

pub(in crate::routes) const CHANGE: &[Refusals] = &[refusals::ASKED_AGAIN, refusals::NEW_PASSWORD];
pub(in crate::routes) const FORGOT: &[Refusals] = &[refusals::COUNTED];
pub(in crate::routes) const RESET: &[Refusals] =
    &[refusals::COUNTED, refusals::NEW_PASSWORD, &[(Kind::Invalid, &["auth.reset_code_wrong"])]];

/// Changes the password; every other login of the person ends, and this one goes on with new tokens.
///
/// Personal access tokens stay good. With a second factor, `code` is asked for as well.
#[utoipa::path(post, path = "/auth/password", operation_id = "change_password", tag = "auth", request_body = PasswordChange,
    responses((status = 200, body = TokenAnswer, description = "Changed; the tokens until now are void. Pages get the new ones as cookies only.")))]
pub(in crate::routes) async fn change(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    headers: HeaderMap,
    Body(change): Body<PasswordChange>,
) -> Result<Response, ApiError> {
    let login = state.auth.change_password(&identity, &change, &origin.device).await?;
    let by_cookie = !headers.contains_key(AUTHORIZATION);
    Ok(super::answer(&state, login, &origin, by_cookie || super::is_page(&headers)))
}

/// Sends a code to reset the password, where there is such an account and the server sends mail.
#[utoipa::path(post, path = "/auth/password/forgot", operation_id = "forgot_password", tag = "auth", request_body = PasswordForgotten,
    responses((status = 202, description = "The same whether there is such an account or not.")))]
pub(in crate::routes) async fn forgot(
    State(state): State<AppState>,
    origin: Origin,
    Body(forgotten): Body<PasswordForgotten>,
) -> Result<StatusCode, ApiError> {
    state.auth.forgot_password(&forgotten, &origin.device).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets a new password with a one-time code; every login of the person ends, and their personal access tokens are revoked.
///
/// A second factor stays as it is.
#[utoipa::path(post, path = "/auth/password/reset", operation_id = "reset_password", tag = "auth", request_body = PasswordReset,
    responses((status = 204, description = "Set; log in with it.")))]
pub(in crate::routes) async fn reset(
    State(state): State<AppState>,
    origin: Origin,
    Body(reset): Body<PasswordReset>,
) -> Result<StatusCode, ApiError> {
    state.auth.reset_password(&reset, &origin.device).await?;
    Ok(StatusCode::NO_CONTENT)
}
