//! `cargo bench -p coditect-workspace --bench picker`: how long the answer to each key of a word takes that somebody types into
//! the file picker, in a tree of 200,000 files. Each key is asked once a round, cold as a person's are: with a rest before it, in
//! which the processor's caches and its clock go down. Prints a table: the median and the worst of the rounds for each key.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coditect_protocol::UserId;
use coditect_protocol::search::FindFiles;
use coditect_workspace::index::Indexes;
use coditect_workspace::tree::{Tree, TreeSettings};
use coditect_workspace::watch::{WatchSettings, Watchers};
use tokio_util::sync::CancellationToken;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const FOLDERS: usize = 4000;
const FILES_IN_FOLDER: usize = 50;
const ROUNDS: usize = 9;
const REST: Duration = Duration::from_millis(20);
const ANSWERS: u32 = 100;
/// What is typed, letter by letter.
const TYPED: [&str; 7] = ["sessionwriter", "crates/queue", "tokval", "WatcherTest", "README", "json", "queue reader"];

const WORDS: [&str; 48] = [
    "account",
    "adapter",
    "buffer",
    "builder",
    "cache",
    "channel",
    "client",
    "command",
    "config",
    "context",
    "cursor",
    "decoder",
    "driver",
    "editor",
    "engine",
    "event",
    "factory",
    "filter",
    "format",
    "gateway",
    "handler",
    "index",
    "journal",
    "kernel",
    "layout",
    "ledger",
    "listener",
    "logger",
    "manager",
    "matcher",
    "network",
    "parser",
    "policy",
    "process",
    "queue",
    "reader",
    "registry",
    "request",
    "router",
    "schema",
    "server",
    "session",
    "socket",
    "stream",
    "token",
    "validator",
    "watcher",
    "writer",
];
const ENDINGS: [&str; 6] = ["rs", "ts", "test.ts", "py", "md", "json"];

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let folder = tempfile::tempdir()?;
    println!("makes {} files …", FOLDERS * FILES_IN_FOLDER);
    make_tree(folder.path())?;
    runtime.block_on(measure(folder.path()))
}

/// The same tree at each run, several levels deep.
fn make_tree(root: &Path) -> Outcome<()> {
    let mut state = 1_u64;
    let mut next = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % limit
    };
    for folder in 0..FOLDERS {
        let top = ["packages", "crates", "services", "tools"][next(4)];
        let (first, second, own) = (WORDS[next(48)], WORDS[next(48)], WORDS[next(48)]);
        let folder = root.join(format!("{top}/{first}-{second}/src/{own}{folder}"));
        std::fs::create_dir_all(&folder)?;
        for file in 0..FILES_IN_FOLDER {
            let name = format!("{}_{}{file}.{}", WORDS[next(48)], WORDS[next(48)], ENDINGS[next(6)]);
            std::fs::write(folder.join(name), "")?;
        }
    }
    Ok(())
}

async fn measure(root: &Path) -> Outcome<()> {
    let indexes = Indexes::new(Watchers::new(WatchSettings::default())?);
    let tree = Arc::new(Tree::open(root.to_owned(), TreeSettings::default()).await?);
    let person = UserId(uuid::Uuid::new_v4());
    let ask = async |pattern: &str| -> Outcome<f64> {
        let query = FindFiles {
            pattern: pattern.to_owned(),
            fuzzy: true,
            limit: ANSWERS,
            use_ignore_files: true,
            ..FindFiles::default()
        };
        let begin = Instant::now();
        indexes.find_files(person, &tree, query, CancellationToken::new()).await?;
        Ok(begin.elapsed().as_secs_f64() * 1000.0)
    };
    println!("first answer {:.0} ms", ask("").await?);
    let keys: Vec<&str> = TYPED.iter().flat_map(|text| (1..=text.len()).map(|length| &text[..length])).collect();
    let mut rounds = vec![Vec::new(); keys.len()];
    for _ in 0..ROUNDS {
        for (key, samples) in keys.iter().zip(&mut rounds) {
            tokio::time::sleep(REST).await;
            samples.push(ask(key).await?);
        }
    }
    println!("{:14} {:>9} {:>9}", "key", "p50 ms", "worst ms");
    for (key, samples) in keys.iter().zip(&mut rounds) {
        samples.sort_by(f64::total_cmp);
        println!("{key:14} {:9.2} {:9.2}", samples[ROUNDS / 2], samples[ROUNDS - 1]);
    }
    let mut all = rounds.concat();
    all.sort_by(f64::total_cmp);
    println!(
        "{:14} {:9.2} {:9.2}  p95 {:.2}",
        "all",
        all[all.len() / 2],
        all[all.len() - 1],
        all[all.len() * 95 / 100]
    );
    Ok(())
}
