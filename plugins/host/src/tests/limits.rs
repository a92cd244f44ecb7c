//! Plugins that take more than they may.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use coditect_protocol::plugin::{Capability, Manifest, PluginId};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::guest::{anybody, ask, call, caller, load, settings, text, tool, tool_manifest, tool_with};
use crate::ports::{Answer, Ports, Storage};
use crate::{CallError, CallFigures, Called, Caller, Deadlines, Host, HostSettings, Plugin};

/// How long after its limit a call may end at the latest. The machine of a test is busier than a server.
const GRACE: Duration = Duration::from_secs(5);
/// A test that waits for longer fails.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOP: &str = "(loop $on (br $on)) (unreachable)";
/// Asks for a value, and answers with a digit.
const ASK: &str = "(call $get (i32.const 16) (i32.const 5) (i32.const 200)) (call $digit (i32.const 7))";

fn tool_in(milliseconds: u64) -> HostSettings {
    HostSettings { deadlines: Deadlines { tool_ms: milliseconds, ..Deadlines::default() }, ..settings() }
}

/// Answers once it is let, and tells when it was asked.
#[derive(Clone)]
struct Slow {
    asked: Arc<Semaphore>,
    lets: Arc<Semaphore>,
}

impl Slow {
    fn new() -> Self {
        Self { asked: Arc::new(Semaphore::new(0)), lets: Arc::new(Semaphore::new(0)) }
    }

    fn caller(&self, who: u64) -> Caller {
        let ports = Ports { storage: Some(Arc::new(self.clone())), ..Ports::default() };
        caller(who, vec![Capability::Storage { bytes: 1000 }], ports)
    }

    async fn was_asked(&self, times: u32) {
        tokio::time::timeout(PATIENCE, self.asked.acquire_many(times)).await.unwrap().unwrap().forget();
    }
}

#[async_trait]
impl Storage for Slow {
    async fn get(&self, _: &str) -> Answer<Option<Vec<u8>>> {
        self.asked.add_permits(1);
        self.lets.acquire().await.unwrap().forget();
        Ok(None)
    }

    async fn set(&self, _: &str, _: Vec<u8>, _: u64) -> Answer<()> {
        Ok(())
    }

    async fn delete(&self, _: &str) -> Answer<()> {
        Ok(())
    }

    async fn list(&self, _: &str, _: Option<&str>, _: usize) -> Answer<Vec<String>> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn an_endless_loop_is_stopped() {
    // On a busy machine, a thread of low priority needs long for what it may run.
    let plugin = load(HostSettings { cpu_percent: 1, ..tool_in(20_000) }, &tool(LOOP));
    let began = Instant::now();
    let called = call(&plugin, "", anybody()).await;
    assert_eq!(called.outcome, Err(CallError::CpuDeadline { ms: 200 }));
    assert!(called.figures.cpu_micros >= 200_000);
    assert!(called.figures.cpu_micros < 1_000_000, "{:?}", called.figures);
    assert!(called.is_fault());
    assert!(began.elapsed() < Duration::from_secs(20), "the wall deadline did not have to end it");
}

#[tokio::test]
async fn endless_loops_leave_time_for_others() {
    let threads = HostSettings { workers: 1, ..tool_in(10_000) };
    let body = format!("(if (local.get $len) (then (loop $on (br $on)))) {ASK}");
    let plugin = load(threads, &tool(&body));
    let cancel = CancellationToken::new();
    let calls = (0..3).map(|_| {
        tokio::spawn({
            let (plugin, cancel) = (plugin.clone(), cancel.clone());
            async move { plugin.call(ask("x"), anybody(), cancel).await }
        })
    });
    let endless: Vec<_> = calls.collect();
    let slow = Slow::new();
    slow.lets.add_permits(1);
    // It is on the same thread, and waits on its way.
    assert_eq!(text(&call(&plugin, "", slow.caller(2)).await), "7");
    cancel.cancel();
    for call in endless {
        assert_eq!(call.await.unwrap().outcome, Err(CallError::Cancelled));
    }
}

#[tokio::test]
async fn waiting_has_an_end() {
    let plugin = load(tool_in(2_000), &tool(ASK));
    let slow = Slow::new();
    let began = Instant::now();
    let called = call(&plugin, "", slow.caller(1)).await;
    assert_eq!(called.outcome, Err(CallError::Deadline { ms: 2_000 }));
    assert!(began.elapsed() < Duration::from_secs(2) + GRACE);
    assert!(called.figures.cpu_micros < 500_000, "waiting is not running");
    assert!(!called.is_fault(), "whoever is kept waiting did nothing wrong");
    let ran = CallFigures { cpu_micros: 500_000, ..called.figures };
    assert!(Called { figures: ran, ..called }.is_fault(), "it had its time");
    assert_eq!(called.figures.host_calls, 1);
}

#[tokio::test]
async fn cancelling_ends_a_call_wherever_it_is() {
    let plugin = load(tool_in(60_000), &tool(&format!("{ASK} (drop) {LOOP}")));
    for is_running in [false, true] {
        let (slow, cancel) = (Slow::new(), CancellationToken::new());
        let called = tokio::spawn({
            let (plugin, cancel, caller) = (plugin.clone(), cancel.clone(), slow.caller(1));
            async move { plugin.call(ask(""), caller, cancel).await }
        });
        slow.was_asked(1).await;
        if is_running {
            slow.lets.add_permits(1);
            while slow.lets.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
        }
        let began = Instant::now();
        cancel.cancel();
        let called = called.await.unwrap();
        assert_eq!(called.outcome, Err(CallError::Cancelled));
        assert!(began.elapsed() < GRACE, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn memory_is_bounded_and_its_limit_named() {
    let grow = "(loop $on (br_if $on (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";
    let plugin = load(HostSettings { memory_default_mib: 4, ..settings() }, &tool(grow));
    let called = call(&plugin, "", anybody()).await;
    assert_eq!(called.outcome, Err(CallError::Memory { mib: 4 }));
    assert!(called.figures.peak_memory_bytes <= 4 << 20);
    assert!(called.figures.peak_memory_bytes > 3 << 20);
    // Who makes do with what there is comes to a good end.
    let grow =
        "(loop $on (br_if $on (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (call $digit (i32.const 3))";
    let plugin = load(HostSettings { memory_default_mib: 4, ..settings() }, &tool(grow));
    assert_eq!(text(&call(&plugin, "", anybody()).await), "3");
}

#[tokio::test]
async fn tables_are_bounded() {
    let table = "(table $table 1 funcref)";
    let grow = "(drop (table.grow $table (ref.null func) (i32.const 1000))) (unreachable)";
    let plugin = load(HostSettings { table_elements: 500, ..settings() }, &tool_with(table, grow));
    assert_eq!(call(&plugin, "", anybody()).await.outcome, Err(CallError::Tables { elements: 500 }));
}

#[tokio::test]
async fn the_stack_is_bounded() {
    let deep = "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))";
    let plugin = load(settings(), &tool_with(deep, "(call $deep (i32.const 1))"));
    assert_eq!(call(&plugin, "", anybody()).await.outcome, Err(CallError::Stack { kib: settings().stack_bytes >> 10 }));
}

#[tokio::test]
async fn answers_are_bounded() {
    let body = "(drop (memory.grow (i32.const 400))) (call $text (i32.const 70000) (i32.const SIZE))";
    let answer = |bytes: usize| tool(&body.replace("SIZE", &bytes.to_string()));
    let most = settings().output_bytes;
    assert_eq!(text(&call(&load(settings(), &answer(most)), "", anybody()).await).len(), most);
    let called = call(&load(settings(), &answer(most + 1)), "", anybody()).await;
    assert_eq!(called.outcome, Err(CallError::Output { bytes: most }));
    let bytes = settings().host_bytes;
    let called = call(&load(settings(), &answer(bytes + 1)), "", anybody()).await;
    assert_eq!(called.outcome, Err(CallError::HostBytes { bytes }));
}

#[tokio::test]
async fn what_is_handed_over_is_bounded() {
    let bytes = settings().host_bytes;
    let body = format!(
        "(drop (memory.grow (i32.const 400))) (call $log (i32.const 2) (i32.const 70000) (i32.const {})) (unreachable)",
        bytes + 1
    );
    let called = call(&load(settings(), &tool(&body)), "", anybody()).await;
    assert_eq!(called.outcome, Err(CallError::HostBytes { bytes }));
    let body = "(loop $on (call $log (i32.const 2) (i32.const 16) (i32.const 5)) (br $on)) (unreachable)";
    let called = call(&load(settings(), &tool(body)), "", anybody()).await;
    assert_eq!(called.outcome, Err(CallError::HostCalls { most: 10_000 }));
}

#[tokio::test]
async fn calls_take_turns() {
    let few = HostSettings { calls_per_caller: 1, queue_per_caller: 1, calls_at_once: 2, queue: 2, ..settings() };
    let plugin = load(few, &tool(ASK));
    let slow = Slow::new();
    let start = |who| {
        let (plugin, caller) = (plugin.clone(), slow.caller(who));
        tokio::spawn(async move { plugin.call(ask(""), caller, CancellationToken::new()).await })
    };
    let (first, second) = (start(1), start(2));
    slow.was_asked(2).await;
    // Both turns are taken. Of each person one more may wait, and two of all.
    let waiting = [start(1), start(3)];
    let gate = &plugin.0.host.gate;
    while gate.waiting() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(call(&plugin, "", slow.caller(1)).await.outcome, Err(CallError::Busy), "for the person");
    assert_eq!(call(&plugin, "", slow.caller(4)).await.outcome, Err(CallError::Busy), "for all");
    slow.lets.add_permits(4);
    for call in [first, second].into_iter().chain(waiting) {
        assert_eq!(text(&call.await.unwrap()), "7");
    }
    assert_eq!((gate.waiting(), gate.lines()), (0, (0, 0)), "nothing is left behind");
}

#[tokio::test]
async fn one_person_leaves_turns_to_others_however_many_plugins_they_have() {
    let few = HostSettings { calls_per_caller: 2, queue_per_caller: 2, calls_at_once: 8, queue: 16, ..settings() };
    let host = Host::new(few).unwrap();
    let compiled = host.compile(&tool(ASK)).unwrap();
    let plugins = ["test.a", "test.b", "test.c", "test.d", "test.e"].map(|id| {
        let manifest = Manifest { id: PluginId::parse(id).unwrap(), ..tool_manifest().as_ref().clone() };
        host.load(Arc::new(manifest), &compiled).unwrap()
    });
    let [plugin, others @ ..] = &plugins;
    let slow = Slow::new();
    let start = |plugin: &Plugin, who| {
        let (plugin, caller) = (plugin.clone(), slow.caller(who));
        tokio::spawn(async move { plugin.call(ask(""), caller, CancellationToken::new()).await })
    };
    let mut calls: Vec<_> = others.iter().flat_map(|plugin| [start(plugin, 1), start(plugin, 1)]).collect();
    slow.was_asked(4).await;
    let gate = &plugin.0.host.gate;
    while gate.waiting() < 4 {
        tokio::task::yield_now().await;
    }
    // Half of what runs and a quarter of what waits is this person's, and no more.
    assert_eq!(call(plugin, "", slow.caller(1)).await.outcome, Err(CallError::Busy));
    calls.push(start(plugin, 2));
    slow.was_asked(1).await;
    slow.lets.add_permits(9);
    for call in calls {
        assert_eq!(text(&call.await.unwrap()), "7");
    }
    assert_eq!((gate.waiting(), gate.lines()), (0, (0, 0)), "nothing is left behind");
}

#[tokio::test]
async fn who_waits_too_long_is_told() {
    let few = HostSettings { calls_at_once: 1, ..tool_in(2_000) };
    let plugin = load(few, &tool(ASK));
    let slow = Slow::new();
    let first = tokio::spawn({
        let (plugin, caller) = (plugin.clone(), slow.caller(1));
        async move { plugin.call(ask(""), caller, CancellationToken::new()).await }
    });
    slow.was_asked(1).await;
    let cancel = CancellationToken::new();
    let second = tokio::spawn({
        let (plugin, caller, cancel) = (plugin.clone(), slow.caller(2), cancel.clone());
        async move { plugin.call(ask(""), caller, cancel).await }
    });
    let waits = async {
        while plugin.0.host.gate.waiting() < 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.unwrap();
    cancel.cancel();
    assert_eq!(second.await.unwrap().outcome, Err(CallError::Cancelled), "also while it waits");
    assert_eq!(first.await.unwrap().outcome, Err(CallError::Deadline { ms: 2_000 }));
}
