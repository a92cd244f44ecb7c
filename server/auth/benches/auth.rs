//! `cargo bench -p coditect-auth`: how long a check takes, warm and cold, with few sessions and with many, and how near logins come to
//! what the password hash allows. On the embedded store, as it is served. Prints a table; a missed goal ends it with an error.
//!
//! A machine that does nothing else gives the truest figures. `--sessions N` stores another number of sessions than 100 000.

use std::error::Error;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use coditect_auth::{Auth, AuthSettings, Device, HashCost, LoginStep, Rate};
use coditect_protocol::auth::{Credentials, Registration};
use coditect_store::{MasterKey, Store};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const PASSWORD: &str = "tin gravel orbit seven";
const SESSIONS: usize = 100_000;
const SESSIONS_PER_PERSON: usize = 50;
/// Logins under way at once while the sessions are made: they share the commits.
const AT_ONCE: usize = 256;
/// Sessions that are checked in turn: more than one second sees of a busy server.
const SEEN: usize = 10_000;
const WARM_CHECKS: usize = 500_000;
/// How long logins, and password hashes alone, are counted.
const LOGINS_FOR: Duration = Duration::from_secs(10);
/// Longer than anything is cached.
const COLD_AFTER: Duration = Duration::from_millis(1_100);
/// The goal for a check, in microseconds.
const GOAL_P99_US: f64 = 20.0;
/// The part of the bare hash's rate that logins should reach at the least.
const GOAL_LOGINS: f64 = 0.9;
/// How much slower a check or a start may be with many sessions than with few, beside the noise.
const GOAL_UNCHANGED: f64 = 2.0;

fn main() -> Outcome<()> {
    // `cargo test` starts benchmarks too, to see whether they start.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let named = arguments.iter().position(|argument| argument == "--sessions").and_then(|at| arguments.get(at + 1));
    let sessions = named.map_or(Ok(SESSIONS), |number| number.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let directory = tempfile::tempdir()?;
    let missed = runtime.block_on(run(directory.path(), sessions))?;
    match missed {
        0 => Ok(()),
        missed => Err(format!("{missed} goals were missed").into()),
    }
}

async fn run(directory: &Path, sessions: usize) -> Outcome<usize> {
    let mut table = Table::default();
    let few = SEEN.min(sessions);

    let (auth, store, _) = open(directory, cheap()).await?;
    let tokens = log_in(&auth, few, 0).await?;
    let before = checks(&auth, &tokens, &mut table, &format!("{few} sessions stored")).await?;
    drop(auth);
    store.close().await;
    let (auth, store, start_before) = open(directory, cheap()).await?;
    table.row("start, few sessions", &format!("{:.1} ms", millis(start_before)), None);

    if sessions > few {
        let began = Instant::now();
        log_in(&auth, sessions - few, 1_000_000).await?;
        let rate = (sessions - few) as f64 / began.elapsed().as_secs_f64();
        table.row("sessions stored a second, cheap hash", &format!("{rate:.0}"), None);
    }
    drop(auth);
    store.close().await;
    let (auth, store, start) = open(directory, cheap()).await?;
    let slower = millis(start) / millis(start_before).max(1.0);
    table.row(
        &format!("start, {sessions} sessions"),
        &format!("{:.1} ms", millis(start)),
        Some(slower <= GOAL_UNCHANGED),
    );
    let after = checks(&auth, &tokens, &mut table, &format!("{sessions} sessions stored")).await?;
    let slower = after / before;
    table.row("check, many against few", &format!("{slower:.2} times"), Some(slower <= GOAL_UNCHANGED));
    drop(auth);
    store.close().await;

    logins(&mut table).await?;
    table.print();
    Ok(table.missed)
}

/// Settings under which making sessions is quick and nobody is throttled.
fn cheap() -> AuthSettings {
    AuthSettings { hash_cost: HashCost { memory_kib: 8, passes: 1, lanes: 1 }, ..unthrottled() }
}

fn unthrottled() -> AuthSettings {
    let many = Rate { burst: 1_000_000, refill: Duration::from_millis(1) };
    AuthSettings {
        attempts_per_address: many,
        attempts_per_account: many,
        attempts_per_account_anywhere: many,
        sessions_per_user: 2 * SESSIONS_PER_PERSON,
        hash_queue: 4 * AT_ONCE,
        hash_share: 4 * AT_ONCE,
        ..AuthSettings::default()
    }
}

async fn open(directory: &Path, settings: AuthSettings) -> Outcome<(Auth, Store, Duration)> {
    let url = format!("embedded://{}", directory.join("store").display());
    let began = Instant::now();
    let store = Store::open(&url).await?;
    let auth = Auth::open(store.clone(), settings, MasterKey::from_bytes([7; 32])).await?;
    Ok((auth, store, began.elapsed()))
}

fn device(number: usize) -> Device {
    let address = u32::try_from(number).unwrap_or(0).wrapping_add(0x0a00_0000);
    Device { address: Some(IpAddr::V4(Ipv4Addr::from(address))), user_agent: "Bench/1.0".to_owned(), known: None }
}

/// Makes so many sessions, and answers their access tokens. `first` keeps the names of people apart.
async fn log_in(auth: &Auth, sessions: usize, first: usize) -> Outcome<Vec<String>> {
    let people = first + sessions.div_ceil(SESSIONS_PER_PERSON);
    let next = Arc::new(AtomicUsize::new(first));
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (auth, next) = (auth.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut tokens = Vec::new();
            loop {
                let person = next.fetch_add(1, Ordering::Relaxed);
                if person >= people {
                    return Outcome::Ok(tokens);
                }
                tokens.push(register(&auth, person).await?);
                for _ in 1..SESSIONS_PER_PERSON {
                    tokens.push(one_login(&auth, person).await?);
                }
            }
        });
    }
    let mut tokens = Vec::new();
    while let Some(made) = tasks.join_next().await {
        tokens.extend(made??);
    }
    Ok(tokens)
}

async fn register(auth: &Auth, person: usize) -> Outcome<String> {
    let registration = Registration { login: name(person), password: PASSWORD.to_owned(), invite: None };
    Ok(auth.register(&registration, &device(person)).await?.access_token)
}

fn name(person: usize) -> String {
    format!("person{person}@example.org")
}

async fn one_login(auth: &Auth, person: usize) -> Outcome<String> {
    let credentials = Credentials { login: name(person), password: PASSWORD.to_owned() };
    match auth.login(&credentials, &device(person)).await? {
        LoginStep::Done(login) => Ok(login.access_token),
        LoginStep::SecondFactor(_) => Err("nobody has a second factor here".into()),
    }
}

/// Measures checks; answers the median of the warm ones in microseconds.
async fn checks(auth: &Auth, tokens: &[String], table: &mut Table, what: &str) -> Outcome<f64> {
    let first = timed(tokens.len(), |n| auth.check(&tokens[n])).await?;
    table.times(&format!("check, first sight of a token ({what})"), &first, None);
    tokio::time::sleep(COLD_AFTER).await;
    let cold = timed(tokens.len(), |n| auth.check(&tokens[n])).await?;
    table.times("check, rows read again", &cold, None);
    // As many as are seen within the second for which a row is believed, so that each is read once a second.
    let warm = timed(WARM_CHECKS, |n| auth.check(&tokens[n % tokens.len()])).await?;
    table.times("check, many sessions in turn", &warm, Some(GOAL_P99_US));
    let one = timed(WARM_CHECKS, |_| auth.check(&tokens[0])).await?;
    table.times("check, one session", &one, Some(GOAL_P99_US));
    Ok(percentile(&warm, 50))
}

/// Times of so many calls, sorted, in microseconds.
async fn timed<T, E, F>(calls: usize, call: impl Fn(usize) -> F) -> Outcome<Vec<f64>>
where
    F: Future<Output = Result<T, E>>,
    E: Error + Send + Sync + 'static,
{
    let mut times = Vec::with_capacity(calls);
    for n in 0..calls {
        let began = Instant::now();
        call(n).await?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Logins at the real cost, against the bare hash on as many threads, one after the other on the same machine.
async fn logins(table: &mut Table) -> Outcome<()> {
    let settings = unthrottled();
    let (cost, threads) = (settings.hash_cost, settings.hashes_at_once);
    let directory = tempfile::tempdir()?;
    let (auth, store, _) = open(directory.path(), settings).await?;
    let people = 2 * threads;
    for person in 0..people {
        register(&auth, person).await?;
    }
    let bare = bare_hashes(cost, threads)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for person in 0..people {
        let (auth, stop) = (auth.clone(), Arc::clone(&stop));
        tasks.spawn(async move {
            let mut count = 0_usize;
            while !stop.load(Ordering::Relaxed) {
                one_login(&auth, person).await?;
                count += 1;
            }
            Outcome::Ok(count)
        });
    }
    tokio::time::sleep(LOGINS_FOR).await;
    stop.store(true, Ordering::Relaxed);
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        count += done??;
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    drop(auth);
    store.close().await;
    let what = format!("m={} KiB t={} p={}, {threads} threads", cost.memory_kib, cost.passes, cost.lanes);
    table.row(&format!("argon2id alone ({what})"), &format!("{bare:.1} a second"), None);
    let part = rate / bare;
    table.row("logins", &format!("{rate:.1} a second, {:.0} % of it", part * 100.0), Some(part >= GOAL_LOGINS));
    Ok(())
}

/// Password hashes a second on so many threads that do nothing else.
fn bare_hashes(cost: HashCost, threads: usize) -> Outcome<f64> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)?;
    let began = Instant::now();
    let counts: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
                scope.spawn(move || {
                    let (mut count, mut hash) = (0_usize, [0; 32]);
                    while began.elapsed() < LOGINS_FOR {
                        argon2.hash_password_into(PASSWORD.as_bytes(), b"sixteen bytes..!", &mut hash)?;
                        count += 1;
                    }
                    Ok::<_, argon2::Error>(count)
                })
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().map_err(|_| "a thread panicked")).collect()
    });
    let mut count = 0;
    for done in counts {
        count += done??;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Of sorted times.
fn percentile(times: &[f64], percent: usize) -> f64 {
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or(f64::NAN)
}

#[derive(Default)]
struct Table {
    rows: Vec<[String; 3]>,
    missed: usize,
}

impl Table {
    /// A line; `held` tells whether its goal was, where it has one.
    fn row(&mut self, what: &str, figure: &str, held: Option<bool>) {
        let verdict = held.map_or("", |held| if held { "held" } else { "MISSED" });
        self.missed += usize::from(held == Some(false));
        self.rows.push([what.to_owned(), figure.to_owned(), verdict.to_owned()]);
    }

    fn times(&mut self, what: &str, times: &[f64], goal: Option<f64>) {
        let p99 = percentile(times, 99);
        let mut figure = format!("p50 {:6.2} µs   p99 {p99:6.2} µs", percentile(times, 50));
        if let Some(goal) = goal {
            figure.push_str(&format!("   goal p99 ≤ {goal:.0} µs"));
        }
        self.row(what, &figure, goal.map(|goal| p99 <= goal));
    }

    fn print(&self) {
        let width = self.rows.iter().map(|[what, ..]| what.chars().count()).max().unwrap_or(0);
        for [what, figure, verdict] in &self.rows {
            println!("{what:width$}  {figure}  {verdict}");
        }
    }
}
