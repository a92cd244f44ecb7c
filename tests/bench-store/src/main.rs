//! The embedded store beside redb, fjall and SQLite: the same rows, each engine's natural durable commit, in turns on the same disk in
//! the same run. A disk has better and worse moments, so that each figure is the median of several turns.
//!
//! `alone` is each writer committing by itself, as an engine is used that offers nothing else; `grouped` is one thread that
//! commits all that waits for it at once, as the store does and as a careful user of the engine would.

mod engines;
mod measure;
mod store;

use anyhow::{Context as _, Result, bail};
use engines::{Fjall, Grouped, Redb, Sqlite};
use measure::{figures, table};
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::Coditect;

/// Bytes of a row.
pub(crate) const KEY_BYTES: usize = 16;
pub(crate) const VALUE_BYTES: usize = 256;

/// An engine under measure.
pub(crate) trait Engine: Send + Sync {
    /// Commits one row, durably, for one of the writers.
    fn commit(&self, writer: usize, key: &[u8], value: &[u8]) -> Result<()>;
    /// Writes many rows at once.
    fn load(&self, rows: &[(Vec<u8>, Vec<u8>)]) -> Result<()>;
    /// Length of a key's value.
    fn get(&self, key: &[u8]) -> Result<usize>;
    /// Counts rows from a key on.
    fn range(&self, begin: &[u8], rows: usize) -> Result<usize>;
    /// Lets the writers commit for so long; answers how long each commit took.
    fn write(&self, writers: usize, time: Duration) -> Result<Vec<Duration>> {
        measure::write_on_threads(self, writers, time)
    }
}

/// Opens an engine in a directory.
type Open = fn(&Path) -> Result<Box<dyn Engine>>;

struct Arguments {
    seconds: u64,
    rows: usize,
    directory: Option<PathBuf>,
    only: String,
}

/// `[--seconds N] [--rows N] [--directory PATH] [--only PART_OF_A_NAME]`
fn arguments() -> Result<Arguments> {
    let mut given = Arguments { seconds: 2, rows: 100_000, directory: None, only: String::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} has no value"))?;
        match &word[..] {
            "--seconds" => given.seconds = value.parse()?,
            "--rows" => given.rows = value.parse()?,
            "--directory" => given.directory = Some(value.into()),
            "--only" => given.only = value,
            _ => bail!("known are --seconds, --rows, --directory and --only, not {word}"),
        }
    }
    Ok(given)
}

fn main() -> Result<()> {
    let given = arguments()?;
    let place = match &given.directory {
        Some(directory) => tempfile::tempdir_in(directory)?,
        None => tempfile::tempdir()?,
    };
    let time = Duration::from_secs(given.seconds);
    let engines: [(&'static str, Open); 7] = [
        ("Coditect embedded", |path| Ok(Box::new(Coditect::open(path)?))),
        ("redb, alone", |path| Ok(Box::new(Redb::open(path)?))),
        ("redb, grouped", |path| Ok(Box::new(Grouped::new(Redb::open(path)?)))),
        ("fjall, alone", |path| Ok(Box::new(Fjall::open(path)?))),
        ("fjall, grouped", |path| Ok(Box::new(Grouped::new(Fjall::open(path)?)))),
        ("SQLite, alone", |path| Ok(Box::new(Sqlite::open(path)?))),
        ("SQLite, grouped", |path| Ok(Box::new(Grouped::new(Sqlite::open(path)?)))),
    ];
    let mut opened = Vec::new();
    for (name, open) in engines.into_iter().filter(|(name, _)| name.contains(&given.only)) {
        let directory = place.path().join(name.replace([' ', ','], "-"));
        std::fs::create_dir(&directory)?;
        opened.push((name, open(&directory)?));
    }
    println!("{}", table(&figures(&opened, given.rows, time)?, given.rows));
    Ok(())
}
