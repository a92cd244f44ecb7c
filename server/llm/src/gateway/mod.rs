//! One door to every model: who asks is admitted, an upstream answers, the answer goes back, and the call is settled and recorded.
//!
//! * `ask` looks at a question, `unseen` and `hosted` at what costs more of it than its bytes tell; `question` puts it as an upstream wants it; `open` asks one upstream after another.
//! * `carry` carries the answer back: at once, or as an `answer` in pieces that `tap` reads along, while `meter` measures it.
//! * `refusal` says that there is no answer; `chat` is the IDE's own conversation; `session` is the
//!   Responses dialect over one socket; `embed` and `count` are what is asked beside conversations. `heavy` keeps large bodies out of the way of other calls.

mod answer;
mod ask;
mod carry;
mod chat;
mod count;
mod door;
mod embed;
mod heavy;
mod hosted;
mod meter;
mod open;
mod question;
mod refusal;
mod session;
mod tap;
mod unseen;

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use coditect_dialects::{Dialect, Failure};
use coditect_metering::{Asker, Metering, Rules};
use coditect_protocol::UserId;
use coditect_protocol::auth::Role;
use coditect_protocol::chat::{ModelInfo, ModelList};
use coditect_protocol::llm::Door;
use http::Response;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use answer::AnswerBody;
pub use door::{Call, Conversation};
pub use embed::Embedding;
pub use session::{Events, ResponsesSession};

use self::ask::Asked;
use self::carry::Carrying;
use self::heavy::heavy;
use self::meter::{Meter, refused};
use self::open::{NoAnswer, Opened};
use self::question::Question;
use crate::catalogue::{Catalogue, LIST_TIMEOUT, Models};
use crate::error::LlmError;
use crate::history::History;
use crate::keys::ModelKeys;
use crate::routing::{Target, plan};
use crate::scrub::shorten;
use crate::settings::LlmSettings;
use crate::upstream::{DISCOVERED, Source, Upstream, Upstreams};

/// The gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

/// What all calls share.
pub(crate) struct Shared {
    pub(crate) upstreams: Arc<Upstreams>,
    pub(crate) catalogue: Catalogue,
    pub(crate) keys: ModelKeys,
    pub(crate) metering: Metering,
    pub(crate) history: History,
    /// How often a question is put again to the last upstream that could answer it.
    pub(crate) retries: u32,
    /// Longest time until an answer that comes at once is there.
    pub(crate) whole_timeout: Duration,
}

/// The model servers there are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ModelServers {
    upstreams: Arc<Upstreams>,
    list_timeout: Duration,
}

impl ModelServers {
    /// Checks the settings and sets up the clients; nothing is asked yet. It reads the machine's certificates when there is an `https:`
    /// upstream, so it belongs to the start of the server.
    pub fn new(settings: &LlmSettings) -> Result<Self, LlmError> {
        let places = if settings.discover { &DISCOVERED[..] } else { &[] };
        Self::with_places(settings, places, LIST_TIMEOUT)
    }

    /// As [`ModelServers::new`], looking for local servers at `places` and giving all upstreams `list_timeout` to list.
    pub(crate) fn with_places(
        settings: &LlmSettings,
        places: &[(&str, &str)],
        list_timeout: Duration,
    ) -> Result<Self, LlmError> {
        Ok(Self { upstreams: Arc::new(Upstreams::new(settings, places)?), list_timeout })
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.upstreams.all().iter().map(|upstream| upstream.name())).finish()
    }
}

impl Gateway {
    /// Over these servers.
    #[must_use]
    pub fn new(
        settings: &LlmSettings,
        servers: &ModelServers,
        keys: ModelKeys,
        metering: Metering,
        history: History,
    ) -> Self {
        let upstreams = servers.upstreams.clone();
        let catalogue = Catalogue::new(upstreams.clone(), keys.clone(), settings.list_cache, servers.list_timeout);
        let (retries, whole_timeout) = (settings.retries, settings.whole_timeout);
        Self(Arc::new(Shared { upstreams, catalogue, keys, metering, history, retries, whole_timeout }))
    }

    /// What goes on beside the calls: following keys and policy, writing records down. Until `stop`, and then until all is written.
    pub async fn keep_books(self, stop: CancellationToken) {
        let shared = &self.0;
        tokio::join!(
            shared.metering.clone().run(stop.clone()),
            shared.keys.clone().run(stop.clone()),
            shared.history.clone().run(stop),
        );
    }

    /// Budgets, limits and usage.
    #[must_use]
    pub fn metering(&self) -> &Metering {
        &self.0.metering
    }

    /// Keys of model servers.
    #[must_use]
    pub fn keys(&self) -> &ModelKeys {
        &self.0.keys
    }

    /// What is kept of conversations.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.0.history
    }

    /// The models that a person may talk to. `refresh` asks again although the last list is still good.
    pub async fn list(&self, refresh: bool, user: UserId, role: Role) -> ModelList {
        self.allowed(refresh, user, role).await.talking()
    }

    /// All models that a person may ask, also those that only make vectors, pictures or sounds.
    pub async fn list_all(&self, user: UserId, role: Role) -> Vec<ModelInfo> {
        self.allowed(false, user, role).await.models.into_iter().map(|model| model.info).collect()
    }

    async fn allowed(&self, refresh: bool, user: UserId, role: Role) -> Models {
        let rules = self.0.metering.rules();
        let team = rules.team(user).map(|team| team.id);
        let models = self.0.catalogue.list_for(refresh, user, team).await;
        models.only(|id| rules.may_ask(role, id))
    }

    /// Names of the upstreams that keys can be added for.
    #[must_use]
    pub fn upstreams(&self) -> Vec<String> {
        self.0.upstreams.all().iter().map(|upstream| upstream.name().to_owned()).collect()
    }

    /// Answers a question of a conversation, whatever happens.
    pub async fn converse(&self, conversation: Conversation) -> Response<AnswerBody> {
        let door = conversation.dialect;
        match self.try_converse(conversation).await {
            Ok(response) => response,
            Err(no_answer) => refusal::response(door, &no_answer),
        }
    }

    async fn try_converse(&self, conversation: Conversation) -> Result<Response<AnswerBody>, NoAnswer> {
        let started = Instant::now();
        let Conversation { dialect, framing, model, stream, call: Call { asker, headers, body } } = conversation;
        let asked = heavy(body.len(), || Asked::look(dialect, &body, model, stream))?;
        let (max_input, model, wants_several) = (asked.max_input, asked.model.clone(), asked.wants_several);
        let question = Question::Written { door: dialect, framing, headers, body, asked, value: OnceLock::new() };
        let (opened, meter) = self.begin(&question, max_input, &asker, door_of(dialect), started).await?;
        let carrying = Carrying { door: dialect, framing, model, wants_usage: wants_usage(&question), wants_several };
        if question.stream() {
            Ok(carrying.stream(opened, meter))
        } else {
            carrying.whole(opened, meter, started + self.0.whole_timeout).await
        }
    }

    /// The models to ask. Bare names are known by the last list, which may be too old: where it leads to none that can be asked, a new one
    /// may.
    async fn plan(&self, asked: &str, asker: &Asker, rules: &Rules) -> Result<Vec<Target>, Failure> {
        let shared = &self.0;
        let team = rules.team(asker.user).map(|team| team.id);
        let has_key = |upstream: &Upstream| {
            upstream.source != Source::Preset || shared.keys.has_any(upstream.name(), asker.user, team)
        };
        let planned = || plan(asked, asker.role, rules, &shared.upstreams, &shared.catalogue, has_key);
        match planned() {
            Ok(targets) if targets.iter().any(|target| has_key(&target.upstream)) => Ok(targets),
            _ => {
                shared.catalogue.refresh().await;
                planned()
            }
        }
    }

    /// Admits a call and finds an upstream that answers it.
    async fn begin(
        &self,
        question: &Question,
        max_input: u64,
        asker: &Asker,
        door: Door,
        started: Instant,
    ) -> Result<(Opened, Meter), NoAnswer> {
        let shared = &self.0;
        let likely_input = question.likely_input(max_input);
        let likely = likely_input.saturating_add(question.max_output().unwrap_or(0));
        let admission = shared.metering.admit(asker, likely).map_err(|refusal| refused(&refusal))?;
        let rules = admission.rules().clone();
        let mut meter = Meter::new(admission, door, question.model().to_owned(), likely_input, started);
        let targets = match self.plan(question.model(), asker, &rules).await {
            Ok(targets) => targets,
            Err(failure) => {
                shared.metering.note_refusal(crate::error::code_of(&failure));
                meter.refuse(&failure);
                return Err(failure.into());
            }
        };
        if shared.history.consent(asker.user) {
            meter.keep(shared.history.clone(), question.content());
        }
        match shared.open(question, max_input, targets, &mut meter).await {
            Ok(opened) => {
                meter.began();
                Ok((opened, meter))
            }
            Err(mut no_answer) => {
                no_answer.was_retried = meter.was_retried();
                let code = crate::error::code_of(&no_answer.failure);
                tracing::warn!(code, model = %shorten(question.model()), "no answer");
                meter.refuse(&no_answer.failure);
                Err(no_answer)
            }
        }
    }
}

fn wants_usage(question: &Question) -> bool {
    match question {
        Question::Written { asked, .. } => asked.wants_usage(),
        Question::Turn(turn) => turn.wants_usage,
        Question::Embed(_) => false,
    }
}

fn door_of(dialect: Dialect) -> Door {
    match dialect {
        Dialect::Chat => Door::Chat,
        Dialect::Responses => Door::Responses,
        Dialect::Anthropic => Door::Anthropic,
        Dialect::Gemini => Door::Gemini,
    }
}
