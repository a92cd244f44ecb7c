//! Plugins beside what else they could be run with: wasmtime alone, and Extism. The same job, the same machine, the same run.

mod figures;
mod many;
mod ours;
mod peer;
mod raw;
mod runaway;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use coditect_plugin_host::HostSettings;

use figures::{Goals, Times};
use ours::Ours;
use peer::Extism;
use raw::Raw;

#[derive(Parser)]
struct Options {
    /// Where the guests were built.
    #[arg(long)]
    guests: PathBuf,
    /// Ends well even where a goal is missed.
    #[arg(long)]
    no_gate: bool,
    /// Calls of each figure.
    #[arg(long, default_value_t = 20_000)]
    calls: usize,
    /// Plugins that are installed.
    #[arg(long, default_value_t = 10_000)]
    plugins: usize,
    /// Calls at the same time.
    #[arg(long, default_value_t = 1_000)]
    at_once: u64,
}

/// What goes in and comes out of each call.
const TEXT: &str = "The quick brown fox jumps over the lazy dog.";
/// How often a call asks its host, where that is measured.
const QUESTIONS: u32 = 5_000;

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let goals = runtime.block_on(measure(&options))?;
    if goals.missed().is_empty() || options.no_gate {
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nmissed:\n  {}", goals.missed().join("\n  "));
    Ok(ExitCode::FAILURE)
}

async fn measure(options: &Options) -> Result<Goals> {
    let read = |path: &str| {
        let path = options.guests.join(path);
        std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
    };
    let component = read("wasm32-wasip2/release/bench_component.wasm")?;
    let module = read("wasm32-unknown-unknown/release/bench_module.wasm")?;
    let mut goals = Goals::default();
    calls(options, &component, &module, &mut goals).await?;
    questions(&component, &mut goals).await?;
    runaway::measure(&component, &mut goals).await?;
    many::at_once(&component, &module, options.at_once, &mut goals).await?;
    many::installed(&component, options.plugins, &mut goals).await?;
    Ok(goals)
}

/// An instance and a call in it, over and over, by one who waits for each.
async fn calls(options: &Options, component: &[u8], module: &[u8], goals: &mut Goals) -> Result<()> {
    let (ours, raw) = (Ours::new(component, HostSettings::default())?, Raw::new(component)?);
    let extism = Extism::new(module)?;
    let (mut our_start, mut our_call, mut our_whole) = (Vec::new(), Vec::new(), Vec::new());
    let mut our_both = Vec::new();
    let (mut raw_parts, mut theirs) = (Vec::new(), Vec::new());
    // In turns, so that a machine that has better and worse moments has them for all.
    for turn in 0..options.calls {
        let began = Instant::now();
        let figures = ours.call("echo", TEXT).await?;
        our_whole.push(began.elapsed());
        our_start.push(figures.instantiate_nanos);
        our_call.push(figures.inside_nanos);
        our_both.push(figures.instantiate_nanos + figures.inside_nanos);
        raw_parts.push(raw.call("echo", TEXT).await?);
        if turn % 20 == 0 {
            theirs.push(extism.call(TEXT)?);
        }
    }
    let (mut reused, _) = extism.instantiate()?;
    let again = (0..options.calls).map(|_| Extism::again(&mut reused, TEXT)).collect::<Result<Vec<_>>>()?;
    let part = |of: fn(&raw::Parts) -> Duration| Times::of(raw_parts.iter().map(of));
    let (start, call, whole) = (Times::of_nanos(our_start), Times::of_nanos(our_call), Times::of(our_whole));
    let (raw_start, raw_call) = (part(|parts| parts.instantiate), part(|parts| parts.call));
    // Wasmtime's bindings look exports up while they instantiate, we look up what is called: only the sums are about the same.
    let (both, raw_both) = (Times::of_nanos(our_both), part(|parts| parts.instantiate + parts.call));
    println!("an instance for each call, {} bytes in and out, one after the other:", TEXT.len());
    println!("  instantiate   Coditect {}", start.show());
    println!("                wasmtime {}", raw_start.show());
    println!("  call inside   Coditect {}", call.show());
    println!("                wasmtime {}", raw_call.show());
    println!("  both          Coditect {}", both.show());
    println!("                wasmtime {}", raw_both.show());
    println!(
        "  all of it     Coditect {}   (from one thread to another and back, limits, rights, border)",
        whole.show()
    );
    println!("                wasmtime {}", part(|parts| parts.whole).show());
    println!("                Extism   {}", Times::of(theirs).show());
    println!("  Extism, reusing one instance, which what it did before can change: {}", Times::of(again).show());
    goals.at_most("instantiate, warm, p50", start.micros(50), 15.0, "µs");
    goals.at_most("a call beyond wasmtime's, p50", (both.micros(50) - raw_both.micros(50)) * 1000.0, 200.0, "ns");
    Ok(())
}

/// What a question to the host costs.
async fn questions(component: &[u8], goals: &mut Goals) -> Result<()> {
    const TURNS: usize = 200;
    let (ours, raw) = (Ours::new(component, HostSettings::default())?, Raw::new(component)?);
    let times = QUESTIONS.to_string();
    let (mut our_times, mut raw_times) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        our_times.push(ours.call("ask", &times).await?.inside_nanos / u64::from(QUESTIONS));
        raw_times.push(raw.call("ask", &times).await?.call / QUESTIONS);
    }
    let (ours, raw) = (Times::of_nanos(our_times), Times::of(raw_times));
    println!("a question to the host (settings.get), counted and bounded:");
    println!("                Coditect {}", ours.show());
    println!("                wasmtime {}", raw.show());
    goals.at_most("a question beyond wasmtime's, p50", (ours.micros(50) - raw.micros(50)) * 1000.0, 200.0, "ns");
    Ok(())
}
