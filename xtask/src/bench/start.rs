//! How soon the server answers, and what it takes at rest.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::figures::Figure;
use super::fresh_dir;
use crate::children::Running;
use crate::repo::Repo;
use crate::server;
use crate::ui::{self, Done};

const RUNS: usize = 20;
/// How often the server is asked while it starts: the error of the measurement.
const POLL: Duration = Duration::from_micros(500);
const LIMIT: Duration = Duration::from_secs(60);
/// How long a server is left alone before its memory is read.
const REST: Duration = Duration::from_secs(3);
const BYTES_PER_MB: f64 = 1e6;

/// Ready after exec, memory at rest, size of the program.
pub(super) fn measure(repo: &Repo, program: &Path) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    ui::step("bench", &format!("starts the server {RUNS} times"), || {
        let data = fresh_dir(repo, "start")?;
        let mut samples = Vec::new();
        // The first start makes the store and its keys; a person waits for that one once.
        let options = server::plain(repo, program.to_owned(), data.clone())?;
        let (first, running) = ready(&mut options.command(), options.listen, "/health")?;
        running.stop();
        let mut rss = 0.0;
        for run in 0..RUNS {
            let options = server::plain(repo, program.to_owned(), data.clone())?;
            let (time, running) = ready(&mut options.command(), options.listen, "/health")?;
            samples.push(time);
            if run + 1 == RUNS {
                std::thread::sleep(REST);
                rss = resident_mb(running.id())?;
            }
            running.stop();
        }
        figures.push(Figure::of("start_ready", "ms", samples));
        figures.push(Figure::one("first start", "ms", first));
        figures.push(Figure::one("rss_idle", "MB", rss));
        let bytes = fs::metadata(program)?.len();
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        figures.push(Figure::one("size of the program", "MB", bytes as f64 / BYTES_PER_MB));
        Ok(Done::did(""))
    })?;
    Ok(figures)
}

/// Milliseconds from exec to the first 200, and the program, still running.
pub(super) fn ready(command: &mut Command, address: SocketAddr, path: &str) -> Result<(f64, Running)> {
    let started = Instant::now();
    let mut running = Running::start(command)?;
    while server::status(address, path) != Some(200) {
        if running.ended().is_some() {
            bail!("it ended before it was ready");
        }
        if started.elapsed() > LIMIT {
            bail!("it was not ready after {} s", LIMIT.as_secs());
        }
        std::thread::sleep(POLL);
    }
    Ok((started.elapsed().as_secs_f64() * 1e3, running))
}

/// Resident memory of a process and all its descendants.
pub(super) fn resident_mb(pid: u32) -> Result<f64> {
    let own = resident_kb(pid).context("the memory of a process cannot be read here: /proc is needed")?;
    let kb: u64 = own + descendants(pid).into_iter().filter_map(resident_kb).sum::<u64>();
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let bytes = (kb * 1024) as f64;
    Ok(bytes / BYTES_PER_MB)
}

fn resident_kb(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn descendants(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in text.split_whitespace().filter_map(|word| word.parse().ok()) {
            found.push(child);
            found.extend(descendants(child));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_counts_children() {
        let own = resident_mb(std::process::id()).unwrap();
        assert!(own > 1.0, "{own}");
    }

    #[test]
    fn a_program_that_ends_at_once_is_an_error() {
        let address = server::free_address().unwrap();
        assert!(
            ready(Command::new("sh").args(["-c", "exit 0"]), address, "/").unwrap_err().to_string().contains("ended")
        );
    }
}
