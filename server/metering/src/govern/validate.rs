//! Whether a policy can be. Every fault names its entry.

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;
use std::mem::discriminant;

use coditect_protocol::llm::{Alias, Budget, BudgetScope, Limit, LimitScope, Policy, Team};
use uuid::Uuid;

use crate::{AGENT_MAX_CHARS, MeteringError};

/// Longest name of an alias, in characters.
const ALIAS_MAX_CHARS: usize = 128;
/// Longest name of a model or pattern of names, in characters.
const MODEL_MAX_CHARS: usize = 256;
/// Longest name of a team, in characters.
const TEAM_MAX_CHARS: usize = 64;
/// Most models that an alias leads to, and falls back to.
const MAX_TARGETS: usize = 32;
/// Largest weight of a target.
const MAX_WEIGHT: u32 = 1_000_000;
/// Largest limit of requests or tokens in a minute.
const MAX_PER_MINUTE: u64 = 1_000_000_000_000;

type Checked = Result<(), MeteringError>;

/// Refuses a policy with an entry that cannot be.
pub(crate) fn check(policy: &Policy) -> Checked {
    teams(policy)?;
    aliases(policy)?;
    allowed(policy)?;
    prices(policy)?;
    budgets(policy)?;
    limits(policy)
}

/// Where something stands in the policy.
struct Entry(&'static str, usize);

impl Entry {
    fn fault(&self, fault: impl Display) -> MeteringError {
        MeteringError::PolicyInvalid { entry: format!("{}[{}]", self.0, self.1), fault: fault.to_string() }
    }

    fn must(&self, holds: bool, fault: impl Display) -> Checked {
        if holds { Ok(()) } else { Err(self.fault(fault)) }
    }

    /// A name for people or programs.
    fn name(&self, what: &str, name: &str, most: usize) -> Checked {
        let is_sound = !name.is_empty()
            && name.chars().count() <= most
            && name.trim() == name
            && !name.chars().any(char::is_control);
        self.must(is_sound, format_args!("{what} has 1 to {most} visible characters"))
    }

    /// The name of one model.
    fn model(&self, name: &str) -> Checked {
        self.pattern(name)?;
        let is_whole = name.split_once('/').is_some_and(|(upstream, model)| !upstream.is_empty() && !model.is_empty());
        self.must(is_whole && !name.contains('*'), format_args!("{name} is not a model; name it as upstream/model"))
    }

    /// The name of models, perhaps with stars.
    fn pattern(&self, name: &str) -> Checked {
        self.name("the name of a model", name, MODEL_MAX_CHARS)?;
        self.must(
            name.contains(['/', '*']),
            format_args!("{name} names no model; name it as upstream/model, where * stands for any text"),
        )
    }

    /// Refuses what was there before.
    fn once<T: Hash + Eq>(&self, seen: &mut HashSet<T>, it: T, what: impl Display) -> Checked {
        self.must(seen.insert(it), format_args!("{what} is there twice"))
    }

    fn id(&self, of: &str) -> Result<Uuid, MeteringError> {
        of.parse().map_err(|_| self.fault(format_args!("`of` is an identifier, and {of} is none")))
    }
}

fn entries<'a, T>(list: &'static str, of: &'a [T]) -> impl Iterator<Item = (Entry, &'a T)> {
    of.iter().enumerate().map(move |(at, one)| (Entry(list, at), one))
}

fn teams(policy: &Policy) -> Checked {
    let (mut ids, mut names, mut members) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (entry, Team { id, name, members: people }) in entries("teams", &policy.teams) {
        entry.name("a team's name", name, TEAM_MAX_CHARS)?;
        entry.once(&mut ids, *id, format_args!("the identifier {id}"))?;
        entry.once(&mut names, name, format_args!("the name {name}"))?;
        for person in people {
            entry.must(members.insert(person), format_args!("{person} is in a team already, and one is the most"))?;
        }
    }
    Ok(())
}

fn aliases(policy: &Policy) -> Checked {
    let mut names = HashSet::new();
    for (entry, alias) in entries("aliases", &policy.aliases) {
        entry.name("an alias", &alias.name, ALIAS_MAX_CHARS)?;
        entry.once(&mut names, alias.name.as_str(), format_args!("the alias {}", alias.name))?;
    }
    entries("aliases", &policy.aliases).try_for_each(|(entry, alias)| leads_to(&entry, alias, &names))
}

fn leads_to(entry: &Entry, alias: &Alias, names: &HashSet<&str>) -> Checked {
    let count = alias.targets.len();
    entry.must((1..=MAX_TARGETS).contains(&count), format_args!("an alias has 1 to {MAX_TARGETS} targets"))?;
    let fallbacks = &alias.fallbacks;
    entry.must(fallbacks.len() <= MAX_TARGETS, format_args!("an alias has at most {MAX_TARGETS} fallbacks"))?;
    let is_weighed = |weight: u32| weight <= MAX_WEIGHT;
    let weights = || alias.targets.iter().map(|target| target.weight);
    entry.must(weights().all(is_weighed), format_args!("a weight is {MAX_WEIGHT} at the most"))?;
    entry.must(weights().any(|weight| weight > 0), "all weights are 0, so that no target would ever be asked")?;
    let mut seen = HashSet::new();
    for model in alias.targets.iter().map(|target| &target.model).chain(fallbacks) {
        // Aliases are followed once; whoever means another one would wait for it in vain.
        let is_other = *model != alias.name && names.contains(model.as_str());
        entry.must(!is_other, format_args!("{model} is an alias itself; name the models that it leads to"))?;
        entry.model(model)?;
        entry.once(&mut seen, model, model)?;
    }
    Ok(())
}

fn allowed(policy: &Policy) -> Checked {
    let mut roles = HashSet::new();
    for (entry, allowed) in entries("allowed", &policy.allowed) {
        entry.once(&mut roles, discriminant(&allowed.role), "the role")?;
        allowed.models.iter().try_for_each(|model| entry.pattern(model))?;
    }
    Ok(())
}

fn prices(policy: &Policy) -> Checked {
    let mut models = HashSet::new();
    for (entry, price) in entries("prices", &policy.prices) {
        entry.pattern(&price.model)?;
        entry.once(&mut models, &price.model, format_args!("the price of {}", price.model))?;
        entry.must(price.max_output_tokens != Some(0), "an answer has at least one token; leave the most out")?;
    }
    Ok(())
}

fn budgets(policy: &Policy) -> Checked {
    let mut seen = HashSet::new();
    for (entry, Budget { scope, of, period, .. }) in entries("budgets", &policy.budgets) {
        match (scope, of.as_deref()) {
            (_, None) => {}
            (BudgetScope::Instance, Some(_)) => return Err(entry.fault("there is only one instance; leave `of` out")),
            (BudgetScope::Agent, Some(name)) => entry.name("an agent", name, AGENT_MAX_CHARS)?,
            (scope, Some(of)) => is_one(&entry, policy, *scope == BudgetScope::Team, of)?,
        }
        let what = format_args!("a budget of this {} for this period", scope.name());
        entry.once(&mut seen, (*scope, of, *period), what)?;
    }
    Ok(())
}

fn limits(policy: &Policy) -> Checked {
    let mut seen = HashSet::new();
    for (entry, limit) in entries("limits", &policy.limits) {
        let Limit { scope, of, requests_per_minute, tokens_per_minute } = limit;
        if let Some(of) = of {
            is_one(&entry, policy, *scope == LimitScope::Team, of)?;
        }
        let numbers = || [requests_per_minute, tokens_per_minute].into_iter().flatten();
        entry.must(numbers().count() > 0, "it limits nothing; say requests_per_minute or tokens_per_minute")?;
        let is_sound = numbers().all(|number| (1..=MAX_PER_MINUTE).contains(number));
        entry.must(is_sound, format_args!("a limit is a number from 1 to {MAX_PER_MINUTE}"))?;
        entry.once(&mut seen, (*scope, of), format_args!("a limit of this {}", scope.name()))?;
    }
    Ok(())
}

/// Refuses an identifier that is none, and a team that there is not.
fn is_one(entry: &Entry, policy: &Policy, is_team: bool, of: &str) -> Checked {
    let id = entry.id(of)?;
    // As it is written everywhere, so that no two entries mean the same.
    entry.must(id.to_string() == of, format_args!("write the identifier as {id}"))?;
    let is_there = !is_team || policy.teams.iter().any(|team| team.id.0 == id);
    entry.must(is_there, format_args!("there is no team {of}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190a6c8-7f5e-7c3a-8b1f-000000000001";

    fn fault(json: &str) -> Option<String> {
        let policy: Policy = serde_json::from_str(&json.replace("ID", ID)).unwrap();
        check(&policy).err().map(|error| error.to_string())
    }

    #[test]
    fn what_can_be_is_taken() {
        assert_eq!(fault("{}"), None);
        let whole = r#"{
            "aliases":[{"name":"fast","targets":[{"model":"a/b","weight":0},{"model":"a/c"}],"fallbacks":["d/e"]},
                       {"name":"openai/gpt-*","targets":[{"model":"azure/gpt"}]},
                       {"name":"a/b","targets":[{"model":"a/b"},{"model":"f/b"}]}],
            "allowed":[{"role":"member","models":["*","a/*"]},{"role":"admin","models":[]}],
            "prices":[{"model":"a/*","input":1,"output":2,"cached":0.5,"max_output_tokens":10}],
            "budgets":[{"scope":"instance","limit":0,"period":"day"},{"scope":"instance","limit":9,"period":"month"},
                       {"scope":"team","of":"ID","limit":1,"period":"day"},{"scope":"agent","of":"codex","limit":1,"period":"day"}],
            "limits":[{"scope":"person","requests_per_minute":1},{"scope":"person","of":"ID","tokens_per_minute":5}],
            "teams":[{"id":"ID","name":"Core","members":["ID"]}]}"#;
        // "a/b" leads to itself and is a target of "fast" all the same: refused, as whoever asks "fast" would not get where it leads.
        assert!(fault(whole).unwrap().starts_with("aliases[0]: a/b is an alias itself"));
        assert_eq!(fault(&whole.replace(r#"{"model":"a/b","weight":0}"#, r#"{"model":"a/x","weight":0}"#)), None);
    }

    #[test]
    fn what_cannot_be_names_its_entry() {
        let other = "0190a6c8-7f5e-7c3a-8b1f-000000000002";
        let team = format!(r#"{{"id":"{other}","name":"B","members":["ID"]}}"#);
        let cases = [
            (r#"{"aliases":[{"name":"a","targets":[]}]}"#.to_owned(), "aliases[0]: an alias has 1 to 32 targets."),
            (r#"{"aliases":[{"name":" a","targets":[{"model":"a/b"}]}]}"#.into(), "aliases[0]: an alias has 1 to 128"),
            (r#"{"aliases":[{"name":"a","targets":[{"model":"gpt"}]}]}"#.into(), "aliases[0]: gpt names no model"),
            (r#"{"aliases":[{"name":"a","targets":[{"model":"b/*"}]}]}"#.into(), "aliases[0]: b/* is not a model"),
            (r#"{"aliases":[{"name":"a","targets":[{"model":"/b"}]}]}"#.into(), "aliases[0]: /b is not a model"),
            (r#"{"aliases":[{"name":"a","targets":[{"model":"a/b","weight":0}]}]}"#.into(), "aliases[0]: all weights"),
            (
                r#"{"aliases":[{"name":"a","targets":[{"model":"b"}]},{"name":"b","targets":[{"model":"a"}]}]}"#.into(),
                "aliases[0]: b is an alias itself",
            ),
            (
                r#"{"aliases":[{"name":"a","targets":[{"model":"a/b"}]},{"name":"a","targets":[{"model":"a/b"}]}]}"#.into(),
                "aliases[1]: the alias a is there twice.",
            ),
            (
                r#"{"aliases":[{"name":"a","targets":[{"model":"a/b"}],"fallbacks":["a/b"]}]}"#.into(),
                "aliases[0]: a/b is there twice.",
            ),
            (
                r#"{"allowed":[{"role":"admin","models":[]},{"role":"admin","models":[]}]}"#.into(),
                "allowed[1]: the role is there twice.",
            ),
            (r#"{"allowed":[{"role":"admin","models":["gpt"]}]}"#.into(), "allowed[0]: gpt names no model"),
            (
                r#"{"prices":[{"model":"a/b","input":1,"output":1},{"model":"a/b","input":1,"output":1}]}"#.into(),
                "prices[1]: the price of a/b is there twice.",
            ),
            (
                r#"{"prices":[{"model":"a/b","input":1,"output":1,"max_output_tokens":0}]}"#.into(),
                "prices[0]: an answer has at least one token",
            ),
            (r#"{"budgets":[{"scope":"instance","of":"ID","limit":1,"period":"day"}]}"#.into(), "budgets[0]: there is"),
            (r#"{"budgets":[{"scope":"person","of":"me","limit":1,"period":"day"}]}"#.into(), "budgets[0]: `of` is an"),
            (r#"{"budgets":[{"scope":"team","of":"ID","limit":1,"period":"day"}]}"#.into(), "budgets[0]: there is no team"),
            (
                r#"{"budgets":[{"scope":"agent","of":"a","limit":1,"period":"day"},{"scope":"agent","of":"a","limit":2,"period":"day"}]}"#.into(),
                "budgets[1]: a budget of this agent for this period is there twice.",
            ),
            (
                format!(r#"{{"budgets":[{{"scope":"person","of":"{}","limit":1,"period":"day"}}]}}"#, ID.to_uppercase()),
                "budgets[0]: write the identifier as",
            ),
            (r#"{"limits":[{"scope":"person"}]}"#.into(), "limits[0]: it limits nothing"),
            (r#"{"limits":[{"scope":"person","requests_per_minute":0}]}"#.into(), "limits[0]: a limit is a number from 1"),
            (
                r#"{"limits":[{"scope":"person","requests_per_minute":1},{"scope":"person","tokens_per_minute":1}]}"#.into(),
                "limits[1]: a limit of this person is there twice.",
            ),
            (format!(r#"{{"teams":[{{"id":"ID","name":"A","members":["ID"]}},{team}]}}"#), "teams[1]: "),
            (r#"{"teams":[{"id":"ID","name":"A\n","members":[]}]}"#.into(), "teams[0]: a team's name has"),
        ];
        for (json, expected) in cases {
            let fault = fault(&json);
            assert!(fault.as_ref().is_some_and(|fault| fault.starts_with(expected)), "{json}: {fault:?}");
        }
    }
}
