//! Plugins for tests.

use coditect_protocol::plugin::{CapabilityName, Installed, Manifest, PluginFigures, PluginState};
use serde_json::{Value, json};

/// A manifest of this name with what is said in JSON beside that.
pub(super) fn manifest(id: &str, more: &str) -> Manifest {
    let mut manifest = json!({
        "id": id, "version": "1.0.0", "contract": "1.0", "title": "Title", "description": "", "license": "MIT"
    });
    let Value::Object(more) = serde_json::from_str(more).unwrap() else { panic!("an object is wanted") };
    manifest.as_object_mut().unwrap().extend(more);
    serde_json::from_value(manifest).unwrap()
}

/// A plugin that is installed.
pub(super) fn installed(manifest: Manifest, state: PluginState, granted: &[CapabilityName]) -> Installed {
    Installed {
        manifest,
        state,
        granted: granted.to_vec(),
        settings: std::collections::BTreeMap::new(),
        update: None,
        development: false,
        taken_back: false,
        installed_at: 0,
        figures: PluginFigures::default(),
    }
}
