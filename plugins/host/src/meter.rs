//! What a call takes, counted while it runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::gettid;

use crate::executor::Ticker;

/// Counters of one call, shared by its instance, its host functions and whoever waits for its end.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Nanoseconds of processor time in slices that ended.
    spent: AtomicU64,
    /// When the slice under way began, by the thread's clock; 0 while there is none.
    since: AtomicU64,
    /// The clock of the thread that it is on.
    clock: AtomicI32,
    peak_memory: AtomicU64,
    host_calls: AtomicU64,
    instantiate: AtomicU64,
    inside: AtomicU64,
    end: Mutex<Option<crate::CallError>>,
}

impl Meter {
    /// How long the call has run, as any thread may ask.
    pub(crate) fn cpu(&self) -> Duration {
        let since = self.since.load(Ordering::Acquire);
        let now = if since == 0 { 0 } else { nanos_of(ClockId::from_raw(self.clock.load(Ordering::Relaxed))) };
        let spent = self.spent.load(Ordering::Relaxed);
        // A slice that ended meanwhile is in what was spent.
        let is_under_way = self.since.load(Ordering::Acquire) == since;
        let slice = if is_under_way { now.saturating_sub(since) } else { 0 };
        Duration::from_nanos(spent + slice)
    }

    pub(crate) fn peak_memory(&self) -> u64 {
        self.peak_memory.load(Ordering::Relaxed)
    }

    pub(crate) fn saw_memory(&self, bytes: usize) {
        self.peak_memory.fetch_max(bytes as u64, Ordering::Relaxed);
    }

    /// How long it took until its instance stood, and the plugin's own function from then on.
    pub(crate) fn parts(&self) -> [u64; 2] {
        [&self.instantiate, &self.inside].map(|nanos| nanos.load(Ordering::Relaxed))
    }

    pub(crate) fn stands(&self, after: Duration) {
        self.instantiate.store(nanos(after), Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, after: Duration) {
        self.inside.store(nanos(after), Ordering::Relaxed);
    }

    pub(crate) fn host_calls(&self) -> u64 {
        self.host_calls.load(Ordering::Relaxed)
    }

    /// One more call of the host; how many it is now.
    pub(crate) fn count_host_call(&self) -> u64 {
        self.host_calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A limit that was met: what the call ends with if it does not come to a good end after all. The first one counts.
    pub(crate) fn met(&self, limit: crate::CallError) {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(limit);
    }

    /// The limit that was met first.
    pub(crate) fn limit(&self) -> Option<crate::CallError> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn begin(&self) {
        let clock = own_clock();
        self.clock.store(clock.as_raw(), Ordering::Relaxed);
        self.since.store(nanos_of(clock).max(1), Ordering::Release);
    }

    fn end(&self) {
        let clock = ClockId::from_raw(self.clock.load(Ordering::Relaxed));
        let since = self.since.swap(0, Ordering::AcqRel);
        self.spent.fetch_add(nanos_of(clock).saturating_sub(since), Ordering::Release);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The clock of the current thread's processor time, in the form in which all threads of the process can read it.
fn own_clock() -> ClockId {
    /// A thread's and not a process's; its time in all, and not that in the system alone (`CPUCLOCK_*` of Linux).
    const OF_A_THREAD: i32 = 4 | 2;
    ClockId::from_raw((!gettid().as_raw() << 3) | OF_A_THREAD)
}

/// What a clock shows, in nanoseconds; nothing where its thread is no more.
fn nanos_of(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |now| nanos(now.into()))
}

/// A future whose running time is counted, and during which the ticker ticks.
pub(crate) struct Metered<F> {
    future: Pin<Box<F>>,
    meter: Arc<Meter>,
    ticker: Arc<Ticker>,
}

impl<F: Future> Metered<F> {
    pub(crate) fn new(future: F, meter: Arc<Meter>, ticker: Arc<Ticker>) -> Self {
        Self { future: Box::pin(future), meter, ticker }
    }
}

/// Ends a slice, also where it ends with a panic.
struct Slice<'a>(&'a Meter, &'a Ticker);

impl Drop for Slice<'_> {
    fn drop(&mut self) {
        self.1.leave();
        self.0.end();
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.meter.begin();
        this.ticker.enter();
        let _slice = Slice(&this.meter, &this.ticker);
        this.future.as_mut().poll(context)
    }
}
