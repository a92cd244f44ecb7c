//! Tells the log, target `audit`, of who asked for somebody else's workspace. To them there is none of that id, as there is none of
//! an id that was made up; who runs the server must be able to see the difference.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use coditect_protocol::{UserId, WorkspaceId};

use crate::error::WorkspaceError;
use crate::registry::{Shared, lock};

/// For so long a person's attempts are counted together.
const COUNTED_FOR: Duration = Duration::from_secs(60);
/// Attempts of one person that are told within that time: whoever goes on must not fill the log with it.
const TOLD_PER_PERSON: u32 = 10;

/// Attempts of the time under way, by person.
#[derive(Debug)]
pub(super) struct Denied(Mutex<(Instant, HashMap<UserId, u32>)>);

impl Denied {
    pub(super) fn new() -> Self {
        Self(Mutex::new((Instant::now(), HashMap::new())))
    }

    /// Counts one; whether it may be told. A person is counted only here, so that the table is no larger than the number of people.
    fn count(&self, person: UserId, now: Instant) -> bool {
        let mut counted = lock(&self.0);
        let (since, by_person) = &mut *counted;
        if now.saturating_duration_since(*since) >= COUNTED_FOR {
            *since = now;
            by_person.clear();
        }
        let count = by_person.entry(person).or_default();
        *count = count.saturating_add(1);
        *count <= TOLD_PER_PERSON
    }
}

impl Shared {
    /// Passes an outcome on, and tells of it where a workspace was not found because it is somebody else's.
    pub(super) async fn noted<T>(
        &self,
        person: UserId,
        id: WorkspaceId,
        outcome: Result<T, WorkspaceError>,
    ) -> Result<T, WorkspaceError> {
        if let Err(error @ WorkspaceError::WorkspaceNotFound) = &outcome
            && tokio::fs::try_exists(self.folder(id)).await.unwrap_or(false)
            && self.denied.count(person, Instant::now())
        {
            let code = coditect_protocol::Coded::code(error);
            tracing::info!(target: "audit", action = "workspace.denied", code, user = %person, workspace = %id);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_on_is_told_so_often_in_a_minute_and_others_as_well() {
        let (denied, now) = (Denied::new(), Instant::now());
        let [eve, bob] = [1, 2].map(|id| UserId(uuid::Uuid::from_u128(id)));
        let told = |person, now| (0..TOLD_PER_PERSON + 5).filter(|_| denied.count(person, now)).count();
        assert_eq!(told(eve, now), TOLD_PER_PERSON as usize);
        assert_eq!(told(bob, now), TOLD_PER_PERSON as usize);
        assert_eq!(told(eve, now + COUNTED_FOR / 2), 0);
        assert_eq!(told(eve, now + COUNTED_FOR * 2), TOLD_PER_PERSON as usize);
    }
}
