//! Publishing: a version is there once and for all, or not at all.

use bytes::Bytes;
use coditect_protocol::plugin::{PluginId, RegistryAction, RegistryVersion};
use coditect_store::Transaction;
use semver::Version;

use super::policy::may_publish;
use super::rows::{PublisherRow, VersionRow};
use super::transparency::{Event, append};
use super::{Author, Registry};
use crate::PluginsError;
use crate::keys::Holder;
use crate::packages::{Opened, Written, to_the_end};
use crate::time::now_ms;

/// Who publishes.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    /// Somebody who is logged in.
    Person(Author),
    /// Who put it into the mirror directory.
    Operator,
}

impl Registry {
    /// Takes in a package: signed with a key of its publisher, who is who sends it. A version that is there stays as it is; the same
    /// package once more changes nothing.
    pub async fn publish(&self, author: Author, package: Bytes) -> Result<RegistryVersion, PluginsError> {
        may_publish(self.policies.get().await?.as_ref(), author.role)?;
        self.take_in(By::Person(author), package).await
    }

    pub(super) async fn take_in(&self, by: By, package: Bytes) -> Result<RegistryVersion, PluginsError> {
        self.catalog.ready().await?;
        let place = self.packages.place().await?;
        let opened = Opened::read(package, self.settings.package_bytes).await?;
        let registry = self.clone();
        let entered = async move {
            let _place = place;
            registry.take_in_opened(by, &opened).await
        };
        to_the_end(entered).await
    }

    async fn take_in_opened(&self, by: By, opened: &Opened) -> Result<RegistryVersion, PluginsError> {
        let id = &opened.manifest().id;
        // Looked at before all of it is written, and again with the last transaction.
        let new = self.store.transact(|tx| async move { self.check(&tx, by, opened).await }).await?;
        if let Checked::There(row) = new {
            return Ok(row.show(&opened.manifest().version, true, 0));
        }
        let written = &self.packages.write(opened).await?;
        let published = self.store.transact(|tx| async move { self.enter(&tx, by, opened, written).await }).await;
        let (row, is_new) = match published {
            Ok(published) => published,
            Err(error) => {
                self.packages.abandon(written).await;
                return Err(error);
            }
        };
        self.catalog.catch_up().await?;
        let version = &opened.manifest().version;
        if is_new {
            let user = if let By::Person(author) = by { Some(author.user) } else { None };
            let (user, sha256) = (user.map(tracing::field::display), &opened.sha256);
            tracing::info!(target: "audit", action = "plugins.publish", user, plugin = %id, version, sha256);
        }
        Ok(row.show(version, true, 0))
    }

    /// Whether it may be published, and by whom.
    async fn check(&self, tx: &Transaction, by: By, opened: &Opened) -> Result<Checked, PluginsError> {
        let manifest = opened.manifest();
        let (id, name) = (&manifest.id, manifest.id.publisher());
        let key = opened.signer.as_ref().ok_or(PluginsError::Unsigned)?;
        let known: Option<PublisherRow> = tx.get_record(self.keys.publisher(name)).await?;
        let publisher = match (by, known) {
            (By::Person(author), Some(row)) => {
                may_publish(&self.policies.of(tx).await?, author.role)?;
                if author.owns(row.owner) { row } else { return Err(PluginsError::NotYours(name.to_owned())) }
            }
            (By::Person(..), None) => return Err(PluginsError::NoPublisher(name.to_owned())),
            (By::Operator, known) => known.unwrap_or_else(|| PublisherRow::new(None, now_ms())),
        };
        let vouches = matches!(by, By::Operator) && publisher.owner.is_none();
        let is_trusted = publisher.trusts(&key.to_string());
        if !is_trusted && (!vouches || publisher.keys.contains_key(&key.to_string())) {
            return Err(PluginsError::KeyUnknown { key: key.id().to_string(), publisher: name.to_owned() });
        }
        let mut others = Vec::new();
        for row in tx.range_all(self.keys.versions_of(id).range()).await? {
            let version: String = self.keys.versions_of(id).unpack(&row.key)?;
            if version == manifest.version {
                let there: Option<VersionRow> = tx.get_record(&row.key).await?;
                return there
                    .filter(|row| row.sha256 == opened.sha256)
                    .map(Checked::There)
                    .ok_or_else(|| exists(opened));
            }
            others.extend(Version::parse(&version));
        }
        if matches!(by, By::Person(..)) {
            check_order(opened, &others)?;
        }
        self.check_room(id, &publisher, others.len(), opened.row.kept_bytes())?;
        Ok(Checked::New { publisher, is_first: others.is_empty() })
    }

    fn check_room(
        &self,
        id: &PluginId,
        publisher: &PublisherRow,
        versions: usize,
        bytes: u64,
    ) -> Result<(), PluginsError> {
        let settings = &self.settings;
        let too_many = |what, most: u64, remedy| Err(PluginsError::TooMany { what, most, remedy });
        if versions >= settings.versions_per_plugin {
            return too_many("versions of one plugin", settings.versions_per_plugin as u64, "publish fewer");
        }
        if versions == 0 && publisher.plugins >= settings.plugins_per_publisher as u64 {
            let most = settings.plugins_per_publisher as u64;
            return too_many("plugins of one publisher", most, "an admin can raise it");
        }
        if publisher.bytes.saturating_add(bytes) > settings.publisher_bytes {
            return too_many("bytes of one publisher", settings.publisher_bytes, "an admin can raise it");
        }
        let (plugins, all) = self.catalog.known().len();
        let is_new = !self.catalog.known().plugins.contains_key(id);
        if is_new && plugins >= settings.registry_plugins {
            return too_many("plugins in the registry", settings.registry_plugins as u64, "an admin can raise it");
        }
        if all >= settings.registry_versions {
            return too_many("versions in the registry", settings.registry_versions as u64, "an admin can raise it");
        }
        Ok(())
    }

    /// Enters a version into the registry. Of several who publish the same one at the same time, one is first.
    async fn enter(
        &self,
        tx: &Transaction,
        by: By,
        opened: &Opened,
        written: &Written,
    ) -> Result<(VersionRow, bool), PluginsError> {
        let (mut publisher, is_first) = match self.check(tx, by, opened).await? {
            Checked::There(row) => {
                self.packages.forget_writing(tx, written)?;
                return Ok((row, false));
            }
            Checked::New { publisher, is_first } => (publisher, is_first),
        };
        let manifest = opened.manifest();
        let (id, version) = (&manifest.id, &manifest.version);
        let (name, key) = (id.publisher(), opened.signer.as_ref().ok_or(PluginsError::Unsigned)?);
        // Nothing happens here but for what the mirror directory holds.
        self.add_key(tx, name, &mut publisher, key).await?;
        publisher.bytes = publisher.bytes.saturating_add(opened.row.kept_bytes());
        publisher.plugins += u64::from(is_first);
        tx.set_record(self.keys.publisher(name), &publisher)?;
        let key = key.to_string();
        let event = Event {
            plugin: Some(id.name()),
            version: Some(version),
            sha256: Some(&opened.sha256),
            ..Event::of_key(RegistryAction::Publish, name, Some(&key))
        };
        append(tx, &self.keys, event).await?;
        let row = VersionRow {
            sha256: opened.sha256.clone(),
            bytes: opened.file.len() as u64,
            published_at: now_ms(),
            key,
            contract: manifest.contract,
            yanked: false,
            restored: 0,
            title: manifest.title.clone(),
            description: manifest.description.clone(),
            keywords: manifest.keywords.clone(),
        };
        tx.set_record(self.keys.version(id, version), &row)?;
        self.packages.settle(tx, written, &Holder::Version(id.clone(), version.clone())).await?;
        Ok((row, true))
    }

    /// Takes a version back, or offers it again. Where it is installed it goes on.
    pub async fn yank(
        &self,
        author: Author,
        id: &PluginId,
        version: &str,
        yanked: bool,
    ) -> Result<RegistryVersion, PluginsError> {
        let name = id.publisher();
        let (row, is_trusted) = self
            .store
            .transact(|tx| async move {
                let missing =
                    || PluginsError::NoVersion { id: id.to_string(), version: version.chars().take(100).collect() };
                let publisher: PublisherRow = tx
                    .get_record(self.keys.publisher(name))
                    .await?
                    .ok_or_else(|| PluginsError::NoPlugin(id.to_string()))?;
                if !author.may_take_back(publisher.owner) {
                    return Err(PluginsError::NotYours(name.to_owned()));
                }
                // What is no version cannot be a key of one, and none of them is as long as that.
                let parsed = Version::parse(version).map_err(|_| missing())?;
                let key = self.keys.version(id, &parsed.to_string());
                let mut row: VersionRow = tx.get_record(&key).await?.ok_or_else(missing)?;
                if row.yanked != yanked {
                    row.turn(yanked)?;
                    tx.set_record(&key, &row)?;
                    let action = if yanked { RegistryAction::Yank } else { RegistryAction::Restore };
                    let event = Event {
                        plugin: Some(id.name()),
                        version: Some(version),
                        sha256: Some(&row.sha256),
                        ..Event::of_key(action, name, None)
                    };
                    append(&tx, &self.keys, event).await?;
                }
                let is_trusted = publisher.trusts(&row.key);
                Ok((row, is_trusted))
            })
            .await?;
        self.catalog.catch_up().await?;
        tracing::info!(
            target: "audit", action = "plugins.yank", user = %author.user, plugin = %id, version, yanked, sha256 = row.sha256
        );
        let downloads = self.catalog.known().downloads(id, version);
        Ok(row.show(version, is_trusted, downloads))
    }
}

/// What there is to do.
enum Checked {
    /// Nothing: it is published.
    There(VersionRow),
    /// It can be.
    New { publisher: PublisherRow, is_first: bool },
}

fn exists(opened: &Opened) -> PluginsError {
    let manifest = opened.manifest();
    PluginsError::VersionExists { id: manifest.id.to_string(), version: manifest.version.clone() }
}

/// Versions rise: each is newer than all with the same meaning of what breaks, which are those with the same first number, or the same
/// two where the first is 0. An older line can be mended after a newer one has begun.
fn check_order(opened: &Opened, others: &[Version]) -> Result<(), PluginsError> {
    let new = &opened.version;
    let line = |version: &Version| (version.major, if version.major == 0 { version.minor } else { 0 });
    let newest = others.iter().filter(|other| line(other) == line(new)).max();
    match newest {
        Some(newest) if new.cmp_precedence(newest).is_le() => Err(PluginsError::VersionOld {
            id: opened.manifest().id.to_string(),
            version: new.to_string(),
            newest: newest.to_string(),
        }),
        _ => Ok(()),
    }
}
