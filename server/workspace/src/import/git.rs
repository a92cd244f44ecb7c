//! Cloning with the git program, in a sandbox that is there for nothing else.
//!
//! It sees the folder that is filled, a folder with what git must be told in files, and the repository where that is one of
//! the machine's; it reaches the one port of the one host. It ends with git, and with the server that started it.

use super::address::GitAddress;
use super::repository::{self, Repository};
use super::{ImportSettings, Progress, ProgressSender, names, too_many_entries, unpacked_too_large};
use crate::error::WorkspaceError;
use crate::tree::blocking;
use base64::Engine;
use coditect_protocol::terminal::EndCause;
use coditect_sandbox::client::{Child, Sandboxes, Scope, Streams};
use coditect_sandbox::net::NetworkPolicy;
use coditect_sandbox::{Inside, Place, Program, SandboxError, SandboxId, SingleUse};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;

/// Longest line of git's that is looked at, in bytes; the rest of it is dropped.
const MAX_LINE_BYTES: usize = 2048;
/// How often the size of what was fetched is looked at.
const SIZE_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// A transfer slower than one byte a second for so long is given up, in seconds.
const STALL_SECONDS: u32 = 120;
/// Seconds that ssh tries to connect.
const CONNECT_SECONDS: u32 = 30;

/// Most of a pack that git maps into memory at once, and in one piece, in MiB: well below what a sandbox may take, however large
/// the pack is.
const PACK_LIMIT_MIB: u32 = 1024;
/// See [`PACK_LIMIT_MIB`].
const PACK_WINDOW_MIB: u32 = 64;

/// Name of the file in which ssh keeps the keys of hosts.
pub(crate) const KNOWN_HOSTS: &str = "known_hosts";

/// A file of the person's own `.ssh`: a private key, or the hosts they know.
pub(crate) struct SshFile {
    /// File name, such as `id_ed25519` or [`KNOWN_HOSTS`].
    pub(crate) name: &'static str,
    /// Its content.
    pub(crate) content: Vec<u8>,
}

/// What is to be cloned, and where.
pub(crate) struct Cloning<'a> {
    /// Where git runs.
    pub(crate) sandboxes: &'a Sandboxes,
    /// Whose workspace, and which.
    pub(crate) id: SandboxId,
    /// The repository.
    pub(crate) address: &'a GitAddress,
    /// Where it is cloned to; must not exist.
    pub(crate) target: &'a Path,
    /// A new folder for what git must be told in files; it is removed.
    pub(crate) work: PathBuf,
    /// The person's own files for ssh.
    pub(crate) files: Vec<SshFile>,
}

/// Clones. When this returns, nothing of it runs any more.
pub(crate) async fn clone(
    cloning: Cloning<'_>,
    settings: &ImportSettings,
    progress: &ProgressSender,
    cancel: &CancellationToken,
) -> Result<(), WorkspaceError> {
    let Cloning { sandboxes, id, address, target, work, files } = cloning;
    let addresses = address.resolve(settings).await?;
    let (source, single_use) = source(address, &addresses, settings).await?;
    let place = Place {
        id,
        files: target.to_owned(),
        folder: "incoming".to_owned(),
        home: work.clone(),
        read_only: false,
        quota_bytes: None,
        single_use: Some(single_use),
    };
    let inside = sandboxes.inside(&place);
    let addresses = sandboxes.host_addresses(&addresses);
    let places = Places::new(&source, &place, &inside, address);
    let work = WorkFolder::create(work, git_config(address, &addresses), files).await?;
    make_folder(target.to_owned()).await?;
    let program = program(address, &addresses, source, &inside, &work, settings);
    let run = run(sandboxes, &place, program, settings, &places, progress);
    let result = tokio::select! {
        result = run => result,
        () = cancel.cancelled() => Err(WorkspaceError::ImportCancelled),
        () = tokio::time::sleep(settings.clone_timeout) => {
            Err(WorkspaceError::ImportTimeout { seconds: settings.clone_timeout.as_secs() })
        }
    };
    // It ends in any case; here that is waited for.
    if let Err(error) = sandboxes.end(Scope::Sandbox(id), None).await {
        tracing::debug!(%error, "the end of a clone was not seen");
    }
    work.remove().await?;
    result
}

/// What git is to clone, and what it may see and reach for that.
async fn source(
    address: &GitAddress,
    addresses: &[IpAddr],
    settings: &ImportSettings,
) -> Result<(String, SingleUse), WorkspaceError> {
    match address {
        GitAddress::Web { host, .. } | GitAddress::Ssh { host, .. } => {
            let network = NetworkPolicy::one_host(addresses, host.port)?;
            Ok((address.url(), SingleUse { shown: Vec::new(), network }))
        }
        GitAddress::Path(path) => {
            let (path, settings) = (path.clone(), settings.clone());
            let found = blocking(move || repository::allowed(&path, &settings).ok_or(WorkspaceError::PathRefused));
            let Repository { git_dir, shown } = found.await?;
            let git_dir = git_dir.into_os_string().into_string().map_err(|_| WorkspaceError::PathRefused)?;
            Ok((git_dir, SingleUse { shown, network: NetworkPolicy::none() }))
        }
    }
}

async fn make_folder(path: PathBuf) -> Result<(), WorkspaceError> {
    blocking(move || {
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|source| WorkspaceError::DataDirectory { place: path.display().to_string(), source })
    })
    .await
}

/// The server's own places that git's messages may name, and what a person is told instead.
struct Places(Vec<(String, String)>);

impl Places {
    fn new(source: &str, place: &Place, inside: &Inside, address: &GitAddress) -> Self {
        let mut places = Vec::new();
        if let GitAddress::Path(path) = address {
            places.push((source.to_owned(), path.display().to_string()));
        }
        places.push((inside.workspace_folder.clone(), "the workspace".to_owned()));
        places.push((inside.home_folder.clone(), "the server".to_owned()));
        if let Some(folder) = place.files.parent().filter(|folder| folder.parent().is_some()) {
            places.push((folder.display().to_string(), "the server".to_owned()));
        }
        Self(places)
    }

    /// The text without them.
    fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (place, words)| text.replace(place, words))
    }
}

fn program(
    address: &GitAddress,
    addresses: &[IpAddr],
    source: String,
    inside: &Inside,
    work: &WorkFolder,
    settings: &ImportSettings,
) -> Program {
    let protocols = match address {
        GitAddress::Web { .. } => "https:http",
        GitAddress::Ssh { .. } => "ssh",
        GitAddress::Path(_) => "file",
    };
    // Just the place that was checked, and none that git would guess from its name: with a slash at its end, whatever git adds
    // to it stays inside.
    let is_path = matches!(address, GitAddress::Path(_));
    let exact = is_path.then_some("--upload-pack=git-upload-pack --strict");
    let source = if is_path { format!("{source}/") } else { source };
    let args = ["clone", "--progress", "--no-local", "--template="].into_iter().chain(exact).chain(["--"]);
    let home = &inside.home_folder;
    let env = [
        ("LC_ALL", "C".to_owned()),
        ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ("GIT_CONFIG_GLOBAL", format!("{home}/{CONFIG_FILE}")),
        ("GIT_ALLOW_PROTOCOL", protocols.to_owned()),
        ("GIT_TERMINAL_PROMPT", "0".to_owned()),
        ("GIT_ASKPASS", "true".to_owned()),
        ("SSH_ASKPASS", "true".to_owned()),
        ("GIT_SSH_VARIANT", "ssh".to_owned()),
        ("GIT_SSH_COMMAND", ssh_command(address, addresses, home, &work.keys)),
    ];
    Program {
        program: settings.git_program.display().to_string(),
        args: args.map(str::to_owned).chain([source, inside.workspace_folder.clone()]).collect(),
        env: env.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Program::default()
    }
}

const CONFIG_FILE: &str = "gitconfig";

/// Configuration that git reads instead of the server's own. A file, so that no secret stands in the list of processes.
fn git_config(address: &GitAddress, addresses: &[IpAddr]) -> String {
    let mut text = format!(
        "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tpackedGitLimit = {PACK_LIMIT_MIB}m\n\t\
         packedGitWindowSize = {PACK_WINDOW_MIB}m\n[submodule]\n\trecurse = false\n[protocol \"ext\"]\n\tallow = never\n\
         [http]\n\tfollowRedirects = false\n\tlowSpeedLimit = 1\n\tlowSpeedTime = {STALL_SECONDS}\n"
    );
    match address {
        GitAddress::Web { credentials, host, .. } => {
            let list: Vec<String> = addresses
                .iter()
                .map(|address| if address.is_ipv6() { format!("[{address}]") } else { address.to_string() })
                .collect();
            // The library knows no such entry for an address of IPv6, which therefore is reached without a sandbox's own
            // network only.
            if host.name.parse::<Ipv6Addr>().is_err() {
                let _ = writeln!(text, "\tcurloptResolve = {}:{}:{}", host.name, host.port, list.join(","));
            }
            if let Some(credentials) = credentials {
                let plain: Vec<u8> = percent_encoding::percent_decode_str(credentials).collect();
                let plain = if plain.contains(&b':') { plain } else { [&plain[..], b":"].concat() };
                let encoded = base64::engine::general_purpose::STANDARD.encode(plain);
                let _ = writeln!(text, "\textraHeader = Authorization: Basic {encoded}");
            }
        }
        // The operator opened the folder, whoever owns what is in it.
        GitAddress::Path(_) => text.push_str("[safe]\n\tdirectory = *\n"),
        GitAddress::Ssh { .. } => {}
    }
    text
}

/// ssh that knows neither the machine's configuration nor anybody's keys but these, and connects to no other address.
fn ssh_command(address: &GitAddress, addresses: &[IpAddr], home: &str, keys: &[&str]) -> String {
    let folder = format!("'{}'", home.replace('\'', "'\\''"));
    let mut text = format!(
        "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o StrictHostKeyChecking=accept-new \
         -o UserKnownHostsFile={folder}/{KNOWN_HOSTS} -o GlobalKnownHostsFile=none -o ConnectTimeout={CONNECT_SECONDS} \
         -o PermitLocalCommand=no -o ClearAllForwardings=yes -o ForwardAgent=no"
    );
    if keys.is_empty() {
        text.push_str(" -o IdentityFile=none");
    }
    for name in keys {
        let _ = write!(text, " -o IdentityFile={folder}/{name}");
    }
    if let (GitAddress::Ssh { host, .. }, Some(first)) = (address, addresses.first()) {
        let _ = write!(text, " -o HostName={first} -o HostKeyAlias={}", host.name);
    }
    text
}

/// Files that git and ssh are told of; removed with it.
struct WorkFolder {
    path: PathBuf,
    keys: Vec<&'static str>,
}

impl WorkFolder {
    async fn create(path: PathBuf, config: String, files: Vec<SshFile>) -> Result<Self, WorkspaceError> {
        blocking(move || {
            let failed = |source| WorkspaceError::DataDirectory { place: path.display().to_string(), source };
            std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
            let folder = Self {
                path: path.clone(),
                keys: files.iter().map(|file| file.name).filter(|name| *name != KNOWN_HOSTS).collect(),
            };
            write_private(&path.join(CONFIG_FILE), config.as_bytes()).map_err(failed)?;
            for file in &files {
                write_private(&path.join(file.name), &file.content).map_err(failed)?;
            }
            Ok(folder)
        })
        .await
    }

    /// Removes it now, where its drop would do so later.
    async fn remove(mut self) -> Result<(), WorkspaceError> {
        let path = std::mem::take(&mut self.path);
        blocking(move || {
            remove_work(&path);
            Ok(())
        })
        .await
    }
}

fn remove_work(path: &Path) {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the folder of an import could not be removed");
        }
        _ => {}
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        if path.as_os_str().is_empty() {
            return;
        }
        let remove = move || remove_work(&path);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(content)
}

async fn run(
    sandboxes: &Sandboxes,
    place: &Place,
    program: Program,
    settings: &ImportSettings,
    places: &Places,
    progress: &ProgressSender,
) -> Result<(), WorkspaceError> {
    let internal = |error: std::io::Error| WorkspaceError::Internal(error.to_string());
    let (streams, _, stderr) = Streams::captured().map_err(internal)?;
    let mut child: Child = sandboxes.spawn(place, program, streams).await.map_err(|error| match error {
        SandboxError::ProgramFailed { .. } => WorkspaceError::GitMissing,
        error => error.into(),
    })?;
    let mut last_line = String::new();
    let ended = async { tokio::join!(child.wait(), follow(stderr, progress, places, &mut last_line)).0 };
    let exit = tokio::select! {
        exit = ended => exit,
        error = watch_size(&place.files, settings) => return Err(error),
    };
    if exit.code == Some(0) {
        // What came since it was last looked at counts too.
        return check_size(&place.files, settings).await;
    }
    let reason = match exit.cause {
        Some(EndCause::Memory) => "it took more memory than programs may here.".to_owned(),
        Some(EndCause::Processes) => "it started more processes than programs may here.".to_owned(),
        Some(EndCause::Disk) => "the disk is nearly full.".to_owned(),
        Some(EndCause::HostLost | EndCause::AccessEnded) => "it was ended from outside; try again.".to_owned(),
        None if last_line.is_empty() => "it gave no reason.".to_owned(),
        None => last_line,
    };
    Err(WorkspaceError::GitFailed(reason))
}

/// Reads git's messages to their end; keeps the last one that tells an error.
async fn follow(
    mut output: impl AsyncRead + Unpin,
    progress: &ProgressSender,
    places: &Places,
    last_error: &mut String,
) {
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    let mut is_fatal = false;
    loop {
        let count = output.read(&mut buffer).await.unwrap_or(0);
        for &byte in &buffer[..count] {
            if !matches!(byte, b'\r' | b'\n') {
                if line.len() < MAX_LINE_BYTES {
                    line.push(byte);
                }
                continue;
            }
            take_line(&line, progress, places, last_error, &mut is_fatal);
            line.clear();
        }
        if count == 0 {
            return take_line(&line, progress, places, last_error, &mut is_fatal);
        }
    }
}

fn take_line(line: &[u8], progress: &ProgressSender, places: &Places, last_error: &mut String, is_fatal: &mut bool) {
    let text = String::from_utf8_lossy(line);
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    if let Some(step) = parse_progress(text) {
        progress.send_if_modified(|now| std::mem::replace(now, step.clone()) != step);
        return;
    }
    // A fatal message is the reason; what follows it is advice.
    let fatal = text.starts_with("fatal:") || text.starts_with("error:");
    if fatal || !*is_fatal {
        *last_error = places.hide(&names::scrub(text));
        *is_fatal |= fatal;
    }
}

/// `remote: Counting objects:  12% (3/25), done.`
fn parse_progress(text: &str) -> Option<Progress> {
    let text = text.strip_prefix("remote: ").unwrap_or(text);
    let (step, rest) = text.split_once(':')?;
    let rest = rest.trim_start();
    let known = ["Enumerating", "Counting", "Compressing", "Receiving", "Resolving", "Updating", "Checking out"];
    if !known.iter().any(|word| step.starts_with(word)) {
        return None;
    }
    let percent =
        rest.split_once('%').and_then(|(number, _)| number.parse::<u8>().ok()).filter(|percent| *percent <= 100);
    Some(Progress { step: step.to_owned(), percent })
}

/// Ends when there is more below `target` than allowed.
async fn watch_size(target: &Path, settings: &ImportSettings) -> WorkspaceError {
    loop {
        tokio::time::sleep(SIZE_CHECK_INTERVAL).await;
        if let Err(error) = check_size(target, settings).await {
            return error;
        }
    }
}

async fn check_size(target: &Path, settings: &ImportSettings) -> Result<(), WorkspaceError> {
    let (root, settings) = (target.to_owned(), settings.clone());
    blocking(move || size_allowed(&root, &settings)).await
}

/// Refuses more bytes or entries below `root` than allowed. Links are not followed; what vanishes meanwhile counts nothing.
fn size_allowed(root: &Path, settings: &ImportSettings) -> Result<(), WorkspaceError> {
    let (mut bytes, mut entries) = (0_u64, 0_u64);
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(facts) = entry.metadata() else { continue };
            if facts.is_dir() {
                folders.push(entry.path());
            }
            entries += 1;
            bytes = bytes.saturating_add(facts.len());
            if entries > settings.max_entries {
                return Err(too_many_entries(settings));
            }
            if bytes > settings.max_unpacked_bytes {
                return Err(unpacked_too_large(settings));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
