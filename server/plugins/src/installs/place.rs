//! The plugins of one person in one workspace, in memory: read from the store, and again whenever a server changed them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use coditect_plugin_host::Rights;
use coditect_protocol::plugin::{Capability, Manifest, PluginId, PluginItem, PluginPolicy};
use coditect_protocol::{UserId, WorkspaceId};
use coditect_store::MasterKey;
use tokio::sync::{OnceCell, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::rows::InstallRow;
use super::values;
use crate::keys::Whose;
use crate::news::Changed;
use crate::offers::OfferIndex;
use crate::registry::is_blocked;
use crate::running::Wish;

/// Notices that wait for somebody who follows; older ones are dropped.
const NOTICES: usize = 64;

/// A person's plugin, as it is called.
pub(crate) struct Entry {
    pub(crate) row: InstallRow,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) is_blocked: bool,
    /// One for all versions of it: what is taken away is taken from calls under way too.
    pub(crate) rights: Arc<Rights>,
    pub(crate) settings: Arc<BTreeMap<String, String>>,
    /// Has its package loaded to the end, while it is this one and not switched off.
    pub(crate) wish: Arc<Wish>,
    /// Cancelled when it may not go on: switched off, uninstalled, blocked.
    pub(crate) stopped: CancellationToken,
}

impl Entry {
    /// Whether it may be called at all.
    pub(crate) fn is_active(&self) -> bool {
        self.row.enabled && self.row.failed.is_none() && !self.is_blocked
    }

    /// What it may do.
    pub(crate) fn capabilities(&self) -> Vec<Capability> {
        granted(&self.row, &self.manifest)
    }
}

/// What was granted, each as the manifest asks for it.
pub(crate) fn granted(row: &InstallRow, manifest: &Manifest) -> Vec<Capability> {
    let is_granted = |capability: &&Capability| row.granted.contains(&capability.name());
    manifest.capabilities.iter().map(|asked| &asked.capability).filter(is_granted).cloned().collect()
}

/// What was read of a place.
#[derive(Default)]
pub(crate) struct Entries {
    pub(crate) all: BTreeMap<PluginId, Arc<Entry>>,
    pub(crate) offers: Arc<OfferIndex>,
    /// Version of the store that they are of.
    version: u64,
}

/// One person's plugins in one workspace.
pub(crate) struct Place {
    pub(crate) user: UserId,
    pub(crate) workspace: WorkspaceId,
    entries: ArcSwap<Entries>,
    /// Held while they are replaced.
    changing: Mutex<()>,
    /// Whether they were read, and are followed.
    pub(crate) ready: OnceCell<()>,
    changes: watch::Sender<()>,
    pub(crate) notices: broadcast::Sender<PluginItem>,
    used: Mutex<Instant>,
    /// Ends whatever follows the store for it.
    pub(crate) gone: CancellationToken,
}

impl Place {
    pub(crate) fn new(user: UserId, workspace: WorkspaceId) -> Self {
        Self {
            user,
            workspace,
            entries: ArcSwap::default(),
            changing: Mutex::new(()),
            ready: OnceCell::new(),
            changes: watch::Sender::new(()),
            notices: broadcast::Sender::new(NOTICES),
            used: Mutex::new(Instant::now()),
            gone: CancellationToken::new(),
        }
    }

    pub(crate) fn whose(&self, id: &PluginId) -> Whose {
        (self.user, self.workspace, id.clone())
    }

    pub(crate) fn entries(&self) -> Arc<Entries> {
        self.entries.load_full()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Tells who follows to look again.
    pub(crate) fn touch(&self) {
        self.changes.send_replace(());
    }

    /// Whether something here is among what changed: packages by their SHA-256, plugins and publishers by their names.
    pub(crate) fn has(&self, changed: &Changed) -> bool {
        let is_meant = |(id, entry): (&PluginId, &Arc<Entry>)| {
            changed.has(&entry.row.sha256) || changed.has(id.as_str()) || changed.has(id.publisher())
        };
        self.entries.load().all.iter().any(is_meant)
    }

    pub(crate) fn use_now(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(crate) fn last_used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what was read in place of what is here, unless that is newer. What may not go on any more stops.
    pub(crate) fn put(
        &self,
        version: u64,
        rows: Vec<(PluginId, InstallRow, Arc<Manifest>)>,
        policy: &PluginPolicy,
        master: &MasterKey,
    ) {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let former = self.entries.load_full();
        if version < former.version {
            return;
        }
        let all: BTreeMap<_, _> = rows
            .into_iter()
            .map(|(id, row, manifest)| {
                let is_blocked = is_blocked(policy, &id);
                let entry = self.entry(&id, row, manifest, is_blocked, former.all.get(&id), master);
                (id, entry)
            })
            .collect();
        for (id, gone) in former.all.iter().filter(|(id, _)| !all.contains_key(*id)) {
            tracing::debug!(plugin = %id, "a plugin was uninstalled");
            gone.rights.set(Vec::new());
            gone.stopped.cancel();
        }
        let is_same = all.len() == former.all.len()
            && all.iter().all(|(id, entry)| former.all.get(id).is_some_and(|former| Arc::ptr_eq(former, entry)));
        let offers = if is_same { former.offers.clone() } else { Arc::new(OfferIndex::new(&all)) };
        self.entries.store(Arc::new(Entries { all, offers, version }));
        if !is_same {
            self.touch();
        }
    }

    /// The same rows under another policy.
    pub(crate) fn apply(&self, policy: &PluginPolicy, master: &MasterKey) {
        let entries = self.entries();
        let rows = entries.all.iter().map(|(id, entry)| (id.clone(), entry.row.clone(), entry.manifest.clone()));
        self.put(entries.version, rows.collect(), policy, master);
    }

    fn entry(
        &self,
        id: &PluginId,
        row: InstallRow,
        manifest: Arc<Manifest>,
        is_blocked: bool,
        former: Option<&Arc<Entry>>,
        master: &MasterKey,
    ) -> Arc<Entry> {
        if let Some(former) = former.filter(|former| former.row == row && former.is_blocked == is_blocked) {
            return former.clone();
        }
        let settings = Arc::new(values::of(&row, &manifest, &self.whose(id), master));
        let rights = former.map_or_else(|| Arc::new(Rights::new(Vec::new())), |former| former.rights.clone());
        let stopped = former.map_or_else(CancellationToken::new, |former| former.stopped.clone());
        let same = former.filter(|former| former.is_active() && former.row.sha256 == row.sha256);
        let wish = same.map_or_else(Arc::default, |former| former.wish.clone());
        let mut entry = Entry { row, manifest, is_blocked, rights, settings, wish, stopped };
        if entry.is_active() {
            entry.rights.set(entry.capabilities());
            if entry.stopped.is_cancelled() {
                entry.stopped = CancellationToken::new();
            }
        } else {
            entry.rights.set(Vec::new());
            entry.stopped.cancel();
        }
        Arc::new(entry)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}
