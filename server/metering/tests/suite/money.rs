//! Budgets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coditect_metering::{Ask, Asker, CallFilter, Refusal};
use coditect_protocol::llm::{BudgetPeriod, BudgetScope, Usd};
use coditect_protocol::{Coded as _, Kind, TokenId, WorkspaceId};
use coditect_store::Store;
use uuid::Uuid;

use super::{PRICES, Server, ask, asker, end, output, price_of};

fn governed(budgets: &str) -> String {
    format!(r#"{{{PRICES},"budgets":[{budgets}]}}"#)
}

const ONE_DOLLAR: &str = r#"{"scope":"instance","limit":1,"period":"total"}"#;

pub(crate) async fn a_hundred_calls_at_once_overspend_nothing(store: Store) {
    let first = Server::start(&store).await;
    first.govern(&governed(ONE_DOLLAR)).await;
    let servers = [first, Server::start(&store).await, Server::start(&store).await];
    let (spent, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let call = |n: u64| {
        let metering = servers[usize::try_from(n).unwrap() % 3].metering.clone();
        let (spent, refused) = (spent.clone(), refused.clone());
        async move {
            for round in 0..10 {
                let mut admission = metering.admit(&asker(n), 0).unwrap();
                match admission.hold(&ask("up/m", 20)).await {
                    Ok(()) => {
                        tokio::task::yield_now().await;
                        let used = (n + round) % 21;
                        admission.settle(end("up/m", used));
                        spent.fetch_add(used, Ordering::SeqCst);
                    }
                    Err(Refusal::BudgetExhausted { .. }) => drop(refused.fetch_add(1, Ordering::SeqCst)),
                    Err(other) => panic!("{other}"),
                }
            }
        }
    };
    let tasks: Vec<_> = (0..100).map(|n| tokio::spawn(call(n))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let spent = spent.load(Ordering::SeqCst);
    assert!(spent <= 1_000, "{spent}");
    assert!(refused.load(Ordering::SeqCst) > 0);
    for server in servers {
        server.stop().await;
    }
    // Nothing was lost either: the rest can be spent to the last token, and no more.
    let last = Server::start(&store).await;
    let state = last.budget(&asker(0)).await;
    assert_eq!((state.spent, state.reserved, state.limit), (price_of(spent), Usd::ZERO, price_of(1_000)));
    let mut admission = last.metering.admit(&asker(0), 0).unwrap();
    let refusal = admission.hold(&ask("up/m", 1_001 - spent)).await.unwrap_err();
    assert_eq!((refusal.code(), refusal.kind()), ("llm.budget_exhausted", Kind::Forbidden));
    let Refusal::BudgetExhausted { scope, period, left, renews_at, .. } = refusal else { panic!("{refusal}") };
    assert_eq!((scope, period, renews_at), (BudgetScope::Instance, BudgetPeriod::Total, None));
    assert_eq!(left, price_of(1_000 - spent));
    admission.hold(&ask("up/m", 1_000 - spent)).await.unwrap();
    drop(admission);
    last.stop().await;
}

pub(crate) async fn what_a_crashed_server_took_counts_as_spent(store: Store) {
    let mut spent = 0;
    for round in 0..5 {
        let server = Server::start(&store).await;
        if round == 0 {
            server.govern(&governed(ONE_DOLLAR)).await;
        }
        for n in 0..10 {
            let mut admission = server.metering.admit(&asker(n), 0).unwrap();
            admission.hold(&ask("up/m", 5)).await.unwrap();
            if n % 3 == 0 {
                // Still under way when the server goes.
                std::mem::forget(admission);
            } else {
                admission.settle(end("up/m", 4));
                spent += 4;
            }
        }
        if round % 2 == 0 {
            server.written().await;
        }
        server.crash().await;
    }
    let server = Server::start(&store).await;
    let state = server.budget(&asker(0)).await;
    let gone = state.spent.plus(state.reserved);
    assert!(gone >= price_of(spent) && gone <= state.limit, "{state:?}");
    // All that is left can be had, and no more.
    let left = (state.limit.nanos() - gone.nanos()) / 1_000_000;
    let mut admission = server.metering.admit(&asker(0), 0).unwrap();
    assert!(admission.hold(&ask("up/m", left + 1)).await.is_err());
    admission.hold(&ask("up/m", left)).await.unwrap();
    assert!(left > 700, "a crash costs a small block: {left}");
    drop(admission);
    server.stop().await;
}

pub(crate) async fn every_scope_and_period_counts(store: Store) {
    let id = Uuid::from_u64_pair(1, 1);
    let asker = Asker { token: Some(TokenId(id)), workspace: Some(WorkspaceId(id)), ..asker(1) };
    let server = Server::start(&store).await;
    for (number, scope) in BudgetScope::ALL.into_iter().enumerate() {
        for period in BudgetPeriod::ALL {
            let budget = format!(r#"{{"scope":"{}","limit":0.01,"period":"{}"}}"#, scope.name(), period.name());
            let teams = format!(r#""teams":[{{"id":"{id}","name":"T","members":["{id}"]}}]"#);
            server.govern(&format!(r#"{{{PRICES},"budgets":[{budget}],{teams}}}"#)).await;
            let before = server.budget(&asker).await;
            assert_eq!((before.scope, before.period, before.spent), (scope, period, Usd::ZERO));
            assert_eq!(before.renews_at.is_none(), period == BudgetPeriod::Total);
            server.call(&asker, "up/m", 6).await;
            let mut admission = server.metering.admit(&asker, 0).unwrap();
            let refusal = admission.hold(&ask("up/m", 5)).await.unwrap_err();
            assert!(
                matches!(refusal, Refusal::BudgetExhausted { left, .. } if left == price_of(4)),
                "{number}: {refusal}"
            );
            // Another model that costs less goes on.
            admission.hold(&ask("up/m", 4)).await.unwrap();
            // With a key of the person's own, instance and team do not count.
            let mut own = server.metering.admit(&asker, 0).unwrap();
            let held = own.hold(&Ask { own_key: true, ..ask("up/m", 5) }).await;
            assert_eq!(held.is_ok(), matches!(scope, BudgetScope::Instance | BudgetScope::Team), "{scope:?}");
            drop((own, admission));
            let after = server.budget(&asker).await;
            assert_eq!(after.spent, price_of(6));
        }
    }
    server.stop().await;
}

pub(crate) async fn an_answer_that_goes_on_gets_more_or_is_cut(store: Store) {
    let server = Server::start(&store).await;
    server.govern(&governed(ONE_DOLLAR)).await;
    let mut admission = server.metering.admit(&asker(1), 0).unwrap();
    admission.hold(&ask("up/m", 10)).await.unwrap();
    assert!(admission.covers(&output(10)) && !admission.covers(&output(11)));
    admission.extend(&output(400)).await.unwrap();
    assert!(admission.covers(&output(600)) && !admission.covers(&output(601)));
    // In two steps, and one that comes to nothing.
    let more = admission.more(&output(620)).await.unwrap();
    admission.add(more);
    assert!(admission.covers(&output(930)) && !admission.covers(&output(931)));
    let refusal = admission.extend(&output(931)).await.unwrap_err();
    assert_eq!(refusal.code(), "llm.budget_exhausted");
    assert!(admission.covers(&output(930)));
    drop(admission.more(&output(0)).await.unwrap());
    // A fallback holds for itself alone.
    let late = admission.more(&output(640)).await.unwrap();
    admission.hold(&ask("up/n", 10)).await.unwrap();
    admission.add(late);
    admission.settle(end("up/n", 7));
    let state = server.budget(&asker(1)).await;
    assert_eq!(state.spent, price_of(7));
    let mut rest = server.metering.admit(&asker(1), 0).unwrap();
    rest.hold(&ask("up/m", 993)).await.unwrap();
    drop(rest);
    server.stop().await;
}

pub(crate) async fn what_has_no_price_is_refused_where_a_budget_counts(store: Store) {
    let server = Server::start(&store).await;
    let person = r#"{"scope":"person","limit":1,"period":"month"}"#;
    let unknown = ask("other/m", 10);
    let mut admission = server.metering.admit(&asker(1), 0).unwrap();
    admission.hold(&unknown).await.unwrap();
    assert!(admission.covers(&output(u64::MAX)));
    drop(admission);
    server.govern(&governed(person)).await;
    let mut admission = server.metering.admit(&asker(1), 0).unwrap();
    let refusal = admission.hold(&unknown).await.unwrap_err();
    assert_eq!((refusal.code(), refusal.kind()), ("llm.no_price", Kind::Forbidden));
    admission.hold(&Ask { is_local: true, ..unknown }).await.unwrap();
    assert!(admission.covers(&output(u64::MAX)));
    admission.settle(end("other/m", 1_000_000));
    assert_eq!(server.budget(&asker(1)).await.spent, Usd::ZERO);
    // Where nobody tells the most, the price does, or a common number.
    let mut admission = server.metering.admit(&asker(1), 0).unwrap();
    let untold = Ask { max_output_tokens: None, ..ask("up/m", 0) };
    assert!(matches!(admission.hold(&untold).await, Err(Refusal::BudgetExhausted { .. })));
    drop(admission);
    let prices = r#""prices":[{"model":"up/*","input":500,"output":1000,"max_output_tokens":1000}]"#;
    server.govern(&format!(r#"{{{prices},"budgets":[{person}]}}"#)).await;
    let mut admission = server.metering.admit(&asker(1), 0).unwrap();
    admission.hold(&untold).await.unwrap();
    assert!(admission.covers(&output(1_000)) && !admission.covers(&output(1_001)));
    assert_eq!(admission.bound(), Some(1_000), "nothing else bounds it");
    drop(admission);
    // It is the most of one answer.
    let mut admission = server.metering.admit(&asker(1), 0).unwrap();
    assert!(matches!(admission.hold(&Ask { answers: 2, ..untold }).await, Err(Refusal::BudgetExhausted { .. })));
    assert_eq!((admission.bound(), admission.counts_all()), (None, false));
    admission.hold(&ask("up/m", 1_000)).await.unwrap();
    assert_eq!((admission.bound(), admission.counts_all()), (None, true), "whoever asks bounds it");
    admission.hold(&Ask { own_key: true, ..untold }).await.unwrap();
    assert_eq!((admission.bound(), admission.counts_all()), (Some(1_000), false));
    // What a model writes at the most is known of those that are built in.
    admission.hold(&Ask { max_output_tokens: None, ..ask("mistral/codestral", 0) }).await.unwrap();
    assert_eq!((admission.bound(), admission.counts_all()), (None, true));
    // A price of the policy's own that does not tell it hides nothing of that, but for what runs here.
    let prices = r#""prices":[{"model":"mistral/*","input":0,"output":0.5}]"#;
    server.govern(&format!(r#"{{{prices},"budgets":[{person}]}}"#)).await;
    let mut admission = server.metering.admit(&asker(1), 0).unwrap();
    let known = Ask { max_output_tokens: None, ..ask("mistral/codestral", 0) };
    admission.hold(&known).await.unwrap();
    assert_eq!((admission.bound(), admission.covers(&output(131_072))), (None, true));
    admission.hold(&Ask { is_local: true, ..known }).await.unwrap();
    assert_eq!((admission.bound(), admission.covers(&output(131_072))), (Some(8_192), false));
    drop(admission);
    server.stop().await;
}

pub(crate) async fn what_never_came_back_is_paid_for(store: Store) {
    let server = Server::start(&store).await;
    server.govern(&governed(ONE_DOLLAR)).await;
    let mut admission = server.metering.admit(&asker(1), 0).unwrap();
    admission.hold(&ask("up/m", 900)).await.unwrap();
    admission.lose(&output(300));
    // What is left of it is free for the next try.
    assert!(matches!(admission.hold(&ask("up/n", 701)).await, Err(Refusal::BudgetExhausted { .. })));
    admission.hold(&ask("up/n", 700)).await.unwrap();
    admission.lose(&output(200));
    assert!(matches!(admission.hold(&ask("up/o", 501)).await, Err(Refusal::BudgetExhausted { .. })));
    admission.settle(end("up/o", 0));
    assert_eq!(server.budget(&asker(1)).await.spent, price_of(500));
    server.written().await;
    let all = CallFilter { user: None, from: 0, to: u64::MAX };
    let calls = server.metering.calls(&all, None, 10).await.unwrap().calls;
    assert_eq!(calls.iter().map(|call| call.cost).collect::<Vec<_>>(), [price_of(500)]);
    server.stop().await;
}

pub(crate) async fn a_lower_limit_counts_at_once(store: Store) {
    let (one, other) = (Server::start(&store).await, Server::start(&store).await);
    one.govern(&governed(r#"{"scope":"instance","limit":64,"period":"total"}"#)).await;
    super::until(async || other.metering.policy().version == 1).await;
    for server in [&one, &other] {
        server.call(&asker(1), "up/m", 100).await;
    }
    one.govern(&governed(r#"{"scope":"instance","limit":0.2,"period":"total"}"#)).await;
    super::until(async || other.metering.policy().version == 2).await;
    for server in [&one, &other] {
        let mut admission = server.metering.admit(&asker(1), 0).unwrap();
        let refusal = admission.hold(&ask("up/m", 1)).await.unwrap_err();
        assert_eq!(refusal.code(), "llm.budget_exhausted");
    }
    one.stop().await;
    other.stop().await;
}
