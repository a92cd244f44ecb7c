//! Personal access tokens: how programs act for a person.

use serde::{Deserialize, Serialize};

use super::shows_nothing;
use crate::id::TokenId;

/// What a personal access token may be used for. A login may do all of it; managing passwords, second factors, sessions and tokens is
/// left to logins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Scope {
    /// Who one is.
    #[serde(rename = "account:read")]
    AccountRead,
    /// Listing workspaces.
    #[serde(rename = "workspaces:read")]
    WorkspacesRead,
    /// Creating, renaming and deleting workspaces.
    #[serde(rename = "workspaces:write")]
    WorkspacesWrite,
    /// Reading, watching and searching files.
    #[serde(rename = "files:read")]
    FilesRead,
    /// Writing and deleting files.
    #[serde(rename = "files:write")]
    FilesWrite,
    /// Running programs in terminals.
    #[serde(rename = "terminals")]
    Terminals,
    /// Listing and asking models.
    #[serde(rename = "llm")]
    Llm,
    /// Reading what one asked models for, and what it cost.
    #[serde(rename = "usage:read")]
    UsageRead,
    /// Publishing plugins, and developing them in one's workspaces, where they do what they ask for.
    #[serde(rename = "plugins")]
    Plugins,
    /// Reading the server's numbers, where the person is an admin.
    #[serde(rename = "metrics")]
    Metrics,
    /// What an admin may do, where the person is one.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 11] = [
        Self::AccountRead,
        Self::WorkspacesRead,
        Self::WorkspacesWrite,
        Self::FilesRead,
        Self::FilesWrite,
        Self::Terminals,
        Self::Llm,
        Self::UsageRead,
        Self::Plugins,
        Self::Metrics,
        Self::Admin,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccountRead => "account:read",
            Self::WorkspacesRead => "workspaces:read",
            Self::WorkspacesWrite => "workspaces:write",
            Self::FilesRead => "files:read",
            Self::FilesWrite => "files:write",
            Self::Terminals => "terminals",
            Self::Llm => "llm",
            Self::UsageRead => "usage:read",
            Self::Plugins => "plugins",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }

    /// Whether it is of use to admins only.
    #[must_use]
    pub const fn is_for_admins(self) -> bool {
        matches!(self, Self::Metrics | Self::Admin)
    }
}

/// Body of `POST /auth/tokens`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for, in the person's words.
    pub name: String,
    /// What it may be used for; at least one.
    pub scopes: Vec<Scope>,
    /// Days until it ends.
    pub expires_in_days: u32,
    /// The person's password, asked again: a token outlives the session that makes it.
    pub password: String,
    /// Six digits or a recovery code, where the account has a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "js", tsify(optional))]
    pub code: Option<String>,
}

/// Answer of `POST /auth/tokens`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenMade {
    /// The token, for `Authorization: Bearer …`. It is told only here.
    pub token: String,
    /// What the list shows of it.
    pub entry: TokenEntry,
}

/// One token, in the list of `GET /auth/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenEntry {
    /// Identifier, for `DELETE /auth/tokens/{id}`.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// Its last four characters, to recognise it by.
    pub ends_with: String,
    /// Made at, milliseconds since 1970.
    pub created_at: u64,
    /// Good until, milliseconds since 1970.
    pub expires_at: u64,
    /// Last used at, milliseconds since 1970, to the hour; nothing if never.
    #[cfg_attr(feature = "js", tsify(optional))]
    pub used_at: Option<u64>,
}

shows_nothing!(NewToken, TokenMade);
