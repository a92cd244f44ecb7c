//! One call's way from its admission to its record.

use bytes::{Bytes, BytesMut};
use coditect_dialects::{Failure, FailureKind, Piece, Tokens};
use coditect_metering::{Admission, Ask, Counted, End, Refusal};
use coditect_protocol::Coded as _;
use coditect_protocol::llm::{CallOutcome, CallTokens, Door};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::code_of;
use crate::history::{History, Kept};

/// Most of an answer that is kept for who wants that, in bytes.
const MAX_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// When to come back after a refusal that is over soon.
const SOON: Duration = Duration::from_secs(2);

/// What is kept of a call, for the person who wants that.
struct Keeping {
    history: History,
    question: Bytes,
    answer: BytesMut,
}

/// Measures a call. Dropped before it was told how the call ended, the client went away.
pub(crate) struct Meter {
    admission: Option<Admission>,
    door: Door,
    asked: String,
    model: String,
    likely_input: u64,
    started: Instant,
    began_ms: u64,
    first: Option<Duration>,
    retries: u32,
    /// A question went to an upstream, so that there is something to record.
    is_sent: bool,
    /// It is there now, and the upstream may have to be paid for it.
    is_out: bool,
    told: Option<Tokens>,
    pieces: u64,
    /// What was told of the tokens is all.
    is_whole: bool,
    keeping: Option<Keeping>,
}

impl Meter {
    pub(crate) fn new(admission: Admission, door: Door, asked: String, likely_input: u64, started: Instant) -> Self {
        Self {
            admission: Some(admission),
            door,
            model: String::new(),
            asked,
            likely_input,
            started,
            began_ms: now_ms(),
            first: None,
            retries: 0,
            is_sent: false,
            is_out: false,
            told: None,
            pieces: 0,
            is_whole: false,
            keeping: None,
        }
    }

    /// The person wants to keep what is said.
    pub(crate) fn keep(&mut self, history: History, question: Bytes) {
        let question = if question.len() > MAX_KEPT_BYTES {
            Bytes::copy_from_slice(&question[..MAX_KEPT_BYTES])
        } else {
            question
        };
        self.keeping = Some(Keeping { history, question, answer: BytesMut::new() });
    }

    /// More of the answer, as whoever asked gets it.
    pub(crate) fn heard(&mut self, answer: &[u8]) {
        if let Some(keeping) = &mut self.keeping {
            let room = MAX_KEPT_BYTES - keeping.answer.len();
            keeping.answer.extend_from_slice(&answer[..answer.len().min(room)]);
        }
    }

    /// A piece of an answer in no dialect.
    pub(crate) fn said(&mut self, piece: &Piece) {
        match piece {
            Piece::Text(text) | Piece::Refusal(text) | Piece::Thought(text) | Piece::Arguments(text) => {
                self.pieces += 1;
                self.heard(text.as_bytes());
            }
            Piece::Tokens(tokens) => self.told = Some(*tokens),
            _ => {}
        }
    }

    /// Identifier of the call's record.
    pub(crate) fn id(&self) -> Uuid {
        self.admission.as_ref().map(|admission| admission.id().0).unwrap_or_default()
    }

    /// Sets money aside for asking this model.
    pub(crate) async fn hold(&mut self, ask: &Ask<'_>) -> Result<(), Failure> {
        if self.is_out {
            let tokens = self.tokens().0;
            if let Some(admission) = &mut self.admission {
                admission.lose(&tokens);
            }
            self.is_out = false;
        }
        self.model = ask.model.to_owned();
        match &mut self.admission {
            Some(admission) => admission.hold(ask).await.map_err(|refusal| refused(&refusal)),
            None => Ok(()),
        }
    }

    /// Most tokens of an answer that comes at once, where only so many are set aside and nothing else bounds it.
    pub(crate) fn bound(&self) -> Option<u64> {
        self.admission.as_ref()?.bound()
    }

    /// Whether nothing may be asked for that has a price of its own beside the tokens'.
    pub(crate) fn counts_all(&self) -> bool {
        self.admission.as_ref().is_some_and(Admission::counts_all)
    }

    /// A question goes out now.
    pub(crate) fn sent(&mut self) {
        (self.is_sent, self.is_out) = (true, true);
    }

    /// It was refused: nothing was read of it. What is never told so may have to be paid for.
    pub(crate) fn came_back(&mut self) {
        self.is_out = false;
    }

    /// Whether it was put again.
    pub(crate) fn was_retried(&self) -> bool {
        self.retries > 0
    }

    /// It was put again.
    pub(crate) fn retried(&mut self) {
        self.retries += 1;
    }

    /// The first piece of the answer is here.
    pub(crate) fn began(&mut self) {
        if self.first.is_none() {
            self.first = Some(self.started.elapsed());
        }
    }

    /// What is known so far of the tokens.
    pub(crate) fn progress(&mut self, told: Option<Tokens>, pieces: u64) {
        self.told = told;
        self.pieces = pieces;
    }

    /// So many tokens were read, and none written.
    pub(crate) fn read(&mut self, input: u64) {
        self.told = Some(Tokens { input, ..Tokens::default() });
    }

    /// The admission, where more money must be set aside.
    pub(crate) fn admission(&mut self) -> Option<&mut Admission> {
        self.admission.as_mut()
    }

    /// Whether what is set aside pays for what came so far.
    pub(crate) fn is_covered(&self) -> bool {
        self.admission.as_ref().is_none_or(|admission| admission.covers(&self.tokens().0))
    }

    /// The tokens so far, and whether they are estimated.
    pub(crate) fn tokens(&self) -> (Counted, bool) {
        let told = self.told.unwrap_or_default();
        // Some tell at the beginning what is read, and only at the end what was written.
        let is_counted = self.is_whole && told.output > 0;
        let output = if is_counted { told.output } else { told.output.max(self.pieces) };
        let likely = if self.is_out { self.likely_input } else { 0 };
        let input = if self.told.is_some() { told.input } else { likely };
        let tokens =
            CallTokens { input, cached: told.cached, cache_write: told.cache_write, output, reasoning: told.reasoning };
        let counted = Counted { tokens, cache_write_hour: told.cache_write_hour };
        (counted, self.told.is_none() || output != told.output)
    }

    /// The answer is whole.
    pub(crate) fn finish(mut self) {
        self.is_whole = true;
        self.settle(CallOutcome::Ok, None);
    }

    /// It ended otherwise.
    pub(crate) fn end(mut self, outcome: CallOutcome, code: Option<&str>) {
        self.settle(outcome, code);
    }

    /// No upstream answered, or none was to be asked: that is on record too, so that people see why.
    pub(crate) fn refuse(mut self, failure: &Failure) {
        // While the store is away, records wait for it in a bounded queue, where these would take the place of calls that were made.
        if !self.is_sent && failure.kind == FailureKind::Overloaded {
            self.admission = None;
        }
        self.settle(CallOutcome::Refused, Some(code_of(failure)));
    }

    fn settle(&mut self, outcome: CallOutcome, code: Option<&str>) {
        let Some(admission) = self.admission.take() else { return };
        if !self.is_sent && outcome != CallOutcome::Refused {
            return;
        }
        if self.is_sent
            && let Some(Keeping { history, question, answer }) = self.keeping.take()
        {
            let (user, id) = (admission.asker().user, admission.id());
            let (door, model, answer) = (self.door, self.model.clone(), answer.freeze());
            history.keep(Kept { user, id, at_ms: self.began_ms, door, model, question, answer });
        }
        let (tokens, estimated) = self.tokens();
        admission.settle(End {
            model: std::mem::take(&mut self.model),
            asked: std::mem::take(&mut self.asked),
            door: self.door,
            tokens,
            estimated,
            first_token_us: self.first.map(micros),
            total_us: micros(self.started.elapsed()),
            retries: self.retries,
            outcome,
            code: code.map(str::to_owned),
        });
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.settle(CallOutcome::Cancelled, Some("llm.cancelled"));
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Why a call may not be made, as who asks is told.
pub(crate) fn refused(refusal: &Refusal) -> Failure {
    let kind = match refusal {
        Refusal::RateLimited { .. } => FailureKind::RateLimited,
        Refusal::BudgetExhausted { .. } => FailureKind::OutOfMoney,
        Refusal::NoPrice { .. } => FailureKind::Forbidden,
        Refusal::UsageBehind | Refusal::PolicyUnknown | Refusal::Store(_) => FailureKind::Overloaded,
    };
    let told = refusal.retry_after_s().map(Duration::from_secs);
    let retry_after = told.or((kind == FailureKind::Overloaded).then_some(SOON));
    Failure { retry_after, ..Failure::new(kind, refusal.code(), refusal.to_string()) }
}
