//! What languages cannot do without: WASI 0.2 with nothing behind it.
//!
//! * No files, arguments or variables, and nothing to read from.
//! * No sockets, and no names are looked up: the interface `http` is the only way out.
//! * What is printed goes to the plugin's log, and counts as what is written there.
//! * The clock stands still at the beginning of 2000, and what measures time has steps of a millisecond, unless the capability `clock`
//!   was granted. Waiting works either way, up to the call's deadline, which ends it.
//! * Random bytes are always real. Languages seed their hash maps with them before the first line of a plugin runs; predictable ones
//!   would let whoever chooses the keys slow a plugin down, and real ones take nothing from anybody. The capability `random` is what the
//!   contract's own interface takes, whose bytes authors use on purpose.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use coditect_protocol::plugin::CapabilityName;
use tokio::io::AsyncWrite;
use tokio::time::Instant;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx};

use super::log::MAX_TEXT_BYTES;
use crate::rights::Rights;
use crate::state::Around;

/// Most random bytes at once; more end the call, as WASI has it.
const MAX_RANDOM_BYTES: u64 = 64 * 1024;
/// Most bytes that are printed at once.
const MAX_PRINT_BYTES: usize = 64 * 1024;
/// Steps of time without the capability `clock`.
const STEP: Duration = Duration::from_millis(1);
/// What the clock says without that capability, since 1970: the beginning of 2000.
const STOPPED: Duration = Duration::from_secs(946_684_800);

/// WASI of one call.
pub(crate) fn context(around: &Arc<Around>) -> WasiCtx {
    let begun = around.says.begun;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let clock = Clock { rights: around.caller.rights.clone(), wall: now.saturating_sub(begun.elapsed()), begun };
    WasiCtx::builder()
        .stdout(Printed::new(around, "info"))
        .stderr(Printed::new(around, "error"))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MAX_RANDOM_BYTES)
        .wall_clock(clock.clone())
        .monotonic_clock(clock)
        .build()
}

#[derive(Clone)]
struct Clock {
    rights: Arc<Rights>,
    /// When the call began, since 1970.
    wall: Duration,
    begun: Instant,
}

impl Clock {
    fn is_granted(&self) -> bool {
        self.rights.has(CapabilityName::Clock)
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        STEP
    }

    fn now(&self) -> Duration {
        if self.is_granted() { self.wall + self.begun.elapsed() } else { STOPPED }
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        if self.is_granted() { 1 } else { nanos(STEP) }
    }

    fn now(&self) -> u64 {
        let elapsed = nanos(self.begun.elapsed());
        if self.is_granted() { elapsed } else { elapsed - elapsed % nanos(STEP) }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What is printed. Each line goes to the log as it ends, and what is left when the call ends.
#[derive(Clone)]
struct Printed {
    lines: Arc<Mutex<Lines>>,
}

struct Lines {
    around: Arc<Around>,
    level: &'static str,
    open: Vec<u8>,
}

impl Printed {
    fn new(around: &Arc<Around>, level: &'static str) -> Self {
        Self { lines: Arc::new(Mutex::new(Lines { around: around.clone(), level, open: Vec::new() })) }
    }

    fn print(&self, bytes: &[u8]) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).print(bytes);
    }
}

impl Lines {
    fn print(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = rest.len().min(MAX_TEXT_BYTES - self.open.len());
            let (now, later) =
                rest.split_at(rest.iter().take(room).position(|byte| *byte == b'\n').map_or(room, |at| at + 1));
            self.open.extend_from_slice(now);
            rest = later;
            if self.open.ends_with(b"\n") || self.open.len() >= MAX_TEXT_BYTES {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.open);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        if !text.is_empty() {
            self.around.write_log(self.level, text);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end_line();
    }
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Printed {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.print(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_PRINT_BYTES)
    }
}

#[async_trait::async_trait]
impl Pollable for Printed {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Printed {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.print(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
