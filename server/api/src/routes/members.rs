//! `/workspaces/{id}/members`: who may use a workspace.

use axum::Json;
use axum::extract::State;
use coditect_auth::AuditAction;
use coditect_protocol::workspace::{AddMember, ChangeMember, WorkspaceMember, WorkspaceRole};
use coditect_protocol::{Kind, UserId, WorkspaceId};
use http::StatusCode;

use super::named::{Named, NamedMember};
use super::refusals::{self, Refusals};
use crate::AppState;
use crate::error::ApiError;
use crate::identity::{Caller, Origin};
use crate::problem::Body;

pub(super) const LIST: &[Refusals] = &[&[(Kind::NotFound, &["workspace.not_found"])]];
const LACKING_ROLE: Refusals = &[(Kind::Forbidden, &["workspace.role_too_low"])];
pub(super) const ADD: &[Refusals] = &[
    LACKING_ROLE,
    refusals::COUNTED,
    &[
        (Kind::NotFound, &["workspace.not_found", "auth.no_such_person"]),
        (
            Kind::Conflict,
            &["workspace.is_member", "workspace.one_owner", "workspace.too_many_members", "workspace.too_many_shared"],
        ),
    ],
];
pub(super) const CHANGE: &[Refusals] = &[
    LACKING_ROLE,
    &[
        (Kind::NotFound, &["workspace.not_found", "workspace.no_such_member"]),
        (Kind::Conflict, &["workspace.one_owner"]),
    ],
];

/// Everybody who may use the workspace, the owner first.
#[utoipa::path(get, path = "/workspaces/{id}/members", operation_id = "list_members", tag = "workspaces",
    params(("id" = WorkspaceId, Path)), responses((status = 200, body = Vec<WorkspaceMember>)))]
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
) -> Result<Json<Vec<WorkspaceMember>>, ApiError> {
    Ok(Json(state.workspaces.members(identity.user.id, id).await?))
}

/// Adds somebody by the name that they log in with. For admins of the workspace, who give nobody more than they have.
///
/// Whether somebody logs in with a name can be told apart; who asks for names that nobody has must wait as after failed logins.
#[utoipa::path(post, path = "/workspaces/{id}/members", operation_id = "add_member", tag = "workspaces",
    params(("id" = WorkspaceId, Path)), request_body = AddMember,
    responses((status = 201, body = WorkspaceMember, description = "They may use it from now on.")))]
pub(super) async fn add(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Named(id): Named<WorkspaceId>,
    Body(add): Body<AddMember>,
) -> Result<(StatusCode, Json<WorkspaceMember>), ApiError> {
    // First: strangers and mere readers learn nothing of anybody.
    state.workspaces.require_admin(identity.user.id, id).await?;
    let person = state.auth.find_person(&identity, &add.login, &origin.device).await?;
    let added = state.workspaces.add_member(identity.user.id, id, person.id, add.role).await?;
    if added.changed {
        let (about, role) = ((id, person.id), Some(added.member.role));
        state.auth.tell_of_member(AuditAction::MemberAdded, &identity, about, role, &origin.device);
    }
    Ok((StatusCode::CREATED, Json(added.member)))
}

/// Gives a member another role. For admins of the workspace, who give nobody more than they have.
#[utoipa::path(patch, path = "/workspaces/{id}/members/{user}", operation_id = "change_member", tag = "workspaces",
    params(("id" = WorkspaceId, Path), ("user" = UserId, Path)), request_body = ChangeMember,
    responses((status = 200, body = WorkspaceMember)))]
pub(super) async fn change(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Named(id): Named<WorkspaceId>,
    NamedMember(user): NamedMember,
    Body(change): Body<ChangeMember>,
) -> Result<Json<WorkspaceMember>, ApiError> {
    let changed = state.workspaces.change_member(identity.user.id, id, user, change.role).await?;
    if changed.changed {
        let role = Some(changed.member.role);
        if role < Some(WorkspaceRole::Write) {
            state.terminals.end_membership(user, id).await;
        }
        state.auth.tell_of_member(AuditAction::MemberChanged, &identity, (id, user), role, &origin.device);
    }
    Ok(Json(changed.member))
}

/// Ends a membership, with everything that the person has under way there. Everybody may leave; admins remove others.
#[utoipa::path(delete, path = "/workspaces/{id}/members/{user}", operation_id = "remove_member", tag = "workspaces",
    params(("id" = WorkspaceId, Path), ("user" = UserId, Path)),
    responses((status = 204, description = "They may no longer use it.")))]
pub(super) async fn remove(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Named(id): Named<WorkspaceId>,
    NamedMember(user): NamedMember,
) -> Result<StatusCode, ApiError> {
    state.workspaces.remove_member(identity.user.id, id, user).await?;
    // Before the answer says that they may no longer. Where they run something on another server, that one finds out by itself.
    state.terminals.end_membership(user, id).await;
    // Should they come back, nothing may run that they do not remember having granted anything.
    state.forget_plugins_of(id, Some(user)).await;
    state.auth.tell_of_member(AuditAction::MemberRemoved, &identity, (id, user), None, &origin.device);
    Ok(StatusCode::NO_CONTENT)
}
