//! From the settings to what people's programs run in.

mod agents;
pub(crate) mod ends;
mod tokens;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use coditect_store::{MasterKey, Store};
use coditect_workspace::git::{self, Credentials, Git, SandboxLauncher};
use coditect_workspace::sandbox::client::{KeepTerminals, Sandboxes};
use coditect_workspace::sandbox::net::NetworkPolicy;
use coditect_workspace::sandbox::{Limits, SandboxError, SandboxSettings, TerminalSettings};
use coditect_workspace::terminals::Terminals;

use crate::error::{ServerError, at_start};
use crate::server::make_private_dir;
use crate::settings::Settings;

pub(crate) use self::tokens::{Given, TerminalTokens};

/// Folder below the data directory in which a server finds what ran before it.
const RUN_DIR: &str = "run";

/// The terminals of a server that listens at `address`, with those that an earlier one left.
pub(crate) async fn open(settings: &Settings, address: SocketAddr) -> Result<Terminals, ServerError> {
    let sandboxes = sandbox_settings(settings).map_err(|error| at_start(&error))?;
    let sandboxes = Sandboxes::start(sandboxes, Some(reachable(address))).await.map_err(|error| at_start(&error))?;
    for warning in sandboxes.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(Terminals::new(sandboxes, settings.sandbox_read_only_path.clone()))
}

/// From here on each terminal is given what its programs reach the server's API with.
pub(crate) fn give_tokens(
    settings: &Settings,
    terminals: &Terminals,
    given: Given,
) -> Result<Arc<TerminalTokens>, ServerError> {
    let hours = settings.terminal_token_hours;
    let lifetime = (hours > 0).then(|| Duration::from_secs(hours * 60 * 60));
    let run_dir = settings.data_dir().join(RUN_DIR);
    let failed = |source| ServerError::Data { path: run_dir.clone(), source };
    make_private_dir(&run_dir)?;
    let sandboxes = terminals.sandboxes().clone();
    let tokens = TerminalTokens::open(given, sandboxes, &run_dir, lifetime).map_err(failed)?;
    terminals.set_environment(Arc::<TerminalTokens>::clone(&tokens));
    Ok(tokens)
}

/// Git with the helper beside the server, and the logins that people keep in the store.
pub(crate) fn git(settings: &Settings, terminals: &Terminals, store: Store, master: MasterKey) -> Git {
    let launcher = SandboxLauncher::new(terminals.clone(), git_helper(settings));
    let git = Git::new(Arc::new(launcher), Credentials::new(store, master));
    terminals.set_room_maker(git.room_maker());
    git
}

/// The program that runs git in sandboxes.
fn git_helper(settings: &Settings) -> Option<PathBuf> {
    Some(settings.git_helper.clone()).filter(|path| !path.as_os_str().is_empty()).or_else(git::helper_beside)
}

/// What becomes of the terminals when the server stops.
pub(crate) fn at_stop(settings: &Settings) -> KeepTerminals {
    if settings.terminal_keep_minutes == 0 { KeepTerminals::No } else { KeepTerminals::Yes }
}

/// Where this machine reaches a server that listens there.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// What no program in a terminal may see: everybody's data, wherever they are, and the files that hold keys.
pub(crate) fn hidden_paths(settings: &Settings) -> Vec<PathBuf> {
    let data = settings.data_dir();
    let named = [settings.master_key_path(), settings.mail_path(), settings.backup_path()];
    let elsewhere =
        settings.store_dir().into_iter().chain(named).filter(|path| !path.starts_with(&data)).collect::<Vec<_>>();
    [data].into_iter().chain(elsewhere).chain(settings.config_file.clone()).collect()
}

fn sandbox_settings(settings: &Settings) -> Result<SandboxSettings, SandboxError> {
    let helper = &settings.sandbox_helper;
    Ok(SandboxSettings {
        mode: settings.sandbox.parse()?,
        helper: Some(helper.clone()).filter(|path| !path.as_os_str().is_empty()),
        run_dir: settings.data_dir().join(RUN_DIR),
        read_only_paths: settings.sandbox_read_only_path.iter().cloned().chain(git_helper(settings)).collect(),
        hidden_paths: hidden_paths(settings),
        env: Vec::new(),
        limits: Limits {
            memory_bytes: settings.sandbox_memory_bytes,
            processes: settings.sandbox_processes,
            open_files: settings.sandbox_open_files,
            cpus: settings.sandbox_cpus,
            temporary_bytes: settings.sandbox_temporary_bytes,
            disk_reserve_bytes: settings.sandbox_disk_reserve_bytes,
        },
        per_person: settings.sandboxes_per_person,
        memory_percent: settings.sandboxes_memory_percent,
        network: NetworkPolicy {
            mode: settings.sandbox_network.parse()?,
            allow: settings.sandbox_network_allow.iter().map(|entry| entry.parse()).collect::<Result<_, _>>()?,
        },
        connect_ports: settings.sandbox_connect_ports.clone(),
        keep: Duration::from_secs(settings.terminal_keep_minutes * 60),
        terminals: TerminalSettings {
            per_workspace: settings.terminals_per_workspace,
            per_person: settings.terminals_per_person,
            scrollback_bytes: settings.terminal_scrollback_bytes,
            ..TerminalSettings::default()
        },
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_setting_reaches_the_sandboxes() {
        let settings = Settings {
            data: "/srv/coditect".into(),
            master_key_file: "/etc/coditect/key".into(),
            sandbox: "landlock".to_owned(),
            sandbox_network: "hosts".to_owned(),
            sandbox_network_allow: vec!["git.example.org:443".to_owned()],
            sandbox_connect_ports: vec![443],
            sandbox_memory_bytes: 7,
            sandboxes_per_person: 2,
            sandboxes_memory_percent: 50,
            terminal_keep_minutes: 3,
            ..Settings::default()
        };
        let made = sandbox_settings(&settings).unwrap();
        assert_eq!(made.run_dir, PathBuf::from("/srv/coditect/run"));
        assert_eq!((made.limits.memory_bytes, made.keep), (7, Duration::from_secs(180)));
        assert_eq!((made.per_person, made.memory_percent), (2, 50));
        assert_eq!((made.network.allow.len(), made.connect_ports), (1, vec![443]));
        for secret in ["/srv/coditect", "/etc/coditect/key"] {
            assert!(made.hidden_paths.contains(&secret.into()), "{secret}");
        }
        for (name, wrong) in [
            ("sandbox", Settings { sandbox: "sieve".to_owned(), ..Settings::default() }),
            ("mode", Settings { sandbox_network: "some".to_owned(), ..Settings::default() }),
            ("entry", Settings { sandbox_network_allow: vec!["a b".to_owned()], ..Settings::default() }),
        ] {
            assert!(matches!(sandbox_settings(&wrong), Err(SandboxError::Invalid(_))), "{name}");
        }
    }

    #[test]
    fn a_store_elsewhere_is_hidden() {
        let hidden = |store: &str| hidden_paths(&Settings { store: store.to_owned(), ..Settings::default() });
        assert_eq!((hidden("memory:").len(), hidden("").len()), (1, 1));
        assert_eq!(hidden("embedded:///srv/store?cache_mib=8")[1], Path::new("/srv/store"));
        assert_eq!(hidden("socket:///srv/c/store.sock")[1], Path::new("/srv/c"));
        assert_eq!(hidden("fdb:///etc/foundationdb/fdb.cluster?directory=a")[1], Path::new("/etc/foundationdb"));
        assert_eq!(hidden("fdb:///etc/fdb.cluster")[1], Path::new("/etc/fdb.cluster"));
    }

    #[test]
    fn a_server_on_all_addresses_is_reached_on_the_loopback() {
        for (listens, reached) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.1.2.3:4", "10.1.2.3:4")]
        {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), reached);
        }
    }
}
