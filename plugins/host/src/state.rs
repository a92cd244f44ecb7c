//! What the host keeps for one call.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coditect_protocol::plugin::Manifest;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::CallError;
use crate::call::Caller;
use crate::limits::Limiter;
use crate::meter::Meter;
use crate::settings::HostSettings;

/// The data of a call's store. Imports are implemented for it.
pub(crate) struct State {
    /// Made when the plugin first asks WASI for something, which many never do.
    wasi: Option<WasiCtx>,
    /// What the plugin has handles of.
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    /// What the call is about. It goes last: what was printed and did not end yet goes to its log.
    pub(crate) around: Arc<Around>,
}

impl State {
    pub(crate) fn new(around: Arc<Around>) -> Self {
        let memory_most = around.settings.memory_bytes(around.manifest.memory_mib);
        Self {
            table: ResourceTable::new(),
            limiter: Limiter::new(Arc::clone(&around.settings), Arc::clone(&around.meter), memory_most),
            wasi: None,
            around,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| crate::imports::wasi::context(&self.around));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

/// What a call is about. Its host functions share it.
pub(crate) struct Around {
    /// What the plugin says of itself.
    pub(crate) manifest: Arc<Manifest>,
    /// What it may take.
    pub(crate) settings: Arc<HostSettings>,
    /// For whom it is called, and with what.
    pub(crate) caller: Caller,
    /// An answer is being given: the import `answer` may be used.
    pub(crate) is_answering: bool,
    /// When it ends at the latest.
    pub(crate) deadline: Instant,
    /// What it takes.
    pub(crate) meter: Arc<Meter>,
    /// Where ports run: where the call was made.
    pub(crate) outside: Handle,
    /// What requests are sent with: one for the whole host, made by `Http::new(Arc::new(ThisMachine))`.
    pub(crate) http: crate::http::Http,
    /// What it said so far: `Says::default()` when it begins.
    pub(crate) says: crate::imports::Says,
    /// Bytes that may still go to the log.
    pub(crate) log_left: AtomicUsize,
}

impl Around {
    /// Every host function begins with this: it counts the call, and its error ends the plugin's.
    pub(crate) fn enter(&self) -> wasmtime::Result<()> {
        let most = self.settings.host_calls;
        if self.meter.count_host_call() <= most {
            return Ok(());
        }
        Err(CallError::HostCalls { most }.into())
    }

    /// Takes so many bytes of what may be written to the log; how many there are.
    pub(crate) fn take_log(&self, bytes: usize) -> usize {
        let take = |left: usize| Some(left.saturating_sub(bytes));
        let (order, left) = (Ordering::Relaxed, &self.log_left);
        left.fetch_update(order, order, take).map_or(0, |before| before.min(bytes))
    }

    /// Has something done where the call was made, away from the threads that run plugins; it ends with the call.
    pub(crate) async fn outside<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> wasmtime::Result<T> {
        let task = AbortOnDropHandle::new(self.outside.spawn(work));
        task.await.map_err(|_| {
            CallError::Internal { detail: "what the plugin asked for was not brought to an end".into() }.into()
        })
    }
}
