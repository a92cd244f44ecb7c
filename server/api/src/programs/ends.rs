//! The end of what people run, where they are not there any more: at once for who is kept out or was logged out everywhere, after
//! [`ABSENCE_GRACE`] for who merely logged out or whose login ended by itself.
//!
//! What ends with the right to one workspace is ended in `coditect-workspace`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use coditect_auth::{Ending, Whereabouts};
use coditect_protocol::UserId;
use coditect_workspace::terminals::Scope;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use crate::AppState;

/// How long what somebody runs waits for them after their last login has ended.
const ABSENCE_GRACE: Duration = Duration::from_secs(15 * 60);
/// How often is looked whether those who run something are there.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Ends what nobody comes back to until the server stops.
pub(crate) async fn watch(state: AppState) {
    let mut told = state.auth.ended();
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut absent = Absent::default();
    loop {
        tokio::select! {
            ending = told.recv() => match ending {
                Ok(Ending::LoggedOutEverywhere(person)) => end(&state, person),
                Ok(Ending::Person(person)) => end_if_kept_out(&state, person).await,
                // Somebody may have been logged out everywhere that nobody told of: so also when the server begins.
                Ok(Ending::All) | Err(RecvError::Lagged(_)) => look_at_all(&state, &mut absent, Missed::Perhaps).await,
                Ok(Ending::Session(_) | Ending::Token(_)) => {}
                // There is no other end of it than the server's.
                Err(RecvError::Closed) => return,
            },
            _ = look.tick() => look_at_all(&state, &mut absent, Missed::Nothing).await,
        }
    }
}

/// Whether it may not have been told that somebody was logged out everywhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missed {
    Perhaps,
    /// Then the moment is not compared with that of a start: the clocks of two machines never quite agree.
    Nothing,
}

async fn look_at_all(state: &AppState, absent: &mut Absent, missed: Missed) {
    let running = running(state).await;
    absent.since.retain(|person, _| running.contains_key(&person.0));
    for (person, started_at) in running {
        let person = UserId(person);
        match state.auth.whereabouts(person).await {
            Ok(found) => {
                let was_cut = missed == Missed::Perhaps && found.logged_out_at > started_at;
                if was_cut || absent.is_over(person, &found, Instant::now()) {
                    end(state, person);
                }
            }
            // Only a clear answer ends anything.
            Err(error) => tracing::debug!(%error, "whether somebody is there is asked again"),
        }
    }
}

async fn end_if_kept_out(state: &AppState, person: UserId) {
    match state.auth.whereabouts(person).await {
        Ok(found) if !found.is_let_in => end(state, person),
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "whether somebody is kept out is asked again"),
    }
}

/// The people who have terminals, with the start of their oldest one.
async fn running(state: &AppState) -> BTreeMap<Uuid, u64> {
    let mut people = BTreeMap::new();
    let sandboxes = state.terminals.sandboxes();
    if sandboxes.check_available().is_err() {
        return people;
    }
    match sandboxes.terminals(Scope::Everything).await {
        Ok(listed) => {
            for listed in listed {
                let oldest = people.entry(listed.sandbox.person.0).or_insert(u64::MAX);
                *oldest = listed.info.started_at.min(*oldest);
            }
        }
        Err(error) => tracing::debug!(%error, "what runs could not be asked for"),
    }
    people
}

/// Apart: a program that does not end at once must hold up nobody else's end.
fn end(state: &AppState, person: UserId) {
    let terminals = state.terminals.clone();
    tokio::spawn(async move { terminals.end_access(Scope::Person(person)).await });
}

/// Since when people are away who run something.
#[derive(Default)]
struct Absent {
    since: HashMap<UserId, Instant>,
}

impl Absent {
    /// Whether what somebody runs has waited long enough for them.
    fn is_over(&mut self, person: UserId, found: &Whereabouts, now: Instant) -> bool {
        if found.is_here {
            self.since.remove(&person);
            return false;
        }
        let since = *self.since.entry(person).or_insert(now);
        !found.is_let_in || now.duration_since(since) >= ABSENCE_GRACE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_left_has_a_while_to_come_back_and_who_is_kept_out_has_none() {
        let person = UserId(Uuid::new_v4());
        let here = Whereabouts { is_let_in: true, is_here: true, logged_out_at: 0 };
        let away = Whereabouts { is_here: false, ..here };
        let (mut absent, start) = (Absent::default(), Instant::now());
        let almost = ABSENCE_GRACE - Duration::from_millis(1);
        assert!(!absent.is_over(person, &away, start));
        assert!(!absent.is_over(person, &away, start + almost));
        // Coming back begins it anew.
        assert!(!absent.is_over(person, &here, start + ABSENCE_GRACE));
        let again = start + ABSENCE_GRACE * 2;
        assert!(!absent.is_over(person, &away, again));
        assert!(!absent.is_over(person, &away, again + almost));
        assert!(absent.is_over(person, &away, again + ABSENCE_GRACE));
        let kept_out = Whereabouts { is_let_in: false, ..away };
        assert!(Absent::default().is_over(person, &kept_out, start));
    }
}
