//! What the operator allows, in the store and in the memory of every server.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use coditect_protocol::auth::Role;
use coditect_protocol::plugin::{PluginId, PluginPolicy, WhoMayPublish};
use coditect_store::{Store, StoreError, Transaction};
use tokio::sync::watch;

use super::rows::PolicyRow;
use crate::PluginsError;
use crate::follow::follow;
use crate::keys::Keys;
use crate::settings::MAX_POLICY_ENTRIES;

/// Stands for all plugins of a publisher.
const ALL: &str = "*";

/// What the operator allows, once it is known.
pub(crate) struct Policies {
    store: Store,
    key: Vec<u8>,
    known: ArcSwapOption<PluginPolicy>,
    changes: watch::Sender<()>,
}

impl Policies {
    pub(crate) fn new(store: Store, keys: &Keys) -> Self {
        Self { store, key: keys.policy(), known: ArcSwapOption::empty(), changes: watch::Sender::new(()) }
    }

    /// The one in force. What is not known yet is read now: nobody may do anything before.
    pub(crate) async fn get(&self) -> Result<Arc<PluginPolicy>, PluginsError> {
        match self.known() {
            Some(policy) => Ok(policy),
            None => {
                self.read().await?;
                self.known().ok_or(PluginsError::NotReady)
            }
        }
    }

    /// The one in force, where it was read.
    pub(crate) fn known(&self) -> Option<Arc<PluginPolicy>> {
        self.known.load_full()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(crate) async fn read(&self) -> Result<(), StoreError> {
        let policy = self.store.transact(|tx| async move { self.of(&tx).await }).await?;
        self.apply(policy);
        Ok(())
    }

    /// The one that a transaction sees.
    pub(crate) async fn of(&self, tx: &Transaction) -> Result<PluginPolicy, StoreError> {
        Ok(tx.get_record::<PolicyRow>(&self.key).await?.unwrap_or_default().0)
    }

    fn apply(&self, policy: PluginPolicy) {
        let is_new = self.known.load().as_deref() != Some(&policy);
        if is_new {
            self.known.store(Some(Arc::new(policy)));
            self.changes.send_replace(());
        }
    }

    pub(crate) async fn put(&self, policy: PluginPolicy) -> Result<PluginPolicy, PluginsError> {
        check(&policy)?;
        let row = &PolicyRow(policy.clone());
        self.store.transact(|tx| async move { tx.set_record(&self.key, row) }).await?;
        // Another server may have put another one meanwhile: what the store has counts.
        self.read().await?;
        Ok(policy)
    }

    /// Follows what any server changes, until it is dropped.
    pub(crate) async fn follow(&self) {
        follow(&self.store, &self.key, "what is allowed of plugins", || self.read()).await;
    }
}

fn check(policy: &PluginPolicy) -> Result<(), PluginsError> {
    for list in policy.allow.iter().chain([&policy.block]) {
        if let Some(beyond) = list.get(MAX_POLICY_ENTRIES) {
            return Err(PluginsError::BadPolicy(cut(beyond)));
        }
        let is_entry = |entry: &str| match entry.split_once('.') {
            Some((publisher, ALL)) => PluginId::is_part(publisher),
            _ => PluginId::parse(entry).is_ok(),
        };
        if let Some(bad) = list.iter().find(|entry| !is_entry(entry)) {
            return Err(PluginsError::BadPolicy(cut(bad)));
        }
    }
    Ok(())
}

/// What an operator wrote, at a length that can be shown.
fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

fn names(list: &[String], id: &PluginId) -> bool {
    let all = format!("{}.{ALL}", id.publisher());
    list.iter().any(|entry| entry == id.as_str() || *entry == all)
}

/// Whether a plugin runs nowhere.
pub(crate) fn is_blocked(policy: &PluginPolicy, id: &PluginId) -> bool {
    names(&policy.block, id)
}

/// Whether a plugin may be installed.
pub(crate) fn is_allowed(policy: &PluginPolicy, id: &PluginId) -> bool {
    !is_blocked(policy, id) && policy.allow.as_deref().is_none_or(|list| names(list, id))
}

/// Whether somebody may publish.
pub(crate) fn may_publish(policy: &PluginPolicy, role: Role) -> Result<(), PluginsError> {
    let may = match policy.publish {
        WhoMayPublish::Everybody => true,
        WhoMayPublish::Admins => role == Role::Admin,
        WhoMayPublish::Nobody => false,
    };
    if may { Ok(()) } else { Err(PluginsError::MayNotPublish) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> PluginId {
        PluginId::parse(text).unwrap()
    }

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|&entry| entry.to_owned()).collect()
    }

    #[test]
    fn lists_name_plugins_and_publishers() {
        let mut policy = PluginPolicy::default();
        assert!(is_allowed(&policy, &id("a.b")));
        policy.block = list(&["a.*"]);
        assert!(
            is_blocked(&policy, &id("a.b")) && !is_allowed(&policy, &id("a.b")) && is_allowed(&policy, &id("aa.b"))
        );
        policy.allow = Some(list(&["a.b", "c.d"]));
        assert!(!is_allowed(&policy, &id("a.b")), "blocked counts before allowed");
        assert!(
            is_allowed(&policy, &id("c.d")) && !is_allowed(&policy, &id("c.e")) && !is_blocked(&policy, &id("c.e"))
        );
        policy.allow = Some(Vec::new());
        assert!(!is_allowed(&policy, &id("c.d")));
    }

    #[test]
    fn entries_are_checked() {
        let of = |entries: &[&str]| check(&PluginPolicy { block: list(entries), ..PluginPolicy::default() });
        assert!(of(&["a.b", "a.*"]).is_ok());
        for bad in ["*", "*.a", "a", "a.b.*", "A.b", "", "a.**"] {
            assert!(matches!(of(&[bad]), Err(PluginsError::BadPolicy(_))), "{bad}");
        }
        assert!(of(&vec!["a.b"; MAX_POLICY_ENTRIES]).is_ok() && of(&vec!["a.b"; MAX_POLICY_ENTRIES + 1]).is_err());
    }

    #[test]
    fn who_publishes_is_the_operators_choice() {
        for (publish, members, admins) in [
            (WhoMayPublish::Everybody, true, true),
            (WhoMayPublish::Admins, false, true),
            (WhoMayPublish::Nobody, false, false),
        ] {
            let policy = PluginPolicy { publish, ..PluginPolicy::default() };
            assert_eq!(may_publish(&policy, Role::Member).is_ok(), members);
            assert_eq!(may_publish(&policy, Role::Admin).is_ok(), admins);
        }
    }
}
