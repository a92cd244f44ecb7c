//! The resumable WebSocket link of each page.
//!
//! [`Links`] holds them by id, also while their page is away; [`state::Link`] is one of them: the numbered session, and the calls under
//! way; [`socket`] runs it over one WebSocket; [`calls`] carries out what is asked; [`ends`] ends what may not go on.

mod budget;
mod calls;
mod ends;
mod person;
mod rights;
mod scope;
mod shape;
mod socket;
mod state;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::{State, WebSocketUpgrade};
use axum::response::Response;
use coditect_auth::Identity;
use coditect_protocol::link::{MAX_FRAME_BYTES, Resume};
use coditect_protocol::{Coded as _, Kind, LinkId, Problem};
use http::HeaderMap;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::AppState;
use crate::connection::Intake;
use crate::error::{ApiError, ApiFault};
use crate::identity::{Caller, Origin, same_origin};
use crate::routes::Refusals;
use crate::settings::Settings;
pub(crate) use ends::watch;
use person::Person;
use state::Link;

/// Buffer of each socket, in bytes: most are idle most of the time.
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// Frames larger than this need one of their person's few places while they arrive, in bytes. Pages send larger files over HTTP.
const FREE_FRAME_BYTES: u64 = 2 * 1024 * 1024;

/// Limits of every link.
#[derive(Debug, Clone, Copy)]
struct Limits {
    keep: Duration,
    buffer_bytes: usize,
    max_calls: usize,
    content_bytes: usize,
    per_person: usize,
    chats: usize,
}

/// All links of this server.
pub struct Links {
    limits: Limits,
    by_id: Mutex<HashMap<LinkId, Arc<Link>>>,
    /// The sockets, so that a server that stops can wait for their farewells.
    sockets: TaskTracker,
}

/// A link with a new socket.
struct Opened {
    link: Arc<Link>,
    /// Whether it is the one that the page asked for.
    resumed: bool,
    /// The socket's, see [`Link::attach`].
    generation: u64,
    /// Last number that the server took in.
    received: u64,
    /// Last number that the page took in.
    cursor: u64,
}

impl Links {
    /// No links yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let limits = Limits {
            keep: Duration::from_secs(settings.link_keep_seconds),
            buffer_bytes: settings.link_buffer_bytes,
            max_calls: settings.link_max_calls,
            content_bytes: settings.link_content_bytes,
            per_person: settings.links_per_person,
            chats: settings.chats_per_person,
        };
        Self { limits, by_id: Mutex::default(), sockets: TaskTracker::new() }
    }

    /// The link that a page wants to go on with, or a new one. All of it happens under the lock, so that no link expires between being
    /// found and being attached to.
    fn open(&self, identity: &Identity, resume: Option<&Resume>) -> Result<Opened, Problem> {
        let mut links = lock(&self.by_id);
        if let Some(resume) = resume
            && let Some(link) = links.get(&resume.link).filter(|link| link.is_of(identity) && !link.is_closed())
            && let Some((generation, received)) = link.attach(resume.received)
        {
            return Ok(Opened { link: link.clone(), resumed: true, generation, received, cursor: resume.received });
        }
        let own: Vec<_> = links.values().filter(|link| link.user_id() == identity.user.id).cloned().collect();
        let person = own.first().map_or_else(|| Arc::new(Person::new(&self.limits)), |link| link.person.clone());
        if own.iter().filter(|link| !link.is_closed()).count() >= self.limits.per_person {
            let away = own.iter().filter(|link| link.detached_since().is_some());
            let oldest =
                away.min_by_key(|link| link.detached_since()).ok_or_else(|| ApiFault::TooManyLinks.problem())?;
            oldest.close(None);
            links.remove(&oldest.id);
        }
        let link = Arc::new(Link::new(LinkId(Uuid::new_v4()), identity, person, self.limits));
        let (generation, received) = link.attach(0).ok_or_else(|| ApiFault::TooManyLinks.problem())?;
        links.insert(link.id, link.clone());
        Ok(Opened { link, resumed: false, generation, received, cursor: 0 })
    }

    /// How many are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.by_id).values().filter(|link| !link.is_closed()).count()
    }

    /// Waits until every page has been told that the server stops, or is gone.
    pub async fn pages_gone(&self) {
        self.sockets.close();
        self.sockets.wait().await;
    }

    /// Drops the links whose page did not come back in time.
    fn expire(&self) {
        let keep = self.limits.keep;
        let is_over =
            |link: &Link| link.is_closed() || link.detached_since().is_some_and(|since| since.elapsed() > keep);
        let mut links = lock(&self.by_id);
        for (_, link) in links.extract_if(|_, link| is_over(link)) {
            link.close(None);
        }
    }

    fn remove(&self, id: LinkId) {
        lock(&self.by_id).remove(&id);
    }
}

/// A lock is only ever held for plain bookkeeping, which leaves consistent state even if it panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the opening of a link is refused with.
pub(crate) const UPGRADE: &[Refusals] =
    &[&[(Kind::Forbidden, &["auth.other_site"]), (Kind::Invalid, &["link.not_a_websocket"])]];

/// Opens the link of a page: one WebSocket (`coditect_protocol::link`).
///
/// Only for the site's own pages, since a browser sends the cookies along whoever asks, and for programs with a token.
#[utoipa::path(get, path = "/ws", operation_id = "open_link", tag = "server",
    responses((status = 101, description = "From here on it is a WebSocket.")))]
pub(crate) async fn upgrade(
    State(state): State<AppState>,
    Caller(identity): Caller,
    origin: Origin,
    Extension(intake): Extension<Arc<Intake>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    if !same_origin(&headers, origin.secure, &state.settings.cors_origins) {
        return Err(ApiFault::OtherSite.into());
    }
    let upgrade = upgrade.map_err(|_| ApiFault::NotAWebSocket)?;
    if state.draining.is_cancelled() {
        return Err(ApiFault::Draining.into());
    }
    let sockets = state.links.sockets.clone();
    Ok(upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(MAX_FRAME_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .on_upgrade(move |socket| sockets.track_future(socket::run(state, identity, intake, socket))))
}
