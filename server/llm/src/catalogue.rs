//! Which models there are, and at which upstream each is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use coditect_protocol::chat::{ModelList, UpstreamStatus};
use coditect_protocol::{ModelKeyId, TeamId, UserId};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, join_all};
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::LlmError;
use crate::keys::{Chosen, ModelKeys};
use crate::settings::Secret;
use crate::upstream::{self, Model, Source, Upstream, Upstreams};

/// How long the upstreams have to list their models.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// How long what an upstream told to a key of some only is good.
const KEY_LIST_CACHE: Duration = Duration::from_secs(60);
/// Most lists of that kind that are kept; further ones are asked for each time.
const MAX_KEY_LISTS: usize = 1000;
/// Where there is no model.
const ADVICE: &str = "No language model is connected: start LM Studio, Ollama, vLLM or llama.cpp on this machine, add a key of a model \
                      provider, name an upstream in the configuration file under [[llm_upstream]], or start the server with `cargo \
                      xtask run --model`.";
const ADVICE_WITHOUT_DISCOVERY: &str = "No language model is connected: add a key of a model provider, name an upstream in the \
                                        configuration file under [[llm_upstream]], or start the server with `cargo xtask run \
                                        --model`. Local model servers are not looked for here (setting llm_discover).";

/// Where there are models, and the policy lets whoever asks have none.
const ADVICE_WITHOUT_LEAVE: &str =
    "No language model is allowed to your role: ask an admin to allow some in the policy of the models.";

/// An upstream's state and its models.
type Listed = (UpstreamStatus, Vec<Model>);

/// Models, and what is wrong with upstreams that gave none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Models {
    /// In the order of the upstreams, then by name.
    pub(crate) models: Vec<Model>,
    upstreams: Vec<UpstreamStatus>,
    /// Where there is none to talk to.
    advice: Option<String>,
}

impl Models {
    fn add(&mut self, (status, models): Listed) {
        self.upstreams.push(status);
        self.models.extend(models);
    }

    fn talk(&self) -> bool {
        self.models.iter().any(|model| model.talks)
    }

    /// Those that may be asked.
    pub(crate) fn only(mut self, may_ask: impl Fn(&str) -> bool) -> Self {
        let talked = self.talk();
        self.models.retain(|model| may_ask(&model.info.id));
        if talked && !self.talk() {
            self.advice = Some(ADVICE_WITHOUT_LEAVE.to_owned());
        }
        self
    }

    /// Those that can be talked to.
    pub(crate) fn talking(self) -> ModelList {
        let talking = self.models.into_iter().filter(|model| model.talks);
        let models = talking.map(|model| model.info).collect();
        ModelList { models, upstreams: self.upstreams, advice: self.advice }
    }
}

/// All models. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Catalogue(Arc<State>);

struct State {
    upstreams: Arc<Upstreams>,
    keys: ModelKeys,
    list_cache: Duration,
    list_timeout: Duration,
    list: Mutex<ListState>,
    /// What upstreams told to keys that are not for everybody.
    by_key: Mutex<HashMap<ModelKeyId, (Instant, Listed)>>,
    /// Bare names of models, each with the first upstream that has it.
    homes: ArcSwap<HashMap<String, String>>,
}

#[derive(Default)]
struct ListState {
    known: Option<(Instant, Arc<Models>)>,
    running: Option<Sweep>,
}

/// One round of questions to all upstreams; nothing when it panicked.
type Sweep = Shared<BoxFuture<'static, Option<Arc<Models>>>>;

impl Catalogue {
    pub(crate) fn new(
        upstreams: Arc<Upstreams>,
        keys: ModelKeys,
        list_cache: Duration,
        list_timeout: Duration,
    ) -> Self {
        let (list, by_key, homes) = (Mutex::default(), Mutex::default(), ArcSwap::default());
        Self(Arc::new(State { upstreams, keys, list_cache, list_timeout, list, by_key, homes }))
    }

    /// The upstream that has a model of this bare name, as far as the last list told.
    pub(crate) fn upstream_of(&self, model: &str) -> Option<String> {
        self.0.homes.load().get(model).cloned()
    }

    /// The models that a person may have: all that are there for everybody, and those that their own keys or their team's open.
    pub(crate) async fn list_for(&self, refresh: bool, user: UserId, team: Option<TeamId>) -> Models {
        let state = &self.0;
        let mut list = Models::clone(&*self.list(refresh).await);
        let is_listed = |upstream: &Upstream| list.upstreams.iter().any(|status| status.name == upstream.name());
        let others =
            state.upstreams.all().iter().filter(|upstream| upstream.source == Source::Preset && !is_listed(upstream));
        let keys =
            others.filter_map(|upstream| Some((upstream, state.keys.choose(upstream.name(), None, user, team)?)));
        let own = join_all(keys.map(|(upstream, chosen)| state.ask_with(upstream, chosen, refresh))).await;
        own.into_iter().flatten().for_each(|listed| list.add(listed));
        if list.talk() {
            list.advice = None;
        }
        list
    }

    /// Lists all models again unless the last list is still good, so that bare names are known by it.
    pub(crate) async fn refresh(&self) {
        self.list(false).await;
    }

    /// All models that are there for everybody. `refresh` asks again although the last list is still good. However many ask, each upstream is asked once at a time.
    async fn list(&self, refresh: bool) -> Arc<Models> {
        let sweep = {
            let mut state = self.0.lock();
            if !refresh
                && let Some((at, list)) = &state.known
                && at.elapsed() < self.0.list_cache
            {
                return Arc::clone(list);
            }
            state.running.get_or_insert_with(|| sweep(Arc::clone(&self.0))).clone()
        };
        let nothing = || Arc::new(Models { advice: Some(self.0.advice()), ..Models::default() });
        sweep.await.unwrap_or_else(nothing)
    }
}

/// Runs in a task of its own, so that it keeps its time when whoever asked goes away; it ends within [`LIST_TIMEOUT`].
fn sweep(state: Arc<State>) -> Sweep {
    let task = tokio::spawn(async move {
        let end = EndSweep(&state);
        let list = Arc::new(end.0.ask_all().await);
        end.0.homes.store(Arc::new(homes(&list.models)));
        end.0.lock().known = Some((Instant::now(), Arc::clone(&list)));
        list
    });
    async move { task.await.ok() }.boxed().shared()
}

fn homes(models: &[Model]) -> HashMap<String, String> {
    let mut homes = HashMap::with_capacity(models.len());
    let (talking, others): (Vec<_>, Vec<_>) = models.iter().partition(|model| model.talks);
    for Model { info, .. } in talking.into_iter().chain(others) {
        homes.entry(info.name.clone()).or_insert_with(|| info.upstream.clone());
    }
    homes
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
        let looks = self.upstreams.all().iter().any(|upstream| upstream.source == Source::Found);
        if looks { ADVICE } else { ADVICE_WITHOUT_DISCOVERY }.to_owned()
    }

    async fn ask_all(&self) -> Models {
        let answers = join_all(self.upstreams.all().iter().map(|upstream| self.ask(upstream))).await;
        let mut list = Models::default();
        answers.into_iter().flatten().for_each(|listed| list.add(listed));
        if !list.talk() {
            // One that somebody configured is one they expect to answer: what is wrong with it says more than how to configure one.
            let mut configured = list.upstreams.iter().filter(|upstream| upstream.configured);
            let problem = configured.find_map(|upstream| upstream.problem.clone());
            list.advice = Some(problem.unwrap_or_else(|| self.advice()));
        }
        list
    }

    /// As [`Self::ask`], with a key of some only; what was told to that key lately is told again.
    async fn ask_with(&self, upstream: &Upstream, chosen: Chosen, refresh: bool) -> Option<Listed> {
        let lock = || self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock()
            .get(&chosen.id)
            .filter(|(at, _)| !refresh && at.elapsed() < KEY_LIST_CACHE)
            .map(|(_, told)| told.clone());
        if known.is_some() {
            return known;
        }
        let told = self.told(upstream, Some(&chosen.secret)).await?;
        let mut by_key = lock();
        by_key.retain(|_, (at, _)| at.elapsed() < KEY_LIST_CACHE);
        if by_key.len() < MAX_KEY_LISTS {
            by_key.insert(chosen.id, (Instant::now(), told.clone()));
        }
        Some(told)
    }

    /// Its state and its models; nothing when it was only looked for and is not there, or when nobody has a key for it.
    async fn ask(&self, upstream: &Upstream) -> Option<Listed> {
        let key = upstream.key.clone().or_else(|| self.shared_key(upstream.name()));
        if upstream.source == Source::Preset && key.is_none() {
            return None;
        }
        self.told(upstream, key.as_ref()).await
    }

    async fn told(&self, upstream: &Upstream, key: Option<&Secret>) -> Option<Listed> {
        let answer = self.ask_in_time(upstream, key).await;
        if upstream.source == Source::Found && answer.is_err() {
            return None;
        }
        let name = upstream.name().to_owned();
        let talking = |models: &[Model]| models.iter().filter(|model| model.talks).count();
        let (models, problem) = match answer {
            Ok(models) if talking(&models) == 0 => (
                models,
                Some(format!("Upstream “{name}” runs but has no model to talk to: download or load one there.")),
            ),
            Ok(models) => (models, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let count = u32::try_from(talking(&models)).unwrap_or(u32::MAX);
        let configured = upstream.source != Source::Found;
        Some((UpstreamStatus { name, configured, models: count, problem }, models))
    }

    /// A key that is for everybody.
    fn shared_key(&self, upstream: &str) -> Option<Secret> {
        self.keys.choose(upstream, None, UserId(Uuid::nil()), None).map(|chosen| chosen.secret)
    }

    async fn ask_in_time(&self, upstream: &Upstream, key: Option<&Secret>) -> Result<Vec<Model>, LlmError> {
        let deadline = Instant::now() + self.list_timeout;
        match tokio::time::timeout_at(deadline, upstream::models(upstream, key, deadline)).await {
            Ok(answer) => answer,
            Err(_) => {
                let seconds = self.list_timeout.as_secs_f64();
                Err(upstream.identity.unreachable(format!("it did not list its models within {seconds} s")))
            }
        }
    }
}
