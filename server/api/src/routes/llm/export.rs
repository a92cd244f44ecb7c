//! `/llm/calls/export` and `/admin/llm/calls/export`: all calls of a time as one document, made while it is sent.

use axum::body::Body as HttpBody;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use coditect_auth::{AuthError, Identity};
use coditect_metering::{Export, ExportForm};
use coditect_protocol::llm::CallRecord;
use coditect_protocol::{Kind, UserId};
use futures_util::{StreamExt as _, stream};
use http::header;
use serde::Deserialize;

use super::usage::filter;
use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::Caller;
use crate::routes::refusals::Refusals;

pub(in crate::routes) const EXPORT: &[Refusals] = &[&[(Kind::Invalid, &["api.bad_query", "llm.bad_range"])]];

const BAD_EXPORT: ApiFault = ApiFault::BadQuery("`from` and `to` take milliseconds since 1970, `form` is csv or json.");
const BAD_EXPORT_OF_ALL: ApiFault = ApiFault::BadQuery(
    "`from` and `to` take milliseconds since 1970, `form` is csv or json, `user` takes the id of a person.",
);

/// How calls are written.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    /// Comma-separated values, with a line of names.
    #[default]
    Csv,
    /// An array.
    Json,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct ExportQuery {
    from: Option<u64>,
    to: Option<u64>,
    #[serde(default)]
    form: Form,
    user: Option<UserId>,
}

/// All of the person's calls, the latest first, as a download.
#[utoipa::path(get, path = "/llm/calls/export", operation_id = "export_own_calls", tag = "llm",
    params(
        ("from" = Option<u64>, Query, description = "Milliseconds since 1970; 30 days before `to` unless said."),
        ("to" = Option<u64>, Query, description = "Milliseconds since 1970, not included; now unless said."),
        ("form" = Option<String>, Query, description = "`csv` (the default) or `json`."),
    ),
    responses((status = 200, description = "The calls.",
        content((String = "text/csv"), (Vec<CallRecord> = "application/json")))))]
pub(in crate::routes) async fn own(
    State(state): State<AppState>,
    Caller(identity): Caller,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Ok(Query(query @ ExportQuery { user: None, .. })) = query else { return Err(BAD_EXPORT.into()) };
    let user = Some(identity.user.id);
    Sending { state, identity, demand: |identity| identity.require(coditect_protocol::auth::Scope::UsageRead) }
        .begin(user, &query)
        .await
}

/// Everybody's calls, or one person's, the latest first, as a download.
#[utoipa::path(get, path = "/admin/llm/calls/export", operation_id = "export_calls", tag = "admin",
    params(
        ("from" = Option<u64>, Query, description = "Milliseconds since 1970; 30 days before `to` unless said."),
        ("to" = Option<u64>, Query, description = "Milliseconds since 1970, not included; now unless said."),
        ("form" = Option<String>, Query, description = "`csv` (the default) or `json`."),
        ("user" = Option<UserId>, Query, description = "Of this person only."),
    ),
    responses((status = 200, description = "The calls.",
        content((String = "text/csv"), (Vec<CallRecord> = "application/json")))))]
pub(in crate::routes) async fn all(
    State(state): State<AppState>,
    Caller(identity): Caller,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| BAD_EXPORT_OF_ALL)?;
    Sending { state, identity, demand: Identity::require_admin }.begin(query.user, &query).await
}

/// A document on its way to somebody.
struct Sending {
    state: AppState,
    identity: Identity,
    /// What they must be allowed all the while.
    demand: fn(&Identity) -> Result<(), AuthError>,
}

impl Sending {
    async fn begin(self, user: Option<UserId>, query: &ExportQuery) -> Result<Response, ApiError> {
        let (form, name) = match query.form {
            Form::Csv => (ExportForm::Csv, "attachment; filename=\"calls.csv\""),
            Form::Json => (ExportForm::Json, "attachment; filename=\"calls.json\""),
        };
        let mut export = self.state.gateway.metering().export(filter(user, query.from, query.to), form);
        // What cannot be exported is refused as long as the answer has not begun.
        let first = export.next().await?;
        let rest = stream::try_unfold((self, export), |(sending, mut export)| async move {
            let part = sending.next(&mut export).await.map_err(|error| std::io::Error::other(error.into_problem()))?;
            Ok::<_, std::io::Error>(part.map(|part| (part, (sending, export))))
        });
        let headers = [
            (header::CONTENT_TYPE, form.content_type()),
            (header::CONTENT_DISPOSITION, name),
            (header::CACHE_CONTROL, "private, no-store"),
        ];
        Ok((headers, HttpBody::from_stream(stream::iter(first.map(Ok)).chain(rest))).into_response())
    }

    /// The next part, for who may still have it.
    async fn next(&self, export: &mut Export) -> Result<Option<String>, ApiError> {
        (self.demand)(&self.state.auth.check_again(&self.identity).await?)?;
        Ok(export.next().await?)
    }
}
