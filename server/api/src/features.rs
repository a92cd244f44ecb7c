//! From the settings to the features: first those of this machine, which open or refuse for good, then those that need the store, which
//! may have to be waited for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coditect_auth::{Auth, AuthSettings, MailDelivery, Rate};
use coditect_llm::history::History;
use coditect_llm::keys::ModelKeys;
use coditect_llm::{DEFAULT_CONNECT_TIMEOUT, Gateway, LlmSettings, ModelServers, Secret, UpstreamSettings};
use coditect_metering::{Metering, MeteringSettings};
use coditect_protocol::UserId;
use coditect_protocol::auth::RegistrationPolicy;
use coditect_store::{MasterKey, Store, StoreError};
use coditect_workspace::import::ImportSettings;
use coditect_workspace::index::Indexes;
use coditect_workspace::presence::Presence;
use coditect_workspace::registry::{People, RegistrySettings, Workspaces};
use coditect_workspace::terminals::Terminals;
use coditect_workspace::watch::{WatchSettings, Watchers};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::denials::Denials;
use crate::doors::Questions;
use crate::error::{ServerError, at_start};
use crate::link::Links;
use crate::master_key;
use crate::plugins::{self, Around, Packages, Plugged};
use crate::programs::{self, Given, TerminalTokens};
use crate::serving;
use crate::settings::{Discover, Mailing, Registering, Settings, UpstreamGiven};
use crate::state::{AppState, Features};

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Name of the file below the data directory that holds the first login.
pub const FIRST_LOGIN_FILE: &str = "first-login.json";

/// Where the store comes from; asked again while it cannot be reached.
#[derive(Clone)]
pub struct StoreSource(Arc<dyn Fn() -> BoxFuture<'static, Result<Store, StoreError>> + Send + Sync>);

impl StoreSource {
    /// What a URL names.
    #[must_use]
    pub fn url(url: String) -> Self {
        Self::new(move || {
            let url = url.clone();
            Box::pin(async move { Store::open(&url).await })
        })
    }

    /// What a function brings, for tests.
    pub fn new(open: impl Fn() -> BoxFuture<'static, Result<Store, StoreError>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(open))
    }

    /// One that is open already. Whoever stops the server closes it.
    #[must_use]
    pub fn opened(store: Store) -> Self {
        Self::new(move || {
            let store = store.clone();
            Box::pin(async move { Ok(store) })
        })
    }
}

/// Everything that is needed to open the features, with those open that need no store.
pub(crate) struct Opening {
    pub(crate) settings: Arc<Settings>,
    pub(crate) started: Instant,
    pub(crate) draining: CancellationToken,
    pub(crate) closing: CancellationToken,
    pub(crate) limits: serving::Limits,
    pub(crate) warnings: Vec<String>,
    pub(crate) denials: Denials,
    source: StoreSource,
    master_key: MasterKey,
    servers: ModelServers,
    watchers: Watchers,
    terminals: Terminals,
}

/// Tells workspaces the names that people see of each other.
struct Acquaintances(Auth);

impl People for Acquaintances {
    fn names<'a>(&'a self, people: &'a [UserId]) -> BoxFuture<'a, HashMap<UserId, String>> {
        Box::pin(self.0.names(people))
    }
}

/// The features that keep something in the store.
struct Stored {
    store: Store,
    auth: Auth,
    workspaces: Workspaces,
    gateway: Gateway,
}

impl Opening {
    pub(crate) async fn new(
        settings: Settings,
        source: StoreSource,
        draining: CancellationToken,
        address: SocketAddr,
    ) -> Result<Self, ServerError> {
        let started = Instant::now();
        let servers = ModelServers::new(&llm_settings(&settings)).map_err(|error| at_start(&error))?;
        let master_key = master_key::source(&settings)?.read().await?;
        let watchers = Watchers::new(watch_settings(&settings)).map_err(|error| at_start(&error))?;
        // Last of all that can fail: it starts something that goes on.
        let terminals = programs::open(&settings, address).await?;
        Ok(Self {
            started,
            draining,
            closing: CancellationToken::new(),
            limits: serving::Limits::new(&settings),
            warnings: terminals.sandboxes().warnings(),
            denials: Denials::default(),
            source,
            master_key,
            servers,
            watchers,
            terminals,
            settings: Arc::new(settings),
        })
    }

    /// Opens what keeps something in the store. May be tried again.
    pub(crate) async fn open(&self) -> Result<AppState, ServerError> {
        let store = (self.source.0)().await.map_err(|error| at_start(&error))?;
        match self.open_stored(store.clone()).await {
            Ok(stored) => {
                self.terminals.follow_rights(&stored.workspaces).await;
                let tokens = {
                    let Stored { auth, workspaces, gateway, .. } = &stored;
                    let given = Given { auth: auth.clone(), workspaces: workspaces.clone(), gateway: gateway.clone() };
                    programs::give_tokens(&self.settings, &self.terminals, given)?
                };
                let around = self.around(&stored);
                match self.open_plugins(&stored.store, &around).await {
                    Ok(plugins) => Ok(self.state(stored, tokens, &around, plugins)),
                    Err(error) => {
                        store.close().await;
                        Err(error)
                    }
                }
            }
            Err(error) => {
                // Whoever tries again must find it free.
                store.close().await;
                Err(error)
            }
        }
    }

    async fn open_stored(&self, store: Store) -> Result<Stored, ServerError> {
        let settings = &self.settings;
        // Asked by who opens a store as well, but not where it could not be reached then.
        store.refuse_unfinished().await.map_err(|error| at_start(&error))?;
        let auth = Auth::open(store.clone(), auth_settings(settings), self.master_key.clone())
            .await
            .map_err(|error| at_start(&error))?;
        let sandboxes = Some(self.terminals.sandboxes().clone());
        let workspaces = RegistrySettings { sandboxes, ..workspace_settings(settings) };
        let workspaces = Workspaces::open(store.clone(), workspaces).await.map_err(|error| at_start(&error))?;
        workspaces.set_people(Arc::new(Acquaintances(auth.clone())));
        write_first_login(&auth, settings).await?;
        let gateway = self.open_gateway(store.clone()).await?;
        Ok(Stored { store, auth, workspaces, gateway })
    }

    async fn open_gateway(&self, store: Store) -> Result<Gateway, ServerError> {
        let settings = &self.settings;
        let metering = MeteringSettings { queue: settings.llm_usage_queue, usage_days: settings.llm_usage_days };
        let metering = Metering::open(store.clone(), metering).await.map_err(|error| at_start(&error))?;
        let keys = ModelKeys::open(store.clone(), self.master_key.clone());
        let history = History::open(store, self.master_key.clone(), settings.llm_history_days);
        Ok(Gateway::new(&llm_settings(settings), &self.servers, keys, metering, history))
    }

    /// What is around plugins.
    fn around(&self, Stored { store, auth, workspaces, gateway }: &Stored) -> Arc<Around> {
        Arc::new(Around {
            auth: auth.clone(),
            workspaces: workspaces.clone(),
            indexes: Indexes::new(self.watchers.clone()),
            git: programs::git(&self.settings, &self.terminals, store.clone(), self.master_key.clone()),
            gateway: gateway.clone(),
            questions: Arc::new(Questions::new(&self.settings)),
        })
    }

    async fn open_plugins(&self, store: &Store, around: &Arc<Around>) -> Result<Option<Plugged>, ServerError> {
        plugins::open(&self.settings, store.clone(), self.master_key.clone(), around, self.watchers.clone()).await
    }

    fn state(
        &self,
        Stored { store, auth, workspaces, gateway }: Stored,
        terminal_tokens: Arc<TerminalTokens>,
        around: &Around,
        plugins: Option<Plugged>,
    ) -> AppState {
        AppState::new(Features {
            settings: self.settings.clone(),
            store,
            auth,
            workspaces,
            git: around.git.clone(),
            presence: Presence::default(),
            indexes: around.indexes.clone(),
            watchers: self.watchers.clone(),
            terminals: self.terminals.clone(),
            terminal_tokens,
            accounts: Accounts::keep(&gateway),
            gateway,
            questions: Arc::clone(&around.questions),
            plugins,
            packages: Packages::new(self.settings.plugin_package_max_bytes),
            links: Links::new(&self.settings),
            denials: self.denials.clone(),
            draining: self.draining.clone(),
            closing: self.closing.clone(),
            limits: self.limits.clone(),
            started: self.started,
            warnings: self.warnings.clone(),
        })
    }
}

/// Whatever lies below the directories of the front and the IDE is served to everybody.
pub(crate) fn refuse_public_data(settings: &Settings) -> Result<(), ServerError> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let private = [
        ("data", Some(settings.data_dir())),
        ("store", settings.store_dir()),
        ("master_key_file", Some(settings.master_key_path())),
        ("mail_dir", Some(settings.mail_path())),
        ("backup_dir", Some(settings.backup_path())),
    ];
    let public = [("web_dir", real(&settings.web_dir)), ("theia_dir", real(&settings.theia_dir))];
    for (name, place) in private.into_iter().filter_map(|(name, place)| Some((name, real(&place?)))) {
        if let Some((served, _)) = public.iter().find(|(_, served)| place.starts_with(served)) {
            let reason = format!("it lies below `{served}`, which everybody may read; choose another directory");
            return Err(ServerError::Setting { name, reason });
        }
    }
    Ok(())
}

fn watch_settings(settings: &Settings) -> WatchSettings {
    WatchSettings {
        ignore: settings.watch_ignore.clone(),
        max_folders: settings.watch_max_folders,
        max_trees_per_person: settings.watch_trees_per_person,
        max_folders_per_person: settings.watch_folders_per_person,
        ..WatchSettings::default()
    }
}

pub(crate) fn auth_settings(settings: &Settings) -> AuthSettings {
    let days = |days: u64| Duration::from_secs(days * DAY_SECONDS);
    let rate = |burst, seconds| Rate { burst, refill: Duration::from_secs(seconds) };
    let defaults = AuthSettings::default();
    AuthSettings {
        access_lifetime: Duration::from_secs(settings.access_token_seconds),
        refresh_idle_lifetime: days(settings.session_idle_days),
        absolute_lifetime: days(settings.session_absolute_days),
        sessions_per_user: settings.sessions_per_person,
        key_rotation: days(settings.key_rotation_days),
        token_max_days: settings.token_max_days,
        tokens_per_person: settings.tokens_per_person,
        invite_max_days: settings.invite_max_days,
        reset_code_lifetime: Duration::from_secs(settings.reset_code_minutes * 60),
        device_code_lifetime: Duration::from_secs(settings.device_code_seconds),
        registration: match settings.registration {
            Registering::Open => RegistrationPolicy::Open,
            Registering::Invite => RegistrationPolicy::Invite,
            Registering::Closed => RegistrationPolicy::Closed,
        },
        mail: match settings.mail {
            Mailing::Off => MailDelivery::Off,
            Mailing::Log => MailDelivery::Log,
            Mailing::File => MailDelivery::Files(settings.mail_path()),
        },
        mail_from: settings.mail_from.clone(),
        public_url: settings.public_url.trim_end_matches('/').to_owned(),
        password_min_chars: settings.password_min_chars,
        password_max_chars: settings.password_max_chars,
        attempts_per_account: rate(settings.login_account_burst, settings.login_account_refill_seconds),
        attempts_per_address: rate(settings.login_address_burst, settings.login_address_refill_seconds),
        hashes_at_once: match settings.password_checks_at_once {
            0 => defaults.hashes_at_once,
            count => count,
        },
        hash_queue: settings.password_checks_waiting,
        ..defaults
    }
}

fn workspace_settings(settings: &Settings) -> RegistrySettings {
    let limit = |setting: u64| (setting > 0).then_some(setting);
    RegistrySettings {
        max_workspaces_per_person: settings.workspaces_per_person,
        max_imports_per_person: settings.imports_per_person,
        max_members: settings.members_per_workspace,
        quota_bytes: limit(settings.workspace_quota_bytes),
        home_quota_bytes: limit(settings.home_quota_bytes),
        max_entries: limit(settings.workspace_max_entries),
        disk_reserve_bytes: settings.sandbox_disk_reserve_bytes,
        trash_age: (settings.trash_days > 0).then(|| Duration::from_secs(settings.trash_days * DAY_SECONDS)),
        import: ImportSettings {
            import_paths: settings.import_path.clone(),
            forbidden_paths: programs::hidden_paths(settings),
            allow_http: settings.import_http,
            allow_private_hosts: settings.import_private_hosts,
            clone_timeout: Duration::from_secs(settings.clone_timeout_minutes * 60),
            max_archive_bytes: settings.archive_max_bytes,
            max_unpacked_bytes: settings.archive_max_unpacked_bytes,
            max_entries: settings.archive_max_entries,
            ..ImportSettings::default()
        },
        ..RegistrySettings::new(settings.data_dir())
    }
}

fn llm_settings(settings: &Settings) -> LlmSettings {
    let first_token_timeout = Duration::from_secs(settings.llm_first_token_seconds);
    let idle_timeout = Duration::from_secs(settings.llm_idle_seconds);
    let defaults = LlmSettings::default();
    let upstream = |given: &UpstreamGiven| UpstreamSettings {
        dialects: given.dialect.0.clone(),
        connect_timeout: given.connect_seconds.map_or(DEFAULT_CONNECT_TIMEOUT, Duration::from_secs),
        first_token_timeout: given.first_token_seconds.map_or(first_token_timeout, Duration::from_secs),
        idle_timeout: given.idle_seconds.map_or(idle_timeout, Duration::from_secs),
        api_key: given.api_key.clone().map(Secret::from),
        headers: given.headers.iter().map(|(name, value)| (name.clone(), Secret::from(value.clone()))).collect(),
        ..UpstreamSettings::new(given.name.clone(), given.base_url.clone())
    };
    LlmSettings {
        upstreams: settings.llm_upstream.iter().map(upstream).collect(),
        discover: discovers(settings),
        first_token_timeout,
        idle_timeout,
        presets: settings.llm_providers.clone(),
        whole_timeout: Duration::from_secs(settings.llm_whole_seconds),
        retries: settings.llm_retries,
        ..defaults
    }
}

/// Whether to ask the default ports of model servers. A terminal has the same network: whoever has one could answer there, and read
/// what others ask. So by itself only where nobody but the person at this machine is meant to reach the server.
fn discovers(settings: &Settings) -> bool {
    match settings.llm_discover {
        Discover::On => true,
        Discover::Off => false,
        Discover::Auto => settings.listen.ip().is_loopback() && settings.allowed_hosts.is_empty(),
    }
}

/// Makes the first administrator where the settings ask for one and nobody is there yet.
async fn write_first_login(auth: &Auth, settings: &Settings) -> Result<(), ServerError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    if settings.first_login.is_empty() {
        return Ok(());
    }
    let made = auth.create_first_login(&settings.first_login).await.map_err(|error| at_start(&error))?;
    let Some((login, password)) = made else { return Ok(()) };
    let path = settings.data_dir().join(FIRST_LOGIN_FILE);
    let text = serde_json::json!({ "login": login, "password": password }).to_string();
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| ServerError::Data { path: path.clone(), source })?;
    tracing::info!(path = %path.display(), "the first administrator was made; the login is in the file");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_looked_for_where_nobody_else_can_pose_as_one() {
        let check = |listen: &str, hosts: &[&str], discover: Discover, expected: bool| {
            let settings = Settings {
                listen: listen.parse().unwrap(),
                allowed_hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
                llm_discover: discover,
                ..Settings::default()
            };
            assert_eq!(llm_settings(&settings).discover, expected, "{listen} {hosts:?} {discover:?}");
        };
        check("127.0.0.1:8700", &[], Discover::Auto, true);
        check("[::1]:8700", &[], Discover::Auto, true);
        check("127.0.0.1:8700", &["ide.example.org"], Discover::Auto, false);
        check("0.0.0.0:8700", &[], Discover::Auto, false);
        check("192.168.1.5:8700", &[], Discover::Auto, false);
        check("0.0.0.0:8700", &["ide.example.org"], Discover::On, true);
        check("127.0.0.1:8700", &[], Discover::Off, false);
    }

    #[test]
    fn every_upstream_has_the_timeouts_and_headers_of_the_settings() {
        let mut given = UpstreamGiven::new("u", "http://h/v1");
        given.headers.insert("x-team".to_owned(), "blue".to_owned());
        let settings = Settings {
            llm_first_token_seconds: 7,
            llm_idle_seconds: 3,
            llm_upstream: vec![given],
            ..Settings::default()
        };
        let llm = llm_settings(&settings);
        let (first, idle) = (Duration::from_secs(7), Duration::from_secs(3));
        assert_eq!((llm.first_token_timeout, llm.idle_timeout), (first, idle));
        let upstream = &llm.upstreams[0];
        assert_eq!((upstream.first_token_timeout, upstream.idle_timeout), (first, idle));
        assert_eq!(upstream.headers["x-team"].expose(), "blue");
    }

    #[test]
    fn a_store_elsewhere_is_never_served() {
        let served = Settings {
            store: "embedded:///srv/web/store".to_owned(),
            web_dir: "/srv/web".into(),
            ..Settings::default()
        };
        let error = refuse_public_data(&served).unwrap_err();
        assert!(error.code() == "config.bad_value" && error.to_string().contains("`store`"), "{error}");
    }

    #[test]
    fn the_rates_of_logins_are_those_of_the_settings() {
        let settings = Settings { login_account_burst: 3, login_address_refill_seconds: 9, ..Settings::default() };
        let auth = auth_settings(&settings);
        assert_eq!((auth.attempts_per_account.burst, auth.attempts_per_address.refill.as_secs()), (3, 9));
        let (given, own) = (auth_settings(&Settings::default()), AuthSettings::default());
        assert_eq!(
            (given.attempts_per_account, given.attempts_per_address),
            (own.attempts_per_account, own.attempts_per_address)
        );
    }
}
