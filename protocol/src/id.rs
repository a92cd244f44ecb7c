//! Identifiers. Each is a UUID of its own type, so that one cannot stand where another belongs.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "js", derive(tsify::Tsify))]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(#[cfg_attr(feature = "js", tsify(type = "string"))] pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

ids! {
    /// A person.
    UserId,
    /// A login of a person on one device.
    SessionId,
    /// A personal access token.
    TokenId,
    /// An invitation.
    InviteId,
    /// A workspace.
    WorkspaceId,
    /// A terminal of a workspace.
    TerminalId,
    /// Something in the trash of a workspace.
    TrashId,
    /// A file that arrives in parts.
    UploadId,
    /// A secret for another site, kept for a person.
    CredentialId,
    /// A key of a model server.
    ModelKeyId,
    /// People who share keys and budgets of models.
    TeamId,
    /// A call of a model.
    CallId,
    /// A resumable WebSocket session of one page.
    LinkId,
}
