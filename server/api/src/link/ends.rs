//! The end of links: those whose page does not come back, and those whose login or token has ended anywhere.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coditect_auth::Ending;
use coditect_protocol::{Coded as _, Kind, LinkId};
use coditect_workspace::presence::{STAYS_FOR, Standing};
use futures_util::StreamExt as _;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::state::Link;
use super::{Links, lock};
use crate::AppState;

/// How often links are looked after: those dropped whose page stayed away, those checked that may be past their time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often every link is checked, whatever was told: what is told may get lost.
const CHECK_ALL_EVERY: Duration = Duration::from_secs(30);
/// Links checked at the same time.
const CHECKS_AT_ONCE: usize = 16;

/// Looks after the links until the server stops.
pub(crate) async fn watch(state: AppState) {
    let mut told = state.auth.ended();
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut all_checked = Instant::now();
    loop {
        let due = tokio::select! {
            ending = told.recv() => match ending {
                Ok(ending) => state.links.concerned_by(&ending),
                Err(RecvError::Lagged(_)) => state.links.all(),
                // There is no other end of it than the server's.
                Err(RecvError::Closed) => return,
            },
            _ = look.tick() => {
                state.links.expire();
                state.presence.look(|link| state.links.standing(link));
                if all_checked.elapsed() < CHECK_ALL_EVERY {
                    state.links.past_their_time()
                } else {
                    all_checked = Instant::now();
                    state.links.all()
                }
            }
        };
        check(&state, due).await;
    }
}

/// Asks of each link whether it may go on, and ends those that may not.
async fn check(state: &AppState, links: Vec<Arc<Link>>) {
    let checks = links.into_iter().map(|link| async move {
        match state.auth.check_again(&link.opened_by).await {
            Ok(identity) => link.is_good_until(identity.expires_at),
            // Only a clear answer ends a link: a store that does not answer must not throw everybody out.
            Err(error) if [Kind::Unauthenticated, Kind::Forbidden].contains(&error.kind()) => {
                link.close(Some(error.problem()));
                state.links.remove(link.id);
            }
            Err(error) => tracing::debug!(%error, "a link could not be checked"),
        }
    });
    futures_util::stream::iter(checks).buffer_unordered(CHECKS_AT_ONCE).collect::<()>().await;
}

impl Links {
    fn all(&self) -> Vec<Arc<Link>> {
        lock(&self.by_id).values().cloned().collect()
    }

    fn those(&self, mut concerned: impl FnMut(&Link) -> bool) -> Vec<Arc<Link>> {
        lock(&self.by_id).values().filter(|link| concerned(link)).cloned().collect()
    }

    /// Whether somebody still looks at the page of a link.
    fn standing(&self, id: LinkId) -> Standing {
        match lock(&self.by_id).get(&id).filter(|link| !link.is_closed()) {
            None => Standing::Gone,
            Some(link) if link.detached_since().is_some_and(|since| since.elapsed() > STAYS_FOR) => Standing::Away,
            Some(_) => Standing::There,
        }
    }

    /// Links that may have to end because of it.
    fn concerned_by(&self, ending: &Ending) -> Vec<Arc<Link>> {
        use coditect_auth::Credential;
        match *ending {
            Ending::Session(id) => {
                self.those(|link| matches!(link.opened_by.credential, Credential::Session(session) if session == id))
            }
            Ending::Token(id) => self
                .those(|link| matches!(link.opened_by.credential, Credential::Token { id: token, .. } if token == id)),
            Ending::Person(id) => self.those(|link| link.user_id() == id),
            // Their sessions are told one by one.
            Ending::LoggedOutEverywhere(_) => Vec::new(),
            Ending::All => self.all(),
        }
    }

    /// Links whose login or token was to end by now; it may have been refreshed since.
    fn past_their_time(&self) -> Vec<Arc<Link>> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(u64::MAX, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        self.those(|link| link.good_until() <= now)
    }
}
