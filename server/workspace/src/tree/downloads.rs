//! How many archives are made at once: each takes a thread for as long as it is being downloaded.

use crate::error::WorkspaceError;
use coditect_protocol::UserId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Archives that are made at once, for everybody together.
const MAX_DOWNLOADS: usize = 32;
/// Archives that are made for one person at once.
const MAX_DOWNLOADS_PER_PERSON: usize = 4;

/// Those that are being made, by whom they are for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Downloads(Arc<Mutex<HashMap<UserId, usize>>>);

impl Downloads {
    /// A place for one more.
    pub(crate) fn begin(&self, by: UserId) -> Result<DownloadPlace, WorkspaceError> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = running.get(&by).copied().unwrap_or_default();
        if own >= MAX_DOWNLOADS_PER_PERSON {
            return Err(WorkspaceError::TooManyDownloads { limit: MAX_DOWNLOADS_PER_PERSON });
        }
        if running.values().sum::<usize>() >= MAX_DOWNLOADS {
            return Err(WorkspaceError::TooManyDownloads { limit: MAX_DOWNLOADS });
        }
        running.insert(by, own + 1);
        Ok(DownloadPlace { running: Arc::clone(&self.0), by })
    }
}

/// Held while an archive is made.
#[derive(Debug)]
pub(crate) struct DownloadPlace {
    running: Arc<Mutex<HashMap<UserId, usize>>>,
    by: UserId,
}

impl Drop for DownloadPlace {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.get_mut(&self.by) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(running.remove(&self.by)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn one_person_leaves_places_to_others_and_everybody_together_has_a_limit() {
        let downloads = Downloads::default();
        let person = |number: u128| UserId(Uuid::from_u128(number));
        let mut places: Vec<_> = (0..4).map(|_| downloads.begin(person(0)).unwrap()).collect();
        assert!(downloads.begin(person(0)).is_err());
        for number in 1..8 {
            places.extend((0..4).map(|_| downloads.begin(person(number)).unwrap()));
        }
        assert!(downloads.begin(person(9)).is_err(), "there are as many as there may be");
        places.pop();
        places.push(downloads.begin(person(9)).unwrap());
        places.clear();
        assert!(downloads.0.lock().unwrap().is_empty(), "nothing is kept of who has none");
    }
}
