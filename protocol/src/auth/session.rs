//! Sessions and the tokens that belong to them.

use serde::{Deserialize, Serialize};

use super::people::UserInfo;
use super::shows_nothing;
use crate::id::SessionId;

/// Body of `refresh` for programs; a browser sends the cookie instead.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The refresh token of the last answer.
    #[serde(default)]
    pub refresh_token: Option<String>,
}

/// Answer of `register`, `login`, `refresh` and a change of the password.
///
/// A program gets both tokens. A browser gets neither: it has them as `HttpOnly` cookies, which would hide nothing from a script that
/// could read them here.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenAnswer {
    /// For `Authorization: Bearer …`; for programs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until the access token ends.
    pub expires_in: u64,
    /// Gives the next pair, once; for programs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Who is logged in.
    pub session: SessionInfo,
}

impl TokenAnswer {
    /// The same for a browser, which has the tokens in its cookies.
    #[must_use]
    pub fn without_tokens(self) -> Self {
        Self { access_token: None, refresh_token: None, ..self }
    }
}

/// Who is logged in, and how. Answer of `GET /auth/me`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionInfo {
    /// The person.
    pub user: UserInfo,
    /// This login.
    pub session_id: SessionId,
    /// When the login ends unless it is refreshed, milliseconds since 1970.
    pub expires_at: u64,
}

/// One login of a person, in the list of `GET /auth/sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionEntry {
    /// Identifier, for `DELETE /auth/sessions/{id}`.
    pub id: SessionId,
    /// Whether it is the login that asks.
    pub current: bool,
    /// Browser or program and system, for a person to recognise: `Firefox on Linux`.
    pub device: String,
    /// What the program called itself.
    pub user_agent: String,
    /// Network address that it was last used from, where the server knows it.
    #[cfg_attr(feature = "js", tsify(optional))]
    pub address: Option<String>,
    /// Logged in at, milliseconds since 1970.
    pub created_at: u64,
    /// Last refreshed at, milliseconds since 1970; at most one access token's life before its last use.
    pub used_at: u64,
    /// When the login ends unless it is refreshed, milliseconds since 1970.
    pub expires_at: u64,
}

/// How many logins were ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ended {
    /// Number.
    pub ended: u32,
}

shows_nothing!(RefreshRequest, TokenAnswer);
