//! The policy, limits, and the queue.

use coditect_metering::{Limited, MeteringSettings, Refusal};
use coditect_protocol::llm::{LimitScope, Policy, Team};
use coditect_protocol::{Coded as _, Kind, TeamId, UserId};
use coditect_store::Store;
use uuid::Uuid;

use super::{Server, asker, end, until};

pub(crate) async fn a_policy_is_in_force_everywhere(store: Store) {
    let (one, other) = (Server::start(&store).await, Server::start(&store).await);
    assert_eq!(one.metering.policy().version, 0);
    let alias = |name: &str| format!(r#"{{"aliases":[{{"name":"{name}","targets":[{{"model":"a/b"}}]}}]}}"#);
    for (version, name) in (1..).zip(["first", "second", "third"]) {
        let policy: Policy = serde_json::from_str(&alias(name)).unwrap();
        let changing = if version % 2 == 0 { &one } else { &other };
        let in_force = changing.metering.put_policy(version - 1, policy.clone()).await.unwrap();
        assert_eq!((in_force.version, &in_force.policy), (version, &policy));
        assert!(changing.metering.rules().alias(name).is_some());
        until(async || [&one, &other].iter().all(|server| server.metering.rules().alias(name).is_some())).await;
        // Who saw an older one undoes nothing.
        let refused = changing.metering.put_policy(version - 1, Policy::default()).await.unwrap_err();
        assert_eq!((refused.code(), refused.kind()), ("llm.policy_changed", Kind::Conflict));
        assert!(refused.to_string().contains(&format!("version {version}")));
    }
    one.stop().await;
    other.crash().await;
    assert_eq!(Server::start(&store).await.metering.policy().version, 3);
}

pub(crate) async fn a_policy_that_cannot_be_is_refused(store: Store) {
    let server = Server::start(&store).await;
    let twice = serde_json::from_str(r#"{"allowed":[{"role":"admin","models":[]},{"role":"admin","models":[]}]}"#);
    let refused = server.metering.put_policy(0, twice.unwrap()).await.unwrap_err();
    assert_eq!((refused.code(), refused.kind()), ("llm.policy_invalid", Kind::Invalid));
    let team = |n: u64, people: u64| Team {
        id: TeamId(Uuid::from_u64_pair(2, n)),
        name: format!("team {n}"),
        members: (0..people).map(|person| UserId(Uuid::from_u64_pair(n + 3, person))).collect(),
    };
    let policy = |people: u64| Policy { teams: (0..10).map(|n| team(n, people)).collect(), ..Policy::default() };
    let refused = server.metering.put_policy(0, policy(600)).await.unwrap_err();
    assert_eq!((refused.code(), refused.kind()), ("llm.policy_too_large", Kind::TooLarge));
    server.metering.put_policy(0, policy(500)).await.unwrap();
    server.stop().await;
}

pub(crate) async fn limits_bound_requests_and_tokens(store: Store) {
    let server = Server::start(&store).await;
    server
        .govern(
            r#"{"limits":[{"scope":"person","requests_per_minute":3,"tokens_per_minute":1000},
            {"scope":"person","of":"00000000-0000-0001-0000-000000000009","tokens_per_minute":10}]}"#,
        )
        .await;
    for _ in 0..3 {
        // Nothing was asked, and no token used; the request counts.
        drop(server.metering.admit(&asker(1), 900).unwrap());
    }
    let refused = server.metering.admit(&asker(1), 0).unwrap_err();
    assert_eq!((refused.code(), refused.kind()), ("llm.rate_limited", Kind::TooManyRequests));
    let Refusal::RateLimited { what, scope, limit, retry_after_s } = refused else { panic!("{refused}") };
    assert_eq!((what, scope, limit), (Limited::Requests, LimitScope::Person, 3));
    assert!((19..=20).contains(&retry_after_s), "{retry_after_s}");
    assert_eq!(refused.retry_after_s(), Some(retry_after_s));

    let first = server.metering.admit(&asker(2), 100).unwrap();
    first.settle(end("up/m", 5_000));
    let refused = server.metering.admit(&asker(2), 1).unwrap_err();
    let Refusal::RateLimited { what, retry_after_s, .. } = refused else { panic!("{refused}") };
    assert_eq!(what, Limited::Tokens);
    assert!((235..=241).contains(&retry_after_s), "{retry_after_s}");
    // The request that was refused for its tokens did not count as one.
    server.metering.admit(&asker(9), 10).unwrap().settle(end("up/m", 10));
    assert!(server.metering.admit(&asker(9), 10).is_err());
    let limits = server.metering.limits_of(&asker(9));
    assert_eq!((limits.len(), limits[0].tokens_per_minute, limits[0].requests_per_minute), (1, Some(10), None));
    assert_eq!(limits[0].of.as_deref(), Some("00000000-0000-0001-0000-000000000009"));
    assert!(server.metering.metrics().contains("coditect_llm_refusals_total{code=\"llm.rate_limited\"} 3"));
    server.stop().await;
}

pub(crate) async fn the_queue_is_bounded(store: Store) {
    let server = Server::with(&store, MeteringSettings { queue: 3, ..MeteringSettings::default() }).await;
    let mut calls: Vec<_> = (0..3).map(|n| server.metering.admit(&asker(n), 0).unwrap()).collect();
    let refused = server.metering.admit(&asker(4), 0).unwrap_err();
    assert_eq!((refused.code(), refused.kind()), ("llm.usage_behind", Kind::Unavailable));
    drop(calls.pop());
    calls.push(server.metering.admit(&asker(4), 0).unwrap());
    for call in calls {
        call.settle(end("up/m", 1));
    }
    // What is written down makes room.
    server.written().await;
    until(async || server.metering.admit(&asker(5), 0).is_ok()).await;
    server.metering.clone().run(tokio_util::sync::CancellationToken::new()).await;
    let metering = server.metering.clone();
    server.stop().await;
    assert_eq!(metering.admit(&asker(6), 0).unwrap_err().code(), "llm.usage_behind");
}
