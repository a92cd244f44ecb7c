//! Runs rows and measures them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use coditect_plugin_host::{Call, CallError, Called, Caller, Deadlines, Host, HostSettings, Outcome, Plugin, Rights};
use coditect_protocol::Coded as _;
use coditect_protocol::plugin::{Manifest, PluginCall, PluginItem, PluginOutcome};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::guest::Guest;
use crate::row::{CPU, Comes, DEADLINE, Reader, Row, Under};
use crate::world::World;

/// How long after its limit a call may end at the latest.
pub(crate) const GRACE: Duration = Duration::from_millis(20);
/// How often a row is run on a machine that has other things to do before it counts as late.
const TRIES: u32 = 5;
/// What the host and the test themselves may take while a row runs, beside the memory of the plugin.
const HOST_BYTES: u64 = 96 << 20;
/// Nothing takes longer: a row that hangs fails.
const ENDLESS: Duration = Duration::from_secs(30);

/// Threads that run plugins.
pub(crate) const WORKERS: usize = 2;
/// Deadline of a tool, in milliseconds, and how much of it may be spent running.
const BRIEF_MS: u64 = 2_000;
const CPU_PERCENT: u32 = 5;
/// Deadline of a filter: what waits is asked as one.
const FILTER_MS: u64 = 1_000;
/// Deadline of an answer in pieces.
const RESPOND_MS: u64 = 600;

pub(crate) struct Bench {
    brief: Host,
    calm: Host,
    /// A plugin that does what it should, in each of the hosts.
    honest: [Plugin; 2],
    world: Arc<World>,
    who: AtomicU64,
}

/// What a row came to.
pub(crate) struct Measured {
    pub(crate) ended: String,
    /// Milliseconds after the limit.
    pub(crate) late: f64,
    /// The most memory of the instance.
    pub(crate) plugin_peak: u64,
    /// By how much the process grew at most.
    pub(crate) process_peak: u64,
}

/// Why a row was not as it should be.
pub(crate) enum Fault {
    /// It was too late, which a busy machine can be the cause of.
    Late(String),
    /// Nothing excuses it.
    Wrong(String),
}

fn settings(deadlines: Deadlines, cpu_percent: u32) -> HostSettings {
    HostSettings {
        workers: WORKERS,
        cpu_percent,
        calls_at_once: 24,
        calls_per_caller: 16,
        deadlines,
        private_hosts: true,
        ..HostSettings::default()
    }
}

pub(crate) fn manifest(offers: &Value, memory_mib: Option<u32>) -> Arc<Manifest> {
    let manifest = json!({
        "id": "test.hostile", "version": "1.0.0", "contract": "1.0", "title": "Hostile", "description": "It means harm.",
        "license": "Apache-2.0", "offers": offers, "memory_mib": memory_mib,
        "settings": [{ "id": "size", "title": "Size", "kind": "number", "default": "4" }],
    });
    Arc::new(serde_json::from_value(manifest).unwrap())
}

impl Bench {
    pub(crate) fn new(world: Arc<World>) -> Self {
        let deadlines =
            Deadlines { tool_ms: BRIEF_MS, filter_ms: FILTER_MS, respond_ms: RESPOND_MS, ..Deadlines::default() };
        let brief = Host::new(settings(deadlines, CPU_PERCENT)).unwrap();
        let calm = Host::new(settings(Deadlines::default(), 100)).unwrap();
        let component = Guest::tool("(call $text (local.get $at) (local.get $len))").component();
        let offers = json!({"tools": [{"id": "t", "description": "A tool.", "parameters": "{}"}]});
        let load = |host: &Host| host.load(manifest(&offers, None), &host.compile(&component).unwrap()).unwrap();
        let honest = [load(&brief), load(&calm)];
        Self { brief, calm, honest, world, who: AtomicU64::new(1) }
    }

    pub(crate) fn host(&self, under: Under) -> &Host {
        match under {
            Under::Brief => &self.brief,
            Under::Calm => &self.calm,
        }
    }

    /// Loads what a row is about, or tells the code with which it is refused.
    pub(crate) fn load(&self, row: &Row) -> Result<Plugin, &'static str> {
        let host = self.host(row.under);
        let compiled = host.compile(&row.component).map_err(|error| error.code())?;
        host.load(manifest(&row.offers, row.memory_mib), &compiled).map_err(|error| error.code())
    }

    /// Somebody else each time.
    pub(crate) fn caller(&self, row: &Row, items: Option<mpsc::Sender<PluginItem>>) -> Caller {
        Caller {
            who: self.who.fetch_add(1, Ordering::Relaxed),
            rights: Arc::new(Rights::new(row.capabilities.clone())),
            ports: self.world.ports(),
            settings: Arc::new(BTreeMap::new()),
            private_hosts: row.private,
            items,
        }
    }

    /// Runs a row until it is in time, at most [`TRIES`] times; or tells why it is not as it should be.
    pub(crate) async fn run(&self, row: &Row) -> Result<Measured, String> {
        let mut tries = 1;
        loop {
            match self.attempt(row).await {
                Ok(measured) => return Ok(measured),
                Err(Fault::Late(_)) if tries < TRIES => tries += 1,
                Err(Fault::Late(what) | Fault::Wrong(what)) => {
                    return Err(format!("{}: {what} (tried {tries} times)", row.name));
                }
            }
        }
    }

    async fn attempt(&self, row: &Row) -> Result<Measured, Fault> {
        let before = forget_peak();
        let plugin = match (self.load(row), row.refused) {
            (Err(code), Some(expected)) if code == expected => return self.refused(code, before).await,
            (Err(code), _) => return Err(Fault::Wrong(format!("it was refused with {code}"))),
            (Ok(_), Some(code)) => return Err(Fault::Wrong(format!("it was loaded in place of {code}"))),
            (Ok(plugin), None) => plugin,
        };
        let before = before.max(forget_peak());
        self.world.forget();
        let (mut late, mut plugin_peak, mut ended) = (0_f64, 0, String::new());
        for (call, comes) in &row.asks {
            let (called, after) = self.ask(row, &plugin, call).await?;
            ended = is_as_expected(&called, comes)?;
            late = late.max(after);
            plugin_peak = plugin_peak.max(called.figures.peak_memory_bytes);
        }
        (row.after)(&self.world);
        let process_peak = peak().saturating_sub(before);
        if process_peak > plugin_peak + HOST_BYTES {
            return Err(Fault::Wrong(format!("the process grew by {} MiB", process_peak >> 20)));
        }
        self.is_well(row.under).await?;
        Ok(Measured { ended, late, plugin_peak, process_peak })
    }

    async fn refused(&self, code: &str, before: u64) -> Result<Measured, Fault> {
        let process_peak = peak().saturating_sub(before);
        self.is_well(Under::Calm).await?;
        Ok(Measured { ended: code.to_owned(), late: 0.0, plugin_peak: 0, process_peak })
    }

    /// One call, and how many milliseconds after its limit it ended.
    async fn ask(&self, row: &Row, plugin: &Plugin, call: &Call) -> Result<(Called, f64), Fault> {
        let (sender, mut items) = mpsc::channel(4);
        let sender = (row.reader != Reader::Nobody).then_some(sender);
        let cancel = CancellationToken::new();
        let caller = self.caller(row, sender);
        let began = Instant::now();
        let calling = tokio::spawn({
            let (plugin, call, cancel) = (plugin.clone(), call.clone(), cancel.clone());
            async move {
                let called = plugin.call(call, caller, cancel).await;
                (called, Instant::now())
            }
        });
        if row.reader == Reader::Awake {
            while items.recv().await.is_some() {}
        }
        let mut limit = self.host(row.under).settings().deadlines.of(call);
        if row.cancels {
            let said = tokio::time::timeout(ENDLESS, self.world.said.notified()).await;
            said.map_err(|_| Fault::Wrong("it never said anything".to_owned()))?;
            cancel.cancel();
            limit = began.elapsed();
        }
        let ended = tokio::time::timeout(ENDLESS, calling).await;
        let (called, end) = ended.map_err(|_| Fault::Wrong("it does not end".to_owned()))?.unwrap();
        if row.reader == Reader::Asleep {
            // What was said before the end is all that there will ever be.
            let rest = async { while items.recv().await.is_some() {} };
            let rest = tokio::time::timeout(ENDLESS, rest).await;
            rest.map_err(|_| Fault::Wrong("items come after the end".to_owned()))?;
        }
        let late = lateness(&called, (end - began).saturating_sub(limit));
        if late > GRACE {
            return Err(Fault::Late(format!("it ended {late:?} after its limit: {called:?}")));
        }
        Ok((called, late.as_secs_f64() * 1000.0))
    }

    /// An honest plugin still answers, on each of the threads: none is left with what was stopped.
    async fn is_well(&self, under: Under) -> Result<(), Fault> {
        let honest = &self.honest[usize::from(under == Under::Calm)];
        let row = Row::raw("honest", Vec::new(), Comes::Done);
        let text = "How are you?";
        let call = || Call::Page(Box::new(PluginCall::Tool { tool: "t".into(), arguments: text.into() }));
        let calls = (0..WORKERS).map(|_| honest.call(call(), self.caller(&row, None), CancellationToken::new()));
        for called in join_all(calls).await {
            match called.outcome {
                Ok(Outcome::Page(PluginOutcome::Text { text: told })) if told == text => {}
                Err(CallError::Deadline { .. }) => {
                    return Err(Fault::Late("an honest plugin was too late".to_owned()));
                }
                other => return Err(Fault::Wrong(format!("an honest plugin came to {other:?}"))),
            }
        }
        Ok(())
    }
}

/// How long a call went on after whichever limit it met: of the time that it ran, or of the time that passed.
fn lateness(called: &Called, after_deadline: Duration) -> Duration {
    let ran = match called.outcome {
        Err(CallError::CpuDeadline { ms }) => {
            Duration::from_micros(called.figures.cpu_micros).saturating_sub(Duration::from_millis(ms))
        }
        _ => Duration::ZERO,
    };
    after_deadline.max(ran)
}

fn is_as_expected(called: &Called, comes: &Comes) -> Result<String, Fault> {
    let wrong = || Err(Fault::Wrong(format!("it came to {:?} in place of {comes:?}", called.outcome)));
    match (&called.outcome, comes) {
        (Err(error), Comes::Ends(code)) if error.code() == *code => Ok((*code).to_owned()),
        // Whether it ran for too long, or came to do anything at all, is only known where it came to run.
        (Err(error), _) if error.code() == DEADLINE => Err(Fault::Late("the machine did not let it run".to_owned())),
        // What the host does for a call counts too, and takes longer on a busy machine.
        (Err(error), Comes::Ends(DEADLINE)) if error.code() == CPU => {
            Err(Fault::Late("it ran for too long".to_owned()))
        }
        (Ok(Outcome::Page(PluginOutcome::Text { text })), Comes::Answers(expected)) if text == expected => {
            Ok(format!("contained ({text})"))
        }
        (Ok(_), Comes::Done) => Ok("contained".to_owned()),
        _ => wrong(),
    }
}

fn status(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Bytes of the process in memory.
pub(crate) fn resident() -> u64 {
    status("VmRSS")
}

/// Begins anew to look for the most memory of the process; what it has now.
fn forget_peak() -> u64 {
    // Where that is not allowed, the peak of earlier rows counts for later ones too.
    let _ = fs::write("/proc/self/clear_refs", "5");
    resident()
}

fn peak() -> u64 {
    status("VmHWM")
}
