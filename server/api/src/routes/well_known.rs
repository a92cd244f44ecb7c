//! `/.well-known`: what others look for at an address that every server has.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header;

use crate::AppState;

/// For as long as the keys may be kept by whoever verifies tokens. A new key signs only after two minutes, so that nobody meets a
/// token of a key that they could not know yet.
const JWKS_CACHING: &str = "public, max-age=60";
/// The front's page where a password is changed.
const CHANGE_PASSWORD_PAGE: &str = "/account";

/// The public keys that access tokens are signed with (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "jwks", tag = "server",
    responses((status = 200, body = JsonWebKeySet)))]
pub(super) async fn jwks(State(state): State<AppState>) -> Response {
    ([(header::CACHE_CONTROL, JWKS_CACHING)], Json(state.auth.jwks())).into_response()
}

/// Leads password managers to the page where a password is changed.
#[utoipa::path(get, path = "/.well-known/change-password", operation_id = "change_password_page", tag = "server",
    responses((status = 303, description = "The page is at `location`.")))]
pub(super) async fn change_password() -> Redirect {
    Redirect::to(CHANGE_PASSWORD_PAGE)
}

/// A set of keys, for the description; what is sent is `coditect_auth::Jwks`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only describes")]
pub(super) struct JsonWebKeySet {
    keys: Vec<JsonWebKey>,
}

/// One key, for the description.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only describes")]
struct JsonWebKey {
    kty: String,
    kid: String,
    alg: String,
    #[schema(rename = "use")]
    usage: String,
    crv: String,
    x: String,
}
