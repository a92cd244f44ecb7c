//! `/admin`: what an admin may do about people, invitations and keys.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use coditect_protocol::auth::{
    Ended, InviteEntry, InviteMade, NewInvite, People, PersonChange, PersonEntry, ResetCode,
};
use coditect_protocol::{InviteId, Kind, UserId};
use http::StatusCode;
use serde::Deserialize;

use super::named::Named;
use super::refusals::{self, Refusals};
use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::{Caller, Origin};
use crate::problem::Body;

/// People told at a time, unless asked for fewer or more.
const PEOPLE_PER_PAGE: usize = 50;
/// Most people told at a time.
const MAX_PEOPLE_PER_PAGE: usize = 200;

pub(super) const PEOPLE: &[Refusals] = &[&[(Kind::Invalid, &["api.bad_query"])]];
const SOMEBODY_ELSE: Refusals = &[(Kind::Forbidden, &["auth.own_account"]), (Kind::NotFound, &["auth.no_such_person"])];
pub(super) const PERSON: &[Refusals] = &[&[(Kind::NotFound, &["auth.no_such_person"])]];
pub(super) const SOMEBODY: &[Refusals] = &[SOMEBODY_ELSE];
pub(super) const CHANGE_PERSON: &[Refusals] =
    &[&[(Kind::NotFound, &["auth.no_such_person"]), (Kind::Conflict, &["auth.last_admin"])]];
pub(super) const SECOND_FACTOR: &[Refusals] = &[SOMEBODY_ELSE, &[(Kind::Conflict, &["auth.second_factor_missing"])]];
pub(super) const MAKE_INVITE: &[Refusals] =
    &[&[(Kind::Invalid, &["auth.invalid_login", "auth.bad_invite_request"]), (Kind::Conflict, &["auth.login_taken"])]];
pub(super) const ROTATE_KEYS: &[Refusals] = &[refusals::COUNTED];
pub(super) const INVITE: &[Refusals] = &[&[(Kind::NotFound, &["auth.no_such_invite"])]];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    after: Option<UserId>,
    limit: Option<usize>,
}

/// Everybody, in the order in which they registered.
#[utoipa::path(get, path = "/admin/people", tag = "admin",
    params(
        ("after" = Option<UserId>, Query, description = "`next` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "People at a time; 50 unless said."),
    ),
    responses((status = 200, body = People)))]
pub(super) async fn people(
    State(state): State<AppState>,
    Caller(identity): Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<People>, ApiError> {
    let bad = ApiFault::BadQuery("`after` takes the id of a person, `limit` a number from 1 to 200.");
    let Ok(Query(query)) = query else { return Err(bad.into()) };
    let limit = query.limit.unwrap_or(PEOPLE_PER_PAGE);
    if !(1..=MAX_PEOPLE_PER_PAGE).contains(&limit) {
        return Err(bad.into());
    }
    Ok(Json(state.auth.people(&identity, query.after, limit).await?))
}

/// Changes a person's role, or keeps them out.
#[utoipa::path(patch, path = "/admin/people/{id}", tag = "admin", params(("id" = UserId, Path)),
    request_body = PersonChange, responses((status = 200, body = PersonEntry)))]
pub(super) async fn change_person(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Named(id): Named<UserId>,
    Body(change): Body<PersonChange>,
) -> Result<Json<PersonEntry>, ApiError> {
    Ok(Json(state.auth.change_person(&identity, id, &change, &origin.device).await?))
}

/// Makes a one-time code with which the person sets a new password.
#[utoipa::path(post, path = "/admin/people/{id}/reset-code", tag = "admin", params(("id" = UserId, Path)),
    responses((status = 200, body = ResetCode)))]
pub(super) async fn issue_reset_code(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Named(id): Named<UserId>,
) -> Result<Json<ResetCode>, ApiError> {
    Ok(Json(state.auth.issue_reset_code(&identity, id, &origin.device).await?))
}

/// Takes a person's second factor away.
#[utoipa::path(delete, path = "/admin/people/{id}/second-factor", tag = "admin", params(("id" = UserId, Path)),
    responses((status = 204, description = "Taken away.")))]
pub(super) async fn remove_second_factor(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Named(id): Named<UserId>,
) -> Result<StatusCode, ApiError> {
    state.auth.remove_second_factor(&identity, id, &origin.device).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends every login of a person.
#[utoipa::path(delete, path = "/admin/people/{id}/sessions", tag = "admin", params(("id" = UserId, Path)),
    responses((status = 200, body = Ended)))]
pub(super) async fn end_sessions(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Named(id): Named<UserId>,
) -> Result<Json<Ended>, ApiError> {
    Ok(Json(state.auth.end_sessions_of(&identity, id, &origin.device).await?))
}

/// The invitations that are open.
#[utoipa::path(get, path = "/admin/invites", tag = "admin", responses((status = 200, body = Vec<InviteEntry>)))]
pub(super) async fn invites(
    State(state): State<AppState>,
    Caller(identity): Caller,
) -> Result<Json<Vec<InviteEntry>>, ApiError> {
    Ok(Json(state.auth.invites(&identity).await?))
}

/// Makes an invitation; only this answer shows its code.
#[utoipa::path(post, path = "/admin/invites", tag = "admin", request_body = NewInvite,
    responses((status = 201, body = InviteMade)))]
pub(super) async fn make_invite(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Body(new): Body<NewInvite>,
) -> Result<(StatusCode, Json<InviteMade>), ApiError> {
    Ok((StatusCode::CREATED, Json(state.auth.make_invite(&identity, &new, &origin.device).await?)))
}

/// Revokes an invitation.
#[utoipa::path(delete, path = "/admin/invites/{id}", tag = "admin", params(("id" = InviteId, Path)),
    responses((status = 204, description = "Revoked.")))]
pub(super) async fn revoke_invite(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Named(id): Named<InviteId>,
) -> Result<StatusCode, ApiError> {
    state.auth.revoke_invite(&identity, id, &origin.device).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new signing key for access tokens; those signed before stay good.
#[utoipa::path(post, path = "/admin/keys/rotate", tag = "admin", responses((status = 204, description = "Made.")))]
pub(super) async fn rotate_keys(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
) -> Result<StatusCode, ApiError> {
    state.auth.rotate_keys(&identity, &origin.device).await?;
    Ok(StatusCode::NO_CONTENT)
}
