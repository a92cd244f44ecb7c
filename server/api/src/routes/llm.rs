//! `/llm`: which models there are.

use axum::Json;
use axum::extract::{Query, State};
use coditect_protocol::chat::ModelList;
use serde::Deserialize;

use crate::AppState;
use crate::error::ApiError;
use crate::identity::Caller;

#[derive(Deserialize)]
pub(super) struct ListQuery {
    /// Ask the upstreams again.
    #[serde(default)]
    refresh: bool,
}

pub(super) async fn models(
    State(state): State<AppState>,
    _: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<ModelList>, ApiError> {
    Ok(Json(state.models.list(query.refresh).await))
}
