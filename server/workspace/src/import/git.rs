//! Cloning with the git program.

use super::address::GitAddress;
use super::{ImportSettings, Progress, ProgressSender, names, repository, too_many_entries, unpacked_too_large};
use crate::error::WorkspaceError;
use crate::tree::blocking;
use base64::Engine;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, prlimit};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// Longest line of git's that is looked at, in bytes; the rest of it is dropped.
const MAX_LINE_BYTES: usize = 2048;
/// How often the size of what was fetched is looked at.
const SIZE_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// A transfer slower than one byte a second for so long is given up, in seconds.
const STALL_SECONDS: u32 = 120;
/// Seconds that ssh tries to connect.
const CONNECT_SECONDS: u32 = 30;

/// Most memory that each process of a clone may address, in bytes.
const MAX_GIT_MEMORY_BYTES: u64 = 4 << 30;
/// Most files that each process of a clone may have open.
const MAX_GIT_OPEN_FILES: u64 = 1024;
/// Most of a pack that git maps into memory at once, and in one piece, in MiB: well below [`MAX_GIT_MEMORY_BYTES`], however
/// large the pack is.
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

/// Clones into `target`, which must not exist. `work` is a new folder for what git must be told in files; it is removed.
pub(crate) async fn clone(
    address: &GitAddress,
    target: &Path,
    work: PathBuf,
    files: Vec<SshFile>,
    settings: &ImportSettings,
    progress: &ProgressSender,
    cancel: &CancellationToken,
) -> Result<(), WorkspaceError> {
    let addresses = address.resolve(settings).await?;
    let source = match address {
        GitAddress::Path(path) => allowed_path(path.clone(), settings.clone()).await?,
        GitAddress::Web { .. } | GitAddress::Ssh { .. } => address.url(),
    };
    let places = Places::new(&source, target, &work, address);
    let work = WorkFolder::create(work, git_config(address, &addresses), files).await?;
    let mut command = command(address, &addresses, &source, target, &work, settings);
    let child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => WorkspaceError::GitMissing,
        _ => WorkspaceError::Internal(error.to_string()),
    })?;
    let run = run(child, target, settings, &places, progress);
    let result = tokio::select! {
        result = run => result,
        () = cancel.cancelled() => Err(WorkspaceError::ImportCancelled),
        () = tokio::time::sleep(settings.clone_timeout) => {
            Err(WorkspaceError::ImportTimeout { seconds: settings.clone_timeout.as_secs() })
        }
    };
    work.remove().await?;
    result
}

/// The real place of a repository that may be cloned by its path.
async fn allowed_path(path: PathBuf, settings: ImportSettings) -> Result<String, WorkspaceError> {
    blocking(move || {
        let real = repository::allowed(&path, &settings).ok_or(WorkspaceError::PathRefused)?;
        real.into_os_string().into_string().map_err(|_| WorkspaceError::PathRefused)
    })
    .await
}

/// The server's own places that git's messages may name, and what a person is told instead.
struct Places(Vec<(String, String)>);

impl Places {
    fn new(source: &str, target: &Path, work: &Path, address: &GitAddress) -> Self {
        let mut places = Vec::new();
        if let GitAddress::Path(path) = address {
            places.push((source.to_owned(), path.display().to_string()));
        }
        places.push((target.display().to_string(), "the workspace".to_owned()));
        places.push((work.display().to_string(), "the server".to_owned()));
        if let Some(folder) = target.parent().filter(|folder| folder.parent().is_some()) {
            places.push((folder.display().to_string(), "the server".to_owned()));
        }
        Self(places)
    }

    /// The text without them.
    fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (place, words)| text.replace(place, words))
    }
}

fn command(
    address: &GitAddress,
    addresses: &[IpAddr],
    source: &str,
    target: &Path,
    work: &WorkFolder,
    settings: &ImportSettings,
) -> Command {
    let protocols = match address {
        GitAddress::Web { .. } => "https:http",
        GitAddress::Ssh { .. } => "ssh",
        GitAddress::Path(_) => "file",
    };
    let mut command = Command::new(&settings.git_program);
    // Just the place that was checked, and none that git would guess from its name: with a slash at its end, whatever git adds
    // to it stays inside.
    let is_path = matches!(address, GitAddress::Path(_));
    let exact = is_path.then_some("--upload-pack=git-upload-pack --strict");
    let source = if is_path { format!("{source}/") } else { source.to_owned() };
    command
        .args(["clone", "--progress", "--no-local", "--template="])
        .args(exact)
        .arg("--")
        .arg(source)
        .arg(target)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()))
        .env("HOME", &work.path)
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", work.path.join(CONFIG_FILE))
        .env("GIT_ALLOW_PROTOCOL", protocols)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "true")
        .env("SSH_ASKPASS", "true")
        .env("GIT_SSH_VARIANT", "ssh")
        .env("GIT_SSH_COMMAND", ssh_command(address, addresses, work))
        .current_dir(&work.path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
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
            if host.name.parse::<IpAddr>().is_err() {
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

/// ssh that knows neither the server's configuration nor its keys, and connects to no other address than the one checked.
fn ssh_command(address: &GitAddress, addresses: &[IpAddr], work: &WorkFolder) -> String {
    let folder = shell_quoted(&work.path);
    let mut text = format!(
        "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o StrictHostKeyChecking=accept-new \
         -o UserKnownHostsFile={folder}/{KNOWN_HOSTS} -o GlobalKnownHostsFile=none -o ConnectTimeout={CONNECT_SECONDS} \
         -o PermitLocalCommand=no -o ClearAllForwardings=yes -o ForwardAgent=no"
    );
    if work.keys.is_empty() {
        text.push_str(" -o IdentityFile=none");
    }
    for name in &work.keys {
        let _ = write!(text, " -o IdentityFile={folder}/{name}");
    }
    if let (GitAddress::Ssh { host, .. }, Some(first)) = (address, addresses.first()) {
        let _ = write!(text, " -o HostName={first} -o HostKeyAlias={}", host.name);
    }
    text
}

fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
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

/// Ends the whole group: git starts helpers that would outlive it.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Fails when all of them have ended.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Bounds what a process, and all that it starts from now on, may use. The clone's time bounds its use of the processor:
/// should one of its helpers leave the group, it ends by that.
fn bound(process: Pid, settings: &ImportSettings) -> rustix::io::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let limits = [
        (Resource::As, MAX_GIT_MEMORY_BYTES),
        (Resource::Nofile, MAX_GIT_OPEN_FILES),
        (Resource::Core, 0),
        (Resource::Cpu, settings.clone_timeout.as_secs().max(1).saturating_mul(cores)),
    ];
    for (resource, limit) in limits {
        // What the server itself may not have cannot be given.
        let limit = getrlimit(resource).maximum.map_or(limit, |most| most.min(limit));
        prlimit(Some(process), resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}

async fn run(
    mut child: Child,
    target: &Path,
    settings: &ImportSettings,
    places: &Places,
    progress: &ProgressSender,
) -> Result<(), WorkspaceError> {
    let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut group = Group(leader);
    if let Some(leader) = leader {
        bound(leader, settings)
            .map_err(|error| WorkspaceError::Internal(format!("git's resources could not be bounded: {error}")))?;
    }
    let stderr = child.stderr.take().ok_or_else(|| WorkspaceError::Internal("git has no standard error".to_owned()))?;
    let mut last_line = String::new();
    tokio::select! {
        () = follow(stderr, progress, places, &mut last_line) => {}
        error = watch_size(target, settings) => return Err(error),
    }
    let status = child.wait().await.map_err(|error| WorkspaceError::Internal(error.to_string()))?;
    // Its number may be another's from now on. What it started has closed its output and is on its way out.
    group.0 = None;
    if status.success() {
        // What came since it was last looked at counts too.
        return check_size(target, settings).await;
    }
    Err(WorkspaceError::GitFailed(if last_line.is_empty() { "it gave no reason.".to_owned() } else { last_line }))
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
