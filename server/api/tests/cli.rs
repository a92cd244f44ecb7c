//! The commands that are no server, as a person runs them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use coditect_protocol::auth::Role;
use serde_json::{Value, json};
use support::{LIMIT, PASSWORD, server};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coditect-v5-api"));
    command.args(args).env_clear().env("HOME", home).kill_on_drop(true).stdin(Stdio::null());
    command
}

/// Whether it succeeded, and what it said.
async fn run(home: &Path, args: &[&str]) -> (bool, String) {
    let output = tokio::time::timeout(LIMIT, command(home, args).output()).await.expect("it does not end").unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text.trim().to_owned())
}

#[tokio::test]
async fn a_program_logs_in_and_out() {
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    let home = tempfile::tempdir().unwrap();
    let url = server.url("");
    assert!(run(home.path(), &["whoami"]).await.1.contains("(cli.not_logged_in)"));
    let mut login = command(home.path(), &["login", "--server", &url, "--name", "a test"]);
    let mut login = login.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(login.stderr.take().unwrap()).read_line(&mut said).await.unwrap();
    assert!(said.contains(&server.url("/device")), "{said}");
    let code = said.trim().rsplit(' ').next().unwrap();
    // Whoever is logged in in the browser.
    let own = server.log_in("ada", PASSWORD).await;
    own.ask::<()>("POST", &format!("/auth/device/{code}"), json!({"approve": true})).await;
    let output = tokio::time::timeout(LIMIT, login.wait_with_output()).await.expect("it does not end").unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("as ada"), "{output:?}");
    let file = home.path().join(".config/coditect/credentials.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(run(home.path(), &["whoami"]).await, (true, format!("ada at {url}")));
    // An access token that has ended is renewed, and what was used is gone.
    let kept = || serde_json::from_str::<Value>(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let mut aged = kept();
    let refresh = aged["servers"][&url]["refresh_token"].clone();
    aged["servers"][&url]["access_token"] = json!("ended");
    std::fs::write(&file, aged.to_string()).unwrap();
    assert_eq!(run(home.path(), &["whoami"]).await, (true, format!("ada at {url}")));
    assert!(kept()["servers"][&url]["access_token"] != "ended" && kept()["servers"][&url]["refresh_token"] != refresh);
    let sessions: Vec<Value> = own.ask("GET", "/auth/sessions", Value::Null).await;
    assert_eq!(sessions.len(), 3);
    assert!(run(home.path(), &["logout"]).await.0);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("token"));
    let sessions: Vec<Value> = own.ask("GET", "/auth/sessions", Value::Null).await;
    assert_eq!(sessions.len(), 2);
    drop(ada);
    server.stop().await;
}

#[tokio::test]
async fn tokens_do_not_cross_open_networks_and_a_missing_server_is_named() {
    let home = tempfile::tempdir().unwrap();
    let (fine, said) = run(home.path(), &["login", "--server", "http://ide.example.org"]).await;
    assert!(!fine && said.contains("(cli.unencrypted)"), "{said}");
    let (fine, said) = run(home.path(), &["login", "--server", "http://127.0.0.1:1"]).await;
    assert!(!fine && said.contains("(cli.unreachable)"), "{said}");
}

#[tokio::test]
async fn the_operator_lets_a_lost_admin_in_again() {
    let (mut settings, dir) = support::settings(|_| {});
    settings.store = String::new();
    let data = settings.data.to_str().unwrap().to_owned();
    let start = async |settings: coditect_api::settings::Settings| {
        let stop = tokio_util::sync::CancellationToken::new();
        let server = coditect_api::server::Server::start(settings, stop.clone()).await.unwrap();
        let base = format!("http://{}/api/v5", server.address().unwrap());
        let running = tokio::spawn(server.run());
        (base, stop, running)
    };
    let post = async |base: &str, path: &str, body: Value| {
        support::client().post(format!("{base}{path}")).json(&body).send().await.unwrap()
    };
    let person = |args: &[&'static str]| {
        let args: Vec<_> = ["person"].iter().chain(args).copied().map(str::to_owned).collect();
        let (data, home) = (data.clone(), dir.path().to_owned());
        async move {
            let mut args: Vec<_> = args.iter().map(String::as_str).collect();
            args.extend(["--data", &data]);
            run(&home, &args).await
        }
    };
    let (fine, said) = person(&["list"]).await;
    assert!(!fine && said.contains("(auth.master_key)"), "{said}");
    assert!(!dir.path().join("data").exists());

    let (base, stop, running) = start(settings.clone()).await;
    for login in ["ada", "bob"] {
        assert_eq!(post(&base, "/auth/register", json!({"login": login, "password": PASSWORD})).await.status(), 201);
    }
    let (fine, said) = person(&["list"]).await;
    assert!(!fine && said.contains("(store.locked)"), "{said}");
    stop.cancel();
    running.await.unwrap().unwrap();

    let (fine, said) = person(&["list"]).await;
    assert!(fine && said.contains("ada (admin)") && said.contains("bob (member)"), "{said}");
    assert!(person(&["reset-code", "nobody"]).await.1.contains("(cli.no_such_account)"));
    let (fine, said) = person(&["reset-code", "ADA"]).await;
    assert!(fine, "{said}");
    let code = said.lines().next().unwrap().to_owned();
    assert!(person(&["make-admin", "bob"]).await.1.starts_with("bob (admin)"));
    assert!(person(&["disable", "bob"]).await.1.starts_with("bob (admin, disabled)"));
    assert!(person(&["disable", "ada"]).await.1.contains("(auth.last_admin)"));
    assert!(person(&["enable", "bob"]).await.1.starts_with("bob (admin)"));

    let (base, stop, running) = start(settings).await;
    let new = "a password that is new 7";
    let reset = json!({"login": "ada", "code": code, "new_password": new});
    assert_eq!(post(&base, "/auth/password/reset", reset).await.status(), 204);
    let login: Value = post(&base, "/auth/login", json!({"login": "ada", "password": new})).await.json().await.unwrap();
    assert_eq!(login["session"]["user"]["role"], serde_json::to_value(Role::Admin).unwrap());
    assert_eq!(post(&base, "/auth/login", json!({"login": "bob", "password": PASSWORD})).await.status(), 200);
    stop.cancel();
    running.await.unwrap().unwrap();
}
