//! The measurement: cell for cell of the table, the gateways in turns, so that a better or worse moment of the machine is everybody's.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::Options;
use crate::figures::{Cell, Report};
use crate::gateways::{Gateway, Place, Who};
use crate::load::{Job, Outcome};
use crate::memory::Memory;
use crate::process::{Running, first_line};

const DEFAULT_SECONDS: f64 = 8.0;
/// How long everything is left alone before memory at rest is looked at.
const REST: Duration = Duration::from_secs(3);
/// How often memory under load is looked at.
const LOOK: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(50);
const UPSTREAM_LIMIT: Duration = Duration::from_secs(10);

/// All that runs; the gateways end before the upstream.
pub(crate) struct Stage {
    pub(crate) gateways: Vec<Gateway>,
    /// Who could not be started, and why.
    pub(crate) absent: Vec<(Who, String)>,
    upstream: Running,
    _dir: TempDir,
}

impl Stage {
    /// Starts the upstream and the gateways that were asked for.
    pub(crate) async fn set(options: &Options) -> Result<Self> {
        let dir = TempDir::with_prefix("bench-gateway-")?;
        let out = dir.path().join("upstream");
        let mut command = Command::new(std::env::current_exe()?);
        let mut upstream = Running::start(command.arg("upstream"), &dir.path().join("upstream.log"), Some(&out))?;
        let port = first_line(&mut upstream, &out, UPSTREAM_LIMIT).await.context("the upstream does not start")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?));
        let mut stage = Self { gateways: Vec::new(), absent: Vec::new(), upstream, _dir: dir };
        for who in options.who() {
            let dir = stage._dir.path().join(who.title().replace(' ', "-"));
            let place = Place { upstream: address, dir, server: options.server.as_deref() };
            match Gateway::start(who, &place).await {
                Ok(gateway) => stage.gateways.push(gateway),
                Err(error) => {
                    println!("{} is left out: {error:#}", who.title());
                    stage.absent.push((who, format!("{error:#}")));
                }
            }
        }
        Ok(stage)
    }

    /// One run with one gateway, and the most memory that it took meanwhile.
    async fn look(&self, gateway: &Gateway, cell: Cell, seconds: f64) -> Result<(Outcome, Option<Memory>)> {
        let mut most = gateway.memory();
        let mut looked = Instant::now();
        let run = self.run(gateway, cell, seconds, || {
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                most = most.zip(gateway.memory()).map(|(most, now)| Memory::most(most, now));
            }
        });
        let outcome = run.await?;
        Ok((outcome, most))
    }

    /// One run with one gateway; `look` is called now and then.
    async fn run(&self, gateway: &Gateway, cell: Cell, seconds: f64, look: impl FnMut()) -> Result<Outcome> {
        let job = gateway.job(cell, seconds);
        if gateway.who != Who::Direct || cell.clients > 1 {
            return load(&job, None, look).await;
        }
        // What waits for nobody else is fastest on one processor, where none must wake up another; left to itself the system sometimes
        // finds that out and sometimes not. Every gateway is held against the better of both.
        let upstream = Pid::from_raw(i32::try_from(self.upstream.id())?);
        let all = sched_getaffinity(None)?;
        let first =
            (0..CpuSet::MAX_CPU).find(|&processor| all.is_set(processor)).context("no processor may be used")?;
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(upstream, &one)?;
        let outcome = load(&job, Some(&one), look).await;
        sched_setaffinity(upstream, &all)?;
        outcome
    }
}

/// Measures what was asked for and prints it; gives the goals that were missed.
pub(crate) async fn run(options: &Options) -> Result<Vec<String>> {
    let seconds = options.seconds.unwrap_or(DEFAULT_SECONDS);
    println!("{}; runs of {seconds} s", conditions());
    let stage = Stage::set(options).await?;
    let mut report = Report::new(options.who(), stage.absent.clone());
    sleep(REST).await;
    for gateway in &stage.gateways {
        report.idle(gateway.who, gateway.memory());
    }
    for cell in options.cells() {
        for gateway in (0..options.turns).flat_map(|_| &stage.gateways) {
            let (outcome, most) = stage.look(gateway, cell, seconds).await?;
            report.loaded(gateway.who, most);
            println!("{}", report.ran(gateway.who, cell, &outcome));
        }
    }
    sleep(REST).await;
    for gateway in &stage.gateways {
        report.at_end(gateway.who, gateway.memory());
    }
    println!("\n{}", report.table());
    Ok(report.missed())
}

/// Does a job in a process of its own, on these processors where they are named.
pub(crate) async fn load(job: &Job, processors: Option<&CpuSet>, mut look: impl FnMut()) -> Result<Outcome> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = command.arg("load").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(processors) = processors {
        sched_setaffinity(Some(Pid::from_child(&child)), processors)?;
    }
    // It begins when it has the whole job.
    child.stdin.take().context("the load has no input")?.write_all(&serde_json::to_vec(job)?)?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        sleep(POLL).await;
        look();
    };
    if !status.success() {
        bail!("the load failed ({status})");
    }
    let mut said = String::new();
    child.stdout.take().context("the load has no output")?.read_to_string(&mut said)?;
    serde_json::from_str(&said).with_context(|| format!("the load says {said:?}"))
}

/// Under what the figures were taken.
fn conditions() -> String {
    let told = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cpus = told("/proc/cpuinfo");
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (kernel, load) = (told("/proc/sys/kernel/osrelease"), told("/proc/loadavg"));
    let load = load.split_whitespace().next().unwrap_or_default();
    format!("{cores} cores ({model}), kernel {}, load before {load}", kernel.trim())
}
