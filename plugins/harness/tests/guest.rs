//! A plugin in the harness: a small one, written by hand, in the real host.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::Path;

use coditect_plugin_harness::declared::{TestReport, read_folder, run};
use coditect_plugin_harness::{Denied, Harness, HarnessError};
use coditect_plugin_host::CallError;
use coditect_plugin_package::Package;
use coditect_protocol::plugin::{Capability, CapabilityName};
use serde_json::json;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const MANIFEST: &str = r#"
[plugin]
id = "test.guest"
version = "1.0.0"
contract = "1.0"
title = "Guest"
description = "Reads, echoes and tells a setting."
license = "MIT"
[[tools]]
id = "read"
description = "Reads the file whose path is its arguments."
parameters = '{"type": "object"}'
[[tools]]
id = "setting"
description = "Tells the setting whose name is its arguments."
parameters = '{"type": "object"}'
[[tools]]
id = "echo"
description = "Says its arguments, also to the log."
parameters = '{"type": "object"}'
[[settings]]
id = "name"
title = "Name"
kind = "text"
default = "world"
[[capability]]
name = "files.read"
globs = ["**/*.md"]
reason = "To read."
"#;

/// Which tool is meant is told by its first letter. What `files.read` answers lies in memory as what a tool answers, and so does what
/// `settings.get` answers but for its first byte.
const MODULE: &str = r#"(module
    (import "coditect:plugin/files@1.0.0" "read" (func $read (param i32 i32 i32 i32)))
    (import "coditect:plugin/settings@1.0.0" "get" (func $get (param i32 i32 i32)))
    (import "coditect:plugin/log@1.0.0" "write" (func $log (param i32 i32 i32)))
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 1024))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
        (global.get $free)
        (global.set $free (i32.add (global.get $free) (local.get 3))))
    (func (export "coditect:plugin/tools@1.0.0#call")
        (param $tool i32) (param $tool_len i32) (param $at i32) (param $len i32) (result i32)
        (local $which i32)
        (local.set $which (i32.load8_u (local.get $tool)))
        (if (i32.eq (local.get $which) (i32.const 114)) (then
            (call $read (i32.add (local.get $at) (i32.const 1)) (i32.sub (local.get $len) (i32.const 2)) (i32.const 10000) (i32.const 64))
            (return (i32.const 64))))
        (if (i32.eq (local.get $which) (i32.const 115)) (then
            (call $get (i32.add (local.get $at) (i32.const 1)) (i32.sub (local.get $len) (i32.const 2)) (i32.const 64))
            (i32.store8 (i32.const 64) (i32.sub (i32.const 1) (i32.load8_u (i32.const 64))))
            (return (i32.const 64))))
        (call $log (i32.const 2) (local.get $at) (local.get $len))
        (i32.store8 (i32.const 64) (i32.const 0))
        (i32.store (i32.const 68) (local.get $at))
        (i32.store (i32.const 72) (local.get $len))
        (i32.const 64)))"#;

fn component() -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/v1")).unwrap();
    let interfaces = [
        "import coditect:plugin/files",
        "import coditect:plugin/settings",
        "import coditect:plugin/log",
        "export coditect:plugin/tools",
    ];
    let lines: String = interfaces.iter().map(|interface| format!("{interface}@1.0.0;\n")).collect();
    let package = resolve.push_str("guest.wit", &format!("package test:guest;\nworld guest {{ {lines} }}")).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(MODULE).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

async fn harness() -> Harness {
    let files = [("plugin.toml", MANIFEST.as_bytes().to_vec()), ("plugin.wasm", component())];
    let files: BTreeMap<String, Vec<u8>> = files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect();
    Harness::of_package(&Package::build(files).unwrap().to_bytes()).await.unwrap()
}

#[tokio::test]
async fn a_session_is_a_world_of_its_own() {
    let harness = harness().await;
    let session = harness.session().file("a.md", "# A").file("b.rs", "fn").setting("name", "Ada").start();
    assert_eq!(session.tool("read", &json!("a.md")).await.unwrap(), "# A");
    assert_eq!(session.tool("setting", &json!("name")).await.unwrap(), "\"Ada\"");
    assert_eq!(session.tool("echo", &json!({"x": 1})).await.unwrap(), "{\"x\":1}");
    assert_eq!(
        session.log().iter().map(|line| (line.level, line.text.as_str())).collect::<Vec<_>>(),
        [("info", "{\"x\":1}")]
    );
    assert!(session.figures().micros > 0 && session.denials().is_empty());

    // Another glob than the granted ones, and a file that is not there.
    let error = session.tool("read", &json!("b.rs")).await.unwrap_err();
    assert!(matches!(error, CallError::Plugin { code: "denied", .. }), "{error:?}");
    assert_eq!(session.denials(), [Denied { capability: CapabilityName::FilesRead, subject: "b.rs".into() }]);
    let error = session.tool("read", &json!("c.md")).await.unwrap_err();
    assert!(matches!(error, CallError::Plugin { code: "not_found", .. }), "{error:?}");

    // What is taken back is gone at once, and given back is there at once.
    session.grant(Vec::new());
    assert!(session.tool("read", &json!("a.md")).await.is_err());
    session.grant(vec![Capability::FilesRead { globs: vec!["**".into()] }]);
    assert_eq!(session.tool("read", &json!("b.rs")).await.unwrap(), "fn");

    let other = harness.session().start();
    assert_eq!(other.tool("setting", &json!("name")).await.unwrap(), "\"world\"", "the manifest's default");
    assert!(other.workspace().all_paths().is_empty() && other.denials().is_empty() && other.log().is_empty());
}

#[tokio::test]
async fn without_a_component_there_is_nothing_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let theme = "[[themes]]\nid='t'\ntitle='T'\npath='assets/t.json'\n";
    let head: String =
        MANIFEST.lines().take_while(|line| !line.starts_with("[[")).map(|line| format!("{line}\n")).collect();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    std::fs::write(folder.path().join("plugin.toml"), head + theme).unwrap();
    std::fs::write(folder.path().join("assets/t.json"), "{}").unwrap();
    assert!(matches!(Harness::of_folder(folder.path()).await, Err(HarnessError::NoComponent)));
    std::fs::create_dir(folder.path().join(".coditect")).unwrap();
    std::fs::write(folder.path().join(".coditect/plugin.wasm"), component()).unwrap();
    assert!(Harness::of_folder(folder.path()).await.is_ok());
}

/// Tests as an author writes them, and the places that do not match.
async fn reports(tests: &str) -> Vec<(String, TestReport)> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("tests/fixture/sub")).unwrap();
    std::fs::write(folder.path().join("tests/fixture/sub/f.md"), "fixture").unwrap();
    std::fs::write(folder.path().join("tests/all.toml"), tests).unwrap();
    let (harness, mut reports) = (harness().await, Vec::new());
    for test in &read_folder(folder.path()).unwrap()[0].tests {
        reports.push((test.name.clone(), Box::pin(run(&harness, folder.path(), test)).await));
    }
    reports
}

#[tokio::test]
async fn declared_tests_pass_and_fail_as_they_say() {
    let all = reports(include_str!("declared.toml")).await;
    for (name, report) in &all {
        let places: Vec<&str> = report.mismatches.iter().map(|mismatch| mismatch.place.as_str()).collect();
        // What a test must fail at stands behind `!` in its name.
        let wanted: Vec<&str> = name.split_once('!').map_or(Vec::new(), |(_, places)| places.split(' ').collect());
        assert_eq!(places, wanted, "{name}: {:?}", report.mismatches);
        assert_eq!(report.passed(), wanted.is_empty());
    }
    assert!(all.len() > 12);
}

#[test]
fn files_of_tests_are_read_strictly() {
    let read = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tests")).unwrap();
        std::fs::write(folder.path().join("tests/a.toml"), text).unwrap();
        read_folder(folder.path()).map(|files| files.len()).map_err(|error| error.to_string())
    };
    assert_eq!(read("[[test]]\nname = 'a'\ncall = { tool = 'echo' }"), Ok(1));
    for (bad, told) in [
        ("[[test]]\nname = 'a'\ncall = { tol = 'echo' }", "unknown field `tol`"),
        ("[[test]]\nname = 'a'\ncall = { tool = 'echo' }\nexpects = {}", "unknown field `expects`"),
        ("[[test]]\ncall = { tool = 'echo' }", "missing field `name`"),
        (
            "[[test]]\nname = 'a'\ncall = { tool = 'x' }\n[[test]]\nname = 'a'\ncall = { tool = 'x' }",
            "two tests are called `a`",
        ),
        ("[[test]]\nname = 'a'\ncall = { tool = 'x' }\ngranted = ['files']", "files"),
    ] {
        let error = read(bad).unwrap_err();
        assert!(error.contains(told) && error.contains("a.toml"), "{error}");
    }
}
