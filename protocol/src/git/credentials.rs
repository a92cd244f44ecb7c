//! A person's logins at the sites that repositories are fetched from and pushed to. Bodies of `/api/v5/git/credentials`.

use serde::{Deserialize, Serialize};

use crate::id::CredentialId;

/// Longest secret, in bytes.
pub const MAX_CREDENTIAL_BYTES: usize = 8 * 1024;

/// A login, without its secret, which never leaves the server but to `git`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GitCredential {
    /// Names it.
    pub id: CredentialId,
    /// Site, as `git.example.org` or `git.example.org:8443`.
    pub host: String,
    /// Name at that site.
    pub username: String,
    /// Milliseconds since 1970.
    pub created_at: u64,
    /// When `git` last asked for it, in milliseconds since 1970.
    pub used_at: Option<u64>,
}

/// Body of `POST /git/credentials`. Takes the place of one for the same host and name.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AddGitCredential {
    /// Site, as `git.example.org` or `git.example.org:8443`.
    pub host: String,
    /// Name at that site.
    pub username: String,
    /// Password or token; sent only over `https://`.
    pub secret: String,
}

impl std::fmt::Debug for AddGitCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddGitCredential").field("host", &self.host).finish_non_exhaustive()
    }
}
