//! What is measured, and how it is shown.

use crate::{Engine, KEY_BYTES, VALUE_BYTES};
use anyhow::{Result, ensure};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Writers at once.
const WRITERS: [usize; 3] = [1, 16, 64];
/// Turns of each measurement of commits.
const TURNS: usize = 5;
/// Reads of each kind.
const READS: usize = 20_000;
/// Rows of a range read.
const RANGE_ROWS: usize = 100;
/// Rows that are loaded in one commit.
const LOAD_ROWS: usize = 5_000;

/// Figures of an engine.
pub(crate) struct Figures {
    name: &'static str,
    /// Commits a second, and the 99th percentile of one, for each number of writers.
    commits: [(f64, Duration); WRITERS.len()],
    get: Percentiles,
    range: Percentiles,
}

struct Percentiles {
    p50: Duration,
    p99: Duration,
}

/// The next of a row of numbers that has no pattern.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut number = *seed;
    number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// A key anywhere.
pub(crate) fn random_key(seed: &mut u64) -> [u8; KEY_BYTES] {
    let mut key = [0x20; KEY_BYTES];
    key[1..9].copy_from_slice(&random(seed).to_be_bytes());
    key
}

pub(crate) fn value() -> Vec<u8> {
    let mut seed = 7;
    (0..VALUE_BYTES).map(|_| random(&mut seed).to_le_bytes()[0]).collect()
}

/// A key that was loaded.
fn loaded_key(number: u64) -> Vec<u8> {
    let mut key = vec![0x10; KEY_BYTES];
    key[1..9].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key
}

/// Each writer on a thread of its own.
pub(crate) fn write_on_threads<E: Engine + ?Sized>(
    engine: &E,
    writers: usize,
    time: Duration,
) -> Result<Vec<Duration>> {
    let end = Instant::now() + time;
    let work = |writer: usize| {
        let (mut took, mut seed, value) = (Vec::new(), writer as u64 + 1, value());
        while Instant::now() < end {
            let key = random_key(&mut seed);
            let started = Instant::now();
            engine.commit(writer, &key, &value)?;
            took.push(started.elapsed());
        }
        anyhow::Ok(took)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers).map(|writer| scope.spawn(move || work(writer))).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow::anyhow!("a writer panicked"))??);
        }
        Ok(all)
    })
}

/// Measures all engines, in turns.
pub(crate) fn figures(
    engines: &[(&'static str, Box<dyn Engine>)],
    rows: usize,
    time: Duration,
) -> Result<Vec<Figures>> {
    let loaded: Vec<_> = (0..rows as u64).map(|number| (loaded_key(number), value())).collect();
    for (name, engine) in engines {
        eprintln!("loads {name}");
        loaded.chunks(LOAD_ROWS).try_for_each(|part| engine.load(part))?;
    }
    let mut commits = vec![[(0.0, Duration::ZERO); WRITERS.len()]; engines.len()];
    for (place, writers) in WRITERS.into_iter().enumerate() {
        let mut turns = vec![(Vec::new(), Vec::new()); engines.len()];
        for turn in 1..=TURNS {
            eprintln!("writes with {writers} writers, turn {turn} of {TURNS}");
            for ((_, engine), (rates, all)) in engines.iter().zip(&mut turns) {
                let started = Instant::now();
                let took = engine.write(writers, time)?;
                rates.push(took.len() as f64 / started.elapsed().as_secs_f64());
                all.extend(took);
            }
        }
        for ((mut rates, took), commits) in turns.into_iter().zip(&mut commits) {
            rates.sort_unstable_by(f64::total_cmp);
            commits[place] = (rates[TURNS / 2], percentiles(took).p99);
        }
    }
    eprintln!("reads");
    let each = engines.iter().zip(commits).map(|((name, engine), commits)| {
        let get = read(&loaded, READS, |key| {
            ensure!(engine.get(key)? == VALUE_BYTES, "{name} lost a row");
            Ok(())
        })?;
        let range = read(&loaded, READS / 10, |key| {
            ensure!(engine.range(key, RANGE_ROWS)? > 0, "{name} lost a row");
            Ok(())
        })?;
        Ok(Figures { name, commits, get, range })
    });
    each.collect()
}

/// Reads anywhere among what was loaded.
fn read(loaded: &[(Vec<u8>, Vec<u8>)], reads: usize, each: impl Fn(&[u8]) -> Result<()>) -> Result<Percentiles> {
    let mut seed = 3;
    let mut took = Vec::with_capacity(reads);
    for _ in 0..reads {
        let key = &loaded[random(&mut seed) as usize % loaded.len()].0;
        let started = Instant::now();
        each(key)?;
        took.push(started.elapsed());
    }
    Ok(percentiles(took))
}

fn percentiles(mut took: Vec<Duration>) -> Percentiles {
    took.sort_unstable();
    let at = |part: usize| {
        took.get((took.len() * part / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    Percentiles { p50: at(50), p99: at(99) }
}

/// All of it; behind each figure how the first engine does beside this one: 2x is twice as many or twice as fast.
pub(crate) fn table(all: &[Figures], rows: usize) -> String {
    let mut text = format!(
        "durable commits of one row ({KEY_BYTES} + {VALUE_BYTES} bytes), {rows} rows there before; in brackets: the first line \
         beside this one\n\n{:<20}",
        ""
    );
    for writers in WRITERS {
        let _ = write!(text, "{:>20}{:>12}", format!("commits/s, {writers} wr."), "p99 ms");
    }
    let _ = writeln!(text, "{:>18}{:>10}{:>20}{:>10}", "get p50 µs", "p99", "range p50 µs", "p99");
    let Some(ours) = all.first() else { return text };
    for figures in all {
        let _ = write!(text, "{:<20}", figures.name);
        for ((rate, p99), (our_rate, _)) in figures.commits.iter().zip(&ours.commits) {
            let _ =
                write!(text, "{:>20}{:>12.2}", format!("{rate:.0} ({:.2}x)", our_rate / rate), p99.as_secs_f64() * 1e3);
        }
        for (read, our_read, width) in [(&figures.get, &ours.get, 18), (&figures.range, &ours.range, 20)] {
            let micros = |time: Duration| time.as_secs_f64() * 1e6;
            let ratio = micros(read.p50) / micros(our_read.p50).max(f64::MIN_POSITIVE);
            let p50 = format!("{:.1} ({ratio:.2}x)", micros(read.p50));
            let _ = write!(text, "{p50:>width$}{:>10.1}", micros(read.p99));
        }
        text.push('\n');
    }
    text
}
