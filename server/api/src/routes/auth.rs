//! `/auth`: registration, login, refresh, logout.

use axum::Json;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use bytes::Bytes;
use coditect_auth::Login;
use coditect_protocol::auth::{
    ACCESS_COOKIE, CSRF_COOKIE, Credentials, REFRESH_COOKIE, RefreshRequest, SessionInfo, TokenAnswer,
};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::{Caller, Origin, cookie, same_origin};
use crate::problem::Body;

/// Path to which the refresh cookie is confined.
const REFRESH_COOKIE_PATH: &str = "/api/v5/auth";

pub(super) async fn register(
    State(state): State<AppState>,
    origin: Origin,
    headers: HeaderMap,
    Body(credentials): Body<Credentials>,
) -> Result<Response, ApiError> {
    refuse_other_sites(&headers, &origin, &state)?;
    let login = state.auth.register(&credentials, &origin.device).await?;
    Ok((StatusCode::CREATED, answer(&state, login, origin.secure)).into_response())
}

pub(super) async fn login(
    State(state): State<AppState>,
    origin: Origin,
    headers: HeaderMap,
    Body(credentials): Body<Credentials>,
) -> Result<Response, ApiError> {
    refuse_other_sites(&headers, &origin, &state)?;
    let login = state.auth.login(&credentials, &origin.device).await?;
    Ok(answer(&state, login, origin.secure))
}

/// Takes the token from the body (programs) or from the cookie (browsers; then only for the site's own pages).
pub(super) async fn refresh(
    State(state): State<AppState>,
    origin: Origin,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let given: RefreshRequest = if body.is_empty() {
        RefreshRequest::default()
    } else {
        serde_json::from_slice(&body).map_err(|_| ApiFault::BadJson)?
    };
    let token = match &given.refresh_token {
        Some(token) => token.as_str(),
        None => {
            refuse_other_sites(&headers, &origin, &state)?;
            cookie(&headers, REFRESH_COOKIE).ok_or(ApiFault::NotLoggedIn)?
        }
    };
    let login = state.auth.refresh(token, &origin.device).await?;
    Ok(answer(&state, login, origin.secure))
}

pub(super) async fn logout(
    State(state): State<AppState>,
    origin: Origin,
    Caller(identity): Caller,
) -> Result<Response, ApiError> {
    state.auth.logout(identity.session_id).await?;
    state.links.end_session(identity.session_id);
    let cleared =
        [ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE].map(|name| (SET_COOKIE, set_cookie(name, "", 0, origin.secure)));
    Ok((StatusCode::NO_CONTENT, AppendHeaders(cleared)).into_response())
}

pub(super) async fn me(Caller(identity): Caller) -> Json<SessionInfo> {
    Json(identity.session_info())
}

/// A login must not be forced upon a browser by another site (login CSRF): these routes come before any token.
fn refuse_other_sites(headers: &HeaderMap, origin: &Origin, state: &AppState) -> Result<(), ApiFault> {
    if same_origin(headers, origin.secure, &state.settings.cors_origins) {
        return Ok(());
    }
    Err(ApiFault::OtherSite)
}

fn answer(state: &AppState, login: Login, secure: bool) -> Response {
    const DAY_SECONDS: u64 = 24 * 60 * 60;
    let refresh_age = state.settings.session_idle_days * DAY_SECONDS;
    let cookies = [
        (SET_COOKIE, set_cookie(ACCESS_COOKIE, &login.access_token, login.expires_in, secure)),
        (SET_COOKIE, set_cookie(REFRESH_COOKIE, &login.refresh_token, refresh_age, secure)),
        (SET_COOKIE, set_cookie(CSRF_COOKIE, &login.csrf_token, refresh_age, secure)),
    ];
    (AppendHeaders(cookies), Json(TokenAnswer::from(login))).into_response()
}

fn set_cookie(name: &str, value: &str, max_age: u64, secure: bool) -> String {
    let path = if name == REFRESH_COOKIE { REFRESH_COOKIE_PATH } else { "/" };
    let http_only = if name == CSRF_COOKIE { "" } else { "; HttpOnly" };
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path={path}; Max-Age={max_age}; SameSite=Strict{http_only}{secure}")
}
