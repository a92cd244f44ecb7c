//! How many starts of a person may wait at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coditect_protocol::UserId;

use crate::SandboxError;

/// Most starts of one person that wait at once, whether or not somebody still waits for them. Programs can have them
/// wait until the sandbox is ended for it, and the places for connections are everybody's.
const MAX_STARTING_PER_PERSON: usize = 64;

/// Counts them. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Starts {
    of_person: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// A start that waits, until it is dropped.
pub(super) struct Starting {
    starts: Starts,
    person: UserId,
}

impl Starts {
    fn of_person(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        // Every change is one of a number, so that all are right even after a panic elsewhere.
        self.of_person.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refused where as many of the person's wait as may.
    pub(super) fn begin(&self, person: UserId) -> Result<Starting, SandboxError> {
        let mut all = self.of_person();
        let count = all.entry(person).or_default();
        if *count >= MAX_STARTING_PER_PERSON {
            return Err(SandboxError::Busy);
        }
        *count += 1;
        Ok(Starting { starts: self.clone(), person })
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let mut all = self.starts.of_person();
        if let Some(count) = all.get_mut(&self.person) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.person);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_persons_starts_take_no_place_of_others() {
        let (starts, person) = (Starts::default(), UserId(Uuid::from_u128(1)));
        let mut held: Vec<_> = (0..MAX_STARTING_PER_PERSON).map(|_| starts.begin(person).unwrap()).collect();
        assert_eq!(starts.begin(person).err(), Some(SandboxError::Busy));
        assert!(starts.begin(UserId(Uuid::from_u128(2))).is_ok());
        held.pop();
        held.push(starts.begin(person).unwrap());
        drop(held);
        assert!(starts.of_person().is_empty(), "nobody who has none is remembered");
    }
}
