//! From the settings to the plugins.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coditect_plugin_host::{CompiledCache, Host, HostSettings};
use coditect_plugins::{Engine, PluginSettings, Plugins};
use coditect_store::{MasterKey, Store};
use coditect_workspace::watch::Watchers;
use rand::TryRng as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use super::changes::Hooks;
use super::compile::ChildCompiler;
use super::{Around, PeoplesSurroundings};
use crate::error::{ServerError, at_start};
use crate::server::make_private_dir;
use crate::settings::Settings;

/// Folder below the data directory with what was translated, and the key that it is written under.
const DIR: &str = "plugins";
const TRANSLATED_DIR: &str = "translated";
const KEY_FILE: &str = "translations.key";
/// What the key is sealed for.
const KEY_CONTEXT: &[u8] = b"key of translated plugins";
const KEY_BYTES: usize = 32;
/// How long it may take to write down what is to be written when the server stops.
const CLOSING: Duration = Duration::from_secs(5);

/// Plugins, what goes on beside their calls, and who is told what happens to files.
pub(crate) struct Plugged {
    pub(crate) plugins: Plugins,
    pub(crate) hooks: Arc<Hooks>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Plugged {
    /// Ends what goes on beside the calls. Nobody may call a plugin any more.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(CLOSING, self.tasks.wait()).await.is_err() {
            tracing::warn!("how often plugins were fetched could not be written down in {CLOSING:?}");
        }
    }
}

/// Opens them, where the settings want them.
pub(crate) async fn open(
    settings: &Settings,
    store: Store,
    master: MasterKey,
    around: &Arc<Around>,
    watchers: Watchers,
) -> Result<Option<Plugged>, ServerError> {
    if !settings.plugins {
        return Ok(None);
    }
    let dir = settings.data_dir().join(DIR);
    let key = cache_key(&dir, &master)?;
    let host = Host::new(host_settings(settings)).map_err(|error| at_start(&error))?;
    let cache = CompiledCache::open(dir.join(TRANSLATED_DIR), &key, settings.plugin_cache_bytes);
    let compiler = Arc::new(ChildCompiler::new(settings, host.clone()));
    let engine = Engine { host, cache: cache.map_err(|error| at_start(&error))?, compiler };
    let plugins = Plugins::open(store, engine, master, plugin_settings(settings)).await;
    let plugins = plugins.map_err(|error| at_start(&error))?;
    plugins.set_surroundings(Arc::new(PeoplesSurroundings(Arc::clone(around))));
    let hooks = Hooks::new(plugins.clone(), around.workspaces.clone(), watchers);
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(plugins.clone().run(stop.clone()));
    Ok(Some(Plugged { plugins, hooks, stop, tasks }))
}

/// The key that translations are kept under. Whoever writes to the directory without the master key has nothing run that they wrote. One
/// that does not open any more is made anew, and with it all that was translated.
fn cache_key(dir: &Path, master: &MasterKey) -> Result<Zeroizing<[u8; KEY_BYTES]>, ServerError> {
    let path = dir.join(KEY_FILE);
    let failed = |source| ServerError::Data { path: path.clone(), source };
    make_private_dir(dir)?;
    let kept = std::fs::read(&path).ok();
    let opened = kept.as_deref().and_then(|sealed| master.open(KEY_CONTEXT, sealed).ok());
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    match opened.filter(|opened| opened.len() == KEY_BYTES) {
        Some(opened) => key.copy_from_slice(&opened),
        None => rand::rngs::SysRng.try_fill_bytes(&mut *key).map_err(|error| failed(std::io::Error::other(error)))?,
    }
    let is_good = |sealed: &[u8]| !master.is_outdated(sealed) && master.open(KEY_CONTEXT, sealed).is_ok();
    if !kept.as_deref().is_some_and(is_good) {
        let sealed = master.seal(KEY_CONTEXT, &*key).map_err(|error| at_start(&error))?;
        write_whole(&path, &sealed).map_err(failed)?;
    }
    Ok(key)
}

/// Whoever reads it sees all of it, or what was there before.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let draft = path.with_extension("draft");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(draft, path)
}

fn host_settings(settings: &Settings) -> HostSettings {
    HostSettings {
        workers: settings.plugin_workers,
        memory_default_mib: settings.plugin_memory_mib,
        memory_max_mib: settings.plugin_memory_max_mib,
        calls_at_once: settings.plugin_calls_at_once,
        queue: settings.plugin_queue,
        calls_per_caller: settings.plugin_calls_per_person,
        private_hosts: settings.plugin_private_hosts,
        ..HostSettings::default()
    }
}

fn plugin_settings(settings: &Settings) -> PluginSettings {
    let mirror = &settings.plugin_mirror_dir;
    PluginSettings {
        mirror: Some(mirror.clone()).filter(|dir| !dir.as_os_str().is_empty()),
        package_bytes: settings.plugin_package_max_bytes,
        ..PluginSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_translations_stays_and_is_no_plain_text() {
        let dir = tempfile::tempdir().unwrap();
        let (master, other) = (MasterKey::from_bytes([1; 32]), MasterKey::from_bytes([2; 32]));
        let first = cache_key(dir.path(), &master).unwrap();
        let kept = std::fs::read(dir.path().join(KEY_FILE)).unwrap();
        assert!(!kept.windows(KEY_BYTES).any(|part| part == &first[..]));
        assert_eq!(*cache_key(dir.path(), &master).unwrap(), *first);
        assert_ne!(*cache_key(dir.path(), &other).unwrap(), *first, "another master key");
        std::fs::write(dir.path().join(KEY_FILE), b"planted").unwrap();
        let made = cache_key(dir.path(), &master).unwrap();
        assert_eq!(*cache_key(dir.path(), &master).unwrap(), *made);
    }

    #[test]
    fn every_setting_reaches_the_host() {
        let settings = Settings {
            plugin_workers: 3,
            plugin_memory_mib: 5,
            plugin_memory_max_mib: 7,
            plugin_calls_at_once: 11,
            plugin_queue: 17,
            plugin_calls_per_person: 2,
            plugin_private_hosts: true,
            plugin_package_max_bytes: 13,
            plugin_mirror_dir: "/srv/mirror".into(),
            ..Settings::default()
        };
        let host = host_settings(&settings);
        assert_eq!((host.workers, host.memory_default_mib, host.memory_max_mib), (3, 5, 7));
        assert_eq!((host.calls_at_once, host.queue), (11, 17));
        assert_eq!((host.calls_per_caller, host.private_hosts), (2, true));
        let plugins = plugin_settings(&settings);
        assert_eq!((plugins.package_bytes, plugins.mirror), (13, Some("/srv/mirror".into())));
        assert_eq!(plugin_settings(&Settings::default()).mirror, None);
    }
}
