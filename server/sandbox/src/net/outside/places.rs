//! The sockets that all sandboxes together may have. Each may have as many as are left for others: however many take all
//! they can, something is left for who comes next.

use std::sync::LazyLock;

use rustix::process::{Resource, getrlimit};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::limits::{MAX_CONNECTIONS_OF_ALL, MAX_DATAGRAM_PATHS_OF_ALL, OPEN_FILES_SHARE};

/// Of the whole process.
static OF_ALL: LazyLock<Places> = LazyLock::new(|| {
    let open_files =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| most.try_into().unwrap_or(usize::MAX));
    let share = |most: usize, part: usize| most.min(open_files / part);
    let connections = share(MAX_CONNECTIONS_OF_ALL, OPEN_FILES_SHARE);
    Places::new(connections, share(MAX_DATAGRAM_PATHS_OF_ALL, 2 * OPEN_FILES_SHARE))
});

/// Places for each kind of socket.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) connections: Kind,
    pub(super) paths: Kind,
}

/// Places for one kind.
#[derive(Debug)]
pub(super) struct Kind {
    left: Semaphore,
    all: usize,
}

impl Places {
    pub(super) fn new(connections: usize, paths: usize) -> Self {
        let kind = |all| Kind { left: Semaphore::new(all), all };
        Self { connections: kind(connections), paths: kind(paths) }
    }

    pub(super) fn of_all() -> &'static Self {
        &OF_ALL
    }
}

impl Kind {
    /// A place for who has `own` of them already; given back when dropped.
    pub(super) fn take(&self, own: usize) -> Option<SemaphorePermit<'_>> {
        if own < self.left.available_permits() { self.left.try_acquire().ok() } else { None }
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.all - self.left.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_all_there_is_leaves_something() {
        let places = Places::new(90, 0);
        let mut taken = Vec::new();
        let mut greedy = |most: usize| {
            let before = taken.len();
            while taken.len() - before < most
                && let Some(place) = places.connections.take(taken.len() - before)
            {
                taken.push(place);
            }
            taken.len() - before
        };
        assert_eq!([greedy(1000), greedy(1000), greedy(1000)], [45, 23, 11]);
        assert_eq!(greedy(2), 2, "for who comes next");
        assert_eq!(places.connections.taken(), 81);
        drop(taken);
        assert_eq!(places.connections.taken(), 0);
        assert!(places.paths.take(0).is_none());
    }
}
