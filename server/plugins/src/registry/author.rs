//! Who publishes, and what of others they may touch.

use coditect_protocol::UserId;
use coditect_protocol::auth::Role;

/// Somebody who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    /// Who.
    pub user: UserId,
    /// What they are here: the operator says who may publish.
    pub role: Role,
    /// Whether they may touch what belongs to nobody or to others, and take names that are kept: an admin who is logged in may. A token
    /// may not, so that one that is found is no key to what everybody runs.
    pub governs: bool,
}

impl Author {
    /// Whether a publisher is theirs: those that belong to nobody are the admins'.
    pub(super) fn owns(&self, owner: Option<UserId>) -> bool {
        owner.map_or(self.governs, |owner| owner == self.user)
    }

    /// Whether they may take back what a publisher published.
    pub(super) fn may_take_back(&self, owner: Option<UserId>) -> bool {
        self.governs || self.owns(owner)
    }
}
