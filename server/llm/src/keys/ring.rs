//! The keys in memory, as they are chosen from. Nothing here asks the store.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use coditect_protocol::ModelKeyId;
use coditect_protocol::llm::{KeyOwner, KeyState};

use crate::settings::Secret;

/// Models of which one key is at its limit, at most. Where there are more, the rest that ends first is forgotten: whoever asks for that
/// model hears of the limit from its server again.
const MAX_LIMITED_MODELS: usize = 32;

/// Keys by the model server they are for and by whom they are for.
#[derive(Default)]
pub(super) struct Ring {
    groups: HashMap<Box<str>, HashMap<KeyOwner, Vec<Arc<Key>>>>,
    by_id: HashMap<ModelKeyId, Arc<Key>>,
}

/// A key that can be chosen. It stays the same, with its rest, in all rings that hold it.
pub(super) struct Key {
    pub(super) id: ModelKeyId,
    pub(super) owner: KeyOwner,
    pub(super) upstream: Box<str>,
    pub(super) weight: u32,
    pub(super) secret: Secret,
    /// From all models, where it was refused.
    pub(super) rest: Rest,
    /// From some, where it has reached their limits.
    pub(super) limits: Limits,
}

impl Key {
    /// Until when it rests from a model, in milliseconds; from any where none is named.
    fn rests_until(&self, model: Option<&str>) -> u64 {
        self.rest.ends_at().max(model.map_or(0, |model| self.limits.until(model)))
    }

    /// How it is, as far as this server saw.
    pub(super) fn state(&self, now_ms: u64) -> KeyState {
        if self.rest.ends_at() > now_ms {
            KeyState::Refused
        } else if self.limits.any(now_ms) {
            KeyState::Limited
        } else {
            KeyState::Ready
        }
    }
}

impl Ring {
    pub(super) fn new(keys: Vec<Arc<Key>>) -> Self {
        let mut ring = Self { groups: HashMap::new(), by_id: HashMap::with_capacity(keys.len()) };
        for key in keys {
            ring.groups.entry(key.upstream.clone()).or_default().entry(key.owner).or_default().push(Arc::clone(&key));
            ring.by_id.insert(key.id, key);
        }
        ring
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: ModelKeyId) -> Option<&Arc<Key>> {
        self.by_id.get(&id)
    }

    /// A key that does not rest from the model, of the first of these owners who has one.
    pub(super) fn choose(
        &self,
        upstream: &str,
        model: Option<&str>,
        owners: impl Iterator<Item = KeyOwner>,
        now_ms: u64,
    ) -> Option<&Arc<Key>> {
        let groups = self.groups.get(upstream)?;
        owners.filter_map(|owner| groups.get(&owner)).find_map(|group| draw(group, model, now_ms))
    }

    /// When the first of the keys of these owners may be used for the model, in milliseconds; nothing where there is no key.
    pub(super) fn ready_at(&self, upstream: &str, model: &str, owners: impl Iterator<Item = KeyOwner>) -> Option<u64> {
        let groups = self.groups.get(upstream)?;
        let keys = owners.filter_map(|owner| groups.get(&owner)).flatten();
        keys.map(|key| key.rests_until(Some(model))).min()
    }

    /// Whether any of these owners has a key, even if it rests.
    pub(super) fn has_any(&self, upstream: &str, mut owners: impl Iterator<Item = KeyOwner>) -> bool {
        self.groups.get(upstream).is_some_and(|groups| owners.any(|owner| groups.contains_key(&owner)))
    }
}

/// One of those that do not rest, by weight. Looks at each once, for a rest may begin or end meanwhile.
fn draw<'a>(group: &'a [Arc<Key>], model: Option<&str>, now_ms: u64) -> Option<&'a Arc<Key>> {
    let mut total = 0;
    let mut drawn = None;
    for key in group.iter().filter(|key| key.rests_until(model) <= now_ms) {
        let weight = u64::from(key.weight);
        total += weight;
        // It takes the place of those before it as often as its part of the weight so far says.
        if total == weight || rand::random_range(0..total) < weight {
            drawn = Some(key);
        }
    }
    drawn
}

/// Until when a key rests that was refused, in milliseconds.
#[derive(Default)]
pub(super) struct Rest(AtomicU64);

impl Rest {
    /// Rests up to this time, or longer where it does already.
    pub(super) fn until(&self, ms: u64) {
        self.0.fetch_max(ms, Ordering::Relaxed);
    }

    /// It was not refused after all.
    pub(super) fn lift(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn ends_at(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Until when a key rests from some models: milliseconds by the hash of the model's name, for names come from whoever asks.
#[derive(Default)]
pub(super) struct Limits(Mutex<HashMap<u64, u64>>);

/// By which names of models are told apart.
static NAMES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Limits {
    /// Rests from this model up to this time, or longer where it does already.
    pub(super) fn note(&self, model: &str, until_ms: u64, now_ms: u64) {
        let mut limits = self.lock();
        limits.retain(|_, until| *until > now_ms);
        let name = NAMES.hash_one(model);
        if limits.len() >= MAX_LIMITED_MODELS
            && !limits.contains_key(&name)
            && let Some(first) = limits.iter().min_by_key(|(_, until)| **until).map(|(name, _)| *name)
        {
            limits.remove(&first);
        }
        let until = limits.entry(name).or_default();
        *until = until_ms.max(*until);
    }

    fn until(&self, model: &str) -> u64 {
        let limits = self.lock();
        if limits.is_empty() { 0 } else { limits.get(&NAMES.hash_one(model)).copied().unwrap_or_default() }
    }

    fn any(&self, now_ms: u64) -> bool {
        self.lock().values().any(|until| *until > now_ms)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_from_many_models_are_few() {
        let limits = Limits::default();
        for n in 0..1000 {
            limits.note(&format!("m{n}"), 5000 + n, 0);
        }
        assert_eq!(limits.lock().len(), MAX_LIMITED_MODELS);
        assert_eq!((limits.until("m999"), limits.until("m0")), (5999, 0));
        limits.note("m999", 1, 0);
        assert_eq!(limits.until("m999"), 5999, "a shorter rest does not end a longer one");
        limits.note("new", 7000, 6000);
        assert!(limits.lock().len() == 1 && limits.any(6999) && !limits.any(7000));
    }
}
