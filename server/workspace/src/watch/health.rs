//! How well a tree is watched.

use super::share::{Limits, MAX_WATCH_BYTES};
use coditect_protocol::files::WatchState;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

const MIB: usize = 1024 * 1024;

/// What keeps folders from being watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shortage {
    /// The system gives no more watches.
    Watches,
    /// The system gives no more watchers.
    Watchers,
    /// There are more folders than the settings allow.
    Allowed,
    /// Whoever looks at the tree watches as much as one person may.
    Person,
    /// Remembering the folders takes more memory than a tree or a person may have.
    Memory,
}

/// Shared by the watcher of a tree and everybody who asks how it is.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// 0 for none, else one more than the shortage's place in [`Shortage::ALL`].
    shortage: AtomicU8,
    news: AtomicBool,
}

impl Shortage {
    const ALL: [Self; 5] = [Self::Watches, Self::Watchers, Self::Allowed, Self::Person, Self::Memory];
}

impl Health {
    pub(super) fn shortage(&self) -> Option<Shortage> {
        let place = usize::from(self.shortage.load(Ordering::Relaxed)).checked_sub(1)?;
        Shortage::ALL.get(place).copied()
    }

    pub(super) fn state(&self) -> WatchState {
        if self.shortage().is_some() { WatchState::Polling } else { WatchState::Live }
    }

    /// Notes what keeps folders from being watched; whether that is new.
    pub(super) fn note(&self, shortage: Shortage) -> bool {
        self.set(shortage as u8 + 1)
    }

    /// Every folder is watched.
    pub(super) fn mend(&self) {
        self.set(0);
    }

    fn set(&self, value: u8) -> bool {
        let is_new = self.shortage.swap(value, Ordering::Relaxed) != value;
        if is_new {
            self.news.store(true, Ordering::Relaxed);
        }
        is_new
    }

    pub(super) fn has_news(&self) -> bool {
        self.news.load(Ordering::Relaxed)
    }

    /// As [`Self::has_news`], and there are none any more.
    pub(super) fn is_news(&self) -> bool {
        self.news.swap(false, Ordering::Relaxed)
    }
}

/// A sentence for each kind of shortage among those of several trees.
pub(super) fn warnings(
    shortages: impl Iterator<Item = Shortage>,
    max_folders: usize,
    of_person: Limits,
) -> Vec<String> {
    let mut shortages: Vec<_> = shortages.collect();
    shortages.sort_unstable();
    let sentence = |group: &[Shortage]| {
        let trees = group.len();
        let told = format!(
            "In {trees} workspaces or homes, some folders are looked at every few seconds instead of being watched"
        );
        match group[0] {
            Shortage::Watches => format!(
                "{told}, because the system gives no more watches; raise `fs.inotify.max_user_watches` (now {}) with sysctl.",
                shown("max_user_watches")
            ),
            Shortage::Watchers => format!(
                "{told}, because the system gives no more watchers; raise `fs.inotify.max_user_instances` (now {}) with sysctl.",
                shown("max_user_instances")
            ),
            Shortage::Allowed => {
                format!(
                    "{told}, because they have more than the {max_folders} folders that `watch_max_folders` allows."
                )
            }
            Shortage::Person => format!(
                "{told}, because one person watches more than the {} workspaces and homes or the {} folders in them that \
                 `watch_trees_per_person` and `watch_folders_per_person` allow, or half of what the system has.",
                of_person.trees, of_person.folders
            ),
            Shortage::Memory => format!(
                "{told}, because remembering their paths takes more than the {} MiB that one of them, or the {} MiB that one \
                 person may have.",
                MAX_WATCH_BYTES / MIB,
                of_person.bytes / MIB
            ),
        }
    };
    shortages.chunk_by(|a, b| a == b).map(sentence).collect()
}

/// What the system has of something.
pub(super) fn limit(name: &str) -> Option<usize> {
    std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse().ok()
}

fn shown(name: &str) -> String {
    limit(name).map_or_else(|| "unknown".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_changes_once() {
        let health = Health::default();
        assert!(!health.is_news() && health.state() == WatchState::Live);
        assert!(health.note(Shortage::Watchers) && !health.note(Shortage::Watchers));
        assert!(health.is_news() && !health.is_news());
        assert_eq!((health.shortage(), health.state()), (Some(Shortage::Watchers), WatchState::Polling));
        health.mend();
        assert!(health.is_news() && health.state() == WatchState::Live);
    }

    #[test]
    fn names_what_to_raise() {
        let all = [Shortage::Allowed, Shortage::Watches, Shortage::Watches, Shortage::Person, Shortage::Memory];
        let warnings = warnings(all.into_iter(), 7, Limits { trees: 3, folders: 50, bytes: 9 * MIB });
        assert_eq!(warnings.len(), 4);
        assert!(warnings[0].contains("In 2 ") && warnings[0].contains("fs.inotify.max_user_watches"), "{warnings:?}");
        assert!(warnings[1].contains("the 7 folders that `watch_max_folders`"), "{warnings:?}");
        assert!(warnings[2].contains("the 3 workspaces") && warnings[2].contains("the 50 folders"), "{warnings:?}");
        assert!(warnings[3].contains("the 64 MiB") && warnings[3].contains("the 9 MiB"), "{warnings:?}");
    }
}
