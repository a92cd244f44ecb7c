//! What was measured, as a table, beside the goals.

use std::fmt::Write as _;

use crate::gateways::Who;
use crate::load::{Outcome, Times};
use crate::memory::Memory;

/// Most memory of ours, idle and under load, in MB.
const MOST_MEMORY_MB: f64 = 40.0;
/// Most that ours may add to the time of the first token, in µs.
const MOST_COST_US: f64 = 150.0;
/// Whose every figure ours must beat.
const RIVAL: Who = Who::Crabllm;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One piece of JSON.
    Json,
    /// A stream of tokens that are there at once.
    Stream,
    /// A stream of tokens that take their time.
    Paced,
}

/// What is asked, by how many at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) kind: Kind,
    pub(crate) clients: usize,
}

impl Cell {
    pub(crate) const ALL: [Self; 7] = [
        Self { kind: Kind::Json, clients: 1 },
        Self { kind: Kind::Json, clients: 20 },
        Self { kind: Kind::Json, clients: 100 },
        Self { kind: Kind::Stream, clients: 1 },
        Self { kind: Kind::Stream, clients: 20 },
        Self { kind: Kind::Stream, clients: 100 },
        Self { kind: Kind::Paced, clients: 100 },
    ];

    fn name(self) -> String {
        let kind = match self.kind {
            Kind::Json => "json",
            Kind::Stream => "stream",
            Kind::Paced => "paced",
        };
        format!("{kind}-{}", self.clients)
    }

    pub(crate) fn parse(given: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|cell| cell.name() == given);
        found.ok_or_else(|| format!("there are {}", Self::ALL.map(Self::name).join(", ")))
    }

    fn title(self) -> String {
        let kind = match self.kind {
            Kind::Json => "JSON",
            Kind::Stream => "stream",
            Kind::Paced => "paced stream",
        };
        format!("{kind}, {} client{}", self.clients, if self.clients == 1 { "" } else { "s" })
    }
}

/// Memory at rest, the most under load, and at rest after all of it.
#[derive(Debug, Clone, Copy, Default)]
struct Memories([Option<Memory>; 3]);

/// What was measured of one.
struct Column {
    who: Who,
    /// For each of [`Cell::ALL`] those in which every answer was right.
    runs: [Vec<Run>; Cell::ALL.len()],
    memory: Memories,
}

#[derive(Clone, Copy)]
struct Run {
    per_second: f64,
    whole: Times,
    first: Times,
}

pub(crate) struct Report {
    columns: Vec<Column>,
    absent: Vec<(Who, String)>,
    /// Runs with wrong answers.
    failed: Vec<(Who, String)>,
}

#[derive(Clone, Copy)]
enum Unit {
    PerSecond,
    /// Shown as milliseconds; larger ones are worse.
    Microseconds,
    /// Shown as they are.
    Cost,
    Megabytes,
}

#[derive(Clone, Copy, PartialEq)]
enum Goal {
    None,
    AtMost(f64),
    BetterThanRival,
}

struct Row {
    title: String,
    unit: Unit,
    goal: Goal,
    /// For each column.
    values: Vec<Option<f64>>,
}

impl Report {
    pub(crate) fn new(who: Vec<Who>, absent: Vec<(Who, String)>) -> Self {
        let column = |who| Column { who, runs: Default::default(), memory: Memories::default() };
        Self { columns: who.into_iter().map(column).collect(), absent, failed: Vec::new() }
    }

    pub(crate) fn idle(&mut self, who: Who, memory: Option<Memory>) {
        self.memory(who, 0, memory);
    }

    pub(crate) fn loaded(&mut self, who: Who, memory: Option<Memory>) {
        self.memory(who, 1, memory);
    }

    pub(crate) fn at_end(&mut self, who: Who, memory: Option<Memory>) {
        self.memory(who, 2, memory);
    }

    fn memory(&mut self, who: Who, when: usize, memory: Option<Memory>) {
        for column in self.columns.iter_mut().filter(|column| column.who == who) {
            let before = column.memory.0[when];
            column.memory.0[when] = before.zip(memory).map(|(a, b)| a.most(b)).or(memory);
        }
    }

    /// Keeps a run, and gives a line that says what it was.
    pub(crate) fn ran(&mut self, who: Who, cell: Cell, outcome: &Outcome) -> String {
        let begin = format!("{:<11} {:<20}", cell.name(), who.title());
        if outcome.errors > 0 || outcome.answers == 0 {
            let error = outcome.first_error.as_deref().unwrap_or("nothing was answered");
            self.failed.push((who, format!("{}: {} errors, the first: {error}", cell.title(), outcome.errors)));
            return format!("{begin} {} errors, the first: {error}", outcome.errors);
        }
        #[expect(clippy::cast_precision_loss, reason = "so many answers nobody gives")]
        let per_second = outcome.answers as f64 / outcome.seconds;
        let run = Run { per_second, whole: outcome.whole, first: outcome.first };
        let column = self.columns.iter_mut().find(|column| column.who == who);
        let place = Cell::ALL.iter().position(|known| *known == cell);
        if let Some(kept) = column.zip(place).and_then(|(column, place)| column.runs.get_mut(place)) {
            kept.push(run);
        }
        let time = |value| shown(Unit::Microseconds, value);
        let mut line = format!(
            "{begin} {:>7}/s  p50 {:>9}  p95 {:>9}",
            shown(Unit::PerSecond, run.per_second),
            time(run.whole.p50),
            time(run.whole.p95)
        );
        if cell.kind != Kind::Json {
            // Writing to a string does not fail.
            let _written = write!(line, "  first token p50 {:>9}  p95 {:>9}", time(run.first.p50), time(run.first.p95));
        }
        line
    }

    fn rows(&self) -> Vec<Row> {
        type Of = fn(&Run) -> f64;
        type OfMemory = fn(Memory) -> f64;
        let mut rows = Vec::new();
        for (place, cell) in Cell::ALL.into_iter().enumerate() {
            let figures: &[(&str, Unit, Of)] = match cell.kind {
                Kind::Json => &[
                    ("req/s", Unit::PerSecond, |run| run.per_second),
                    ("p50", Unit::Microseconds, |run| run.whole.p50),
                ],
                Kind::Stream => &[
                    ("streams/s", Unit::PerSecond, |run| run.per_second),
                    ("p50", Unit::Microseconds, |run| run.whole.p50),
                    ("first token", Unit::Microseconds, |run| run.first.p50),
                ],
                Kind::Paced => &[
                    ("first token", Unit::Microseconds, |run| run.first.p50),
                    ("first token, p95", Unit::Microseconds, |run| run.first.p95),
                ],
            };
            for &(name, unit, of) in figures {
                let values = self.values(|column| median(&column.runs[place], of));
                rows.push(Row {
                    title: format!("{}, {name}", cell.title()),
                    unit,
                    goal: Goal::BetterThanRival,
                    values,
                });
            }
        }
        rows.push(self.cost());
        let of_memory: [(&str, OfMemory, Goal); 2] = [
            ("RSS", |memory| memory.resident, Goal::AtMost(MOST_MEMORY_MB)),
            ("PSS", |memory| memory.proportional, Goal::None),
        ];
        for (name, of, goal) in of_memory {
            for (when, moment) in ["idle", "under load, most", "at the end"].into_iter().enumerate() {
                let values = self.values(|column| column.memory.0[when].map(of));
                rows.push(Row { title: format!("{name} {moment}"), unit: Unit::Megabytes, goal, values });
            }
        }
        // What was not asked for.
        rows.retain(|row| row.values.iter().any(Option::is_some));
        rows
    }

    /// What each adds to the time of the first token when one client asks.
    fn cost(&self) -> Row {
        let place = Cell::ALL.iter().position(|cell| *cell == Cell { kind: Kind::Stream, clients: 1 });
        let first = |column: &Column| median(column.runs.get(place?)?, |run| run.first.p50);
        let direct = self.columns.iter().find(|column| column.who == Who::Direct).and_then(first);
        let cost = |column: &Column| Some(first(column)? - direct?).filter(|_| column.who != Who::Direct);
        Row {
            title: "cost of the gateway on the first token".to_owned(),
            unit: Unit::Cost,
            goal: Goal::AtMost(MOST_COST_US),
            values: self.values(cost),
        }
    }

    fn values(&self, of: impl Fn(&Column) -> Option<f64>) -> Vec<Option<f64>> {
        self.columns.iter().map(of).collect()
    }

    fn value(&self, row: &Row, who: Who) -> Option<f64> {
        self.columns.iter().zip(&row.values).find(|(column, _)| column.who == who).and_then(|(_, value)| *value)
    }

    fn is_asked(&self, who: Who) -> bool {
        self.columns.iter().any(|column| column.who == who)
    }

    /// Whether ours meets the goal; nothing where there is no goal, nobody to compare it with was asked for, or ours did not even start.
    fn meets(&self, row: &Row) -> Option<bool> {
        let ours = self.value(row, Who::Ours);
        let is_absent = self.absent.iter().any(|(who, _)| *who == Who::Ours);
        match row.goal {
            _ if is_absent || !self.is_asked(Who::Ours) => None,
            Goal::None => None,
            Goal::AtMost(most) => Some(ours.is_some_and(|ours| ours <= most)),
            Goal::BetterThanRival if !self.is_asked(RIVAL) => ours.is_none().then_some(false),
            Goal::BetterThanRival => {
                Some(ours.zip(self.value(row, RIVAL)).is_some_and(|(a, b)| row.times_better(a, b) > 1.0))
            }
        }
    }

    /// The goals that ours missed, each with what was measured.
    pub(crate) fn missed(&self) -> Vec<String> {
        let of_ours = |list: &[(Who, String)]| -> Vec<String> {
            list.iter().filter(|(who, _)| *who == Who::Ours).map(|(_, why)| format!("ours: {why}")).collect()
        };
        let mut missed = of_ours(&self.absent);
        missed.extend(of_ours(&self.failed));
        for row in self.rows().iter().filter(|row| self.meets(row) == Some(false)) {
            let told = |who| self.value(row, who).map_or("-".to_owned(), |value| shown(row.unit, value));
            let goal = self.goal(row);
            missed.push(format!("{}: {} ({goal})", row.title, told(Who::Ours)));
        }
        missed
    }

    fn goal(&self, row: &Row) -> String {
        match row.goal {
            Goal::None => String::new(),
            Goal::AtMost(most) => format!("<= {}", shown(row.unit, most)),
            Goal::BetterThanRival => match self.value(row, RIVAL) {
                Some(value) => format!("{} {}", if row.is_rate() { ">" } else { "<" }, shown(row.unit, value)),
                None => "-".to_owned(),
            },
        }
    }

    /// Ours, its goals, and the others with how many times better ours is.
    pub(crate) fn table(&self) -> String {
        let others: Vec<Who> = self.columns.iter().map(|column| column.who).filter(|who| *who != Who::Ours).collect();
        let mut lines = vec![["", "ours", "goal", ""].map(str::to_owned).to_vec()];
        lines[0].extend(others.iter().map(|who| who.title()));
        for row in self.rows() {
            let ours = self.value(&row, Who::Ours);
            let verdict = self.meets(&row).map_or("", |met| if met { "met" } else { "MISSED" });
            let told = ours.map_or("-".to_owned(), |value| shown(row.unit, value));
            let mut line = vec![row.title.clone(), told, self.goal(&row), verdict.to_owned()];
            line.extend(others.iter().map(|who| match (ours, self.value(&row, *who)) {
                (_, None) => "-".to_owned(),
                (Some(ours), Some(theirs)) if ours > 0.0 => {
                    format!("{} ({:.2}x)", shown(row.unit, theirs), row.times_better(ours, theirs))
                }
                (_, Some(theirs)) => shown(row.unit, theirs),
            }));
            lines.push(line);
        }
        let left_out = self.absent.iter().chain(&self.failed).map(|(who, why)| format!("\n{}: {why}", who.title()));
        format!("{}\n(x: how many times better ours is){}", aligned(&lines), left_out.collect::<String>())
    }
}

impl Row {
    fn is_rate(&self) -> bool {
        matches!(self.unit, Unit::PerSecond)
    }

    fn times_better(&self, ours: f64, theirs: f64) -> f64 {
        if self.is_rate() { ours / theirs } else { theirs / ours }
    }
}

/// A machine has better and worse moments.
fn median(runs: &[Run], of: fn(&Run) -> f64) -> Option<f64> {
    let mut all: Vec<f64> = runs.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    let upper = *all.get(all.len() / 2)?;
    Some(if all.len().is_multiple_of(2) { f64::midpoint(all[all.len() / 2 - 1], upper) } else { upper })
}

fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::PerSecond if value >= 10_000.0 => format!("{:.1}k", value / 1e3),
        Unit::PerSecond => format!("{value:.0}"),
        Unit::Microseconds => {
            let digits = if value < 1e3 {
                3
            } else if value < 1e4 {
                2
            } else {
                usize::from(value < 1e5)
            };
            format!("{:.digits$} ms", value / 1e3)
        }
        Unit::Cost => format!("{value:.0} µs"),
        Unit::Megabytes => format!("{value:.1} MB"),
    }
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column| lines.iter().filter_map(|line| line.get(column)).map(|cell: &String| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |line: &Vec<String>| {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Cell = Cell { kind: Kind::Stream, clients: 1 };

    fn outcome(answers: u64, first: f64) -> Outcome {
        let times = |p50| Times { p50, p95: p50 * 2.0 };
        Outcome { answers, seconds: 2.0, errors: 0, first_error: None, whole: times(first * 2.0), first: times(first) }
    }

    fn report(ours: &Outcome) -> Report {
        let mut report = Report::new(vec![Who::Direct, Who::Ours, Who::Crabllm], Vec::new());
        report.ran(Who::Direct, ONE, &outcome(20_000, 10.0));
        report.ran(Who::Crabllm, ONE, &outcome(5_000, 200.0));
        report.ran(Who::Ours, ONE, ours);
        report
    }

    #[test]
    fn ours_must_beat_the_rival_in_every_figure_and_cost_little() {
        assert_eq!(report(&outcome(6_000, 100.0)).missed(), Vec::<String>::new());
        let missed = report(&outcome(4_000, 170.0)).missed();
        assert_eq!(
            missed,
            [
                "stream, 1 client, streams/s: 2000 (> 2500)",
                "cost of the gateway on the first token: 160 µs (<= 150 µs)"
            ]
        );
        let mut heavy = report(&outcome(6_000, 100.0));
        heavy.idle(Who::Ours, Some(Memory { resident: 39.0, proportional: 38.0 }));
        assert_eq!(heavy.missed(), Vec::<String>::new());
        heavy.loaded(Who::Ours, Some(Memory { resident: 41.0, proportional: 38.0 }));
        heavy.loaded(Who::Ours, Some(Memory { resident: 20.0, proportional: 20.0 }));
        assert_eq!(heavy.missed(), ["RSS under load, most: 41.0 MB (<= 40.0 MB)"]);
    }

    #[test]
    fn what_was_not_measured_is_missed() {
        let wrong = Outcome { errors: 1, first_error: Some("status 500".to_owned()), ..outcome(6_000, 100.0) };
        let missed = report(&wrong).missed();
        assert!(missed[0].contains("1 errors, the first: status 500"), "{missed:?}");
        assert!(missed.len() > 3 && missed[1].starts_with("stream, 1 client"), "{missed:?}");
        let mut absent = Report::new(vec![Who::Ours, Who::Crabllm], vec![(Who::Ours, "no gateway".to_owned())]);
        absent.ran(Who::Crabllm, ONE, &outcome(6_000, 100.0));
        assert_eq!(absent.missed(), ["ours: no gateway"]);
        let mut without_rival = Report::new(vec![Who::Ours, Who::Crabllm], Vec::new());
        without_rival.ran(Who::Ours, ONE, &outcome(6_000, 100.0));
        assert_eq!(without_rival.missed().len(), 3);
    }

    #[test]
    fn the_table_tells_how_many_times_better_ours_is() {
        let table = report(&outcome(6_000, 100.0)).table();
        let row = |title: &str| table.lines().find(|line| line.starts_with(title)).unwrap().to_owned();
        assert!(row("stream, 1 client, streams/s").ends_with("2500 (1.20x)"), "{table}");
        assert!(row("stream, 1 client, first token").ends_with("0.200 ms (2.00x)"), "{table}");
        assert!(!table.contains("JSON"), "{table}");
    }

    #[test]
    fn of_several_turns_the_median_counts() {
        let mut several = report(&outcome(6_000, 100.0));
        assert!(several.missed().is_empty());
        several.ran(Who::Ours, ONE, &outcome(1_000, 180.0));
        assert_eq!(several.value(&several.cost(), Who::Ours), Some(130.0));
        several.ran(Who::Ours, ONE, &outcome(6_000, 110.0));
        assert_eq!(several.value(&several.cost(), Who::Ours), Some(100.0));
    }

    #[test]
    fn cells_have_names() {
        for cell in Cell::ALL {
            assert_eq!(Cell::parse(&cell.name()), Ok(cell));
        }
        assert!(Cell::parse("json-2").unwrap_err().contains("json-1, json-20"));
    }

    #[test]
    fn figures_have_three_digits() {
        let times = [(147.0, "0.147 ms"), (1234.0, "1.23 ms"), (21_400.0, "21.4 ms"), (784_000.0, "784 ms")];
        for (value, text) in times {
            assert_eq!(shown(Unit::Microseconds, value), text);
        }
        assert_eq!(shown(Unit::PerSecond, 126_400.0), "126.4k");
        assert_eq!(shown(Unit::PerSecond, 120.4), "120");
    }
}
