//! What was asked of models and what it cost: calls through a door, read by people, programs and admins.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;

use coditect_protocol::llm::{
    BudgetScope, CallOutcome, CallPage, CallRecord, Door, LimitScope, MyModels, UsageReport, Usd,
};
use serde_json::{Value, json};
use support::upstream::{INPUT_TOKENS, OUTPUT_TOKENS, Upstream, ask, eventually, govern, question};
use support::{Person, TestServer, refusal, server};

/// What one answer costs: 1,000 tokens at a dollar a million, and 500 at two.
const COST: Usd = Usd::from_nanos(2_000_000);

fn prices() -> Value {
    json!([{"model": "up/*", "input": 1, "output": 2}])
}

/// A server with a model server, an admin and somebody else.
async fn site() -> (TestServer, Person, Person) {
    let (_, upstream) = Upstream::start("up").await;
    let server = server(|settings| settings.llm_upstream = vec![upstream]).await;
    let ada = server.person("ada@example.org").await;
    let eve = server.person("eve@example.org").await;
    govern(&ada, json!({"prices": prices()})).await;
    (server, ada, eve)
}

async fn pages(person: &Person, path: &str, limit: usize) -> Vec<CallRecord> {
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let page: CallPage = person.ask("GET", &format!("{path}?limit={limit}{next}"), Value::Null).await;
        assert!(page.calls.len() <= limit);
        all.extend(page.calls);
        match page.next {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn everybody_reads_their_own_calls_and_admins_all() {
    let (server, ada, eve) = site().await;
    let first = ask(&ada, "up/small", "codex").await;
    // Which upstream has a model of this name is known once they were all asked.
    let _: Value = ada.ask("GET", "/llm/models", Value::Null).await;
    let second = ask(&ada, "small", "cline").await;
    let of_eve = ask(&eve, "up/small", "codex").await;
    assert_eq!(refusal(question(&eve, "up/broken").send().await.unwrap()).await.0, 400);
    let all: CallPage = eventually(&ada, "/admin/llm/calls", |page: &CallPage| page.calls.len() == 4).await;
    assert!(all.next.is_none() && all.calls.is_sorted_by(|a, b| a.at >= b.at));
    let [own, hers] = [pages(&ada, "/llm/calls", 1).await, pages(&eve, "/llm/calls", 1000).await];
    let ids = |calls: &[CallRecord]| calls.iter().map(|call| call.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&own), [second, first]);
    let call = &own[1];
    assert_eq!((call.user, &*call.agent, call.door), (ada.token.session.user.id, "codex", Door::Chat));
    assert_eq!((&*call.asked, &*call.model, call.cost), ("up/small", "up/small", COST));
    assert_eq!((call.tokens.input, call.tokens.output, call.estimated), (INPUT_TOKENS, OUTPUT_TOKENS, false));
    assert_eq!((own[0].asked.as_str(), own[0].model.as_str()), ("small", "up/small"));
    assert_eq!(hers.len(), 2);
    assert_eq!((hers[0].outcome, hers[1].outcome), (CallOutcome::Refused, CallOutcome::Ok));
    assert!(hers[0].code.is_some() && hers[0].cost == Usd::ZERO && hers[1].id.to_string() == of_eve);
    let user = eve.token.session.user.id;
    let filtered: CallPage = ada.ask("GET", &format!("/admin/llm/calls?user={user}&limit=1000"), Value::Null).await;
    assert_eq!(filtered.calls, hers);
    // A place in a list of everybody leads to nobody else's calls.
    let page: CallPage = ada.ask("GET", "/admin/llm/calls?limit=1", Value::Null).await;
    let from_there = format!("/llm/calls?cursor={}", page.next.unwrap());
    let page: CallPage = eve.ask("GET", &from_there, Value::Null).await;
    assert!(page.calls.iter().all(|call| call.user == user));
    // Before and after there is nothing.
    let at = own[0].at;
    for range in [format!("from={}&to={}", at + 3_600_000, at + 7_200_000), format!("from=0&to={}", at - 3_600_000)] {
        let page: CallPage = ada.ask("GET", &format!("/admin/llm/calls?{range}"), Value::Null).await;
        assert_eq!(page, CallPage { calls: Vec::new(), next: None }, "{range}");
    }
    server.stop().await;
}

/// How many calls there were of each, with its name; a step may have ended in between.
fn by_name(report: UsageReport) -> Vec<(String, Option<String>, u64)> {
    let mut sums = BTreeMap::<_, u64>::new();
    for row in report.rows {
        *sums.entry((row.of, row.name)).or_default() += row.totals.calls;
    }
    sums.into_iter().map(|((of, name), calls)| (of, name, calls)).collect()
}

#[tokio::test]
async fn sums_tell_apart_what_is_asked_for() {
    let (server, ada, eve) = site().await;
    let workspace = eve.workspace("Thesis").await;
    ask(&ada, "up/small", "codex").await;
    ask(&eve, "up/small", "codex").await;
    let there = question(&eve, "up/small").header("x-coditect-workspace", workspace.id.to_string());
    assert!(there.header("x-coditect-agent", "cline").send().await.unwrap().status().is_success());
    let whole = |report: &UsageReport| report.totals.calls == 3;
    let by_person: UsageReport = eventually(&ada, "/admin/llm/usage?by=person&step=hour", whole).await;
    assert_eq!(by_person.totals.cost, Usd::from_nanos(3 * COST.nanos()));
    let named = |name: &str| Some(name.to_owned());
    let counted: Vec<_> = by_name(by_person).into_iter().map(|(_, name, calls)| (name, calls)).collect();
    assert_eq!(counted, [(named("ada@example.org"), 1), (named("eve@example.org"), 2)]);
    let id = ada.token.session.user.id;
    let only: UsageReport = ada.ask("GET", &format!("/admin/llm/usage?by=person&user={id}"), Value::Null).await;
    assert_eq!((only.rows[0].of.clone(), only.totals.calls), (id.to_string(), 1));
    let sums = async |path: &str| {
        let report: UsageReport = eve.ask("GET", path, Value::Null).await;
        assert_eq!((report.totals.calls, report.totals.tokens.output), (2, 2 * OUTPUT_TOKENS), "{path}");
        by_name(report)
    };
    assert_eq!(sums("/llm/usage").await, [("up/small".to_owned(), None, 2)]);
    assert_eq!(sums("/llm/usage?by=agent").await, [("cline".to_owned(), None, 1), ("codex".to_owned(), None, 1)]);
    let named = [(String::new(), None, 1), (workspace.id.to_string(), Some("Thesis".to_owned()), 1)];
    assert_eq!(sums("/llm/usage?by=workspace&step=day").await, named);
    // A token that may not list workspaces is not told their names.
    let token = eve.with_token(&["usage:read"]).await;
    let report: UsageReport = token.ask("GET", "/llm/usage?by=workspace", Value::Null).await;
    assert!(report.totals.calls == 2 && report.rows.iter().all(|row| row.name.is_none()));
    server.stop().await;
}

#[tokio::test]
async fn calls_are_exported_as_a_download() {
    let (server, ada, eve) = site().await;
    ask(&ada, "up/small", "a,b").await;
    ask(&ada, "up/small", "=1+1").await;
    ask(&eve, "up/small", "codex").await;
    let calls: CallPage = eventually(&ada, "/admin/llm/calls", |page: &CallPage| page.calls.len() == 3).await;
    let download = async |person: &Person, path: &str| {
        let response = person.request("GET", path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let headers = (header("content-type"), header("content-disposition"));
        (headers, response.text().await.unwrap())
    };
    let (headers, csv) = download(&ada, "/llm/calls/export").await;
    assert!(headers.0.starts_with("text/csv") && headers.1 == "attachment; filename=\"calls.csv\"", "{headers:?}");
    let lines: Vec<_> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 3, "{csv}");
    assert!(lines[0].starts_with("id,at,user,") && lines[0].ends_with(",outcome,code"));
    assert!(lines[1].contains(",\"'=1+1\","), "no formula: {csv}");
    assert!(lines[2].contains(",\"a,b\",") && lines[2].contains(",0.002000000,"), "{csv}");
    assert!(!csv.contains(&eve.token.session.user.id.to_string()));
    let (headers, json) = download(&ada, "/admin/llm/calls/export?form=json").await;
    assert_eq!(headers, ("application/json".to_owned(), "attachment; filename=\"calls.json\"".to_owned()));
    assert_eq!(serde_json::from_str::<Vec<CallRecord>>(&json).unwrap(), calls.calls);
    let of_eve = format!("/admin/llm/calls/export?form=json&user={}", eve.token.session.user.id);
    let (_, json) = download(&ada, &of_eve).await;
    assert_eq!(serde_json::from_str::<Vec<CallRecord>>(&json).unwrap().len(), 1);
    let (_, json) = download(&ada, "/llm/calls/export?form=json&from=0&to=1").await;
    assert_eq!(serde_json::from_str::<Vec<CallRecord>>(&json).unwrap(), []);
    server.stop().await;
}

#[tokio::test]
async fn who_may_not_read_is_told_so_and_odd_questions_are_refused() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let eve = server.person("eve@example.org").await;
    let agent = eve.with_token(&["llm", "account:read"]).await;
    let reader = eve.with_token(&["usage:read"]).await;
    let admin = ada.with_token(&["admin"]).await;
    for path in ["usage", "calls", "calls/export"] {
        let (own, all) = (format!("/llm/{path}"), format!("/admin/llm/{path}"));
        let status = async |person: &Person, path: &str| person.request("GET", path).send().await.unwrap().status();
        assert_eq!(agent.refused_to("GET", &own, Value::Null).await, (403, "auth.scope".to_owned()), "{own}");
        assert_eq!(reader.refused_to("GET", &all, Value::Null).await, (403, "auth.scope".to_owned()), "{all}");
        assert_eq!(eve.refused_to("GET", &all, Value::Null).await, (403, "auth.not_admin".to_owned()), "{all}");
        assert_eq!(admin.refused_to("GET", &own, Value::Null).await, (403, "auth.scope".to_owned()), "{own}");
        assert_eq!(
            (status(&reader, &own).await, status(&admin, &all).await),
            (http::StatusCode::OK, http::StatusCode::OK)
        );
    }
    let somebody = ada.token.session.user.id;
    for (query, code) in [
        ("usage?from=5&to=5", "llm.bad_range"),
        ("usage?from=0&to=99999999999&step=hour", "llm.bad_range"),
        ("usage?from=0&to=18446744073709551615", "llm.bad_range"),
        ("usage?from=-1", "api.bad_query"),
        ("usage?from=99999999999999999999", "api.bad_query"),
        ("usage?step=week", "api.bad_query"),
        ("usage?by=person", "api.bad_query"),
        ("usage?by=", "api.bad_query"),
        ("usage?other=1", "api.bad_query"),
        (&format!("usage?user={somebody}"), "api.bad_query"),
        ("calls?from=7&to=6", "llm.bad_range"),
        ("calls?cursor=x", "llm.bad_cursor"),
        ("calls?limit=0", "api.bad_query"),
        ("calls?limit=1001", "api.bad_query"),
        (&format!("calls?user={somebody}"), "api.bad_query"),
        ("calls/export?form=xml", "api.bad_query"),
        ("calls/export?from=7&to=6", "llm.bad_range"),
        (&format!("calls/export?user={somebody}"), "api.bad_query"),
    ] {
        let refused = eve.refused_to("GET", &format!("/llm/{query}"), Value::Null).await;
        assert_eq!(refused, (400, code.to_owned()), "{query}");
    }
    let refused = ada.refused_to("GET", "/admin/llm/usage?user=nobody", Value::Null).await;
    assert_eq!(refused, (400, "api.bad_query".to_owned()));
    let all: CallPage = ada.ask("GET", "/admin/llm/calls?from=0&to=18446744073709551615", Value::Null).await;
    assert_eq!(all.calls, []);
    server.stop().await;
}

#[tokio::test]
async fn everybody_sees_what_they_may_and_what_is_left() {
    let (server, ada, eve) = site().await;
    let nothing: MyModels = eve.ask("GET", "/llm/me", Value::Null).await;
    assert_eq!((nothing.team, nothing.allowed, nothing.budgets), (None, vec!["*".to_owned()], Vec::new()));
    let policy = json!({
        "prices": prices(),
        "aliases": [{"name": "fast", "targets": [{"model": "up/small"}]}],
        "allowed": [{"role": "member", "models": ["up/s*"]}],
        "teams": [{"id": "01890000-0000-7000-8000-000000000001", "name": "Physics", "members": [eve.token.session.user.id]}],
        "budgets": [
            {"scope": "person", "limit": 1, "period": "month"},
            {"scope": "agent", "limit": 1, "period": "month"},
            {"scope": "token", "limit": 0.5, "period": "day"},
        ],
        "limits": [{"scope": "person", "requests_per_minute": 10}],
    });
    govern(&ada, policy).await;
    ask(&eve, "fast", "codex").await;
    let spent = |me: &MyModels| me.budgets.iter().any(|budget| budget.spent == COST && budget.reserved < budget.limit);
    let me: MyModels = eventually(&eve, "/llm/me", spent).await;
    assert_eq!(
        (me.team.as_deref(), me.allowed, me.aliases),
        (Some("Physics"), vec!["up/s*".to_owned()], vec!["fast".to_owned()])
    );
    let scopes: Vec<_> = me.budgets.iter().map(|budget| budget.scope).collect();
    assert_eq!(scopes, [BudgetScope::Person], "which agent will ask is not known, and a login is no token");
    assert_eq!(
        (me.limits[0].scope, me.limits[0].requests_per_minute, me.keeps_content),
        (LimitScope::Person, Some(10), false)
    );
    let token = eve.with_token(&["llm"]).await;
    let me: MyModels = token.ask("GET", "/llm/me", Value::Null).await;
    assert_eq!(me.budgets.len(), 2, "{:?}", me.budgets);
    let reader = eve.with_token(&["usage:read"]).await;
    assert_eq!(reader.refused_to("GET", "/llm/me", Value::Null).await, (403, "auth.scope".to_owned()));
    // Of what is allowed it is asked at the door as well.
    let refused = refusal(question(&eve, "up/broken").send().await.unwrap()).await;
    assert_eq!(refused, (403, "llm.not_allowed".to_owned()));
    server.stop().await;
}
