//! `/plugins/installed`: what a person has in their workspaces, and what they grant it.

use axum::Json;
use axum::extract::{RawPathParams, State};
use axum::response::Response;
use coditect_protocol::plugin::{Installed, InstalledList, NewInstall, PluginId, PluginLog, SettingsChange};
use coditect_protocol::{Kind, WorkspaceId};
use http::StatusCode;

use super::{InWorkspace, OFF, WORKSPACE, assets, member_of, of};
use crate::AppState;
use crate::error::ApiError;
use crate::identity::Caller;
use crate::problem::Body;
use crate::routes::named::{Named, NamedWorkspace};
use crate::routes::refusals::Refusals;

const ONE: Refusals = &[(Kind::NotFound, &["plugins.not_found", "plugins.not_installed"])];
pub(in crate::routes) const LIST: &[Refusals] = &[OFF, WORKSPACE];
pub(in crate::routes) const INSTALL: &[Refusals] = &[
    OFF,
    WORKSPACE,
    &[
        (Kind::Invalid, &["plugins.not_asked", "plugins.contract", "plugins.unsigned"]),
        (Kind::Forbidden, &["plugins.not_allowed", "plugins.no_files"]),
        (
            Kind::NotFound,
            &["plugins.not_found", "plugins.version_not_found", "plugins.upload_not_found", "plugins.not_installed"],
        ),
        (Kind::Conflict, &["plugins.consent_changed", "plugins.yanked", "plugins.other_signer", "plugins.downgrade"]),
        (Kind::TooLarge, &["plugins.too_many"]),
    ],
];
pub(in crate::routes) const CHANGE: &[Refusals] = &[
    OFF,
    WORKSPACE,
    ONE,
    &[
        (Kind::Invalid, &["plugins.not_asked", "plugins.no_setting", "plugins.setting_invalid"]),
        (Kind::TooLarge, &["plugins.settings_too_large"]),
    ],
];
pub(in crate::routes) const REMOVE: &[Refusals] = &[OFF, ONE, &[(Kind::NotFound, &["workspace.not_found"])]];
pub(in crate::routes) const LOG: &[Refusals] = &[OFF, WORKSPACE, ONE];
pub(in crate::routes) const ASSET: &[Refusals] = &[OFF, WORKSPACE, ONE, assets::REFUSALS];

/// The person's plugins in a workspace, by name.
#[utoipa::path(get, path = "/plugins/installed", operation_id = "list_installed_plugins", tag = "plugins",
    params(("workspace" = String, Query, description = "Which.")), responses((status = 200, body = InstalledList)))]
pub(in crate::routes) async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
    InWorkspace(workspace): InWorkspace,
) -> Result<Json<InstalledList>, ApiError> {
    let plugins = of(&state)?;
    member_of(&state, &identity, workspace).await?;
    Ok(Json(plugins.list(identity.user.id, workspace).await?))
}

/// Installs a plugin for the person in a workspace, or takes another version of it, with what they grant. `consent` repeats what the review
/// told: where the plugin asks for something else by now, nothing happens.
#[utoipa::path(post, path = "/plugins/installed", operation_id = "install_plugin", tag = "plugins",
    request_body = NewInstall, responses((status = 201, body = Installed)))]
pub(in crate::routes) async fn install(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Body(new): Body<NewInstall>,
) -> Result<(StatusCode, Json<Installed>), ApiError> {
    let plugins = of(&state)?;
    member_of(&state, &identity, new.workspace).await?;
    Ok((StatusCode::CREATED, Json(plugins.install(identity.user.id, &new).await?)))
}

/// Switches a plugin on or off, sets its settings, or changes what it is granted.
#[utoipa::path(patch, path = "/plugins/installed/{workspace}/{id}", operation_id = "change_installed_plugin", tag = "plugins",
    params(("workspace" = WorkspaceId, Path), ("id" = String, Path, description = "`publisher.name`.")),
    request_body = SettingsChange, responses((status = 200, body = Installed)))]
pub(in crate::routes) async fn change(
    State(state): State<AppState>,
    Caller(identity): Caller,
    NamedWorkspace(workspace): NamedWorkspace,
    Named(id): Named<PluginId>,
    Body(change): Body<SettingsChange>,
) -> Result<Json<Installed>, ApiError> {
    let plugins = of(&state)?;
    member_of(&state, &identity, workspace).await?;
    Ok(Json(plugins.change(identity.user.id, workspace, &id, &change).await?))
}

/// Takes a plugin away from the person in a workspace, with its values and settings there. This goes without any right to the workspace:
/// they can tidy up after they left it.
#[utoipa::path(delete, path = "/plugins/installed/{workspace}/{id}", operation_id = "uninstall_plugin", tag = "plugins",
    params(("workspace" = WorkspaceId, Path), ("id" = String, Path, description = "`publisher.name`.")),
    responses((status = 204, description = "It is gone.")))]
pub(in crate::routes) async fn remove(
    State(state): State<AppState>,
    Caller(identity): Caller,
    NamedWorkspace(workspace): NamedWorkspace,
    Named(id): Named<PluginId>,
) -> Result<StatusCode, ApiError> {
    of(&state)?.uninstall(identity.user.id, workspace, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The picture of a plugin, or the document of one of its themes, in the version that is installed.
#[utoipa::path(get, path = "/plugins/installed/{workspace}/{id}/assets/{*path}", operation_id = "show_installed_asset", tag = "plugins",
    params(
        ("workspace" = WorkspaceId, Path),
        ("id" = String, Path, description = "`publisher.name`."),
        ("path" = String, Path, max_length = 200, description = "As the manifest names it, without `assets/`."),
    ),
    responses((status = 200, description = "The file.",
        content((Vec<u8> = "image/png"), (Vec<u8> = "image/svg+xml"), (Vec<u8> = "application/json")))))]
pub(in crate::routes) async fn asset(
    State(state): State<AppState>,
    Caller(identity): Caller,
    NamedWorkspace(workspace): NamedWorkspace,
    Named(id): Named<PluginId>,
    params: RawPathParams,
) -> Result<Response, ApiError> {
    let plugins = of(&state)?;
    member_of(&state, &identity, workspace).await?;
    let asset = assets::named_in(&params)?;
    let bytes = plugins.asset(identity.user.id, workspace, &id, &asset.path).await?;
    Ok(asset.answer(bytes))
}

/// What a plugin wrote, and what it was denied, on this server.
#[utoipa::path(get, path = "/plugins/installed/{workspace}/{id}/log", operation_id = "show_plugin_output", tag = "plugins",
    params(("workspace" = WorkspaceId, Path), ("id" = String, Path, description = "`publisher.name`.")),
    responses((status = 200, body = PluginLog)))]
pub(in crate::routes) async fn log(
    State(state): State<AppState>,
    Caller(identity): Caller,
    NamedWorkspace(workspace): NamedWorkspace,
    Named(id): Named<PluginId>,
) -> Result<Json<PluginLog>, ApiError> {
    let plugins = of(&state)?;
    member_of(&state, &identity, workspace).await?;
    Ok(Json(plugins.log(identity.user.id, workspace, &id).await?))
}
