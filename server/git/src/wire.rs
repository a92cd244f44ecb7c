//! What the server and the program say to each other: MessagePack with field names, each message after its length in four bytes,
//! the lowest first.
//!
//! The program ends when its input does; the server closes it when it was idle for a while, so that no request meets a program
//! that is leaving.

use coditect_protocol::git::{GitProgress, GitReply, GitRequest};
use coditect_protocol::shape::count_values;
use coditect_protocol::{Problem, RelPath};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::Semaphore;
use zeroize::{Zeroize as _, Zeroizing};

/// Longest message, in bytes: a file's content of 8 MiB, with room around it.
pub const MAX_FRAME_BYTES: usize = 9 * 1024 * 1024;
/// Most values of one message. Each takes up to some tens of bytes once it is built, however few it has in the message.
pub const MAX_FRAME_VALUES: usize = 500_000;
/// Messages that are larger are built one at a time in a process, and not on the threads that serve all others, in bytes.
const SMALL_BYTES: usize = 256 * 1024;
/// A message that has begun arrives within so long.
const ARRIVAL: Duration = Duration::from_secs(30);
/// Bytes before each message.
pub const LENGTH_BYTES: usize = 4;
/// Messages up to here may hold a secret and are wiped once they are read, in bytes.
const WIPED_BYTES: usize = 256 * 1024;
/// The first memory that is taken for a message, in bytes; more comes as it arrives.
const FIRST_BYTES: usize = 64 * 1024;

/// From the server to the program.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToHelper {
    /// Starts a request.
    Request {
        /// Names it from now on; never used twice.
        id: u32,
        /// Folder of the repository's work tree.
        repository: RelPath,
        /// What.
        request: GitRequest,
    },
    /// Ends a request; it is answered all the same.
    Cancel {
        /// Which.
        id: u32,
    },
    /// Answers [`FromHelper::Ask`].
    Login {
        /// Which question.
        ask: u32,
        /// The login, where there is one.
        login: Option<Login>,
    },
}

/// From the program to the server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "few of them exist at a time, and the answer is what they are for")]
pub enum FromHelper {
    /// A request goes on.
    Progress {
        /// Which.
        id: u32,
        /// How.
        progress: GitProgress,
    },
    /// A request ended.
    Ended {
        /// Which.
        id: u32,
        /// How.
        result: Result<GitReply, Problem>,
    },
    /// The sites that a request may ask logins for, told once, before anything speaks with them.
    Hosts {
        /// The fetch, pull or push.
        id: u32,
        /// Sites, as in [`Self::Ask`].
        hosts: Vec<String>,
    },
    /// A site wants a login; always over `https`, and one of those that were told.
    Ask {
        /// Names the question.
        ask: u32,
        /// The fetch, pull or push that it is for.
        id: u32,
        /// The site, as `git.example.org` or `git.example.org:8443`.
        host: String,
        /// The name to log in with, where the URL has one.
        username: Option<String>,
    },
}

/// A login for a site. Wiped when dropped; shows nothing of its secret.
#[derive(Serialize, Deserialize)]
pub struct Login {
    /// Name.
    pub username: String,
    /// Password or token.
    pub secret: Zeroizing<String>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// A message with its length before it.
pub fn encode<T: Serialize>(message: &T) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; LENGTH_BYTES]);
    rmp_serde::encode::write_named(&mut *bytes, message).map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
    let length = bytes.len() - LENGTH_BYTES;
    let too_long = || Error::new(ErrorKind::InvalidData, "a message is longer than allowed");
    if length > MAX_FRAME_BYTES || count_values(&bytes[LENGTH_BYTES..], MAX_FRAME_VALUES) > MAX_FRAME_VALUES {
        return Err(too_long());
    }
    let length = u32::try_from(length).map_err(|_| too_long())?;
    bytes[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// The next message; nothing at the end of the stream. A stream that ends within a message, or holds another one, is an error, and so
/// is one that would take far more memory than it has bytes, or does not come to its end.
pub async fn read<T: DeserializeOwned + Send + 'static>(
    input: &mut (impl AsyncRead + Unpin),
) -> std::io::Result<Option<T>> {
    let mut length = [0; LENGTH_BYTES];
    match input.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(Error::new(ErrorKind::InvalidData, "a message is longer than allowed"));
    }
    let mut bytes = Vec::with_capacity(length.min(FIRST_BYTES));
    let mut rest = input.take(length as u64);
    tokio::time::timeout(ARRIVAL, rest.read_to_end(&mut bytes)).await??;
    if bytes.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    if bytes.len() <= SMALL_BYTES {
        return build(bytes).map(Some);
    }
    static TURN: Semaphore = Semaphore::const_new(1);
    let turn = TURN.acquire().await.map_err(Error::other)?;
    let built = tokio::task::spawn_blocking(move || (build(bytes), turn)).await.map_err(Error::other)?;
    built.0.map(Some)
}

fn build<T: DeserializeOwned>(mut bytes: Vec<u8>) -> std::io::Result<T> {
    if count_values(&bytes, MAX_FRAME_VALUES) > MAX_FRAME_VALUES {
        return Err(Error::new(ErrorKind::InvalidData, "a message has more values than allowed"));
    }
    let message = rmp_serde::from_slice(&bytes);
    if bytes.len() <= WIPED_BYTES {
        bytes.zeroize();
    }
    message.map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_come_back_and_broken_ones_are_errors() {
        let request = GitRequest::Stage { paths: vec![RelPath::parse("a/b").unwrap()] };
        let message = ToHelper::Request { id: 7, repository: RelPath::root(), request: request.clone() };
        let bytes = encode(&message).unwrap();
        let Some(ToHelper::Request { id: 7, request: back, .. }) = read(&mut bytes.as_slice()).await.unwrap() else {
            panic!("another message")
        };
        assert_eq!(back, request);
        assert!(read::<ToHelper>(&mut &b""[..]).await.unwrap().is_none());
        assert!(read::<ToHelper>(&mut &bytes[..bytes.len() - 1]).await.is_err());
        assert!(read::<ToHelper>(&mut &u32::MAX.to_le_bytes()[..]).await.is_err());
        assert!(read::<FromHelper>(&mut bytes.as_slice()).await.is_err());
    }

    #[tokio::test]
    async fn what_would_grow_is_not_built() {
        let commit = |refs| coditect_protocol::git::GitCommit {
            id: String::new(),
            parents: Vec::new(),
            author: Default::default(),
            authored_at: 0,
            committer: Default::default(),
            committed_at: 0,
            summary: String::new(),
            message: String::new(),
            refs,
        };
        let ended = |count| {
            let commits = vec![commit(vec![String::new(); count])];
            let log = coditect_protocol::git::GitLog { commits, more: false };
            FromHelper::Ended { id: 1, result: Ok(GitReply::Log(log)) }
        };
        // A program that keeps to no limit.
        let mut bytes = vec![0; LENGTH_BYTES];
        rmp_serde::encode::write_named(&mut bytes, &ended(MAX_FRAME_VALUES)).unwrap();
        let length = u32::try_from(bytes.len() - LENGTH_BYTES).unwrap();
        bytes[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
        assert!(read::<FromHelper>(&mut bytes.as_slice()).await.is_err());
        assert!(encode(&ended(MAX_FRAME_VALUES)).is_err());
        let bytes = encode(&ended(MAX_FRAME_VALUES / 4 * 3)).unwrap();
        assert!(bytes.len() > SMALL_BYTES);
        assert!(read::<FromHelper>(&mut bytes.as_slice()).await.unwrap().is_some());
    }

    #[test]
    fn a_login_shows_nothing_of_its_secret() {
        let login = Login { username: "ada".to_owned(), secret: Zeroizing::new("hunter2".to_owned()) };
        let shown = format!("{:?}", ToHelper::Login { ask: 1, login: Some(login) });
        assert!(!shown.contains("hunter2") && !shown.contains("ada"), "{shown}");
    }
}
