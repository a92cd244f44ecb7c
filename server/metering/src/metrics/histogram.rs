//! How long things took.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Times, counted by upper bounds in microseconds.
#[derive(Debug)]
pub(super) struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    /// Of each bound, what is above the one before; beyond the last, what is above all is in `count` only.
    buckets: [AtomicU64; N],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    pub(super) fn new(bounds: &'static [u64; N]) -> Self {
        let buckets = std::array::from_fn(|_| AtomicU64::new(0));
        Self { bounds, buckets, count: AtomicU64::new(0), sum_us: AtomicU64::new(0) }
    }

    pub(super) fn add(&self, time_us: u64) {
        if let Some(bucket) = self.bounds.iter().position(|bound| time_us <= *bound) {
            self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(time_us, Ordering::Relaxed);
    }

    /// Its lines. `labels` are whole, without braces.
    pub(super) fn text(&self, out: &mut String, name: &str, labels: &str) {
        // Read before the buckets, so that none of them has more than all.
        let mut below = 0;
        let counts: Vec<_> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let count = self.count.load(Ordering::Relaxed).max(counts.iter().sum());
        if count == 0 {
            return;
        }
        for (bound, bucket) in self.bounds.iter().zip(counts) {
            below += bucket;
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{}\"}} {below}", seconds(*bound));
        }
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum{{{labels}}} {}", seconds(self.sum_us.load(Ordering::Relaxed)));
        let _ = writeln!(out, "{name}_count{{{labels}}} {count}");
    }
}

/// Seconds, exactly.
fn seconds(time_us: u64) -> String {
    let (whole, rest) = (time_us / 1_000_000, time_us % 1_000_000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:06}").trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_is_below_them() {
        static BOUNDS: [u64; 2] = [500_000, 2_000_000];
        let histogram = Histogram::new(&BOUNDS);
        let mut text = String::new();
        histogram.text(&mut text, "t", "a=\"b\"");
        assert_eq!(text, "");
        [1, 500_000, 500_001, 9_000_000].into_iter().for_each(|time| histogram.add(time));
        histogram.text(&mut text, "t", "a=\"b\"");
        let expected = "t_bucket{a=\"b\",le=\"0.5\"} 2\nt_bucket{a=\"b\",le=\"2\"} 3\nt_bucket{a=\"b\",le=\"+Inf\"} 4\n\
            t_sum{a=\"b\"} 10.000002\nt_count{a=\"b\"} 4\n";
        assert_eq!(text, expected);
    }
}
