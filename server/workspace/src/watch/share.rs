//! What the watchers of one person take of what the system and the server have, so that others get theirs.

use super::WatchSettings;
use super::health::{Shortage, limit};
use super::lock;
use coditect_protocol::UserId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// Bytes that the watchers of one tree remember, about: the paths of its folders, and of those without a watch what is in them.
pub const MAX_WATCH_BYTES: usize = 64 * 1024 * 1024;
/// The same for all trees that one person watches.
pub const MAX_WATCH_BYTES_PER_PERSON: usize = 256 * 1024 * 1024;
/// A person gets at most one part in so many of the watchers and of the watches that the system has.
const SYSTEM_SHARE: usize = 2;

/// What one person may take at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) trees: usize,
    pub(super) folders: usize,
    pub(super) bytes: usize,
}

impl Limits {
    /// As in the settings, and no more than a part of what the system has.
    pub(super) fn new(settings: &WatchSettings) -> Self {
        let part = |name: &str| limit(name).map_or(usize::MAX, |all| (all / SYSTEM_SHARE).max(1));
        Self {
            trees: settings.max_trees_per_person.min(part("max_user_instances")),
            folders: settings.max_folders_per_person.min(part("max_user_watches")),
            bytes: MAX_WATCH_BYTES_PER_PERSON,
        }
    }
}

/// The shares of everybody who watches something.
#[derive(Debug)]
pub(super) struct Shares {
    pub(super) limits: Limits,
    people: Mutex<HashMap<UserId, Weak<Share>>>,
}

impl Shares {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, people: Mutex::default() }
    }

    pub(super) fn of(&self, person: UserId) -> Arc<Share> {
        let mut people = lock(&self.people);
        if let Some(share) = people.get(&person).and_then(Weak::upgrade) {
            return share;
        }
        people.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share::new(self.limits));
        people.insert(person, Arc::downgrade(&share));
        share
    }
}

/// What one person has taken.
#[derive(Debug)]
pub(super) struct Share {
    limits: Limits,
    trees: AtomicUsize,
    folders: AtomicUsize,
    bytes: AtomicUsize,
}

impl Share {
    fn new(limits: Limits) -> Self {
        Self { limits, trees: AtomicUsize::new(0), folders: AtomicUsize::new(0), bytes: AtomicUsize::new(0) }
    }
}

fn take(from: &AtomicUsize, count: usize, most: usize) -> bool {
    let more = |taken: usize| taken.checked_add(count).filter(|taken| *taken <= most);
    from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
}

/// What the watcher of one tree has of its person's share; all of it is given back in the end.
#[derive(Debug)]
pub(super) struct TreeShare {
    share: Arc<Share>,
    has_tree: bool,
    folders: usize,
    max_folders: usize,
    bytes: usize,
}

impl TreeShare {
    pub(super) fn new(share: Arc<Share>, max_folders: usize) -> Self {
        let has_tree = take(&share.trees, 1, share.limits.trees);
        Self { share, has_tree, folders: 0, max_folders, bytes: 0 }
    }

    /// Whether it may have a watcher of the system.
    pub(super) fn has_tree(&self) -> bool {
        self.has_tree
    }

    /// Takes a watch, and what remembering it takes.
    pub(super) fn take_watch(&mut self, bytes: usize) -> Result<(), Shortage> {
        if self.folders >= self.max_folders {
            return Err(Shortage::Allowed);
        }
        if !self.take_bytes(bytes) {
            return Err(Shortage::Memory);
        }
        if !take(&self.share.folders, 1, self.share.limits.folders) {
            self.give_back_bytes(bytes);
            return Err(Shortage::Person);
        }
        self.folders += 1;
        Ok(())
    }

    pub(super) fn give_back_watch(&mut self, bytes: usize) {
        self.give_back_bytes(bytes);
        self.folders -= 1;
        self.share.folders.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn take_bytes(&mut self, bytes: usize) -> bool {
        let fits = self.bytes.saturating_add(bytes) <= MAX_WATCH_BYTES
            && take(&self.share.bytes, bytes, self.share.limits.bytes);
        self.bytes += if fits { bytes } else { 0 };
        fits
    }

    pub(super) fn give_back_bytes(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.share.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that can be taken, as long as nobody else does.
    pub(super) fn room(&self) -> usize {
        let of_person = self.share.limits.bytes.saturating_sub(self.share.bytes.load(Ordering::Relaxed));
        MAX_WATCH_BYTES.saturating_sub(self.bytes).min(of_person)
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for TreeShare {
    fn drop(&mut self) {
        self.share.trees.fetch_sub(usize::from(self.has_tree), Ordering::Relaxed);
        self.share.folders.fetch_sub(self.folders, Ordering::Relaxed);
        self.share.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn somebody() -> UserId {
        UserId(uuid::Uuid::new_v4())
    }

    /// A share of somebody who has all for themselves.
    pub(in super::super) fn alone(settings: &WatchSettings) -> TreeShare {
        let share = Shares::new(Limits::new(settings)).of(somebody());
        TreeShare::new(share, settings.max_folders)
    }

    /// A share of so many bytes.
    pub(in super::super) fn with_bytes(bytes: usize) -> TreeShare {
        TreeShare::new(Shares::new(Limits { trees: 1, folders: 1000, bytes }).of(somebody()), 1000)
    }

    #[test]
    fn a_share_ends_where_it_should_and_comes_back() {
        let shares = Shares::new(Limits { trees: 1, folders: 2, bytes: 100 });
        let (person, other) = (somebody(), somebody());
        let mut tree = TreeShare::new(shares.of(person), 10);
        let mut second = TreeShare::new(shares.of(person), 10);
        assert!(tree.has_tree() && !second.has_tree(), "one tree, also in two workspaces");
        assert_eq!((tree.take_watch(10), second.take_watch(10)), (Ok(()), Ok(())));
        assert_eq!(tree.take_watch(10), Err(Shortage::Person));
        assert_eq!((tree.room(), tree.bytes()), (80, 10));
        assert!(tree.take_bytes(80) && !second.take_bytes(1));
        assert_eq!(second.take_watch(1), Err(Shortage::Memory));
        let mut others = TreeShare::new(shares.of(other), 1);
        assert!(others.has_tree() && others.take_watch(100).is_ok());
        assert_eq!(others.take_watch(0), Err(Shortage::Allowed));
        drop(tree);
        second.give_back_watch(10);
        drop(second);
        let share = shares.of(person);
        let left = [&share.trees, &share.folders, &share.bytes].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(left, [0, 0, 0]);
    }

    #[test]
    fn one_person_leaves_something_of_what_the_system_has() {
        let all = |name: &str| limit(name).unwrap();
        let most = WatchSettings {
            max_trees_per_person: usize::MAX,
            max_folders_per_person: usize::MAX,
            ..WatchSettings::default()
        };
        let limits = Limits::new(&most);
        assert!(limits.trees < all("max_user_instances") && limits.folders < all("max_user_watches"));
    }
}
