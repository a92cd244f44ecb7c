//! Which models are asked, and in which order, where one is asked for.

mod backoff;

use std::sync::Arc;

use coditect_dialects::{Failure, FailureKind};
use coditect_metering::Rules;
use coditect_protocol::auth::Role;
use coditect_protocol::llm::{Alias, AliasTarget};
use rand::RngExt as _;

pub(crate) use backoff::Backoff;

use crate::catalogue::Catalogue;
use crate::scrub::shorten;
use crate::upstream::{Source, Upstream, Upstreams, maker_of};

/// A model at an upstream.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) upstream: Arc<Upstream>,
    /// Its name there.
    pub(crate) model: String,
    /// `upstream/model`.
    pub(crate) id: String,
}

impl Target {
    fn new(upstream: &Arc<Upstream>, model: &str) -> Self {
        Self { upstream: upstream.clone(), model: model.to_owned(), id: format!("{}/{model}", upstream.name()) }
    }
}

/// The models to ask, one after another. Other names go before models, so that an admin can send an agent that insists on its own
/// models elsewhere. `has_key` says of an upstream whether who asks can ask it at all.
pub(crate) fn plan(
    asked: &str,
    role: Role,
    rules: &Rules,
    upstreams: &Upstreams,
    catalogue: &Catalogue,
    has_key: impl Fn(&Upstream) -> bool,
) -> Result<Vec<Target>, Failure> {
    let ids = match rules.alias(asked) {
        Some(alias) => behind(alias),
        None => vec![asked.to_owned()],
    };
    let found: Vec<Target> = ids.iter().filter_map(|id| target(id, upstreams, catalogue, &has_key)).collect();
    if found.is_empty() {
        return Err(unknown(asked));
    }
    let mut allowed = found;
    allowed.retain(|target| rules.may_ask(role, &target.id));
    if allowed.is_empty() {
        let message =
            format!("Your role may not ask “{}”: choose another model, or ask an admin for it.", shorten(asked));
        return Err(Failure::new(FailureKind::Forbidden, "llm.not_allowed", message));
    }
    Ok(allowed)
}

fn unknown(asked: &str) -> Failure {
    let message = format!(
        "There is no model “{}” here: name one of the list as `upstream/model`, or ask an admin for another name that leads to one.",
        shorten(asked)
    );
    Failure { param: Some("model".to_owned()), ..Failure::new(FailureKind::NotFound, "llm.unknown_model", message) }
}

/// The models behind another name: one by weight, then the others by theirs, then those for when all fail.
fn behind(alias: &Alias) -> Vec<String> {
    let mut left: Vec<&AliasTarget> = alias.targets.iter().collect();
    let mut order = Vec::with_capacity(left.len() + alias.fallbacks.len());
    while !left.is_empty() {
        let at = by_weight(left.iter().map(|target| target.weight));
        order.push(left.swap_remove(at).model.clone());
    }
    order.extend(alias.fallbacks.iter().cloned());
    order
}

/// One of them, as often as its weight says; the first where none has any.
pub(crate) fn by_weight(weights: impl Iterator<Item = u32> + Clone) -> usize {
    let sum: u64 = weights.clone().map(u64::from).sum();
    if sum == 0 {
        return 0;
    }
    let mut left = rand::rng().random_range(0..sum);
    for (at, weight) in weights.enumerate() {
        match left.checked_sub(u64::from(weight)) {
            Some(rest) => left = rest,
            None => return at,
        }
    }
    0
}

/// `upstream/model`, or the bare name of a model that an upstream has.
fn target(
    id: &str,
    upstreams: &Upstreams,
    catalogue: &Catalogue,
    has_key: impl Fn(&Upstream) -> bool,
) -> Option<Target> {
    let home = || upstreams.named(&catalogue.upstream_of(id)?);
    let named = id.split_once('/').filter(|(_, model)| !model.is_empty());
    if let Some((name, model)) = named
        && let Some(upstream) = upstreams.named(name)
    {
        // Local servers have models whose own names begin with their makers'.
        let other = if has_key(upstream) { None } else { home() };
        return Some(other.map_or_else(|| Target::new(upstream, model), |other| Target::new(other, id)));
    }
    let has = |upstream: &&Arc<Upstream>| upstream.source != Source::Preset;
    let maker = maker_of(id).and_then(|name| upstreams.named(name));
    // Whoever happens to run on this machine does not get what is meant for a maker, unless that maker cannot be asked here at all.
    let upstream = maker.filter(has).or_else(home).or(maker);
    Some(Target::new(upstream?, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(targets: &[(&str, u32)], fallbacks: &[&str]) -> Alias {
        let target = |(model, weight): &(&str, u32)| AliasTarget { model: (*model).to_owned(), weight: *weight };
        Alias {
            name: "x".to_owned(),
            targets: targets.iter().map(target).collect(),
            fallbacks: fallbacks.iter().map(|model| (*model).to_owned()).collect(),
        }
    }

    #[test]
    fn every_target_has_its_turn_by_its_weight() {
        let alias = alias(&[("a", 3), ("b", 1), ("c", 0)], &["d", "e"]);
        let mut first = std::collections::HashMap::<String, u32>::new();
        for _ in 0..4000 {
            let order = behind(&alias);
            assert_eq!(order.len(), 5);
            assert_eq!(order[2..], ["c", "d", "e"], "what has no weight comes last");
            *first.entry(order[0].clone()).or_default() += 1;
        }
        assert!((2700..3300).contains(&first["a"]) && (700..1300).contains(&first["b"]), "{first:?}");
    }
}
