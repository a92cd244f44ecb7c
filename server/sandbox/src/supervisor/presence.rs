//! The servers that are there, and where their API listens.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// All that are there.
#[derive(Default)]
pub(super) struct Servers {
    present: Mutex<Present>,
    count: watch::Sender<usize>,
    /// The API of the one that came last.
    api: watch::Sender<Option<SocketAddr>>,
}

#[derive(Default)]
struct Present {
    last: u64,
    servers: Vec<(u64, Option<SocketAddr>)>,
}

/// A server is there as long as this lives.
pub(super) struct Presence {
    all: Arc<Servers>,
    number: u64,
}

impl Servers {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    pub(super) fn api(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.api.subscribe()
    }

    pub(super) fn arrive(self: &Arc<Self>, api: Option<SocketAddr>) -> Presence {
        let mut present = self.present();
        present.last += 1;
        let number = present.last;
        present.servers.push((number, api));
        self.publish(&present);
        Presence { all: Arc::clone(self), number }
    }

    fn publish(&self, present: &Present) {
        self.count.send_replace(present.servers.len());
        let api = present.servers.iter().rev().find_map(|(_, api)| *api);
        self.api.send_if_modified(|known| std::mem::replace(known, api) != api);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut present = self.all.present();
        present.servers.retain(|(number, _)| *number != self.number);
        self.all.publish(&present);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_that_of_the_last_server_that_is_there() {
        let servers = Arc::new(Servers::default());
        let address = |port| Some(SocketAddr::from(([127, 0, 0, 1], port)));
        let seen = || (*servers.count().borrow(), *servers.api().borrow());
        let first = servers.arrive(address(1));
        let second = servers.arrive(address(2));
        let third = servers.arrive(None);
        assert_eq!(seen(), (3, address(2)));
        drop(second);
        assert_eq!(seen(), (2, address(1)));
        drop((first, third));
        assert_eq!(seen(), (0, None));
    }
}
