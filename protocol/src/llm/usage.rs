//! What was asked, and what it cost.

use serde::{Deserialize, Serialize};

use super::Usd;
use crate::id::{CallId, TokenId, UserId, WorkspaceId};

/// Tokens of calls. All that were read and all that were written, whatever was cached or thought among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CallTokens {
    /// Read.
    pub input: u64,
    /// Of those read, how many came from the upstream's cache.
    pub cached: u64,
    /// Of those read, how many went into the upstream's cache.
    pub cache_write: u64,
    /// Written.
    pub output: u64,
    /// Of those written, how many were thoughts.
    pub reasoning: u64,
}

/// In which dialect a call was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// Chat completions.
    Chat,
    /// Responses.
    Responses,
    /// Messages.
    Anthropic,
    /// Contents.
    Gemini,
    /// Embeddings.
    Embeddings,
    /// This server's own page.
    Ide,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Chat, Self::Responses, Self::Anthropic, Self::Gemini, Self::Embeddings, Self::Ide];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Embeddings => "embeddings",
            Self::Ide => "ide",
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// The answer is whole.
    Ok,
    /// Who asked went away or cancelled it.
    Cancelled,
    /// The upstream refused it, or failed before it answered.
    Refused,
    /// The answer broke off.
    BrokeOff,
    /// The budget was used up in the middle of it.
    OutOfMoney,
}

impl CallOutcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Cancelled, Self::Refused, Self::BrokeOff, Self::OutOfMoney];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::BrokeOff => "broke_off",
            Self::OutOfMoney => "out_of_money",
        }
    }
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CallRecord {
    /// Identifier, also in the answer's header `x-coditect-call`.
    pub id: CallId,
    /// When it began, in milliseconds since 1970.
    pub at: u64,
    /// Who asked.
    pub user: UserId,
    /// With which personal access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenId>,
    /// In which workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceId>,
    /// With which program, as it names itself.
    pub agent: String,
    /// In which dialect.
    pub door: Door,
    /// What was asked for.
    pub asked: String,
    /// What answered or was asked last, as `upstream/model`. Empty where the call was refused before.
    pub model: String,
    /// Tokens.
    pub tokens: CallTokens,
    /// The upstream did not tell the tokens; they are estimated.
    pub estimated: bool,
    /// What it cost.
    pub cost: Usd,
    /// A key of the person's own paid for it.
    pub own_key: bool,
    /// Until the first token, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_us: Option<u64>,
    /// In all, in microseconds.
    pub total_us: u64,
    /// How often it was asked again, of another upstream or the same.
    pub retries: u32,
    /// How it ended.
    pub outcome: CallOutcome,
    /// Why it did not go well: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Some of the calls, the latest first. Body of `GET /llm/calls` and `GET /admin/llm/calls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CallPage {
    /// The calls.
    pub calls: Vec<CallRecord>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Sums over calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageTotals {
    /// Calls.
    pub calls: u64,
    /// Of them, how many did not go well.
    pub failures: u64,
    /// Tokens.
    pub tokens: CallTokens,
    /// What they cost.
    pub cost: Usd,
    /// All times until the first token together, in microseconds.
    pub first_token_us: u64,
    /// Calls of which that time is known.
    pub first_tokens: u64,
    /// All times together, in microseconds.
    pub total_us: u64,
}

/// Lengths of the periods of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Hours.
    Hour,
    /// Days, in UTC.
    #[default]
    Day,
}

/// What a report tells apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    /// Models.
    #[default]
    Model,
    /// Agents.
    Agent,
    /// Workspaces.
    Workspace,
    /// People. Only for admins.
    Person,
}

/// Sums of one period and one of what is told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageRow {
    /// When the period begins, in milliseconds since 1970.
    pub at: u64,
    /// The model, agent, workspace or person.
    pub of: String,
    /// Its name for people, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The sums.
    pub totals: UsageTotals,
}

/// Sums over a time. Body of `GET /llm/usage` and `GET /admin/llm/usage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageReport {
    /// Length of the periods.
    pub step: Step,
    /// What is told apart.
    pub by: UsageBy,
    /// By time, then by cost, the dearest first.
    pub rows: Vec<UsageRow>,
    /// Over all of it.
    pub totals: UsageTotals,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_wire() {
        for door in Door::ALL {
            assert_eq!(serde_json::to_value(door).unwrap(), door.name());
        }
        for outcome in CallOutcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
        }
    }

    #[test]
    fn a_record_comes_back_and_needs_only_what_it_has() {
        let text = r#"{"id":"0190a6c8-7f5e-7c3a-8b1f-000000000001","at":5,"user":"0190a6c8-7f5e-7c3a-8b1f-000000000002",
            "agent":"ide","door":"chat","asked":"fast","model":"a/b","tokens":{"input":1,"cached":0,"cache_write":0,
            "output":2,"reasoning":0},"estimated":false,"cost":0.25,"own_key":false,"total_us":7,"retries":0,"outcome":"broke_off"}"#;
        let record: CallRecord = serde_json::from_str(text).unwrap();
        assert_eq!(record.cost, Usd::from_nanos(250_000_000));
        let again = serde_json::to_value(&record).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert!(serde_json::from_str::<CallRecord>(&text.replace("\"chat\"", "\"other\"")).is_err());
    }
}
