//! What governs who may ask which model, how often, and for how much.

use serde::{Deserialize, Serialize};

use super::Usd;
use crate::auth::Role;
use crate::id::{TeamId, UserId};

/// Everything that admins say about models, as one document.
///
/// Names of models may hold `*`, which stands for any text. Where several entries fit, the first one counts, unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Other names for models, and where they lead.
    pub aliases: Vec<Alias>,
    /// Which roles may ask which models. A role that is not named may ask all.
    pub allowed: Vec<AllowedModels>,
    /// Prices, before those that are built in.
    pub prices: Vec<ModelPrice>,
    /// Bounds on money. Every one that fits counts.
    pub budgets: Vec<Budget>,
    /// Bounds on requests and tokens. Every one that fits counts.
    pub limits: Vec<Limit>,
    /// Teams: people who share keys and budgets.
    pub teams: Vec<Team>,
}

/// The policy and its version. Body of `GET` and `PUT /admin/llm/policy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyInForce {
    /// Counts the changes. Whoever changes it says which version they saw, so that nobody undoes what they never saw.
    pub version: u64,
    /// The policy.
    pub policy: Policy,
}

/// Another name for models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// What is asked for: `fast`, `claude-*`.
    pub name: String,
    /// Where it leads: one of them by weight, the others where that one fails. These are names of models, never of other aliases.
    pub targets: Vec<AliasTarget>,
    /// Models that are asked one after another where all targets fail.
    #[serde(default)]
    pub fallbacks: Vec<String>,
}

/// A model that an alias leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AliasTarget {
    /// `upstream/model`.
    pub model: String,
    /// How often it is taken, relative to the others; 1 unless set.
    #[serde(default = "one")]
    pub weight: u32,
}

fn one() -> u32 {
    1
}

/// Which models a role may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AllowedModels {
    /// The role.
    pub role: Role,
    /// Names of models as `upstream/model`, after aliases were followed.
    pub models: Vec<String>,
}

/// What a model costs, in US dollars for a million tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ModelPrice {
    /// Names of models as `upstream/model`.
    pub model: String,
    /// Tokens read.
    pub input: Usd,
    /// Tokens written, thoughts included.
    pub output: Usd,
    /// Tokens read from the upstream's cache; as others where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<Usd>,
    /// Tokens written into the upstream's cache; as others where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Usd>,
    /// Most tokens of one answer, where known: what is reserved for an answer without a bound of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
}

/// What a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BudgetScope {
    /// This server, for everybody together.
    Instance,
    /// A team.
    Team,
    /// A person.
    Person,
    /// A workspace.
    Workspace,
    /// An agent: the program that asks, as it names itself.
    Agent,
    /// A personal access token.
    Token,
}

impl BudgetScope {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Instance, Self::Team, Self::Person, Self::Workspace, Self::Agent, Self::Token];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Team => "team",
            Self::Person => "person",
            Self::Workspace => "workspace",
            Self::Agent => "agent",
            Self::Token => "token",
        }
    }
}

/// How long a budget lasts, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BudgetPeriod {
    /// A day.
    Day,
    /// A month of the calendar.
    Month,
    /// For good.
    Total,
}

impl BudgetPeriod {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Total];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }
}

/// A bound on money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// What it is for.
    pub scope: BudgetScope,
    /// Which: an identifier, or an agent's name. Absent: each of them has one of its own, unless it is named in another entry for the
    /// same period. Of [`BudgetScope::Instance`] there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// The most, in US dollars.
    pub limit: Usd,
    /// For how long.
    pub period: BudgetPeriod,
}

/// What a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LimitScope {
    /// A team.
    Team,
    /// A person.
    Person,
    /// A personal access token.
    Token,
}

impl LimitScope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Team, Self::Person, Self::Token];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Person => "person",
            Self::Token => "token",
        }
    }
}

/// A bound on requests and tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What it is for.
    pub scope: LimitScope,
    /// Which. Absent: each of them has one of its own, unless it is named in another entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Most requests a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Most tokens a minute, read and written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
}

/// People who share keys and budgets. A person is in one team at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// Identifier.
    pub id: TeamId,
    /// What it is called.
    pub name: String,
    /// Who is in it.
    pub members: Vec<UserId>,
}

/// A budget and what of it is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BudgetState {
    /// What it is for.
    pub scope: BudgetScope,
    /// Which.
    pub of: String,
    /// The most.
    pub limit: Usd,
    /// For how long.
    pub period: BudgetPeriod,
    /// Spent so far.
    pub spent: Usd,
    /// Held for calls under way, and by servers that have just asked or have gone without giving it back.
    pub reserved: Usd,
    /// When it begins anew, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews_at: Option<u64>,
}

/// What of it concerns a person. Body of `GET /llm/me`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MyModels {
    /// The team's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Names of models that may be asked.
    pub allowed: Vec<String>,
    /// Other names for models.
    pub aliases: Vec<String>,
    /// Budgets that count for every call.
    pub budgets: Vec<BudgetState>,
    /// Limits that count for every call.
    pub limits: Vec<Limit>,
    /// What is asked and answered is kept, for the person alone.
    pub keeps_content: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_wire() {
        for scope in BudgetScope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
        for period in BudgetPeriod::ALL {
            assert_eq!(serde_json::to_value(period).unwrap(), period.name());
        }
        for scope in LimitScope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
    }

    #[test]
    fn a_policy_says_only_what_it_means_and_nothing_unknown() {
        let text = r#"{"version":3,"policy":{
            "aliases":[{"name":"fast","targets":[{"model":"a/b"}]}],
            "allowed":[{"role":"member","models":["a/*"]}],
            "prices":[{"model":"a/*","input":0.5,"output":2,"max_output_tokens":100}],
            "budgets":[{"scope":"person","limit":20,"period":"month"},{"scope":"agent","of":"codex","limit":0.05,"period":"day"}],
            "limits":[{"scope":"token","requests_per_minute":10}]}}"#;
        let policy: PolicyInForce = serde_json::from_str(text).unwrap();
        assert_eq!(policy.policy.aliases[0].targets[0].weight, 1);
        assert_eq!(policy.policy.budgets[1].of.as_deref(), Some("codex"));
        let again = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<PolicyInForce>(&again).unwrap(), policy);
        for bad in [
            r#"{"version":1,"policy":{"alias":[]}}"#,
            r#"{"version":1,"policy":{"budgets":[{"scope":"person","limit":-1,"period":"day"}]}}"#,
            r#"{"version":1,"policy":{"budgets":[{"scope":"role","limit":1,"period":"day"}]}}"#,
            r#"{"policy":{}}"#,
        ] {
            assert!(serde_json::from_str::<PolicyInForce>(bad).is_err(), "{bad}");
        }
    }
}
