//! What people set: checked against the manifest, secrets sealed.

use std::collections::BTreeMap;

use coditect_protocol::plugin::{Manifest, Setting, SettingKind};
use coditect_store::{MasterKey, StoreError};
use serde_bytes::ByteBuf;
use serde_json::Value;
use zeroize::Zeroizing;

use super::rows::InstallRow;
use crate::PluginsError;
use crate::keys::Whose;
use crate::settings::{MAX_SETTING_BYTES, MAX_SETTINGS_BYTES};

/// What a secret is sealed for: nothing opens it in another row or for another setting.
fn context((user, workspace, id): &Whose, setting: &str) -> Vec<u8> {
    format!("plugin setting\0{user}\0{workspace}\0{id}\0{setting}").into_bytes()
}

/// Sets some, or goes back to what they are otherwise.
pub(super) fn set(
    row: &mut InstallRow,
    manifest: &Manifest,
    whose: &Whose,
    master: &MasterKey,
    values: &BTreeMap<String, Option<String>>,
) -> Result<(), PluginsError> {
    for (name, value) in values {
        let unknown = || PluginsError::NoSetting(name.chars().take(100).collect());
        let setting = manifest.settings.iter().find(|setting| setting.id == *name).ok_or_else(unknown)?;
        row.settings.remove(name);
        row.secrets.remove(name);
        let Some(value) = value.as_deref().filter(|json| *json != "null") else { continue };
        let value = Zeroizing::new(checked(setting, value)?);
        if setting.kind == SettingKind::Secret {
            let sealed = master.seal(&context(whose, name), value.as_bytes())?;
            row.secrets.insert(name.clone(), ByteBuf::from(sealed));
        } else {
            row.settings.insert(name.clone(), value.to_string());
        }
    }
    let plain = row.settings.iter().map(|(name, value)| name.len() + value.len());
    let sealed = row.secrets.iter().map(|(name, value)| name.len() + value.len());
    if plain.chain(sealed).sum::<usize>() > MAX_SETTINGS_BYTES {
        return Err(PluginsError::SettingsTooLarge);
    }
    Ok(())
}

/// A value in its one form, where it fits.
fn checked(setting: &Setting, json: &str) -> Result<String, PluginsError> {
    let bad = |what| PluginsError::BadSetting { id: setting.id.clone(), what };
    // Each character of a text may take six bytes as JSON.
    if json.len() > 6 * MAX_SETTING_BYTES + 2 {
        return Err(bad("it is too long"));
    }
    let value: Value = serde_json::from_str(json).map_err(|_| bad("it is written as JSON"))?;
    let is_text = |text: &str| text.len() <= MAX_SETTING_BYTES;
    let fits = match (setting.kind, &value) {
        (SettingKind::Boolean, Value::Bool(_)) | (SettingKind::Number, Value::Number(_)) => true,
        (SettingKind::Text | SettingKind::Secret, Value::String(text)) => is_text(text),
        (SettingKind::Choice, Value::String(text)) => setting.choices.contains(text),
        _ => false,
    };
    if fits { Ok(value.to_string()) } else { Err(bad(takes(setting.kind))) }
}

const fn takes(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Boolean => "it is true or false",
        SettingKind::Number => "it is a number",
        SettingKind::Text | SettingKind::Secret => "it is a text of at most 4 KiB",
        SettingKind::Choice => "it is one of its choices",
    }
}

/// What a plugin reads: of each setting what was set, where that still fits, and else its default.
pub(super) fn of(row: &InstallRow, manifest: &Manifest, whose: &Whose, master: &MasterKey) -> BTreeMap<String, String> {
    let value = |setting: &Setting| {
        let set = match (setting.kind, row.secrets.get(&setting.id)) {
            (SettingKind::Secret, Some(sealed)) => open(whose, &setting.id, sealed, master),
            (SettingKind::Secret, None) => None,
            _ => row.settings.get(&setting.id).cloned(),
        };
        let fitting = set.and_then(|value| checked(setting, &value).ok());
        (setting.id.clone(), fitting.unwrap_or_else(|| setting.default.clone()))
    };
    manifest.settings.iter().map(value).collect()
}

/// Whether a former master key sealed some of it.
pub(super) fn is_outdated(row: &InstallRow, master: &MasterKey) -> bool {
    row.secrets.values().any(|sealed| master.is_outdated(sealed))
}

/// Seals anew what a former master key sealed.
pub(super) fn reseal(row: &mut InstallRow, whose: &Whose, master: &MasterKey) -> Result<(), StoreError> {
    for (setting, sealed) in row.secrets.iter_mut().filter(|(_, sealed)| master.is_outdated(sealed)) {
        let context = context(whose, setting);
        match master.open(&context, sealed) {
            Ok(secret) => *sealed = ByteBuf::from(master.seal(&context, &secret)?),
            Err(error) => {
                tracing::warn!(%error, plugin = %whose.2, setting, "a secret of a plugin cannot be sealed with the new master key");
            }
        }
    }
    Ok(())
}

fn open(whose: &Whose, setting: &str, sealed: &[u8], master: &MasterKey) -> Option<String> {
    let opened: Result<_, StoreError> = master.open(&context(whose, setting), sealed);
    match opened {
        Ok(text) => String::from_utf8(text.to_vec()).ok(),
        Err(error) => {
            tracing::warn!(%error, plugin = %whose.2, setting, "a secret of a plugin cannot be opened");
            None
        }
    }
}

/// What people see: a secret that is set is `true`.
pub(super) fn shown(row: &InstallRow) -> BTreeMap<String, String> {
    let secrets = row.secrets.keys().map(|name| (name.clone(), "true".to_owned()));
    row.settings.iter().map(|(name, value)| (name.clone(), value.clone())).chain(secrets).collect()
}
