//! `/plugins/registry`: what is published.

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawPathParams, State};
use axum::response::{IntoResponse as _, Response};
use coditect_plugins::PluginsError;
use coditect_protocol::Kind;
use coditect_protocol::plugin::{PluginId, RegistryLogPage, RegistryPage, RegistryPlugin, RegistryVersion, Yank};
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::assets::{self, part};
use super::{OFF, PACKAGE, author, of};
use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::Caller;
use crate::problem::Body;
use crate::routes::named::Named;
use crate::routes::refusals::Refusals;

const NAMED: Refusals = &[(Kind::NotFound, &["plugins.not_found", "plugins.version_not_found"])];
pub(in crate::routes) const SEARCH: &[Refusals] =
    &[OFF, &[(Kind::Invalid, &["api.bad_query", "plugins.query_too_long", "plugins.bad_cursor"])]];
pub(in crate::routes) const LOG: &[Refusals] = &[OFF, &[(Kind::Invalid, &["api.bad_query"])]];
pub(in crate::routes) const ONE: &[Refusals] = &[OFF, NAMED];
pub(in crate::routes) const ASSET: &[Refusals] = &[OFF, NAMED, assets::REFUSALS];
pub(in crate::routes) const PUBLISH: &[Refusals] = &[
    OFF,
    PACKAGE,
    &[
        (Kind::Invalid, &["plugins.unsigned", "plugins.key_unknown"]),
        (Kind::Forbidden, &["plugins.may_not_publish", "plugins.publisher_taken"]),
        (Kind::NotFound, &["plugins.publisher_not_found"]),
        (Kind::Conflict, &["plugins.version_exists", "plugins.version_old"]),
    ],
];
pub(in crate::routes) const YANK: &[Refusals] = &[
    OFF,
    NAMED,
    &[
        (Kind::Forbidden, &["plugins.publisher_taken", "plugins.may_not_publish"]),
        (Kind::NotFound, &["plugins.publisher_not_found"]),
    ],
];

/// Plugins on a page where nothing else is said.
const PAGE: usize = 50;
const BAD_PAGE: ApiFault =
    ApiFault::BadQuery("Give `q`, `after` as the page before told it, and `limit`, a whole number.");
const BAD_LOG: ApiFault = ApiFault::BadQuery("Give `from`, the number of an entry, and `limit`, a whole number.");

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::routes) struct SearchQuery {
    q: String,
    after: Option<String>,
    limit: usize,
}

impl Default for SearchQuery {
    fn default() -> Self {
        Self { q: String::new(), after: None, limit: PAGE }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::routes) struct LogQuery {
    from: u64,
    limit: usize,
}

impl Default for LogQuery {
    fn default() -> Self {
        Self { from: 0, limit: PAGE }
    }
}

/// Searches the registry: what matches best first; those most fetched first where nothing is searched for.
#[utoipa::path(get, path = "/plugins/registry", operation_id = "search_plugins", tag = "plugins",
    params(
        ("q" = Option<String>, Query, description = "Words."),
        ("after" = Option<String>, Query, description = "The `next` of the page before."),
        ("limit" = Option<u32>, Query, description = "Most plugins of the page, up to 100."),
    ),
    responses((status = 200, body = RegistryPage)))]
pub(in crate::routes) async fn search(
    State(state): State<AppState>,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Json<RegistryPage>, ApiError> {
    let Query(query) = query.map_err(|_| BAD_PAGE)?;
    Ok(Json(of(&state)?.registry().search(&query.q, query.after.as_deref(), query.limit.max(1)).await?))
}

/// All that was published, yanked, and which keys were added and revoked, in order. Each entry holds the SHA-256 of the one before: whoever
/// keeps the last one sees whether any was changed.
#[utoipa::path(get, path = "/plugins/registry/log", operation_id = "show_plugin_log", tag = "plugins",
    params(
        ("from" = Option<u64>, Query, description = "The entries from this number on; the `next` of the page before."),
        ("limit" = Option<u32>, Query, description = "Most entries of the page, up to 500."),
    ),
    responses((status = 200, body = RegistryLogPage)))]
pub(in crate::routes) async fn log(
    State(state): State<AppState>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Json<RegistryLogPage>, ApiError> {
    let Query(query) = query.map_err(|_| BAD_LOG)?;
    Ok(Json(of(&state)?.registry().log(query.from, query.limit.max(1)).await?))
}

/// Everything about a plugin.
#[utoipa::path(get, path = "/plugins/registry/{id}", operation_id = "show_plugin", tag = "plugins",
    params(("id" = String, Path, description = "`publisher.name`.")), responses((status = 200, body = RegistryPlugin)))]
pub(in crate::routes) async fn show(
    State(state): State<AppState>,
    Named(id): Named<PluginId>,
) -> Result<Json<RegistryPlugin>, ApiError> {
    Ok(Json(of(&state)?.registry().show(&id).await?))
}

/// The file of a version, as its publisher sent it.
#[utoipa::path(get, path = "/plugins/registry/{id}/{version}/package", operation_id = "fetch_plugin", tag = "plugins",
    params(("id" = String, Path, description = "`publisher.name`."), ("version" = String, Path)),
    responses((status = 200, description = "The package.", content_type = "application/octet-stream", body = Vec<u8>)))]
pub(in crate::routes) async fn package(
    State(state): State<AppState>,
    Named(id): Named<PluginId>,
    params: RawPathParams,
) -> Result<Response, ApiError> {
    let package = of(&state)?.registry().download(&id, Some(part(&params, "version"))).await?;
    // Checked names: nothing of them breaks out of the header.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}-{}.coditect-plugin\"", package.id, package.version),
        ),
        (header::CONTENT_LENGTH, package.bytes.to_string()),
    ];
    let pieces = stream::try_unfold(package, async |mut package| {
        Ok::<_, PluginsError>(package.next().await?.map(|piece| (piece, package)))
    });
    Ok((headers, HttpBody::from_stream(pieces)).into_response())
}

/// The picture of a version, or the document of one of its themes.
#[utoipa::path(get, path = "/plugins/registry/{id}/{version}/assets/{*path}", operation_id = "show_plugin_asset", tag = "plugins",
    params(
        ("id" = String, Path, description = "`publisher.name`."),
        ("version" = String, Path),
        ("path" = String, Path, max_length = 200, description = "As the manifest names it, without `assets/`."),
    ),
    responses((status = 200, description = "The file.",
        content((Vec<u8> = "image/png"), (Vec<u8> = "image/svg+xml"), (Vec<u8> = "application/json")))))]
pub(in crate::routes) async fn asset(
    State(state): State<AppState>,
    Named(id): Named<PluginId>,
    params: RawPathParams,
) -> Result<Response, ApiError> {
    let registry = of(&state)?.registry();
    let asset = assets::named_in(&params)?;
    let bytes = registry.asset(&id, Some(part(&params, "version")), &asset.path).await?;
    Ok(asset.answer(bytes))
}

/// Publishes a version. The body is the package, signed with a key of its publisher.
#[utoipa::path(post, path = "/plugins/registry", operation_id = "publish_plugin", tag = "plugins",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = RegistryVersion)))]
pub(in crate::routes) async fn publish(
    State(state): State<AppState>,
    Caller(identity): Caller,
    headers: HeaderMap,
    body: HttpBody,
) -> Result<(StatusCode, Json<RegistryVersion>), ApiError> {
    let plugins = of(&state)?;
    let author = author(&identity);
    let package = state.packages.receive(author.user, &headers, body).await?;
    let published = plugins.registry().publish(author, package.bytes.clone()).await?;
    Ok((StatusCode::CREATED, Json(published)))
}

/// Takes a version back, or offers it again. Who has it keeps it.
#[utoipa::path(post, path = "/plugins/registry/{id}/{version}/yank", operation_id = "yank_plugin", tag = "plugins",
    params(("id" = String, Path, description = "`publisher.name`."), ("version" = String, Path)), request_body = Yank,
    responses((status = 204, description = "Done.")))]
pub(in crate::routes) async fn yank(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<PluginId>,
    params: RawPathParams,
    Body(wanted): Body<Yank>,
) -> Result<StatusCode, ApiError> {
    let author = author(&identity);
    of(&state)?.registry().yank(author, &id, part(&params, "version"), wanted.yanked).await?;
    Ok(StatusCode::NO_CONTENT)
}
