//! Logging in a program without a browser (RFC 8628): it shows a short code, which the person enters on a page where they are logged
//! in.

use serde::{Deserialize, Serialize};

use super::shows_nothing;

/// Body of `POST /auth/device/code`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceCodeRequest {
    /// What the program calls itself; shown to the person.
    pub client_name: String,
}

/// Answer of `POST /auth/device/code` (RFC 8628 §3.2).
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceCode {
    /// What the program asks with at `POST /auth/device/token`.
    pub device_code: String,
    /// What the person enters.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code filled in.
    pub verification_uri_complete: String,
    /// Seconds until the codes end.
    pub expires_in: u64,
    /// Least seconds between two questions.
    pub interval: u64,
}

/// Body of `POST /auth/device/token`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceTokenRequest {
    /// Of the answer to `POST /auth/device/code`.
    pub device_code: String,
}

/// Answer of `GET /auth/device/{user_code}`: who asks to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceRequest {
    /// What the program calls itself. Anybody can claim any name.
    pub client_name: String,
    /// Network address that it asks from, where the server knows it.
    #[cfg_attr(feature = "js", tsify(optional))]
    pub address: Option<String>,
    /// Asked at, milliseconds since 1970.
    pub created_at: u64,
    /// Ends at, milliseconds since 1970.
    pub expires_at: u64,
}

/// Body of `POST /auth/device/{user_code}`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceDecision {
    /// Whether the program is let in, as the person.
    pub approve: bool,
}

shows_nothing!(DeviceCode, DeviceTokenRequest);
