//! A plugin that was loaded.

use std::path::Path;
use std::sync::Arc;

use coditect_plugin_host::{Compiled, Host, HostError, HostSettings, Plugin};
use coditect_plugin_package::Package;
use coditect_protocol::plugin::Manifest;

use crate::error::HarnessError;
use crate::folder::package_of_folder;
use crate::session::SessionBuilder;

/// A plugin in a host of its own.
#[derive(Debug, Clone)]
pub struct Harness {
    plugin: Plugin,
    manifest: Arc<Manifest>,
}

impl Harness {
    /// Of a package's file.
    pub async fn of_package(file: &[u8]) -> Result<Self, HarnessError> {
        Self::of(&Package::read(file)?).await
    }

    /// Of a plugin's folder, with the component that `coditect-plugin build` made last.
    pub async fn of_folder(folder: &Path) -> Result<Self, HarnessError> {
        Self::of(&package_of_folder(folder, None)?).await
    }

    /// Of a package.
    pub async fn of(package: &Package) -> Result<Self, HarnessError> {
        let host = Host::new(Self::settings())?;
        let component = package.component().ok_or(HarnessError::NoComponent)?.to_vec();
        let translating = host.clone();
        let task = tokio::task::spawn_blocking(move || translating.compile(&component));
        let compiled = task.await.map_err(|error| HostError::Engine { detail: error.to_string() })??;
        Self::of_compiled(&host, package.manifest().clone(), &compiled)
    }

    /// Of what a host of [`Self::settings`] translated before.
    pub fn of_compiled(host: &Host, manifest: Manifest, compiled: &Compiled) -> Result<Self, HarnessError> {
        let manifest = Arc::new(manifest);
        let plugin = host.load(Arc::clone(&manifest), compiled)?;
        Ok(Self { plugin, manifest })
    }

    /// Those of the host here: a server's defaults, but that the network of this machine may be reached by whoever was granted that.
    #[must_use]
    pub fn settings() -> HostSettings {
        HostSettings { private_hosts: true, ..HostSettings::default() }
    }

    /// What the plugin says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Surroundings for it: an empty workspace, all rights that the manifest asks for, and nothing else yet.
    #[must_use]
    pub fn session(&self) -> SessionBuilder {
        SessionBuilder::new(self.plugin.clone(), Arc::clone(&self.manifest))
    }
}
