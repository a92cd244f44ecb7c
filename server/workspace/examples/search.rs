//! Measures searches of a folder beside `rg`, and the file picker while somebody types, in one run. Beside what a clock shows it
//! tells the time of the processor, which other programs disturb less:
//!
//!     cargo run --release -p coditect-workspace --example search -- FOLDER PATTERN [RUNS] [TYPED]...

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use coditect_protocol::UserId;
use coditect_protocol::search::{FindFiles, SearchText};
use coditect_workspace::index::Indexes;
use coditect_workspace::search::search_text;
use coditect_workspace::tree::{Tree, TreeSettings};
use coditect_workspace::watch::{WatchSettings, Watchers};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often each key is measured.
const KEY_RUNS: usize = 20;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, pattern, rest @ ..] = args.as_slice() else {
        return Err("FOLDER and PATTERN are wanted".into());
    };
    let runs: usize = rest.first().map_or(Ok(10), |runs| runs.parse())?;
    let typed: Vec<&str> = rest.iter().skip(1).map(String::as_str).collect();
    let folder = PathBuf::from(folder).canonicalize()?;
    let (mut ours, mut first_hits, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut found, mut busy) = ((0, 0), (Duration::ZERO, Duration::ZERO));
    // In turn, so that both meet the same machine.
    for _ in 0..=runs {
        let before = (used()?, used_by_ended()?);
        let (whole, first, matches) = search(folder.clone(), pattern).await?;
        ours.push(whole);
        first_hits.extend(first);
        let (whole, lines) = rg(&folder, pattern)?;
        theirs.push(whole);
        found = (matches, lines);
        busy = (busy.0 + used()? - before.0, busy.1 + used_by_ended()? - before.1);
    }
    // The first run of each fills the system's cache.
    let (ours, theirs, first) = (median(&mut ours[1..]), median(&mut theirs[1..]), median(&mut first_hits));
    println!("text search: {ours:?} ({} matches), rg: {theirs:?} ({} lines)", found.0, found.1);
    println!("ratio: {:.2}, first hit: {first:?}", ours.as_secs_f64() / theirs.as_secs_f64());
    println!("ratio of the processor's time: {:.2}", busy.0.as_secs_f64() / busy.1.as_secs_f64());
    pick(folder, if typed.is_empty() { vec![pattern] } else { typed }).await
}

/// Numbers of `/proc/self/stat`, from the 14th on: own time in user mode and in the system, and that of children that ended.
fn times() -> Result<[u64; 4], Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, behind_name) = stat.rsplit_once(')').ok_or("no name")?;
    let numbers = behind_name.split_whitespace().skip(11).take(4).map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    Ok(numbers.try_into().map_err(|_| "too few numbers")?)
}

fn ticks(ticks: u64) -> Duration {
    /// What Linux tells programs, whatever it counts itself.
    const TICKS_PER_SECOND: u32 = 100;
    Duration::from_secs(ticks) / TICKS_PER_SECOND
}

fn used() -> Result<Duration, Failure> {
    times().map(|[user, system, ..]| ticks(user + system))
}

fn used_by_ended() -> Result<Duration, Failure> {
    times().map(|[.., user, system]| ticks(user + system))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

async fn search(folder: PathBuf, pattern: &str) -> Result<(Duration, Option<Duration>, u64), Failure> {
    let query = SearchText {
        query: pattern.to_owned(),
        regex: true,
        case_sensitive: true,
        max_matches: u32::MAX,
        ..SearchText::default()
    };
    let (sink, mut matches) = mpsc::channel(64);
    let began = Instant::now();
    let searching = search_text(UserId(uuid::Uuid::new_v4()), folder, query, CancellationToken::new(), sink);
    let reading = async {
        let mut first = None;
        while matches.recv().await.is_some() {
            first.get_or_insert_with(|| began.elapsed());
        }
        first
    };
    let (summary, first) = tokio::join!(searching, reading);
    Ok((began.elapsed(), first, summary?.matches))
}

fn rg(folder: &PathBuf, pattern: &str) -> Result<(Duration, usize), Failure> {
    let began = Instant::now();
    let output = Command::new("rg")
        .args(["--hidden", "-g", "!.git", "--no-config", "--crlf", "--line-number", "--column", "-e", pattern])
        .current_dir(folder)
        .stdin(Stdio::null())
        .arg(".")
        .output()?;
    Ok((began.elapsed(), output.stdout.iter().filter(|byte| **byte == b'\n').count()))
}

async fn pick(folder: PathBuf, words: Vec<&str>) -> Result<(), Failure> {
    let watchers = Watchers::new(WatchSettings::default())?;
    let indexes = Indexes::new(watchers);
    let tree = Arc::new(Tree::open(folder, TreeSettings::default()).await?);
    let find = async |pattern: &str| {
        let query = FindFiles {
            pattern: pattern.to_owned(),
            fuzzy: true,
            limit: 200,
            use_ignore_files: true,
            exclude: vec!["**/.git".to_owned(), "**/.DS_Store".to_owned(), "**/.svn".to_owned()],
            ..FindFiles::default()
        };
        let began = Instant::now();
        indexes.find_files(UserId(uuid::Uuid::new_v4()), &tree, query, CancellationToken::new()).await?;
        Ok::<_, Failure>(began.elapsed())
    };
    let built = find("").await?;
    let Some(size) = indexes.size(&tree) else { return Err("there is no index".into()) };
    println!("index: built in {built:?}, {} files, {} bytes each", size.files, size.bytes / size.files.max(1));
    let mut keys = Vec::new();
    let before = used()?;
    for typed in words {
        for (end, letter) in typed.char_indices() {
            let part = &typed[..end + letter.len_utf8()];
            let mut times = Vec::new();
            for _ in 0..KEY_RUNS {
                times.push(find(part).await?);
            }
            println!("  {part:24} median {:?}", median(&mut times));
            keys.extend(times);
        }
    }
    let each = (used()? - before) / u32::try_from(keys.len().max(1))?;
    let middle = median(&mut keys);
    let late = keys.get(keys.len() * 95 / 100).copied().unwrap_or_default();
    println!("a key: median {middle:?}, 95% within {late:?}, processor {each:?}");
    Ok(())
}
