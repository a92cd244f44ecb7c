//! Requests of plugins to the hosts that they were granted, and to nothing else.
//!
//! ```text
//! send ── request: method, headers, body ── place: scheme, host, port granted? ── machine: whose are the addresses? ── socket
//!   ^                                                                                                                  │
//!   └──────────────── redirect: all of it again, and no credentials to another origin ─────────────────────────────────┘
//! ```
//!
//! **Invariants:**
//! * Nothing is connected to but an address that [`machine::Gate`] has judged, by the same value: whatever a name server answers later
//!   counts for nothing.
//! * Of an answer that is read piece by piece nothing is read before it is asked for, and nothing for whom it is not granted any more.
//! * A connection that was made with more reach is never used by a request with less: each [`Reach`] has connections of its own.
//! * A connection carries nobody's credentials: cookies are not kept, client certificates are not sent, and authentication schemes that
//!   hold for a whole connection are refused. So requests of different people may follow each other on one.
//! * No answer tells what lies in a network that may not be reached: an address that is guarded and one that is not there are the same.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::ports::Refused;
use crate::rights::{Reach, Rights};

mod body;
mod lookups;
mod machine;
mod pieces;
mod place;
mod redirect;
mod request;
mod tls;

#[cfg(test)]
pub(crate) mod tests;

use body::{Body, MAX_BODY_BYTES, MAX_STREAM_BYTES};
use machine::{Gate, NotAdmitted};
pub(crate) use machine::{Machine, ThisMachine};
pub(crate) use pieces::{Opened, Pieces, Source};
use place::Place;
use request::Prepared;

/// Longest exchange of an answer that is taken whole, redirects and all.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for the head of an answer that is read piece by piece, and for each piece. The call ends before.
const MAX_PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most unused connections kept for one host and port.
const MAX_IDLE_PER_HOST: usize = 4;
/// Most redirects that are followed.
const MAX_REDIRECTS: usize = 5;
/// Most headers of an answer.
const MAX_ANSWER_HEADERS: usize = 128;
/// Largest headers of an answer, names and values together, in bytes.
const MAX_ANSWER_HEADER_BYTES: usize = 64 * 1024;

/// What a plugin asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// As long as is allowed where it is 0.
    pub(crate) timeout_ms: u32,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why nothing came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The host is none that was granted.
    NotGranted { host: String, is_redirect: bool },
    /// Anything else. Where it is a denial, that of the capability with the host.
    Refused { host: String, why: Refused },
}

impl Unsent {
    fn invalid(why: impl Into<String>) -> Self {
        Self::Refused { host: String::new(), why: Refused::Invalid(why.into()) }
    }
}

/// For whom a request is sent, and how far it may go.
pub(crate) struct Asking<'a> {
    /// Lookups of names are counted for each.
    pub(crate) who: u64,
    /// Asked anew for each redirect.
    pub(crate) rights: &'a Rights,
    /// The operator allows requests into private networks.
    pub(crate) may_private: bool,
    /// The call ends then.
    pub(crate) until: Option<Instant>,
}

/// The connections of all plugins of a host.
#[derive(Clone)]
pub(crate) struct Http {
    inner: Arc<Inner>,
}

struct Inner {
    machine: Arc<dyn Machine>,
    lookups: Arc<lookups::Lookups>,
    tls: OnceLock<Option<rustls::ClientConfig>>,
    clients: [OnceLock<Option<reqwest::Client>>; Reach::ALL.len() * 2],
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Http {
    /// With the names and addresses of this machine. Nothing is read or opened before the first request.
    pub(crate) fn new(machine: Arc<dyn Machine>) -> Self {
        Self {
            inner: Arc::new(Inner {
                machine,
                lookups: Arc::default(),
                tls: OnceLock::new(),
                clients: std::array::from_fn(|_| OnceLock::new()),
            }),
        }
    }

    /// Sends a request, follows where it is redirected to, and takes the whole answer.
    pub(crate) async fn send(&self, request: Request, asking: Asking<'_>) -> Result<Response, Unsent> {
        let longest = longest(request.timeout_ms, MAX_TIMEOUT);
        let exchange = async {
            let (arrived, response) = self.exchange(request, &asking).await?;
            let refused = |why| arrived.place.refused(why);
            let body = Body::new(response, MAX_BODY_BYTES).map_err(refused)?.whole().await.map_err(refused)?;
            Ok(Response { status: arrived.status, headers: arrived.headers, body })
        };
        self.within(longest, &asking, exchange).await
    }

    /// The same, up to the head of the answer.
    pub(crate) async fn open(&self, request: Request, asking: Asking<'_>) -> Result<Opened, Unsent> {
        let patience = longest(request.timeout_ms, MAX_PATIENCE);
        let exchange = async {
            let (arrived, response) = self.exchange(request, &asking).await?;
            let body = Body::new(response, MAX_STREAM_BYTES).map_err(|why| arrived.place.refused(why))?;
            Ok(Opened::new(arrived, body, patience, asking.until))
        };
        self.within(patience, &asking, exchange).await
    }

    async fn within<T>(
        &self,
        longest: Duration,
        asking: &Asking<'_>,
        exchange: impl Future<Output = Result<T, Unsent>>,
    ) -> Result<T, Unsent> {
        let until = Instant::now() + longest;
        let until = asking.until.map_or(until, |end| end.min(until));
        let exchange = lookups::COUNTED.scope(self.inner.lookups.of(asking.who), exchange);
        timeout_at(until, exchange)
            .await
            .unwrap_or_else(|_| Err(Unsent::Refused { host: String::new(), why: silent(longest) }))
    }

    async fn exchange(&self, request: Request, asking: &Asking<'_>) -> Result<(Arrived, reqwest::Response), Unsent> {
        let mut place = Place::parse(&request.url)?;
        let mut prepared = Prepared::new(request)?;
        for hop in 0..=MAX_REDIRECTS {
            let reach = place.reach(asking.rights.now().hosts(), asking.may_private, hop > 0)?;
            self.inner.admit_literal(&place, reach)?;
            let response = self.ask(&place, reach, &prepared).await?;
            match redirect::follow(&response, &place)? {
                None => {
                    let (status, headers) = (response.status().as_u16(), headers(&response, &place)?);
                    return Ok((Arrived { place, reach, is_redirect: hop > 0, status, headers }, response));
                }
                Some(next) => {
                    prepared.redirect(response.status(), &place, &next);
                    place = next;
                }
            }
        }
        let why = Refused::Limit(format!("It is redirected more than {MAX_REDIRECTS} times."));
        Err(Unsent::Refused { host: place.host().to_owned(), why })
    }

    async fn ask(&self, place: &Place, reach: Reach, prepared: &Prepared) -> Result<reqwest::Response, Unsent> {
        let unset = || place.refused(Refused::Failed("Requests cannot be sent from this server.".to_owned()));
        let client = self.inner.client(reach, place.is_secure()).ok_or_else(unset)?;
        let request = client
            .request(prepared.method.clone(), place.url().clone())
            .headers(prepared.headers.clone())
            .body(prepared.body.clone());
        request.send().await.map_err(|error| unsent(&error, place))
    }
}

impl Inner {
    fn client(&self, reach: Reach, is_secure: bool) -> Option<&reqwest::Client> {
        let place = self.clients.get(reach as usize * 2 + usize::from(is_secure))?;
        place.get_or_init(|| self.make_client(reach, is_secure)).as_ref()
    }

    fn make_client(&self, reach: Reach, is_secure: bool) -> Option<reqwest::Client> {
        let tls = self.tls.get_or_init(|| {
            tls::trusting_the_web().inspect_err(|error| tracing::error!(%error, "plugins cannot use TLS")).ok()
        });
        let gate = Gate { machine: self.machine.clone(), lookups: self.lookups.clone(), reach, is_secure };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone()?)
            .dns_resolver(gate)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .http1_only()
            .http1_max_headers(MAX_ANSWER_HEADERS)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .https_only(is_secure)
            .user_agent(concat!("coditect-plugin/", env!("CARGO_PKG_VERSION")));
        client.build().inspect_err(|error| tracing::error!(%error, "plugins cannot send requests")).ok()
    }

    /// An address in the place of a name is looked up by nobody: it is judged here.
    fn admit_literal(&self, place: &Place, reach: Reach) -> Result<(), Unsent> {
        match place.address() {
            Some(address) if !machine::is_admitted(&*self.machine, address, reach, place.is_secure()) => {
                Err(guarded(place))
            }
            _ => Ok(()),
        }
    }
}

/// Whether the name has no address, or one that may not be reached: it is the same to whoever asks.
fn guarded(place: &Place) -> Unsent {
    place.refused(Refused::Denied(format!(
        "{} has no address that may be reached: addresses of this machine, of its network and of its cloud take private = true \
         with the capability http, the person's consent and the operator's (private_hosts).",
        place.host()
    )))
}

fn unsent(error: &reqwest::Error, place: &Place) -> Unsent {
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        if found.is::<NotAdmitted>() {
            return guarded(place);
        }
        cause = found.source();
    }
    // What the system says of a connection is not passed on: a closed port and a silent one are the same.
    let what = if error.is_connect() { "could not be reached" } else { "did not answer in HTTP" };
    place.refused(Refused::Unavailable(format!("{} {what}.", place.host())))
}

/// The head of an answer, and where it came from.
struct Arrived {
    place: Place,
    reach: Reach,
    is_redirect: bool,
    status: u16,
    headers: Vec<(String, String)>,
}

/// As long as was asked for, where that is not too long.
fn longest(asked_ms: u32, most: Duration) -> Duration {
    match asked_ms {
        0 => most,
        asked => Duration::from_millis(asked.into()).min(most),
    }
}

fn silent(after: Duration) -> Refused {
    Refused::Unavailable(format!("No answer came within {} ms.", after.as_millis()))
}

/// What the plugin is told of the headers.
fn headers(response: &reqwest::Response, place: &Place) -> Result<Vec<(String, String)>, Unsent> {
    let is_packed = body::is_packed(response.headers());
    let weight: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if weight > MAX_ANSWER_HEADER_BYTES {
        let most = MAX_ANSWER_HEADER_BYTES / 1024;
        return Err(place.refused(Refused::Limit(format!("The headers of the answer are larger than {most} KiB."))));
    }
    let is_told = |name: &http::HeaderName| {
        !is_packed || (*name != http::header::CONTENT_ENCODING && *name != http::header::CONTENT_LENGTH)
    };
    let told = response.headers().iter().filter(|(name, _)| is_told(name));
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(told.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect())
}
