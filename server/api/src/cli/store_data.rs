//! `store backup`, `restore`, `copy` and `check`.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, arg, value_parser};
use coditect_protocol::{ByteSize, Coded as _};
use coditect_store::{Checked, OnTarget, Origin, Phase, Progress, Store, StoreError, Summary};
use tokio::signal::unix::{SignalKind, signal};

use super::{EXIT_CONFIGURATION, SHUTDOWN_LIMIT, fail, run_to_the_end};

/// Exit status of what was interrupted, as shells have it.
const EXIT_INTERRUPTED: u8 = 130;
/// How often the progress is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(200);
/// Places of the longest name of a directory that is shown whole.
const NAME_WIDTH: usize = 24;

const URLS: &str = "URLs: embedded:///absolute/directory, fdb:///absolute/fdb.cluster[?directory=NAME], \
    socket:///absolute/path.sock. The server's own store is embedded://<data>/store unless its setting `store` says otherwise.";
const EXITS: &str = "Exit status: 0 done, 1 failed, 2 wrong flags or URL, 130 interrupted.";

/// The four of them.
pub(super) fn commands() -> [Command; 4] {
    [backup(), restore(), copy(), check()]
}

fn backup() -> Command {
    Command::new("backup")
        .about("Writes all that a store holds to one file, while it is in use")
        .arg(arg!(--store <URL> "Store to back up"))
        .arg(path_arg("to", "File to write; it has this name once it is whole, and replaces a former backup"))
        .after_help(help(
            "An embedded store may be in use by a server on this machine: the server is asked then, and goes on serving. Run this \
             as the server's user or as root. The backup of an embedded store is one state. That of a FoundationDB cluster is one \
             state if it takes less than 5 s or nobody writes meanwhile; otherwise a warning is printed.",
        ))
}

fn restore() -> Command {
    with_target(Command::new("restore"))
        .about("Fills a store from a backup")
        .arg(path_arg("from", "Backup to read; it is checked whole before anything is written"))
        .arg(arg!(--store <URL> "Store to fill; no server may use it"))
        .after_help(help(
            "What was written is read again and compared. A store that was not filled to the end is refused by every server until \
             the same command has run again with --resume or --replace.",
        ))
}

fn copy() -> Command {
    with_target(Command::new("copy"))
        .about("Copies all that a store holds to another one, of any kind")
        .arg(arg!(--from <URL> "Store to read"))
        .arg(arg!(--to <URL> "Store to fill; no server may use it"))
        .after_help(help(
            "Stop the servers first: what is written to the first store meanwhile is not copied. What was written is read again \
             and compared. A store that was not filled to the end is refused by every server until the same command has run again \
             with --resume or --replace.",
        ))
}

fn check() -> Command {
    Command::new("check")
        .about("Reads all that a store or a backup holds, and counts it")
        .arg(arg!(--store <URL> "Store to read").required(false))
        .arg(path_arg("backup", "Backup to read").required(false))
        .group(ArgGroup::new("what").args(["store", "backup"]).required(true))
        .after_help(help(
            "Two stores or backups with the same SHA-256 hold the same. The pages of an embedded store that no server uses are \
             looked at one by one as well.",
        ))
}

fn path_arg(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("FILE").help(help).required(true).value_parser(value_parser!(PathBuf))
}

fn with_target(command: Command) -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help).action(ArgAction::SetTrue);
    command
        .arg(flag("resume", "Goes on where a run that was broken off ended"))
        .arg(flag("replace", "Takes away what the store holds first").conflicts_with("resume"))
}

fn help(text: &str) -> String {
    format!("{text}\n\n{URLS}\n\n{EXITS}")
}

/// Runs one of them.
pub(super) fn run(name: &str, matches: &ArgMatches) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail("server.runtime", &error, 1),
    };
    let work = async {
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return Ended::Failed(StoreError::Io { detail: "signals cannot be received".to_owned() });
        };
        tokio::select! {
            _ = terminate.recv() => Ended::Interrupted,
            _ = interrupt.recv() => Ended::Interrupted,
            done = perform(name, matches) => done.map_or_else(Ended::Failed, Ended::Done),
        }
    };
    match run_to_the_end(runtime, SHUTDOWN_LIMIT, work) {
        Ended::Done(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Ended::Failed(error) => {
            let is_wrong = matches!(error, StoreError::BadUrl { .. });
            fail(error.code(), &error, if is_wrong { EXIT_CONFIGURATION } else { 1 })
        }
        Ended::Interrupted => fail("store.interrupted", &left_behind(name), EXIT_INTERRUPTED),
    }
}

enum Ended {
    Done(String),
    Failed(StoreError),
    Interrupted,
}

fn left_behind(name: &str) -> &'static str {
    match name {
        "backup" => "Interrupted; no file was written.",
        "check" => "Interrupted.",
        _ => "Interrupted; the store is refused until the same command has run again with --resume or --replace.",
    }
}

/// Does it, and answers what to print.
async fn perform(name: &str, matches: &ArgMatches) -> Result<String, StoreError> {
    let url = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned().unwrap_or_default();
    let shown = Shown::new();
    match name {
        "backup" => {
            let origin = Origin::open(url("store")).await?;
            let made = origin.backup_to(&path("to"), |progress| shown.show(progress)).await;
            origin.close().await;
            shown.end();
            Ok(told("backed up", &made?))
        }
        "restore" => {
            let done = fill(&Origin::file(&path("from")), url("store"), matches, &shown).await;
            shown.end();
            Ok(told("restored and compared", &done?))
        }
        "copy" => {
            let origin = Origin::open(url("from")).await?;
            let done = fill(&origin, url("to"), matches, &shown).await;
            origin.close().await;
            shown.end();
            Ok(told("copied and compared", &done?))
        }
        _ if matches.contains_id("backup") => {
            let checked = Origin::file(&path("backup")).check(|progress| shown.show(progress)).await;
            shown.end();
            Ok(counted(&checked?))
        }
        _ => check_store(url("store"), &shown).await,
    }
}

async fn fill(origin: &Origin, url: &str, matches: &ArgMatches, shown: &Shown) -> Result<Summary, StoreError> {
    let on_target = match (matches.get_flag("resume"), matches.get_flag("replace")) {
        (true, _) => OnTarget::Resume,
        (_, true) => OnTarget::Replace,
        _ => OnTarget::Refuse,
    };
    let target = Store::open_target(url).await?;
    let done = origin.copy_to(&target, on_target, |progress| shown.show(progress)).await;
    target.close().await;
    done
}

async fn check_store(url: &str, shown: &Shown) -> Result<String, StoreError> {
    let pages = match Origin::check_pages(url).await {
        Ok(true) => "pages: all have their checksums\n",
        Ok(false) => "",
        Err(StoreError::Locked { .. }) => "pages: not looked at, for the store is in use\n",
        Err(error) => return Err(error),
    };
    let origin = Origin::open(url).await?;
    let checked = origin.check(|progress| shown.show(progress)).await;
    origin.close().await;
    shown.end();
    Ok(counted(&checked?) + pages)
}

fn told(done: &str, summary: &Summary) -> String {
    if summary.states > 1 {
        eprintln!(
            "coditect-v5-api: the rows are from {} states, for others wrote meanwhile or it took long; stop the servers for one state",
            summary.states
        );
    }
    let states = if summary.states == 1 { "one state".to_owned() } else { format!("{} states", summary.states) };
    let (rows, size, digest) = (summary.rows, ByteSize(summary.bytes), summary.digest_hex());
    format!("{done}: {rows} rows, {size}, of {states}\nsha256: {digest}\n")
}

fn counted(checked: &Checked) -> String {
    let mut text = format!("{:<NAME_WIDTH$} {:>12} {:>12}\n", "directory", "rows", "bytes");
    for (name, (rows, bytes)) in &checked.directories {
        // A name is data: nothing of it may steer a terminal.
        let name = if name.is_empty() { "(other)".to_owned() } else { name.escape_debug().to_string() };
        let _ = writeln!(text, "{name:<NAME_WIDTH$} {rows:>12} {bytes:>12}");
    }
    let Summary { rows, bytes, .. } = checked.summary;
    let _ = writeln!(text, "{:<NAME_WIDTH$} {rows:>12} {bytes:>12}", "all");
    let _ = writeln!(text, "sha256: {}", checked.summary.digest_hex());
    text
}

/// The progress, on a terminal; nowhere else.
struct Shown {
    is_terminal: bool,
    started: Instant,
    last: Mutex<Option<(Phase, Instant)>>,
}

impl Shown {
    fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), started: Instant::now(), last: Mutex::new(None) }
    }

    fn show(&self, progress: Progress) {
        let Ok(mut last) = self.last.lock() else { return };
        let is_due = last.is_none_or(|(phase, shown)| phase != progress.phase || shown.elapsed() >= SHOWN_EVERY);
        if self.is_terminal && is_due {
            *last = Some((progress.phase, Instant::now()));
            let mut line = String::new();
            let _ = write!(line, "\r\x1b[K{}", progress_line(progress, self.started.elapsed()));
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }

    /// Takes the line away.
    fn end(&self) {
        if self.is_terminal {
            let _ = std::io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

fn progress_line(progress: Progress, since: Duration) -> String {
    let phase = match progress.phase {
        Phase::Checking => "checking",
        Phase::Clearing => "clearing",
        Phase::Copying => "copying",
        Phase::Verifying => "comparing",
    };
    let seconds = since.as_secs_f64().max(0.001);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "for people"
    )]
    let rate = (progress.bytes as f64 / seconds) as u64;
    format!("{phase}: {} rows, {}, {}/s", progress.rows, ByteSize(progress.bytes), ByteSize(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_is_told_for_people() {
        let progress = Progress { phase: Phase::Copying, rows: 7, bytes: 3 << 19 };
        assert_eq!(progress_line(progress, Duration::from_secs(3)), "copying: 7 rows, 1.5 MiB, 512 KiB/s");
    }

    #[test]
    fn a_name_cannot_steer_a_terminal() {
        let summary = Summary { rows: 1, bytes: 9, digest: [0xab; 32], states: 1, version: 0 };
        let directories = [("\x1b[2J".to_owned(), (1, 9))].into();
        let text = counted(&Checked { summary, directories });
        assert!(!text.contains('\x1b') && text.contains("[2J") && text.contains("abab"), "{text}");
    }
}
