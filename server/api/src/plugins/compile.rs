//! Translating plugins for this machine, in a process of its own: what that takes is no memory of the server, and no core of those who
//! wait for it.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use coditect_plugin_host::{Compiled, Host, HostError, Seal};
use coditect_plugin_package::sha256_hex;
use coditect_plugins::Compiler;
use rand::TryRng as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::cli::plugin_compile::{self, EXIT_REFUSED, KEY_BYTES};
use crate::settings::Settings;

/// The server's own program, also where another one was put in its place meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// Keeps the process from starting itself again for the sake of its allocator.
const VARIABLE: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "0");
/// How much longer than its time on a core a translation may take: others have the cores first.
const WAITING_FACTOR: u64 = 4;
/// Largest translation, in bytes.
const MAX_TRANSLATED_BYTES: u64 = 512 << 20;
/// What is read of the reason why there is none, in bytes.
const MAX_REASON_BYTES: u64 = 4 * 1024;
/// Of that, what is told, in characters.
const MAX_TOLD_CHARS: usize = 500;
/// Signals that end a process: by the allocator that got no memory, by the kernel that has none, for the time it took.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// See the module.
pub(super) struct ChildCompiler {
    host: Host,
    program: PathBuf,
    seconds: u64,
    memory_mib: u64,
    /// So many at a time.
    turns: Semaphore,
}

#[async_trait]
impl Compiler for ChildCompiler {
    async fn compile(&self, component: Bytes) -> Result<Compiled, HostError> {
        let _turn = self.turns.acquire().await.map_err(failed)?;
        // Whoever else writes to the pipes does not know it.
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        rand::rngs::SysRng.try_fill_bytes(&mut *key).map_err(failed)?;
        let limit = Duration::from_secs(self.seconds.saturating_mul(WAITING_FACTOR));
        let sealed = timeout(limit, self.run(&key, &component)).await.map_err(|_| self.too_long())??;
        let host = self.host.clone();
        let opening = move || Seal::new(&key).open(&host, &sha256_hex(&component), sealed);
        let opened = tokio::task::spawn_blocking(opening).await.map_err(failed)?;
        opened.ok_or_else(|| failed("it was translated by another version of the server; look at plugin_translator"))
    }
}

impl ChildCompiler {
    /// For this host.
    pub(super) fn new(settings: &Settings, host: Host) -> Self {
        let given = &settings.plugin_translator;
        Self {
            host,
            program: if given.as_os_str().is_empty() { PathBuf::from(OWN_PROGRAM) } else { given.clone() },
            seconds: settings.plugin_compile_seconds,
            memory_mib: settings.plugin_compile_memory_mib,
            turns: Semaphore::new(settings.plugin_compiles_at_once),
        }
    }

    /// Runs the process to its end. Dropped, it is killed.
    async fn run(&self, key: &[u8; KEY_BYTES], component: &[u8]) -> Result<Vec<u8>, HostError> {
        let mut command = Command::new(&self.program);
        command
            .args(plugin_compile::arguments(self.memory_mib, self.seconds))
            .env_clear()
            .env(VARIABLE.0, VARIABLE.1)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut input), Some(output), Some(reason)) = pipes else { return Err(failed("it has no pipes")) };
        let sending = async {
            // One that ends before it has read all says why.
            if input.write_all(key).await.is_ok() {
                let _ = input.write_all(component).await;
            }
            drop(input);
        };
        let (output, reason) = (read(output, MAX_TRANSLATED_BYTES), read(reason, MAX_REASON_BYTES));
        let ((), output, reason, ended) = tokio::join!(sending, output, reason, child.wait());
        let (ended, output) = (ended.map_err(failed)?, output.map_err(failed)?);
        match ended.success() {
            true if output.len() as u64 > MAX_TRANSLATED_BYTES => {
                Err(HostError::TranslationTooLarge { most: MAX_TRANSLATED_BYTES, unit: "bytes" })
            }
            true => Ok(output),
            false => Err(self.fault(ended, &reason.unwrap_or_default())),
        }
    }

    fn too_long(&self) -> HostError {
        HostError::TranslationTooLarge { most: self.seconds, unit: "seconds" }
    }

    /// Why it ended without a translation.
    fn fault(&self, ended: ExitStatus, reason: &[u8]) -> HostError {
        use std::os::unix::process::ExitStatusExt as _;
        let reason = String::from_utf8_lossy(reason);
        let reason = reason.lines().last().unwrap_or_default();
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(MAX_TOLD_CHARS).collect();
        match (ended.code(), ended.signal()) {
            (Some(code), _) if code == i32::from(EXIT_REFUSED) => {
                HostError::Refused { detail: reason.strip_prefix("coditect-v5-api: ").unwrap_or(&reason).to_owned() }
            }
            (_, Some(SIGABRT | SIGKILL)) => {
                HostError::TranslationTooLarge { most: self.memory_mib, unit: "MiB of memory" }
            }
            (_, Some(SIGXCPU)) => self.too_long(),
            _ => failed(format!("the process ended with {ended}: {reason}")),
        }
    }
}

fn failed(why: impl std::fmt::Display) -> HostError {
    HostError::TranslationFailed { detail: why.to_string() }
}

/// Up to so many bytes and one more; the rest is read and dropped, so that nobody waits for it to be read.
async fn read(mut from: impl AsyncRead + Unpin, most: u64) -> std::io::Result<Vec<u8>> {
    let mut read = Vec::new();
    (&mut from).take(most + 1).read_to_end(&mut read).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(read)
}
