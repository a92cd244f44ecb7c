//! How much workspaces and homes may take, and how much each person may do at once.

use super::{RegistrySettings, Shared, TreeKey, Workspaces, lock};
use crate::error::WorkspaceError;
use crate::tree::{Places, Tree};
use crate::usage::{Kind, Meter, Room};
use coditect_protocol::{UserId, WorkspaceId};
use std::path::PathBuf;
use std::sync::{Arc, Weak};

/// Most bytes that sandboxes are told of, where only other things have a limit. There is room to say by how much that is exceeded.
const MOST_PROGRAM_BYTES: u64 = u64::MAX / 2;

impl Workspaces {
    /// Bytes that the programs of a person in a workspace may take, as the sandboxes are told; none where there is no limit at all.
    #[must_use]
    pub fn program_quota_bytes(&self) -> Option<u64> {
        let RegistrySettings { quota_bytes, home_quota_bytes, max_entries, .. } = self.0.settings;
        let limits = [quota_bytes, home_quota_bytes, max_entries.map(|_| MOST_PROGRAM_BYTES)];
        limits.into_iter().flatten().min().map(|limit| limit.min(MOST_PROGRAM_BYTES))
    }

    /// Bytes of [`Self::program_quota_bytes`] that are taken, counted now: so many that what is left fits into the workspace as well as
    /// into the home. More than all, by how much there is too much, where one of them has more than it may; one more where that cannot
    /// be told.
    pub async fn program_bytes(&self, person: UserId, workspace: WorkspaceId) -> u64 {
        let quota = self.program_quota_bytes().unwrap_or(MOST_PROGRAM_BYTES);
        let places = self.0.places(person);
        let _place = places.count().await;
        let (workspace, home) = (self.0.meter(TreeKey::Workspace(workspace)), self.0.meter(TreeKey::Home(person)));
        match tokio::join!(workspace.left(), home.left()) {
            (Some(workspace), Some(home)) => {
                let taken = i128::from(quota) - workspace.min(home);
                u64::try_from(taken.max(0)).unwrap_or(u64::MAX)
            }
            _ => quota + 1,
        }
    }
}

impl Shared {
    /// What counts a workspace or home; one for all trees of it.
    pub(super) fn meter(&self, key: TreeKey) -> Arc<Meter> {
        let RegistrySettings { quota_bytes, home_quota_bytes, max_entries, disk_reserve_bytes, .. } = self.settings;
        let (folder, kind, bytes) = match key {
            TreeKey::Workspace(id) => (self.folder(id), Kind::Workspace, quota_bytes),
            TreeKey::Home(person) => (self.home_folder(person), Kind::Home, home_quota_bytes),
        };
        let room = Room { bytes, entries: max_entries, disk_reserve_bytes };
        let meter = || Arc::new(Meter::new(folder, kind, room));
        Arc::clone(lock(&self.meters).entry(key).or_insert_with(meter))
    }

    /// The places of a person, which all that they do shares.
    fn places(&self, person: UserId) -> Arc<Places> {
        let mut places = lock(&self.places);
        if let Some(own) = places.get(&person).and_then(Weak::upgrade) {
            return own;
        }
        places.retain(|_, places| places.strong_count() > 0);
        let own = Arc::<Places>::default();
        places.insert(person, Arc::downgrade(&own));
        own
    }

    /// A tree for the calls of one person.
    pub(super) async fn tree_for(
        &self,
        person: UserId,
        key: TreeKey,
        path: PathBuf,
    ) -> Result<Arc<Tree>, WorkspaceError> {
        Ok(Arc::new(self.open_tree(key, path).await?.for_person(self.places(person))))
    }
}
