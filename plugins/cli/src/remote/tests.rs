//! Commands against a server on this machine that answers by a list. The plugin is of themes alone, which take no tool to build.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use coditect_plugin_harness::{HttpAnswer, TestServer};
use coditect_plugin_package::{Package, SigningKey};
use coditect_protocol::plugin::{Installed, PluginFigures, PluginLog, PluginState, Publisher, RegistryVersion};
use coditect_protocol::{Kind, Problem};
use serde::Serialize;
use serde_json::{Value, json};

use super::{is_private_line, publish, run};
use crate::arguments::{Publish, Run, Server};
use crate::error::CliError;
use crate::keys;
use crate::project::Project;

const MANIFEST: &str = r#"[plugin]
id = "acme.dusk"
version = "1.0.0"
contract = "1.0"
title = "Dusk"
description = "A theme."
license = "MIT"
[[themes]]
id = "dusk"
title = "Dusk"
path = "assets/dusk.json"
"#;
const ASKING: &str = "[[capability]]\nname = \"clock\"\nreason = \"To know when it is dusk.\"\n";
const WORKSPACE: &str = "018f0000-0000-7000-8000-000000000001";
const TOKEN: &str = "secret-token";

fn project(more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    std::fs::write(folder.path().join("plugin.toml"), format!("{MANIFEST}{more}")).unwrap();
    std::fs::write(folder.path().join("assets/dusk.json"), "{}").unwrap();
    folder
}

fn answer(method: &str, path: &str, status: u16, body: &impl Serialize) -> HttpAnswer {
    let path = format!("/api/v5/{path}");
    let body = serde_json::to_vec(body).unwrap();
    HttpAnswer { method: method.into(), path, status, headers: BTreeMap::new(), body }
}

fn server(server: &TestServer) -> Server {
    Server { server: format!("http://{}/", server.host()), token: TOKEN.into(), allow_http: false }
}

fn workspaces() -> HttpAnswer {
    let workspace = json!({
        "id": WORKSPACE, "name": "Mine", "folder": "mine", "source": {"type": "empty"}, "state": {"type": "ready"},
        "created_at": 1, "opened_at": 1, "role": "admin", "owner": "me", "members": 0,
    });
    answer("GET", "workspaces", 200, &json!([workspace]))
}

fn installed(folder: &Path) -> Installed {
    Installed {
        manifest: Project::open(folder).unwrap().manifest,
        state: PluginState::Ready,
        granted: vec![],
        settings: BTreeMap::new(),
        update: None,
        development: true,
        taken_back: false,
        installed_at: 1,
        figures: PluginFigures::default(),
    }
}

#[tokio::test]
async fn what_is_sent_is_the_package() {
    let folder = project(ASKING);
    let asks = coditect_plugin_package::consent(&installed(folder.path()).manifest);
    let develop = format!("plugins/develop?workspace={WORKSPACE}&consent={asks}");
    let there =
        TestServer::start(vec![workspaces(), answer("POST", &develop, 200, &installed(folder.path()))]).await.unwrap();
    let asked = |workspace: &str, yes| Run {
        server: server(&there),
        workspace: workspace.into(),
        watch: false,
        yes,
        once: true,
    };
    run::run(folder.path(), asked("Mine", true)).await.unwrap();
    run::run(folder.path(), asked(WORKSPACE, true)).await.unwrap();

    let seen = there.seen();
    assert_eq!(seen.iter().map(|one| one.method.as_str()).collect::<Vec<_>>(), ["GET", "POST", "GET", "POST"]);
    assert!(seen.iter().all(|one| one.headers["authorization"] == format!("Bearer {TOKEN}")));
    assert_eq!(Package::read(&seen[1].body).unwrap().manifest().id.as_str(), "acme.dusk");
    assert_eq!(seen[1].body, seen[3].body);

    let error = run::run(folder.path(), asked("Other", true)).await.unwrap_err();
    assert!(matches!(&error, CliError::NoWorkspace(_, names) if names == "Mine"), "{error}");
    assert!(!format!("{error} {error:?}").contains(TOKEN));
}

#[tokio::test]
async fn what_was_taken_away_meanwhile_is_not_granted_again() {
    let folder = project(ASKING);
    let there = installed(folder.path());
    let develop = format!("plugins/develop?workspace={WORKSPACE}");
    let agreed = format!("{develop}&consent={}", coditect_plugin_package::consent(&there.manifest));
    let answers = vec![
        workspaces(),
        answer("POST", &agreed, 200, &there),
        answer("POST", &develop, 200, &there),
        answer("GET", &format!("plugins/installed/{WORKSPACE}/acme.dusk/log"), 200, &PluginLog::default()),
    ];
    let there = TestServer::start(answers).await.unwrap();
    let asked = Run { server: server(&there), workspace: "Mine".into(), watch: true, yes: true, once: false };
    let sent = || there.seen().into_iter().filter(|one| one.method == "POST").map(|one| one.path).collect::<Vec<_>>();
    let changed = async {
        until(|| !sent().is_empty()).await;
        std::fs::write(folder.path().join("assets/dusk.json"), "{ }").unwrap();
        until(|| sent().len() > 1).await;
    };
    tokio::select! {
        ended = run::run(folder.path(), asked) => panic!("{ended:?}"),
        () = changed => {}
    }
    assert_eq!(sent(), [format!("/api/v5/{agreed}"), format!("/api/v5/{develop}")]);
}

/// Waits for what comes to be.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it never comes to be");
}

#[tokio::test]
async fn a_problem_is_told_with_its_code() {
    let folder = project("");
    let problem = Problem::new(Kind::NotFound, "plugins.off", "This server has no plugins.");
    let there = TestServer::start(vec![answer("GET", "workspaces", 404, &problem)]).await.unwrap();
    let asked = Run { server: server(&there), workspace: "Mine".into(), watch: false, yes: true, once: true };
    let error = run::run(folder.path(), asked).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("plugins.off", 1));
    let elsewhere = TestServer::start(vec![]).await.unwrap();
    let asked = Run { server: server(&elsewhere), workspace: "Mine".into(), watch: false, yes: true, once: true };
    assert!(matches!(run::run(folder.path(), asked).await, Err(CliError::NotAServer(_))));
}

#[tokio::test]
async fn a_publisher_is_introduced_once() {
    let folder = project("");
    let path = folder.path().join("key");
    keys::new(Some(&path), false).unwrap();
    let key = keys::read(Some(&path)).unwrap();
    let version = RegistryVersion {
        version: "1.0.0".into(),
        contract: coditect_protocol::plugin::ContractVersion::LATEST,
        sha256: "0".into(),
        bytes: 1,
        published_at: 1,
        key: key.public().id().to_string(),
        downloads: 0,
        yanked: false,
    };
    let asked = |there: &TestServer| Publish { server: server(there), key: Some(path.clone()) };

    let publisher: Publisher = publisher(&SigningKey::generate().unwrap());
    let answers = |known: Value| {
        vec![
            answer("GET", "plugins/publishers", 200, &known),
            answer("POST", "plugins/publishers", 201, &publisher),
            answer("POST", "plugins/registry", 201, &version),
        ]
    };
    // A free name, and one's own with another key.
    for known in [json!([]), json!([publisher])] {
        let there = TestServer::start(answers(known)).await.unwrap();
        publish::run(folder.path(), asked(&there)).await.unwrap();
        let seen = there.seen();
        assert_eq!(seen.len(), 3);
        let new: Value = serde_json::from_slice(&seen[1].body).unwrap();
        assert_eq!(new, json!({"name": "acme", "public_key": key.public().to_string()}));
        assert_eq!(Package::read(&seen[2].body).unwrap().verify().unwrap(), Some(key.public().id()));
    }
    let there = TestServer::start(answers(json!([self::publisher(&key)]))).await.unwrap();
    publish::run(folder.path(), asked(&there)).await.unwrap();
    assert_eq!(there.seen().len(), 2, "it knows the key");
    assert!(folder.path().join("dist/dusk-1.0.0.coditect-plugin").is_file());
}

fn publisher(key: &SigningKey) -> Publisher {
    let key = json!({"id": key.public().id().as_str(), "public_key": key.public().to_string(), "added_at": 1});
    serde_json::from_value(json!({"name": "acme", "owner": null, "keys": [key], "created_at": 1})).unwrap()
}

#[test]
fn tokens_go_over_encrypted_lines_or_stay_on_the_machine() {
    for private in ["https://a.example", "http://localhost:1", "http://127.0.0.1", "http://[::1]:8700"] {
        assert!(is_private_line(private), "{private}");
    }
    for open in ["http://a.example", "http://192.168.1.5:8700", "ftp://localhost", "localhost", "http://localhost.evil"]
    {
        assert!(!is_private_line(open), "{open}");
    }
}
