//! The supervisor's end of the line to an agent.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coditect_protocol::RelPath;
use rustix::io::Errno;
use rustix::process::Signal;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::process::{Child, ChildStderr};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::packet;
use super::wire::{Event, MAX_NOTE_CHARS, MAX_NOTES, MAX_PACKET_BYTES, Request, Setup, Start, StartStep};
use crate::supervisor::strays;
use crate::walls::{After, AgentProcess, Walls};
use crate::{Place, Program, SandboxError, processes};

/// Longest start of a sandbox.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an agent may take to answer that a program starts. Programs can keep it from answering: behind Landlock they
/// may stop it, and anywhere they may stop what it starts before that runs.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a sandbox may take to end by itself, then when told by a signal, then when killed; and how long what is to
/// be done afterwards may take.
pub(crate) const END_TIMEOUT: Duration = Duration::from_secs(3);
/// Most rounds in which all of a session is killed.
const KILL_ROUNDS: usize = 20;
/// Most of the error output of a start that fails, in bytes.
const MAX_REASON_BYTES: u64 = 500;

/// Where a program's input and output lead.
#[derive(Debug)]
pub enum Stdio {
    /// Standard input, output and error.
    Fds([OwnedFd; 3]),
    /// The other end of a pseudo-terminal, which becomes the controlling terminal of a session of the program's own.
    Terminal(OwnedFd),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Exit code, if it exited by itself.
    pub code: Option<i32>,
    /// Signal that ended it, if one did.
    pub signal: Option<i32>,
}

/// A program that was started. Dropping it does not end the program.
#[derive(Debug)]
pub struct Running {
    /// Process id within the sandbox, which is its session's too.
    pub pid: u32,
    exit: watch::Receiver<Option<Exit>>,
}

impl Running {
    /// Waits until it has ended; `None` where the whole sandbox ended and nobody can tell how the program did. Safe to
    /// cancel and to call again.
    pub async fn exit(&mut self) -> Option<Exit> {
        self.exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit)
    }
}

/// A sandbox's agent. Cheap to clone; the sandbox ends with [`Agent::close`] or with the last clone.
#[derive(Debug, Clone)]
pub struct Agent {
    line: Arc<Line>,
    _end: Arc<DropGuard>,
}

#[derive(Debug)]
struct Line {
    socket: AsyncFd<OwnedFd>,
    pid: u32,
    env: Vec<(String, String)>,
    notes: Vec<String>,
    next_id: AtomicU64,
    tun: Mutex<Option<OwnedFd>>,
    programs: Mutex<Programs>,
    end: CancellationToken,
    ended: watch::Receiver<bool>,
}

#[derive(Debug, Default)]
struct Programs {
    starting: HashMap<u64, oneshot::Sender<Result<Running, SandboxFailure>>>,
    exits: HashMap<u64, watch::Sender<Option<Exit>>>,
}

/// What of a start failed, as the agent tells it.
#[derive(Debug)]
struct SandboxFailure {
    step: StartStep,
    errno: i32,
}

impl Line {
    /// Held only for a look-up.
    fn programs(&self) -> MutexGuard<'_, Programs> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), SandboxError> {
        let sent = self.socket.async_io(Interest::WRITABLE, |socket| packet::send(socket, bytes, fds)).await;
        sent.map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => SandboxError::Ended,
            _ => SandboxError::Failed(format!("its agent cannot be told anything ({error})")),
        })
    }

    /// Asks for a start and waits for what comes of it, however long that takes.
    async fn ask(
        &self,
        id: u64,
        bytes: &[u8],
        fds: Vec<OwnedFd>,
    ) -> Result<Result<Running, SandboxFailure>, SandboxError> {
        let (tell, answer) = oneshot::channel();
        self.programs().starting.insert(id, tell);
        // Looked at after the entry is there: whoever ends the sandbox clears the entries after saying so.
        if *self.ended.borrow() {
            self.programs().starting.remove(&id);
            return Err(SandboxError::Ended);
        }
        let borrowed: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
        if let Err(error) = self.send(bytes, &borrowed).await {
            self.programs().starting.remove(&id);
            return Err(error);
        }
        // Whoever reads from what was passed on sees its end only when nobody else holds it.
        drop(fds);
        answer.await.map_err(|_| SandboxError::Ended)
    }

    async fn receive(&self, buffer: &mut [u8]) -> std::io::Result<Option<(Event, Vec<OwnedFd>)>> {
        self.socket.async_io(Interest::READABLE, |socket| packet::receive(socket, buffer)).await
    }

    /// What the agent says is believed only of numbers that were asked for.
    fn take(&self, event: &Event) {
        let mut programs = self.programs();
        match *event {
            Event::Started { id, pid } => {
                let Some(answer) = programs.starting.remove(&id) else { return };
                let (told, exit) = watch::channel(None);
                programs.exits.insert(id, told);
                // Whoever asked may have gone; the program stays.
                drop(answer.send(Ok(Running { pid, exit })));
            }
            Event::Failed { id, step, errno } => {
                if let Some(answer) = programs.starting.remove(&id) {
                    drop(answer.send(Err(SandboxFailure { step, errno })));
                }
            }
            Event::Exited { id, code, signal } => {
                if let Some(told) = programs.exits.remove(&id) {
                    told.send_replace(Some(Exit { code, signal }));
                }
            }
            Event::Ready { .. } | Event::Refused { .. } => {}
        }
    }
}

impl Agent {
    /// Starts the sandbox of `place`.
    pub async fn start(walls: &Walls, place: &Place) -> Result<Self, SandboxError> {
        let failed = |what: &str| SandboxError::Failed(what.to_owned());
        let starting = tokio::time::timeout(START_TIMEOUT, walls.start_agent(place)).await;
        let AgentProcess { mut child, socket, setup, env, after } =
            starting.unwrap_or_else(|_| Err(failed("it was not started in time")))?;
        let errors = child.stderr.take();
        let pid = child.id().ok_or_else(|| failed("it ended at once"))?;
        let socket = watched(socket).map_err(|error| SandboxError::Failed(error.to_string()))?;
        let (tell_ended, ended) = watch::channel(false);
        let mut line = Line {
            socket,
            pid,
            env,
            notes: Vec::new(),
            next_id: AtomicU64::new(1),
            tun: Mutex::new(None),
            programs: Mutex::default(),
            end: CancellationToken::new(),
            ended,
        };
        let answer = tokio::time::timeout(START_TIMEOUT, line.set_up(&setup)).await;
        match answer.unwrap_or_else(|_| Err(Some(failed("it did not start in time")))) {
            Ok(()) => {}
            Err(error) => {
                tokio::spawn(strays::give_up(child));
                if let Some(after) = after {
                    tokio::task::spawn_blocking(after);
                }
                let told = match error {
                    Some(error) => error,
                    None => SandboxError::Failed(last_words(errors).await),
                };
                return Err(told);
            }
        }
        let end = line.end.clone();
        let line = Arc::new(line);
        tokio::spawn(drive(Arc::clone(&line), child, tell_ended, after));
        Ok(Self { line, _end: Arc::new(end.drop_guard()) })
    }

    /// The way out of the sandbox's network, for `net::outside`; given once. `None` where it has none of its own.
    #[must_use]
    pub fn take_tun(&self) -> Option<OwnedFd> {
        self.line.tun.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Outermost process of the sandbox as the supervisor's machine numbers it, for the warden.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.line.pid
    }

    /// What leaves this sandbox weaker than it should be, in sentences for the operator.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.line.notes
    }

    /// Starts a program. It goes on when the answer is dropped. A sandbox that does not answer within
    /// [`ANSWER_TIMEOUT`] is ended.
    pub async fn spawn(&self, program: &Program, streams: Stdio) -> Result<Running, SandboxError> {
        self.spawn_within(ANSWER_TIMEOUT, program, streams).await
    }

    /// The same with another time to answer.
    pub async fn spawn_within(
        &self,
        limit: Duration,
        program: &Program,
        streams: Stdio,
    ) -> Result<Running, SandboxError> {
        program.check()?;
        let line = &self.line;
        let id = line.next_id.fetch_add(1, Ordering::Relaxed);
        let mut env = line.env.clone();
        env.extend(program.env.iter().cloned());
        let start = Start {
            id,
            program: program.program.clone(),
            args: program.args.clone(),
            env,
            start_in: program.start_in.as_str().to_owned(),
            terminal: matches!(streams, Stdio::Terminal(_)),
        };
        let bytes = packet::encode(&Request::Start(start)).map_err(|error| SandboxError::Invalid(error.to_string()))?;
        let fds: Vec<OwnedFd> = match streams {
            Stdio::Fds(fds) => fds.into(),
            Stdio::Terminal(pts) => vec![pts],
        };
        match tokio::time::timeout(limit, line.ask(id, &bytes, fds)).await {
            Ok(answer) => answer?.map_err(|failure| failure.told(program)),
            Err(_) => {
                tracing::warn!(pid = line.pid, ?limit, "a sandbox's agent does not answer; the sandbox is ended");
                line.programs().starting.remove(&id);
                line.end.cancel();
                Err(SandboxError::Ended)
            }
        }
    }

    /// Whether it has ended, or is about to: nothing more can be started in it.
    pub(crate) fn is_ending(&self) -> bool {
        self.line.end.is_cancelled() || *self.line.ended.borrow()
    }

    /// Sends a signal to every process of a program's session, also after the program ended: to what it left behind.
    /// Nobody outside the sandbox gets it, whatever number the agent told. What kills is sent until nothing new is found:
    /// one that was seen may start another before it ends.
    pub async fn signal(&self, program: &Running, signal: Signal) -> Result<(), SandboxError> {
        let (root, session) = (self.line.pid, program.pid);
        let rounds = if signal == Signal::KILL { KILL_ROUNDS } else { 1 };
        let send = move || {
            let mut known = HashSet::new();
            for _ in 0..rounds {
                let all = processes::all()?;
                let below = processes::Tree::new(&all).below(root);
                // No session gets the number of one that has a process left.
                let sent = below.into_iter().filter(|process| process.signal_in_session(session, signal));
                if sent.filter(|process| known.insert((process.pid, process.started))).count() == 0 {
                    break;
                }
            }
            Ok(())
        };
        let sent: std::io::Result<()> =
            tokio::task::spawn_blocking(send).await.unwrap_or_else(|error| Err(error.into()));
        sent.map_err(|error| SandboxError::Failed(error.to_string()))
    }

    /// Waits until the sandbox has ended, for whatever reason.
    pub async fn ended(&self) {
        let mut ended = self.line.ended.clone();
        // An error means that the task is gone, and the sandbox with it.
        drop(ended.wait_for(|ended| *ended).await);
    }

    /// Ends the sandbox with everything in it, and returns when nothing of it is left; where the kernel does not let go
    /// of a process, within a few times [`END_TIMEOUT`] all the same.
    pub async fn close(&self) {
        self.line.end.cancel();
        self.ended().await;
    }
}

impl Line {
    /// Tells the agent how to bind itself. `Err(None)`: it ended without a word on the line.
    async fn set_up(&mut self, setup: &Setup) -> Result<(), Option<SandboxError>> {
        let failed = |error: std::io::Error| Some(SandboxError::Failed(error.to_string()));
        let bytes = packet::encode(&Request::Setup(setup.clone())).map_err(failed)?;
        match self.send(&bytes, &[]).await {
            Ok(()) => {}
            Err(SandboxError::Ended) => return Err(None),
            Err(error) => return Err(Some(error)),
        }
        let mut buffer = vec![0; MAX_PACKET_BYTES];
        match self.receive(&mut buffer).await.map_err(failed)? {
            Some((Event::Ready { notes }, fds)) => {
                let short = |note: String| note.chars().take(MAX_NOTE_CHARS).collect();
                self.notes = notes.into_iter().take(MAX_NOTES).map(short).collect();
                self.tun = Mutex::new(fds.into_iter().next());
                Ok(())
            }
            Some((Event::Refused { reason }, _)) => Err(Some(SandboxError::Failed(reason))),
            Some(_) => Err(Some(SandboxError::Failed("its agent does not speak this version".to_owned()))),
            None => Err(None),
        }
    }
}

/// Reads what the agent says until it or the sandbox is to end, then sees to it that nothing is left.
async fn drive(line: Arc<Line>, child: Child, tell_ended: watch::Sender<bool>, after: Option<After>) {
    let mut buffer = vec![0; MAX_PACKET_BYTES];
    loop {
        let received = tokio::select! {
            () = line.end.cancelled() => break,
            received = line.receive(&mut buffer) => received,
        };
        match received {
            // Descriptors that come with it are closed unused.
            Ok(Some((event, _))) => line.take(&event),
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "a sandbox's agent said what cannot be understood; the sandbox is ended");
                break;
            }
        }
    }
    // The agent ends when this end is closed, and everything with it.
    if let Err(error) = rustix::net::shutdown(line.socket.get_ref(), rustix::net::Shutdown::Both) {
        tracing::trace!(%error, "the agent was faster");
    }
    end(child).await;
    strays::ended(line.pid).await;
    if let Some(after) = after
        && tokio::time::timeout(END_TIMEOUT, tokio::task::spawn_blocking(after)).await.is_err()
    {
        tracing::warn!("what a sandbox left behind takes long to remove");
    }
    tell_ended.send_replace(true);
    // Whoever waits for a start or an end learns that none will come.
    *line.programs() = Programs::default();
}

/// Waits for the outermost process; the more strongly asked, the longer it takes. One that does not end even when it
/// was killed, because the kernel does not let go of something in it, holds up nobody.
async fn end(mut child: Child) {
    for signal in [Signal::TERM, Signal::KILL] {
        if tokio::time::timeout(END_TIMEOUT, child.wait()).await.is_ok() {
            return;
        }
        let pid = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        let sent = pid.map(|pid| rustix::process::kill_process(pid, signal));
        tracing::warn!(?signal, ?sent, "a sandbox does not end by itself");
    }
    if tokio::time::timeout(END_TIMEOUT, child.wait()).await.is_err() {
        tracing::error!(pid = child.id(), "a sandbox was killed and does not end");
        tokio::spawn(async move { child.wait().await });
    }
}

#[expect(unsafe_code, reason = "the runtime wants to be promised that the descriptor stays what it is")]
fn watched(socket: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, and gives the same number, until it is dropped, which the `AsyncFd` does last.
    unsafe { AsyncFd::register(socket) }.map_err(Into::into)
}

/// What the walls printed before they gave up.
async fn last_words(errors: Option<ChildStderr>) -> String {
    let mut words = Vec::new();
    if let Some(errors) = errors {
        // Whatever came until then is told.
        let mut errors = errors.take(MAX_REASON_BYTES);
        drop(tokio::time::timeout(END_TIMEOUT, errors.read_to_end(&mut words)).await);
    }
    match String::from_utf8_lossy(&words).trim() {
        "" => "it ended without a word".to_owned(),
        words => words.to_owned(),
    }
}

impl SandboxFailure {
    fn told(&self, program: &Program) -> SandboxError {
        let errno = Errno::from_raw_os_error(self.errno);
        let folder = || -> RelPath { program.start_in.clone() };
        match (self.step, errno) {
            (StartStep::Folder, Errno::NOENT) => SandboxError::NotFound(folder()),
            (StartStep::Folder, Errno::NOTDIR) => SandboxError::NotAFolder(folder()),
            (StartStep::Folder, Errno::XDEV | Errno::LOOP | Errno::ACCESS) => SandboxError::Outside(folder()),
            (StartStep::Folder, _) => SandboxError::Failed(format!("{} cannot be opened ({errno})", folder())),
            (StartStep::Program, _) => SandboxError::ProgramFailed {
                program: program.program.clone(),
                reason: match errno {
                    Errno::NOENT => "there is no such program in the sandbox, or what its first line names is missing",
                    Errno::ACCESS => "it may not be run, or is a folder",
                    Errno::AGAIN => "the sandbox has as many processes as it may; end some first",
                    Errno::NOMEM => "the sandbox has as much memory as it may; end something first",
                    Errno::TOOBIG => "its arguments and variables are too large; pass them in a file",
                    Errno::NOEXEC => "it is no program of this machine",
                    _ => {
                        return SandboxError::ProgramFailed {
                            program: program.program.clone(),
                            reason: errno.to_string(),
                        };
                    }
                }
                .to_owned(),
            },
        }
    }
}
