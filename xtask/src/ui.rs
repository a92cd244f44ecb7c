//! What a person sees: steps with their times, sizes, tables.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use anyhow::Result;

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    /// It was done; what is worth saying about it (may be empty).
    Did(String),
    /// Nothing had changed since the last time.
    UpToDate,
}

impl Done {
    pub(crate) fn did(note: impl Into<String>) -> Self {
        Self::Did(note.into())
    }
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Whether a machine runs this for others to rely on: nothing may then be left out or changed in passing.
pub(crate) fn is_ci() -> bool {
    is_set("CI")
}

/// Whether colours are wanted on standard error.
pub(crate) fn colours() -> bool {
    !is_set("NO_COLOR") && !is_ci() && std::io::stderr().is_terminal()
}

fn paint(code: &str, text: &str) -> String {
    if colours() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Says what is being done.
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

pub(crate) fn headline(name: &str, what: &str) {
    eprintln!("{} {name}: {what}", paint("36", "==>"));
}

pub(crate) fn warn(text: &str) {
    eprintln!("{} {text}", paint("33", "note:"));
}

/// Runs one step, says what it does and how long it took.
pub(crate) fn step(name: &str, what: &str, work: impl FnOnce() -> Result<Done>) -> Result<Done> {
    headline(name, what);
    let started = Instant::now();
    let done = work()?;
    let note = match &done {
        Done::Did(note) if note.is_empty() => seconds(started.elapsed()),
        Done::Did(note) => format!("{}, {note}", seconds(started.elapsed())),
        Done::UpToDate => format!("up to date ({})", seconds(started.elapsed())),
    };
    eprintln!("{} {name}: {note}", paint("32", " ok"));
    Ok(done)
}

/// `0.42 s`, `12.3 s`, `3 min 05 s`.
pub(crate) fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.1} s"),
        _ => format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60),
    }
}

/// `812 B`, `14.0 kB`, `2.62 MB`.
pub(crate) fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let value = count as f64;
    match value {
        v if v < 1e3 => format!("{count} B"),
        v if v < 1e6 => format!("{:.1} kB", v / 1e3),
        v => format!("{:.2} MB", v / 1e6),
    }
}

/// Rows in aligned columns.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        format!("  {}", cells.join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Time since this command was typed, the compilation of xtask itself included where the system tells.
///
/// `cargo run` replaces itself by the program, so the process is as old as the command.
pub(crate) fn since_typed(fallback: Instant) -> Duration {
    process_age().filter(|age| *age >= fallback.elapsed()).unwrap_or_else(|| fallback.elapsed())
}

fn process_age() -> Option<Duration> {
    /// Field 22 of `stat` (start of the process, in ticks after boot), counted after the name in parentheses.
    const START: usize = 22 - 3;
    /// `USER_HZ`, which Linux fixes for what it shows to programs.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let ticks: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(START)?.parse().ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(uptime - ticks / TICKS_PER_SECOND).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_short() {
        assert_eq!(seconds(Duration::from_millis(420)), "0.42 s");
        assert_eq!(seconds(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(bytes(812), "812 B");
        assert_eq!(bytes(2_620_000), "2.62 MB");
    }

    #[test]
    fn columns_line_up() {
        let rows = [["a", "bb"], ["ccc", "d"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "  a    bb\n  ccc  d");
    }

    #[test]
    fn the_process_is_at_least_as_old_as_its_first_instant() {
        let now = Instant::now();
        assert!(since_typed(now) >= Duration::ZERO);
    }
}
