//! `/auth`: registration, login, refresh, logout, and what belongs to an account.

pub(crate) mod cookies;
pub(super) mod device;
pub(super) mod password;
pub(super) mod second_factor;
pub(super) mod sessions;
pub(super) mod tokens;

use axum::Json;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use bytes::Bytes;
use coditect_auth::{Login, LoginStep};
use coditect_protocol::auth::{
    ACCESS_COOKIE, AuthConfig, Credentials, REFRESH_COOKIE, RefreshRequest, Registration, SecondFactorAnswer,
    SecondFactorChallenge, SessionInfo, TokenAnswer,
};
use coditect_protocol::{Coded as _, Kind, SessionId};
use http::{HeaderMap, StatusCode};

use super::refusals::{self, Refusals};
use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::{Caller, Origin};
use crate::problem::Body;

/// What only browsers send, with whatever a page asks; scripts can set neither. Some programs send others of the `Sec-Fetch` headers.
const SAID_BY_BROWSERS: [&str; 2] = ["origin", "sec-fetch-site"];

pub(super) const REGISTER: &[Refusals] = &[
    refusals::COUNTED,
    refusals::NEW_PASSWORD,
    &[
        (Kind::Invalid, &["auth.invalid_login", "auth.invite_needed", "auth.invite_invalid"]),
        (Kind::Forbidden, &["auth.registration_closed"]),
        (Kind::Conflict, &["auth.login_taken"]),
    ],
];
pub(super) const LOGIN: &[Refusals] =
    &[refusals::COUNTED, &[(Kind::Unauthenticated, &["auth.bad_credentials"]), (Kind::Forbidden, &["auth.disabled"])]];
pub(super) const ANSWER_SECOND_FACTOR: &[Refusals] = &[
    refusals::COUNTED,
    &[
        (Kind::Unauthenticated, &["auth.second_factor_wrong", "auth.second_factor_ticket", "auth.bad_credentials"]),
        (Kind::Forbidden, &["auth.disabled"]),
    ],
];
pub(super) const REFRESH: &[Refusals] = &[
    refusals::COUNTED,
    &[
        (
            Kind::Unauthenticated,
            &["auth.not_logged_in", "auth.invalid_token", "auth.session_ended", "auth.refresh_reused"],
        ),
        (Kind::Forbidden, &["auth.disabled"]),
    ],
];

/// What a page must know before anybody is logged in.
#[utoipa::path(get, path = "/auth/config", operation_id = "auth_config", tag = "auth",
    responses((status = 200, body = AuthConfig)))]
pub(super) async fn config(State(state): State<AppState>) -> Json<AuthConfig> {
    Json(state.auth.config())
}

/// Registers a person and logs them in.
#[utoipa::path(post, path = "/auth/register", tag = "auth", request_body = Registration,
    responses((status = 201, body = TokenAnswer, description = "Registered and logged in. Pages get the tokens as cookies only.")))]
pub(super) async fn register(
    State(state): State<AppState>,
    origin: Origin,
    headers: HeaderMap,
    Body(registration): Body<Registration>,
) -> Result<Response, ApiError> {
    let login = state.auth.register(&registration, &origin.device).await?;
    Ok((StatusCode::CREATED, let_in(&state, login, &origin, &headers).await).into_response())
}

/// Logs a person in, or asks for their second factor.
#[utoipa::path(post, path = "/auth/login", tag = "auth", request_body = Credentials,
    responses(
        (status = 200, body = TokenAnswer, description = "Logged in. Pages get the tokens as cookies only."),
        (status = 202, body = SecondFactorChallenge, description = "The password was right; now the second factor."),
    ))]
pub(super) async fn login(
    State(state): State<AppState>,
    origin: Origin,
    headers: HeaderMap,
    Body(credentials): Body<Credentials>,
) -> Result<Response, ApiError> {
    Ok(match state.auth.login(&credentials, &origin.device).await? {
        LoginStep::Done(login) => let_in(&state, login, &origin, &headers).await,
        LoginStep::SecondFactor(challenge) => (StatusCode::ACCEPTED, Json(challenge)).into_response(),
    })
}

/// Completes a login with the second factor.
#[utoipa::path(post, path = "/auth/login/second-factor", tag = "second factor", request_body = SecondFactorAnswer,
    responses((status = 200, body = TokenAnswer, description = "Logged in. Pages get the tokens as cookies only.")))]
pub(super) async fn answer_second_factor(
    State(state): State<AppState>,
    origin: Origin,
    headers: HeaderMap,
    Body(answer): Body<SecondFactorAnswer>,
) -> Result<Response, ApiError> {
    let login = state.auth.answer_second_factor(&answer, &origin.device).await?;
    Ok(let_in(&state, login, &origin, &headers).await)
}

/// Gives the next pair of tokens for a refresh token, which is good once.
///
/// Programs send the token in the body; browsers send none, and the cookie instead. A cookie that is good for nothing any more is
/// taken away with the others.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth", request_body(content = Option<RefreshRequest>),
    responses((status = 200, body = TokenAnswer, description = "Renewed. Whose token came as a cookie gets the next ones as cookies only.")))]
pub(super) async fn refresh(
    State(state): State<AppState>,
    origin: Origin,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let given: Option<RefreshRequest> = match body.is_empty() {
        true => None,
        false => serde_json::from_slice(&body).map_err(|_| ApiFault::BadJson)?,
    };
    let given = given.and_then(|given| given.refresh_token);
    let by_cookie = given.is_none();
    let token = match given {
        Some(token) => token,
        None => {
            let cookie = cookies::value(&headers, REFRESH_COOKIE, origin.secure);
            cookie.ok_or(ApiFault::NotLoggedIn)?.to_owned()
        }
    };
    match state.auth.refresh(&token, &origin.device).await {
        Ok(login) => Ok(answer(&state, login, &origin, by_cookie || is_page(&headers))),
        Err(error) if by_cookie && error.kind() == Kind::Unauthenticated => {
            Ok((AppendHeaders(cookies::cleared(origin.secure)), ApiError::from(error)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends the login that asks.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", responses((status = 204, description = "Logged out.")))]
pub(super) async fn logout(
    State(state): State<AppState>,
    origin: Origin,
    Caller(identity): Caller,
) -> Result<Response, ApiError> {
    state.auth.logout(identity.require_session()?, &origin.device).await?;
    Ok((StatusCode::NO_CONTENT, AppendHeaders(cookies::cleared(origin.secure))).into_response())
}

/// Who one is.
///
/// For a personal access token, `session_id` is the token's id, and names no session.
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses((status = 200, body = SessionInfo)))]
pub(super) async fn me(Caller(identity): Caller) -> Json<SessionInfo> {
    Json(identity.session_info())
}

/// The one way in which somebody is let in: whoever had logged in before with the same browser is replaced, and not left behind where
/// nobody sees them any more.
async fn let_in(state: &AppState, login: Login, origin: &Origin, headers: &HeaderMap) -> Response {
    for before in sessions_before(state, origin, headers).await {
        if before != login.session.session_id
            && let Err(error) = state.auth.logout(before, &origin.device).await
        {
            tracing::warn!(%error, "the login before could not be ended");
        }
    }
    answer(state, login, origin, is_page(headers))
}

/// The logins that a browser has until now: one, unless somebody planted a cookie of another.
async fn sessions_before(state: &AppState, origin: &Origin, headers: &HeaderMap) -> Vec<SessionId> {
    let mut before = Vec::new();
    if let Some(token) = cookies::value(headers, ACCESS_COOKIE, origin.secure)
        && let Ok(identity) = state.auth.check(token).await
    {
        before.extend(identity.session_id());
    }
    // The refresh token lasts longer. What it gives is used by nobody.
    if let Some(token) = cookies::value(headers, REFRESH_COOKIE, origin.secure)
        && let Ok(login) = state.auth.refresh(token, &origin.device).await
        && !before.contains(&login.session.session_id)
    {
        before.push(login.session.session_id);
    }
    before
}

/// Whether a page asks, and no program. Browsers say so by themselves, and no script can keep them from it.
fn is_page(headers: &HeaderMap) -> bool {
    SAID_BY_BROWSERS.iter().any(|name| headers.contains_key(*name))
}

/// Cookies for browsers, tokens for programs. What `HttpOnly` cookies hide from the scripts of a page is not told to them in the body.
fn answer(state: &AppState, login: Login, origin: &Origin, is_page: bool) -> Response {
    let cookies = cookies::of_login(&login, &state.settings, origin.secure);
    let told = TokenAnswer::from(login);
    let told = if is_page { told.without_tokens() } else { told };
    (AppendHeaders(cookies), Json(told)).into_response()
}
