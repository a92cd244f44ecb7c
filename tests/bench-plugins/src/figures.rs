//! Times, and how they are shown.

use std::time::Duration;

/// Times of one thing, in order.
pub(crate) struct Times(Vec<u64>);

impl Times {
    pub(crate) fn of_nanos(mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        Self(nanos)
    }

    pub(crate) fn of(durations: impl IntoIterator<Item = Duration>) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self::of_nanos(durations.into_iter().map(nanos).collect())
    }

    /// The time that so many of a hundred do not exceed, in microseconds.
    pub(crate) fn micros(&self, percent: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let nanos = self.0.get(last * percent / 100).copied().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let micros = nanos as f64 / 1000.0;
        micros
    }

    /// Median and 99th of a hundred.
    pub(crate) fn show(&self) -> String {
        format!("{:>9.2} µs p50 {:>9.2} µs p99", self.micros(50), self.micros(99))
    }
}

/// What was missed, a line each.
#[derive(Default)]
pub(crate) struct Goals(Vec<String>);

impl Goals {
    /// A figure that shall be at most so large.
    pub(crate) fn at_most(&mut self, name: &str, figure: f64, most: f64, unit: &str) {
        self.goal(figure <= most, &format!("{name} {figure:.2} {unit}, at most {most:.2} {unit}"));
    }

    /// A figure that shall be at least so large.
    pub(crate) fn at_least(&mut self, name: &str, figure: f64, least: f64, unit: &str) {
        self.goal(figure >= least, &format!("{name} {figure:.2} {unit}, at least {least:.2} {unit}"));
    }

    fn goal(&mut self, is_met: bool, goal: &str) {
        println!("  goal: {goal}: {}", if is_met { "met" } else { "MISSED" });
        if !is_met {
            self.0.push(goal.to_owned());
        }
    }

    pub(crate) fn missed(&self) -> &[String] {
        &self.0
    }
}

/// Memory of this process that is its own, in MiB.
pub(crate) fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")).and_then(|text| text.trim().parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
