//! Calls and their answers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use coditect_protocol::plugin::{
    CallContext, Capability, CapabilityName, Document, FormatOptions, PluginCall, PluginOutcome,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::guest::{
    anybody, ask, call, caller, component, load, manifest, settings, text, tool, tool_manifest, tool_with,
};
use crate::ports::{Answer, Ears, Ports, Storage};
use crate::{Call, CallError, Caller, Host, HostError, Outcome, Rights};

/// Answers a command with a message, an edit of the text's first line, and the view `v`.
const COMMAND: &str = r#"(module
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 1024))
    (data (i32.const 16) "done")
    (data (i32.const 24) "v")
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
        (global.get $free)
        (global.set $free (i32.add (global.get $free) (local.get 3))))
    (func (export "coditect:plugin/commands@1.0.0#run")
        (param $command i32) (param $command_len i32) (param $has_document i32) (param i32 i32 i32 i32 i32 i32)
        (param i32 i32 i32 i32 i32) (param i32 i32) (result i32)
        (i32.store8 (i32.const 64) (i32.const 0))
        (i32.store8 (i32.const 68) (i32.const 1))
        (i32.store (i32.const 72) (i32.const 16))
        (i32.store (i32.const 76) (i32.const 4))
        (i32.store (i32.const 80) (i32.const 128))
        (i32.store (i32.const 84) (local.get $has_document))
        (i32.store8 (i32.const 88) (i32.const 1))
        (i32.store (i32.const 92) (i32.const 24))
        (i32.store (i32.const 96) (i32.const 1))
        ;; From 0:0 to 0:2, the command's name.
        (i32.store (i32.const 140) (i32.const 2))
        (i32.store (i32.const 144) (local.get $command))
        (i32.store (i32.const 148) (local.get $command_len))
        (i32.const 64)))"#;

fn document(path: &str, text: &str) -> Document {
    Document { path: path.into(), language: "rust".into(), text: text.into() }
}

fn command(document: Option<Document>) -> Call {
    let context = CallContext { document, selection: None, arguments: "{}".into() };
    Call::Page(Box::new(PluginCall::Command { command: "c".into(), context }))
}

fn documents(globs: &[&str]) -> Vec<Capability> {
    vec![Capability::Documents { globs: globs.iter().map(|&glob| glob.to_owned()).collect() }]
}

#[tokio::test]
async fn a_command_goes_there_and_back() {
    let host = Host::new(settings()).unwrap();
    let compiled = host.compile(&component("export coditect:plugin/commands@1.0.0;", COMMAND)).unwrap();
    let offers =
        json!({"commands": [{"id": "c", "title": "C"}], "views": [{"id": "v", "title": "V", "place": "side"}]});
    // Views are offered and not exported.
    let refusal = host.load(manifest(&offers, None), &compiled).unwrap_err();
    assert_eq!(refusal, HostError::NotExported { interface: "views" });

    let offers = json!({"commands": [{"id": "c", "title": "C"}]});
    let plugin = host.load(manifest(&offers, None), &compiled).unwrap();
    let granted = || caller(1, documents(&["src/**"]), Ports::default());
    let run = |call, caller| plugin.call(call, caller, CancellationToken::new());
    // It opens a view that it does not offer.
    let called = run(command(Some(document("src/a.rs", "abc"))), granted()).await;
    assert!(matches!(called.outcome, Err(CallError::Malformed { .. })), "{called:?}");
    // Its edit lies outside of the text.
    let called = run(command(Some(document("src/a.rs", "a"))), granted()).await;
    let why = called.outcome.unwrap_err().to_string();
    assert!(why.contains("outside of the text"), "{why}");
    let called =
        run(Call::Page(Box::new(PluginCall::Tool { tool: "t".into(), arguments: String::new() })), granted()).await;
    assert!(matches!(called.outcome, Err(CallError::NotOffered { .. })), "{called:?}");
}

#[tokio::test]
async fn a_text_is_handed_over_only_where_that_was_granted() {
    let host = Host::new(settings()).unwrap();
    let module = COMMAND.replace("(i32.store8 (i32.const 88) (i32.const 1))", "");
    let compiled = host.compile(&component("export coditect:plugin/commands@1.0.0;", &module)).unwrap();
    let plugin = host.load(manifest(&json!({"commands": [{"id": "c", "title": "C"}]}), None), &compiled).unwrap();
    for (path, globs, edits) in [("src/a.rs", "src/**", 1), ("b.rs", "src/**", 0), ("../src/a.rs", "**", 0)] {
        let caller = caller(1, documents(&[globs]), Ports::default());
        let called = plugin.call(command(Some(document(path, "abc"))), caller, CancellationToken::new()).await;
        let Ok(Outcome::Page(PluginOutcome::Command { message, edits: made, open_view })) = called.outcome else {
            panic!("{called:?}")
        };
        assert_eq!((message.as_deref(), open_view), (Some("done"), None));
        assert_eq!(made.len(), edits, "{path}");
        assert!(made.iter().all(|edit| edit.text == "c" && edit.range.end.column == 2));
        assert!(called.figures.micros > 0 && called.figures.cpu_micros > 0);
        assert_eq!(called.figures.peak_memory_bytes, 64 << 10);
    }
}

/// Remembers what was denied.
#[derive(Default)]
struct Heard(Mutex<Vec<(CapabilityName, String)>>);

impl Ears for Heard {
    fn log(&self, _: &'static str, _: String) {}

    fn denied(&self, capability: CapabilityName, subject: &str) {
        self.0.lock().unwrap().push((capability, subject.to_owned()));
    }

    fn notify(&self, _: coditect_protocol::plugin::FindingSeverity, _: String) -> Answer<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_call_about_a_text_takes_the_right_to_it() {
    let host = Host::new(settings()).unwrap();
    let module = r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "coditect:plugin/formatters@1.0.0#format")
            (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 64)))"#;
    let compiled = host.compile(&component("export coditect:plugin/formatters@1.0.0;", module)).unwrap();
    let plugin = host.load(manifest(&json!({"formatters": [{"languages": ["rust"]}]}), None), &compiled).unwrap();
    let heard = Arc::new(Heard::default());
    let ports = || Ports { ears: Some(heard.clone()), ..Ports::default() };
    let format = |language: &str| {
        let document = Document { language: language.into(), ..document("a.rs", "") };
        let options = FormatOptions { tab_size: 4, insert_spaces: true };
        Call::Page(Box::new(PluginCall::Format { document, range: None, options }))
    };
    let run = |call, globs| plugin.call(call, caller(1, documents(&[globs]), ports()), CancellationToken::new());
    let called = run(format("rust"), "*.rs").await;
    assert_eq!(called.outcome, Ok(Outcome::Page(PluginOutcome::Edits { edits: Vec::new() })));
    let called = run(format("python"), "*.rs").await;
    assert!(matches!(called.outcome, Err(CallError::NotOffered { .. })), "{called:?}");
    assert!(heard.0.lock().unwrap().is_empty());
    let called = run(format("rust"), "*.md").await;
    assert_eq!(called.outcome, Err(CallError::Denied { capability: CapabilityName::Documents }));
    assert_eq!(*heard.0.lock().unwrap(), [(CapabilityName::Documents, "a.rs".to_owned())]);
}

#[tokio::test]
async fn every_call_has_an_instance_of_its_own() {
    let plugin = load(
        settings(),
        &tool_with(
            "(global $calls (mut i32) (i32.const 0))",
            "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (i32.store (i32.const 80000) (i32.add (i32.load (i32.const 80000)) (i32.const 1)))
             (call $digit (i32.add (global.get $calls) (i32.load (i32.const 80000))))",
        ),
    );
    for _ in 0..3 {
        assert_eq!(text(&call(&plugin, "", anybody()).await), "2");
    }
}

#[tokio::test]
async fn arguments_answers_and_errors_pass() {
    let plugin = load(settings(), &tool("(call $text (local.get $at) (local.get $len))"));
    assert_eq!(text(&call(&plugin, r#"{"a":"ä😀"}"#, anybody()).await), r#"{"a":"ä😀"}"#);
    for (kind, code) in
        ["denied", "limit", "not_found", "invalid", "conflict", "unavailable", "failed"].into_iter().enumerate()
    {
        let plugin = load(settings(), &tool(&format!("(call $error (i32.const {kind}))")));
        let called = call(&plugin, "", anybody()).await;
        assert_eq!(called.outcome, Err(CallError::Plugin { code, message: "sorry".into() }));
    }
}

#[tokio::test]
async fn a_crash_ends_the_call_and_nothing_else() {
    let body = "(if (local.get $len) (then (unreachable))) (call $text (local.get $at) (local.get $len))";
    let plugin = load(settings(), &tool(body));
    let called = call(&plugin, "x", anybody()).await;
    let what = "wasm `unreachable` instruction executed".to_owned();
    assert_eq!(called.outcome, Err(CallError::Trapped { what }));
    assert_eq!(text(&call(&plugin, "", anybody()).await), "");
    // What it says is no text.
    let plugin = load(
        settings(),
        &tool("(i32.store8 (i32.const 100) (i32.const 255)) (call $text (i32.const 100) (i32.const 1))"),
    );
    let called = call(&plugin, "", anybody()).await;
    assert!(matches!(&called.outcome, Err(error) if error.is_fault()), "{called:?}");
}

/// Takes back all rights when it is asked.
struct Revoking(Mutex<Option<Arc<Rights>>>);

#[async_trait]
impl Storage for Revoking {
    async fn get(&self, _: &str) -> Answer<Option<Vec<u8>>> {
        if let Some(rights) = self.0.lock().unwrap().take() {
            rights.set(Vec::new());
        }
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
async fn what_is_revoked_during_a_call_is_gone_for_it() {
    // Asks twice for a value: 10 times whether the first was refused, and whether the second was; both as they are in memory.
    let body = "(call $get (i32.const 16) (i32.const 5) (i32.const 200))
        (call $get (i32.const 16) (i32.const 5) (i32.const 240))
        (call $digit (i32.add (i32.mul (i32.load8_u (i32.const 200)) (i32.const 2)) (i32.load8_u (i32.const 240))))";
    let plugin = load(settings(), &tool(body));
    let rights = Arc::new(Rights::new(vec![Capability::Storage { bytes: 1000 }]));
    let storage = Arc::new(Revoking(Mutex::new(Some(rights.clone()))));
    let ports = Ports { storage: Some(storage), ..Ports::default() };
    let asked = Caller { rights, ports, ..anybody() };
    let called = call(&plugin, "", asked).await;
    // The first was answered, the second was not.
    assert_eq!(text(&called), "1");
    assert_eq!(called.figures.host_calls, 2);
}

#[tokio::test]
async fn a_call_that_was_cancelled_before_does_not_begin() {
    let plugin = load(settings(), &tool("(unreachable)"));
    let cancel = CancellationToken::new();
    cancel.cancel();
    let called = plugin.call(ask(""), anybody(), cancel).await;
    assert_eq!(called.outcome, Err(CallError::Cancelled));
    assert_eq!(called.figures.cpu_micros, 0);
}

#[tokio::test]
async fn the_component_says_which_contract_it_speaks() {
    let host = Host::new(settings()).unwrap();
    let compiled = host.compile(&tool("(unreachable)")).unwrap();
    let of = |contract: &str| {
        let mut manifest = (*tool_manifest()).clone();
        manifest.contract = contract.parse().unwrap();
        host.load(Arc::new(manifest), &compiled).map(|_| ())
    };
    assert_eq!(of("1.0"), Ok(()));
    assert!(matches!(of("2.0"), Err(HostError::Refused { .. })));
}
