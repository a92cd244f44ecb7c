//! HTTP routes: each module translates one area into calls of its feature. [`all`] is the table of them: who may call each, and what
//! it refuses with.

pub(crate) mod access;
mod admin;
pub(crate) mod api;
mod auth;
mod files;
mod git;
mod health;
mod llm;
mod members;
mod metrics;
pub(crate) mod named;
mod openapi;
mod plugins;
mod refusals;
mod uploads;
mod well_known;
mod workspaces;

use axum::extract::DefaultBodyLimit;
use axum::{Extension, Router};
use coditect_protocol::API_PREFIX;
use coditect_protocol::auth::Scope;
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{AppState, doors, layers, link};
use access::Access::{Admin, AdminLogin, AnyCredential, Everybody, Login, Metrics, OwnSite, Scoped};
use api::Routes;
use auth::{device, password, second_factor, sessions, tokens};

pub(crate) use auth::cookies;
pub(crate) use refusals::Refusals;

/// Every route but the static files: those that the usual layers go around, and the doors of the gateway.
pub(crate) fn all(state: &AppState) -> Result<(Router<AppState>, Router<AppState>), serde_json::Error> {
    let settings = &state.settings;
    let small = Routes::merge([
        accounts(state),
        account(state),
        administration(state),
        work(state),
        models(state),
        plugins(state),
    ]);
    let small = small.layer(DefaultBodyLimit::max(settings.request_max_bytes));
    // Uploads and downloads take as long as they take, and bound their bodies themselves.
    let large = content(state).into_router().layer(DefaultBodyLimit::disable());
    let api = layers::timeout(small, settings).merge(layers::moving_body(large, settings)).fallback(absent);
    let root = Routes::new(state)
        .add(Everybody, &[], routes!(health::show))
        .add(Everybody, &[], routes!(well_known::jwks))
        .add(Everybody, &[], routes!(well_known::change_password))
        .into_router()
        // What else others look for is not here; the front's page would be taken for it.
        .route("/.well-known/{*other}", axum::routing::any(absent));
    let doors = OpenApiRouter::new().nest(API_PREFIX, doors::routes(state).into_router());
    let (doors, described) = doors.split_for_parts();
    // What is not there is told in the dialect too.
    let doors = doors.route(&format!("{API_PREFIX}/llm/v1/{{*other}}"), axum::routing::any(absent));
    let (router, document) = api::split(OpenApiRouter::new().nest(API_PREFIX, api).merge(root), described);
    let json = serde_json::to_vec(&document)?;
    Ok((router.layer(Extension(openapi::Document(json.into()))), doors))
}

async fn absent() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// What comes before a login.
fn accounts(state: &AppState) -> Routes {
    Routes::new(state)
        .add(Everybody, &[], routes!(health::show_below_api))
        .add(Everybody, &[], routes!(openapi::show))
        .add(Everybody, &[], routes!(auth::config))
        .add(OwnSite, auth::REGISTER, routes!(auth::register))
        .add(OwnSite, auth::LOGIN, routes!(auth::login))
        .add(OwnSite, auth::ANSWER_SECOND_FACTOR, routes!(auth::answer_second_factor))
        .add(OwnSite, auth::REFRESH, routes!(auth::refresh))
        .add(OwnSite, password::FORGOT, routes!(password::forgot))
        .add(OwnSite, password::RESET, routes!(password::reset))
        .add(OwnSite, device::CODE, routes!(device::code))
        .add(OwnSite, device::TOKEN, routes!(device::token))
}

/// What a person does about their own account.
fn account(state: &AppState) -> Routes {
    Routes::new(state)
        .add(Scoped(Scope::AccountRead), &[], routes!(auth::me))
        .add(Login, &[], routes!(auth::logout))
        .add(Login, password::CHANGE, routes!(password::change))
        .add(Login, &[], routes!(sessions::list))
        .add(Login, &[], routes!(sessions::end_others))
        .add(Login, sessions::END, routes!(sessions::end))
        .add(Login, &[], routes!(tokens::list))
        .add(Login, tokens::MAKE, routes!(tokens::make))
        .add(Login, tokens::REVOKE, routes!(tokens::revoke))
        .add(Login, &[], routes!(second_factor::status))
        .add(Login, second_factor::BEGIN, routes!(second_factor::begin))
        .add(Login, second_factor::CONFIRM, routes!(second_factor::confirm))
        .add(Login, second_factor::CHANGE, routes!(second_factor::renew_codes))
        .add(Login, second_factor::CHANGE, routes!(second_factor::disable))
        .add(Login, device::SHOW, routes!(device::show))
        .add(Login, device::SHOW, routes!(device::decide))
}

/// What an admin does.
fn administration(state: &AppState) -> Routes {
    Routes::new(state)
        .add(Admin, admin::PEOPLE, routes!(admin::people))
        .add(Admin, admin::CHANGE_PERSON, routes!(admin::change_person))
        .add(AdminLogin, admin::SOMEBODY, routes!(admin::issue_reset_code))
        .add(AdminLogin, admin::SECOND_FACTOR, routes!(admin::remove_second_factor))
        .add(Admin, admin::PERSON, routes!(admin::end_sessions))
        .add(Admin, &[], routes!(admin::invites))
        .add(Admin, admin::MAKE_INVITE, routes!(admin::make_invite))
        .add(Admin, admin::INVITE, routes!(admin::revoke_invite))
        .add(Admin, admin::ROTATE_KEYS, routes!(admin::rotate_keys))
        .add(Admin, &[], routes!(llm::policy::show))
        .add(Admin, llm::policy::CHANGE, routes!(llm::policy::change))
        .add(Admin, &[], routes!(llm::keys::list))
        .add(AdminLogin, llm::keys::ADD, routes!(llm::keys::add))
        .add(AdminLogin, llm::keys::REMOVE, routes!(llm::keys::remove))
        .add(Admin, llm::usage::REPORT, routes!(llm::usage::report))
        .add(Admin, llm::usage::CALLS, routes!(llm::usage::calls))
        .add(Admin, plugins::admin::SHOW, routes!(plugins::admin::overview))
        .add(Admin, plugins::admin::SHOW, routes!(plugins::admin::show))
        .add(Admin, plugins::admin::CHANGE, routes!(plugins::admin::change))
        .add(Admin, plugins::admin::PUBLISHERS, routes!(plugins::admin::publishers))
        .add(Metrics, &[], routes!(metrics::show))
}

/// Workspaces.
fn work(state: &AppState) -> Routes {
    Routes::new(state)
        .add(Scoped(Scope::WorkspacesRead), &[], routes!(workspaces::list))
        .add(Scoped(Scope::WorkspacesWrite), workspaces::CREATE, routes!(workspaces::create))
        .add(Scoped(Scope::WorkspacesRead), workspaces::ONE, routes!(workspaces::show))
        .add(Scoped(Scope::WorkspacesWrite), workspaces::RENAME, routes!(workspaces::rename))
        .add(Scoped(Scope::WorkspacesWrite), workspaces::DELETE, routes!(workspaces::delete))
        .add(Scoped(Scope::WorkspacesRead), members::LIST, routes!(members::list))
        .add(Scoped(Scope::WorkspacesWrite), members::ADD, routes!(members::add))
        .add(Scoped(Scope::WorkspacesWrite), members::CHANGE, routes!(members::change))
        .add(Scoped(Scope::WorkspacesWrite), members::CHANGE, routes!(members::remove))
        // A secret for another site is a person's own business, and no program's.
        .add(Login, &[], routes!(git::list))
        .add(Login, git::ADD, routes!(git::add))
        .add(Login, git::REMOVE, routes!(git::remove))
}

/// Models, and a person's own dealings with them. A program that may ask models may not read what was asked before: agents hold the
/// scope `llm`, and what a person does elsewhere is none of their business.
fn models(state: &AppState) -> Routes {
    Routes::new(state)
        .add(Scoped(Scope::Llm), &[], routes!(llm::models))
        .add(Scoped(Scope::Llm), &[], routes!(llm::me))
        .add(Login, &[], routes!(llm::keys::list_own))
        .add(Login, llm::keys::ADD_OWN, routes!(llm::keys::add_own))
        .add(Login, llm::keys::REMOVE, routes!(llm::keys::remove_own))
        .add(Scoped(Scope::UsageRead), llm::usage::REPORT, routes!(llm::usage::report_own))
        .add(Scoped(Scope::UsageRead), llm::usage::CALLS, routes!(llm::usage::calls_own))
        .add(Login, &[], routes!(llm::history::settings))
        .add(Login, &[], routes!(llm::history::change_settings))
        .add(Login, llm::history::LIST, routes!(llm::history::list))
        .add(Login, &[], routes!(llm::history::delete_all))
        .add(Login, llm::history::ONE, routes!(llm::history::show))
        .add(Login, llm::history::ONE, routes!(llm::history::delete))
}

/// Plugins. What one may do is for its person to grant, and for no program: only who works on a plugin lets a program of theirs put it in
/// place.
fn plugins(state: &AppState) -> Routes {
    Routes::new(state)
        .add(Scoped(Scope::Plugins), plugins::registry::SEARCH, routes!(plugins::registry::search))
        .add(Scoped(Scope::Plugins), plugins::registry::LOG, routes!(plugins::registry::log))
        .add(Scoped(Scope::Plugins), plugins::registry::ONE, routes!(plugins::registry::show))
        .add(Scoped(Scope::Plugins), plugins::registry::ASSET, routes!(plugins::registry::asset))
        .add(Scoped(Scope::Plugins), plugins::registry::YANK, routes!(plugins::registry::yank))
        .add(Scoped(Scope::Plugins), plugins::publishers::LIST, routes!(plugins::publishers::list))
        .add(Scoped(Scope::Plugins), plugins::publishers::ADD, routes!(plugins::publishers::add))
        .add(Login, plugins::publishers::REVOKE, routes!(plugins::publishers::revoke))
        .add(Login, plugins::review::SOURCE, routes!(plugins::review::source))
        .add(Scoped(Scope::Plugins), plugins::installed::LIST, routes!(plugins::installed::list))
        .add(Scoped(Scope::Plugins), plugins::installed::ASSET, routes!(plugins::installed::asset))
        .add(Login, plugins::installed::INSTALL, routes!(plugins::installed::install))
        .add(Login, plugins::installed::CHANGE, routes!(plugins::installed::change))
        .add(Login, plugins::installed::REMOVE, routes!(plugins::installed::remove))
        .add(Scoped(Scope::Plugins), plugins::installed::LOG, routes!(plugins::installed::log))
}

/// What carries files or whole documents, or is the link.
fn content(state: &AppState) -> Routes {
    Routes::new(state)
        .add(Scoped(Scope::WorkspacesWrite), workspaces::UPLOAD, routes!(workspaces::upload))
        .add(Scoped(Scope::FilesRead), files::READ, routes!(files::read_root))
        .add(Scoped(Scope::FilesRead), files::READ, routes!(files::read_root_folder))
        .add(Scoped(Scope::FilesRead), files::READ, routes!(files::read))
        .add(Scoped(Scope::FilesWrite), files::WRITE, routes!(files::write))
        .add(Scoped(Scope::FilesWrite), files::DELETE, routes!(files::delete))
        .add(Scoped(Scope::FilesWrite), files::WRITE_PART, routes!(files::write_part))
        .add(Scoped(Scope::FilesWrite), uploads::BEGIN, routes!(uploads::begin))
        .add(Scoped(Scope::FilesWrite), uploads::ONE, routes!(uploads::show))
        .add(Scoped(Scope::FilesWrite), uploads::CONTINUE, routes!(uploads::go_on))
        .add(Scoped(Scope::FilesWrite), uploads::FINISH, routes!(uploads::finish))
        .add(Scoped(Scope::FilesWrite), uploads::ONE, routes!(uploads::cancel))
        .add(Scoped(Scope::FilesRead), uploads::DOWNLOAD, routes!(uploads::download))
        .add(Scoped(Scope::FilesRead), uploads::USAGE, routes!(uploads::usage))
        .add(Scoped(Scope::UsageRead), llm::export::EXPORT, routes!(llm::export::own))
        .add(Admin, llm::export::EXPORT, routes!(llm::export::all))
        .add(Scoped(Scope::Plugins), plugins::registry::PUBLISH, routes!(plugins::registry::publish))
        .add(Scoped(Scope::Plugins), plugins::registry::ONE, routes!(plugins::registry::package))
        .add(Login, plugins::review::FILE, routes!(plugins::review::file))
        .add(Scoped(Scope::Plugins), plugins::develop::DEVELOP, routes!(plugins::develop::develop))
        .add(AnyCredential, link::UPGRADE, routes!(link::upgrade))
}
