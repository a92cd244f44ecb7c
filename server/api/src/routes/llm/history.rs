//! `/llm/history`: what a person asked and was answered, kept where they want it and shown to nobody else.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use coditect_protocol::llm::{HistoryItem, HistoryPage, HistorySettings, HistoryTerms};
use coditect_protocol::{CallId, Kind};
use http::StatusCode;
use serde::Deserialize;

use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::Caller;
use crate::problem::Body;
use crate::routes::named::Named;
use crate::routes::refusals::Refusals;

/// Conversations told at a time, unless asked for fewer or more.
const PER_PAGE: usize = 50;
/// Most conversations told at a time.
const MAX_PER_PAGE: usize = coditect_llm::history::PAGE_MAX;

pub(in crate::routes) const LIST: &[Refusals] = &[&[(Kind::Invalid, &["api.bad_query"])]];
pub(in crate::routes) const ONE: &[Refusals] = &[&[(Kind::NotFound, &["llm.conversation_not_found"])]];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct PageQuery {
    cursor: Option<CallId>,
    limit: Option<usize>,
}

/// Whether what the person asks models and is answered is kept for them.
#[utoipa::path(get, path = "/llm/history/settings", operation_id = "show_history_settings", tag = "llm",
    responses((status = 200, body = HistoryTerms)))]
pub(in crate::routes) async fn settings(
    State(state): State<AppState>,
    Caller(identity): Caller,
) -> Result<Json<HistoryTerms>, ApiError> {
    Ok(Json(state.gateway.history().terms(identity.user.id).await?))
}

/// Says whether it is kept. Where it is not to be any more, all that was kept is deleted.
#[utoipa::path(put, path = "/llm/history/settings", operation_id = "change_history_settings", tag = "llm",
    request_body = HistorySettings, responses((status = 200, body = HistoryTerms)))]
pub(in crate::routes) async fn change_settings(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Body(wanted): Body<HistorySettings>,
) -> Result<Json<HistoryTerms>, ApiError> {
    let history = state.gateway.history();
    history.set_consent(identity.user.id, wanted.keeps_content).await?;
    Ok(Json(history.terms(identity.user.id).await?))
}

/// The conversations that are kept, without their content, the latest first.
#[utoipa::path(get, path = "/llm/history", operation_id = "list_history", tag = "llm",
    params(
        ("cursor" = Option<CallId>, Query, description = "`next` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Conversations at a time; 50 unless said."),
    ),
    responses((status = 200, body = HistoryPage)))]
pub(in crate::routes) async fn list(
    State(state): State<AppState>,
    Caller(identity): Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<HistoryPage>, ApiError> {
    let bad = ApiFault::BadQuery("`cursor` takes the id of a conversation, `limit` a number from 1 to 200.");
    let Ok(Query(query)) = query else { return Err(bad.into()) };
    let limit = query.limit.unwrap_or(PER_PAGE);
    if !(1..=MAX_PER_PAGE).contains(&limit) {
        return Err(bad.into());
    }
    Ok(Json(state.gateway.history().list(identity.user.id, query.cursor, limit).await?))
}

/// One conversation with its content, in the words of its dialect.
#[utoipa::path(get, path = "/llm/history/{id}", operation_id = "show_conversation", tag = "llm", params(("id" = CallId, Path)),
    responses((status = 200, body = HistoryItem)))]
pub(in crate::routes) async fn show(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<CallId>,
) -> Result<Json<HistoryItem>, ApiError> {
    let found = state.gateway.history().show(identity.user.id, id).await?;
    Ok(Json(found.ok_or(ApiFault::NoSuchConversation)?))
}

/// Deletes a conversation, if it is still there.
#[utoipa::path(delete, path = "/llm/history/{id}", operation_id = "delete_conversation", tag = "llm",
    params(("id" = CallId, Path)), responses((status = 204, description = "It is gone.")))]
pub(in crate::routes) async fn delete(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<CallId>,
) -> Result<StatusCode, ApiError> {
    state.gateway.history().delete(identity.user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes all that was kept up to now. What is asked from now on is kept as before.
#[utoipa::path(delete, path = "/llm/history", operation_id = "delete_history", tag = "llm",
    responses((status = 204, description = "All of it is gone.")))]
pub(in crate::routes) async fn delete_all(
    State(state): State<AppState>,
    Caller(identity): Caller,
) -> Result<StatusCode, ApiError> {
    state.gateway.history().delete_all(identity.user.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
