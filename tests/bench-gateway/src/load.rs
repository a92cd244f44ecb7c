//! The load: so many clients, each with one connection and one request at a time, who look at every answer.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;
use tokio::time::{sleep_until, timeout};

use crate::chat;
use crate::http::{self, Connection};

/// For how long connections are opened and caches filled before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long the last answers may take once nothing counts any more.
const LAST_ANSWERS: Duration = Duration::from_secs(20);
/// So many errors end the run: it has failed anyhow.
const MAX_ERRORS: u64 = 20;
/// Longest time that can be told, in ns.
const LONGEST_NS: u64 = 600_000_000_000;
/// Digits to which times are told.
const DIGITS: u8 = 3;

/// What to ask, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
    pub(crate) is_stream: bool,
    pub(crate) clients: usize,
    /// What is measured, without the time to warm up.
    pub(crate) seconds: f64,
}

impl Job {
    /// The request as it is sent.
    pub(crate) fn request(&self) -> Vec<u8> {
        http::bytes("POST", &self.path, self.authorization.as_deref(), &self.body)
    }
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Right answers while it was measured.
    pub(crate) answers: u64,
    pub(crate) seconds: f64,
    /// Wrong answers, from the first request on.
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// From the request to the end of the answer.
    pub(crate) whole: Times,
    /// From the request to the first token.
    pub(crate) first: Times,
}

/// Microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
}

/// Reads a job from standard input, does it, prints the outcome.
pub(crate) async fn run() -> Result<()> {
    let job: Job = serde_json::from_reader(std::io::stdin()).context("standard input is no job")?;
    println!("{}", serde_json::to_string(&perform(&job).await?)?);
    Ok(())
}

struct Tally {
    /// When answers count.
    from: Instant,
    until: Instant,
    whole: Histogram<u64>,
    first: Histogram<u64>,
    errors: u64,
    first_error: Option<String>,
}

async fn perform(job: &Job) -> Result<Outcome> {
    let histogram = || Histogram::new_with_max(LONGEST_NS, DIGITS);
    let from = Instant::now() + WARM_UP;
    let until = from + Duration::try_from_secs_f64(job.seconds)?;
    let tally = Tally { from, until, whole: histogram()?, first: histogram()?, errors: 0, first_error: None };
    let tally = Rc::new(RefCell::new(tally));
    let clients = LocalSet::new();
    for _ in 0..job.clients {
        clients.spawn_local(client(job.clone(), Rc::clone(&tally)));
    }
    clients.run_until(sleep_until(until.into())).await;
    // Whoever is measured next shall not find the gateway at work.
    let ended = timeout(LAST_ANSWERS, clients).await;
    let mut tally = tally.borrow_mut();
    if ended.is_err() {
        tally.fail(&anyhow::anyhow!("no answer within {} s", LAST_ANSWERS.as_secs()));
    }
    Ok(Outcome {
        answers: tally.whole.len(),
        seconds: job.seconds,
        errors: tally.errors,
        first_error: tally.first_error.clone(),
        whole: Times::of(&tally.whole),
        first: Times::of(&tally.first),
    })
}

impl Times {
    fn of(histogram: &Histogram<u64>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "ten minutes are few enough nanoseconds")]
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Self { p50: at(0.5), p95: at(0.95) }
    }
}

/// Asks again and again, over a new connection after an error.
async fn client(job: Job, tally: Rc<RefCell<Tally>>) {
    let request = job.request();
    while !tally.borrow().is_over() {
        if let Err(error) = connection(&job, &request, &tally).await {
            tally.borrow_mut().fail(&error);
        }
    }
}

/// Asks over one connection until the other end announces that it closes it.
async fn connection(job: &Job, request: &[u8], tally: &RefCell<Tally>) -> Result<()> {
    let mut connection = Connection::open(job.address).await?;
    let mut body = Vec::new();
    loop {
        let begun = Instant::now();
        connection.write(request).await?;
        let head = connection.answer().await?;
        let mut first = None;
        connection
            .body(head.framing, &mut body, |so_far| {
                if first.is_none() && chat::has_token(so_far) {
                    first = Some(begun.elapsed());
                }
            })
            .await?;
        let whole = begun.elapsed();
        chat::check(head.status, &body, job.is_stream)?;
        tally.borrow_mut().count(begun, first, whole)?;
        if head.closes || begun + whole >= tally.borrow().until {
            return Ok(());
        }
    }
}

impl Tally {
    fn is_over(&self) -> bool {
        self.errors >= MAX_ERRORS || Instant::now() >= self.until
    }

    fn fail(&mut self, error: &anyhow::Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| format!("{error:#}"));
    }

    fn count(&mut self, begun: Instant, first: Option<Duration>, whole: Duration) -> Result<()> {
        if (self.from..self.until).contains(&(begun + whole)) {
            self.whole.record(nanoseconds(whole)?)?;
            self.first.record(nanoseconds(first.unwrap_or(whole))?)?;
        }
        Ok(())
    }
}

fn nanoseconds(time: Duration) -> Result<u64> {
    Ok(u64::try_from(time.as_nanos())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(seconds: u64) -> Tally {
        let from = Instant::now();
        let histogram = || Histogram::new_with_max(LONGEST_NS, DIGITS).unwrap();
        let until = from + Duration::from_secs(seconds);
        Tally { from, until, whole: histogram(), first: histogram(), errors: 0, first_error: None }
    }

    #[test]
    fn only_answers_within_the_time_count() {
        let mut tally = tally(10);
        let (before, within) = (tally.from - Duration::from_secs(2), tally.from + Duration::from_secs(1));
        let took = Duration::from_millis(5);
        tally.count(before, None, took).unwrap();
        tally.count(within, None, Duration::from_secs(9)).unwrap();
        assert_eq!(tally.whole.len(), 0);
        tally.count(within, Some(took / 5), took).unwrap();
        assert_eq!(tally.whole.len(), 1);
        let near = |value: f64, wanted: f64| (value / wanted - 1.0).abs() < 0.01;
        assert!(near(Times::of(&tally.whole).p50, 5e3) && near(Times::of(&tally.first).p95, 1e3));
    }

    #[test]
    fn the_first_error_is_kept_and_many_end_the_run() {
        let mut tally = tally(1000);
        for error in ["one", "two"] {
            tally.fail(&anyhow::anyhow!(error));
        }
        assert!(!tally.is_over() && tally.first_error.as_deref() == Some("one"));
        (2..MAX_ERRORS).for_each(|_| tally.fail(&anyhow::anyhow!("more")));
        assert!(tally.is_over());
    }
}
