//! A gateway that is kept busy for minutes, with streams and without: its memory must stay what it is.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::Options;
use crate::figures::{Cell, Kind};
use crate::gateways::{Gateway, Who};
use crate::load::Outcome;
use crate::measure::{Stage, load};

const DEFAULT_SECONDS: f64 = 600.0;
/// How often memory is looked at in that time: each half minute.
const LOOKS: f64 = 20.0;
/// Of the time, this is how long caches may fill before growth counts.
const SETTLED: f64 = 0.2;
/// Growth that still counts as none, in MB over the rest of the time.
const MOST_GROWTH_MB: f64 = 1.0;
/// Of each kind of requests.
const CLIENTS: usize = 10;

/// Runs the gateways one after the other; gives the goals that were missed.
pub(crate) async fn run(options: &Options) -> Result<Vec<String>> {
    let seconds = options.seconds.unwrap_or(DEFAULT_SECONDS);
    let stage = Stage::set(options).await?;
    let absent = stage.absent.iter().filter(|(who, _)| *who == Who::Ours);
    let mut missed: Vec<String> = absent.map(|(_, why)| format!("ours was not measured: {why}")).collect();
    for gateway in stage.gateways.iter().filter(|gateway| gateway.who != Who::Direct) {
        let problem = one(gateway, seconds).await?;
        if gateway.who == Who::Ours {
            missed.extend(problem);
        }
    }
    Ok(missed)
}

/// What is wrong with it, if anything is.
async fn one(gateway: &Gateway, seconds: f64) -> Result<Option<String>> {
    let name = gateway.who.title();
    println!("{name}: {CLIENTS} clients with streams and {CLIENTS} without, for {seconds} s");
    let (begun, pause) = (Instant::now(), Duration::try_from_secs_f64(seconds / LOOKS)?);
    let mut samples = Vec::new();
    let look = || {
        if begun.elapsed() < pause * u32::try_from(samples.len()).unwrap_or(u32::MAX) {
            return;
        }
        let (at, memory) = (begun.elapsed().as_secs_f64(), gateway.memory().unwrap_or_default());
        println!("{at:5.0} s  RSS {:6.2} MB  PSS {:6.2} MB", memory.resident, memory.proportional);
        samples.push((at, memory.resident));
    };
    let json = gateway.job(Cell { kind: Kind::Json, clients: CLIENTS }, seconds);
    let stream = gateway.job(Cell { kind: Kind::Stream, clients: CLIENTS }, seconds);
    let (json, stream) = tokio::join!(load(&json, None, look), load(&stream, None, || ()));
    let (json, stream) = (json?, stream?);
    println!("{} answers, {} streams", json.answers, stream.answers);
    let settled: Vec<_> = samples.into_iter().filter(|(at, _)| *at >= seconds * SETTLED).collect();
    let slope = slope(&settled).context("there are too few looks at the memory")?;
    let growth = slope * seconds * (1.0 - SETTLED);
    println!(
        "{name}: {:+.3} MB a minute, {growth:+.2} MB in the last {:.0} s",
        slope * 60.0,
        seconds * (1.0 - SETTLED)
    );
    let errors = [json, stream].iter().map(wrong).find(Option::is_some).flatten();
    Ok(errors.or_else(|| {
        (growth > MOST_GROWTH_MB)
            .then(|| format!("its memory grew by {growth:.2} MB, at most {MOST_GROWTH_MB} MB may be"))
    }))
}

fn wrong(outcome: &Outcome) -> Option<String> {
    let error = outcome.first_error.as_deref().unwrap_or("nothing was answered");
    (outcome.errors > 0 || outcome.answers == 0).then(|| format!("{} errors: {error}", outcome.errors))
}

/// Of the line that fits best: by how much the second grows with the first.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.iter().fold(0.0, |count, _| count + 1.0);
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let together: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    (spread > 0.0).then(|| together / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line() {
        let near = |points: &[(f64, f64)], wanted: f64| (slope(points).unwrap() - wanted).abs() < 1e-9;
        assert!(near(&[(0.0, 5.0), (10.0, 7.0), (20.0, 9.0)], 0.2));
        assert!(near(&[(0.0, 5.0), (10.0, 6.0), (20.0, 5.0)], 0.0));
        assert_eq!(slope(&[(1.0, 1.0)]), None);
        assert_eq!(slope(&[]), None);
    }
}
