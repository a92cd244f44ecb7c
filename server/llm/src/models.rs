//! All upstreams together.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use coditect_protocol::chat::{ChatDelta, ChatEnd, ChatRequest, ModelInfo, ModelList, UpstreamStatus};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, join_all},
};
use rustls::ClientConfig;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    endpoint::Endpoint,
    error::LlmError,
    openai::OpenAi,
    provider::Provider,
    scrub::shorten,
    settings::{LlmSettings, UpstreamSettings},
    tls,
};

/// How long the upstreams have to list their models.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// Most upstreams.
const MAX_UPSTREAMS: usize = 1000;
/// Where local model servers listen unless told otherwise.
const DISCOVERED: [(&str, &str); 2] =
    [("lmstudio", "http://127.0.0.1:1234/v1"), ("ollama", "http://127.0.0.1:11434/v1")];
/// Where there is no model.
const ADVICE: &str = "No language model is connected: start LM Studio or Ollama on this machine, name an upstream in the \
                      configuration file under [[llm_upstream]], or start the server with `cargo xtask run --model`.";
const ADVICE_WITHOUT_DISCOVERY: &str = "No language model is connected: name an upstream in the configuration file under \
                                        [[llm_upstream]], or start the server with `cargo xtask run --model`. Local model \
                                        servers are not looked for here (setting llm_discover).";

/// All language models there are. Cheap to clone.
#[derive(Clone)]
pub struct Models {
    shared: Arc<State>,
}

struct State {
    upstreams: Vec<Upstream>,
    discovers: bool,
    list_cache: Duration,
    list_timeout: Duration,
    list: Mutex<ListState>,
}

struct Upstream {
    provider: Arc<dyn Provider>,
    configured: bool,
}

#[derive(Default)]
struct ListState {
    known: Option<(Instant, Arc<ModelList>)>,
    running: Option<Sweep>,
}

/// One round of questions to all upstreams; nothing when it panicked.
type Sweep = Shared<BoxFuture<'static, Option<Arc<ModelList>>>>;

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.shared.upstreams.iter().map(|upstream| upstream.provider.name());
        f.debug_list().entries(names).finish()
    }
}

impl Models {
    /// Checks the settings and sets up the clients; nothing is asked yet. It reads the machine's certificates when there is
    /// an `https:` upstream, so it belongs to the start of the server.
    pub fn new(settings: LlmSettings) -> Result<Self, LlmError> {
        let places = if settings.discover { &DISCOVERED[..] } else { &[] };
        Self::with_places(settings, places, LIST_TIMEOUT)
    }

    /// As [`Models::new`], looking for local servers at `places` and giving all upstreams `list_timeout` to list.
    #[expect(clippy::needless_pass_by_value, reason = "the settings end here; nobody needs a second copy of the keys")]
    pub(crate) fn with_places(
        settings: LlmSettings,
        places: &[(&str, &str)],
        list_timeout: Duration,
    ) -> Result<Self, LlmError> {
        if settings.upstreams.len() > MAX_UPSTREAMS {
            return Err(LlmError::configuration(format!("there are more than {MAX_UPSTREAMS} upstreams")));
        }
        let roots = OnceLock::new();
        let tls = |secure: bool| tls_config(&roots, secure);
        let mut names = HashSet::new();
        let mut endpoints: Vec<(Endpoint, bool)> = Vec::new();
        for upstream in &settings.upstreams {
            let endpoint = Endpoint::new(upstream, tls)?;
            if !names.insert(upstream.name.as_str()) {
                return Err(LlmError::configuration(format!("two upstreams have the name “{}”", upstream.name)));
            }
            endpoints.push((endpoint, true));
        }
        for (name, base_url) in places {
            let found = UpstreamSettings {
                first_token_timeout: settings.first_token_timeout,
                idle_timeout: settings.idle_timeout,
                ..UpstreamSettings::new(*name, *base_url)
            };
            let endpoint = Endpoint::new(&found, tls)?;
            // Whatever the operator configured himself is not found a second time.
            if !names.contains(name) && !endpoints.iter().any(|(known, _)| known.is_same_place(&endpoint)) {
                endpoints.push((endpoint, false));
            }
        }
        let upstreams = endpoints
            .into_iter()
            .map(|(endpoint, configured)| Upstream { provider: Arc::new(OpenAi::new(endpoint)), configured })
            .collect();
        let list = Mutex::default();
        let shared =
            State { upstreams, discovers: !places.is_empty(), list_cache: settings.list_cache, list_timeout, list };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// All models. `refresh` asks again although the last list is still good. However many ask, each upstream is asked once
    /// at a time.
    pub async fn list(&self, refresh: bool) -> ModelList {
        let sweep = {
            let mut state = self.shared.lock();
            if !refresh
                && let Some((at, list)) = &state.known
                && at.elapsed() < self.shared.list_cache
            {
                return ModelList::clone(list);
            }
            state.running.get_or_insert_with(|| sweep(Arc::clone(&self.shared))).clone()
        };
        match sweep.await {
            Some(list) => ModelList::clone(&list),
            None => ModelList { models: Vec::new(), upstreams: Vec::new(), advice: Some(self.shared.advice()) },
        }
    }

    /// Asks a model and sends the pieces of the answer to `sink`, tool calls last and whole. When `cancel` is cancelled or
    /// nobody reads the sink any more, the upstream's request is dropped at once.
    pub async fn chat(
        &self,
        request: ChatRequest,
        sink: mpsc::Sender<ChatDelta>,
        cancel: CancellationToken,
    ) -> Result<ChatEnd, LlmError> {
        let unknown = || LlmError::UnknownModel { model: shorten(&request.model) };
        let (upstream, model) = request.model.split_once('/').ok_or_else(unknown)?;
        let found = self.shared.upstreams.iter().find(|known| known.provider.name() == upstream);
        let provider = &found.filter(|_| !model.is_empty()).ok_or_else(unknown)?.provider;
        let started = Instant::now();
        let result = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(LlmError::Cancelled),
            () = sink.closed() => Err(LlmError::Cancelled),
            result = provider.chat(model, &request, &sink) => result,
        };
        // Whoever asks may name a model as long as a message; the log is for what it was.
        let model = shorten(model);
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &result {
            Ok(end) => tracing::debug!(upstream, model, ms, reason = ?end.reason, usage = ?end.usage, "answered"),
            Err(LlmError::Cancelled) => tracing::debug!(upstream, model, ms, "cancelled"),
            Err(error) => tracing::warn!(upstream, model, ms, %error, "no answer"),
        }
        result
    }
}

fn tls_config(roots: &OnceLock<ClientConfig>, secure: bool) -> Result<ClientConfig, LlmError> {
    if !secure {
        return tls::trusting_nobody();
    }
    if let Some(config) = roots.get() {
        return Ok(config.clone());
    }
    let config = tls::trusting_the_web()?;
    Ok(roots.get_or_init(|| config).clone())
}

/// Runs in a task of its own, so that it keeps its time when whoever asked goes away; it ends within [`LIST_TIMEOUT`].
fn sweep(state: Arc<State>) -> Sweep {
    let task = tokio::spawn(async move {
        let end = EndSweep(&state);
        let list = Arc::new(end.0.ask_all().await);
        end.0.lock().known = Some((Instant::now(), Arc::clone(&list)));
        list
    });
    async move { task.await.ok() }.boxed().shared()
}

/// Makes room for the next round, even when this one panicked.
struct EndSweep<'a>(&'a State);

impl Drop for EndSweep<'_> {
    fn drop(&mut self) {
        self.0.lock().running = None;
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, ListState> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advice(&self) -> String {
        if self.discovers { ADVICE } else { ADVICE_WITHOUT_DISCOVERY }.to_owned()
    }

    async fn ask_all(&self) -> ModelList {
        let answers = join_all(self.upstreams.iter().map(|upstream| upstream.ask(self.list_timeout))).await;
        let mut list = ModelList { models: Vec::new(), upstreams: Vec::new(), advice: None };
        for (status, models) in answers.into_iter().flatten() {
            list.upstreams.push(status);
            list.models.extend(models);
        }
        if list.models.is_empty() {
            // One that somebody configured is one they expect to answer: what is wrong with it says more than how to configure one.
            let problem = list
                .upstreams
                .iter()
                .filter(|upstream| upstream.configured)
                .find_map(|upstream| upstream.problem.clone());
            list.advice = Some(problem.unwrap_or_else(|| self.advice()));
        }
        list
    }
}

impl Upstream {
    /// Its state and its models; nothing when it was only looked for and is not there.
    async fn ask(&self, limit: Duration) -> Option<(UpstreamStatus, Vec<ModelInfo>)> {
        let deadline = Instant::now() + limit;
        let answer = match tokio::time::timeout_at(deadline, self.provider.models(deadline)).await {
            Ok(answer) => answer,
            Err(_) => Err(LlmError::Unreachable {
                upstream: self.provider.name().to_owned(),
                address: self.provider.address().to_owned(),
                reason: format!("it did not list its models within {} s", limit.as_secs_f64()),
            }),
        };
        if !self.configured && answer.is_err() {
            return None;
        }
        let name = self.provider.name().to_owned();
        let (models, problem) = match answer {
            Ok(models) if models.is_empty() => (
                models,
                Some(format!("Upstream “{name}” runs but has no model to talk to: download or load one there.")),
            ),
            Ok(models) => (models, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let count = u32::try_from(models.len()).unwrap_or(u32::MAX);
        Some((UpstreamStatus { name, configured: self.configured, models: count, problem }, models))
    }
}
