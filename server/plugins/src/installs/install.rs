//! Installing, taking another version, and working on a plugin.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use coditect_plugin_package::{asks_more, consent};
use coditect_protocol::plugin::{Capability, CapabilityName, Installed, NewInstall, PackageSource};
use coditect_protocol::{UserId, WorkspaceId};
use coditect_store::Transaction;
use semver::Version;
use tokio::sync::OwnedSemaphorePermit;

use super::place::Place;
use super::review::{Candidate, has_to_ask};
use super::rows::{InstallRow, Origin};
use crate::PluginsError;
use crate::follow::note_changed;
use crate::keys::{Holder, Whose};
use crate::packages::{Opened, to_the_end};
use crate::plugins::{Inner, Plugins};
use crate::time::now_ms;

/// What somebody agreed to.
pub(super) struct Agreed<'a> {
    /// What stands for what they saw.
    pub(super) consent: Option<&'a str>,
    /// What they grant of it; all of it where absent.
    pub(super) grant: Option<&'a [CapabilityName]>,
    /// They named the version, and may go back to an older one.
    pub(super) is_named: bool,
}

impl Plugins {
    /// Installs a package, or takes another version of what is installed.
    ///
    /// [`NewInstall::consent`] has to be that of the package; a newer one of what is installed that asks for nothing more is taken all the
    /// same, with what was granted.
    pub async fn install(&self, user: UserId, new: &NewInstall) -> Result<Installed, PluginsError> {
        let inner = &self.inner;
        let candidate = inner.candidate(user, &new.source).await?;
        let place = self.place(user, new.workspace).await?;
        let agreed = Agreed {
            consent: Some(&new.consent),
            grant: new.grant.as_deref(),
            is_named: !matches!(new.source, PackageSource::Registry { version: None, .. }),
        };
        let id = &candidate.manifest.id;
        let row = inner.store.transact(|tx| {
            let (place, candidate, agreed) = (&place, &candidate, &agreed);
            async move { inner.put_row(&tx, place, candidate, agreed).await }
        });
        let row = row.await?;
        if candidate.origin == Origin::Registry {
            inner.registry.note_download(id, &row.version);
        }
        self.installed(&place, &candidate, &row, "plugins.install").await
    }

    /// Puts a package in place that its author works on: it may be unsigned. What it asks for beyond what it was granted is granted only
    /// with the `consent` that stands for the package; without, it runs and is denied that.
    pub async fn develop(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        package: Bytes,
        consent: Option<&str>,
    ) -> Result<Installed, PluginsError> {
        let inner = &self.inner;
        if !inner.registry.policies.get().await?.files {
            return Err(PluginsError::NoFiles);
        }
        let permit = inner.packages.place().await?;
        let opened = Opened::read(package, inner.settings.package_bytes).await?;
        let place = self.place(user, workspace).await?;
        let (plugins, consent) = (self.clone(), consent.map(str::to_owned));
        let developed = async move { plugins.put_developed(&place, opened, permit, consent.as_deref()).await };
        to_the_end(developed).await
    }

    async fn put_developed(
        &self,
        place: &Arc<Place>,
        opened: Opened,
        permit: OwnedSemaphorePermit,
        consent: Option<&str>,
    ) -> Result<Installed, PluginsError> {
        let (inner, candidate) = (&self.inner, Candidate::of(&opened, Origin::Development));
        let agreed = Agreed { consent, grant: None, is_named: true };
        // Tried before all of it is written, in a transaction that is given up, and again with the last one.
        inner.put_row(&inner.store.begin(), place, &candidate, &agreed).await?;
        let written = inner.packages.write(&opened).await?;
        drop((opened, permit));
        let holder = &Holder::Install(place.user, place.workspace, candidate.manifest.id.clone());
        let row = inner.store.transact(|tx| {
            let (candidate, agreed, written) = (&candidate, &agreed, &written);
            async move {
                let row = inner.put_row(&tx, place, candidate, agreed).await?;
                inner.packages.settle(&tx, written, holder).await?;
                Ok(row)
            }
        });
        let row = match row.await {
            Ok(row) => row,
            Err(error) => {
                inner.packages.abandon(&written).await;
                return Err(error);
            }
        };
        self.installed(place, &candidate, &row, "plugins.develop").await
    }

    /// What there is to do once a row was written.
    async fn installed(
        &self,
        place: &Arc<Place>,
        candidate: &Candidate,
        row: &InstallRow,
        action: &'static str,
    ) -> Result<Installed, PluginsError> {
        let (inner, id) = (&self.inner, &candidate.manifest.id);
        tracing::info!(
            target: "audit", action, user = %place.user, workspace = %place.workspace, plugin = %id, version = row.version,
            sha256 = row.sha256, key = candidate.key_id(), granted = ?row.granted
        );
        inner.supervisor.forgive(&place.whose(id));
        inner.load(place).await?;
        inner.prepare(place, id);
        self.shown(place, id).await
    }
}

impl Inner {
    /// Writes the row of a package that somebody agreed to.
    pub(super) async fn put_row(
        &self,
        tx: &Transaction,
        place: &Place,
        candidate: &Candidate,
        agreed: &Agreed<'_>,
    ) -> Result<InstallRow, PluginsError> {
        let whose = &place.whose(&candidate.manifest.id);
        self.check_allowed(tx, candidate).await?;
        let key = self.keys.install(whose);
        let former: Option<InstallRow> = tx.get_record(&key).await?;
        if let Some(former) = &former {
            self.check_author(tx, former, candidate).await?;
            check_version(former, candidate, agreed)?;
        }
        let granted = self.granted(former.as_ref(), candidate, agreed).await?;
        let row = InstallRow {
            version: candidate.manifest.version.clone(),
            sha256: candidate.sha256.clone(),
            origin: candidate.origin,
            signer: candidate.signer.clone(),
            granted,
            settings: former.as_ref().map_or_else(BTreeMap::new, |row| row.settings.clone()),
            secrets: former.as_ref().map_or_else(BTreeMap::new, |row| row.secrets.clone()),
            enabled: former.as_ref().is_none_or(|row| row.enabled),
            failed: None,
            installed_at: former.as_ref().map_or_else(now_ms, |row| row.installed_at),
        };
        self.hold(tx, whose, former.as_ref(), candidate).await?;
        if former.is_none() {
            self.check_room(tx, whose).await?;
        }
        tx.set_record(&key, &row)?;
        note_changed(tx, &self.keys.changed(place.user, place.workspace))?;
        Ok(row)
    }

    /// Which of what is asked for is granted now.
    async fn granted(
        &self,
        former: Option<&InstallRow>,
        candidate: &Candidate,
        agreed: &Agreed<'_>,
    ) -> Result<Vec<CapabilityName>, PluginsError> {
        let manifest = &candidate.manifest;
        let asked: Vec<_> = candidate.asked().iter().map(Capability::name).collect();
        if agreed.consent == Some(consent(manifest).as_str()) {
            let granted = agreed.grant.unwrap_or(&asked);
            return match granted.iter().find(|name| !asked.contains(name)) {
                Some(name) => Err(PluginsError::NotAsked(name.to_string())),
                None => Ok(asked.iter().filter(|name| granted.contains(name)).copied().collect()),
            };
        }
        // Nobody agreed to this one: what was agreed to before has to be enough.
        let before = match former {
            Some(former) => self.packages.manifest(&former.sha256).await?,
            None if candidate.origin == Origin::Development => return Ok(Vec::new()),
            None => return Err(PluginsError::ConsentChanged),
        };
        let must_agree = has_to_ask(&before, manifest);
        let before: Vec<_> = before.capabilities.iter().map(|asked| asked.capability.clone()).collect();
        let more: Vec<_> = asks_more(&before, manifest).iter().map(|asked| asked.capability.name()).collect();
        if must_agree && candidate.origin != Origin::Development {
            return Err(PluginsError::ConsentChanged);
        }
        let granted = former.map_or(&[][..], |row| &row.granted);
        Ok(asked.into_iter().filter(|name| granted.contains(name) && !more.contains(name)).collect())
    }

    /// Holds the package that is installed now in place of the one before.
    async fn hold(
        &self,
        tx: &Transaction,
        (user, workspace, id): &Whose,
        former: Option<&InstallRow>,
        candidate: &Candidate,
    ) -> Result<(), PluginsError> {
        let holder = Holder::Install(*user, *workspace, id.clone());
        let is_same = former.is_some_and(|row| row.sha256 == candidate.sha256);
        if is_same && former.is_some_and(|row| row.origin == candidate.origin) {
            return Ok(());
        }
        if let Some(former) = former {
            tx.clear(self.keys.file(*user, &former.sha256, &holder))?;
            if !is_same {
                self.packages.release(tx, &former.sha256, &holder)?;
            }
        }
        match candidate.origin {
            Origin::Registry => {}
            Origin::File => {
                if !self.has_upload(tx, *user, &candidate.sha256).await? {
                    return Err(PluginsError::NoUpload);
                }
                self.forget_upload(tx, *user, &candidate.sha256).await?;
                self.charge(tx, *user, &candidate.sha256, &holder, candidate.kept_bytes).await?;
            }
            Origin::Development => self.charge(tx, *user, &candidate.sha256, &holder, candidate.kept_bytes).await?,
        }
        self.packages.hold(tx, &candidate.sha256, &holder)?;
        Ok(())
    }

    async fn check_room(&self, tx: &Transaction, (user, workspace, _): &Whose) -> Result<(), PluginsError> {
        let most = self.settings.installs_per_workspace;
        let there = tx.range_all(self.keys.installs(*user, *workspace).range()).await?.len();
        if there >= most {
            let remedy = "uninstall those that you do not use";
            return Err(PluginsError::TooMany { what: "plugins in one workspace", most: most as u64, remedy });
        }
        tx.set(self.keys.members(*workspace).pack(&user.0), "")?;
        Ok(())
    }
}

/// An older version is taken only by who names it.
fn check_version(former: &InstallRow, candidate: &Candidate, agreed: &Agreed<'_>) -> Result<(), PluginsError> {
    let (installed, version) = (&former.version, &candidate.manifest.version);
    let is_older = match (Version::parse(installed), Version::parse(version)) {
        (Ok(installed), Ok(version)) => version < installed,
        _ => false,
    };
    if is_older && !agreed.is_named {
        return Err(PluginsError::Downgrade { installed: installed.clone(), version: version.clone() });
    }
    Ok(())
}
