//! `/llm/keys` and `/admin/llm/keys`: keys of model servers. No answer holds one.

use axum::Json;
use axum::extract::State;
use coditect_auth::AuthError;
use coditect_protocol::llm::{KeyList, KeyOwner, ModelKey, NewModelKey};
use coditect_protocol::{Kind, ModelKeyId, UserId};
use http::StatusCode;

use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::Caller;
use crate::problem::Body;
use crate::routes::named::Named;
use crate::routes::refusals::Refusals;

const KEPT: Refusals = &[
    (Kind::Invalid, &["llm.key_invalid", "llm.key_owner", "llm.unknown_upstream"]),
    (Kind::Conflict, &["llm.too_many_keys"]),
];
pub(in crate::routes) const ADD_OWN: &[Refusals] = &[KEPT];
pub(in crate::routes) const ADD: &[Refusals] =
    &[KEPT, &[(Kind::NotFound, &["llm.team_not_found", "auth.no_such_person"])]];
pub(in crate::routes) const REMOVE: &[Refusals] = &[&[(Kind::NotFound, &["llm.key_not_found"])]];

/// The person's own keys of model servers, without the keys themselves, and the model servers that keys can be added for.
#[utoipa::path(get, path = "/llm/keys", operation_id = "list_own_model_keys", tag = "llm",
    responses((status = 200, body = KeyList)))]
pub(in crate::routes) async fn list_own(
    State(state): State<AppState>,
    Caller(identity): Caller,
) -> Result<Json<KeyList>, ApiError> {
    let keys = state.gateway.keys().list_own(identity.user.id).await?;
    Ok(Json(KeyList { keys, upstreams: state.gateway.upstreams() }))
}

/// Keeps a key of the person's own, sealed. It is sent to nobody but its model server, and only with what the person asks.
#[utoipa::path(post, path = "/llm/keys", operation_id = "add_own_model_key", tag = "llm", request_body = NewModelKey,
    responses((status = 201, body = ModelKey)))]
pub(in crate::routes) async fn add_own(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Body(new): Body<NewModelKey>,
) -> Result<(StatusCode, Json<ModelKey>), ApiError> {
    let own = KeyOwner::Person(identity.user.id);
    if new.owner.is_some_and(|owner| owner != own) {
        return Err(ApiFault::KeyOwner("A key that is added here is the person's own; leave `owner` out.").into());
    }
    keep(&state, identity.user.id, own, new).await
}

/// Forgets one of the person's own keys.
#[utoipa::path(delete, path = "/llm/keys/{id}", operation_id = "remove_own_model_key", tag = "llm",
    params(("id" = ModelKeyId, Path)), responses((status = 204, description = "Forgotten.")))]
pub(in crate::routes) async fn remove_own(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<ModelKeyId>,
) -> Result<StatusCode, ApiError> {
    state.gateway.keys().remove_own(identity.user.id, id).await?;
    removed(identity.user.id, id);
    Ok(StatusCode::NO_CONTENT)
}

/// The keys of model servers that are for everybody, for teams and for people, in this order where there are too many to list. None of
/// them holds the key itself.
#[utoipa::path(get, path = "/admin/llm/keys", operation_id = "list_model_keys", tag = "admin",
    responses((status = 200, body = KeyList)))]
pub(in crate::routes) async fn list(State(state): State<AppState>) -> Result<Json<KeyList>, ApiError> {
    let keys = state.gateway.keys().list_all().await?;
    Ok(Json(KeyList { keys, upstreams: state.gateway.upstreams() }))
}

/// Keeps a key for everybody, a team or a person, as `owner` says.
#[utoipa::path(post, path = "/admin/llm/keys", operation_id = "add_model_key", tag = "admin", request_body = NewModelKey,
    responses((status = 201, body = ModelKey)))]
pub(in crate::routes) async fn add(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Body(new): Body<NewModelKey>,
) -> Result<(StatusCode, Json<ModelKey>), ApiError> {
    let owner =
        new.owner.ok_or(ApiFault::KeyOwner("Say in `owner` whom the key is for: everybody, a team or a person."))?;
    find(&state, owner).await?;
    keep(&state, identity.user.id, owner, new).await
}

/// Forgets a key, whosever it is.
#[utoipa::path(delete, path = "/admin/llm/keys/{id}", operation_id = "remove_model_key", tag = "admin",
    params(("id" = ModelKeyId, Path)), responses((status = 204, description = "Forgotten.")))]
pub(in crate::routes) async fn remove(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<ModelKeyId>,
) -> Result<StatusCode, ApiError> {
    state.gateway.keys().remove_any(id).await?;
    removed(identity.user.id, id);
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses an owner that there is not: nobody would see the key but admins, and nothing would use it.
async fn find(state: &AppState, owner: KeyOwner) -> Result<(), ApiError> {
    match owner {
        KeyOwner::Everybody => Ok(()),
        KeyOwner::Team(team) => {
            let rules = state.gateway.metering().rules();
            let is_there = rules.in_force().policy.teams.iter().any(|known| known.id == team);
            if is_there { Ok(()) } else { Err(ApiFault::NoSuchTeam.into()) }
        }
        KeyOwner::Person(person) => {
            let is_there = state.auth.whereabouts(person).await?.is_let_in;
            if is_there { Ok(()) } else { Err(AuthError::NoSuchPerson.into()) }
        }
    }
}

async fn keep(
    state: &AppState,
    by: UserId,
    owner: KeyOwner,
    new: NewModelKey,
) -> Result<(StatusCode, Json<ModelKey>), ApiError> {
    let upstreams = state.gateway.upstreams();
    let names: Vec<_> = upstreams.iter().map(String::as_str).collect();
    let key = state.gateway.keys().add(owner, new, &names).await?;
    tracing::info!(target: "audit", action = "llm.key_added", user = %by, key = %key.id, upstream = %key.upstream, ?owner);
    Ok((StatusCode::CREATED, Json(key)))
}

fn removed(by: UserId, key: ModelKeyId) {
    tracing::info!(target: "audit", action = "llm.key_removed", user = %by, %key);
}
