//! Accounts and their passwords.

use serde::{Deserialize, Serialize};

use super::shows_nothing;

/// Body of `POST /auth/register`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// E-mail address, or a name without `@`; compared without regard to case.
    #[serde(alias = "email")]
    pub login: String,
    /// Password in clear text; lives only in memory.
    pub password: String,
    /// Code of an invitation, where the server asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "js", tsify(optional))]
    pub invite: Option<String>,
}

/// Body of `POST /auth/login`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// E-mail address or name; compared without regard to case.
    #[serde(alias = "email")]
    pub login: String,
    /// Password in clear text; lives only in memory.
    pub password: String,
}

/// Answer of `GET /auth/config`: what a page must know before anybody is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuthConfig {
    /// Who may register.
    pub registration: RegistrationPolicy,
    /// Fewest characters of a password.
    pub password_min_chars: usize,
    /// Most characters of a password.
    pub password_max_chars: usize,
    /// Whether the server sends mail: without it a forgotten password is reset with a code of an admin.
    pub sends_mail: bool,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RegistrationPolicy {
    /// Everybody who reaches the server.
    #[default]
    Open,
    /// Who has the code of an invitation.
    Invite,
    /// Nobody; accounts are made by the operator.
    Closed,
}

/// Body of `POST /auth/password`. Ends every other session of the person, and gives this one new tokens.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The password until now.
    pub current_password: String,
    /// The password from now on.
    pub new_password: String,
    /// Six digits or a recovery code, where the account has a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "js", tsify(optional))]
    pub code: Option<String>,
}

/// Body of `POST /auth/password/forgot`. The answer is the same whether there is such an account or not.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PasswordForgotten {
    /// E-mail address or name of the account.
    pub login: String,
}

/// Body of `POST /auth/password/reset`. Ends every session of the person and revokes their personal access tokens.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// E-mail address or name of the account.
    pub login: String,
    /// The one-time code, from a mail or from an admin.
    pub code: String,
    /// The password from now on.
    pub new_password: String,
}

shows_nothing!(Registration, Credentials, PasswordChange, PasswordForgotten, PasswordReset);
