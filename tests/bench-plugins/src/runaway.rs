//! Plugins that never end: how long after their limit they are stopped, and what the server feels of them meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use coditect_plugin_host::{CallError, Deadlines, HostSettings};

use crate::figures::{Goals, Times};
use crate::ours::Ours;

/// How long the runaways may run.
const LIMIT: Duration = Duration::from_millis(500);
/// How many there are at the same time: some for each thread of the host.
const RUNAWAYS: u64 = 8;
/// How often the server does something of its own.
const BEAT: Duration = Duration::from_millis(2);

pub(crate) async fn measure(component: &[u8], goals: &mut Goals) -> Result<()> {
    let limit = u64::try_from(LIMIT.as_millis())?;
    let deadlines = Deadlines { tool_ms: limit, ..Deadlines::default() };
    let ours = Ours::new(component, HostSettings { deadlines, ..HostSettings::default() })?;
    let calm = beats(LIMIT * 4).await;
    let mut late = Vec::new();
    let beating = tokio::spawn(beats(LIMIT * 4));
    for _ in 0..4 {
        let stopped = (0..RUNAWAYS).map(|who| stop(&ours, who));
        for took in join(stopped).await {
            late.push(took?.saturating_sub(LIMIT));
        }
    }
    let (busy, late) = (beating.await?, Times::of(late));
    println!("{RUNAWAYS} plugins at once that never end, stopped after {} ms:", LIMIT.as_millis());
    println!("  stopped so much later      {}", late.show());
    println!("  the server's own work, late without them {}", calm.show());
    println!("                              late with them {}", busy.show());
    goals.at_most("a runaway stopped after its limit, p99", late.micros(99) / 1000.0, 20.0, "ms");
    goals.at_most("the server later than without them, p99", (busy.micros(99) - calm.micros(99)) / 1000.0, 5.0, "ms");
    Ok(())
}

async fn stop(ours: &Ours, who: u64) -> Result<Duration> {
    let began = Instant::now();
    let error = ours.call_for(who, "spin", "").await.err();
    let took = began.elapsed();
    let named = error.as_ref().and_then(|error| error.downcast_ref::<CallError>());
    ensure!(
        matches!(named, Some(CallError::CpuDeadline { .. } | CallError::Deadline { .. })),
        "it ended otherwise: {error:?}"
    );
    Ok(took)
}

async fn join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        all.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

/// How late the server's own threads are with something that is due every [`BEAT`].
async fn beats(length: Duration) -> Times {
    let end = Instant::now() + length;
    let mut late = Vec::new();
    while Instant::now() < end {
        let due = Instant::now() + BEAT;
        tokio::time::sleep_until(due.into()).await;
        late.push(due.elapsed());
    }
    Times::of(late)
}
