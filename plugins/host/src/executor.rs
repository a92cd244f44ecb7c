//! The threads that run plugins, and the clock that interrupts them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::Thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::Engine;

use crate::HostError;

/// How much less important than the rest of the server these threads are.
const NICENESS: i32 = 10;
/// How often a running plugin is interrupted, so that others go on and its limits are looked at.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without a running plugin after which the clock stops.
const IDLE_TICKS: u32 = 32;

/// Advances the engine's epoch while plugins run, and rests otherwise.
#[derive(Debug)]
pub(crate) struct Ticker {
    running: AtomicUsize,
    rests: AtomicBool,
    stops: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
}

impl Ticker {
    fn start(engine: Engine) -> Result<Arc<Self>, HostError> {
        let ticker = Arc::new(Self {
            running: AtomicUsize::new(0),
            rests: AtomicBool::new(false),
            stops: AtomicBool::new(false),
            thread: std::sync::OnceLock::new(),
        });
        let ticks = Arc::clone(&ticker);
        let thread = std::thread::Builder::new().name("plugins-clock".into());
        let joined = thread.spawn(move || ticks.tick(&engine)).map_err(no_thread)?;
        // Detached: it ends by itself, once it is told to.
        let _ = ticker.thread.set(joined.thread().clone());
        Ok(ticker)
    }

    /// A plugin begins to run.
    pub(crate) fn enter(&self) {
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.rests.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// It waits, or is done.
    pub(crate) fn leave(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn stop(&self) {
        self.stops.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn tick(&self, engine: &Engine) {
        let mut idle = 0;
        while !self.stops.load(Ordering::SeqCst) {
            if idle >= IDLE_TICKS {
                self.rest();
                idle = 0;
                continue;
            }
            std::thread::sleep(TICK);
            engine.increment_epoch();
            idle = if self.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
        }
    }

    /// Until a plugin begins to run. `enter` counts before it looks whether to wake, so that none is missed.
    fn rest(&self) {
        self.rests.store(true, Ordering::SeqCst);
        while self.running.load(Ordering::SeqCst) == 0 && !self.stops.load(Ordering::SeqCst) {
            std::thread::park();
        }
        self.rests.store(false, Ordering::SeqCst);
    }
}

/// A thread of low priority, on which several calls take turns.
struct Worker {
    handle: Handle,
    calls: Arc<AtomicUsize>,
}

/// The threads. Without calls they wait, and cost nothing.
pub(crate) struct Executor {
    workers: Vec<Worker>,
    ticker: Arc<Ticker>,
    stop: CancellationToken,
}

/// Counts a call of a thread while it is there.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Executor {
    pub(crate) fn start(engine: &Engine, threads: usize) -> Result<Self, HostError> {
        let ticker = Ticker::start(engine.clone())?;
        let stop = CancellationToken::new();
        let mut executor = Self { workers: Vec::with_capacity(threads), ticker, stop };
        for number in 0..threads {
            let worker = Worker::start(number, executor.stop.clone())?;
            executor.workers.push(worker);
        }
        Ok(executor)
    }

    pub(crate) fn ticker(&self) -> &Arc<Ticker> {
        &self.ticker
    }

    /// Runs a future on the thread with the fewest calls. Dropping what is returned ends it: at once where it waits, and with the next
    /// tick where it runs.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<AbortOnDropHandle<T>> {
        let worker = self.workers.iter().min_by_key(|worker| worker.calls.load(Ordering::Relaxed))?;
        worker.calls.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&worker.calls));
        Some(AbortOnDropHandle::new(worker.handle.spawn(async move {
            let _counted = counted;
            future.await
        })))
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.stop.cancel();
        self.ticker.stop();
    }
}

impl Worker {
    fn start(number: usize, stop: CancellationToken) -> Result<Self, HostError> {
        let (tell, told) = mpsc::channel();
        let thread = std::thread::Builder::new().name(format!("plugins-{number}"));
        let run = move || {
            // Where the machine does not let it be less important, it is as important as the rest.
            let _ = rustix::process::nice(NICENESS);
            // Timers and cancellations are looked at between any two turns: a turn of a plugin can take a whole tick.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(1).build();
            match runtime {
                Err(error) => drop(tell.send(Err(error))),
                Ok(runtime) => {
                    if tell.send(Ok(runtime.handle().clone())).is_ok() {
                        runtime.block_on(stop.cancelled());
                    }
                }
            }
        };
        thread.spawn(run).map_err(no_thread)?;
        let handle = told.recv().map_err(|_| no_thread("it ended"))?.map_err(no_thread)?;
        Ok(Self { handle, calls: Arc::default() })
    }
}

fn no_thread(error: impl std::fmt::Display) -> HostError {
    HostError::Engine { detail: format!("a thread cannot be started: {error}") }
}
