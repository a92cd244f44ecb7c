//! Extism: core modules with its own way of handing over bytes.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};

pub(crate) struct Extism(CompiledPlugin);

impl Extism {
    pub(crate) fn new(module: &[u8]) -> Result<Self> {
        let manifest = Manifest::new([Wasm::data(module.to_vec())]);
        let compiled = CompiledPlugin::new(PluginBuilder::new(manifest).with_wasi(true));
        Ok(Self(compiled.map_err(|error| anyhow!("{error:#}"))?))
    }

    pub(crate) fn instantiate(&self) -> Result<(Plugin, Duration)> {
        let began = Instant::now();
        let plugin = Plugin::new_from_compiled(&self.0).map_err(|error| anyhow!("{error:#}"))?;
        Ok((plugin, began.elapsed()))
    }

    /// One call in an instance of its own.
    pub(crate) fn call(&self, input: &str) -> Result<Duration> {
        let began = Instant::now();
        let (mut plugin, _) = self.instantiate()?;
        Self::again(&mut plugin, input)?;
        drop(plugin);
        Ok(began.elapsed())
    }

    /// One call in an instance that is there.
    pub(crate) fn again(plugin: &mut Plugin, input: &str) -> Result<Duration> {
        let began = Instant::now();
        let output: String = plugin.call("echo", input).map_err(|error| anyhow!("{error:#}"))?;
        anyhow::ensure!(output == input, "Extism answered something else");
        Ok(began.elapsed())
    }
}
