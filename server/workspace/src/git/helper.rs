//! One helper: requests out, answers in.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coditect_git::wire::{self, FromHelper, ToHelper};
use coditect_protocol::git::{GitProgress, GitReply, GitRequest};
use coditect_protocol::{Problem, RelPath};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::credentials::Credentials;
use super::launch::Launched;
use crate::error::WorkspaceError;
use crate::registry::Access;

/// How long a helper stays that has nothing to do.
const IDLE: Duration = Duration::from_secs(60);
/// How long it may take to end when its input has.
const END_GRACE: Duration = Duration::from_secs(6);
/// Messages that wait to be written to it.
const QUEUED: usize = 64;
/// Sites that one request may ask logins for: those of the remotes of one repository.
const MAX_HOSTS: usize = 4;
/// Questions of one request for logins: `git` asks anew for each remote, and once more where a login was refused.
const MAX_ASKS: u32 = 64;

/// A helper that runs, or did.
pub(super) struct Helper {
    /// The person could only look when it was started.
    pub(super) read_only: bool,
    messages: mpsc::Sender<ToHelper>,
    next: AtomicU32,
    calls: Mutex<Calls>,
    gone: CancellationToken,
}

/// What it was asked and has not answered.
#[derive(Default)]
struct Calls {
    waiting: HashMap<u32, Waiting>,
    /// Takes no more.
    closed: bool,
    /// Since when there are none.
    idle_since: Option<Instant>,
}

struct Waiting {
    reply: oneshot::Sender<Result<GitReply, Problem>>,
    progress: mpsc::Sender<GitProgress>,
    sites: Sites,
}

/// Where a request may log in. What runs in the sandbox while it speaks with them cannot add to that.
#[derive(Default)]
enum Sites {
    /// Nowhere: it does not speak with remotes.
    #[default]
    Never,
    /// It has not been said yet.
    Unnamed,
    /// There, and so often yet.
    Named { hosts: HashSet<String>, asks: u32 },
}

impl Sites {
    fn of(request: &GitRequest) -> Self {
        let speaks = matches!(request, GitRequest::Fetch { .. } | GitRequest::Pull { .. } | GitRequest::Push(_));
        if speaks { Self::Unnamed } else { Self::Never }
    }

    /// Holds from the first time on.
    fn name(&mut self, hosts: Vec<String>) {
        if let Self::Unnamed = self {
            *self = Self::Named { hosts: hosts.into_iter().take(MAX_HOSTS).collect(), asks: MAX_ASKS };
        }
    }

    fn admit(&mut self, host: &str) -> bool {
        let Self::Named { hosts, asks } = self else { return false };
        let admits = *asks > 0 && hosts.contains(host);
        *asks = asks.saturating_sub(1);
        admits
    }
}

impl Helper {
    pub(super) fn start(launched: Launched, access: Access, credentials: Credentials) -> Arc<Self> {
        let (messages, queue) = mpsc::channel(QUEUED);
        let helper = Arc::new(Self {
            read_only: access.is_read_only(),
            messages,
            next: AtomicU32::new(1),
            calls: Mutex::default(),
            gone: CancellationToken::new(),
        });
        tokio::spawn(drive(Arc::clone(&helper), launched, queue, access, credentials));
        helper
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.is_cancelled()
    }

    /// Takes up a request; nothing where it is leaving.
    pub(super) fn begin(self: &Arc<Self>, request: &GitRequest, progress: mpsc::Sender<GitProgress>) -> Option<Call> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let sites = Sites::of(request);
        let mut calls = self.calls();
        if calls.closed {
            return None;
        }
        calls.waiting.insert(id, Waiting { reply, progress, sites });
        drop(calls);
        Some(Call { helper: Arc::clone(self), id, answer, ended: false })
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when it stays, where nothing more comes; closes it if that is past.
    fn rest(&self) -> Option<Instant> {
        let mut calls = self.calls();
        if !calls.waiting.is_empty() {
            calls.idle_since = None;
            return Some(Instant::now() + IDLE);
        }
        let until = *calls.idle_since.get_or_insert_with(Instant::now) + IDLE;
        calls.closed |= until <= Instant::now();
        (!calls.closed).then_some(until)
    }

    /// Whether it has nothing to do, and since when.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let calls = self.calls();
        calls.waiting.is_empty().then(|| calls.idle_since.unwrap_or_else(Instant::now))
    }

    /// Has it leave where it has nothing to do.
    pub(super) fn leave(&self) -> bool {
        let mut calls = self.calls();
        calls.closed |= calls.waiting.is_empty();
        let leaves = calls.closed;
        drop(calls);
        if leaves {
            self.gone.cancel();
        }
        leaves
    }

    /// Takes no more, and tells those who wait.
    fn close(&self) {
        let mut calls = self.calls();
        calls.closed = true;
        calls.waiting.clear();
        drop(calls);
        self.gone.cancel();
    }
}

/// A request that was taken up. Cancels it when dropped before its answer is there.
pub(super) struct Call {
    helper: Arc<Helper>,
    id: u32,
    answer: oneshot::Receiver<Result<GitReply, Problem>>,
    ended: bool,
}

impl Call {
    pub(super) async fn run(
        mut self,
        repository: RelPath,
        request: GitRequest,
    ) -> Result<Result<GitReply, Problem>, WorkspaceError> {
        let message = ToHelper::Request { id: self.id, repository, request };
        let gone = self.helper.gone.clone();
        tokio::select! {
            sent = self.helper.messages.send(message) => sent.map_err(|_| WorkspaceError::GitInterrupted)?,
            () = gone.cancelled() => return Err(WorkspaceError::GitInterrupted),
        }
        let answer = (&mut self.answer).await;
        self.ended = true;
        answer.map_err(|_| WorkspaceError::GitInterrupted)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.helper.calls().waiting.remove(&self.id);
        let cancel = ToHelper::Cancel { id: self.id };
        if let Err(mpsc::error::TrySendError::Full(cancel)) = self.helper.messages.try_send(cancel) {
            // As many of these as calls, which are bounded for each person.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                let messages = self.helper.messages.clone();
                runtime.spawn(async move { messages.send(cancel).await });
            }
        }
    }
}

/// Serves one helper to its end: it was idle, was lost, or the person's right changed.
async fn drive(
    helper: Arc<Helper>,
    launched: Launched,
    queue: mpsc::Receiver<ToHelper>,
    access: Access,
    credentials: Credentials,
) {
    let Launched { stdin, mut stdout, mut ended } = launched;
    let idle = async {
        while let Some(until) = helper.rest() {
            sleep_until(until).await;
        }
    };
    let answers = async {
        loop {
            match wire::read::<FromHelper>(&mut stdout).await {
                Ok(Some(message)) => take(&helper, message, &access, &credentials).await,
                Ok(None) => return,
                Err(error) => return tracing::debug!(%error, "what a git helper sent was not understood"),
            }
        }
    };
    tokio::select! {
        () = answers => {}
        () = write(stdin, queue) => {}
        () = idle => {}
        () = helper.gone.cancelled() => {}
        () = access.changed() => {}
        () = &mut ended => {}
    }
    helper.close();
    // Its input has ended; it ends what it runs before it goes. Whatever is left then goes with this.
    let _ = timeout(END_GRACE, ended).await;
}

async fn write(mut stdin: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<ToHelper>) {
    while let Some(message) = queue.recv().await {
        let Ok(bytes) = wire::encode(&message) else { return };
        if stdin.write_all(&bytes).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

async fn take(helper: &Helper, message: FromHelper, access: &Access, credentials: &Credentials) {
    match message {
        FromHelper::Progress { id, progress } => {
            if let Some(waiting) = helper.calls().waiting.get(&id) {
                let _ = waiting.progress.try_send(progress);
            }
        }
        FromHelper::Ended { id, result } => {
            let waiting = helper.calls().waiting.remove(&id);
            if let Some(waiting) = waiting {
                let _ = waiting.reply.send(result);
            }
        }
        FromHelper::Hosts { id, hosts } => {
            if let Some(waiting) = helper.calls().waiting.get_mut(&id) {
                waiting.sites.name(hosts);
            }
        }
        FromHelper::Ask { ask, id, host, username } => {
            let admits = helper.calls().waiting.get_mut(&id).is_some_and(|waiting| waiting.sites.admit(&host));
            let login = match admits {
                true => credentials.login(access.user, &host, username.as_deref()).await,
                false => Ok(None),
            };
            let login = login.unwrap_or_else(|error| {
                tracing::warn!(%error, "a saved login could not be read");
                None
            });
            // Never waits: where the helper takes in nothing, it gets nothing.
            let _ = helper.messages.try_send(ToHelper::Login { ask, login });
        }
    }
}
