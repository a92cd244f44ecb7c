//! Numbers for a monitoring system, in the text format of Prometheus (0.0.4). They count what happened on this server since its start.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coditect_plugin_host::CallFigures;
use coditect_protocol::plugin::{PluginFigures, PluginId, PluginUsage};

/// Plugins that are told apart; the others, which are called less, are summed as [`OTHER`].
const SHOWN_MAX: usize = 200;
/// Plugins that are counted by themselves; further ones are counted as [`OTHER`].
const COUNTED_MAX: usize = 5_000;
/// Stands for plugins that are not told apart. No plugin has such a name.
const OTHER: &str = "other";
/// Upper bounds of times, in microseconds.
const BOUNDS_US: [u64; 10] =
    [1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 30_000_000, 120_000_000];

/// Numbers of one plugin.
#[derive(Debug, Clone, Default)]
struct Numbers {
    calls: u64,
    failures: BTreeMap<&'static str, u64>,
    buckets: [u64; BOUNDS_US.len()],
    busy_us: u64,
    denials: u64,
    peak_bytes: u64,
}

impl Numbers {
    fn count(&mut self, took: &CallFigures, failure: Option<&'static str>) {
        self.calls += 1;
        if let Some(code) = failure {
            *self.failures.entry(code).or_default() += 1;
        }
        if let Some(at) = BOUNDS_US.iter().position(|bound| took.micros <= *bound) {
            self.buckets[at] += 1;
        }
        self.busy_us = self.busy_us.saturating_add(took.micros);
        self.peak_bytes = self.peak_bytes.max(took.peak_memory_bytes);
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        for (code, count) in &other.failures {
            *self.failures.entry(code).or_default() += count;
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine += theirs;
        }
        self.busy_us = self.busy_us.saturating_add(other.busy_us);
        self.denials += other.denials;
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
    }
}

/// All numbers.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<HashMap<String, Numbers>>);

impl Metrics {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Numbers>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, plugin: &PluginId, change: impl FnOnce(&mut Numbers)) {
        let mut all = self.all();
        let is_known = all.len() < COUNTED_MAX || all.contains_key(plugin.as_str());
        let name = if is_known { plugin.as_str() } else { OTHER };
        match all.get_mut(name) {
            Some(numbers) => change(numbers),
            None => change(all.entry(name.to_owned()).or_default()),
        }
    }

    /// Counts a call, with the code of its failure where it failed.
    pub(crate) fn count(&self, plugin: &PluginId, took: &CallFigures, failure: Option<&'static str>) {
        self.with(plugin, |numbers| numbers.count(took, failure));
    }

    pub(crate) fn denied(&self, plugin: &PluginId) {
        self.with(plugin, |numbers| numbers.denials += 1);
    }

    /// Those that are called most, and the sum of the others.
    fn shown(&self) -> BTreeMap<String, Numbers> {
        let mut all: Vec<_> = self.all().iter().map(|(name, numbers)| (name.clone(), numbers.clone())).collect();
        all.sort_by(|(a, of_a), (b, of_b)| of_b.calls.cmp(&of_a.calls).then_with(|| a.cmp(b)));
        let mut shown = BTreeMap::new();
        let (mut others, mut are_others) = (Numbers::default(), false);
        for (name, numbers) in all {
            if name == OTHER || shown.len() >= SHOWN_MAX {
                others.add(&numbers);
                are_others = true;
            } else {
                shown.insert(name, numbers);
            }
        }
        if are_others {
            shown.insert(OTHER.to_owned(), others);
        }
        shown
    }

    /// What each took that is told apart, and the others together.
    pub(crate) fn usage(&self) -> Vec<PluginUsage> {
        let figures = |numbers: Numbers| PluginFigures {
            calls: numbers.calls,
            failures: numbers.failures.values().sum(),
            busy_micros: numbers.busy_us,
            peak_memory_bytes: numbers.peak_bytes,
            denials: numbers.denials,
        };
        self.shown().into_iter().map(|(plugin, numbers)| PluginUsage { plugin, figures: figures(numbers) }).collect()
    }

    /// All of them, with the plugins that are loaded and the people's places that are in memory.
    pub(crate) fn text(&self, loaded: usize, places: usize) -> String {
        let shown = self.shown();
        let mut out = String::new();
        counters(&mut out, &shown);
        seconds(&mut out, &shown);
        gauge(&mut out, "coditect_plugins_loaded", "Plugins that are in memory.", loaded);
        gauge(&mut out, "coditect_plugins_places", "Workspaces of people whose plugins are in memory.", places);
        out
    }
}

type Shown = BTreeMap<String, Numbers>;

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn gauge(out: &mut String, name: &str, help: &str, number: usize) {
    head(out, name, "gauge", help);
    let _ = writeln!(out, "{name} {number}");
}

fn counters(out: &mut String, shown: &Shown) {
    let mut each = |name: &str, kind: &str, help: &str, number: fn(&Numbers) -> u64| {
        head(out, name, kind, help);
        for (plugin, numbers) in shown {
            let _ = writeln!(out, "{name}{{plugin=\"{plugin}\"}} {}", number(numbers));
        }
    };
    each("coditect_plugin_calls_total", "counter", "Calls of plugins.", |numbers| numbers.calls);
    let help = "Times that plugins asked for what they were not granted.";
    each("coditect_plugin_denials_total", "counter", help, |numbers| numbers.denials);
    let help = "The most memory that a call of the plugin took.";
    each("coditect_plugin_memory_peak_bytes", "gauge", help, |numbers| numbers.peak_bytes);
    let name = "coditect_plugin_failures_total";
    head(out, name, "counter", "Calls of plugins that did not go well, by code.");
    for (plugin, numbers) in shown {
        for (code, count) in &numbers.failures {
            let _ = writeln!(out, "{name}{{plugin=\"{plugin}\",code=\"{code}\"}} {count}");
        }
    }
}

fn seconds(out: &mut String, shown: &Shown) {
    let name = "coditect_plugin_call_seconds";
    head(out, name, "histogram", "Time of a whole call.");
    for (plugin, numbers) in shown {
        let mut below = 0;
        for (bound, count) in BOUNDS_US.iter().zip(numbers.buckets) {
            below += count;
            let _ = writeln!(out, "{name}_bucket{{plugin=\"{plugin}\",le=\"{}\"}} {below}", decimal(*bound));
        }
        let _ = writeln!(out, "{name}_bucket{{plugin=\"{plugin}\",le=\"+Inf\"}} {}", numbers.calls);
        let _ = writeln!(out, "{name}_sum{{plugin=\"{plugin}\"}} {}", decimal(numbers.busy_us));
        let _ = writeln!(out, "{name}_count{{plugin=\"{plugin}\"}} {}", numbers.calls);
    }
}

/// Seconds, exactly.
fn decimal(micros: u64) -> String {
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:06}").trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> PluginId {
        PluginId::parse(&format!("p.n{n}")).unwrap()
    }

    #[test]
    fn numbers_stand_for_what_happened() {
        let metrics = Metrics::default();
        let took = CallFigures { micros: 6_000, peak_memory_bytes: 7, ..CallFigures::default() };
        metrics.count(&id(1), &took, None);
        metrics.count(&id(1), &CallFigures { micros: 2_500_000, ..took }, Some("plugins.trapped"));
        metrics.denied(&id(1));
        let text = metrics.text(3, 2);
        for line in [
            r#"coditect_plugin_calls_total{plugin="p.n1"} 2"#,
            r#"coditect_plugin_failures_total{plugin="p.n1",code="plugins.trapped"} 1"#,
            r#"coditect_plugin_denials_total{plugin="p.n1"} 1"#,
            r#"coditect_plugin_memory_peak_bytes{plugin="p.n1"} 7"#,
            r#"coditect_plugin_call_seconds_bucket{plugin="p.n1",le="0.005"} 0"#,
            r#"coditect_plugin_call_seconds_bucket{plugin="p.n1",le="0.01"} 1"#,
            r#"coditect_plugin_call_seconds_bucket{plugin="p.n1",le="+Inf"} 2"#,
            r#"coditect_plugin_call_seconds_sum{plugin="p.n1"} 2.506"#,
            "coditect_plugins_loaded 3",
            "coditect_plugins_places 2",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        let figures = PluginFigures { calls: 2, failures: 1, busy_micros: 2_506_000, peak_memory_bytes: 7, denials: 1 };
        assert_eq!(metrics.usage(), [PluginUsage { plugin: "p.n1".to_owned(), figures }]);
    }

    #[test]
    fn those_that_are_called_most_are_told_apart() {
        let metrics = Metrics::default();
        for n in 0..COUNTED_MAX + 100 {
            metrics.count(&id(n), &CallFigures::default(), None);
        }
        metrics.count(&id(COUNTED_MAX - 1), &CallFigures::default(), None);
        assert_eq!(metrics.all().len(), COUNTED_MAX + 1);
        let text = metrics.text(0, 0);
        assert!(text.contains(&format!("coditect_plugin_calls_total{{plugin=\"p.n{}\"}} 2\n", COUNTED_MAX - 1)));
        let others = COUNTED_MAX + 100 + 1 - (SHOWN_MAX - 1) - 2;
        assert!(text.contains(&format!("coditect_plugin_calls_total{{plugin=\"other\"}} {others}\n")), "{text}");
        assert_eq!(text.matches("coditect_plugin_calls_total{").count(), SHOWN_MAX + 1);
    }
}
