//! Following the list of a person's plugins in a workspace.

use std::sync::Arc;

use coditect_protocol::plugin::{Installed, InstalledList, PluginFigures, PluginItem};
use coditect_protocol::{UserId, WorkspaceId};
use sha2::{Digest as _, Sha256};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use super::place::Place;
use crate::PluginsError;
use crate::plugins::Plugins;

/// The list of a person's plugins in a workspace, as it changes, and what the plugins tell the person.
pub struct Following {
    plugins: Plugins,
    place: Arc<Place>,
    changes: watch::Receiver<()>,
    notices: broadcast::Receiver<PluginItem>,
    /// The list may have to be told.
    is_due: bool,
    /// What was told last: SHA-256 of it, without what its calls took.
    told: Option<[u8; 32]>,
    _permit: OwnedSemaphorePermit,
}

impl Plugins {
    /// Follows a list. What changed several times since it was asked for comes once; of many notices, the oldest are dropped.
    pub async fn follow(&self, user: UserId, workspace: WorkspaceId) -> Result<Following, PluginsError> {
        let permit = self.inner.followers.clone().try_acquire_owned().map_err(|_| PluginsError::Busy)?;
        let place = self.place(user, workspace).await?;
        let (changes, notices) = (place.changes(), place.notices.subscribe());
        Ok(Following { plugins: self.clone(), place, changes, notices, is_due: true, told: None, _permit: permit })
    }
}

impl Following {
    /// [`PluginItem::Installed`] at first and after each change, [`PluginItem::Notice`] whenever a plugin tells something. What calls took
    /// is no change.
    pub async fn next(&mut self) -> Result<PluginItem, PluginsError> {
        loop {
            while !self.is_due {
                tokio::select! {
                    biased;
                    notice = self.notices.recv() => match notice {
                        Ok(notice) => return Ok(notice),
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return Err(PluginsError::Busy),
                    },
                    changed = self.changes.changed() => {
                        changed.map_err(|_| PluginsError::Busy)?;
                        self.is_due = true;
                    }
                }
            }
            self.changes.mark_unchanged();
            self.place.use_now();
            let list = self.plugins.list_of(&self.place).await?;
            // Only now: whoever gives up waiting before is told the next time.
            self.is_due = false;
            let told = Some(digest(&list));
            if self.told != told {
                self.told = told;
                return Ok(PluginItem::Installed(list));
            }
        }
    }
}

/// Stands for a list, without what its calls took.
fn digest(list: &InstalledList) -> [u8; 32] {
    let mut hash = Sha256::new();
    for plugin in &list.plugins {
        let bare = Installed { figures: PluginFigures::default(), ..plugin.clone() };
        // Texts, numbers and lists of them always have a JSON.
        hash.update(serde_json::to_vec(&bare).unwrap_or_default());
    }
    hash.finalize().into()
}

impl std::fmt::Debug for Following {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Following").finish_non_exhaustive()
    }
}
