//! `/auth/second-factor`: setting it up, and taking it away.

use axum::Json;
use axum::extract::State;
use coditect_protocol::Kind;
use coditect_protocol::auth::{Reauthentication, RecoveryCodes, SecondFactorStatus, TotpCode, TotpSetup};
use http::StatusCode;

use crate::AppState;
use crate::error::ApiError;
use crate::identity::{Caller, Origin};
use crate::problem::Body;
use crate::routes::refusals::{self, Refusals};

pub(in crate::routes) const BEGIN: &[Refusals] =
    &[refusals::ASKED_AGAIN, &[(Kind::Conflict, &["auth.second_factor_enabled"])]];
pub(in crate::routes) const CONFIRM: &[Refusals] = &[
    refusals::COUNTED,
    &[
        (Kind::Unauthenticated, &["auth.second_factor_wrong"]),
        (Kind::Conflict, &["auth.second_factor_missing", "auth.second_factor_enabled"]),
    ],
];
pub(in crate::routes) const CHANGE: &[Refusals] =
    &[refusals::ASKED_AGAIN, &[(Kind::Conflict, &["auth.second_factor_missing"])]];

/// Whether the person has a second factor.
#[utoipa::path(get, path = "/auth/second-factor", operation_id = "second_factor", tag = "second factor",
    responses((status = 200, body = SecondFactorStatus)))]
pub(in crate::routes) async fn status(
    State(state): State<AppState>,
    Caller(identity): Caller,
) -> Result<Json<SecondFactorStatus>, ApiError> {
    Ok(Json(state.auth.second_factor(&identity).await?))
}

/// Begins to set up an authenticator; it counts once a code has confirmed it.
#[utoipa::path(post, path = "/auth/second-factor/totp", operation_id = "begin_totp", tag = "second factor",
    request_body = Reauthentication, responses((status = 200, body = TotpSetup)))]
pub(in crate::routes) async fn begin(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Body(proof): Body<Reauthentication>,
) -> Result<Json<TotpSetup>, ApiError> {
    Ok(Json(state.auth.begin_totp(&identity, &proof, &origin.device).await?))
}

/// Confirms the authenticator; from now on logins ask for it.
#[utoipa::path(post, path = "/auth/second-factor/totp/confirm", operation_id = "confirm_totp", tag = "second factor",
    request_body = TotpCode, responses((status = 200, body = RecoveryCodes)))]
pub(in crate::routes) async fn confirm(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Body(code): Body<TotpCode>,
) -> Result<Json<RecoveryCodes>, ApiError> {
    Ok(Json(state.auth.confirm_totp(&identity, &code, &origin.device).await?))
}

/// Makes new recovery codes; those before are good no more.
#[utoipa::path(post, path = "/auth/second-factor/recovery-codes", operation_id = "renew_recovery_codes",
    tag = "second factor", request_body = Reauthentication, responses((status = 200, body = RecoveryCodes)))]
pub(in crate::routes) async fn renew_codes(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Body(proof): Body<Reauthentication>,
) -> Result<Json<RecoveryCodes>, ApiError> {
    Ok(Json(state.auth.renew_recovery_codes(&identity, &proof, &origin.device).await?))
}

/// Takes the second factor away.
#[utoipa::path(post, path = "/auth/second-factor/disable", operation_id = "disable_second_factor",
    tag = "second factor", request_body = Reauthentication, responses((status = 204, description = "Taken away.")))]
pub(in crate::routes) async fn disable(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Body(proof): Body<Reauthentication>,
) -> Result<StatusCode, ApiError> {
    state.auth.disable_second_factor(&identity, &proof, &origin.device).await?;
    Ok(StatusCode::NO_CONTENT)
}
