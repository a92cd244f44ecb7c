//! People, and what an admin does about them.

use serde::{Deserialize, Serialize};

use super::shows_nothing;
use crate::id::{InviteId, UserId};

/// A person, as they see themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserInfo {
    /// Identifier.
    pub id: UserId,
    /// E-mail address or name, as it was typed at registration.
    pub login: String,
    /// `admin` for the first person of an instance, else `member`, until an admin changes it.
    pub role: Role,
    /// Milliseconds since 1970.
    pub created_at: u64,
}

/// What a person may do on the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the instance.
    Admin,
    /// Works on it.
    Member,
}

/// Answer of `GET /admin/people`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct People {
    /// In the order in which they registered.
    pub people: Vec<PersonEntry>,
    /// What to give as `after` for the next page; nothing on the last.
    #[cfg_attr(feature = "js", tsify(optional))]
    pub next: Option<UserId>,
}

/// A person, as an admin sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PersonEntry {
    /// The person.
    pub user: UserInfo,
    /// Whether they are kept out.
    pub disabled: bool,
    /// Whether they have a second factor.
    pub second_factor: bool,
    /// Logins they have.
    pub sessions: u32,
}

/// Body of `PATCH /admin/people/{id}`; what is left out stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PersonChange {
    /// The role from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "js", tsify(optional))]
    pub role: Option<Role>,
    /// Whether they are kept out from now on; ends their sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "js", tsify(optional))]
    pub disabled: Option<bool>,
}

/// Answer of `POST /admin/people/{id}/reset-code`. The code is told only here, and good once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResetCode {
    /// To be given to the person over a way that can be trusted.
    pub code: String,
    /// Good until, milliseconds since 1970.
    pub expires_at: u64,
}

/// Body of `POST /admin/invites`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewInvite {
    /// Whom it is for: only this e-mail address or name can register with it. Nothing: whoever has the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "js", tsify(optional))]
    pub login: Option<String>,
    /// What the person becomes.
    pub role: Role,
    /// Days until it ends.
    pub expires_in_days: u32,
}

/// Answer of `POST /admin/invites`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteMade {
    /// The code, for `POST /auth/register`. It is told only here, and good once.
    pub code: String,
    /// What the list shows of it.
    pub entry: InviteEntry,
}

/// One invitation that is open, in the list of `GET /admin/invites`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteEntry {
    /// Identifier, for `DELETE /admin/invites/{id}`.
    pub id: InviteId,
    /// Whom it is for, if for somebody.
    #[cfg_attr(feature = "js", tsify(optional))]
    pub login: Option<String>,
    /// What the person becomes.
    pub role: Role,
    /// Who made it.
    pub created_by: UserId,
    /// Made at, milliseconds since 1970.
    pub created_at: u64,
    /// Good until, milliseconds since 1970.
    pub expires_at: u64,
}

shows_nothing!(ResetCode, InviteMade);
