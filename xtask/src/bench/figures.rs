//! Measured figures beside their goals.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::ui;

/// One measured quantity; smaller is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) unit: String,
    /// The median, or the only value.
    #[serde(alias = "value")]
    pub(super) p50: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) p95: Option<f64>,
}

impl Figure {
    pub(super) fn one(name: &str, unit: &str, value: f64) -> Self {
        Self { name: name.to_owned(), unit: unit.to_owned(), p50: value, p95: None }
    }

    /// Median and 95th percentile of samples.
    pub(super) fn of(name: &str, unit: &str, mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            samples.get((samples.len().saturating_sub(1) * percent).div_ceil(100)).copied().unwrap_or_default()
        };
        Self { name: name.to_owned(), unit: unit.to_owned(), p50: at(50), p95: Some(at(95)) }
    }

    fn shown(&self) -> String {
        let number = |value: f64| if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") };
        match self.p95 {
            Some(p95) => format!("{} {} (p95 {})", number(self.p50), self.unit, number(p95)),
            None => format!("{} {}", number(self.p50), self.unit),
        }
    }
}

/// What a figure is called, and what it may be at most.
const GOALS: [(&str, &str, f64); 5] = [
    ("start_ready", "ready after exec", 150.0),
    ("rss_idle", "memory at rest", 30.0),
    ("ide_usable_cold", "IDE usable, cold", 2800.0),
    ("ide_bytes_cold", "sent until usable", 3.2),
    ("reconnect", "reconnect", 200.0),
];

/// Ours and the peers'.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    ours: Vec<Figure>,
    peers: Vec<(String, Vec<Figure>)>,
}

impl Figures {
    pub(super) fn add(&mut self, figures: Vec<Figure>) {
        self.ours.extend(figures);
    }

    pub(super) fn add_peer(&mut self, name: &str, figures: Vec<Figure>) {
        self.peers.push((name.to_owned(), figures));
    }

    pub(super) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    pub(super) fn table(&self) -> String {
        let mut head = vec!["".to_owned(), "ours".to_owned(), "goal".to_owned(), "".to_owned()];
        head.extend(self.peers.iter().map(|(name, _)| name.clone()));
        let mut rows = vec![head];
        for figure in &self.ours {
            let goal = GOALS.iter().find(|(name, _, _)| *name == figure.name);
            let title = goal.map_or(figure.name.clone(), |(_, title, _)| (*title).to_owned());
            let (limit, verdict) = match goal {
                Some((_, _, limit)) => {
                    (format!("<= {limit} {}", figure.unit), if figure.p50 <= *limit { "met" } else { "MISSED" })
                }
                None => (String::new(), ""),
            };
            let mut row = vec![title, figure.shown(), limit, verdict.to_owned()];
            row.extend(self.peers.iter().map(|(_, theirs)| compared(figure, theirs)));
            rows.push(row);
        }
        ui::table(&rows)
    }
}

/// The peer's figure, and how many times ours it is.
fn compared(ours: &Figure, theirs: &[Figure]) -> String {
    let Some(theirs) = theirs.iter().find(|theirs| theirs.name == ours.name && theirs.unit == ours.unit) else {
        return "-".to_owned();
    };
    if ours.p50 > 0.0 { format!("{} ({:.1}x)", theirs.shown(), theirs.p50 / ours.p50) } else { theirs.shown() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_the_samples() {
        let figure = Figure::of("x", "ms", (1..=20).rev().map(f64::from).collect());
        assert_eq!((figure.p50, figure.p95), (11.0, Some(20.0)));
        assert_eq!(Figure::of("x", "ms", vec![3.0]).p95, Some(3.0));
    }

    #[test]
    fn the_table_shows_goal_and_ratio() {
        let mut figures = Figures::default();
        figures.add(vec![
            Figure::one("start_ready", "ms", 50.0),
            Figure::one("rss_idle", "MB", 31.0),
            Figure::one("other", "B", 5.0),
        ]);
        figures.add_peer("peer", vec![Figure::one("start_ready", "ms", 1000.0)]);
        let table = figures.table();
        assert!(table.contains("ready after exec  50.0 ms  <= 150 ms  met     1000 ms (20.0x)"), "{table}");
        assert!(table.contains("MISSED  -"), "{table}");
    }

    #[test]
    fn the_script_may_give_one_value_or_two() {
        let one: Figure = serde_json::from_str(r#"{"name": "a", "unit": "ms", "value": 3}"#).unwrap();
        let two: Figure = serde_json::from_str(r#"{"name": "a", "unit": "ms", "p50": 3, "p95": 4}"#).unwrap();
        assert_eq!((one.p50, one.p95, two.p95), (3.0, None, Some(4.0)));
    }
}
