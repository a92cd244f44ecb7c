//! From the settings to the plugins.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coditect_plugin_host::{CompiledCache, Deadlines, Host, HostSettings};
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
        queue_per_caller: settings.plugin_queue_per_person,
        cpu_percent: settings.plugin_cpu_percent,
        deadlines: deadlines(settings),
        output_bytes: settings.plugin_output_max_bytes,
        host_calls: settings.plugin_host_calls,
        host_bytes: settings.plugin_host_max_bytes,
        log_bytes: settings.plugin_call_log_bytes,
        stack_bytes: settings.plugin_stack_bytes,
        table_elements: settings.plugin_table_elements,
        tables: settings.plugin_tables,
        memories: settings.plugin_memories,
        core_instances: settings.plugin_core_modules,
        private_hosts: settings.plugin_private_hosts,
    }
}

fn deadlines(settings: &Settings) -> Deadlines {
    let ms = |seconds: u64| seconds.saturating_mul(1000);
    Deadlines {
        command_ms: ms(settings.plugin_command_seconds),
        format_ms: ms(settings.plugin_format_seconds),
        check_ms: ms(settings.plugin_check_seconds),
        tool_ms: ms(settings.plugin_tool_seconds),
        respond_ms: ms(settings.plugin_respond_seconds),
        filter_ms: ms(settings.plugin_filter_seconds),
        models_ms: ms(settings.plugin_models_seconds),
        save_ms: ms(settings.plugin_save_seconds),
        events_ms: ms(settings.plugin_events_seconds),
        build_ms: ms(settings.plugin_build_seconds),
        view_ms: ms(settings.plugin_view_seconds),
        status_ms: ms(settings.plugin_status_seconds),
    }
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes.saturating_mul(60))
}

fn plugin_settings(settings: &Settings) -> PluginSettings {
    let mirror = &settings.plugin_mirror_dir;
    PluginSettings {
        mirror: Some(mirror.clone()).filter(|dir| !dir.as_os_str().is_empty()),
        mirror_interval: Duration::from_secs(settings.plugin_mirror_seconds),
        package_bytes: settings.plugin_package_max_bytes,
        publishers_per_person: settings.plugin_publishers_per_person,
        reserved_publishers: settings.plugin_reserved_publishers.clone(),
        plugins_per_publisher: settings.plugins_per_publisher,
        versions_per_plugin: settings.plugin_versions_per_plugin,
        publisher_bytes: settings.plugin_publisher_bytes,
        registry_plugins: settings.plugin_registry_plugins,
        registry_versions: settings.plugin_registry_versions,
        installs_per_workspace: settings.plugin_installs_per_workspace,
        files_per_person: settings.plugin_files_per_person,
        file_bytes_per_person: settings.plugin_file_bytes_per_person,
        upload_keep: minutes(settings.plugin_upload_minutes),
        loaded_bytes: settings.plugin_loaded_bytes,
        compiles_at_once: settings.plugin_compiles_at_once,
        packages_at_once: settings.plugin_packages_at_once,
        places: settings.plugin_lists,
        followers: settings.plugin_followers,
        log_bytes: settings.plugin_log_bytes,
        place_idle: minutes(settings.plugin_list_idle_minutes),
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
    fn defaults_are_those_of_the_crates() {
        let settings = Settings::default();
        assert_eq!(host_settings(&settings), HostSettings::default());
        assert_eq!(plugin_settings(&settings), PluginSettings::default());
    }

    #[test]
    fn every_setting_reaches_the_host() {
        let settings = Settings {
            plugin_workers: 3,
            plugin_cpu_percent: 4,
            plugin_memory_mib: 5,
            plugin_memory_max_mib: 7,
            plugin_calls_at_once: 11,
            plugin_calls_per_person: 2,
            plugin_queue: 17,
            plugin_queue_per_person: 6,
            plugin_command_seconds: 21,
            plugin_format_seconds: 22,
            plugin_check_seconds: 23,
            plugin_tool_seconds: 24,
            plugin_respond_seconds: 25,
            plugin_filter_seconds: 26,
            plugin_models_seconds: 27,
            plugin_save_seconds: 28,
            plugin_events_seconds: 29,
            plugin_build_seconds: 30,
            plugin_view_seconds: 31,
            plugin_status_seconds: 32,
            plugin_output_max_bytes: 41,
            plugin_host_calls: 42,
            plugin_host_max_bytes: 43,
            plugin_call_log_bytes: 44,
            plugin_stack_bytes: 45,
            plugin_table_elements: 46,
            plugin_tables: 47,
            plugin_memories: 48,
            plugin_core_modules: 49,
            plugin_private_hosts: true,
            ..Settings::default()
        };
        let deadlines = Deadlines {
            command_ms: 21_000,
            format_ms: 22_000,
            check_ms: 23_000,
            tool_ms: 24_000,
            respond_ms: 25_000,
            filter_ms: 26_000,
            models_ms: 27_000,
            save_ms: 28_000,
            events_ms: 29_000,
            build_ms: 30_000,
            view_ms: 31_000,
            status_ms: 32_000,
        };
        let host = HostSettings {
            workers: 3,
            cpu_percent: 4,
            memory_default_mib: 5,
            memory_max_mib: 7,
            calls_at_once: 11,
            calls_per_caller: 2,
            queue: 17,
            queue_per_caller: 6,
            deadlines,
            output_bytes: 41,
            host_calls: 42,
            host_bytes: 43,
            log_bytes: 44,
            stack_bytes: 45,
            table_elements: 46,
            tables: 47,
            memories: 48,
            core_instances: 49,
            private_hosts: true,
        };
        assert_eq!(host_settings(&settings), host);
    }

    #[test]
    fn every_setting_reaches_the_registry() {
        let settings = Settings {
            plugin_mirror_dir: "/srv/mirror".into(),
            plugin_mirror_seconds: 12,
            plugin_package_max_bytes: 13,
            plugin_publishers_per_person: 14,
            plugin_reserved_publishers: vec!["ours".to_owned()],
            plugins_per_publisher: 15,
            plugin_versions_per_plugin: 16,
            plugin_publisher_bytes: 17,
            plugin_registry_plugins: 18,
            plugin_registry_versions: 19,
            plugin_installs_per_workspace: 20,
            plugin_files_per_person: 21,
            plugin_file_bytes_per_person: 22,
            plugin_upload_minutes: 23,
            plugin_loaded_bytes: 24,
            plugin_compiles_at_once: 25,
            plugin_packages_at_once: 26,
            plugin_lists: 27,
            plugin_followers: 28,
            plugin_log_bytes: 29,
            plugin_list_idle_minutes: 30,
            ..Settings::default()
        };
        let plugins = PluginSettings {
            mirror: Some("/srv/mirror".into()),
            mirror_interval: Duration::from_secs(12),
            package_bytes: 13,
            publishers_per_person: 14,
            reserved_publishers: vec!["ours".to_owned()],
            plugins_per_publisher: 15,
            versions_per_plugin: 16,
            publisher_bytes: 17,
            registry_plugins: 18,
            registry_versions: 19,
            installs_per_workspace: 20,
            files_per_person: 21,
            file_bytes_per_person: 22,
            upload_keep: Duration::from_secs(23 * 60),
            loaded_bytes: 24,
            compiles_at_once: 25,
            packages_at_once: 26,
            places: 27,
            followers: 28,
            log_bytes: 29,
            place_idle: Duration::from_secs(30 * 60),
        };
        assert_eq!(plugin_settings(&settings), plugins);
    }
}
