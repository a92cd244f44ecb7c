//! What a person looks at before they agree.

use std::sync::Arc;

use bytes::Bytes;
use coditect_plugin_package::{PublicKey, asks_more, consent};
use coditect_protocol::plugin::{
    Capability, Manifest, Offers, PackageSource, PluginId, Review, SignatureState, ViewPlace,
};
use coditect_protocol::{UserId, WorkspaceId};
use coditect_store::{StoreError, Transaction};

use super::place::{Place, granted};
use super::rows::{InstallRow, Origin};
use crate::PluginsError;
use crate::packages::{Opened, PackageRow, to_the_end};
use crate::plugins::{Inner, Plugins};
use crate::registry::is_allowed;
use crate::registry::rows::{PublisherRow, key_id};

/// A package that could be installed.
pub(super) struct Candidate {
    pub(super) manifest: Arc<Manifest>,
    pub(super) sha256: String,
    /// Bytes of its file.
    pub(super) bytes: u64,
    /// Bytes that the store keeps of it.
    pub(super) kept_bytes: u64,
    /// Public key that signed it.
    pub(super) signer: Option<String>,
    pub(super) origin: Origin,
}

impl Plugins {
    /// What a package asks for, compared with what it was granted in the workspace before.
    pub async fn review(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        source: &PackageSource,
    ) -> Result<Review, PluginsError> {
        let candidate = self.inner.candidate(user, source).await?;
        self.reviewed(user, workspace, &candidate).await
    }

    /// The same of a package that is sent. It is kept for [`crate::PluginSettings::upload_keep`], to be installed by its SHA-256.
    pub async fn review_file(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        package: Bytes,
    ) -> Result<Review, PluginsError> {
        let inner = &self.inner;
        if !inner.registry.policies.get().await?.files {
            return Err(PluginsError::NoFiles);
        }
        let permit = inner.packages.place().await?;
        let opened = Opened::read(package, inner.settings.package_bytes).await?;
        let candidate = Candidate::of(&opened, Origin::File);
        if candidate.signer.is_none() {
            return Err(PluginsError::Unsigned);
        }
        let inner = inner.clone();
        let kept = to_the_end(async move {
            let _permit = permit;
            inner.keep_upload(user, &opened).await
        });
        kept.await?;
        self.reviewed(user, workspace, &candidate).await
    }

    async fn reviewed(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        candidate: &Candidate,
    ) -> Result<Review, PluginsError> {
        let place = self.place(user, workspace).await?;
        self.inner.review_of(&place, candidate).await
    }
}

impl Inner {
    /// The package that is meant.
    pub(super) async fn candidate(&self, user: UserId, source: &PackageSource) -> Result<Candidate, PluginsError> {
        match source {
            PackageSource::Registry { id, version } => {
                let listed = self.registry.find(id, version.as_deref()).await?;
                let manifest = self.packages.manifest(&listed.row.sha256).await?;
                let (sha256, bytes, signer) = (listed.row.sha256, listed.row.bytes, Some(listed.row.key));
                Ok(Candidate { manifest, sha256, bytes, kept_bytes: bytes, signer, origin: Origin::Registry })
            }
            PackageSource::File { sha256 } => {
                // Whatever was sent as a name is one only if a package stands below it.
                let is_here = self.store.transact(|tx| async move { self.has_file(&tx, user, sha256).await });
                let is_here = sha256.len() == SHA256_DIGITS && is_here.await?;
                let row = if is_here { self.packages.row(sha256).await? } else { None };
                let row = row.ok_or(PluginsError::NoUpload)?;
                let manifest = self.packages.manifest(sha256).await?;
                Ok(Candidate::new(manifest, sha256, &row, Origin::File))
            }
        }
    }

    /// Whether a person sent a package, to be looked at or installed.
    async fn has_file(&self, tx: &Transaction, user: UserId, sha256: &str) -> Result<bool, StoreError> {
        let held = self.keys.files_of(user).sub(&sha256).range().limit(1);
        Ok(!tx.range(held).await?.is_empty())
    }

    pub(super) async fn review_of(&self, place: &Place, candidate: &Candidate) -> Result<Review, PluginsError> {
        let manifest = &candidate.manifest;
        let signature = self.signature(&manifest.id, candidate.signer.as_deref()).await?;
        let entries = place.entries();
        let former = entries.all.get(&manifest.id);
        let before = former.map_or_else(Vec::new, |entry| granted(&entry.row, &entry.manifest));
        Ok(Review {
            sha256: candidate.sha256.clone(),
            bytes: candidate.bytes,
            signature,
            asks_more: asks_more(&before, manifest),
            consent: consent(manifest),
            installed: former.map(|entry| entry.row.version.clone()),
            manifest: manifest.as_ref().clone(),
        })
    }

    /// Whose the key is that signed a package.
    async fn signature(&self, id: &PluginId, signer: Option<&str>) -> Result<SignatureState, PluginsError> {
        let Some(signer) = signer else { return Ok(SignatureState::None) };
        let key = PublicKey::parse(signer)?.id().to_string();
        self.registry.catalog.ready().await?;
        let is_known = self.registry.catalog.known().publishers.get(id.publisher()).is_some_and(|of| of.trusts(signer));
        Ok(if is_known { SignatureState::Publisher { key } } else { SignatureState::Unknown { key } })
    }

    /// Whether the operator allows it, and, where it comes from the registry, whether it is offered still. Part of the transaction that
    /// installs it.
    pub(super) async fn check_allowed(&self, tx: &Transaction, candidate: &Candidate) -> Result<(), PluginsError> {
        let id = &candidate.manifest.id;
        let policy = self.registry.policies.of(tx).await?;
        if !is_allowed(&policy, id) {
            return Err(PluginsError::NotAllowed(id.to_string()));
        }
        match candidate.origin {
            Origin::File | Origin::Development if !policy.files => Err(PluginsError::NoFiles),
            Origin::File if candidate.signer.is_none() => Err(PluginsError::Unsigned),
            Origin::Registry => {
                let version = &candidate.manifest.version;
                let is_offered = self.registry.is_offered(tx, id, version, &candidate.sha256).await?;
                let yanked = || PluginsError::Yanked { id: id.to_string(), version: version.clone() };
                is_offered.then_some(()).ok_or_else(yanked)
            }
            _ => Ok(()),
        }
    }

    /// What replaces a plugin comes from whom it came from: it gets to read what that kept, secrets too.
    pub(super) async fn check_author(
        &self,
        tx: &Transaction,
        former: &InstallRow,
        candidate: &Candidate,
    ) -> Result<(), PluginsError> {
        let id = &candidate.manifest.id;
        let in_development = [former.origin, candidate.origin].map(|origin| origin == Origin::Development);
        let is_same = match in_development {
            [true, true] => true,
            [false, false] => {
                let publisher: Option<PublisherRow> = tx.get_record(self.keys.publisher(id.publisher())).await?;
                let has = |key: &Option<String>| {
                    publisher
                        .as_ref()
                        .zip(key.as_ref())
                        .is_some_and(|(publisher, key)| publisher.keys.contains_key(key))
                };
                let is_trusted =
                    publisher.as_ref().zip(candidate.signer.as_ref()).is_some_and(|(of, key)| of.trusts(key));
                former.signer == candidate.signer || has(&former.signer) && is_trusted
            }
            _ => false,
        };
        if is_same { Ok(()) } else { Err(PluginsError::OtherSigner(id.to_string())) }
    }
}

/// Digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

impl Candidate {
    fn new(manifest: Arc<Manifest>, sha256: &str, row: &PackageRow, origin: Origin) -> Self {
        let (bytes, kept_bytes, signer) = (row.bytes, row.kept_bytes(), row.signer.clone());
        Self { manifest, sha256: sha256.to_owned(), bytes, kept_bytes, signer, origin }
    }

    pub(super) fn of(opened: &Opened, origin: Origin) -> Self {
        Self::new(Arc::new(opened.manifest().clone()), &opened.sha256, &opened.row, origin)
    }

    /// What its manifest asks for.
    pub(super) fn asked(&self) -> Vec<Capability> {
        self.manifest.capabilities.iter().map(|asked| asked.capability.clone()).collect()
    }

    pub(super) fn key_id(&self) -> Option<String> {
        self.signer.as_deref().map(key_id)
    }
}

/// Whether a newer version would have to be agreed to: it asks for more, or wants more handed over, or run by models, unasked within what it asks for.
pub(super) fn has_to_ask(before: &Manifest, new: &Manifest) -> bool {
    let asked: Vec<_> = before.capabilities.iter().map(|asked| asked.capability.clone()).collect();
    let (old, now) = (&before.offers, &new.offers);
    let looks = (now.conversations.questions && !old.conversations.questions)
        || (now.conversations.answers && !old.conversations.answers);
    let is_new = |old: &[String], now: &[String]| now.iter().any(|word| !old.contains(word));
    let hooks = is_new(&old.hooks.will_save, &now.hooks.will_save) || is_new(&old.hooks.changed, &now.hooks.changed);
    let checked = |offers: &Offers| -> Vec<String> {
        offers.diagnostics.iter().flat_map(|offer| offer.languages.iter().cloned()).collect()
    };
    let viewed = |offers: &Offers| -> Vec<String> {
        let files = offers.views.iter().filter(|view| view.place == ViewPlace::File);
        files.flat_map(|view| view.globs.iter().cloned()).collect()
    };
    let hands = is_new(&checked(old), &checked(now)) || is_new(&viewed(old), &viewed(now));
    let unasked = |offers: &Offers| -> Vec<String> {
        offers.tools.iter().filter(|tool| !tool.changes).map(|tool| tool.id.clone()).collect()
    };
    // They are handed the text that is looked at.
    let shown = |offers: &Offers| -> Vec<String> { offers.status_items.iter().map(|item| item.id.clone()).collect() };
    let runs = is_new(&unasked(old), &unasked(now)) || is_new(&shown(old), &shown(now));
    !asks_more(&asked, new).is_empty() || looks || hooks || hands || runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_over_unasked_is_agreed_to() {
        let manifest = |rest: &str| {
            let head =
                "[plugin]\nid='a.b'\nversion='1.0.0'\ncontract='1.0'\ntitle='T'\ndescription='D.'\nlicense='MIT'\n";
            let documents = "[[capability]]\nname='documents'\nglobs=['**']\nreason='To see.'\n";
            coditect_plugin_package::manifest::parse(&format!("{head}{rest}{documents}")).unwrap()
        };
        let before = manifest("[[commands]]\nid='c'\ntitle='C'\n");
        assert!(!has_to_ask(&before, &manifest("[[commands]]\nid='d'\ntitle='D'\n")), "a person starts it");
        for more in [
            "[[status-items]]\nid='s'\ntitle='S'\n",
            "[[diagnostics]]\nlanguages=['rust']\n",
            "[[views]]\nid='v'\ntitle='V'\nplace='file'\nglobs=['*.csv']\n",
            "[hooks]\nwill-save=['*']\n",
        ] {
            let new = manifest(more);
            assert!(has_to_ask(&before, &new) && !has_to_ask(&new, &new), "{more}");
        }
    }
}
