//! A package that somebody sent: looked at from all sides before anything is done with it.

use bytes::Bytes;
use coditect_plugin_host::{Host, HostError};
use coditect_plugin_package::{Package, PublicKey, README_PATH, sha256_hex};
use coditect_protocol::plugin::{ContractVersion, Manifest, Offers};

use super::{MANIFEST, PackageRow};
use crate::PluginsError;

/// A package that was read, and found well.
pub(crate) struct Opened {
    pub(crate) file: Bytes,
    pub(crate) sha256: String,
    pub(crate) signer: Option<PublicKey>,
    pub(crate) version: semver::Version,
    /// What is known of it once it is there.
    pub(crate) row: PackageRow,
    manifest_json: Vec<u8>,
    package: Package,
}

impl Opened {
    /// Reads and checks all of it. It takes its time: threads that wait for nothing do it.
    pub(crate) async fn read(file: Bytes, most: u64) -> Result<Self, PluginsError> {
        let bytes = file.len() as u64;
        if bytes > most {
            return Err(PluginsError::TooLarge { bytes, most });
        }
        let read = tokio::task::spawn_blocking(move || Self::read_blocking(file));
        read.await.map_err(|_| PluginsError::Busy)?
    }

    fn read_blocking(file: Bytes) -> Result<Self, PluginsError> {
        let package = Package::read(&file)?;
        package.verify()?;
        let manifest = package.manifest();
        let (found, served) = (manifest.contract, ContractVersion::LATEST);
        if found.major() != served.major() || found > served {
            return Err(PluginsError::Contract { found: found.to_string(), served: served.to_string() });
        }
        // The manifest's rules want it so.
        let version = semver::Version::parse(&manifest.version)
            .map_err(|_| PluginsError::NoVersion { id: manifest.id.to_string(), version: manifest.version.clone() })?;
        if let Some(component) = package.component() {
            let examined = Host::examine(component)?;
            if let Some(spoken) = examined.contract.filter(|spoken| spoken.major() != found.major()) {
                return Err(PluginsError::Contract { found: spoken.to_string(), served: found.to_string() });
            }
            check_exports(&examined.exports, &manifest.offers)?;
        }
        let (sha256, signer) = (sha256_hex(&file), package.signature().map(|signature| *signature.key()));
        let manifest_json = serde_json::to_vec(manifest).map_err(|_| PluginsError::Damaged(sha256.clone()))?;
        let row = PackageRow {
            bytes: file.len() as u64,
            component: package.component().map(sha256_hex),
            signer: signer.as_ref().map(ToString::to_string),
            parts: parts(&package, manifest_json.len()),
        };
        Ok(Self { file, sha256, signer, version, row, manifest_json, package })
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        self.package.manifest()
    }

    /// One of [`PackageRow::parts`].
    pub(super) fn part(&self, name: &str) -> Option<&[u8]> {
        if name == MANIFEST { Some(&self.manifest_json) } else { self.package.file(name) }
    }
}

/// What is kept beside the file, to be had without all of it: manifest, README, picture and themes, with their bytes.
fn parts(package: &Package, manifest_bytes: usize) -> Vec<(String, u64)> {
    let manifest = package.manifest();
    let themes = manifest.offers.themes.iter().map(|theme| theme.path.as_str());
    let mut names: Vec<_> = manifest.icon.as_deref().into_iter().chain(themes).chain([README_PATH]).collect();
    names.sort_unstable();
    names.dedup();
    let files = names.into_iter().filter_map(|name| Some((name.to_owned(), package.file(name)?.len() as u64)));
    std::iter::once((MANIFEST.to_owned(), manifest_bytes as u64)).chain(files).collect()
}

/// What the manifest offers the component exports: each by an interface of the contract.
fn check_exports(exports: &[String], offers: &Offers) -> Result<(), HostError> {
    let hooks = &offers.hooks;
    let offered = [
        ("commands", !offers.commands.is_empty()),
        ("formatters", !offers.formatters.is_empty()),
        ("diagnostics", !offers.diagnostics.is_empty()),
        ("tools", !offers.tools.is_empty()),
        ("participants", !offers.participants.is_empty()),
        ("filters", offers.conversations.questions || offers.conversations.answers),
        ("providers", !offers.providers.is_empty()),
        ("hooks", !hooks.will_save.is_empty() || !hooks.changed.is_empty()),
        ("build-steps", !offers.build_steps.is_empty()),
        ("views", !offers.views.is_empty()),
        ("status-items", !offers.status_items.is_empty()),
    ];
    let missing = offered.into_iter().find(|(name, is_offered)| *is_offered && !exports.iter().any(|it| it == name));
    missing.map_or(Ok(()), |(interface, _)| Err(HostError::NotExported { interface }))
}
