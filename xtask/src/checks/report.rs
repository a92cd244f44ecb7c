//! What ran, how it went, how long it took.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::count::Count;
use crate::ui;

/// What a check came to when it did not fail.
pub(super) enum Went {
    /// It holds; a check without tests of its own counts as one.
    Well(Count),
    /// It could not run, and why.
    Skipped(String),
}

struct Row {
    name: String,
    time: Duration,
    count: Count,
    state: &'static str,
    note: String,
}

/// The checks of one run, in order.
#[derive(Default)]
pub(super) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Runs a check, unless one that it needs failed.
    pub(super) fn check(&mut self, name: &str, needs: &[&str], work: impl FnOnce(&mut Count) -> Result<Went>) {
        let broken = needs.iter().find(|need| self.rows.iter().any(|row| row.name == **need && row.state != "passed"));
        ui::headline("test", name);
        let started = Instant::now();
        let mut count = Count::default();
        let result = match broken {
            Some(need) => Ok(Went::Skipped(format!("needs `{need}`"))),
            None => work(&mut count),
        };
        let (state, count, note) = match result {
            Ok(Went::Well(more)) => {
                count.add(more);
                ("passed", if count.sum() == 0 { Count::ONE_PASSED } else { count }, String::new())
            }
            Ok(Went::Skipped(why)) => ("skipped", Count::ONE_SKIPPED, why),
            Err(error) => {
                let failure = if count.failed == 0 { Count::ONE_FAILED } else { Count::default() };
                count.add(failure);
                ("FAILED", count, format!("{error:#}"))
            }
        };
        let time = started.elapsed();
        ui::say(&format!(
            "    {name}: {state} ({}){}{note}",
            ui::seconds(time),
            if note.is_empty() { "" } else { ": " }
        ));
        self.rows.push(Row { name: name.to_owned(), time, count, state, note });
    }

    /// Whether the check is in this report, however it went.
    pub(super) fn has(&self, name: &str) -> bool {
        self.rows.iter().any(|row| row.name == name)
    }

    fn total(&self) -> Count {
        let mut total = Count::default();
        self.rows.iter().for_each(|row| total.add(row.count));
        total
    }

    pub(super) fn failed(&self) -> bool {
        self.total().failed > 0
    }

    pub(super) fn table(&self) -> String {
        let mut lines = vec![["check", "result", "tests", "time", ""].map(str::to_owned).to_vec()];
        for row in &self.rows {
            let first_line = row.note.lines().next().unwrap_or_default();
            let tests = if row.count.sum() > 1 { row.count.sum().to_string() } else { String::new() };
            lines.push(vec![
                row.name.clone(),
                row.state.to_owned(),
                tests,
                ui::seconds(row.time),
                first_line.to_owned(),
            ]);
        }
        ui::table(&lines)
    }

    pub(super) fn last_line(&self) -> String {
        let total = self.total();
        format!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn counts_add_up_and_what_depends_on_a_failure_is_skipped() {
        let mut report = Report::default();
        report.check("tests", &[], |count| {
            count.passed = 5;
            count.skipped = 1;
            Ok(Went::Well(Count::default()))
        });
        report.check("lint", &[], |_| Ok(Went::Well(Count::default())));
        report.check("build", &[], |_| bail!("no compiler"));
        report.check("e2e", &["lint", "build"], |_| panic!("must not run"));
        assert_eq!(report.last_line(), "6 passed, 1 failed, 2 skipped");
        assert!(report.failed());
        assert!(report.table().contains("needs `build`") && report.table().contains("no compiler"));
    }

    #[test]
    fn a_crash_after_passing_tests_is_a_failure() {
        let mut report = Report::default();
        report.check("tests", &[], |count| {
            count.passed = 5;
            bail!("killed")
        });
        assert_eq!(report.last_line(), "5 passed, 1 failed, 0 skipped");
    }
}
