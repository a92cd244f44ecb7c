//! Plugins written by hand: a core module in text, wrapped by the contract's WIT. And somebody who calls them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coditect_protocol::plugin::{Capability, Manifest, PluginCall};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::ports::Ports;
use crate::{Call, Called, Caller, Host, HostSettings, Plugin, Rights};

/// A component of a core module, whose world has these imports and exports.
pub(super) fn component(interfaces: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/v1")).unwrap();
    let world = format!("package test:guest;\nworld guest {{ {interfaces} }}");
    let package = resolve.push_str("guest.wit", &world).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// A plugin with the tool `t`. `body` says what it does with the arguments, `$at` and `$len`, and what it answers: the place of a
/// `result<string, error>`. `$text`, `$error` and `$number` make such answers.
pub(super) fn tool(body: &str) -> Vec<u8> {
    tool_with("", body)
}

/// The same, with more functions and globals.
pub(super) fn tool_with(more: &str, body: &str) -> Vec<u8> {
    let interfaces = "import coditect:plugin/log@1.0.0; import coditect:plugin/storage@1.0.0;
        export coditect:plugin/tools@1.0.0;";
    let module = format!(
        r#"(module
            (import "coditect:plugin/log@1.0.0" "write" (func $log (param i32 i32 i32)))
            (import "coditect:plugin/storage@1.0.0" "get" (func $get (param i32 i32 i32)))
            (memory (export "memory") 2)
            (global $free (mut i32) (i32.const 1024))
            (data (i32.const 16) "sorry")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
                (global.get $free)
                (global.set $free (i32.add (global.get $free) (local.get 3))))
            (func $text (param $at i32) (param $len i32) (result i32)
                (i32.store8 (i32.const 32) (i32.const 0))
                (i32.store (i32.const 36) (local.get $at))
                (i32.store (i32.const 40) (local.get $len))
                (i32.const 32))
            (func $error (param $kind i32) (result i32)
                (i32.store8 (i32.const 32) (i32.const 1))
                (i32.store8 (i32.const 36) (local.get $kind))
                (i32.store (i32.const 40) (i32.const 16))
                (i32.store (i32.const 44) (i32.const 5))
                (i32.const 32))
            (func $digit (param $number i32) (result i32)
                (i32.store8 (i32.const 48) (i32.add (i32.const 48) (local.get $number)))
                (call $text (i32.const 48) (i32.const 1)))
            {more}
            (func (export "coditect:plugin/tools@1.0.0#call")
                (param $tool i32) (param $tool_len i32) (param $at i32) (param $len i32) (result i32)
                {body}))"#
    );
    component(interfaces, &module)
}

/// What the tests' plugins offer.
pub(super) fn manifest(offers: &serde_json::Value, memory_mib: Option<u32>) -> Arc<Manifest> {
    let manifest = json!({
        "id": "test.guest", "version": "1.0.0", "contract": "1.0", "title": "Guest", "description": "A guest.",
        "license": "Apache-2.0", "offers": offers, "memory_mib": memory_mib,
    });
    Arc::new(serde_json::from_value(manifest).unwrap())
}

pub(super) fn tool_manifest() -> Arc<Manifest> {
    manifest(&json!({"tools": [{"id": "t", "description": "A tool.", "parameters": "{}"}]}), None)
}

/// Settings with two threads, so that tests do not depend on the machine.
pub(super) fn settings() -> HostSettings {
    HostSettings { workers: 2, calls_at_once: 8, ..HostSettings::default() }
}

pub(super) fn load(settings: HostSettings, component: &[u8]) -> Plugin {
    let host = Host::new(settings).unwrap();
    host.load(tool_manifest(), &host.compile(component).unwrap()).unwrap()
}

pub(super) fn caller(who: u64, capabilities: Vec<Capability>, ports: Ports) -> Caller {
    let rights = Arc::new(Rights::new(capabilities));
    Caller { who, rights, ports, settings: Arc::new(BTreeMap::new()), private_hosts: false, items: None }
}

pub(super) fn anybody() -> Caller {
    caller(1, Vec::new(), Ports::default())
}

pub(super) fn ask(arguments: &str) -> Call {
    Call::Page(Box::new(PluginCall::Tool { tool: "t".into(), arguments: arguments.into() }))
}

/// Calls a plugin's tool, in no more than a minute: a test that hangs must fail.
pub(super) async fn call(plugin: &Plugin, arguments: &str, caller: Caller) -> Called {
    let called = plugin.call(ask(arguments), caller, CancellationToken::new());
    tokio::time::timeout(Duration::from_secs(60), called).await.unwrap()
}

/// What it answered, as text.
pub(super) fn text(called: &Called) -> &str {
    match called.outcome.as_ref().unwrap() {
        crate::Outcome::Page(coditect_protocol::plugin::PluginOutcome::Text { text }) => text,
        other => panic!("{other:?}"),
    }
}
