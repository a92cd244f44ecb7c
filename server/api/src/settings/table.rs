//! The table itself.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use super::{Discover, Mailing, Registering, UpstreamGiven};

/// One line of the documentation.
#[derive(Debug, Clone)]
pub struct Row {
    /// Key in the file; the flag and the variable follow from it.
    pub name: &'static str,
    /// What it does, with its unit.
    pub doc: String,
    /// The default as it is written in the file.
    pub default: String,
}

/// How a default is shown.
trait Shown {
    fn shown(&self) -> String;
}

macro_rules! shown {
    ($quote:literal: $($ty:ty),+) => {$(
        impl Shown for $ty {
            fn shown(&self) -> String {
                format!("{}{}{}", $quote, self.to_string(), $quote)
            }
        }
    )+};
}
shown!("": u16, u32, u64, usize, bool);
shown!("\"": String, SocketAddr, Discover, Mailing, Registering);

impl Shown for PathBuf {
    fn shown(&self) -> String {
        format!("\"{}\"", self.display())
    }
}

impl Shown for Vec<PathBuf> {
    fn shown(&self) -> String {
        format!("[{}]", self.iter().map(Shown::shown).collect::<Vec<_>>().join(", "))
    }
}

impl Shown for Vec<u16> {
    fn shown(&self) -> String {
        format!("[{}]", self.iter().map(Shown::shown).collect::<Vec<_>>().join(", "))
    }
}

impl Shown for Vec<String> {
    fn shown(&self) -> String {
        format!("[{}]", self.iter().map(Shown::shown).collect::<Vec<_>>().join(", "))
    }
}

impl Shown for Vec<IpAddr> {
    fn shown(&self) -> String {
        format!("[{}]", self.iter().map(|address| format!("\"{address}\"")).collect::<Vec<_>>().join(", "))
    }
}

impl Shown for Vec<UpstreamGiven> {
    fn shown(&self) -> String {
        "[]".to_owned()
    }
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $ty:ty = $default:expr;)+) => {
        /// What was given in one place: the flags and variables, or the file.
        #[derive(Debug, Clone, Default, clap::Args, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Given {$(
            $(#[doc = $doc])+
            #[arg(long)]
            pub $name: Option<$ty>,
        )+}

        /// The settings in force.
        #[derive(Debug, Clone)]
        pub struct Settings {
            $(
                $(#[doc = $doc])+
                pub $name: $ty,
            )+
            /// The configuration file that was read; it may hold keys.
            pub config_file: Option<PathBuf>,
        }

        impl Default for Settings {
            fn default() -> Self {
                Self {$($name: $default,)+ config_file: None}
            }
        }

        impl Settings {
            /// The first of what was given, in order, else the default.
            #[must_use]
            pub fn from_given(first: Given, second: Given) -> Self {
                let defaults = Self::default();
                Self {$($name: first.$name.or(second.$name).unwrap_or(defaults.$name),)+ config_file: None}
            }
        }

        /// The documentation, in the order of the table.
        #[must_use]
        pub fn rows() -> Vec<Row> {
            let defaults = Settings::default();
            vec![$(Row {
                name: stringify!($name),
                doc: [$($doc.trim()),+].join(" "),
                default: defaults.$name.shown(),
            },)+]
        }
    };
}

settings! {
    /// Address and port to listen on.
    listen: SocketAddr = super::DEFAULT_LISTEN;
    /// Directory for everything that lasts: the embedded store, workspaces, homes.
    data: PathBuf = PathBuf::from("./coditect-data");
    /// URL of the store: `embedded:///absolute/dir`, `fdb:///absolute/fdb.cluster` (FoundationDB), `socket:///absolute/store.sock` (see
    /// `store serve`) or `memory:`. Empty: embedded, below `data`.
    store: String = String::new();
    /// Hours between two backups of the store that the server makes by itself. 0: none. Of several servers on one store, one should.
    backup_hours: u64 = 0;
    /// Directory for them, and for nothing else. Empty: `backups` below `data`.
    backup_dir: PathBuf = PathBuf::new();
    /// How many of them stay.
    backup_keep: usize = 7;
    /// Directory with the built front (`/`).
    web_dir: PathBuf = PathBuf::from("./web");
    /// Directory with the built IDE (`/theia/`).
    theia_dir: PathBuf = PathBuf::from("./theia");
    /// What to log: a level, or directives of `tracing` (`info,coditect_api=debug`).
    log: String = "info".to_owned();
    /// Form of the log: `text` or `json`.
    log_format: String = "text".to_owned();
    /// Names (`ide.example.org`) under which browsers reach the server. Empty: any name; but only `localhost` and bare addresses where
    /// `listen` is a loopback address, so that no web site can reach it under a name of its own.
    allowed_hosts: Vec<String> = Vec::new();
    /// Addresses of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Where sandboxes have
    /// no network of their own (Landlock, none), programs in terminals connect from the server's own addresses, too.
    trusted_proxies: Vec<IpAddr> = Vec::new();
    /// Seconds for which browsers that came over TLS must not come without (HSTS). 0: not told.
    hsts_seconds: u64 = 365 * 24 * 60 * 60;
    /// Connections at the same time; further ones wait.
    max_connections: usize = 16_384;
    /// Seconds that a client may take to send the head of a request, and that an unused connection is kept.
    header_timeout_seconds: u64 = 30;
    /// Seconds that a client may pause in the middle of an upload, or not take what is sent to it.
    client_idle_seconds: u64 = 60;
    /// Origins (`https://example.org`) of other sites whose pages may use the API.
    cors_origins: Vec<String> = Vec::new();
    /// Seconds that an answer may take to start; uploads and the WebSocket are exempt.
    request_timeout_seconds: u64 = 60;
    /// Seconds between the first sign of stopping (`/health` answers 503) and the end of accepting connections, for load balancers to
    /// notice.
    drain_grace_seconds: u64 = 0;
    /// Seconds that requests under way get to finish when the server stops.
    drain_timeout_seconds: u64 = 10;
    /// Largest body of an API request that is not a file, in bytes.
    request_max_bytes: usize = 1024 * 1024;
    /// Largest file that `PUT …/files/{path}` takes, in bytes.
    files_max_upload_bytes: u64 = 4 * 1024 * 1024 * 1024;
    /// Largest file that one WebSocket call reads or writes, in bytes; more goes over HTTP.
    files_max_call_bytes: u64 = coditect_protocol::files::MAX_CALL_FILE_BYTES;
    /// Globs of paths whose changes are not watched.
    watch_ignore: Vec<String> = coditect_workspace::watch::DEFAULT_IGNORE.iter().map(|&glob| glob.to_owned()).collect();
    /// Most folders watched in one workspace.
    watch_max_folders: usize = 100_000;
    /// Most workspaces and homes that are watched for one person, and at most half of the system's `fs.inotify.max_user_instances`; further
    /// ones are looked at every few seconds.
    watch_trees_per_person: usize = coditect_workspace::watch::DEFAULT_MAX_TREES_PER_PERSON;
    /// Most folders that are watched for one person, and at most half of the system's `fs.inotify.max_user_watches`.
    watch_folders_per_person: usize = coditect_workspace::watch::DEFAULT_MAX_FOLDERS_PER_PERSON;
    /// E-mail address or name of a first administrator, made with a random password (written to `first-login.json` in `data`) where nobody is
    /// registered yet. Empty: none.
    first_login: String = String::new();
    /// File with the key that protects secrets in the store. Made at the first start, readable for the server alone; all servers of one
    /// store need the same. Without it, second factors, signing keys, logins for git sites, keys of model
    /// servers, kept conversations and secrets of plugins in the store are lost. Empty: `master.key` in
    /// `data`. In place of a file, the variable `CODITECT_MASTER_KEY` may hold what would stand in it.
    master_key_file: PathBuf = PathBuf::new();
    /// Program with its arguments that prints that key, in place of a file: `["aws", "kms", "decrypt", …]`. It runs at each start, without
    /// a shell, as the server and with its variables, and has 30 seconds. It prints what would stand in the file: lines of 32 bytes in
    /// Base64, the newest first, or the 32 bytes themselves.
    master_key_command: Vec<String> = Vec::new();
    /// Address under which people reach the server (`https://ide.example.org`), for links in mails and for logging in programs. Empty:
    /// the one that a request came by; links in mails are left out.
    public_url: String = String::new();
    /// Who may register: `open` (everybody who reaches the server), `invite` (who has the code of an invitation), `closed` (nobody).
    registration: Registering = Registering::Open;
    /// Seconds that an access token is valid.
    access_token_seconds: u64 = 600;
    /// Days after which a login ends when it is not used.
    session_idle_days: u64 = 14;
    /// Days after which a login ends in any case.
    session_absolute_days: u64 = 90;
    /// Logins that one person may have at the same time; a further one ends the oldest.
    sessions_per_person: usize = coditect_auth::DEFAULT_SESSIONS_PER_USER;
    /// Days after which a new key signs access tokens.
    key_rotation_days: u64 = 30;
    /// Longest life of a personal access token, in days.
    token_max_days: u32 = 366;
    /// Personal access tokens that one person may have at the same time.
    tokens_per_person: usize = 100;
    /// Longest life of an invitation, in days.
    invite_max_days: u32 = 30;
    /// Minutes that a code to reset a password is good.
    reset_code_minutes: u64 = 30;
    /// Seconds that a person has to let a program in.
    device_code_seconds: u64 = 600;
    /// Where mails go: `off` (none is sent; a forgotten password is reset with a code of an admin), `log` (the log says that one is due,
    /// without what it says), `file` (one file each in `mail_dir`, for another program to send).
    mail: Mailing = Mailing::Off;
    /// Directory for mails where `mail` is `file`. Empty: `mail` in `data`.
    mail_dir: PathBuf = PathBuf::new();
    /// Sender of mails.
    mail_from: String = "coditect@localhost".to_owned();
    /// Fewest characters of a password.
    password_min_chars: usize = 12;
    /// Most characters of a password.
    password_max_chars: usize = coditect_auth::DEFAULT_PASSWORD_MAX_CHARS;
    /// Passwords checked at the same time. 0: one for each core.
    password_checks_at_once: usize = 0;
    /// Logins that may wait for their password to be checked; further ones are refused at once.
    password_checks_waiting: usize = coditect_auth::DEFAULT_HASH_QUEUE;
    /// Failed logins at one account from one address that may follow each other without a pause.
    login_account_burst: u32 = coditect_auth::DEFAULT_ATTEMPTS_PER_ACCOUNT.burst;
    /// Seconds until one more of them is allowed.
    login_account_refill_seconds: u64 = coditect_auth::DEFAULT_ATTEMPTS_PER_ACCOUNT.refill.as_secs();
    /// Failed logins from one address (IPv6: one /64), and registrations, that may follow each other without a pause.
    login_address_burst: u32 = coditect_auth::DEFAULT_ATTEMPTS_PER_ADDRESS.burst;
    /// Seconds until one more of them is allowed.
    login_address_refill_seconds: u64 = coditect_auth::DEFAULT_ATTEMPTS_PER_ADDRESS.refill.as_secs();
    /// Seconds that a page's link is kept for it to come back.
    link_keep_seconds: u64 = 300;
    /// Bytes kept for a page that has not acknowledged them; then its streams wait.
    link_buffer_bytes: usize = coditect_protocol::link::DEFAULT_BUFFER_BYTES;
    /// Calls under way at the same time on one link.
    link_max_calls: usize = 1024;
    /// Bytes of calls under way of one person that the server holds, and as many of answers that their pages have not taken in yet; then
    /// their pages wait.
    link_content_bytes: usize = 128 * 1024 * 1024;
    /// Links kept for one person.
    links_per_person: usize = 64;
    /// Models that may be answering one person at the same time.
    chats_per_person: usize = 16;
    /// Workspaces of one person.
    workspaces_per_person: usize = 100;
    /// Members of one workspace, beside its owner.
    members_per_workspace: usize = coditect_workspace::registry::DEFAULT_MAX_MEMBERS;
    /// Bytes that one workspace may take on the disk, with its trash and what is being uploaded. Writes over the API that exceed it are
    /// refused, and programs that exceed it are stopped. 0: no limit.
    workspace_quota_bytes: u64 = coditect_workspace::registry::DEFAULT_QUOTA_BYTES;
    /// Bytes that one person's home may take on the disk; as `workspace_quota_bytes`. 0: no limit.
    home_quota_bytes: u64 = coditect_workspace::registry::DEFAULT_HOME_QUOTA_BYTES;
    /// Files and folders of one workspace, with its trash and what is being uploaded, and of one home. 0: no limit.
    workspace_max_entries: u64 = coditect_workspace::registry::DEFAULT_MAX_ENTRIES;
    /// Days that what was deleted can be had back from the trash. 0: until it is emptied.
    trash_days: u64 = 30;
    /// Workspaces of one person that may be filled at the same time.
    imports_per_person: usize = 4;
    /// Largest archive uploaded for a new workspace, in bytes.
    archive_max_bytes: u64 = 2 * 1024 * 1024 * 1024;
    /// Largest content of an archive once unpacked, in bytes.
    archive_max_unpacked_bytes: u64 = 8 * 1024 * 1024 * 1024;
    /// Most files and folders in an archive, and in a clone with git's own.
    archive_max_entries: u64 = 200_000;
    /// Minutes that a git clone may take.
    clone_timeout_minutes: u64 = 30;
    /// Directories below which repositories may be cloned by path. None: no path may be.
    import_path: Vec<PathBuf> = Vec::new();
    /// Whether repositories may be cloned over unencrypted `http://`.
    import_http: bool = false;
    /// Whether repositories may be cloned from private and loopback addresses.
    import_private_hosts: bool = false;
    /// How people's programs are confined: `auto` (bubblewrap, else Landlock, else refused), `bubblewrap`, `landlock`, or `none` (no
    /// confinement at all).
    sandbox: String = "auto".to_owned();
    /// The program `coditect-sandbox`. Empty: beside the server's own.
    sandbox_helper: PathBuf = PathBuf::new();
    /// The program `coditect-git`, which every sandbox sees. Empty: beside the server's own.
    git_helper: PathBuf = PathBuf::new();
    /// Directories that every sandbox sees read-only, beside the system's.
    sandbox_read_only_path: Vec<PathBuf> = Vec::new();
    /// What programs may reach over the network: `open` (public addresses and `sandbox_network_allow`), `hosts` (only
    /// `sandbox_network_allow`) or `none`.
    sandbox_network: String = "open".to_owned();
    /// Hosts, addresses and networks that programs may reach whatever they are, each with a port or ports if need be:
    /// `git.example.org`, `*.example.org:443`, `10.1.2.0/24:5432`.
    sandbox_network_allow: Vec<String> = Vec::new();
    /// Behind Landlock, which knows no hosts: the ports that programs may connect to.
    sandbox_connect_ports: Vec<u16> = coditect_workspace::sandbox::settings::DEFAULT_CONNECT_PORTS.to_vec();
    /// Bytes of memory of all programs of a person in a workspace together.
    sandbox_memory_bytes: u64 = coditect_workspace::sandbox::settings::DEFAULT_MEMORY_BYTES;
    /// Processes and threads of a person in a workspace.
    sandbox_processes: u32 = coditect_workspace::sandbox::settings::DEFAULT_PROCESSES;
    /// Open files of each of their processes.
    sandbox_open_files: u32 = coditect_workspace::sandbox::settings::DEFAULT_OPEN_FILES;
    /// Processors that they may use. 0: all but one, and at least one.
    sandbox_cpus: u32 = 0;
    /// Bytes of `/tmp` and `/dev/shm` of each sandbox, each.
    sandbox_temporary_bytes: u64 = coditect_workspace::sandbox::settings::DEFAULT_TEMPORARY_BYTES;
    /// Bytes of the disk that are left free, by programs as well as by writes over the API and by imports.
    sandbox_disk_reserve_bytes: u64 = coditect_workspace::sandbox::settings::DEFAULT_DISK_RESERVE_BYTES;
    /// Workspaces in which one person may have programs running at the same time; the one in which nothing has run for longest makes
    /// room for another. Imports count as well.
    sandboxes_per_person: usize = coditect_workspace::sandbox::settings::DEFAULT_SANDBOXES_PER_PERSON;
    /// Memory of all people's programs together, in hundredths of what the machine (or the server's control group) has; beyond it, the
    /// largest programs of whoever takes most are ended.
    sandboxes_memory_percent: u32 = coditect_workspace::sandbox::settings::DEFAULT_MEMORY_PERCENT;
    /// Terminals of one workspace.
    terminals_per_workspace: usize = coditect_workspace::sandbox::settings::DEFAULT_TERMINALS_PER_WORKSPACE;
    /// Terminals of one person, in all their workspaces together.
    terminals_per_person: usize = coditect_workspace::sandbox::settings::DEFAULT_TERMINALS_PER_PERSON;
    /// Output kept of each terminal, in bytes.
    terminal_scrollback_bytes: usize = coditect_workspace::sandbox::settings::DEFAULT_SCROLLBACK_BYTES;
    /// Minutes that terminals go on without a server, so that they outlive its restart. 0: they end with it.
    terminal_keep_minutes: u64 = 10;
    /// Hours after which the token that each terminal is given for the server's API (`CODITECT_TOKEN`) ends, if the terminal has not
    /// ended before. It is not prolonged: a new terminal has a new one. 0: terminals are given none.
    terminal_token_hours: u64 = 24;
    /// Model servers. As a flag or variable `NAME=URL`; in the file `[[llm_upstream]]` with `name`, `base_url`, `dialect` (`chat`,
    /// `responses`, `anthropic`, `gemini`, or a list: the first is what others are translated into; `chat` unless set), `api_key` or
    /// `api_key_env`, `headers` to send, by name, and `connect_seconds`, `first_token_seconds`, `idle_seconds` of its own.
    llm_upstream: Vec<UpstreamGiven> = Vec::new();
    /// Find LM Studio (port 1234), Ollama (11434), vLLM (8000) and llama.cpp (8080) on this machine by themselves: `on`, `off`, or `auto`
    /// (only where `listen` is a loopback address and `allowed_hosts` is empty: anybody with a terminal could answer on those ports and
    /// read what others ask).
    llm_discover: Discover = Discover::Auto;
    /// Well-known model providers that keys may be added for.
    llm_providers: Vec<String> = coditect_llm::LlmSettings::default().presets;
    /// Seconds until the first token of an answer must have come; of well-known providers at least 600.
    llm_first_token_seconds: u64 = 120;
    /// Seconds between two pieces of an answer; of well-known providers at least 300.
    llm_idle_seconds: u64 = 60;
    /// Seconds until an answer that does not come in pieces must have come as a whole.
    llm_whole_seconds: u64 = 600;
    /// How often a question is put again to the last model server that could answer it, where it fails in passing.
    llm_retries: u32 = 2;
    /// Largest question to a model, in bytes.
    llm_request_max_bytes: usize = 32 * 1024 * 1024;
    /// Questions to models that are held at the same time, all together, in bytes; further ones are refused until there is room.
    llm_requests_bytes: usize = 256 * 1024 * 1024;
    /// Calls of models that one person may have under way at the doors of the gateway.
    llm_calls_per_person: usize = 256;
    /// Sockets on which one person's agents may put questions to models.
    llm_sockets_per_person: usize = 32;
    /// Calls of models whose records may wait for the store; further calls are refused until it has them.
    llm_usage_queue: usize = 32_768;
    /// Days that the records of calls and their sums are kept.
    llm_usage_days: u32 = 400;
    /// Days that conversations are kept of people who want that.
    llm_history_days: u32 = 30;
    /// Whether people may have plugins.
    plugins: bool = true;
    /// Memory that a call of a plugin may take unless its manifest asks for more, in MiB.
    plugin_memory_mib: u32 = 64;
    /// The most that a manifest may ask for, in MiB.
    plugin_memory_max_mib: u32 = 256;
    /// Calls of plugins under way at the same time, all together. One person has at most a quarter of them, and four in any case.
    plugin_calls_at_once: usize = 64;
    /// Calls of plugins that wait for others to end, all together; more are refused.
    plugin_queue: usize = 1024;
    /// Calls of one plugin that one person may have under way.
    plugin_calls_per_person: usize = 4;
    /// Calls of one plugin for one person that wait for others to end; more are refused.
    plugin_queue_per_person: usize = 16;
    /// Threads that plugins run on, of low priority. 0: one for each core.
    plugin_workers: usize = 0;
    /// How much of its time a call of a plugin may spend running, in percent; the rest is for waiting.
    plugin_cpu_percent: u32 = 80;
    /// Seconds that a command of a plugin may take.
    plugin_command_seconds: u64 = 30;
    /// Seconds that a formatter of a plugin may take; at most 5, for which pages wait.
    plugin_format_seconds: u64 = 2;
    /// Seconds that looking for problems in a text may take a plugin; at most 10, for which pages wait.
    plugin_check_seconds: u64 = 2;
    /// Seconds that a tool of a plugin may take, which a model calls.
    plugin_tool_seconds: u64 = 30;
    /// Seconds that an answer of a plugin may take: of a chat participant, or of a model that it provides.
    plugin_respond_seconds: u64 = 120;
    /// Seconds that a filter of conversations may take.
    plugin_filter_seconds: u64 = 2;
    /// Seconds that a plugin's list of models may take.
    plugin_models_seconds: u64 = 10;
    /// Seconds that a plugin may take before a file is saved; at most 3, for which pages wait.
    plugin_save_seconds: u64 = 2;
    /// Seconds that a plugin may take over files that changed.
    plugin_events_seconds: u64 = 10;
    /// Seconds that a build step of a plugin may take.
    plugin_build_seconds: u64 = 120;
    /// Seconds that a plugin's view may take, to open or after somebody did something in it.
    plugin_view_seconds: u64 = 5;
    /// Seconds that an entry of the status bar may take; at most 5, for which pages wait.
    plugin_status_seconds: u64 = 1;
    /// Largest answer of a plugin's call, in bytes.
    plugin_output_max_bytes: usize = 1024 * 1024;
    /// How often a call of a plugin may ask its host for something.
    plugin_host_calls: u64 = 10_000;
    /// How much it may hand over each time, in bytes.
    plugin_host_max_bytes: usize = 16 * 1024 * 1024;
    /// What a call of a plugin may write to its log, in bytes.
    plugin_call_log_bytes: usize = 64 * 1024;
    /// The stack of a call of a plugin, in bytes.
    plugin_stack_bytes: usize = 2 * 1024 * 1024;
    /// Core modules that a plugin may consist of.
    plugin_core_modules: u32 = 64;
    /// Memories that a plugin may have; all of them together may take what one may.
    plugin_memories: u32 = 4;
    /// Tables that a plugin may have.
    plugin_tables: u32 = 20;
    /// Elements that each of its tables may have.
    plugin_table_elements: usize = 20_000;
    /// Plugins that a person may have in one workspace.
    plugin_installs_per_workspace: usize = 100;
    /// Packages of one person that are in no registry: installed from files, in development, or sent to be looked at.
    plugin_files_per_person: usize = 64;
    /// What is kept of those packages, in bytes.
    plugin_file_bytes_per_person: u64 = 1024 * 1024 * 1024;
    /// Minutes that a package which was sent waits to be installed.
    plugin_upload_minutes: u64 = 60;
    /// Names that one person may publish plugins under.
    plugin_publishers_per_person: usize = 10;
    /// Names that only admins take to publish plugins under.
    plugin_reserved_publishers: Vec<String> = vec!["coditect".to_owned()];
    /// Plugins that one publisher may have in the registry.
    plugins_per_publisher: usize = 100;
    /// Versions that one plugin may have in the registry.
    plugin_versions_per_plugin: usize = 500;
    /// What is kept of all packages of one publisher, in bytes.
    plugin_publisher_bytes: u64 = 2 * 1024 * 1024 * 1024;
    /// Plugins that the registry may have. What is said of them is held in memory.
    plugin_registry_plugins: usize = 20_000;
    /// Versions that the registry may have of all plugins together. What is said of them is held in memory.
    plugin_registry_versions: usize = 200_000;
    /// Packages of plugins that are read or written at once, each of which takes memory for all of it.
    plugin_packages_at_once: usize = 4;
    /// Directory with packages (`*.coditect-plugin`) that are in the registry without being published there: what a server without a
    /// way to the internet offers. Empty: none.
    plugin_mirror_dir: PathBuf = PathBuf::new();
    /// Seconds after which that directory is looked at again.
    plugin_mirror_seconds: u64 = 30;
    /// Whether plugins may reach private networks and this machine, where an admin's policy and their person allow it as well.
    plugin_private_hosts: bool = false;
    /// Largest package of a plugin, in bytes.
    plugin_package_max_bytes: u64 = 64 * 1024 * 1024;
    /// What is kept below `data` of plugins that were translated for this machine, in bytes; what was not used for longest goes first.
    plugin_cache_bytes: u64 = 2 * 1024 * 1024 * 1024;
    /// Plugins that are loaded, in bytes of their machine code; those that were not called for longest go first.
    plugin_loaded_bytes: u64 = 512 * 1024 * 1024;
    /// Lists of people's plugins that are held in memory, one for each person and workspace; those that were not used for longest go first.
    plugin_lists: usize = 4096;
    /// Minutes after which such a list goes when nobody uses it.
    plugin_list_idle_minutes: u64 = 10;
    /// Pages that follow such lists at the same time, all together; more are refused.
    plugin_followers: usize = 10_000;
    /// What is held in memory of the logs of all plugins, in bytes; the oldest go first.
    plugin_log_bytes: usize = 32 * 1024 * 1024;
    /// The program that translates plugins: a `coditect-v5-api` of this very version. Empty: the server's own.
    plugin_translator: PathBuf = PathBuf::new();
    /// Plugins that are translated at once, each in a process of its own.
    plugin_compiles_at_once: usize = 1;
    /// Memory that translating a plugin may take, in MiB.
    plugin_compile_memory_mib: u64 = 2048;
    /// Seconds of a core that translating a plugin may take.
    plugin_compile_seconds: u64 = 120;
}
