//! Body of `/health` and `/api/v5/health`.

use serde::{Deserialize, Serialize};

/// State of the server. Sent with 200, or with 503 while `status` is `draining`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// Overall state.
    pub status: HealthStatus,
    /// Version of the server.
    pub version: String,
    /// Store in use and whether it answers.
    pub store: StoreHealth,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// What works only in part, a sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Overall state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Everything works.
    Ok,
    /// It serves, but something it needs does not answer.
    Degraded,
    /// It is finishing what is under way and takes nothing new.
    Draining,
}

/// State of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoreHealth {
    /// `memory`, `embedded`, `foundationdb` or `socket`.
    pub backend: String,
    /// Whether a read succeeded just now.
    pub ok: bool,
    /// Stable code of what is wrong, where something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}
