//! What is best seen from inside; the rest is in `tests/`, on every backend of the store.

mod forms;
mod giving_back;
mod model;
mod sweeping;

use coditect_protocol::auth::Role;
use coditect_protocol::llm::{CallOutcome, CallRecord, CallTokens, Door, Policy, Step, UsageBy, Usd};
use coditect_protocol::{CallId, UserId};
use coditect_store::Store;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Ask, Asker, CallFilter, ExportForm, Metering, MeteringSettings, ReportQuery};

/// Whoever serves a request may go on with it on another thread.
#[tokio::test]
async fn futures_can_be_sent() {
    fn sent<F: Future + Send>(future: F) -> F {
        future
    }
    let store = Store::open("memory:").await.unwrap();
    let metering = sent(Metering::open(store, MeteringSettings::default())).await.unwrap();
    let filter = CallFilter { user: None, from: 0, to: 1 };
    let query = ReportQuery { user: None, from: 0, to: 1, step: Step::Day, by: UsageBy::Model };
    let user = record(1, 1, "a/b").user;
    let asker = Asker { user, role: Role::Member, token: None, workspace: None, agent: "ide".into(), allowance: None };
    let mut admission = metering.admit(&asker, 0).unwrap();
    let ask = Ask {
        model: "a/b",
        is_local: false,
        own_key: false,
        input_tokens: 0,
        max_output_tokens: None,
        answers: 1,
        caches_for_hour: false,
    };
    sent(admission.hold(&ask)).await.unwrap();
    sent(admission.extend(&CallTokens::default().into())).await.unwrap();
    sent(metering.put_policy(0, Policy::default())).await.unwrap();
    sent(metering.budgets_of(&asker)).await.unwrap();
    sent(metering.report(&query)).await.unwrap();
    sent(metering.calls(&filter, None, 1)).await.unwrap();
    sent(metering.export(filter, ExportForm::Csv).next()).await.unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    drop(admission);
    sent(metering.run(stop)).await;
}

/// A call that began then.
pub(crate) fn record(user: u64, at: u64, model: &str) -> CallRecord {
    CallRecord {
        id: CallId(Uuid::new_v4()),
        at,
        user: UserId(Uuid::from_u64_pair(7, user)),
        token: None,
        workspace: None,
        agent: "ide".to_owned(),
        door: Door::Chat,
        asked: "fast".to_owned(),
        model: model.to_owned(),
        tokens: CallTokens { input: 100, output: 20, ..CallTokens::default() },
        estimated: false,
        cost: Usd::from_nanos(1_000),
        own_key: false,
        first_token_us: Some(200_000),
        total_us: 1_500_000,
        retries: 0,
        outcome: CallOutcome::Ok,
        code: None,
    }
}
