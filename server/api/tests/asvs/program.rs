//! The program itself, started as an operator would, for what only its log shows.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::harness::{Answer, Caller, until};

/// A running server and what it has written to its log.
pub struct Program {
    child: Child,
    root: String,
    lines: Arc<Mutex<Vec<String>>>,
    reading: JoinHandle<()>,
    pub dir: tempfile::TempDir,
}

impl Program {
    /// Starts with this form and level of the log, and further flags.
    pub async fn start(format: &str, level: &str, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        for folder in ["web", "theia"] {
            std::fs::create_dir(at(folder)).unwrap();
            std::fs::write(dir.path().join(folder).join("index.html"), "<!doctype html><title>page</title>").unwrap();
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_coditect-v5-api"))
            .args(["serve", "--listen", "127.0.0.1:0", "--store", "memory:", "--llm-discover", "off"])
            .args(["--trusted-proxies", "127.0.0.1", "--log-format", format, "--log", level])
            .args(["--data", &at("data"), "--web-dir", &at("web"), "--theia-dir", &at("theia")])
            .args(more)
            .env("TZ", "America/New_York")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let read = lines.clone();
        let reading = tokio::spawn(async move {
            while let Ok(Some(line)) = log.next_line().await {
                read.lock().unwrap().push(line);
            }
        });
        let mut program = Self { child, root: String::new(), lines, reading, dir };
        until(async || program.lines().iter().any(|line| line.contains("ready_ms"))).await;
        let ready = program.lines().into_iter().find(|line| line.contains("ready_ms")).unwrap();
        let (_, port) = ready.split_once("127.0.0.1:").expect("the log tells where it listens");
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        program.root = format!("http://127.0.0.1:{port}");
        program
    }

    pub fn stranger(&self, address: &str) -> Caller {
        Caller::of(&self.root, address)
    }

    /// The log until now.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Entries of a log in JSON.
    pub fn entries(&self) -> Vec<Value> {
        let entry = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.lines().iter().map(entry).collect()
    }

    /// The first entry of which this holds, once it is there.
    pub async fn entry(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let waiting = until(async || self.entries().iter().any(&holds));
        let came = std::pin::pin!(waiting);
        let limit = tokio::time::timeout(std::time::Duration::from_secs(5), came).await;
        let found = self.entries().into_iter().find(&holds);
        found.unwrap_or_else(|| panic!("{what} is not in the log ({limit:?}):\n{}", self.lines().join("\n")))
    }

    /// The entry of this action.
    pub async fn action(&self, name: &str) -> Value {
        self.entry(name, |entry| entry["fields"]["action"] == name).await
    }

    /// The entry that tells of the refusal of this very request.
    pub async fn refusal(&self, answer: &Answer) -> Value {
        let (code, id) = (answer.code(), answer.headers["x-request-id"].to_str().unwrap().to_owned());
        let of_this = |entry: &Value| {
            let text = entry.to_string();
            text.contains(&code) && text.contains(&id)
        };
        self.entry(&format!("the refusal {code}"), of_this).await
    }

    /// Stops it as a service manager would, and answers what it wrote to its standard output.
    pub async fn stop(mut self) -> (Vec<String>, String) {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
        self.child.wait().await.unwrap();
        (&mut self.reading).await.unwrap();
        (self.lines(), out)
    }
}
