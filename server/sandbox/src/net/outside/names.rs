//! Names and the addresses that stand for them in a sandbox.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::MAX_NAMES;
use crate::net::NAMES;

/// First address that is given to a name; those before it are kept for what the product itself answers.
const FIRST: u32 = Ipv4Addr::new(198, 18, 1, 0).to_bits();
/// Last one.
const LAST: u32 = Ipv4Addr::new(198, 19, 255, 254).to_bits();

/// Which name has which address. A name that is in use keeps its own; of the others, the least recently used one is
/// forgotten when there are too many. An address is given to another name only after all others had their turn, so that
/// a program that remembers one for too long is refused, and not sent to somebody else.
#[derive(Debug)]
pub(super) struct Names {
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    by_name: HashMap<Arc<str>, Ipv4Addr>,
    by_address: HashMap<Ipv4Addr, Entry>,
    /// Those that may be forgotten, the least recently used one first.
    unused: BTreeMap<u64, Ipv4Addr>,
    clock: u64,
    next: u32,
    most: usize,
}

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    used_at: u64,
    connections: usize,
}

/// A name that is in use for as long as this lives.
#[derive(Debug)]
pub(super) struct NameInUse {
    names: Arc<Names>,
    address: Ipv4Addr,
    name: Arc<str>,
}

impl NameInUse {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for NameInUse {
    fn drop(&mut self) {
        self.names.lock().change(self.address, |connections| connections.saturating_sub(1));
    }
}

impl Names {
    pub(super) fn new() -> Self {
        Self::with_most(MAX_NAMES)
    }

    fn with_most(most: usize) -> Self {
        let (by_name, by_address, unused) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        Self { table: Mutex::new(Table { by_name, by_address, unused, clock: 0, next: FIRST, most }) }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address of a name. `None` where all that there may be are in use.
    pub(super) fn address_of(&self, name: &str) -> Option<Ipv4Addr> {
        let mut table = self.lock();
        if let Some(address) = table.by_name.get(name).copied() {
            table.change(address, |connections| connections);
            return Some(address);
        }
        if table.by_address.len() >= table.most {
            table.forget_one()?;
        }
        let address = table.free_address()?;
        let name: Arc<str> = name.into();
        table.by_name.insert(Arc::clone(&name), address);
        table.by_address.insert(address, Entry { name, used_at: 0, connections: 0 });
        table.change(address, |connections| connections);
        Some(address)
    }

    /// The name of an address.
    pub(super) fn name_of(&self, address: Ipv4Addr) -> Option<Arc<str>> {
        self.lock().by_address.get(&address).map(|entry| Arc::clone(&entry.name))
    }

    /// The name of an address, which now is in use.
    pub(super) fn use_address(self: &Arc<Self>, address: Ipv4Addr) -> Option<NameInUse> {
        let mut table = self.lock();
        let name = Arc::clone(&table.by_address.get(&address)?.name);
        table.change(address, |connections| connections + 1);
        Some(NameInUse { names: Arc::clone(self), address, name })
    }
}

impl Table {
    /// Notes that an address was used, and for how many connections it is now.
    fn change(&mut self, address: Ipv4Addr, connections: impl FnOnce(usize) -> usize) {
        let Some(entry) = self.by_address.get_mut(&address) else { return };
        self.unused.remove(&entry.used_at);
        self.clock += 1;
        entry.used_at = self.clock;
        entry.connections = connections(entry.connections);
        if entry.connections == 0 {
            self.unused.insert(self.clock, address);
        }
    }

    fn forget_one(&mut self) -> Option<()> {
        let (_, address) = self.unused.pop_first()?;
        let entry = self.by_address.remove(&address)?;
        self.by_name.remove(&entry.name);
        Some(())
    }

    fn free_address(&mut self) -> Option<Ipv4Addr> {
        for _ in 0..=self.by_address.len() {
            let address = Ipv4Addr::from_bits(self.next);
            self.next = if self.next >= LAST { FIRST } else { self.next + 1 };
            if !self.by_address.contains_key(&address) {
                debug_assert!(NAMES.contains(IpAddr::V4(address)), "names have addresses of their network");
                return Some(address);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_keeps_its_address() {
        let names = Names::new();
        let address = names.address_of("a.org").unwrap();
        assert_ne!(names.address_of("b.org"), Some(address));
        assert_eq!(names.address_of("a.org"), Some(address));
        assert_eq!(names.name_of(address).as_deref(), Some("a.org"));
    }

    #[test]
    fn the_least_recently_used_one_is_forgotten_and_its_address_rests() {
        let names = Names::with_most(2);
        let first = names.address_of("a.org").unwrap();
        let second = names.address_of("b.org").unwrap();
        assert_eq!(names.address_of("a.org"), Some(first));
        let third = names.address_of("c.org").unwrap();
        assert_eq!(names.name_of(second), None);
        assert_eq!(names.name_of(first).as_deref(), Some("a.org"));
        assert!(third != first && third != second, "an address is not given away at once");
    }

    #[test]
    fn one_that_is_in_use_is_never_forgotten() {
        let names = Arc::new(Names::with_most(1));
        let address = names.address_of("a.org").unwrap();
        let in_use = [names.use_address(address).unwrap(), names.use_address(address).unwrap()];
        assert_eq!(names.address_of("b.org"), None);
        let [one, other] = in_use;
        drop(one);
        assert_eq!(names.address_of("b.org"), None);
        drop(other);
        assert!(names.address_of("b.org").is_some());
        assert_eq!(names.name_of(address), None);
    }

    #[test]
    fn addresses_come_round_again() {
        let names = Names::with_most(3);
        names.lock().next = LAST;
        let all: Vec<_> = ["a", "b", "c"].iter().map(|name| names.address_of(name).unwrap().to_bits()).collect();
        assert_eq!(all, [LAST, FIRST, FIRST + 1]);
        names.lock().next = LAST;
        assert_eq!(names.address_of("b").unwrap().to_bits(), FIRST);
        assert_eq!(names.address_of("d").unwrap().to_bits(), LAST, "that of the forgotten one is free");
        assert_eq!(names.address_of("e").unwrap().to_bits(), FIRST + 1, "one that is taken is passed over");
    }

    proptest! {
        /// Whatever is asked for and used, the tables agree with each other, and nothing in use changes.
        #[test]
        fn tables_agree(steps in proptest::collection::vec((0_u8..3, 0_u8..12), 0..200)) {
            let names = Arc::new(Names::with_most(5));
            let mut held: Vec<NameInUse> = Vec::new();
            for (what, which) in steps {
                match what {
                    0 => drop(names.address_of(&format!("{which}.org"))),
                    1 => {
                        let address = names.lock().by_address.keys().nth(usize::from(which)).copied();
                        held.extend(address.and_then(|address| names.use_address(address)));
                    }
                    _ if !held.is_empty() => drop(held.swap_remove(usize::from(which) % held.len())),
                    _ => {}
                }
                for one in &held {
                    let name = names.name_of(one.address);
                    prop_assert_eq!(name.as_deref(), Some(one.name()));
                }
                let table = names.lock();
                prop_assert!(table.by_address.len() <= 5);
                prop_assert_eq!(table.by_address.len(), table.by_name.len());
                let unused = table.by_address.values().filter(|entry| entry.connections == 0).count();
                prop_assert_eq!(table.unused.len(), unused);
            }
        }
    }
}
