//! Requests in, answers out: any number at once, those that change something in order.

use coditect_protocol::git::{GitReply, GitRequest};
use coditect_protocol::{Coded as _, RelPath};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::credential::Asks;
use crate::error::GitError;
use crate::limits::{MAX_REQUESTS, MAX_WORKING, QUEUED_FRAMES, STOP_TIME};
use crate::progress::Progress;
use crate::read::Refreshes;
use crate::wire::{self, FromHelper, ToHelper};
use crate::work::Work;
use crate::{read, write};

/// What the program is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The workspace's folder.
    pub root: PathBuf,
    /// The `git` to run.
    pub program: OsString,
    /// The own program, for `git` to ask for logins.
    pub helper: PathBuf,
}

/// Answers requests until the input ends; then everything that runs is ended.
pub async fn serve(
    mut input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
    settings: Settings,
) -> std::io::Result<()> {
    let (frames, queue) = mpsc::channel(QUEUED_FRAMES);
    let writer = tokio::spawn(write_frames(output, queue));
    let server = Server {
        settings: Arc::new(settings),
        asks: Arc::new(Asks::new(frames.clone())),
        frames,
        running: Arc::default(),
        turns: Turns::default(),
        room: Arc::new(Semaphore::new(MAX_WORKING)),
        refreshes: Arc::default(),
        stop: CancellationToken::new(),
    };
    let result = loop {
        match wire::read(&mut input).await {
            Ok(Some(ToHelper::Request { id, repository, request })) => server.start(id, repository, request),
            Ok(Some(ToHelper::Cancel { id })) => server.cancel(id),
            Ok(Some(ToHelper::Login { ask, login })) => server.asks.answer(ask, login),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    server.stop.cancel();
    // They end what they run; each holds room until it has.
    let (tasks, refreshes) = (server.running.tasks.clone(), server.refreshes.clone());
    drop(server);
    let all_ended = async { tokio::join!(tasks.acquire_many(MAX_REQUESTS), refreshes.end()) };
    let _ = tokio::time::timeout(STOP_TIME, all_ended).await;
    writer.abort();
    result
}

async fn write_frames(
    mut output: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<FromHelper>,
) -> std::io::Result<()> {
    while let Some(frame) = queue.recv().await {
        let bytes = match (wire::encode(&frame), frame) {
            // It is answered all the same.
            (Err(_), FromHelper::Ended { id, .. }) => {
                let too_large = GitError::TooLarge { limit: wire::MAX_FRAME_BYTES as u64 };
                wire::encode(&FromHelper::Ended { id, result: Err(too_large.problem()) })?
            }
            (encoded, _) => encoded?,
        };
        output.write_all(&bytes).await?;
        if queue.is_empty() {
            output.flush().await?;
        }
    }
    Ok(())
}

struct Server {
    settings: Arc<Settings>,
    frames: mpsc::Sender<FromHelper>,
    asks: Arc<Asks>,
    running: Arc<Running>,
    turns: Turns,
    room: Arc<Semaphore>,
    refreshes: Arc<Refreshes>,
    stop: CancellationToken,
}

struct Running {
    cancels: Mutex<HashMap<u32, CancellationToken>>,
    tasks: Arc<Semaphore>,
}

impl Default for Running {
    fn default() -> Self {
        Self { cancels: Mutex::default(), tasks: Arc::new(Semaphore::new(MAX_REQUESTS as usize)) }
    }
}

impl Server {
    fn start(&self, id: u32, repository: RelPath, request: GitRequest) {
        let frames = self.frames.clone();
        let Ok(room) = self.running.tasks.clone().try_acquire_owned() else {
            tokio::spawn(async move {
                let _ = frames.send(FromHelper::Ended { id, result: Err(GitError::Busy.problem()) }).await;
            });
            return;
        };
        let cancel = self.stop.child_token();
        if let Ok(mut cancels) = self.running.cancels.lock() {
            cancels.insert(id, cancel.clone());
        }
        let work = Work {
            id,
            settings: self.settings.clone(),
            folder: self.settings.root.join(repository.as_str()),
            repository,
            cancel,
            progress: Progress::new(id, frames.clone()),
            asks: self.asks.clone(),
            room: self.room.clone(),
            refreshes: self.refreshes.clone(),
        };
        let (turns, running) = (self.turns.clone(), self.running.clone());
        tokio::spawn(async move {
            let result = answer(&work, request, &turns).await.map_err(|error| error.problem());
            if let Ok(mut cancels) = running.cancels.lock() {
                cancels.remove(&id);
            }
            let _ = frames.send(FromHelper::Ended { id, result }).await;
            drop(room);
        });
    }

    fn cancel(&self, id: u32) {
        let cancel = self.running.cancels.lock().ok().and_then(|cancels| cancels.get(&id).cloned());
        if let Some(cancel) = cancel {
            cancel.cancel();
        }
    }
}

async fn answer(work: &Work, request: GitRequest, turns: &Turns) -> Result<GitReply, GitError> {
    if request.is_reading() {
        return Box::pin(read::answer(work, request)).await;
    }
    Box::pin(write::answer(work, request, turns)).await
}

/// Who may change a repository: one after the other, in the order in which they asked. What speaks with remotes has turns of its
/// own, so that a long fetch holds up no commit.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<TurnsByRepository>>);

type TurnsByRepository = HashMap<(PathBuf, Lane), Weak<AsyncMutex<()>>>;

/// What has turns of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Index, work tree, branches.
    Local,
    /// Remotes.
    Network,
}

impl Turns {
    pub(crate) async fn take(&self, work: &Work, lane: Lane) -> Result<OwnedMutexGuard<()>, GitError> {
        let turn = self.of(&work.folder, lane)?;
        tokio::select! {
            turn = turn.lock_owned() => Ok(turn),
            () = work.cancel.cancelled() => Err(GitError::Cancelled),
        }
    }

    fn of(&self, folder: &Path, lane: Lane) -> Result<Arc<AsyncMutex<()>>, GitError> {
        let mut turns = self.0.lock().map_err(|_| GitError::Internal("the turns are lost".to_owned()))?;
        let key = (folder.to_owned(), lane);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return Ok(turn);
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(AsyncMutex::new(()));
        turns.insert(key, Arc::downgrade(&turn));
        Ok(turn)
    }
}
