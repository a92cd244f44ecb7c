//! The keys in memory, as they are chosen from. Nothing here asks the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coditect_protocol::ModelKeyId;
use coditect_protocol::llm::{KeyOwner, KeyState};

use crate::settings::Secret;

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
    pub(super) rest: Rest,
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

    /// A key that does not rest, of the first of these owners who has one.
    pub(super) fn choose(
        &self,
        upstream: &str,
        owners: impl Iterator<Item = KeyOwner>,
        now_ms: u64,
    ) -> Option<&Arc<Key>> {
        let groups = self.groups.get(upstream)?;
        owners.filter_map(|owner| groups.get(&owner)).find_map(|group| draw(group, now_ms))
    }

    /// Whether any of these owners has a key, even if it rests.
    pub(super) fn has_any(&self, upstream: &str, mut owners: impl Iterator<Item = KeyOwner>) -> bool {
        self.groups.get(upstream).is_some_and(|groups| owners.any(|owner| groups.contains_key(&owner)))
    }
}

/// One of those that do not rest, by weight. Looks at each once, for a rest may begin or end meanwhile.
fn draw(group: &[Arc<Key>], now_ms: u64) -> Option<&Arc<Key>> {
    let mut total = 0;
    let mut drawn = None;
    for key in group.iter().filter(|key| key.rest.state(now_ms) == KeyState::Ready) {
        let weight = u64::from(key.weight);
        total += weight;
        // It takes the place of those before it as often as its part of the weight so far says.
        if total == weight || rand::random_range(0..total) < weight {
            drawn = Some(key);
        }
    }
    drawn
}

/// Until when a key rests and why, in one number: twice the milliseconds, and one more where it was refused.
#[derive(Default)]
pub(super) struct Rest(AtomicU64);

const REFUSED: u64 = 1;

impl Rest {
    /// Rests up to this time, or longer where it does already.
    pub(super) fn until(&self, ms: u64, is_refused: bool) {
        self.0.fetch_max(ms.saturating_mul(2) | u64::from(is_refused), Ordering::Relaxed);
    }

    /// It was not refused after all.
    pub(super) fn lift_refusal(&self) {
        let rest = self.0.load(Ordering::Relaxed);
        if rest & REFUSED != 0 {
            // Whatever another rest has been noted meanwhile stays.
            let _ = self.0.compare_exchange(rest, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    pub(super) fn state(&self, now_ms: u64) -> KeyState {
        match self.0.load(Ordering::Relaxed) {
            rest if rest / 2 <= now_ms => KeyState::Ready,
            rest if rest & REFUSED != 0 => KeyState::Refused,
            _ => KeyState::Limited,
        }
    }
}
