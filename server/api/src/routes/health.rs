//! `/health` and `/api/v5/health`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use coditect_protocol::health::{Health, HealthStatus, StoreHealth};
use http::StatusCode;

use crate::AppState;

/// How long the store may take: whoever asks gives up soon.
const STORE_LIMIT: Duration = Duration::from_secs(2);

pub(super) async fn show(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    let store_ok = matches!(tokio::time::timeout(STORE_LIMIT, state.store.ping()).await, Ok(Ok(())));
    let status = match (state.draining.is_cancelled(), store_ok) {
        (true, _) => HealthStatus::Draining,
        (false, true) => HealthStatus::Ok,
        (false, false) => HealthStatus::Degraded,
    };
    let code = if status == HealthStatus::Draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let health = Health {
        status,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        store: StoreHealth { backend: state.store.backend_name().to_owned(), ok: store_ok },
        uptime_seconds: state.started.elapsed().as_secs(),
        warnings: state.warnings.clone(),
    };
    (code, Json(health))
}
