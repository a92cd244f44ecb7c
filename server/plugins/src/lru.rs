//! What was used last, as much of it as there is room for.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Values with weights. When they weigh more than there is room for, those go that were not used for the longest time; the one that was
/// put in last stays, whatever it weighs.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    values: HashMap<K, Held<V>>,
    order: BTreeMap<u64, K>,
    clock: u64,
    weight: u64,
    room: u64,
}

#[derive(Debug)]
struct Held<V> {
    value: V,
    weight: u64,
    used: u64,
}

impl<K: Hash + Eq + Clone, V> Lru<K, V> {
    pub(crate) fn new(room: u64) -> Self {
        Self { values: HashMap::new(), order: BTreeMap::new(), clock: 0, weight: 0, room }
    }

    /// A value, which is used by that.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.clock += 1;
        let held = self.values.get_mut(key)?;
        if let Some(key) = self.order.remove(&held.used) {
            self.order.insert(self.clock, key);
        }
        held.used = self.clock;
        Some(&mut held.value)
    }

    /// A value, which is not used by that.
    pub(crate) fn peek<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.values.get(key).map(|held| &held.value)
    }

    /// Puts a value in, in place of the one that was there, and lets others go.
    pub(crate) fn insert(&mut self, key: K, value: V, weight: u64) {
        self.remove(&key);
        self.clock += 1;
        self.order.insert(self.clock, key.clone());
        self.values.insert(key, Held { value, weight, used: self.clock });
        self.weight += weight;
        self.shrink();
    }

    /// Says what a value weighs now, and lets others go.
    pub(crate) fn weigh<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, weight: u64)
    where
        K: Borrow<Q>,
    {
        if let Some(held) = self.values.get_mut(key) {
            self.weight = self.weight - held.weight + weight;
            held.weight = weight;
            self.shrink();
        }
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let held = self.values.remove(key)?;
        self.order.remove(&held.used);
        self.weight -= held.weight;
        Some(held.value)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&K, &V) -> bool) {
        let gone: Vec<K> =
            self.values.iter().filter(|(key, held)| !keep(key, &held.value)).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.remove(&key);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.values.iter().map(|(key, held)| (key, &held.value))
    }

    fn shrink(&mut self) {
        while self.weight > self.room && self.values.len() > 1 {
            let Some((_, key)) = self.order.pop_first() else { return };
            if let Some(held) = self.values.remove(&key) {
                self.weight -= held.weight;
            }
        }
    }
}

#[cfg(test)]
impl<K, V> Lru<K, V> {
    /// What all of it weighs.
    pub(crate) const fn weight(&self) -> u64 {
        self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays() {
        let mut lru = Lru::new(10);
        for (key, weight) in [("a", 4), ("b", 4), ("c", 2)] {
            lru.insert(key, key.len(), weight);
        }
        assert!(lru.get("a").is_some());
        lru.insert("d", 1, 3);
        assert!(lru.peek("b").is_none() && lru.peek("a").is_some() && lru.peek("c").is_some());
        assert!(lru.get("c").is_some());
        lru.weigh("c", 9);
        assert_eq!(lru.iter().count(), 1, "only the last used has room: {lru:?}");
        lru.insert("e", 1, 100);
        assert!(lru.peek("e").is_some(), "one always fits");
        assert_eq!(lru.remove("e"), Some(1));
        assert_eq!((lru.weight, lru.order.len()), (0, 0));
    }
}
