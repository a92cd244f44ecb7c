//! What people asked models and were answered, where they want it kept.

use serde::{Deserialize, Serialize};

use super::Door;
use crate::id::CallId;

/// What a person wants kept. Body of `GET` and `PUT /llm/history/settings`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HistorySettings {
    /// What is asked and answered is kept from now on. Without it nothing is, and what was kept is deleted.
    pub keeps_content: bool,
}

/// Whether a person's conversations are kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryTerms {
    /// What is asked and answered is kept.
    pub keeps_content: bool,
    /// After how many days what is kept is deleted.
    pub keep_days: u32,
}

/// A conversation that is kept, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryEntry {
    /// The call.
    pub id: CallId,
    /// When it began, in milliseconds since 1970.
    pub at: u64,
    /// What answered, as `upstream/model`.
    pub model: String,
    /// In which dialect.
    pub door: Door,
    /// Length of what is kept of it, in bytes.
    pub bytes: u64,
}

/// Some of the conversations, the latest first. Body of `GET /llm/history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryPage {
    /// The conversations.
    pub entries: Vec<HistoryEntry>,
    /// The next page begins behind this one; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<CallId>,
}

/// A conversation with its content. Body of `GET /llm/history/{id}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryItem {
    /// Which it is.
    pub entry: HistoryEntry,
    /// The request as it was sent, in its dialect. A mark stands at its end where it was too long.
    pub question: String,
    /// The answer as it was sent back, in its dialect. A mark stands at its end where it was too long.
    pub answer: String,
}

impl std::fmt::Debug for HistoryItem {
    /// Shows nothing of what was said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistoryItem").field("entry", &self.entry).finish_non_exhaustive()
    }
}
