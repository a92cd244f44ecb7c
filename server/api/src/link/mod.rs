//! The resumable WebSocket link of each page.
//!
//! [`Links`] holds them by id, also while their page is away; [`state::Link`] is one of them: the numbered session, and the calls under
//! way; [`socket`] runs it over one WebSocket; [`calls`] carries out what is asked.

mod calls;
mod socket;
mod state;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{State, WebSocketUpgrade};
use axum::response::Response;
use coditect_auth::Identity;
use coditect_protocol::link::{MAX_FRAME_BYTES, Resume};
use coditect_protocol::{Kind, LinkId, Problem, SessionId};
use http::HeaderMap;
use uuid::Uuid;

use crate::AppState;
use crate::error::ApiError;
use crate::identity::{Caller, same_origin};
use crate::settings::Settings;
use state::Link;

/// How often links are looked after: expired ones dropped, ended sessions cut off.
const REAP_EVERY: Duration = Duration::from_secs(1);

/// Limits of every link.
#[derive(Debug, Clone, Copy)]
struct Limits {
    keep: Duration,
    buffer_bytes: usize,
    max_calls: usize,
    per_session: usize,
}

/// All links of this server.
pub struct Links {
    limits: Limits,
    by_id: Mutex<HashMap<LinkId, Arc<Link>>>,
}

impl Links {
    /// No links yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let limits = Limits {
            keep: Duration::from_secs(settings.link_keep_seconds),
            buffer_bytes: settings.link_buffer_bytes,
            max_calls: settings.link_max_calls,
            per_session: settings.links_per_session,
        };
        Self { limits, by_id: Mutex::default() }
    }

    /// The link that a page wants to go on with, or a new one, and whether it is the old one.
    fn open(&self, identity: &Identity, resume: Option<Resume>) -> Result<(Arc<Link>, bool), Problem> {
        let mut links = lock(&self.by_id);
        if let Some(resume) = resume
            && let Some(link) =
                links.get(&resume.link).filter(|link| link.session_id == identity.session_id && !link.is_closed())
            && link.can_resume_after(resume.received)
        {
            return Ok((link.clone(), true));
        }
        let mut own: Vec<_> = links.values().filter(|link| link.session_id == identity.session_id).cloned().collect();
        if own.len() >= self.limits.per_session {
            own.retain(|link| link.detached_since().is_some());
            let oldest = own.iter().min_by_key(|link| link.detached_since()).ok_or_else(|| {
                Problem::new(
                    Kind::TooManyRequests,
                    "link.too_many",
                    "Too many pages are open with this login; close some.",
                )
            })?;
            oldest.close(None);
            links.remove(&oldest.id);
        }
        let link = Arc::new(Link::new(LinkId(Uuid::new_v4()), identity, self.limits));
        links.insert(link.id, link.clone());
        Ok((link, false))
    }

    /// Ends every link of a login at once.
    pub async fn end_session(&self, session: SessionId) {
        let ended: Vec<_> =
            lock(&self.by_id).extract_if(|_, link| link.session_id == session).map(|(_, link)| link).collect();
        for link in ended {
            link.close(Some(session_ended()));
        }
    }

    /// How many are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.by_id).values().filter(|link| !link.is_closed()).count()
    }

    fn all(&self) -> Vec<Arc<Link>> {
        lock(&self.by_id).values().cloned().collect()
    }

    fn remove(&self, id: LinkId) {
        lock(&self.by_id).remove(&id);
    }
}

fn session_ended() -> Problem {
    Problem::new(Kind::Unauthenticated, "auth.session_ended", "This login has ended; log in again.")
}

/// A lock is only ever held for plain bookkeeping, which leaves consistent state even if it panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks after the links until the server stops.
pub(crate) async fn reap(state: AppState) {
    let mut tick = tokio::time::interval(REAP_EVERY);
    loop {
        tick.tick().await;
        for link in state.links.all() {
            let expired = link.detached_since().is_some_and(|since: Instant| since.elapsed() > state.links.limits.keep);
            let outcome = state.auth.check_session(link.session_id).await;
            // Only a clear answer ends a link: a store that does not answer must not throw everybody out.
            let ended = outcome.is_err_and(|error| coditect_protocol::Coded::kind(&error) == Kind::Unauthenticated);
            if expired || ended {
                link.close(ended.then(session_ended));
                state.links.remove(link.id);
            }
        }
    }
}

/// `GET /ws`: only for the site's own pages, since a browser sends the cookies along whoever asks.
pub(crate) async fn upgrade(
    State(state): State<AppState>,
    Caller(identity): Caller,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    if !same_origin(&headers, &state.settings.cors_origins) {
        return Err(ApiError::new(
            Kind::Forbidden,
            "auth.other_site",
            "This request came from a page of another site.",
        ));
    }
    let upgrade = upgrade.map_err(|_| {
        ApiError::new(Kind::Invalid, "link.not_a_websocket", "This address takes only WebSocket requests.")
    })?;
    if state.draining.is_cancelled() {
        return Err(ApiError::new(
            Kind::Unavailable,
            "server.draining",
            "The server is stopping; try again in a moment.",
        ));
    }
    Ok(upgrade
        .max_message_size(MAX_FRAME_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .on_upgrade(move |socket| socket::run(state, identity, socket)))
}
