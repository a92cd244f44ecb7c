//! A server that is killed, again and again, under floods of output and input: whatever was acknowledged is there.
//!
//! `CODITECT_CUT_ROUNDS` says how often (default: 100).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use coditect_protocol::{TerminalId, UserId};
use coditect_sandbox::client::Sandboxes;
use coditect_sandbox::{SandboxSettings, TerminalSettings};
use rand::RngExt as _;
use support::Stage;

const ROUNDS: &str = "CODITECT_CUT_ROUNDS";
const DEFAULT_ROUNDS: u32 = 100;
/// What the killed process is told.
const TOLD: &str = "CODITECT_CUT_CLIENT";
/// Lines that were sent at a cut, and of which the test may not know it: one without its answer, one whose answer was
/// not told.
const UNDER_WAY: u64 = 2;
/// What the flood waits for.
const BEGIN: &[u8] = b"begin\n";
/// Bytes of each line of the flood.
const LINE: u64 = 16;

#[derive(serde::Serialize, serde::Deserialize)]
struct Told {
    settings: SandboxSettings,
    person: UserId,
    terminal: TerminalId,
    read: u64,
    written: u64,
}

/// What the flood has at an offset: numbered lines of one length.
fn expected(offset: u64, length: usize) -> Vec<u8> {
    let first = offset / LINE;
    let lines = length as u64 / LINE + 2;
    let text: String = (first..first + lines).map(|line| format!("{:015}\n", line + 1)).collect();
    let skip = usize::try_from(offset % LINE).unwrap();
    text.as_bytes()[skip..skip + length].to_vec()
}

/// The process that is killed: reads and writes, and says what it has. Not a test of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test"]
async fn client() {
    let Ok(told) = std::env::var(TOLD) else { return };
    let Told { settings, person, terminal, mut read, mut written } = serde_json::from_str(&told).unwrap();
    let sandboxes = Sandboxes::start(settings, None).await.unwrap();
    let mut attachment = sandboxes.attach(person, terminal, read).await.unwrap();
    if written == 0 {
        sandboxes.write(person, terminal, BEGIN).await.unwrap();
    }
    let say = |what: &str, number: u64| writeln!(std::io::stdout(), "{what} {number}").unwrap();
    let reading = async {
        loop {
            let chunk = attachment.next().await.unwrap();
            if chunk.offset != read || chunk.data != expected(read, chunk.data.len()) {
                say("gap", chunk.offset);
            }
            read = chunk.offset + chunk.data.len() as u64;
            say("read", read);
        }
    };
    let writing = async {
        loop {
            sandboxes.write(person, terminal, format!("{written}\n").as_bytes()).await.unwrap();
            written += 1;
            say("written", written);
        }
    };
    let _: ((), ()) = tokio::join!(reading, writing);
}

/// Runs the client until it is killed; what it had by then.
fn one_life(told: &mut Told, lifetime: Duration) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "client", "--ignored", "--nocapture"])
        .env(TOLD, serde_json::to_string(&*told).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = (false, false);
    let mut take = |told: &mut Told, line: String| {
        // Whole lines only: the last one may have been cut, too.
        match line.split_once(' ') {
            Some(("gap", offset)) => panic!("asked for {}, got {offset}", told.read),
            Some(("read", end)) => {
                told.read = end.parse().unwrap();
                seen.0 = true;
            }
            Some(("written", count)) => {
                told.written = count.parse().unwrap();
                seen.1 = true;
            }
            _ => {}
        }
        seen == (true, true)
    };
    while !take(told, lines.next().expect("the client ended").unwrap()) {}
    let killer = std::thread::spawn(move || {
        std::thread::sleep(lifetime);
        child.kill().unwrap();
        child.wait().unwrap();
    });
    let mut last: Option<String> = None;
    for line in lines.map_while(Result::ok) {
        if let Some(line) = last.replace(line) {
            take(told, line);
        }
    }
    killer.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_byte_is_there() {
    let rounds = std::env::var(ROUNDS).map_or(DEFAULT_ROUNDS, |rounds| rounds.parse().unwrap());
    let stage = Stage::plain(TerminalSettings::default()).await;
    // The program waits for who was cut off, but not for who has never been there.
    let script = "stty raw -echo; read -r begin; seq -f %015.0f 1 2000000000 & exec cat > input";
    let info = stage.sh(script).await;
    let mut told =
        Told { settings: stage.settings.clone(), person: stage.person(), terminal: info.id, read: 0, written: 0 };
    for _ in 0..rounds {
        let lifetime = Duration::from_micros(rand::rng().random_range(0..20_000));
        told = tokio::task::spawn_blocking(move || {
            one_life(&mut told, lifetime);
            told
        })
        .await
        .unwrap();
    }
    println!("{} cuts, {} bytes read, {} lines written", rounds, told.read, told.written);
    let arrived = || arrived(&std::fs::read_to_string(stage.file("input")).unwrap());
    support::eventually("all that was acknowledged arrives", || arrived() >= told.written).await;
}

/// Lines that have arrived in order, none missing. Those under way at a cut may be there twice, as they were sent
/// twice.
fn arrived(text: &str) -> u64 {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut next = 0;
    for line in whole.lines().map(|line| line.parse::<u64>().unwrap()) {
        assert!(line <= next && next - line <= UNDER_WAY, "{line} came after {}", next - 1);
        next = next.max(line + 1);
    }
    next
}
