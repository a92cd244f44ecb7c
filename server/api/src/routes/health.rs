//! `/health` and `/api/v5/health`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use coditect_protocol::Coded as _;
use coditect_protocol::health::{Health, HealthStatus, StoreHealth};
use http::StatusCode;

use crate::AppState;

/// Code of a store that does not answer in time.
const SLOW_STORE: &str = "store.slow";
/// How long the store may take: whoever asks gives up soon.
const STORE_LIMIT: Duration = Duration::from_secs(2);

/// How the server is: for load balancers, and for people who look.
#[utoipa::path(get, path = "/health", operation_id = "health", tag = "server", responses(
    (status = 200, body = Health, description = "It serves; `degraded` where something that it needs does not answer."),
    (status = 503, body = Health, description = "It is stopping."),
))]
pub(super) async fn show(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    let answered = tokio::time::timeout(STORE_LIMIT, state.store.ping()).await;
    let store_code = match answered {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.code().to_owned()),
        Err(_) => Some(SLOW_STORE.to_owned()),
    };
    let store_ok = store_code.is_none();
    let status = match (state.draining.is_cancelled(), store_ok) {
        (true, _) => HealthStatus::Draining,
        (false, true) => HealthStatus::Ok,
        (false, false) => HealthStatus::Degraded,
    };
    let code = if status == HealthStatus::Draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let health = Health {
        status,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        store: StoreHealth { backend: state.store.backend_name().to_owned(), ok: store_ok, code: store_code },
        uptime_seconds: state.started.elapsed().as_secs(),
        warnings: state.warnings.iter().cloned().chain(state.watchers.warnings()).collect(),
    };
    (code, Json(health))
}

/// The same below the API.
#[utoipa::path(get, path = "/health", operation_id = "api_health", tag = "server", responses(
    (status = 200, body = Health, description = "It serves; `degraded` where something that it needs does not answer."),
    (status = 503, body = Health, description = "It is stopping."),
))]
pub(super) async fn show_below_api(state: State<AppState>) -> (StatusCode, Json<Health>) {
    show(state).await
}
