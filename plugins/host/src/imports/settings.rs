//! What the person chose in the plugin's settings.

use super::wit;
use crate::state::State;
use wit::settings::Host;

impl Host for State {
    async fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        let around = &self.around;
        around.enter()?;
        let Some(setting) = around.manifest.settings.iter().find(|setting| setting.id == name) else { return Ok(None) };
        Ok(Some(around.caller.settings.get(&name).unwrap_or(&setting.default).clone()))
    }
}
