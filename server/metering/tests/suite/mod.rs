//! The tests of the suite, by area, and what they share.

pub(crate) mod money;
pub(crate) mod rules;
pub(crate) mod usage;

use std::time::Duration;

use coditect_metering::{Ask, Asker, Counted, End, Metering, MeteringSettings};
use coditect_protocol::UserId;
use coditect_protocol::auth::Role;
use coditect_protocol::llm::{BudgetState, CallOutcome, CallTokens, Door, Policy, Usd};
use coditect_store::Store;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A server.
pub(crate) struct Server {
    pub(crate) metering: Metering,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(store: &Store) -> Self {
        Self::with(store, MeteringSettings::default()).await
    }

    pub(crate) async fn with(store: &Store, settings: MeteringSettings) -> Self {
        let metering = Metering::open(store.clone(), settings).await.unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(metering.clone().run(stop.clone()));
        Self { metering, stop, task }
    }

    /// Ends as a server does that is told to.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Ends as a server does that is killed.
    pub(crate) async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// Puts a policy in force.
    pub(crate) async fn govern(&self, json: &str) {
        let policy: Policy = serde_json::from_str(json).unwrap();
        self.metering.put_policy(self.metering.policy().version, policy).await.unwrap();
    }

    /// The only budget of somebody.
    pub(crate) async fn budget(&self, asker: &Asker) -> BudgetState {
        let [budget] = self.metering.budgets_of(asker).await.unwrap().try_into().unwrap();
        budget
    }

    /// Makes a call of so many tokens.
    pub(crate) async fn call(&self, asker: &Asker, model: &str, output: u64) {
        let mut admission = self.metering.admit(asker, 0).unwrap();
        admission.hold(&ask(model, output)).await.unwrap();
        admission.settle(end(model, output));
    }

    /// Waits until all records are written down.
    pub(crate) async fn written(&self) {
        until(async || self.metering.metrics().contains("\ncoditect_llm_records_unwritten 0\n")).await;
    }
}

/// Waits until something is so.
pub(crate) async fn until(is_so: impl AsyncFn() -> bool) {
    while !is_so().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn asker(user: u64) -> Asker {
    let user = UserId(Uuid::from_u64_pair(1, user));
    Asker { user, role: Role::Member, token: None, workspace: None, agent: "ide".into(), allowance: None }
}

pub(crate) fn ask(model: &str, output: u64) -> Ask<'_> {
    Ask {
        model,
        is_local: false,
        own_key: false,
        input_tokens: 0,
        max_output_tokens: Some(output),
        answers: 1,
        caches_for_hour: false,
    }
}

pub(crate) fn output(output: u64) -> Counted {
    CallTokens { output, ..CallTokens::default() }.into()
}

pub(crate) fn end(model: &str, tokens: u64) -> End {
    End {
        model: model.to_owned(),
        asked: "fast".to_owned(),
        door: Door::Chat,
        tokens: output(tokens),
        estimated: false,
        first_token_us: Some(1_000),
        total_us: 2_000,
        retries: 0,
        outcome: CallOutcome::Ok,
        code: None,
    }
}

/// A thousandth of a dollar for each token of an answer.
pub(crate) const PRICES: &str = r#""prices":[{"model":"up/*","input":500,"output":1000}]"#;

/// What so many tokens cost.
pub(crate) fn price_of(tokens: u64) -> Usd {
    Usd::from_nanos(tokens * 1_000_000)
}
