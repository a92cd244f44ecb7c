//! The store goes away and comes back, also in the middle of commits that nobody then knows the result of.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "this program needs a part of it")]
mod suite;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use coditect_metering::{CallFilter, Metering, ReportQuery};
use coditect_protocol::llm::{Step, UsageBy};
use coditect_protocol::{CallId, Coded as _};
use coditect_store::{Store, StoreServer};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use suite::{PRICES, Server, ask, asker, end, price_of, until};

/// A store behind a socket that can be cut.
struct Cuttable {
    served: Store,
    path: PathBuf,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    _directory: tempfile::TempDir,
}

impl Cuttable {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.sock");
        let served = Store::open("memory:").await.unwrap();
        let mut cuttable = Self { served, path, running: None, _directory: directory };
        cuttable.mend().await;
        cuttable
    }

    fn url(&self) -> String {
        format!("socket://{}", self.path.display())
    }

    /// Ends every connection, whatever is under way on it.
    async fn cut(&mut self) {
        if let Some((_, task)) = self.running.take() {
            task.abort();
            let _ = task.await;
            let _ = std::fs::remove_file(&self.path);
        }
    }

    async fn mend(&mut self) {
        let server = StoreServer::bind(self.served.clone(), &self.path).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let _ = server.run(async { drop(stopped.await) }).await;
        });
        self.running = Some((stop, task));
    }
}

/// Makes calls one after another, and answers which were made and what they used. `progress` counts them, and is large once one is done.
async fn ask_on(metering: Metering, n: u64, progress: Arc<AtomicU64>) -> (Vec<CallId>, u64) {
    let (mut ids, mut spent) = (Vec::new(), 0);
    for round in 0..100 {
        let mut admission = metering.admit(&asker(n), 0).unwrap();
        match admission.hold(&ask("up/m", 10)).await {
            Ok(()) => {
                let used = (n + round) % 11;
                ids.push(admission.id());
                tokio::task::yield_now().await;
                spent += used;
                admission.settle(end("up/m", used));
            }
            Err(refusal) if refusal.code() == "llm.budget_exhausted" => break,
            // The store is away, or it is not known what it did.
            Err(_) => {}
        }
        progress.fetch_add(1, Ordering::SeqCst);
    }
    progress.fetch_add(1 << 32, Ordering::SeqCst);
    (ids, spent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_counted_twice_while_the_store_comes_and_goes() {
    let mut store = Cuttable::new().await;
    let (one, other) = (Store::open(&store.url()).await.unwrap(), Store::open(&store.url()).await.unwrap());
    let servers = [Server::start(&one).await, Server::start(&other).await];
    servers[0].govern(&format!(r#"{{{PRICES},"budgets":[{{"scope":"instance","limit":4,"period":"total"}}]}}"#)).await;
    until(async || servers[1].metering.policy().version == 1).await;
    let progress = Arc::new(AtomicU64::new(0));
    let calls: Vec<_> = (0..40)
        .map(|n: u64| {
            tokio::spawn(ask_on(servers[usize::try_from(n % 2).unwrap()].metering.clone(), n, progress.clone()))
        })
        .collect();
    for round in 1..20_u64 {
        // Cut wherever it is by then.
        let reached = async |steps: u64| progress.load(Ordering::SeqCst) >= steps;
        until(async || reached(round * 37).await).await;
        store.cut().await;
        until(async || reached(round * 37 + round % 5).await).await;
        store.mend().await;
    }
    let (mut ids, mut spent) = (Vec::new(), 0);
    for call in calls {
        let (some, used) = call.await.unwrap();
        ids.extend(some);
        spent += used;
    }
    assert!(spent <= 4_000, "{spent}");
    for server in servers {
        server.stop().await;
    }
    let last = Server::start(&store.served).await;
    let state = last.budget(&asker(0)).await;
    assert_eq!((state.spent, state.reserved.nanos()), (price_of(spent), 0));
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let (from, to) = (now - 86_400_000, now + 86_400_000);
    let query = ReportQuery { user: None, from, to, step: Step::Day, by: UsageBy::Model };
    let report = last.metering.report(&query).await.unwrap();
    assert_eq!((report.totals.calls, report.totals.tokens.output), (ids.len() as u64, spent));
    let filter = CallFilter { user: None, from, to };
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = last.metering.calls(&filter, cursor.as_deref(), 1_000).await.unwrap();
        found.extend(page.calls.iter().map(|call| call.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    found.sort_unstable();
    ids.sort_unstable();
    assert!(found == ids, "{} {}", found.len(), ids.len());
    last.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_starts_without_its_store_and_lets_in_nobody_until_it_knows_who_may() {
    let mut store = Cuttable::new().await;
    store.cut().await;
    let client = Store::open(&store.url()).await.unwrap();
    let server = Server::start(&client).await;
    let refused = server.metering.admit(&asker(1), 0).unwrap_err();
    assert_eq!(refused.code(), "llm.policy_unknown");
    store.mend().await;
    until(async || server.metering.admit(&asker(1), 0).is_ok()).await;
    server.stop().await;
}
