//! A policy, prepared for being asked. Nothing here is written to; a changed policy is another one of these.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use coditect_protocol::UserId;
use coditect_protocol::auth::Role;
use coditect_protocol::llm::{
    Alias, Budget, BudgetPeriod, BudgetScope, Limit, LimitScope, ModelPrice, Policy, PolicyInForce, Team, Usd,
};
use uuid::Uuid;

use super::fits;
use crate::Asker;
use crate::limits::{Limited, Rate};
use crate::money::{AccountId, Of, Period, built_in};

/// A policy in force.
#[derive(Debug, Default)]
pub struct Rules {
    in_force: PolicyInForce,
    /// Whether the store has told it.
    is_known: bool,
    /// The policy's own, then those that are built in.
    prices: Vec<Arc<ModelPrice>>,
    team_of: HashMap<UserId, usize>,
    budgets: Vec<Budgets>,
    limits: Vec<Limits>,
}

/// Budgets of one scope for one period.
#[derive(Debug)]
struct Budgets {
    scope: BudgetScope,
    period: BudgetPeriod,
    /// Of each that is not named.
    each: Option<Usd>,
    named: HashMap<Of, Usd>,
}

/// Limits of one scope.
#[derive(Debug)]
struct Limits {
    scope: LimitScope,
    /// Of each that is not named.
    each: Option<Limit>,
    named: HashMap<Uuid, Limit>,
}

impl Rules {
    pub(crate) fn new(in_force: PolicyInForce) -> Self {
        let policy = &in_force.policy;
        let prices = policy.prices.iter().cloned().chain(built_in()).map(Arc::new).collect();
        let members =
            |(at, team): (usize, &Team)| team.members.iter().map(move |member| (*member, at)).collect::<Vec<_>>();
        let team_of = policy.teams.iter().enumerate().flat_map(members).collect();
        let (budgets, limits) = (budgets_in(policy), limits_in(policy));
        Self { in_force, is_known: true, prices, team_of, budgets, limits }
    }

    /// The policy and its version.
    #[must_use]
    pub fn in_force(&self) -> &PolicyInForce {
        &self.in_force
    }

    pub(crate) fn is_known(&self) -> bool {
        self.is_known
    }

    fn policy(&self) -> &Policy {
        &self.in_force.policy
    }

    /// The team that a person is in.
    #[must_use]
    pub fn team(&self, user: UserId) -> Option<&Team> {
        self.policy().teams.get(*self.team_of.get(&user)?)
    }

    /// Where another name leads: the first that fits. What it leads to is a model, and not looked up again.
    #[must_use]
    pub fn alias(&self, asked: &str) -> Option<&Alias> {
        self.policy().aliases.iter().find(|alias| fits(&alias.name, asked))
    }

    /// All other names for models.
    #[must_use]
    pub fn aliases(&self) -> &[Alias] {
        &self.policy().aliases
    }

    /// What a role may ask; nothing where it may ask all.
    #[must_use]
    pub fn allowed(&self, role: Role) -> Option<&[String]> {
        self.policy().allowed.iter().find(|entry| entry.role == role).map(|entry| entry.models.as_slice())
    }

    /// Whether a role may ask a model (`upstream/model`).
    #[must_use]
    pub fn may_ask(&self, role: Role, model: &str) -> bool {
        self.allowed(role).is_none_or(|patterns| patterns.iter().any(|pattern| fits(pattern, model)))
    }

    /// The most tokens of an answer of a model (`upstream/model`): as the policy's own price says, or else as is built in.
    #[must_use]
    pub fn max_output(&self, model: &str) -> Option<u64> {
        let policys = self.price_of(model, true).and_then(|price| price.max_output_tokens);
        policys.or_else(|| self.built_in_max_output(model))
    }

    /// The most tokens that a model of a maker's own server writes at all, whatever the policy's price says.
    pub(crate) fn built_in_max_output(&self, model: &str) -> Option<u64> {
        let built_in = self.prices.get(self.policy().prices.len()..).unwrap_or_default();
        built_in.iter().find(|price| fits(&price.model, model))?.max_output_tokens
    }

    /// The price of a model (`upstream/model`) for a call. What is built in is the price of the makers' own servers, and no local one's.
    pub(crate) fn price_of(&self, model: &str, is_local: bool) -> Option<Arc<ModelPrice>> {
        let most = if is_local { self.policy().prices.len() } else { self.prices.len() };
        self.prices.iter().take(most).find(|price| fits(&price.model, model)).cloned()
    }

    /// Every budget that counts for a call, with its limit. One that a key of the person's own pays for is not the instance's and not the
    /// team's business.
    pub(crate) fn budgets(
        &self,
        asker: &Asker,
        own_key: bool,
        now: SystemTime,
    ) -> impl Iterator<Item = (AccountId, Usd)> {
        let is_ours =
            move |budgets: &&Budgets| !own_key || !matches!(budgets.scope, BudgetScope::Instance | BudgetScope::Team);
        let of_policy = self.budgets.iter().filter(is_ours).filter_map(move |budgets| {
            let of = self.budget_of(budgets.scope, asker)?;
            let limit = budgets.named.get(&of).copied().or(budgets.each)?;
            Some((AccountId { period: Period::at(budgets.period, now), scope: budgets.scope, of }, limit))
        });
        of_policy.chain(asker.allowance.as_ref().map(|allowance| {
            let (period, of) = (Period::at(BudgetPeriod::Day, now), Of::Agent(allowance.of()));
            (AccountId { period, scope: BudgetScope::Agent, of }, allowance.usd_per_day())
        }))
    }

    fn budget_of(&self, scope: BudgetScope, asker: &Asker) -> Option<Of> {
        match scope {
            BudgetScope::Instance => Some(Of::Instance),
            BudgetScope::Team => self.team(asker.user).map(|team| Of::Id(team.id.0)),
            BudgetScope::Person => Some(Of::Id(asker.user.0)),
            BudgetScope::Workspace => asker.workspace.map(|workspace| Of::Id(workspace.0)),
            BudgetScope::Agent => Some(Of::Agent(asker.agent.clone())),
            BudgetScope::Token => asker.token.map(|token| Of::Id(token.0)),
        }
    }

    /// Every limit that counts for a call, with whose it is.
    pub(crate) fn limits<'a>(&'a self, asker: &'a Asker) -> impl Iterator<Item = (Uuid, &'a Limit)> {
        self.limits.iter().filter_map(|limits| {
            let of = match limits.scope {
                LimitScope::Team => self.team(asker.user)?.id.0,
                LimitScope::Person => asker.user.0,
                LimitScope::Token => asker.token?.0,
            };
            limits.named.get(&of).or(limits.each.as_ref()).map(|limit| (of, limit))
        })
    }

    /// The same, one by one of what they limit.
    pub(crate) fn rates<'a>(&'a self, asker: &'a Asker) -> impl Iterator<Item = Rate> {
        self.limits(asker).flat_map(|(of, limit)| {
            let rate = move |what, per_minute| Rate { what, scope: limit.scope, of, per_minute };
            let requests = limit.requests_per_minute.map(|most| rate(Limited::Requests, most));
            requests.into_iter().chain(limit.tokens_per_minute.map(|most| rate(Limited::Tokens, most)))
        })
    }
}

fn budgets_in(policy: &Policy) -> Vec<Budgets> {
    let mut all: Vec<Budgets> = Vec::new();
    for Budget { scope, of, limit, period } in &policy.budgets {
        let known = all.iter().position(|other| (other.scope, other.period) == (*scope, *period));
        let at = known.unwrap_or_else(|| {
            all.push(Budgets { scope: *scope, period: *period, each: None, named: HashMap::new() });
            all.len() - 1
        });
        match (scope, of) {
            (_, None) => all[at].each = Some(*limit),
            (BudgetScope::Agent, Some(name)) => {
                all[at].named.insert(Of::Agent(name.as_str().into()), *limit);
            }
            (_, Some(id)) => {
                // Whatever is in force was checked.
                all[at].named.extend(id.parse().ok().map(|id| (Of::Id(id), *limit)));
            }
        }
    }
    all
}

fn limits_in(policy: &Policy) -> Vec<Limits> {
    let of_scope = |scope: LimitScope| {
        let entries = || policy.limits.iter().filter(move |limit| limit.scope == scope);
        let named = entries().filter_map(|limit| Some((limit.of.as_ref()?.parse().ok()?, limit.clone()))).collect();
        let each = entries().find(|limit| limit.of.is_none()).cloned();
        Limits { scope, each, named }
    };
    let all = LimitScope::ALL.map(of_scope);
    all.into_iter().filter(|limits| limits.each.is_some() || !limits.named.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use coditect_protocol::{TeamId, TokenId, WorkspaceId};

    use super::*;
    use crate::Allowance;

    fn asker(user: u128, agent: &str) -> Asker {
        Asker {
            user: UserId(Uuid::from_u128(user)),
            role: Role::Member,
            token: None,
            workspace: None,
            agent: agent.into(),
            allowance: None,
        }
    }

    fn rules(json: &str) -> Rules {
        Rules::new(PolicyInForce { version: 1, policy: serde_json::from_str(json).unwrap() })
    }

    #[test]
    fn a_named_budget_goes_before_that_of_each() {
        let (one, team) = (Uuid::from_u128(1), Uuid::from_u128(9));
        let rules = rules(&format!(
            r#"{{"budgets":[
                {{"scope":"person","limit":5,"period":"day"}},
                {{"scope":"person","of":"{one}","limit":7,"period":"day"}},
                {{"scope":"person","limit":50,"period":"month"}},
                {{"scope":"instance","limit":100,"period":"month"}},
                {{"scope":"team","of":"{team}","limit":20,"period":"month"}},
                {{"scope":"agent","of":"codex","limit":1,"period":"total"}},
                {{"scope":"token","limit":2,"period":"total"}}],
              "teams":[{{"id":"{team}","name":"t","members":["{one}"]}}]}}"#
        ));
        let budgets = |asker: &Asker, own_key: bool| {
            let mut all: Vec<_> = rules
                .budgets(asker, own_key, SystemTime::now())
                .map(|(id, limit)| (id.scope.name(), id.period.kind().name(), limit.nanos() / 1_000_000_000))
                .collect();
            all.sort_unstable();
            all
        };
        let shared = [("instance", "month", 100), ("person", "day", 5), ("person", "month", 50)];
        assert_eq!(budgets(&asker(2, "ide"), false), shared);
        assert_eq!(
            budgets(&asker(1, "codex"), false),
            [
                ("agent", "total", 1),
                ("instance", "month", 100),
                ("person", "day", 7),
                ("person", "month", 50),
                ("team", "month", 20)
            ]
        );
        assert_eq!(
            budgets(&Asker { token: Some(TokenId(one)), ..asker(1, "ide") }, true),
            [("person", "day", 7), ("person", "month", 50), ("token", "total", 2)]
        );
        assert_eq!(rules.team(UserId(one)).unwrap().id, TeamId(team));
        // What a program was given counts with the rest of its budgets, and mixes with no agent's of any name.
        let allowance = |program: &str, workspace: u128| {
            let workspace = WorkspaceId(Uuid::from_u128(workspace));
            let allowance = Allowance::of_program(program, UserId(one), workspace, Usd::from_nanos(3_000_000_000));
            Asker { allowance: Some(allowance), ..asker(1, "codex") }
        };
        assert_eq!(budgets(&allowance("a", 1), false).len(), 6);
        assert_eq!(budgets(&allowance("a", 1), true)[..2], [("agent", "day", 3), ("agent", "total", 1)]);
        let accounts = |asker: &Asker| rules.budgets(asker, true, SystemTime::now()).map(|(id, _)| id).last().unwrap();
        let all = [accounts(&allowance("a", 1)), accounts(&allowance("a", 2)), accounts(&allowance("b", 1))];
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    }

    #[test]
    fn limits_count_for_whom_they_fit() {
        let one = Uuid::from_u128(1);
        let rules = rules(&format!(
            r#"{{"limits":[
                {{"scope":"person","requests_per_minute":5,"tokens_per_minute":100}},
                {{"scope":"person","of":"{one}","requests_per_minute":7}},
                {{"scope":"token","tokens_per_minute":9}}]}}"#
        ));
        let rates =
            |asker: &Asker| rules.rates(asker).map(|rate| (rate.scope, rate.what, rate.per_minute)).collect::<Vec<_>>();
        let (requests, tokens) = (Limited::Requests, Limited::Tokens);
        assert_eq!(rates(&asker(2, "a")), [(LimitScope::Person, requests, 5), (LimitScope::Person, tokens, 100)]);
        assert_eq!(
            rates(&Asker { token: Some(TokenId(one)), ..asker(1, "a") }),
            [(LimitScope::Person, requests, 7), (LimitScope::Token, tokens, 9)]
        );
    }

    #[test]
    fn names_prices_and_roles() {
        let rules = rules(
            r#"{"aliases":[{"name":"fast","targets":[{"model":"a/b"}]},{"name":"f*","targets":[{"model":"c/d"}]}],
                "allowed":[{"role":"member","models":["a/*"]}],
                "prices":[{"model":"openai/gpt-5","input":1,"output":1},{"model":"local/*","input":2,"output":2}]}"#,
        );
        assert_eq!(rules.alias("fast").unwrap().targets[0].model, "a/b");
        assert_eq!(rules.alias("fox").unwrap().targets[0].model, "c/d");
        assert!(rules.alias("slow").is_none());
        assert!(rules.may_ask(Role::Member, "a/b") && !rules.may_ask(Role::Member, "c/d"));
        assert!(rules.may_ask(Role::Admin, "c/d"));
        assert_eq!(rules.price_of("openai/gpt-5", false).unwrap().input.nanos(), 1_000_000_000);
        assert_eq!(rules.price_of("openai/gpt-5-mini", false).unwrap().input.nanos(), 250_000_000);
        assert!(rules.price_of("other/model", false).is_none());
        // A local server that calls itself as a maker does not cost what the maker takes, unless an admin says so.
        assert!(rules.price_of("openai/gpt-5-mini", true).is_none());
        assert!(rules.price_of("openai/gpt-5-mini", false).is_some());
        assert!(rules.price_of("local/x", true).is_some());
    }

    #[test]
    fn a_price_of_the_policys_own_hides_no_known_most() {
        let rules = rules(
            r#"{"prices":[{"model":"openai/gpt-5-mini","input":1,"output":1,"max_output_tokens":9},
                {"model":"openai/*","input":1,"output":1}]}"#,
        );
        assert_eq!(rules.max_output("openai/gpt-5-2025-08-07"), Some(128_000));
        assert_eq!(rules.max_output("openai/gpt-5-mini"), Some(9));
        assert_eq!(rules.max_output("anthropic/claude-opus-4"), Some(32_000));
        assert_eq!(rules.max_output("openai/text-embedding-3-small"), None);
        assert_eq!(rules.max_output("openai/other"), None);
    }
}
