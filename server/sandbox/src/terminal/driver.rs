//! The task that drives one terminal.

use std::future::Future;
use std::time::Duration;

use coditect_protocol::terminal::TerminalExit;
use rustix::process::Signal;
use tokio::time::{Instant, sleep_until};

use super::pty::Pty;
use super::{Ends, UNKNOWN_EXIT};

/// Read from the program at once, in bytes.
const READ_BYTES: usize = 16 * 1024;
/// After the program ended, what it left in the terminal is read until nothing came for so long. (A process that it
/// started may hold the terminal open.)
const DRAIN_QUIET: Duration = Duration::from_millis(100);
/// Most bytes read after the program ended; the system keeps less than this.
const DRAIN_BYTES: usize = 256 * 1024;

/// How long a program may take to end once it was killed. One that is traced by another is gone and its end is told to
/// nobody but the other; and the kernel may not let go of one.
pub(crate) const KILL_GRACE: Duration = Duration::from_secs(2);

/// Where nothing else is due, the choice of events is made anew after so long.
const IDLE_WAIT: Duration = Duration::from_secs(60 * 60);

/// The program on a terminal.
pub(crate) trait Process: Send + 'static {
    /// Waits for its end. May be dropped and called again.
    fn wait(&mut self) -> impl Future<Output = TerminalExit> + Send;
    /// Sends a signal to every process of its session, also after the program itself has ended.
    fn signal(&self, signal: Signal) -> impl Future<Output = ()> + Send;
}

pub(crate) struct Driver<P> {
    pub(crate) pty: Pty,
    pub(crate) process: P,
    pub(crate) ends: Ends,
    pub(crate) stall_limit: Duration,
    pub(crate) close_grace: Duration,
}

/// How far a terminal's life has come.
#[derive(Default)]
struct Life {
    exit: Option<TerminalExit>,
    /// The program's end of the terminal is closed.
    silent: bool,
    drained: usize,
    closing: bool,
    kill_at: Option<Instant>,
    /// It was killed; from then on its end is not waited for.
    give_up_at: Option<Instant>,
    /// Since when the program waits for the slowest reader.
    stalled_since: Option<Instant>,
    pending: Vec<u8>,
    written: usize,
}

enum Event {
    Closing,
    KillNow,
    GivenUp,
    Exited(TerminalExit),
    Resized,
    Input(Vec<u8>),
    Written(std::io::Result<usize>),
    Read(std::io::Result<usize>),
    Progress,
    Stalled,
    Quiet,
}

impl<P: Process> Driver<P> {
    /// Ends when the program has ended and its output is read; once it is closed, within the two graces all the same.
    pub(crate) async fn run(mut self) -> TerminalExit {
        let mut buffer = vec![0; READ_BYTES];
        let mut life = Life::default();
        while !life.is_over() {
            // A terminal that is being closed must not wait for who looks at it.
            let room = if life.closing { READ_BYTES } else { self.ends.output.room().min(READ_BYTES) };
            if room > 0 {
                life.stalled_since = None;
            } else {
                life.stalled_since.get_or_insert_with(Instant::now);
            }
            let event = self.next_event(&life, &mut buffer[..room]).await;
            self.handle(event, &mut life, &buffer).await;
        }
        let mut exit = life.exit.unwrap_or(UNKNOWN_EXIT);
        exit.cause = exit.cause.or(self.ends.closing.cause());
        tracing::debug!(?exit, "terminal ended");
        // Closes the terminal before its end is told, so that nothing of it is left then.
        let Self { pty, ends: Ends { inputs, output, .. }, .. } = self;
        drop((pty, inputs));
        output.finish(exit);
        exit
    }

    async fn next_event(&mut self, life: &Life, buffer: &mut [u8]) -> Event {
        let far = Instant::now() + IDLE_WAIT;
        let may_read = !life.silent && !buffer.is_empty();
        let stalled_until = life.stalled_since.map_or(far, |since| since + self.stall_limit);
        let writing = life.written < life.pending.len();
        tokio::select! {
            biased;
            () = self.ends.closing.asked(), if !life.closing => Event::Closing,
            () = sleep_until(life.kill_at.unwrap_or(far)), if life.kill_at.is_some() => Event::KillNow,
            () = sleep_until(life.give_up_at.unwrap_or(far)), if life.give_up_at.is_some() => Event::GivenUp,
            exit = self.process.wait(), if life.exit.is_none() => Event::Exited(exit),
            Ok(()) = self.ends.sizes.changed() => Event::Resized,
            written = self.pty.write(&life.pending[life.written..]), if writing => Event::Written(written),
            Some(input) = self.ends.inputs.recv(), if !writing => Event::Input(input),
            () = self.ends.output.progress(), if buffer.is_empty() => Event::Progress,
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
                self.process.signal(Signal::HUP).await;
                self.process.signal(Signal::CONT).await;
            }
            Event::KillNow => {
                life.kill_at = None;
                life.give_up_at = Some(Instant::now() + KILL_GRACE);
                self.process.signal(Signal::KILL).await;
            }
            Event::GivenUp => {
                tracing::warn!("a program was killed and its end is not seen; its terminal ends without it");
                life.exit.get_or_insert(UNKNOWN_EXIT);
                life.silent = true;
                life.give_up_at = None;
            }
            Event::Exited(exit) => {
                life.exit = Some(exit);
                if life.closing {
                    // What the program started stays in its session.
                    self.process.signal(Signal::KILL).await;
                }
            }
            Event::Resized => self.apply_size(),
            Event::Input(input) => {
                // A size that was set before this was typed comes first.
                if self.ends.sizes.has_changed().unwrap_or(false) {
                    self.apply_size();
                }
                life.pending = input;
                life.written = 0;
            }
            Event::Written(Ok(count)) => life.written += count,
            Event::Written(Err(_)) => life.written = life.pending.len(),
            Event::Read(Ok(count)) if count > 0 => {
                self.ends.output.push(&buffer[..count]);
                if life.exit.is_some() {
                    life.drained += count;
                }
            }
            // The system answers with an error where the other end is closed.
            Event::Read(_) | Event::Quiet => life.silent = true,
            Event::Progress => {}
            Event::Stalled => {
                tracing::debug!("a reader lags by its share of the scrollback and is no longer waited for");
                life.stalled_since = None;
                self.ends.output.skip_laggards();
            }
        }
    }

    fn apply_size(&mut self) {
        let (cols, rows) = *self.ends.sizes.borrow_and_update();
        if let Err(error) = self.pty.resize(cols, rows) {
            tracing::debug!(%error, "resize failed");
        }
    }
}

impl Life {
    const fn is_over(&self) -> bool {
        self.exit.is_some() && (self.silent || self.drained >= DRAIN_BYTES)
    }
}
