//! `/plugins/publishers`: names that people publish under, and the keys that they sign with.

use axum::Json;
use axum::extract::{RawPathParams, State};
use coditect_auth::AuthError;
use coditect_protocol::Kind;
use coditect_protocol::plugin::{NewPublisher, Publisher};
use http::StatusCode;

use super::assets::part;
use super::{OFF, author, of};
use crate::AppState;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::problem::Body;
use crate::routes::refusals::{self, Refusals};

pub(in crate::routes) const LIST: &[Refusals] = &[OFF];
pub(in crate::routes) const ADD: &[Refusals] = &[
    OFF,
    refusals::NEEDS_LOGIN,
    &[
        (Kind::Invalid, &["plugins.publisher_invalid", "plugins.key_invalid"]),
        (Kind::Forbidden, &["plugins.may_not_publish", "plugins.publisher_taken", "plugins.publisher_reserved"]),
        (Kind::Conflict, &["plugins.key_taken"]),
        (Kind::TooLarge, &["plugins.too_many", "plugins.too_many_keys"]),
    ],
];
pub(in crate::routes) const REVOKE: &[Refusals] = &[
    OFF,
    &[
        (Kind::Forbidden, &["plugins.publisher_taken", "plugins.may_not_publish"]),
        (Kind::NotFound, &["plugins.publisher_not_found"]),
    ],
];

/// The names that the person publishes under, with their keys.
#[utoipa::path(get, path = "/plugins/publishers", operation_id = "list_publishers", tag = "plugins",
    responses((status = 200, body = Vec<Publisher>)))]
pub(in crate::routes) async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
) -> Result<Json<Vec<Publisher>>, ApiError> {
    Ok(Json(of(&state)?.registry().publishers_of(identity.user.id).await?))
}

/// Takes a name that is nobody's, or adds a key to one that there is. The latter takes a login: whoever finds a token could go on publishing
/// after it was revoked.
#[utoipa::path(post, path = "/plugins/publishers", operation_id = "add_publisher_key", tag = "plugins",
    request_body = NewPublisher, responses((status = 201, body = Publisher)))]
pub(in crate::routes) async fn add(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Body(new): Body<NewPublisher>,
) -> Result<(StatusCode, Json<Publisher>), ApiError> {
    let author = author(&identity);
    let registry = of(&state)?.registry();
    if identity.require_session().is_err() && registry.is_taken(&new.name).await? {
        return Err(AuthError::NeedsLogin.into());
    }
    let publisher = registry.put_publisher(author, &new).await?;
    Ok((StatusCode::CREATED, Json(publisher)))
}

/// Revokes a key: nothing that it signed is installed any more.
#[utoipa::path(delete, path = "/plugins/publishers/{name}/keys/{key}", operation_id = "revoke_publisher_key", tag = "plugins",
    params(("name" = String, Path), ("key" = String, Path, description = "Its identifier.")),
    responses((status = 204, description = "Revoked.")))]
pub(in crate::routes) async fn revoke(
    State(state): State<AppState>,
    Caller(identity): Caller,
    params: RawPathParams,
) -> Result<StatusCode, ApiError> {
    let author = author(&identity);
    of(&state)?.registry().revoke_key(author, part(&params, "name"), part(&params, "key")).await?;
    Ok(StatusCode::NO_CONTENT)
}
