//! Numbers for a monitoring system, in the text format of Prometheus (0.0.4). They count what happened on this server since its start.

mod histogram;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use coditect_protocol::llm::{CallOutcome, CallRecord, Door};

use histogram::Histogram;

/// Models that are told apart; further ones are counted as [`OTHER`].
const MODELS_MAX: usize = 1_000;
/// Stands for models beyond the first ones.
const OTHER: &str = "other";
/// Upper bounds of times until the first token, in microseconds.
static FIRST_TOKEN_US: [u64; 10] =
    [50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000];
/// Upper bounds of whole times, in microseconds.
static TOTAL_US: [u64; 11] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
];
/// Kinds of tokens, as [`ModelNumbers::tokens`] has them. What is cached or thought is part of what is read or written.
const TOKENS: [&str; 5] = ["input", "cached", "cache_write", "output", "reasoning"];

/// Numbers of one model.
#[derive(Debug)]
struct ModelNumbers {
    calls: [[AtomicU64; CallOutcome::ALL.len()]; Door::ALL.len()],
    tokens: [AtomicU64; TOKENS.len()],
    /// Billionths of a dollar.
    cost: AtomicU64,
    first_token: Histogram<{ FIRST_TOKEN_US.len() }>,
    total: Histogram<{ TOTAL_US.len() }>,
}

impl ModelNumbers {
    fn new() -> Self {
        Self {
            calls: Default::default(),
            tokens: Default::default(),
            cost: AtomicU64::new(0),
            first_token: Histogram::new(&FIRST_TOKEN_US),
            total: Histogram::new(&TOTAL_US),
        }
    }

    fn count(&self, call: &CallRecord) {
        self.calls[call.door as usize][call.outcome as usize].fetch_add(1, Ordering::Relaxed);
        let tokens = &call.tokens;
        let numbers = [tokens.input, tokens.cached, tokens.cache_write, tokens.output, tokens.reasoning];
        for (sum, number) in self.tokens.iter().zip(numbers) {
            sum.fetch_add(number, Ordering::Relaxed);
        }
        self.cost.fetch_add(call.cost.nanos(), Ordering::Relaxed);
        self.total.add(call.total_us);
        if let Some(time) = call.first_token_us {
            self.first_token.add(time);
        }
    }
}

/// All numbers.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    models: RwLock<HashMap<String, Arc<ModelNumbers>>>,
    refusals: Mutex<BTreeMap<&'static str, u64>>,
}

impl Metrics {
    /// Counts a call.
    pub(crate) fn count(&self, call: &CallRecord) {
        self.numbers_of(&call.model).count(call);
    }

    /// Counts a call that was not made.
    pub(crate) fn refused(&self, code: &'static str) {
        *self.refusals.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    fn numbers_of(&self, model: &str) -> Arc<ModelNumbers> {
        if let Some(known) = self.models.read().unwrap_or_else(PoisonError::into_inner).get(model) {
            return known.clone();
        }
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        let name = if models.len() < MODELS_MAX || models.contains_key(model) { model } else { OTHER };
        models.entry(name.to_owned()).or_insert_with(|| Arc::new(ModelNumbers::new())).clone()
    }

    /// All of them, with places of the queue that are taken and records that are not written down.
    pub(crate) fn text(&self, taken: usize, unwritten: usize) -> String {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut models: Vec<_> = models.into_iter().map(|(name, numbers)| (label("model", &name), numbers)).collect();
        models.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut out = String::new();
        calls(&mut out, &models);
        sums(&mut out, &models);
        times(&mut out, &models);
        head(
            &mut out,
            "coditect_llm_refusals_total",
            "counter",
            "Calls that were not made, by the code of the refusal.",
        );
        for (code, count) in self.refusals.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(out, "coditect_llm_refusals_total{{{}}} {count}", label("code", code));
        }
        let places = "Calls under way and records that are not taken from the queue yet.";
        gauge(&mut out, "coditect_llm_queue_places_taken", places, taken);
        gauge(
            &mut out,
            "coditect_llm_records_unwritten",
            "Records of calls that the store does not have yet.",
            unwritten,
        );
        out
    }
}

type Models = [(String, Arc<ModelNumbers>)];

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn gauge(out: &mut String, name: &str, help: &str, number: usize) {
    head(out, name, "gauge", help);
    let _ = writeln!(out, "{name} {number}");
}

fn calls(out: &mut String, models: &Models) {
    let name = "coditect_llm_calls_total";
    head(out, name, "counter", "Calls that are over, by dialect, model and outcome.");
    for (model, numbers) in models {
        for (door, of_door) in Door::ALL.iter().zip(&numbers.calls) {
            for (outcome, count) in CallOutcome::ALL.iter().zip(of_door) {
                let (door, outcome, count) = (door.name(), outcome.name(), count.load(Ordering::Relaxed));
                if count > 0 {
                    let _ = writeln!(out, "{name}{{door=\"{door}\",{model},outcome=\"{outcome}\"}} {count}");
                }
            }
        }
    }
}

fn sums(out: &mut String, models: &Models) {
    let name = "coditect_llm_tokens_total";
    let help = "Tokens; cached and cache_write are part of input, reasoning of output.";
    head(out, name, "counter", help);
    for (model, numbers) in models {
        for (kind, count) in TOKENS.iter().zip(&numbers.tokens) {
            let _ = writeln!(out, "{name}{{{model},kind=\"{kind}\"}} {}", count.load(Ordering::Relaxed));
        }
    }
    let name = "coditect_llm_cost_dollars_total";
    head(out, name, "counter", "What calls cost, in US dollars.");
    for (model, numbers) in models {
        let cost = numbers.cost.load(Ordering::Relaxed);
        let _ = writeln!(out, "{name}{{{model}}} {}.{:09}", cost / 1_000_000_000, cost % 1_000_000_000);
    }
}

fn times(out: &mut String, models: &Models) {
    let name = "coditect_llm_first_token_seconds";
    head(out, name, "histogram", "Time until the first token of an answer.");
    models.iter().for_each(|(model, numbers)| numbers.first_token.text(out, name, model));
    let name = "coditect_llm_call_seconds";
    head(out, name, "histogram", "Time of a whole call.");
    models.iter().for_each(|(model, numbers)| numbers.total.text(out, name, model));
}

/// A label with its value, escaped.
fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::record;

    #[test]
    fn numbers_stand_for_what_happened() {
        let metrics = Metrics::default();
        let mut call = record(1, 5, "up/\"m\\");
        metrics.count(&call);
        (call.door, call.outcome) = (Door::Gemini, CallOutcome::OutOfMoney);
        metrics.count(&call);
        metrics.refused("llm.no_price");
        metrics.refused("llm.no_price");
        let text = metrics.text(3, 2);
        for line in [
            "# TYPE coditect_llm_calls_total counter",
            r#"coditect_llm_calls_total{door="chat",model="up/\"m\\",outcome="ok"} 1"#,
            r#"coditect_llm_calls_total{door="gemini",model="up/\"m\\",outcome="out_of_money"} 1"#,
            r#"coditect_llm_tokens_total{model="up/\"m\\",kind="input"} 200"#,
            r#"coditect_llm_cost_dollars_total{model="up/\"m\\"} 0.000002000"#,
            r#"coditect_llm_first_token_seconds_bucket{model="up/\"m\\",le="0.25"} 2"#,
            r#"coditect_llm_call_seconds_count{model="up/\"m\\"} 2"#,
            r#"coditect_llm_refusals_total{code="llm.no_price"} 2"#,
            "coditect_llm_queue_places_taken 3",
            "coditect_llm_records_unwritten 2",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        // Every line is a comment, or a name with labels and a number; each name has its help and type before it.
        let mut known = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                known = rest.split(' ').next().unwrap().to_owned();
            } else if !line.starts_with("# HELP ") {
                assert!(line.starts_with(&known), "{line}");
                assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
            }
        }
    }

    #[test]
    fn models_are_bounded() {
        let metrics = Metrics::default();
        for n in 0..3_000 {
            metrics.count(&record(1, 5, &format!("up/{n}")));
        }
        assert_eq!(metrics.models.read().unwrap().len(), MODELS_MAX + 1);
        assert!(metrics.text(0, 0).contains(r#"{door="chat",model="other",outcome="ok"} 2000"#));
        metrics.count(&record(1, 5, "up/7"));
        assert!(metrics.text(0, 0).contains(r#"{door="chat",model="up/7",outcome="ok"} 2"#));
    }
}
