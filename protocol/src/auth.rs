//! Bodies of `/api/v5/auth`.

use serde::{Deserialize, Serialize};

use crate::id::{SessionId, UserId};

/// Body of `register` and `login`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// E-mail address; compared without regard to case.
    pub email: String,
    /// Password in clear text; lives only in memory.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Body of `refresh` for programs; a browser sends the cookie instead.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The refresh token of the last answer.
    #[serde(default)]
    pub refresh_token: Option<String>,
}

/// Answer of `register`, `login` and `refresh`. A browser gets the tokens as `HttpOnly` cookies too.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// For `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until the access token ends.
    pub expires_in: u64,
    /// Gives the next pair, once.
    pub refresh_token: String,
    /// Who is logged in.
    pub session: SessionInfo,
}

/// Who is logged in, and how. Answer of `GET /auth/me`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct SessionInfo {
    /// The person.
    pub user: UserInfo,
    /// This login.
    pub session_id: SessionId,
    /// When the login ends unless it is refreshed, milliseconds since 1970.
    pub expires_at: u64,
}

/// A person, as they see themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct UserInfo {
    /// Identifier.
    pub id: UserId,
    /// E-mail address as it was typed at registration.
    pub email: String,
    /// `admin` for the first person of an instance, else `member`.
    pub role: Role,
    /// Milliseconds since 1970.
    pub created_at: u64,
}

/// What a person may do on the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the instance.
    Admin,
    /// Works on it.
    Member,
}

/// Cookie that carries the access token (`HttpOnly`).
pub const ACCESS_COOKIE: &str = "coditect_access";
/// Cookie that carries the refresh token (`HttpOnly`, only sent to `/api/v5/auth`).
pub const REFRESH_COOKIE: &str = "coditect_refresh";
/// Cookie that the page may read and must repeat in [`CSRF_HEADER`] on every request that changes something.
pub const CSRF_COOKIE: &str = "coditect_csrf";
/// See [`CSRF_COOKIE`].
pub const CSRF_HEADER: &str = "x-coditect-csrf";
