//! Exchanges of whole calls.

use std::time::Duration;

use coditect_protocol::plugin::Capability;

use super::guest::{call, caller, component, settings, text, tool_manifest};
use crate::http::tests::Stream;
use crate::ports::Ports;
use crate::{CallError, Caller, Deadlines, Host, HostSettings, Plugin};

/// Opens the URL that its tool is asked with, and answers with the first piece. It never drops what it opened.
const MODULE: &str = r#"(module
    (import "coditect:plugin/http@1.0.0" "open"
        (func $open (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "coditect:plugin/http@1.0.0" "[method]exchange.read" (func $read (param i32 i32)))
    (memory (export "memory") 4)
    (data (i32.const 16) "GET")
    (global $free (mut i32) (i32.const 1024))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
        (global.get $free)
        (global.set $free (i32.add (global.get $free) (local.get 3))))
    (func (export "coditect:plugin/tools@1.0.0#call")
        (param $tool i32) (param $tool_len i32) (param $at i32) (param $len i32) (result i32)
        (call $open (i32.const 16) (i32.const 3) (local.get $at) (local.get $len) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 32))
        (if (i32.load8_u (i32.const 32)) (then unreachable))
        (call $read (i32.load (i32.const 36)) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then unreachable))
        (if (i32.eqz (i32.load8_u (i32.const 68))) (then unreachable))
        (i32.store8 (i32.const 96) (i32.const 0))
        (i32.store (i32.const 100) (i32.load (i32.const 72)))
        (i32.store (i32.const 104) (i32.load (i32.const 76)))
        (i32.const 96)))"#;

fn plugin(tool_ms: u64) -> Plugin {
    let interfaces = "import coditect:plugin/http@1.0.0; export coditect:plugin/tools@1.0.0;";
    let deadlines = Deadlines { tool_ms, ..Deadlines::default() };
    let host = Host::new(HostSettings { private_hosts: true, deadlines, ..settings() }).unwrap();
    host.load(tool_manifest(), &host.compile(&component(interfaces, MODULE)).unwrap()).unwrap()
}

fn person(stream: &Stream) -> Caller {
    let hosts = vec![format!("127.0.0.1:{}", stream.port)];
    Caller { private_hosts: true, ..caller(1, vec![Capability::Http { hosts, private: true }], Ports::default()) }
}

#[tokio::test]
async fn what_a_call_opened_ends_with_it() {
    let stream = Stream::start().await;
    stream.begin("");
    stream.say("a piece");
    let url = format!("http://127.0.0.1:{}/", stream.port);
    let called = call(&plugin(30_000), &url, person(&stream)).await;
    assert_eq!((text(&called), called.figures.host_calls), ("a piece", 2));
    stream.until_left().await;
}

#[tokio::test]
async fn what_is_waited_for_ends_with_the_call() {
    let stream = Stream::start().await;
    stream.begin("");
    let url = format!("http://127.0.0.1:{}/", stream.port);
    let called = call(&plugin(3_000), &url, person(&stream)).await;
    assert_eq!(called.outcome.unwrap_err(), CallError::Deadline { ms: 3_000 });
    assert!(Duration::from_micros(called.figures.cpu_micros) < Duration::from_secs(1), "waiting costs nothing");
    stream.until_left().await;
}
