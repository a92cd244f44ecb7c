//! One call: from the question whether it may be made to its end.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::{Store, UpdateDeadline};

use crate::call::{Call, CallFigures, Called, Caller, Outcome};
use crate::contract::shortened;
use crate::engine::cpu_limit;
use crate::gate::Turn;
use crate::host::{Loaded, Plugin};
use crate::imports::Says;
use crate::meter::{Meter, Metered};
use crate::state::{Around, State};
use crate::{CallError, HostError};

pub(crate) use ending::one_line;

mod check;
mod edits;
mod ending;
mod offered;
pub(crate) mod tree;

/// Things of the host that a call may have handles of at once: files, streams, answers …
const MAX_HANDLES: usize = 1_000;
/// How long a call may run beyond its limit until it is interrupted.
const OVERRUN: Duration = Duration::from_millis(8);

impl Plugin {
    /// Makes one call, in an instance of its own. It ends with an answer that was checked, or with an error that names the limit that
    /// was met. Once `cancel` is, it ends with [`CallError::Cancelled`]; dropping the future ends it too.
    ///
    /// Must be called within a tokio runtime: there the caller's ports run.
    pub async fn call(&self, call: Call, caller: Caller, cancel: CancellationToken) -> Called {
        let began = Instant::now();
        let meter = Arc::new(Meter::default());
        let outcome = self.make(call, caller, cancel, &meter).await;
        let [instantiate_nanos, inside_nanos] = meter.parts();
        let figures = CallFigures {
            micros: micros(began.elapsed()),
            cpu_micros: micros(meter.cpu()),
            instantiate_nanos,
            inside_nanos,
            peak_memory_bytes: meter.peak_memory(),
            host_calls: meter.host_calls(),
        };
        Called { outcome, figures }
    }

    async fn make(
        &self,
        call: Call,
        caller: Caller,
        cancel: CancellationToken,
        meter: &Arc<Meter>,
    ) -> Result<Outcome, CallError> {
        let host = Arc::clone(&self.0.host);
        offered::check(&self.0.manifest.offers, &call)?;
        let call = offered::permit(call, &caller)?;
        if offered::is_void(&call) {
            return Ok(Outcome::Done);
        }
        let limit = host.settings.deadlines.of(&call);
        let turn = self.turn(&caller, &cancel, limit).await?;
        let executor = host.executor().map_err(no_engine)?;
        let deadline = Instant::now() + limit;
        let around = Arc::new(Around {
            manifest: Arc::clone(&self.0.manifest),
            settings: Arc::clone(&host.settings),
            caller,
            is_answering: offered::is_answering(&call),
            deadline,
            meter: Arc::clone(meter),
            outside: Handle::current(),
            http: host.http().clone(),
            says: Says::default(),
            log_left: AtomicUsize::new(host.settings.log_bytes),
        });
        let cpu = cpu_limit(&host.settings, limit);
        let work = run(Arc::clone(&self.0), around, call, cpu);
        let metered = Metered::new(work, Arc::clone(meter), Arc::clone(executor.ticker()));
        let hold = |turn: Turn| async move {
            let ended = metered.await;
            drop(turn);
            ended
        };
        let task = executor.spawn(hold(turn)).ok_or(CallError::Stopped)?;
        tokio::select! {
            biased;
            ended = task => ended.unwrap_or_else(|lost| Err(lost_call(&lost))),
            () = cancel.cancelled() => Err(CallError::Cancelled),
            () = overrun(meter, cpu) => Err(CallError::CpuDeadline { ms: millis(cpu) }),
            () = tokio::time::sleep_until(deadline) => Err(CallError::Deadline { ms: millis(limit) }),
        }
    }

    /// Waits until the call may run, but no longer than it might run then.
    async fn turn(&self, caller: &Caller, cancel: &CancellationToken, most: Duration) -> Result<Turn, CallError> {
        let turn = self.0.host.gate.turn(caller.who, &self.0.manifest.id);
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(CallError::Cancelled),
            turn = tokio::time::timeout(most, turn) => turn.unwrap_or(Err(CallError::Busy)),
        }
    }
}

/// Comes to an end once a call has run for longer than it may and was not interrupted. What fills a memory of hundreds of megabytes is
/// one instruction: whoever asked does not wait for its end.
async fn overrun(meter: &Meter, cpu: Duration) {
    let most = cpu.saturating_add(OVERRUN);
    loop {
        // No call runs for longer than time passes.
        let left = most.saturating_sub(meter.cpu());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

/// The call itself, on a thread that runs plugins.
async fn run(plugin: Arc<Loaded>, around: Arc<Around>, call: Call, cpu: Duration) -> Result<Outcome, CallError> {
    let (settings, meter) = (Arc::clone(&around.settings), Arc::clone(&around.meter));
    let called = in_instance(&plugin, around, &call, cpu).await;
    let outcome = called.map_err(|error| ending::error(&error, &meter, &settings))?;
    check::outcome(outcome, &call, &plugin.manifest.offers, &settings)
}

async fn in_instance(plugin: &Loaded, around: Arc<Around>, call: &Call, cpu: Duration) -> wasmtime::Result<Outcome> {
    let began = std::time::Instant::now();
    let (settings, meter) = (Arc::clone(&around.settings), Arc::clone(&around.meter));
    let times = Arc::clone(&meter);
    let mut state = State::new(around);
    state.table.set_max_capacity(MAX_HANDLES);
    let mut store = Store::new(plugin.instance.engine(), state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(settings.host_bytes);
    store.set_max_component_handles(MAX_HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        if meter.cpu() >= cpu {
            return Err(CallError::CpuDeadline { ms: millis(cpu) }.into());
        }
        // Others go on, and whoever waits for the call's end is heard.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    let instance = plugin.instance.instantiate_async(&mut store).await?;
    times.stands(began.elapsed());
    let stood = std::time::Instant::now();
    let outcome = plugin.adapter.call(&mut store, &instance, call).await;
    times.answered(stood.elapsed());
    outcome
}

fn lost_call(lost: &tokio::task::JoinError) -> CallError {
    if lost.is_panic() {
        return CallError::Internal { detail: "a host function panicked".into() };
    }
    CallError::Stopped
}

#[expect(clippy::needless_pass_by_value, reason = "goes to map_err")]
fn no_engine(error: HostError) -> CallError {
    CallError::Internal { detail: shortened(&error.to_string()) }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
