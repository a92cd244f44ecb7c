//! The task that drives one terminal.

use std::sync::Arc;
use std::time::Duration;

use coditect_protocol::terminal::TerminalExit;
use rustix::process::Signal;
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::output::Output;
use super::pty::Pty;
use super::{exit_of, session};

/// Read from the program at once, in bytes.
const READ_BYTES: usize = 16 * 1024;
/// After the program ended, what it left in the terminal is read until nothing came for so long. (A process that it
/// started may hold the terminal open.)
const DRAIN_QUIET: Duration = Duration::from_millis(100);
/// Most bytes read after the program ended; the system keeps less than this.
const DRAIN_BYTES: usize = 256 * 1024;

/// Where nothing else is due, the choice of events is made anew after so long.
const IDLE_WAIT: Duration = Duration::from_secs(60 * 60);

pub(super) struct Driver {
    /// Number of the session, which is the process that was started.
    pub(super) session: u32,
    pub(super) pty: Pty,
    pub(super) child: Child,
    pub(super) inputs: mpsc::Receiver<Vec<u8>>,
    pub(super) sizes: watch::Receiver<(u16, u16)>,
    pub(super) output: Arc<Output>,
    pub(super) closing: CancellationToken,
    pub(super) stall_limit: Duration,
    pub(super) close_grace: Duration,
    /// The process is the sandbox; the person's program runs below it.
    pub(super) walls: bool,
}

/// How far a terminal's life has come.
struct Life {
    exit: Option<TerminalExit>,
    /// The program's end of the terminal is closed.
    silent: bool,
    drained: usize,
    closing: bool,
    kill_at: Option<Instant>,
    /// Since when the program waits for the slowest reader.
    stalled_since: Option<Instant>,
    pending: Vec<u8>,
    written: usize,
}

enum Event {
    Closing,
    KillNow,
    Exited(std::io::Result<std::process::ExitStatus>),
    Resized,
    Input(Vec<u8>),
    Written(std::io::Result<usize>),
    Read(std::io::Result<usize>),
    Progress,
    Stalled,
    Quiet,
}

impl Driver {
    /// Ends when the program has ended and its output is read.
    pub(super) async fn run(mut self) {
        let mut buffer = vec![0; READ_BYTES];
        let mut life = Life {
            exit: None,
            silent: false,
            drained: 0,
            closing: false,
            kill_at: None,
            stalled_since: None,
            pending: Vec::new(),
            written: 0,
        };
        while !life.is_over() {
            // A terminal that is being closed must not wait for who looks at it.
            let room = if life.closing { READ_BYTES } else { self.output.room().min(READ_BYTES) };
            if room > 0 {
                life.stalled_since = None;
            } else {
                life.stalled_since.get_or_insert_with(Instant::now);
            }
            let event = self.next_event(&life, &mut buffer[..room]).await;
            self.handle(event, &mut life, &buffer).await;
        }
        let exit = life.exit.unwrap_or(TerminalExit { code: None, signal: None });
        tracing::debug!(session = self.session, ?exit, "terminal ended");
        // Closes the terminal before its end is told, so that nothing of it is left then.
        let Self { pty, output, inputs, .. } = self;
        drop((pty, inputs));
        output.finish(exit);
    }

    async fn next_event(&mut self, life: &Life, buffer: &mut [u8]) -> Event {
        let far = Instant::now() + IDLE_WAIT;
        let may_read = !life.silent && !buffer.is_empty();
        let stalled_until = life.stalled_since.map_or(far, |since| since + self.stall_limit);
        let writing = life.written < life.pending.len();
        tokio::select! {
            biased;
            () = self.closing.cancelled(), if !life.closing => Event::Closing,
            () = sleep_until(life.kill_at.unwrap_or(far)), if life.kill_at.is_some() => Event::KillNow,
            status = self.child.wait(), if life.exit.is_none() => Event::Exited(status),
            Ok(()) = self.sizes.changed() => Event::Resized,
            written = self.pty.write(&life.pending[life.written..]), if writing => Event::Written(written),
            Some(input) = self.inputs.recv(), if !writing => Event::Input(input),
            () = self.output.progress(), if buffer.is_empty() => Event::Progress,
            () = sleep_until(stalled_until), if buffer.is_empty() => Event::Stalled,
            read = self.pty.read(buffer), if may_read => Event::Read(read),
            () = tokio::time::sleep(DRAIN_QUIET), if may_read && life.exit.is_some() => Event::Quiet,
            // Everything else waits for something; without this arm an empty choice would panic.
            () = sleep_until(far) => Event::Progress,
        }
    }

    async fn handle(&mut self, event: Event, life: &mut Life, buffer: &[u8]) {
        match event {
            Event::Closing => {
                life.closing = true;
                life.kill_at = Some(Instant::now() + self.close_grace);
                // The sandbox itself would end at once and take the program with it before that could save anything.
                self.signal(Signal::HUP, !self.walls).await;
                self.signal(Signal::CONT, !self.walls).await;
            }
            Event::KillNow => {
                life.kill_at = None;
                self.signal(Signal::KILL, true).await;
            }
            Event::Exited(status) => {
                life.exit = Some(status.map_or(TerminalExit { code: None, signal: None }, exit_of));
                if life.closing && !self.walls {
                    // What the program started stays in its session; the walls end it where there are walls.
                    self.signal(Signal::KILL, true).await;
                }
            }
            Event::Resized => self.apply_size(),
            Event::Input(input) => {
                // A size that was set before this was typed comes first.
                if self.sizes.has_changed().unwrap_or(false) {
                    self.apply_size();
                }
                life.pending = input;
                life.written = 0;
            }
            Event::Written(Ok(count)) => life.written += count,
            Event::Written(Err(_)) => life.written = life.pending.len(),
            Event::Read(Ok(count)) if count > 0 => {
                self.output.push(&buffer[..count]);
                if life.exit.is_some() {
                    life.drained += count;
                }
            }
            // The system answers with an error where the other end is closed.
            Event::Read(_) | Event::Quiet => life.silent = true,
            Event::Progress => {}
            Event::Stalled => {
                tracing::debug!(session = self.session, "a reader lags by the whole scrollback and is skipped ahead");
                life.stalled_since = None;
                self.output.skip_laggards();
            }
        }
    }

    fn apply_size(&mut self) {
        let (cols, rows) = *self.sizes.borrow_and_update();
        if let Err(error) = self.pty.resize(cols, rows) {
            tracing::debug!(session = self.session, %error, "resize failed");
        }
    }

    async fn signal(&self, signal: Signal, to_leader: bool) {
        let session = self.session;
        // A number stays taken as long as any process of the session lives.
        let sent = tokio::task::spawn_blocking(move || session::signal(session, signal, to_leader)).await;
        if sent.is_err() {
            tracing::warn!(session, "signals to a terminal's processes could not be sent");
        }
    }
}

impl Life {
    const fn is_over(&self) -> bool {
        self.exit.is_some() && (self.silent || self.drained >= DRAIN_BYTES)
    }
}
