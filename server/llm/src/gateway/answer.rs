//! The body of an answer, on its way from an upstream to whoever asked.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use coditect_dialects::{Dialect, Ending, Failure, FailureKind, Label, Translation};
use coditect_metering::{More, Refusal};
use coditect_protocol::llm::CallOutcome;
use futures_util::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::meter::{Meter, refused};
use super::open::silent;
use super::tap::Tap;
use crate::error::code_of;
use crate::failure::in_our_words;
use crate::upstream::Upstream;
use crate::upstream::address::Identity;
use crate::upstream::client::Reply;

/// How long the count of tokens may follow the end of the answer.
pub(super) const TAIL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the last bytes after the end are waited for, so that the connection can be used again.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_millis(20);
/// How long nothing is said before a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The body of an answer.
pub struct AnswerBody(Inner);

enum Inner {
    Whole(Option<Bytes>),
    Stream(Box<Streaming>),
}

impl AnswerBody {
    /// All of it at once.
    #[must_use]
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Inner::Whole(Some(bytes.into())))
    }

    pub(crate) fn stream(streaming: Streaming) -> Self {
        Self(Inner::Stream(Box::new(streaming)))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut self.get_mut().0 {
            Inner::Whole(bytes) => bytes.take().filter(|bytes| !bytes.is_empty()),
            Inner::Stream(streaming) => ready!(streaming.poll_next(cx)),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Inner::Stream(streaming) => streaming.meter.is_none() && streaming.upstream.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Inner::Stream(_) => SizeHint::default(),
        }
    }
}

/// How the bytes go on.
#[expect(clippy::large_enum_variant, reason = "it stands in a box with the rest of the answer")]
pub(crate) enum Way {
    /// As they are.
    Passed(Tap),
    /// In another dialect.
    Translated(Translation),
}

/// What a failure in the middle of a stream is written in.
pub(crate) type Door = (Dialect, Label);

/// An answer that comes in pieces.
pub(crate) struct Streaming {
    identity: Identity,
    door: Door,
    way: Way,
    first: Option<Bytes>,
    upstream: Option<Reply>,
    /// Gone once the call is settled; then nothing follows.
    meter: Option<Meter>,
    patience: Patience,
    clock: Clock,
    more: Option<BoxFuture<'static, Result<More, Refusal>>>,
    /// The first bytes were just given away: they are to be sent before more is read.
    sends_first: bool,
}

impl Streaming {
    pub(crate) fn new(
        identity: Identity,
        door: Door,
        way: Way,
        (first, upstream): (Bytes, Reply),
        meter: Meter,
        patience: Patience,
    ) -> Self {
        let clock = Clock::new(patience.limit());
        let (first, upstream, meter) = (Some(first), Some(upstream), Some(meter));
        Self { identity, door, way, first, upstream, meter, patience, clock, more: None, sends_first: false }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if std::mem::take(&mut self.sends_first) {
            // Whoever writes to the client sends what there is when nothing more comes at the moment.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if self.meter.is_none() {
                ready!(self.poll_rest(cx));
                return Poll::Ready(None);
            }
            if let Some(refusal) = ready!(self.poll_more(cx)) {
                return Poll::Ready(Some(self.fail(CallOutcome::OutOfMoney, refused(&refusal))));
            }
            let out = match self.poll_upstream(cx) {
                Poll::Ready(Some(Ok(chunk))) => self.feed(chunk),
                Poll::Ready(Some(Err(()))) if self.is_whole() => self.end(),
                Poll::Ready(Some(Err(()))) => {
                    let broken = self.identity.bad_stream("the connection broke before the answer was complete");
                    self.fail(CallOutcome::BrokeOff, broken.into())
                }
                Poll::Ready(None) => self.end(),
                Poll::Pending => ready!(self.poll_clock(cx)),
            };
            if !out.is_empty() {
                return Poll::Ready(Some(out));
            }
        }
    }

    /// The answer is over. What the upstream still sends is read for a moment, so that the connection can be used again.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.upstream.is_some() {
            if self.clock.poll(cx, false).is_ready() || !matches!(ready!(self.poll_upstream(cx)), Some(Ok(_))) {
                self.upstream = None;
            }
        }
        Poll::Ready(())
    }

    /// More bytes, or that there are none, or that it broke off.
    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ()>>> {
        if let Some(first) = self.first.take() {
            self.sends_first = true;
            return Poll::Ready(Some(Ok(first)));
        }
        let Some(upstream) = &mut self.upstream else { return Poll::Ready(None) };
        loop {
            return match ready!(Pin::new(&mut *upstream).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(data))),
                    Err(_) => continue,
                },
                Some(Err(_)) => Poll::Ready(Some(Err(()))),
                None => Poll::Ready(None),
            };
        }
    }

    /// Waits for more money where it is asked for; nothing where all is well.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Option<Refusal>> {
        let Some(asking) = &mut self.more else { return Poll::Ready(None) };
        let answer = ready!(asking.as_mut().poll(cx));
        self.more = None;
        Poll::Ready(match (answer, self.meter.as_mut().and_then(Meter::admission)) {
            (Ok(more), Some(admission)) => {
                admission.add(more);
                None
            }
            (Ok(_), None) => None,
            (Err(refusal), _) => Some(refusal),
        })
    }

    fn feed(&mut self, chunk: Bytes) -> Bytes {
        if self.patience.hears(&chunk) {
            self.clock.wind(self.patience.limit());
        }
        let (out, is_done, told, pieces) = match &mut self.way {
            Way::Passed(tap) => (tap.feed(chunk), false, tap.tokens(), tap.pieces()),
            Way::Translated(translation) => {
                let mut out = Vec::new();
                translation.feed(&chunk, &mut out);
                (out.into(), translation.is_done(), translation.tokens(), translation.pieces() as u64)
            }
        };
        let out = self.without_secrets(out);
        if let Some(meter) = &mut self.meter {
            meter.heard(&out);
            meter.progress(told, pieces);
            if !meter.is_covered() {
                let tokens = meter.tokens().0;
                self.more = meter.admission().map(|admission| Box::pin(admission.more(&tokens)) as _);
            }
        }
        if is_done {
            let upstream = self.upstream.take();
            let end = self.end();
            self.upstream = upstream;
            self.clock.wind(DRAIN_TIMEOUT);
            return if end.is_empty() { out } else { [out, end].concat().into() };
        }
        if self.is_whole() {
            self.clock.wind(TAIL_TIMEOUT.min(self.patience.limit()));
        }
        out
    }

    /// What an upstream says of a failure may repeat the key that it was sent.
    fn without_secrets(&self, out: Bytes) -> Bytes {
        let failed = match &self.way {
            Way::Passed(tap) => tap.failure().is_some(),
            Way::Translated(translation) => matches!(translation.ending(), Some(Ending::Failed(_))),
        };
        if failed && self.identity.gives_away(&out) { self.identity.hide(&out).into() } else { out }
    }

    fn is_whole(&self) -> bool {
        match &self.way {
            Way::Passed(tap) => tap.is_whole(),
            Way::Translated(translation) => translation.is_whole(),
        }
    }

    /// The upstream has no more: what still follows, and the call is settled.
    fn end(&mut self) -> Bytes {
        self.upstream = None;
        match &mut self.way {
            Way::Passed(tap) => {
                tap.end();
                self.settle_passed()
            }
            Way::Translated(translation) => {
                let mut out = Vec::new();
                translation.end(&mut out);
                let out = self.without_secrets(out.into());
                self.hear(&out);
                self.settle_translated();
                out
            }
        }
    }

    fn hear(&mut self, out: &[u8]) {
        if let Some(meter) = &mut self.meter {
            meter.heard(out);
        }
    }

    fn settle_passed(&mut self) -> Bytes {
        let Way::Passed(tap) = &mut self.way else { return Bytes::new() };
        if let Some(meter) = &mut self.meter {
            meter.progress(tap.tokens(), tap.pieces());
        }
        let failure = tap.failure().map(|failure| in_our_words(&self.identity, "", None, failure.clone()));
        if failure.is_none() && !tap.is_whole() {
            let broken = self.identity.bad_stream("it ended before the answer was complete");
            return self.fail(CallOutcome::BrokeOff, broken.into());
        }
        let rest = tap.rest();
        let rest = self.without_secrets(rest);
        self.hear(&rest);
        match failure {
            Some(failure) => self.settle(CallOutcome::BrokeOff, Some(code_of(&failure))),
            None => self.settle(CallOutcome::Ok, None),
        }
        rest
    }

    fn settle_translated(&mut self) {
        let Way::Translated(translation) = &self.way else { return };
        if let Some(meter) = &mut self.meter {
            meter.progress(translation.tokens(), translation.pieces() as u64);
        }
        match translation.ending() {
            Some(Ending::Failed(failure)) => {
                let code = code_of(failure);
                self.settle(CallOutcome::BrokeOff, Some(code));
            }
            _ => self.settle(CallOutcome::Ok, None),
        }
    }

    /// It ends here, and whoever asked is told why.
    fn fail(&mut self, outcome: CallOutcome, failure: Failure) -> Bytes {
        self.upstream = None;
        let code = code_of(&failure);
        let mut out = Vec::new();
        match &mut self.way {
            Way::Passed(tap) => tap.fail(failure, &self.door, &mut out),
            Way::Translated(translation) => translation.fail(failure, &mut out),
        }
        self.hear(&out);
        self.settle(outcome, Some(code));
        out.into()
    }

    fn settle(&mut self, outcome: CallOutcome, code: Option<&'static str>) {
        self.upstream = None;
        match (self.meter.take(), outcome) {
            (Some(meter), CallOutcome::Ok) => meter.finish(),
            (Some(meter), outcome) => meter.end(outcome, code),
            (None, _) => {}
        }
    }

    /// What is said while the upstream is silent: a sign of life, or that it was silent for too long.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let sign = match &self.way {
            Way::Translated(translation) => translation.keep_alive(),
            Way::Passed(_) => None,
        };
        match ready!(self.clock.poll(cx, sign.is_some())) {
            Silence::Short => Poll::Ready(sign.map(Bytes::from_static).unwrap_or_default()),
            Silence::Long if self.is_whole() => Poll::Ready(self.end()),
            Silence::Long => {
                let failure = self.patience.ended(&self.identity);
                Poll::Ready(self.fail(CallOutcome::BrokeOff, failure))
            }
        }
    }
}

/// How long an upstream may say nothing.
#[derive(Debug)]
pub(crate) struct Patience {
    first_token: Duration,
    idle: Duration,
    has_begun: bool,
}

impl Patience {
    pub(super) fn with(upstream: &Upstream) -> Self {
        Self { first_token: upstream.first_token_timeout, idle: upstream.idle_timeout, has_begun: false }
    }

    /// Whether these bytes say something: comments, as servers send them while they do nothing else, do not.
    pub(super) fn hears(&mut self, chunk: &[u8]) -> bool {
        let says = chunk.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| !line.is_empty() && line[0] != b':');
        self.has_begun |= says;
        says
    }

    /// How long it may say nothing now.
    pub(super) fn limit(&self) -> Duration {
        if self.has_begun { self.idle } else { self.first_token }
    }

    /// It said nothing for so long.
    pub(super) fn ended(&self, identity: &Identity) -> Failure {
        if self.has_begun { fell_silent(identity, self.idle) } else { silent(identity, self.first_token) }
    }
}

fn fell_silent(identity: &Identity, idle: Duration) -> Failure {
    let message = format!(
        "Upstream “{}” fell silent for {} s in its answer: try again, or lengthen its idle_seconds.",
        identity.name,
        idle.as_secs_f64().ceil()
    );
    Failure::new(FailureKind::Timeout, "llm.timeout_idle", message)
}

/// How long an upstream was silent.
enum Silence {
    /// For so long that a sign of life is due.
    Short,
    /// For too long.
    Long,
}

/// Measures silence. The timer is set when there is silence at all, and only moved when it goes off.
struct Clock {
    deadline: Instant,
    sign_at: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    fn new(idle: Duration) -> Self {
        let now = Instant::now();
        Self { deadline: now + idle, sign_at: now + KEEP_ALIVE, timer: None }
    }

    fn wind(&mut self, idle: Duration) {
        let now = Instant::now();
        (self.deadline, self.sign_at) = (now + idle, now + KEEP_ALIVE);
    }

    fn poll(&mut self, cx: &mut Context<'_>, gives_signs: bool) -> Poll<Silence> {
        loop {
            let next = if gives_signs { self.deadline.min(self.sign_at) } else { self.deadline };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(next)));
            if timer.deadline() > next {
                timer.as_mut().reset(next);
            }
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.deadline {
                return Poll::Ready(Silence::Long);
            }
            if gives_signs && now >= self.sign_at {
                self.sign_at = now + KEEP_ALIVE;
                timer.as_mut().reset(self.deadline.min(self.sign_at));
                return Poll::Ready(Silence::Short);
            }
            timer.as_mut().reset(next);
        }
    }
}
