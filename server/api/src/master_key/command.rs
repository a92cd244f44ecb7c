//! What a program of the operator prints: that is how a key management service is asked, whosever it is.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use coditect_store::MasterKey;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{MAX_KEY_BYTES, MasterKeySource};
use crate::error::ServerError;

/// How long the program may take.
const PRINTS_WITHIN: Duration = Duration::from_secs(30);

/// The program, with its arguments. It runs as the server does, with the server's variables: they say who may ask the service. What it
/// says on its standard error is passed on.
pub(super) struct KeyCommand {
    program: String,
    args: Vec<String>,
}

impl KeyCommand {
    /// Nothing where no program is named.
    pub(super) fn new(words: &[String]) -> Option<Self> {
        let (program, args) = words.split_first()?;
        Some(Self { program: program.clone(), args: args.to_vec() })
    }

    /// Its arguments may hold secrets, and are not told.
    fn refuse(&self, reason: impl std::fmt::Display) -> ServerError {
        ServerError::MasterKey(format!("the program `{}` (setting `master_key_command`): {reason}", self.program))
    }

    async fn ask(&self) -> Result<MasterKey, ServerError> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null()).stdout(Stdio::piped());
        // With all that it starts.
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(|error| self.refuse(format!("it cannot be started: {error}")))?;
        let mut running = Running(child);
        let printed = match timeout(PRINTS_WITHIN, running.printed()).await {
            Ok(Ok(printed)) => printed,
            Ok(Err(error)) => return Err(self.refuse(error)),
            Err(_) => return Err(self.refuse(format!("it has not ended within {} s", PRINTS_WITHIN.as_secs()))),
        };
        MasterKey::parse(&printed).map_err(|error| self.refuse(error))
    }
}

impl MasterKeySource for KeyCommand {
    fn read(&self) -> BoxFuture<'_, Result<MasterKey, ServerError>> {
        self.ask().boxed()
    }
}

/// A program that leaves nothing behind.
struct Running(Child);

impl Running {
    async fn printed(&mut self) -> io::Result<Zeroizing<Vec<u8>>> {
        let stdout = self.0.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
        // Room for one byte more, and never made anew: a copy of the key would stay behind.
        let mut printed = Zeroizing::new(Vec::with_capacity(MAX_KEY_BYTES + 1));
        let mut limited = stdout.take(printed.capacity() as u64);
        while limited.read_buf(&mut *printed).await? > 0 {}
        if printed.len() > MAX_KEY_BYTES {
            return Err(io::Error::other(format!("it prints more than {MAX_KEY_BYTES} bytes")));
        }
        let status = self.0.wait().await?;
        if status.success() { Ok(printed) } else { Err(io::Error::other(format!("it failed ({status})"))) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its id is known as long as nobody has waited for it, so that it is not another's.
        let group = self.0.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str) -> KeyCommand {
        KeyCommand::new(&["sh", "-c", script].map(str::to_owned)).unwrap()
    }

    async fn refused(command: KeyCommand) -> String {
        let error = command.read().await.unwrap_err();
        assert_eq!(error.code(), "auth.master_key");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        shown
    }

    #[tokio::test]
    async fn one_that_fails_is_told_and_nothing_of_what_it_printed() {
        assert!(refused(shell("echo hunter2; exit 3")).await.contains("exit status: 3"));
        assert!(refused(shell("echo hunter2; kill -9 $$")).await.contains("signal: 9"));
        assert!(refused(shell("echo hunter2")).await.contains("Base64"));
        assert!(refused(shell("printf '\\377hunter2\\377'")).await.contains("nor text"));
        assert!(refused(shell("true")).await.contains("empty"));
        let missing = KeyCommand::new(&["/nowhere/kms".to_owned(), "hunter2".to_owned()]).unwrap();
        let told = refused(missing).await;
        assert!(told.contains("/nowhere/kms") && told.contains("cannot be started"), "{told}");
    }

    #[tokio::test]
    async fn one_that_does_not_stop_printing_is_stopped() {
        let began = Instant::now();
        assert!(refused(shell("yes hunter2")).await.contains("more than 16384 bytes"));
        assert!(began.elapsed() < PRINTS_WITHIN);
    }

    #[tokio::test]
    async fn bytes_are_a_key_as_well() {
        let key = shell("printf 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'").read().await.unwrap();
        assert!(key == MasterKey::from_bytes([b'a'; 32]));
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let held = dir.path().join("held");
        // Whoever opens the other end of the pipe waits until the last of them is gone.
        rustix::fs::mknodat(rustix::fs::CWD, &held, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let command = shell(&format!("exec 9>'{}'; echo begun >&9; sleep 1000 & sleep 1000", held.display()));
        let asked = tokio::spawn(async move { refused(command).await });
        let mut reader = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&held).unwrap();
        reader.read_exact(&mut [0; "begun\n".len()]).await.unwrap();
        tokio::time::pause();
        tokio::time::advance(PRINTS_WITHIN).await;
        assert!(asked.await.unwrap().contains("30 s"));
        tokio::time::resume();
        assert_eq!(reader.read(&mut [0]).await.unwrap(), 0, "they are gone");
    }
}
