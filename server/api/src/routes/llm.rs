//! `/llm`: which models there are.

use axum::Json;
use axum::extract::{Query, State};
use coditect_protocol::chat::ModelList;
use serde::Deserialize;

use crate::AppState;
use crate::error::ApiError;

#[derive(Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    refresh: bool,
}

/// The models there are, and what is wrong with model servers that give none.
#[utoipa::path(get, path = "/llm/models", tag = "llm",
    params(("refresh" = Option<bool>, Query, description = "Ask the model servers again.")),
    responses((status = 200, body = ModelList)))]
pub(super) async fn models(
    State(state): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<ModelList>, ApiError> {
    Ok(Json(state.models.list(query.refresh).await))
}
