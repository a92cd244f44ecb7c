//! `/llm/usage`, `/llm/calls` and the same below `/admin`: who asked models for what, and what it cost.

use std::collections::{HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use coditect_auth::Identity;
use coditect_metering::{CallFilter, ReportQuery};
use coditect_protocol::auth::Scope;
use coditect_protocol::llm::{CallPage, Step, UsageBy, UsageReport};
use coditect_protocol::{Kind, UserId};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;

use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::Caller;
use crate::routes::refusals::Refusals;

/// How long before its end a time begins, unless that is said: 30 days, in milliseconds.
const USUAL_TIME_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Calls told at a time, unless asked for fewer or more.
const PER_PAGE: usize = 100;
/// Most calls told at a time.
const MAX_PER_PAGE: usize = 1_000;
/// People whose names are looked up one after another,
const NAMES_IN_A_ROW: usize = 64;
/// and such rows at once.
const ROWS_AT_ONCE: usize = 16;

pub(in crate::routes) const REPORT: &[Refusals] =
    &[&[(Kind::Invalid, &["api.bad_query", "llm.bad_range"]), (Kind::TooLarge, &["llm.report_too_large"])]];
pub(in crate::routes) const CALLS: &[Refusals] =
    &[&[(Kind::Invalid, &["api.bad_query", "llm.bad_range", "llm.bad_cursor"])]];

const BAD_REPORT: ApiFault = ApiFault::BadQuery(
    "`from` and `to` take milliseconds since 1970, `step` is hour or day, `by` is model, agent or workspace.",
);
const BAD_REPORT_OF_ALL: ApiFault = ApiFault::BadQuery(
    "`from` and `to` take milliseconds since 1970, `step` is hour or day, `by` is model, agent, workspace or person, `user` takes \
     the id of a person.",
);
const BAD_CALLS: ApiFault = ApiFault::BadQuery(
    "`from` and `to` take milliseconds since 1970, `cursor` is `next` of the page before, `limit` is 1 to 1000.",
);
const BAD_CALLS_OF_ALL: ApiFault = ApiFault::BadQuery(
    "`from` and `to` take milliseconds since 1970, `cursor` is `next` of the page before, `limit` is 1 to 1000, `user` takes the id \
     of a person.",
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct UsageQuery {
    from: Option<u64>,
    to: Option<u64>,
    #[serde(default)]
    step: Step,
    #[serde(default)]
    by: UsageBy,
    user: Option<UserId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct CallsQuery {
    from: Option<u64>,
    to: Option<u64>,
    cursor: Option<String>,
    limit: Option<usize>,
    user: Option<UserId>,
}

/// Sums over what the person asked, by hours or days. A step counts whole where a part of it lies within the time.
#[utoipa::path(get, path = "/llm/usage", operation_id = "report_own_usage", tag = "llm",
    params(
        ("from" = Option<u64>, Query, description = "Milliseconds since 1970; 30 days before `to` unless said."),
        ("to" = Option<u64>, Query, description = "Milliseconds since 1970, not included; now unless said."),
        ("step" = Option<Step>, Query, description = "Length of the periods; days unless said."),
        ("by" = Option<UsageBy>, Query, description = "What is told apart: models unless said; not people."),
    ),
    responses((status = 200, body = UsageReport)))]
pub(in crate::routes) async fn report_own(
    State(state): State<AppState>,
    Caller(identity): Caller,
    query: Result<Query<UsageQuery>, QueryRejection>,
) -> Result<Json<UsageReport>, ApiError> {
    let Query(query) = query.map_err(|_| BAD_REPORT)?;
    if query.user.is_some() || query.by == UsageBy::Person {
        return Err(BAD_REPORT.into());
    }
    let mut report = state.gateway.metering().report(&query.asked(Some(identity.user.id))).await?;
    if query.by == UsageBy::Workspace {
        fill_in(&mut report, &workspaces(&state, &identity).await?);
    }
    Ok(Json(report))
}

/// Sums over what everybody asked, or one person.
#[utoipa::path(get, path = "/admin/llm/usage", operation_id = "report_usage", tag = "admin",
    params(
        ("from" = Option<u64>, Query, description = "Milliseconds since 1970; 30 days before `to` unless said."),
        ("to" = Option<u64>, Query, description = "Milliseconds since 1970, not included; now unless said."),
        ("step" = Option<Step>, Query, description = "Length of the periods; days unless said."),
        ("by" = Option<UsageBy>, Query, description = "What is told apart; models unless said."),
        ("user" = Option<UserId>, Query, description = "Of this person only."),
    ),
    responses((status = 200, body = UsageReport)))]
pub(in crate::routes) async fn report(
    State(state): State<AppState>,
    query: Result<Query<UsageQuery>, QueryRejection>,
) -> Result<Json<UsageReport>, ApiError> {
    let Query(query) = query.map_err(|_| BAD_REPORT_OF_ALL)?;
    let mut report = state.gateway.metering().report(&query.asked(query.user)).await?;
    if query.by == UsageBy::Person {
        let names = people(&state, &report).await;
        fill_in(&mut report, &names);
    }
    Ok(Json(report))
}

/// The person's calls, the latest first. A page may hold fewer than asked for, or none, and still not be the last.
#[utoipa::path(get, path = "/llm/calls", operation_id = "list_own_calls", tag = "llm",
    params(
        ("from" = Option<u64>, Query, description = "Milliseconds since 1970; 30 days before `to` unless said."),
        ("to" = Option<u64>, Query, description = "Milliseconds since 1970, not included; now unless said."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Calls at a time; 100 unless said."),
    ),
    responses((status = 200, body = CallPage)))]
pub(in crate::routes) async fn calls_own(
    State(state): State<AppState>,
    Caller(identity): Caller,
    query: Result<Query<CallsQuery>, QueryRejection>,
) -> Result<Json<CallPage>, ApiError> {
    let Ok(Query(query @ CallsQuery { user: None, .. })) = query else { return Err(BAD_CALLS.into()) };
    page(&state, Some(identity.user.id), &query, BAD_CALLS).await
}

/// Everybody's calls, or one person's, the latest first.
#[utoipa::path(get, path = "/admin/llm/calls", operation_id = "list_calls", tag = "admin",
    params(
        ("from" = Option<u64>, Query, description = "Milliseconds since 1970; 30 days before `to` unless said."),
        ("to" = Option<u64>, Query, description = "Milliseconds since 1970, not included; now unless said."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Calls at a time; 100 unless said."),
        ("user" = Option<UserId>, Query, description = "Of this person only."),
    ),
    responses((status = 200, body = CallPage)))]
pub(in crate::routes) async fn calls(
    State(state): State<AppState>,
    query: Result<Query<CallsQuery>, QueryRejection>,
) -> Result<Json<CallPage>, ApiError> {
    let Query(query) = query.map_err(|_| BAD_CALLS_OF_ALL)?;
    page(&state, query.user, &query, BAD_CALLS_OF_ALL).await
}

async fn page(
    state: &AppState,
    user: Option<UserId>,
    query: &CallsQuery,
    bad: ApiFault,
) -> Result<Json<CallPage>, ApiError> {
    let limit = query.limit.unwrap_or(PER_PAGE);
    if !(1..=MAX_PER_PAGE).contains(&limit) {
        return Err(bad.into());
    }
    let filter = filter(user, query.from, query.to);
    Ok(Json(state.gateway.metering().calls(&filter, query.cursor.as_deref(), limit).await?))
}

impl UsageQuery {
    fn asked(&self, user: Option<UserId>) -> ReportQuery {
        let CallFilter { user, from, to } = filter(user, self.from, self.to);
        ReportQuery { user, from, to, step: self.step, by: self.by }
    }
}

/// The time that is asked for, or the usual one.
pub(super) fn filter(user: Option<UserId>, from: Option<u64>, to: Option<u64>) -> CallFilter {
    let to = to.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    });
    CallFilter { user, from: from.unwrap_or_else(|| to.saturating_sub(USUAL_TIME_MS)), to }
}

/// Names of the workspaces that somebody sees. A token that may not list them is not told here either.
async fn workspaces(state: &AppState, identity: &Identity) -> Result<HashMap<String, String>, ApiError> {
    if identity.require(Scope::WorkspacesRead).is_err() {
        return Ok(HashMap::new());
    }
    let seen = state.workspaces.list(identity.user.id).await?;
    Ok(seen.into_iter().map(|workspace| (workspace.id.to_string(), workspace.name)).collect())
}

/// Names of the people of a report.
async fn people(state: &AppState, report: &UsageReport) -> HashMap<String, String> {
    let ids: HashSet<UserId> = report.rows.iter().filter_map(|row| row.of.parse().ok()).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let rows: Vec<_> = ids.chunks(NAMES_IN_A_ROW).map(<[UserId]>::to_vec).collect();
    let names = stream::iter(rows).map(|some| async move { state.auth.names(&some).await });
    let found: Vec<_> = names.buffer_unordered(ROWS_AT_ONCE).collect().await;
    found.into_iter().flatten().map(|(id, name)| (id.to_string(), name)).collect()
}

fn fill_in(report: &mut UsageReport, names: &HashMap<String, String>) {
    for row in &mut report.rows {
        row.name = names.get(&row.of).cloned();
    }
}
