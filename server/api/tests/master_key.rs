//! The master key of a store, from wherever the operator keeps it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::Path;
use std::process::Stdio;

use coditect_store::MasterKey;
use support::{LIMIT, PASSWORD};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// Lists people with the program; whether it could, and what it said.
async fn list(data: &Path, args: &[&str], variable: Option<&str>) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coditect-v5-api"));
    command.args(["person", "list", "--data", data.to_str().unwrap()]).args(args).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap()).kill_on_drop(true);
    if let Some(key) = variable {
        command.env("CODITECT_MASTER_KEY", key);
    }
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("it does not end").unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text)
}

fn works((fine, said): (bool, String)) {
    assert!(fine, "{said}");
}

#[tokio::test]
async fn the_key_moves_from_a_file_to_a_variable_and_a_program() {
    let (mut settings, dir) = support::settings(|_| {});
    settings.store = String::new();
    let data = settings.data.clone();
    let stop = CancellationToken::new();
    let server = coditect_api::server::Server::start(settings, stop.clone()).await.unwrap();
    let url = format!("http://{}/api/v5/auth/register", server.address().unwrap());
    let running = tokio::spawn(server.run());
    let ada = serde_json::json!({ "login": "ada", "password": PASSWORD });
    assert_eq!(support::client().post(url).json(&ada).send().await.unwrap().status(), 201);
    stop.cancel();
    running.await.unwrap().unwrap();
    let file = dir.path().join("elsewhere.key");
    std::fs::rename(data.join("master.key"), &file).unwrap();
    let key = std::fs::read_to_string(&file).unwrap();
    let secret = key.lines().last().unwrap();
    let (path, program) = (file.to_str().unwrap(), format!("cat,{}", file.display()));

    let (fine, said) = list(&data, &[], None).await;
    assert!(!fine && said.contains("(auth.master_key)") && said.contains("is not there"), "{said}");
    assert!(!data.join("master.key").exists());
    works(list(&data, &[], Some(&key)).await);
    works(list(&data, &["--master-key-command", &program], None).await);
    works(list(&data, &["--master-key-file", path], None).await);
    for args in [["--master-key-file", path], ["--master-key-command", &program]] {
        let (fine, said) = list(&data, &args, Some(&key)).await;
        assert!(!fine && said.contains("(auth.master_key)") && said.contains("CODITECT_MASTER_KEY"), "{said}");
        assert!(!said.contains(secret), "{said}");
    }

    // A new one in front is the one that belongs to the store from then on.
    let new = MasterKey::generate().unwrap().reveal();
    works(list(&data, &[], Some(&format!("{}{key}", *new))).await);
    works(list(&data, &[], Some(&new)).await);
    let (fine, said) = list(&data, &[], Some(&key)).await;
    assert!(!fine && said.contains("(auth.master_key)") && !said.contains(secret), "{said}");
}

#[tokio::test]
async fn no_flag_takes_the_key_and_no_list_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let (fine, said) = list(dir.path(), &["--master-key", "hunter2"], None).await;
    assert!(!fine && said.contains("(config.flags)"), "{said}");
    let mut settings = Command::new(env!("CARGO_BIN_EXE_coditect-v5-api"));
    let output = settings.arg("settings").env("CODITECT_MASTER_KEY", "hunter2").output().await.unwrap();
    assert!(output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("hunter2"));
}
