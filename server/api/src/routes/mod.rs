//! HTTP routes: each module translates one area into calls of its feature.

mod auth;
mod files;
mod health;
mod llm;
mod workspaces;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use coditect_protocol::API_PREFIX;

use crate::settings::Settings;
use crate::{AppState, layers, link};

/// Every route but the static files.
pub(crate) fn all(settings: &Settings) -> Router<AppState> {
    let small = Router::new()
        .route("/health", get(health::show))
        .route("/auth/register", post(auth::register))
        .route("/auth/login", post(auth::login))
        .route("/auth/refresh", post(auth::refresh))
        .route("/auth/logout", post(auth::logout))
        .route("/auth/me", get(auth::me))
        .route("/workspaces", get(workspaces::list).post(workspaces::create))
        .route("/workspaces/{id}", get(workspaces::show).patch(workspaces::rename).delete(workspaces::delete))
        .route("/llm/models", get(llm::models))
        .layer(DefaultBodyLimit::max(settings.request_max_bytes));
    // Uploads and downloads take as long as they take, and bound their bodies themselves.
    let large = Router::new()
        .route("/workspaces/upload", post(workspaces::upload))
        .route("/workspaces/{id}/files", get(files::read_root))
        .route("/workspaces/{id}/files/", get(files::read_root))
        .route("/workspaces/{id}/files/{*path}", get(files::read).put(files::write).delete(files::delete))
        .route("/ws", get(link::upgrade))
        .layer(DefaultBodyLimit::disable());
    Router::new()
        .nest(
            API_PREFIX,
            layers::timeout(small, settings)
                .merge(layers::moving_body(large, settings))
                .fallback(|| async { http::StatusCode::NOT_FOUND }),
        )
        .route("/health", get(health::show))
}
