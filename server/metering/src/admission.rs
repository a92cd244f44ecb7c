//! A call, from being let in to being paid for.

use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use coditect_protocol::auth::Role;
use coditect_protocol::llm::{CallOutcome, CallRecord, Door, ModelPrice, Usd};
use coditect_protocol::{CallId, Coded as _, TokenId, UserId, WorkspaceId};
use uuid::Builder;

use crate::limits::{Limited, Rate};
use crate::money::{Counted, Hold, Refused, cost, most};
use crate::time::millis;
use crate::usage::Place;
use crate::{Metering, Refusal, Rules};

/// Longest name of an agent, in characters.
pub const AGENT_MAX_CHARS: usize = 64;
/// Longest name of a model in a record, in characters.
pub(crate) const MODEL_MAX_CHARS: usize = 256;
/// Longest code in a record, in characters.
const CODE_MAX_CHARS: usize = 64;
/// Tokens of an answer that nobody told the most of.
pub const DEFAULT_MAX_OUTPUT_TOKENS: u64 = 8_192;
/// Limits of tokens that count for a call: one for each scope.
const TOKEN_RATES: usize = 3;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The person.
    pub user: UserId,
    /// What they are on this server.
    pub role: Role,
    /// The personal access token that they came with.
    pub token: Option<TokenId>,
    /// The workspace that it is for.
    pub workspace: Option<WorkspaceId>,
    /// The program, as it names itself. What is longer than [`AGENT_MAX_CHARS`] is cut.
    pub agent: Arc<str>,
    /// What it was given to spend, beside what the policy says.
    pub allowance: Option<Allowance>,
}

/// What somebody gave a program to spend on a day, in UTC. It counts whoever's key pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Whose it is. It begins with a slash, as no agent's name that the policy could have meant.
    of: Arc<str>,
    usd_per_day: Usd,
}

impl Allowance {
    /// Of a program that asks for a person in a workspace.
    #[must_use]
    pub fn of_program(program: &str, user: UserId, workspace: WorkspaceId, usd_per_day: Usd) -> Self {
        Self { of: format!("/{program}/{user}/{workspace}").into(), usd_per_day }
    }

    pub(crate) fn of(&self) -> Arc<str> {
        Arc::clone(&self.of)
    }

    pub(crate) fn usd_per_day(&self) -> Usd {
        self.usd_per_day
    }
}

impl Asker {
    /// The same, with a name that can be stored and shown.
    fn tidied(&self) -> Self {
        let is_tidy = |c: char| !c.is_control();
        let is_short = self.agent.len() <= AGENT_MAX_CHARS || self.agent.chars().count() <= AGENT_MAX_CHARS;
        if is_short && self.agent.chars().all(is_tidy) {
            return self.clone();
        }
        let agent: String = self.agent.chars().filter(|c| is_tidy(*c)).take(AGENT_MAX_CHARS).collect();
        Self { agent: agent.into(), ..self.clone() }
    }
}

/// What is about to be asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// `upstream/model`.
    pub model: &'a str,
    /// The upstream is the operator's own, and costs nothing unless the policy says so.
    pub is_local: bool,
    /// A key of the person's own pays.
    pub own_key: bool,
    /// Most tokens that are read.
    pub input_tokens: u64,
    /// Most tokens that are written, of all answers together, where that was told.
    pub max_output_tokens: Option<u64>,
    /// How many answers are wanted: what nobody told the most of is set aside for each.
    pub answers: u64,
    /// Of what is read, some may be kept for an hour in the upstream's cache, which costs more.
    pub caches_for_hour: bool,
}

/// How a call went.
#[derive(Debug, Clone)]
pub struct End {
    /// What answered, or was asked last: `upstream/model`.
    pub model: String,
    /// What was asked for.
    pub asked: String,
    /// In which dialect.
    pub door: Door,
    /// Tokens, as far as they are known.
    pub tokens: Counted,
    /// The upstream did not tell them.
    pub estimated: bool,
    /// Until the first token, in microseconds.
    pub first_token_us: Option<u64>,
    /// In all, in microseconds.
    pub total_us: u64,
    /// How often it was asked again.
    pub retries: u32,
    /// How it ended.
    pub outcome: CallOutcome,
    /// Why it did not go well: a stable code.
    pub code: Option<String>,
}

/// What was asked last.
#[derive(Debug)]
struct Asked {
    model: String,
    price: Option<Arc<ModelPrice>>,
    own_key: bool,
    /// See [`Admission::bound`].
    bound: Option<u64>,
}

/// A call that may be made. Dropped without being settled, nothing was asked: what was set aside is free again.
#[must_use = "whoever makes the call settles it"]
pub struct Admission {
    metering: Metering,
    rules: Arc<Rules>,
    asker: Asker,
    id: CallId,
    /// Milliseconds since 1970.
    at: u64,
    tokens_estimated: u64,
    token_rates: [Option<Rate>; TOKEN_RATES],
    /// Where it is recorded. Taken by settling.
    place: Option<Place>,
    asked: Option<Asked>,
    hold: Hold,
    /// What was paid already for questions that never came back.
    lost: Usd,
}

/// More money that was set aside for a call. Dropped, it is free again.
#[derive(Debug)]
#[must_use = "it is to be added to the admission"]
pub struct More(Hold);

impl Metering {
    /// Lets a call in, where no limit speaks against it and it can be recorded. `tokens_estimated` is what it is thought to read and write;
    /// what it really does is set against the limits at its end.
    pub fn admit(&self, asker: &Asker, tokens_estimated: u64) -> Result<Admission, Refusal> {
        self.let_in(asker, tokens_estimated).inspect_err(|refusal| self.note_refusal(refusal.code()))
    }

    fn let_in(&self, asker: &Asker, tokens_estimated: u64) -> Result<Admission, Refusal> {
        let rules = self.rules();
        if !rules.is_known() {
            return Err(Refusal::PolicyUnknown);
        }
        let place = self.inner.usage.place().ok_or(Refusal::UsageBehind)?;
        let asker = asker.tidied();
        let token_rates = self.use_up(&rules, &asker, tokens_estimated)?;
        let at = millis(SystemTime::now());
        Ok(Admission {
            metering: self.clone(),
            rules,
            asker,
            // As `Uuid::now_v7`, which asks the system for randomness each time.
            id: CallId(Builder::from_unix_timestamp_millis(at, &rand::random()).into_uuid()),
            at,
            tokens_estimated,
            token_rates,
            place: Some(place),
            asked: None,
            hold: Hold::default(),
            lost: Usd::ZERO,
        })
    }

    /// Sets a call against every limit that counts for it, or against none. Answers those that are to be corrected at its end.
    fn use_up(&self, rules: &Rules, asker: &Asker, tokens: u64) -> Result<[Option<Rate>; TOKEN_RATES], Refusal> {
        let mut token_rates = [None; TOKEN_RATES];
        let mut free = token_rates.iter_mut();
        let amount = |rate: &Rate| if rate.what == Limited::Tokens { tokens } else { 1 };
        let limiter = &self.inner.limiter;
        for (at, rate) in rules.rates(asker).enumerate() {
            if let Err(wait) = limiter.use_up(&rate, amount(&rate)) {
                rules.rates(asker).take(at).for_each(|before| limiter.correct(&before, amount(&before), 0));
                let Rate { what, scope, per_minute: limit, .. } = rate;
                let retry_after_s = wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX);
                return Err(Refusal::RateLimited { what, scope, limit, retry_after_s });
            }
            if rate.what == Limited::Tokens
                && let Some(place) = free.next()
            {
                *place = Some(rate);
            }
        }
        Ok(token_rates)
    }
}

impl Admission {
    /// Identifier of the call.
    #[must_use]
    pub fn id(&self) -> CallId {
        self.id
    }

    /// Who asks.
    #[must_use]
    pub fn asker(&self) -> &Asker {
        &self.asker
    }

    /// What was in force when it was let in.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Sets money aside for what is about to be asked, of every budget that counts, in place of what was set aside before. Nothing may be
    /// asked where this is refused.
    pub async fn hold(&mut self, ask: &Ask<'_>) -> Result<(), Refusal> {
        let held = self.try_hold(ask).await;
        held.inspect_err(|refusal| self.metering.note_refusal(refusal.code()))
    }

    async fn try_hold(&mut self, ask: &Ask<'_>) -> Result<(), Refusal> {
        // What was held for the model before is free first: it may be what this one needs.
        self.hold = Hold::default();
        let price = self.rules.price_of(ask.model, ask.is_local);
        let asked = Asked { model: ask.model.to_owned(), price: price.clone(), own_key: ask.own_key, bound: None };
        let asked = self.asked.insert(asked);
        let budgets: Vec<_> = self.rules.budgets(&self.asker, ask.own_key, SystemTime::now()).collect();
        if budgets.is_empty() || (price.is_none() && ask.is_local) {
            return Ok(());
        }
        let Some(price) = price else { return Err(Refusal::NoPrice { model: ask.model.to_owned() }) };
        let policys = self.rules.price_of(ask.model, true).and_then(|price| price.max_output_tokens);
        let models_own = if ask.is_local { None } else { self.rules.built_in_max_output(ask.model) };
        let each = policys.or(models_own).unwrap_or(DEFAULT_MAX_OUTPUT_TOKENS);
        let output = ask.max_output_tokens.unwrap_or_else(|| each.saturating_mul(ask.answers.max(1)));
        // What is built in is the most that the model writes at all. What the policy says may be less.
        let is_bounded = ask.max_output_tokens.is_some() || (policys.is_none() && models_own.is_some());
        asked.bound = (!is_bounded).then_some(each.max(1));
        let amount = most(&price, ask.input_tokens, output, ask.caches_for_hour);
        self.hold = self.metering.inner.ledger.hold(budgets, amount).await.map_err(refusal)?;
        Ok(())
    }

    fn price(&self) -> Option<&ModelPrice> {
        self.asked.as_ref()?.price.as_deref()
    }

    /// Most tokens of each answer, where a budget counts and neither whoever asks nor the model itself bounds it: only so many were set
    /// aside, and an answer that cannot be cut must be told.
    #[must_use]
    pub fn bound(&self) -> Option<u64> {
        self.asked.as_ref().filter(|_| !self.hold.is_empty())?.bound
    }

    /// Whether a budget counts, and the operator's key pays: nothing may be asked for that has a price of its own beside the tokens'.
    #[must_use]
    pub fn counts_all(&self) -> bool {
        !self.hold.is_empty() && self.asked.as_ref().is_some_and(|asked| !asked.own_key)
    }

    /// What was asked last never came back, and may have to be paid for all the same: so many tokens are.
    pub fn lose(&mut self, tokens: &Counted) {
        let lost = self.price().map_or(Usd::ZERO, |price| cost(price, tokens));
        std::mem::take(&mut self.hold).settle(lost);
        self.lost = self.lost.plus(lost);
    }

    /// Whether so many tokens cost no more than what is set aside. Always, where no budget counts.
    #[must_use]
    pub fn covers(&self, tokens: &Counted) -> bool {
        self.hold.is_empty() || self.price().is_none_or(|price| cost(price, tokens) <= self.hold.amount())
    }

    /// Sets more aside, so that so many tokens are covered, and half as many again. Where this is refused, the answer has to be cut.
    pub async fn extend(&mut self, tokens: &Counted) -> Result<(), Refusal> {
        let more = self.more(tokens).await?;
        self.add(more);
        Ok(())
    }

    /// The first half of [`extend`](Self::extend), for who cannot lend the admission meanwhile.
    pub fn more(&self, tokens: &Counted) -> impl Future<Output = Result<More, Refusal>> + Send + 'static {
        let needed = self.price().map_or(0, |price| cost(price, tokens).nanos());
        let wanted = Usd::from_nanos(needed.saturating_add(needed / 2)).minus(self.hold.amount());
        let (budgets, metering) = (self.hold.budgets(), self.metering.clone());
        async move {
            let held = metering.inner.ledger.hold_more(budgets, wanted).await.map_err(refusal);
            held.map(More).inspect_err(|refusal| metering.note_refusal(refusal.code()))
        }
    }

    /// The second half of [`extend`](Self::extend).
    pub fn add(&mut self, more: More) {
        self.hold.join(more.0);
    }

    /// The call is over: pays for it and records it.
    pub fn settle(mut self, end: End) {
        let Some(place) = self.place.take() else { return };
        let cost = self.cost_of(&end);
        std::mem::take(&mut self.hold).settle(cost);
        let tokens = &end.tokens.tokens;
        self.correct_limits(tokens.input.saturating_add(tokens.output));
        let record = self.record(end, cost);
        self.metering.inner.metrics.count(&record);
        self.metering.inner.usage.record(place, record);
    }

    fn cost_of(&self, end: &End) -> Usd {
        let other = match &self.asked {
            Some(asked) if asked.model == end.model => None,
            _ => self.rules.price_of(&end.model, false),
        };
        other.as_deref().or(self.price()).map_or(Usd::ZERO, |price| cost(price, &end.tokens))
    }

    fn correct_limits(&self, used: u64) {
        for rate in self.token_rates.iter().flatten() {
            self.metering.inner.limiter.correct(rate, self.tokens_estimated, used);
        }
    }

    fn record(&self, end: End, cost: Usd) -> CallRecord {
        CallRecord {
            id: self.id,
            at: self.at,
            user: self.asker.user,
            token: self.asker.token,
            workspace: self.asker.workspace,
            agent: self.asker.agent.as_ref().to_owned(),
            door: end.door,
            asked: cut(end.asked, MODEL_MAX_CHARS),
            model: cut(end.model, MODEL_MAX_CHARS),
            tokens: end.tokens.tokens,
            estimated: end.estimated,
            cost: self.lost.plus(cost),
            own_key: self.asked.as_ref().is_some_and(|asked| asked.own_key),
            first_token_us: end.first_token_us,
            total_us: end.total_us,
            retries: end.retries,
            outcome: end.outcome,
            code: end.code.map(|code| cut(code, CODE_MAX_CHARS)),
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.place.is_some() {
            self.correct_limits(0);
        }
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, asker, hold, .. } = self;
        f.debug_struct("Admission")
            .field("id", id)
            .field("asker", asker)
            .field("held", &hold.amount())
            .finish_non_exhaustive()
    }
}

fn refusal(refused: Refused) -> Refusal {
    match refused {
        Refused::OutOfMoney { id, limit, left } => Refusal::BudgetExhausted {
            scope: id.scope,
            period: id.period.kind(),
            of: id.of.to_string(),
            limit,
            left,
            renews_at: id.period.end().map(millis),
        },
        Refused::Full => Refusal::UsageBehind,
        Refused::Store(error) => Refusal::Store(error),
    }
}

/// Up to so many characters of a text, without those that control something.
fn cut(text: String, most: usize) -> String {
    if text.len() <= most && !text.chars().any(char::is_control) {
        return text;
    }
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}
