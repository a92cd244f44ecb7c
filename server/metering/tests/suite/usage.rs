//! Records and sums.

use std::time::{SystemTime, UNIX_EPOCH};

use coditect_metering::{CallFilter, ExportForm, Metering, ReportQuery};
use coditect_protocol::llm::{CallOutcome, CallRecord, Step, UsageBy, UsageReport, Usd};
use coditect_protocol::{Coded as _, UserId};
use coditect_store::Store;

use super::{PRICES, Server, asker, end, price_of};

const HOUR: u64 = 3_600_000;

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn lately(user: Option<UserId>) -> CallFilter {
    CallFilter { user, from: now() - 2 * HOUR, to: now() + 2 * HOUR }
}

/// All calls, page by page.
async fn all(metering: &Metering, filter: &CallFilter, limit: usize) -> Vec<CallRecord> {
    let (mut calls, mut cursor) = (Vec::new(), None);
    loop {
        let page = metering.calls(filter, cursor.as_deref(), limit).await.unwrap();
        assert!(page.calls.len() <= limit);
        calls.extend(page.calls);
        match page.next {
            None => return calls,
            next => cursor = next,
        }
    }
}

async fn report(metering: &Metering, user: Option<UserId>, step: Step, by: UsageBy) -> UsageReport {
    let CallFilter { from, to, .. } = lately(user);
    metering.report(&ReportQuery { user, from, to, step, by }).await.unwrap()
}

pub(crate) async fn every_call_is_recorded_once(store: Store) {
    let servers = [Server::start(&store).await, Server::start(&store).await];
    let mut expected = Vec::new();
    for n in 0..3_000 {
        let admission = servers[usize::try_from(n).unwrap() % 2].metering.admit(&asker(n % 7), 0).unwrap();
        expected.push(admission.id());
        if n % 10 == 0 {
            // Never asked, and so not recorded.
            expected.pop();
            drop(admission);
        } else {
            admission.settle(end(&format!("up/m{}", n % 5), n));
        }
    }
    let [one, other] = servers;
    one.stop().await;
    other.stop().await;
    let reader = Server::start(&store).await;
    let mut found: Vec<_> = all(&reader.metering, &lately(None), 1_000).await.iter().map(|call| call.id).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected);
    let sums = report(&reader.metering, None, Step::Hour, UsageBy::Model).await;
    assert_eq!(sums.totals.calls, 2_700);
    reader.stop().await;
}

pub(crate) async fn reports_and_pages_tell_the_same(store: Store) {
    let server = Server::start(&store).await;
    server.govern(&format!("{{{PRICES}}}")).await;
    for n in 0..200 {
        let mut end = end(if n % 4 == 0 { "up/a" } else { "up/b" }, 10);
        if n % 50 == 0 {
            end.outcome = CallOutcome::Refused;
            end.code = Some("llm.upstream".to_owned());
        }
        server.metering.admit(&asker(n % 3), 0).unwrap().settle(end);
        if n % 60 == 0 {
            server.written().await;
        }
    }
    server.written().await;
    let one = Some(asker(1).user);
    for (user, calls) in [(None, 200), (one, 67)] {
        let whole = all(&server.metering, &lately(user), 1_000).await;
        assert_eq!(whole.len(), calls);
        assert!(whole.iter().all(|call| user.is_none_or(|user| call.user == user)));
        for limit in [1, 7, 64] {
            assert!(all(&server.metering, &lately(user), limit).await == whole, "{limit}");
        }
        let cost = whole.iter().fold(Usd::ZERO, |sum, call| sum.plus(call.cost));
        assert_eq!(cost, price_of(10 * u64::try_from(calls).unwrap()));
        for by in [UsageBy::Model, UsageBy::Agent, UsageBy::Workspace, UsageBy::Person] {
            for step in [Step::Hour, Step::Day] {
                let report = report(&server.metering, user, step, by).await;
                assert_eq!((report.totals.calls, report.totals.cost), (u64::try_from(calls).unwrap(), cost));
                assert_eq!(report.rows.iter().map(|row| row.totals.calls).sum::<u64>(), report.totals.calls);
            }
        }
    }
    let models = report(&server.metering, None, Step::Day, UsageBy::Model).await;
    let of = |model: &str| models.rows.iter().filter(|row| row.of == model).map(|row| row.totals.calls).sum::<u64>();
    assert_eq!((of("up/a"), of("up/b"), models.totals.failures), (50, 150, 4));
    // Of a person, the latest come first.
    let mine = all(&server.metering, &lately(one), 1_000).await;
    assert!(mine.is_sorted_by(|later, earlier| later.at >= earlier.at));
    // Times are kept to the millisecond.
    let at = mine[10].at;
    let exact = CallFilter { user: one, from: at, to: at + 1 };
    let expected = mine.iter().filter(|call| call.at == at).count();
    assert_eq!(all(&server.metering, &exact, 1_000).await.len(), expected);
    // Another person's cursor tells nothing of theirs.
    let page = server.metering.calls(&lately(None), None, 5).await.unwrap();
    let theirs = server.metering.calls(&lately(one), page.next.as_deref(), 1_000).await.unwrap();
    assert!(theirs.calls.iter().all(|call| Some(call.user) == one));
    for (filter, cursor, code) in [
        (lately(None), Some("nonsense"), "llm.bad_cursor"),
        (CallFilter { user: None, from: 5, to: 5 }, None, "llm.bad_range"),
    ] {
        assert_eq!(server.metering.calls(&filter, cursor, 10).await.unwrap_err().code(), code);
    }
    let long = ReportQuery { user: None, from: 0, to: now(), step: Step::Hour, by: UsageBy::Model };
    assert_eq!(server.metering.report(&long).await.unwrap_err().code(), "llm.bad_range");
    server.stop().await;
}

pub(crate) async fn a_document_holds_all_calls(store: Store) {
    let server = Server::start(&store).await;
    for form in [ExportForm::Csv, ExportForm::Json] {
        let empty = document(&server.metering, form).await;
        let expected = if form == ExportForm::Csv { 1 } else { 2 };
        assert_eq!(empty.lines().count(), expected, "{empty}");
    }
    for n in 0..2_500 {
        let mut end = end("up/m", n);
        if n == 7 {
            end.asked = "=HYPERLINK(\"x\",\"y\")".to_owned();
        }
        server.metering.admit(&asker(n % 5), 0).unwrap().settle(end);
    }
    server.written().await;
    let json = document(&server.metering, ExportForm::Json).await;
    let mut calls: Vec<CallRecord> = serde_json::from_str(&json).unwrap();
    calls.sort_by_key(|call| call.tokens.output);
    assert!(calls.iter().map(|call| call.tokens.output).eq(0..2_500));
    let csv = document(&server.metering, ExportForm::Csv).await;
    assert_eq!(csv.matches("\r\n").count(), 2_501);
    assert!(csv.contains("\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""));
    assert!(csv.lines().skip(1).all(|line| line.contains("up/m")));
    server.stop().await;
}

async fn document(metering: &Metering, form: ExportForm) -> String {
    let mut export = metering.export(lately(None), form);
    let mut document = String::new();
    while let Some(part) = export.next().await.unwrap() {
        document.push_str(&part);
    }
    document
}
