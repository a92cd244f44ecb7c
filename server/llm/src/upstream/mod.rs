//! Model servers: where they are, what they speak, which models they have.
//!
//! * `address` checks what the operator said; `client` asks and reads; `tls` decides whom to trust.
//! * `presets` are the servers that everybody knows; `listing` asks which models there are.
//! * `breaker` gives a server that fails some rest.

pub(crate) mod address;
mod breaker;
pub(crate) mod client;
mod listing;
mod presets;
mod tls;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use coditect_dialects::{Dialect, Habits};
use http::{HeaderMap, HeaderValue, Method, Response, Uri, header};
use rustls::ClientConfig;
use tokio::sync::OnceCell;

pub(crate) use breaker::Breaker;
pub(crate) use listing::{Model, models};
pub(crate) use presets::{PRESETS, maker_of};

use self::address::{Address, Identity, key_header};
use self::client::{Client, Reply, Unanswered};
use crate::error::LlmError;
use crate::settings::{LlmSettings, Secret, UpstreamSettings};

/// Most upstreams.
const MAX_UPSTREAMS: usize = 1000;
/// Where local model servers listen unless told otherwise: LM Studio, Ollama, vLLM, llama.cpp.
pub(crate) const DISCOVERED: [(&str, &str); 4] = [
    ("lmstudio", "http://127.0.0.1:1234/v1"),
    ("ollama", "http://127.0.0.1:11434/v1"),
    ("vllm", "http://127.0.0.1:8000/v1"),
    ("llamacpp", "http://127.0.0.1:8080/v1"),
];

/// Least time until the first token that well-known model servers have.
const PRESET_FIRST_TOKEN_TIMEOUT: Duration = Duration::from_secs(600);
/// Least silence between two tokens that they may keep.
const PRESET_IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Where an upstream comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The operator named it.
    Configured,
    /// It may be running on this machine.
    Found,
    /// Everybody knows it; it is there once somebody has a key for it.
    Preset,
}

/// What a refusal tells of a server's habits. It counts for all questions once one that was put so was answered: a refusal may only
/// quote whoever asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Learnt {
    /// It does not want to be asked for the count of tokens at the end of a stream.
    pub(crate) refuses_usage: bool,
    /// It wants `max_completion_tokens` in place of `max_tokens`.
    pub(crate) wants_new_bound: bool,
}

/// One model server.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) identity: Identity,
    /// What it speaks: the first one is what others are translated into.
    dialects: Vec<Dialect>,
    pub(crate) source: Source,
    pub(crate) first_token_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) breaker: Breaker,
    /// Its key where the settings hold one.
    pub(crate) key: Option<Secret>,
    /// Whoever's key it is pays: the settings send nothing else along that somebody could be paid by.
    pub(crate) is_paid_by_key: bool,
    habits: Habits,
    /// See [`Learnt`].
    refuses_usage: AtomicBool,
    wants_new_bound: AtomicBool,
    address: Address,
    headers: HeaderMap,
    connect_timeout: Duration,
    trust: Arc<Trust>,
    /// Made when it is first needed: most servers that everybody knows are never asked, and the machine's certificates take time and memory.
    client: OnceCell<Client>,
}

impl Upstream {
    fn new(settings: &UpstreamSettings, source: Source, trust: &Arc<Trust>) -> Result<Self, LlmError> {
        let (identity, address, headers) = address::checked(settings)?;
        for (what, value) in [
            ("connect_timeout", settings.connect_timeout),
            ("first_token_timeout", settings.first_token_timeout),
            ("idle_timeout", settings.idle_timeout),
        ] {
            if value.is_zero() {
                let name = &settings.name;
                return Err(LlmError::configuration(format!("{what} of upstream “{name}” must be longer than 0 s")));
            }
        }
        let key = settings.api_key.as_ref().map(|key| key.expose().trim()).filter(|key| !key.is_empty());
        let is_paid_by_key = source == Source::Preset || key.is_some() && identity.secrets() == 1;
        Ok(Self {
            identity,
            dialects: settings.dialects.clone(),
            source,
            first_token_timeout: settings.first_token_timeout,
            idle_timeout: settings.idle_timeout,
            breaker: Breaker::default(),
            key: key.map(Secret::from),
            is_paid_by_key,
            habits: presets::habits(address.is_local(), &settings.base_url),
            refuses_usage: AtomicBool::new(false),
            wants_new_bound: AtomicBool::new(false),
            connect_timeout: settings.connect_timeout,
            trust: trust.clone(),
            client: OnceCell::new(),
            address,
            headers,
        })
    }

    /// Its name, which stands before the `/` of its models' ids.
    pub(crate) fn name(&self) -> &str {
        &self.identity.name
    }

    /// What it is asked in by who speaks this dialect: the same where it knows it.
    pub(crate) fn dialect_for(&self, asked: Dialect) -> Dialect {
        if self.dialects.contains(&asked) { asked } else { self.dialect() }
    }

    /// What it speaks best.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialects.first().copied().unwrap_or(Dialect::Chat)
    }

    /// Nobody is paid for what it does, unless the policy has a price for it.
    pub(crate) fn is_local(&self) -> bool {
        self.source == Source::Found || self.address.is_local()
    }

    /// What it wants otherwise than others of its dialect.
    pub(crate) fn habits(&self, learnt: Learnt) -> Habits {
        Habits { is_openai: self.habits.is_openai || learnt.wants_new_bound, ..self.habits }
    }

    /// What its refusals have told of its habits.
    pub(crate) fn learnt(&self) -> Learnt {
        Learnt {
            refuses_usage: self.refuses_usage.load(Ordering::Relaxed),
            wants_new_bound: self.wants_new_bound.load(Ordering::Relaxed),
        }
    }

    /// A question that was put so was answered.
    pub(crate) fn learn(&self, learnt: Learnt) {
        self.refuses_usage.fetch_or(learnt.refuses_usage, Ordering::Relaxed);
        self.wants_new_bound.fetch_or(learnt.wants_new_bound, Ordering::Relaxed);
    }

    /// The address of a call.
    pub(crate) fn uri(&self, call: &str, query: Option<&str>) -> Option<Uri> {
        self.address.uri(call, query)
    }

    /// What is sent with every question, with this key.
    pub(crate) fn headers(&self, dialect: Dialect, key: Option<&Secret>) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some((name, value)) = key.and_then(|key| key_header(dialect, key.expose())) {
            headers.insert(name, value);
        }
        headers
    }

    /// Asks with these headers, until the head of the answer is there.
    pub(crate) async fn post(&self, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Response<Reply>, Unanswered> {
        self.client().await?.send(Method::POST, uri, headers, body).await
    }

    async fn client(&self) -> Result<&Client, Unanswered> {
        let made = self.client.get_or_try_init(|| async {
            let (trust, secure) = (self.trust.clone(), self.address.is_secure());
            // Reading certificates blocks.
            let config =
                tokio::task::spawn_blocking(move || trust.config(secure)).await.map_err(|error| error.to_string())?;
            Ok(Client::new(config.map_err(|error| error.to_string())?, self.connect_timeout))
        });
        made.await.map_err(Unanswered::Unreachable)
    }

    /// Makes the connections' settings now, so that what is wrong with them is known at the start.
    fn prepare(&self) -> Result<(), LlmError> {
        let config = self.trust.config(self.address.is_secure())?;
        // Nobody else made it yet.
        let _ = self.client.set(Client::new(config, self.connect_timeout));
        Ok(())
    }

    /// Asks something beside the conversations: with this key, in JSON, in what it speaks best.
    pub(crate) async fn ask(
        &self,
        method: Method,
        uri: Option<Uri>,
        key: Option<&Secret>,
        body: Bytes,
    ) -> Result<Response<Reply>, LlmError> {
        self.ask_with(self.headers(self.dialect(), key), method, uri, body).await
    }

    /// The same with these headers.
    pub(crate) async fn ask_with(
        &self,
        mut headers: HeaderMap,
        method: Method,
        uri: Option<Uri>,
        body: Bytes,
    ) -> Result<Response<Reply>, LlmError> {
        let uri = uri.ok_or_else(|| self.identity.unreachable("its address is not one for HTTP"))?;
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let client = self.client().await.map_err(|error| self.unanswered(error))?;
        client.send(method, uri, headers, body).await.map_err(|error| self.unanswered(error))
    }

    /// The error that no answer means.
    pub(crate) fn unanswered(&self, error: Unanswered) -> LlmError {
        match error {
            Unanswered::Unreachable(reason) => self.identity.unreachable(reason),
            Unanswered::Broken(reason) => self.identity.bad_stream(reason),
        }
    }

    fn sibling_uri(&self, call: &str) -> Option<Uri> {
        self.address.sibling_uri(call)
    }
}

/// All model servers, in the order in which their models are shown.
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    all: Vec<Arc<Upstream>>,
    by_name: HashMap<String, usize>,
}

impl Upstreams {
    /// Checks the settings and sets up the clients; nothing is asked yet. It reads the machine's certificates when there is an `https:`
    /// upstream.
    pub(crate) fn new(settings: &LlmSettings, found: &[(&str, &str)]) -> Result<Self, LlmError> {
        if settings.upstreams.len() > MAX_UPSTREAMS {
            return Err(LlmError::configuration(format!("there are more than {MAX_UPSTREAMS} upstreams")));
        }
        let trust = Arc::default();
        let mut upstreams = Self::default();
        for upstream in &settings.upstreams {
            if upstreams.by_name.contains_key(&upstream.name) {
                return Err(LlmError::configuration(format!("two upstreams have the name “{}”", upstream.name)));
            }
            let upstream = Upstream::new(upstream, Source::Configured, &trust)?;
            upstream.prepare()?;
            upstreams.add(upstream);
        }
        let place = |name: &str, base_url: &str| UpstreamSettings {
            first_token_timeout: settings.first_token_timeout,
            idle_timeout: settings.idle_timeout,
            ..UpstreamSettings::new(name, base_url)
        };
        for (name, base_url) in found {
            upstreams.add_unless_known(Upstream::new(&place(name, base_url), Source::Found, &trust)?);
        }
        for preset in PRESETS.iter().filter(|preset| settings.presets.iter().any(|name| name == preset.name)) {
            let settings = UpstreamSettings {
                dialects: preset.dialects.to_vec(),
                // Large models think for minutes before they say anything, and are paid for it.
                first_token_timeout: settings.first_token_timeout.max(PRESET_FIRST_TOKEN_TIMEOUT),
                idle_timeout: settings.idle_timeout.max(PRESET_IDLE_TIMEOUT),
                ..place(preset.name, preset.base_url)
            };
            upstreams.add_unless_known(Upstream::new(&settings, Source::Preset, &trust)?);
        }
        Ok(upstreams)
    }

    /// Whatever the operator configured is not found a second time.
    fn add_unless_known(&mut self, upstream: Upstream) {
        let is_same = |known: &Arc<Upstream>| known.address.is_same_place(&upstream.address);
        if !self.by_name.contains_key(upstream.name()) && !self.all.iter().any(is_same) {
            self.add(upstream);
        }
    }

    fn add(&mut self, upstream: Upstream) {
        self.by_name.insert(upstream.name().to_owned(), self.all.len());
        self.all.push(Arc::new(upstream));
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Arc<Upstream>] {
        &self.all
    }

    /// The one of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.by_name.get(name).map(|at| &self.all[*at])
    }
}

/// Whom upstreams at `https:` addresses are trusted by: read once for all of them.
#[derive(Debug, Default)]
struct Trust(OnceLock<ClientConfig>);

impl Trust {
    fn config(&self, secure: bool) -> Result<ClientConfig, LlmError> {
        if !secure {
            return tls::trusting_nobody();
        }
        if let Some(config) = self.0.get() {
            return Ok(config.clone());
        }
        let config = tls::trusting_the_web()?;
        Ok(self.0.get_or_init(|| config).clone())
    }
}
