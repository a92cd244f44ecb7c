//! All of it together, on one server.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use coditect_protocol::llm::{BudgetState, CallPage, Limit, Policy, PolicyInForce, UsageReport};
use coditect_protocol::{Coded as _, Kind};
use coditect_store::{Store, Subspace};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::govern::Policies;
use crate::limits::Limiter;
use crate::metrics::Metrics;
use crate::money::Ledger;
use crate::time::{DAY_MS, millis};
use crate::usage::Usage;
use crate::{Asker, CallFilter, Export, ExportForm, MeteringError, ReportQuery, Rules};

/// What is taken of a budget and was not used for so long is given back.
const GIVE_BACK_AFTER: Duration = Duration::from_secs(30);
/// How often that is looked for.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(5);
/// How often what is kept long enough is taken away.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long a server that stops waits for calls under way and for the store to take their records.
const WRITE_AT_STOP: Duration = Duration::from_secs(7);
/// And for giving back what it took of budgets.
const GIVE_BACK_AT_STOP: Duration = Duration::from_secs(3);

/// What an operator says.
#[derive(Debug, Clone)]
pub struct MeteringSettings {
    /// Calls under way and records that are not written down yet; beyond that, calls are refused.
    pub queue: usize,
    /// How long records of calls and sums over them are kept, in days.
    pub usage_days: u32,
}

impl Default for MeteringSettings {
    fn default() -> Self {
        Self { queue: 32_768, usage_days: 400 }
    }
}

/// Who may ask what, how often and for how much, and what was asked. Cheap to clone.
#[derive(Clone)]
pub struct Metering {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    settings: MeteringSettings,
    policies: Policies,
    pub(crate) ledger: Ledger,
    pub(crate) limiter: Limiter,
    pub(crate) usage: Usage,
    pub(crate) metrics: Metrics,
}

impl Metering {
    /// Reads the policy. A store that is away is no error: calls are refused until [`run`](Self::run) could read it.
    pub async fn open(store: Store, settings: MeteringSettings) -> Result<Self, MeteringError> {
        let root = Subspace::root("metering");
        let inner = Inner {
            policies: Policies::new(store.clone(), root.pack(&"policy")),
            ledger: Ledger::new(store.clone(), root.sub(&"money")),
            limiter: Limiter::new(),
            usage: Usage::new(store, &root, settings.queue),
            metrics: Metrics::default(),
            settings,
        };
        match inner.policies.read().await {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Timeout) => {
                tracing::warn!(%error, "the policy of models cannot be read yet; calls are refused until it can");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Follows the policy, writes down who used what, gives back and sweeps, until `stop`. Then it lets nobody in any more, waits for
    /// calls under way, writes all down and gives back what it took of budgets, for ten seconds at the most. Each server runs it once.
    pub async fn run(self, stop: CancellationToken) {
        let Some(queue) = self.inner.usage.other_end() else {
            tracing::error!("who used what is written down already; this is done once on a server");
            return;
        };
        let inner = &self.inner;
        let write = async {
            tokio::select! {
                () = inner.usage.write_down(queue, &inner.ledger, &stop) => {}
                () = later(&stop, WRITE_AT_STOP) => {
                    let calls = inner.usage.taken();
                    tracing::error!(calls, "the server stops before these calls were over or their records written");
                }
            }
        };
        let look_after = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = inner.policies.follow(|| inner.ledger.limits_changed()) => {}
                () = every(GIVE_BACK_EVERY, || self.give_back()) => {}
                () = every(SWEEP_EVERY, || self.sweep()) => {}
            }
        };
        tokio::join!(write, look_after);
        match timeout(GIVE_BACK_AT_STOP, inner.ledger.stop()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "what this server took of budgets counts as spent"),
            Err(_) => tracing::error!("what this server took of budgets counts as spent; the store takes too long"),
        }
    }

    async fn give_back(&self) {
        if let Err(error) = self.inner.ledger.give_back(GIVE_BACK_AFTER).await {
            tracing::debug!(%error, "budgets could not be given back; the next round does");
        }
    }

    async fn sweep(&self) {
        let now = SystemTime::now();
        let kept = u64::from(self.inner.settings.usage_days.max(1)) * DAY_MS;
        let swept = async {
            self.inner.usage.sweep(millis(now).saturating_sub(kept)).await?;
            self.inner.ledger.sweep(now).await
        };
        if let Err(error) = swept.await {
            tracing::warn!(%error, "old records of calls could not be taken away; the next round does");
        }
    }

    /// What is in force now.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        self.inner.policies.rules()
    }

    /// The policy and its version.
    #[must_use]
    pub fn policy(&self) -> PolicyInForce {
        self.rules().in_force().clone()
    }

    /// Changes the policy, for who saw this version of it; on every server.
    pub async fn put_policy(&self, seen: u64, policy: Policy) -> Result<PolicyInForce, MeteringError> {
        let in_force = self.inner.policies.put(seen, policy).await?;
        self.inner.ledger.limits_changed();
        Ok(in_force)
    }

    /// Every budget that counts for what somebody asks, and what is left of it.
    pub async fn budgets_of(&self, asker: &Asker) -> Result<Vec<BudgetState>, MeteringError> {
        let rules = self.rules();
        let budgets: Vec<_> = rules.budgets(asker, false, SystemTime::now()).collect();
        let mut states = Vec::with_capacity(budgets.len());
        for (id, limit) in budgets {
            let (spent, reserved) = self.inner.ledger.state(&id).await?;
            states.push(BudgetState {
                scope: id.scope,
                of: id.of.to_string(),
                limit,
                period: id.period.kind(),
                spent,
                reserved,
                renews_at: id.period.end().map(millis),
            });
        }
        Ok(states)
    }

    /// Every limit that counts for what somebody asks, with whose it is.
    #[must_use]
    pub fn limits_of(&self, asker: &Asker) -> Vec<Limit> {
        self.rules().limits(asker).map(|(of, limit)| Limit { of: Some(of.to_string()), ..limit.clone() }).collect()
    }

    /// Sums over calls. What was asked in the last quarter of a second may be missing.
    pub async fn report(&self, query: &ReportQuery) -> Result<UsageReport, MeteringError> {
        self.inner.usage.report(query).await
    }

    /// Up to `limit` calls, and 1,000 at the most, the latest first; calls that ended at the same time on several servers may stand in
    /// another order. `cursor` is the `next` of the page before. A page may hold fewer calls, or none, and still have a `next`.
    pub async fn calls(
        &self,
        filter: &CallFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<CallPage, MeteringError> {
        self.inner.usage.page(filter, cursor, limit).await
    }

    /// All calls of a time as one document.
    #[must_use]
    pub fn export(&self, filter: CallFilter, form: ExportForm) -> Export {
        Export::new(self.clone(), filter, form)
    }

    /// What happened on this server since its start, as Prometheus reads it (text format 0.0.4).
    #[must_use]
    pub fn metrics(&self) -> String {
        self.inner.metrics.text(self.inner.usage.taken(), self.inner.usage.unwritten())
    }

    /// Counts a call that somebody else refused, by its stable code. Those that are refused here are counted already.
    pub fn note_refusal(&self, code: &'static str) {
        self.inner.metrics.refused(code);
    }
}

impl std::fmt::Debug for Metering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metering").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

/// Some time after `stop`.
async fn later(stop: &CancellationToken, time: Duration) {
    stop.cancelled().await;
    sleep(time).await;
}

/// Does something at once, and again and again.
async fn every<F: Future<Output = ()>>(pause: Duration, work: impl Fn() -> F) {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        work().await;
    }
}
