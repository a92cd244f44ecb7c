//! Asks one upstream after another until one answers.

use std::time::Duration;

use bytes::Bytes;
use coditect_dialects::{Decoder, Failure, FailureKind};
use coditect_metering::Ask;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep, timeout_at};

use super::Shared;
use super::heavy::heavy;
use super::meter::Meter;
use super::question::{Prepared, Question, Terms};
use crate::error::code_of;
use crate::failure;
use crate::keys::Chosen;
use crate::routing::{Backoff, Target};
use crate::settings::Secret;
use crate::upstream::address::Identity;
use crate::upstream::client::{Reply, Unanswered, read_beginning};
use crate::upstream::{Learnt, Source};

/// Most of a refusal's body that is read, in bytes.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;
/// How long a refusal's body may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a key rests that has reached a limit of which nothing more is told.
const UNTOLD_REST: Duration = Duration::from_secs(1);
/// How many keys of one upstream are tried for one question.
const MAX_KEYS_TRIED: u32 = 3;

/// How often an answer is bounded to half as much where an upstream refuses a bound that it was given here.
const MAX_HALVINGS: u32 = 4;

/// An answer that has begun.
pub(crate) struct Opened {
    pub(crate) target: Target,
    /// Who answers, and what they know that nobody else may.
    pub(crate) identity: Identity,
    pub(crate) prepared: Prepared,
    pub(crate) head: Response<()>,
    /// Its first bytes.
    pub(crate) first: Bytes,
    pub(crate) body: Reply,
}

/// Why there is no answer.
pub(crate) struct NoAnswer {
    pub(crate) failure: Failure,
    /// What the upstream itself said, for who speaks its dialect.
    pub(crate) said: Option<Said>,
    /// The question was put again here, in vain: whoever asks need not do the same once more.
    pub(crate) was_retried: bool,
}

/// A refusal as it came.
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// It was asked in the words of whoever asks.
    pub(crate) is_passed_on: bool,
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> Self {
        Self { failure, said: None, was_retried: false }
    }
}

/// What to do after a refusal.
enum Next {
    /// Put it again, after a wait.
    Again(Option<Duration>),
    /// Put it again at once: what was wrong is known now.
    Otherwise,
    /// Another upstream may do better; this one will not.
    Elsewhere,
    /// Nobody can answer it.
    Nobody,
}

/// How a question is put.
struct Manner {
    learnt: Learnt,
    /// How often the bound was halved that the answer is given here.
    halvings: u32,
}

impl Manner {
    /// Whether what was refused is worth putting in another way, and which. `bound`: what bounds the answer, where whoever asks does not.
    fn adapt(&mut self, no_answer: &NoAnswer, bound: Option<u64>) -> bool {
        let Some(said) = &no_answer.said else { return false };
        if learn(&mut self.learnt, said, bound.is_some()) {
            return true;
        }
        // The model may write less, or have no room for so much. Whoever asks knows nothing of this bound.
        let may_be_bound = matches!(no_answer.failure.kind, FailureKind::BadRequest | FailureKind::ContextTooLong);
        let halves = may_be_bound && self.halvings < MAX_HALVINGS && bound.is_some_and(|most| most > 1);
        self.halvings += u32::from(halves);
        halves
    }
}

impl Shared {
    /// Asks the targets in their order.
    pub(crate) async fn open(
        &self,
        question: &Question,
        max_input: u64,
        plan: Vec<Target>,
        meter: &mut Meter,
    ) -> Result<Opened, NoAnswer> {
        let mut last: Option<NoAnswer> = None;
        let count = plan.len();
        for (at, target) in plan.into_iter().enumerate() {
            let is_last = at + 1 == count;
            match self.ask(question, max_input, target, is_last, meter).await {
                Ok(opened) => return Ok(opened),
                Err((no_answer, goes_on)) => {
                    last = Some(no_answer);
                    if !goes_on || is_last {
                        break;
                    }
                    meter.retried();
                }
            }
        }
        Err(last.unwrap_or_else(|| {
            Failure::new(FailureKind::NotFound, "llm.unknown_model", "There is no such model.").into()
        }))
    }

    /// Asks one of them, again where that may help; whether another one may do better.
    async fn ask(
        &self,
        question: &Question,
        max_input: u64,
        target: Target,
        is_last: bool,
        meter: &mut Meter,
    ) -> Result<Opened, (NoAnswer, bool)> {
        let mut backoff = Backoff::new(self.retries);
        let mut tries = MAX_KEYS_TRIED;
        let mut manner = Manner { learnt: target.upstream.learnt(), halvings: 0 };
        // What an upstream said itself tells more than that it rests since.
        let mut said = None;
        let or_said = |failure: Failure, said: Option<NoAnswer>| (said.unwrap_or_else(|| failure.into()), true);
        loop {
            if let Some(rest) = target.upstream.breaker.resting() {
                return Err(or_said(resting(&target, rest), said));
            }
            let chosen = match self.choose(&target, meter) {
                Ok(chosen) => chosen,
                Err(failure) => return Err(or_said(failure, said)),
            };
            let ask = Ask {
                model: &target.id,
                is_local: target.upstream.is_local(),
                own_key: chosen.as_ref().is_some_and(|chosen| chosen.own) && target.upstream.is_paid_by_key,
                input_tokens: max_input,
                max_output_tokens: question.max_output(),
                answers: question.answers(),
                caches_for_hour: question.caches_for_hour(),
            };
            // One that no price is known of may not be asked; another one may.
            let goes_on = |failure: &Failure| failure.kind == FailureKind::Forbidden;
            meter.hold(&ask).await.map_err(|failure| (NoAnswer::from(failure.clone()), goes_on(&failure)))?;
            let terms = self.terms(question, &target, meter, manner.halvings);
            let prepared = heavy(question.bytes(), || question.prepare(&target, manner.learnt, terms));
            let prepared = prepared.map_err(|failure| (failure.into(), true))?;
            // Only who really asks may be the one who tries whether it is back.
            if let Some(rest) = target.upstream.breaker.rest() {
                return Err(or_said(resting(&target, rest), said));
            }
            meter.sent();
            let secret = chosen.as_ref().map(|chosen| &chosen.secret).or(target.upstream.key.as_ref());
            let no_answer = match self.attempt(&target, prepared, secret, question.stream()).await {
                Ok(opened) => {
                    target.upstream.breaker.succeeded();
                    target.upstream.learn(manner.learnt);
                    if let Some(chosen) = &chosen {
                        self.keys.worked(chosen.id);
                    }
                    return Ok(opened);
                }
                Err(no_answer) => *no_answer,
            };
            if !is_lost(&no_answer) {
                meter.came_back();
            }
            let next = if manner.adapt(&no_answer, terms.bound) {
                target.upstream.breaker.succeeded();
                Next::Otherwise
            } else {
                self.next(&target, &no_answer, chosen.as_ref(), &mut tries, is_last, meter)
            };
            match next {
                Next::Otherwise => {}
                Next::Again(asked_for) => match backoff.wait(asked_for) {
                    Some(wait) => sleep(wait).await,
                    None => return Err((no_answer, true)),
                },
                Next::Elsewhere => return Err((no_answer, true)),
                Next::Nobody => return Err((no_answer, false)),
            }
            said = Some(no_answer);
            meter.retried();
        }
    }

    /// What goes for a question for which money was set aside, its bound so many times halved.
    fn terms(&self, question: &Question, target: &Target, meter: &Meter, halvings: u32) -> Terms {
        let bound = meter.bound().map(|most| (most >> halvings).max(1));
        Terms {
            max_output: self.metering.rules().max_output(&target.id),
            // A stream gets more money as it goes on, or is cut.
            bound: bound.filter(|_| !question.stream()),
            counts_all: meter.counts_all(),
        }
    }

    /// The key to ask with; nothing where the settings hold it, or none is needed.
    fn choose(&self, target: &Target, meter: &mut Meter) -> Result<Option<Chosen>, Failure> {
        let asker = meter.admission().map(|admission| {
            let user = admission.asker().user;
            (user, admission.rules().team(user).map(|team| team.id))
        });
        let chosen =
            asker.and_then(|(user, team)| self.keys.choose(target.upstream.name(), Some(&target.model), user, team));
        let name = target.upstream.name();
        let rests = || asker.and_then(|(user, team)| self.keys.ready_in(name, &target.model, user, team));
        if chosen.is_none()
            && target.upstream.key.is_none()
            && let Some(rest) = rests()
        {
            let message = format!(
                "Upstream “{name}” refused every key that you may use, or wants it to rest: try again in {} s.",
                rest.as_secs() + 1
            );
            let failure = Failure::new(FailureKind::Overloaded, "llm.resting", message);
            return Err(Failure { retry_after: Some(rest), ..failure });
        }
        if chosen.is_none() && target.upstream.source == Source::Preset && target.upstream.key.is_none() {
            let message =
                format!("There is no key for “{name}” that you may use: add one of your own, or ask an admin for one.");
            return Err(Failure::new(FailureKind::Forbidden, "llm.no_key", message));
        }
        Ok(chosen)
    }

    /// One question, one answer.
    async fn attempt(
        &self,
        target: &Target,
        prepared: Prepared,
        key: Option<&Secret>,
        stream: bool,
    ) -> Result<Opened, Box<NoAnswer>> {
        let upstream = &target.upstream;
        let patience =
            if stream { upstream.first_token_timeout } else { upstream.first_token_timeout.max(self.whole_timeout) };
        let deadline = Instant::now() + patience;
        let late = || Box::new(NoAnswer::from(silent(&upstream.identity, patience)));
        let mut headers = upstream.headers(prepared.dialect, key);
        for name in prepared.headers.keys() {
            headers.remove(name);
        }
        headers.extend(prepared.headers.clone());
        let sent = timeout_at(deadline, upstream.post(prepared.uri.clone(), headers, prepared.body.clone())).await;
        let response = sent.map_err(|_| late())?.map_err(|error| Box::new(unanswered(target, error)))?;
        let (head, mut body) = response.into_parts();
        let identity = upstream.identity.with_key(key);
        if !head.status.is_success() {
            let until = deadline.min(Instant::now() + REFUSAL_TIMEOUT);
            let said = read_beginning(&mut body, MAX_REFUSAL_BYTES, until).await;
            let failure = failure::of_answer(&identity, &target.model, head.status, &head.headers, &said);
            let is_passed_on = prepared.translated.is_none() && !identity.gives_away(&said);
            let said = Said { status: head.status, headers: head.headers, body: said.into(), is_passed_on };
            return Err(Box::new(NoAnswer { failure, said: Some(said), was_retried: false }));
        }
        let kind = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if Decoder::for_type(kind).is_none() {
            return Err(Box::new(NoAnswer::from(failure::not_an_answer(&identity, kind))));
        }
        // The head alone is no answer yet: as long as nothing was passed on, another upstream can be asked.
        let first = loop {
            match timeout_at(deadline, body.frame()).await.map_err(|_| late())? {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => break data,
                    _ => {}
                },
                Some(Err(_)) => {
                    return Err(Box::new(no_beginning(&identity, "the connection broke before the answer began")));
                }
                None => return Err(Box::new(no_beginning(&identity, "it is empty"))),
            }
        };
        let head = Response::from_parts(head, ());
        Ok(Opened { target: target.clone(), identity, prepared, head, first, body })
    }

    fn next(
        &self,
        target: &Target,
        no_answer: &NoAnswer,
        chosen: Option<&Chosen>,
        tries: &mut u32,
        is_last: bool,
        meter: &mut Meter,
    ) -> Next {
        let failure = &no_answer.failure;
        let code = code_of(failure);
        if let Some(chosen) = chosen {
            // A 403 may be about what was asked for, a model or a file that this key may not use: another key is tried, and this one is
            // hardly kept from others.
            let is_about_key = no_answer.said.as_ref().is_none_or(|said| said.status != StatusCode::FORBIDDEN);
            match (code, failure.kind) {
                ("llm.refused_key" | "llm.upstream_out_of_money", _) if is_about_key => self.keys.refused(chosen.id),
                ("llm.refused_key", _) => self.keys.limited(chosen.id, &target.model, UNTOLD_REST),
                (_, FailureKind::RateLimited) => self.keys.limited(chosen.id, &target.model, wait_of(failure)),
                _ => {}
            }
            let may_have_another = matches!(code, "llm.refused_key" | "llm.upstream_out_of_money" | "llm.rate_limited");
            *tries = tries.saturating_sub(1);
            if may_have_another && *tries > 0 && matches!(self.choose(target, meter), Ok(Some(_))) {
                return Next::Otherwise;
            }
        }
        match failure.kind {
            FailureKind::RateLimited => {}
            FailureKind::Upstream if matches!(code, "llm.refused_key" | "llm.upstream_out_of_money") => {}
            FailureKind::Upstream | FailureKind::Overloaded | FailureKind::Timeout if is_its_own(no_answer) => {
                target.upstream.breaker.failed();
            }
            _ => target.upstream.breaker.succeeded(),
        }
        match failure.kind {
            // The key rests for as long.
            FailureKind::RateLimited if is_last && chosen.is_some() => Next::Again(Some(wait_of(failure))),
            FailureKind::RateLimited | FailureKind::Overloaded if is_last => Next::Again(failure.retry_after),
            FailureKind::Upstream if is_last && is_passing(code, no_answer) => Next::Again(failure.retry_after),
            FailureKind::RateLimited | FailureKind::Overloaded | FailureKind::Upstream | FailureKind::Timeout => {
                Next::Elsewhere
            }
            FailureKind::NotFound | FailureKind::Forbidden | FailureKind::OutOfMoney | FailureKind::ContextTooLong => {
                Next::Elsewhere
            }
            FailureKind::BadRequest | FailureKind::Unauthenticated | FailureKind::TooLarge => Next::Nobody,
        }
    }
}

/// How long a key rests that has reached its limit.
fn wait_of(failure: &Failure) -> Duration {
    failure.retry_after.unwrap_or(UNTOLD_REST)
}

/// Whether it is the upstream's own failure, and not one that whoever asked provoked.
fn is_its_own(no_answer: &NoAnswer) -> bool {
    no_answer.said.as_ref().is_none_or(|said| said.status.is_server_error())
}

/// Whether it is likely to be over soon.
fn is_passing(code: &str, no_answer: &NoAnswer) -> bool {
    match &no_answer.said {
        Some(said) => matches!(said.status.as_u16(), 500 | 502 | 503 | 504 | 520..=529),
        None => matches!(code, "llm.unreachable" | "llm.bad_stream"),
    }
}

/// Whether nothing came of it, not even a refusal: the upstream may have read it, and be at work on it still.
fn is_lost(no_answer: &NoAnswer) -> bool {
    no_answer.said.is_none() && no_answer.failure.kind == FailureKind::Timeout
}

/// What a refusal tells of the upstream's habits; whether it is worth putting the question in another way. `is_bounded`: the bound of the
/// answer is not in the words of whoever asks.
fn learn(learnt: &mut Learnt, said: &Said, is_bounded: bool) -> bool {
    if !matches!(said.status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) {
        return false;
    }
    let names = |word: &str| memchr::memmem::find(&said.body, word.as_bytes()).is_some();
    let before = *learnt;
    if !learnt.refuses_usage && (names("stream_options") || names("include_usage")) {
        learnt.refuses_usage = true;
    } else if (is_bounded || !said.is_passed_on) && names("max_completion_tokens") {
        learnt.wants_new_bound = true;
    }
    *learnt != before
}

fn resting(target: &Target, rest: Duration) -> Failure {
    let name = target.upstream.name();
    let message =
        format!("Upstream “{name}” failed several times in a row and rests: try again in {} s.", rest.as_secs() + 1);
    Failure { retry_after: Some(rest), ..Failure::new(FailureKind::Overloaded, "llm.resting", message) }
}

pub(super) fn silent(identity: &Identity, patience: Duration) -> Failure {
    let message = format!(
        "Upstream “{}” began no answer within {} s: it may still be loading the model; try again, or lengthen its \
         first_token_seconds.",
        identity.name,
        patience.as_secs_f64().ceil()
    );
    Failure::new(FailureKind::Timeout, "llm.timeout_first_token", message)
}

fn no_beginning(identity: &Identity, reason: &str) -> NoAnswer {
    Failure::from(identity.bad_stream(reason)).into()
}

fn unanswered(target: &Target, error: Unanswered) -> NoAnswer {
    Failure::from(target.upstream.unanswered(error)).into()
}
