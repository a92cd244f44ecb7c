//! Keys of model servers.

use serde::{Deserialize, Serialize};

use crate::id::{ModelKeyId, TeamId, UserId};

/// Whom a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum KeyOwner {
    /// Everybody on this server.
    Everybody,
    /// The members of a team.
    Team(TeamId),
    /// A person.
    Person(UserId),
}

/// Body of `POST /llm/keys` and `POST /admin/llm/keys`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewModelKey {
    /// The model server it is for, by its name.
    pub upstream: String,
    /// What it is called, for people.
    pub name: String,
    /// The key itself. It is never shown again.
    pub key: String,
    /// How often it is taken where several would do, relative to the others; 1 unless set, 0 for never.
    #[serde(default = "one")]
    pub weight: u32,
    /// Whom it is for. Only admins say; it is the person's own otherwise.
    #[serde(default)]
    pub owner: Option<KeyOwner>,
}

fn one() -> u32 {
    1
}

impl std::fmt::Debug for NewModelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewModelKey")
            .field("upstream", &self.upstream)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A key that is kept. It does not hold the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelKey {
    /// Identifier.
    pub id: ModelKeyId,
    /// The model server it is for.
    pub upstream: String,
    /// What it is called.
    pub name: String,
    /// Its last four characters, to know it by.
    pub hint: String,
    /// How often it is taken, relative to others.
    pub weight: u32,
    /// Whom it is for.
    pub owner: KeyOwner,
    /// When it was added, in milliseconds since 1970.
    pub created_at: u64,
    /// Whether it works, as far as this server saw.
    pub state: KeyState,
}

/// Whether a key works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Nothing speaks against it.
    Ready,
    /// The model server refused it; it rests for a while.
    Refused,
    /// The model server wants it to rest for a while.
    Limited,
}

/// Keys, and the model servers that one can be added for. Body of `GET /llm/keys` and `GET /admin/llm/keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyList {
    /// The keys, the latest first.
    pub keys: Vec<ModelKey>,
    /// Names of the model servers.
    pub upstreams: Vec<String>,
}
