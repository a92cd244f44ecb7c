//! How many names are looked up at once. A lookup cannot be ended: whoever lets go of it could otherwise take thread after thread with a
//! name server that does not answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most lookups at once, of all plugins.
const MAX_LOOKUPS: usize = 64;
/// Most lookups at once for one plugin of one person.
const MAX_LOOKUPS_EACH: usize = 4;

tokio::task_local! {
    /// What the lookups of the request under way count for.
    pub(super) static COUNTED: Arc<Semaphore>;
}

/// The lookups under way.
#[derive(Debug)]
pub(super) struct Lookups {
    all: Arc<Semaphore>,
    each: Mutex<HashMap<u64, Weak<Semaphore>>>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(MAX_LOOKUPS)), each: Mutex::default() }
    }
}

/// A lookup that may begin when there is room.
pub(super) struct Counted {
    all: Arc<Semaphore>,
    own: Option<Arc<Semaphore>>,
}

impl Lookups {
    /// What the lookups of somebody count for.
    pub(super) fn of(&self, who: u64) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = each.get(&who).and_then(Weak::upgrade) {
            return own;
        }
        each.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(MAX_LOOKUPS_EACH));
        each.insert(who, Arc::downgrade(&own));
        own
    }

    /// A lookup of the request under way.
    pub(super) fn counted(&self) -> Counted {
        Counted { all: self.all.clone(), own: COUNTED.try_with(Arc::clone).ok() }
    }
}

impl Counted {
    /// Waits until there is room; nothing where it belongs to no request. What is answered is to be kept until the lookup ends.
    pub(super) async fn wait(self) -> Option<[OwnedSemaphorePermit; 2]> {
        let own = self.own?.acquire_owned().await.ok()?;
        Some([own, self.all.acquire_owned().await.ok()?])
    }
}
