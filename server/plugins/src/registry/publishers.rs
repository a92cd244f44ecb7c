//! Publishers: names that belong to people, and the keys that count for them.

use std::ops::Bound;

use coditect_plugin_package::PublicKey;
use coditect_protocol::UserId;
use coditect_protocol::plugin::{NewPublisher, PluginId, Publisher, PublishersPage, RegistryAction};
use coditect_store::{StoreError, Transaction};

use super::policy::may_publish;
use super::rows::{KeyRow, PublisherRow, VersionRow, key_id};
use super::transparency::{Event, append};
use super::{Author, Registry};
use crate::PluginsError;
use crate::settings::{MAX_KEYS_PER_PUBLISHER, MAX_PAGE};
use crate::time::now_ms;

impl Registry {
    /// Takes a name that nobody has, or adds a key to one's own. Those that belong to nobody are the admins'.
    pub async fn put_publisher(&self, author: Author, new: &NewPublisher) -> Result<Publisher, PluginsError> {
        let (name, key) = (&new.name, &PublicKey::parse(&new.public_key)?);
        if !PluginId::is_part(name) {
            return Err(PluginsError::BadPublisher);
        }
        let row = self.store.transact(|tx| async move {
            may_publish(&self.policies.of(&tx).await?, author.role)?;
            let mut row = match tx.get_record::<PublisherRow>(self.keys.publisher(name)).await? {
                Some(row) if author.owns(row.owner) => row,
                Some(_) => return Err(PluginsError::NotYours(name.clone())),
                None => self.take_name(&tx, author, name).await?,
            };
            self.add_key(&tx, name, &mut row, key).await?;
            Ok(row)
        });
        let row = row.await?;
        self.catalog.catch_up().await?;
        tracing::info!(target: "audit", action = "plugins.publisher", user = %author.user, publisher = %name, key = %key.id());
        Ok(row.show(name))
    }

    /// Whether there is a publisher of this name.
    pub async fn is_taken(&self, name: &str) -> Result<bool, PluginsError> {
        if !PluginId::is_part(name) {
            return Ok(false);
        }
        let found = self.store.transact(|tx| async move { tx.get(&self.keys.publisher(name)).await }).await?;
        Ok(found.is_some())
    }

    async fn take_name(
        &self,
        tx: &Transaction,
        Author { user, governs, .. }: Author,
        name: &str,
    ) -> Result<PublisherRow, PluginsError> {
        if !governs && self.settings.reserved_publishers.iter().any(|reserved| reserved == name) {
            return Err(PluginsError::Reserved(name.to_owned()));
        }
        let most = self.settings.publishers_per_person;
        if tx.range_all(self.keys.owned(user).range()).await?.len() >= most {
            let remedy = "publish under one that you have";
            return Err(PluginsError::TooMany { what: "publishers of one person", most: most as u64, remedy });
        }
        tx.set(self.keys.owned(user).pack(&name), "")?;
        Ok(PublisherRow::new(Some(user), now_ms()))
    }

    /// Adds a key that is nobody's, and writes the publisher.
    pub(super) async fn add_key(
        &self,
        tx: &Transaction,
        name: &str,
        row: &mut PublisherRow,
        key: &PublicKey,
    ) -> Result<(), PluginsError> {
        let text = key.to_string();
        if row.trusts(&text) {
            return Ok(());
        }
        let place = self.keys.key(&text);
        if row.keys.contains_key(&text) || tx.get(&place).await?.is_some_and(|of| of != name) {
            return Err(PluginsError::KeyTaken);
        }
        if row.keys.len() >= MAX_KEYS_PER_PUBLISHER {
            return Err(PluginsError::TooManyKeys);
        }
        tx.set(place, name)?;
        append(tx, &self.keys, Event::of_key(RegistryAction::AddKey, name, Some(&text))).await?;
        row.keys.insert(text, KeyRow { added_at: now_ms(), revoked_at: None });
        tx.set_record(self.keys.publisher(name), row)?;
        Ok(())
    }

    /// Revokes a key, by its identifier: nothing that it signed is published or installed from now on. What is installed stays.
    pub async fn revoke_key(&self, author: Author, name: &str, key: &str) -> Result<Publisher, PluginsError> {
        let row = self.store.transact(|tx| async move {
            let missing = || PluginsError::NoPublisher(name.chars().take(100).collect());
            let mut row: PublisherRow = tx.get_record(self.keys.publisher(name)).await?.ok_or_else(missing)?;
            if !author.may_take_back(row.owner) {
                return Err(PluginsError::NotYours(name.to_owned()));
            }
            let public = row.keys.keys().find(|public| key_id(public) == key).cloned().ok_or_else(missing)?;
            let Some(found) = row.keys.get_mut(&public).filter(|key| key.revoked_at.is_none()) else { return Ok(row) };
            found.revoked_at = Some(now_ms());
            append(&tx, &self.keys, Event::of_key(RegistryAction::RevokeKey, name, Some(&public))).await?;
            tx.set_record(self.keys.publisher(name), &row)?;
            Ok(row)
        });
        let row = row.await?;
        self.catalog.catch_up().await?;
        tracing::info!(target: "audit", action = "plugins.key_revoked", user = %author.user, publisher = %name, key);
        Ok(row.show(name))
    }

    /// The publishers of a person, by their names.
    pub async fn publishers_of(&self, user: UserId) -> Result<Vec<Publisher>, PluginsError> {
        self.store
            .transact(|tx| async move { self.owned_by(&tx, user).await })
            .await
            .map(|all| all.iter().map(|(name, row)| row.show(name)).collect())
    }

    /// All publishers by name, with whose they are, for admins; the caller made sure of that. `after` is the `next` of the page before; at
    /// most [`MAX_PAGE`] come at once.
    pub async fn all_publishers(&self, after: Option<&str>, limit: usize) -> Result<PublishersPage, PluginsError> {
        if after.is_some_and(|name| !PluginId::is_part(name)) {
            return Err(PluginsError::BadCursor);
        }
        self.catalog.ready().await?;
        let known = self.catalog.known();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = known.publishers.range::<str, _>((from, Bound::Unbounded));
        let publishers: Vec<_> =
            rest.by_ref().take(limit.clamp(1, MAX_PAGE)).map(|(name, row)| row.show(name)).collect();
        let next = rest.next().and(publishers.last()).map(|last| last.name.clone());
        Ok(PublishersPage { publishers, next })
    }

    async fn owned_by(&self, tx: &Transaction, user: UserId) -> Result<Vec<(String, PublisherRow)>, PluginsError> {
        let owned = self.keys.owned(user);
        let mut all = Vec::new();
        for row in tx.range_all(owned.range()).await? {
            let name: String = owned.unpack(&row.key)?;
            if let Some(row) = tx.get_record(self.keys.publisher(&name)).await? {
                all.push((name, row));
            }
        }
        Ok(all)
    }

    /// Whether a version is offered still, as a transaction sees it: not taken back, and its key not revoked.
    pub(crate) async fn is_offered(
        &self,
        tx: &Transaction,
        id: &PluginId,
        version: &str,
        sha256: &str,
    ) -> Result<bool, StoreError> {
        let publisher: Option<PublisherRow> = tx.get_record(self.keys.publisher(id.publisher())).await?;
        let version: Option<VersionRow> = tx.get_record(self.keys.version(id, version)).await?;
        let is_offered = |(publisher, row): (PublisherRow, VersionRow)| {
            !row.yanked && row.sha256 == sha256 && publisher.trusts(&row.key)
        };
        Ok(publisher.zip(version).is_some_and(is_offered))
    }
}
