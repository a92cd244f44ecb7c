//! One operation on one connection, seen from the server.

use std::io;
use std::time::Duration;

use tokio::net::UnixStream;

use crate::SandboxError;
use crate::supervisor::run_file::RunFile;
use crate::wire::{Greeting, Hello, MAX_FRAME_BYTES, MAX_HELLO_BYTES, Reply, Request, VERSION, frame, receive};

/// How long the supervisor may take to greet. (The machine may be very busy.)
const GREETING_LIMIT: Duration = Duration::from_secs(10);
/// The supervisor takes connections as fast as it can; a flood waits for so long in between.
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// A connection whose request was sent and that was greeted.
pub(super) struct Connection {
    pub(super) stream: UnixStream,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Unreachable {
    /// Nobody is there, or somebody who does not know the token.
    Gone(io::Error),
    /// A supervisor of another version.
    Other(Greeting),
    /// Not even asked.
    Invalid(SandboxError),
}

impl Unreachable {
    pub(super) fn into_error(self) -> SandboxError {
        match self {
            Self::Gone(error) => SandboxError::Supervisor(error.to_string()),
            Self::Other(greeting) => SandboxError::OtherVersion { found: greeting.version },
            Self::Invalid(error) => error,
        }
    }
}

impl From<io::Error> for Unreachable {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl std::fmt::Debug for Greeting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Greeting").field("version", &self.version).field("servers", &self.servers).finish()
    }
}

impl Connection {
    pub(super) async fn open(file: &RunFile, request: &Request) -> Result<Self, Unreachable> {
        let request = frame(request).map_err(|error| Unreachable::Invalid(SandboxError::Invalid(error.to_string())))?;
        let (stream, greeting) = greet(file, false, &request).await?;
        if greeting.version != VERSION {
            return Err(Unreachable::Other(greeting));
        }
        Ok(Self { stream })
    }

    /// The next answer; what the supervisor refused is an error.
    pub(super) async fn reply(&mut self) -> Result<Reply, SandboxError> {
        match receive(&mut self.stream, MAX_FRAME_BYTES).await {
            Ok(Some(Reply::Failed(error))) => Err(error),
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(SandboxError::Supervisor("it ended in the middle of this".to_owned())),
            Err(error) => Err(SandboxError::Supervisor(error.to_string())),
        }
    }
}

/// Asks a supervisor of whatever version to end, and waits for that.
pub(super) async fn end(file: &RunFile) -> Result<(), Unreachable> {
    let (mut stream, _) = greet(file, true, &[]).await?;
    // It says no more; it closes when it is done.
    let _nothing = receive::<Reply>(&mut stream, MAX_FRAME_BYTES).await;
    Ok(())
}

async fn greet(file: &RunFile, end: bool, rest: &[u8]) -> Result<(UnixStream, Greeting), Unreachable> {
    let hello = Hello { version: VERSION, token: file.token.clone(), end };
    let mut bytes = frame(&hello)?;
    bytes.extend_from_slice(rest);
    let greeted = async {
        let mut stream = connect(file).await?;
        // The token is shown to our own user only: after a supervisor's end anybody can take its socket's name.
        if stream.peer_cred()?.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("another user listens in its place"));
        }
        tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await?;
        let greeting = receive(&mut stream, MAX_HELLO_BYTES).await?;
        let greeting = greeting.ok_or_else(|| io::Error::other("it does not know the token"))?;
        Ok((stream, greeting))
    };
    match tokio::time::timeout(GREETING_LIMIT, greeted).await {
        Ok(greeted) => Ok(greeted?),
        Err(_) => Err(Unreachable::Gone(io::Error::other("it does not greet"))),
    }
}

async fn connect(file: &RunFile) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(file.socket()).await {
            // The queue of those who want to be taken in is full.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(BUSY_PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// An answer that does not belong to the question.
pub(super) fn unexpected() -> SandboxError {
    SandboxError::Supervisor("it answered something else".to_owned())
}
