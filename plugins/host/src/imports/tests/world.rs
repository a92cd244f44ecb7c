//! Surroundings that a test makes up.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use coditect_protocol::RelPath;
use coditect_protocol::llm::Usd;
use coditect_protocol::plugin::{CapabilityName, FindingSeverity};
use tokio::sync::mpsc;

use crate::ports::{
    Answer, Change, ChangeState, Commit, Ears, Entry, EntryKind, Files, Git, Model, Models, Question, Refused, Search,
    Storage, TextMatch, TextQuery, WorkTree,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    File(Vec<u8>),
    Folder,
    Link,
}

#[derive(Default)]
pub(super) struct World {
    pub(super) nodes: Mutex<BTreeMap<String, Node>>,
    pub(super) values: Mutex<BTreeMap<String, Vec<u8>>>,
    /// What the plugin was said to have done, in order.
    pub(super) heard: Mutex<Vec<String>>,
    /// Searches and questions as they were asked.
    pub(super) asked: Mutex<Vec<String>>,
    /// What a model answers, and whether it ends well.
    pub(super) pieces: Mutex<Vec<String>>,
    pub(super) fails: Mutex<Option<Refused>>,
}

impl World {
    pub(super) fn put(&self, nodes: &[(&str, Node)]) {
        self.nodes.lock().unwrap().extend(nodes.iter().map(|(path, node)| ((*path).to_owned(), node.clone())));
    }

    pub(super) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn hear(&self, text: String) {
        self.heard.lock().unwrap().push(text);
    }

    fn ask(&self, text: String) {
        self.asked.lock().unwrap().push(text);
    }

    fn entry(&self, path: &str) -> Answer<Entry> {
        let nodes = self.nodes.lock().unwrap();
        let (kind, size) = match nodes.get(path).ok_or(Refused::NotFound(format!("There is no {path}.")))? {
            Node::File(bytes) => (EntryKind::File, bytes.len() as u64),
            Node::Folder => (EntryKind::Directory, 0),
            Node::Link => (EntryKind::Symlink, 0),
        };
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Entry { name, kind, size, version: format!("v{size}") })
    }
}

#[async_trait]
impl Files for World {
    async fn read(&self, path: &RelPath, max_bytes: usize) -> Answer<(Vec<u8>, String)> {
        self.ask(format!("read {path}"));
        let entry = self.entry(path.as_str())?;
        match self.nodes.lock().unwrap().get(path.as_str()) {
            Some(Node::File(bytes)) if bytes.len() <= max_bytes => Ok((bytes.clone(), entry.version)),
            Some(Node::File(_)) => Err(Refused::Limit("It is larger.".to_owned())),
            // As a file system does that follows links.
            _ => Ok((b"what the link leads to".to_vec(), String::new())),
        }
    }

    async fn write(&self, path: &RelPath, content: Vec<u8>, version: Option<String>) -> Answer<String> {
        self.ask(format!("write {path}"));
        let now = self.entry(path.as_str()).ok().map(|entry| entry.version);
        if now != version {
            return Err(Refused::Conflict("It is another.".to_owned()));
        }
        self.put(&[(path.as_str(), Node::File(content))]);
        Ok(self.entry(path.as_str())?.version)
    }

    async fn delete(&self, path: &RelPath) -> Answer<()> {
        self.ask(format!("delete {path}"));
        self.nodes.lock().unwrap().remove(path.as_str());
        Ok(())
    }

    async fn stat(&self, path: &RelPath) -> Answer<Entry> {
        self.entry(path.as_str())
    }

    async fn list(&self, path: &RelPath, after: Option<&str>, limit: usize) -> Answer<Vec<Entry>> {
        self.ask(format!("list {path}"));
        let nodes: Vec<String> = self.nodes.lock().unwrap().keys().cloned().collect();
        let within = |node: &&String| RelPath::parse(node).unwrap().parent().as_ref() == Some(path);
        let entries = nodes.iter().filter(within).map(|node| self.entry(node).unwrap());
        Ok(entries.filter(|entry| after.is_none_or(|after| entry.name.as_str() > after)).take(limit).collect())
    }
}

#[async_trait]
impl Search for World {
    async fn text(&self, query: TextQuery) -> Answer<(Vec<TextMatch>, bool)> {
        let TextQuery { includes, excludes, max_matches, .. } = query;
        self.ask(format!("text {includes:?} {excludes:?} {max_matches}"));
        let found = |path: &String| TextMatch {
            path: path.clone(),
            start: (1, 1902),
            end: (1, 1904),
            line: "é".repeat(2000),
            line_start: 2,
        };
        Ok((self.nodes.lock().unwrap().keys().take(max_matches).map(found).collect(), false))
    }

    async fn paths(&self, includes: Vec<String>, excludes: Vec<String>, max_paths: usize) -> Answer<Vec<String>> {
        self.ask(format!("paths {includes:?} {excludes:?} {max_paths}"));
        Ok(self.nodes.lock().unwrap().keys().take(max_paths).cloned().collect())
    }
}

#[async_trait]
impl Models for World {
    async fn list(&self) -> Answer<Vec<Model>> {
        let model = |id: &str| Model { id: id.to_owned(), context_tokens: Some(1000) };
        Ok(vec![model("a/dear"), model("b/cheap"), model("b/small")])
    }

    async fn ask(&self, question: Question, usd_per_day: Usd, pieces: mpsc::Sender<String>) -> Answer<()> {
        self.ask(format!("{} {} {usd_per_day}", question.model, question.messages.len()));
        let all = self.pieces.lock().unwrap().clone();
        for piece in all {
            if pieces.send(piece).await.is_err() {
                self.hear("nobody listens".to_owned());
                return Ok(());
            }
        }
        let fails = self.fails.lock().unwrap().clone();
        fails.map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Git for World {
    async fn status(&self) -> Answer<WorkTree> {
        let change = |number| Change { path: format!("f{number}"), state: ChangeState::Modified, is_staged: true };
        Ok(WorkTree { branch: Some("main".to_owned()), changes: (0..20_000).map(change).collect() })
    }

    async fn diff(&self, staged: bool, max_bytes: usize) -> Answer<String> {
        self.ask(format!("diff {staged} {max_bytes}"));
        Ok("é".repeat(max_bytes))
    }

    async fn log(&self, max_commits: usize) -> Answer<Vec<Commit>> {
        let commit = |time| Commit { id: String::new(), author: "a".repeat(1000), time, message: "m".repeat(100_000) };
        self.ask(format!("log {max_commits}"));
        Ok((0..500).map(commit).collect())
    }
}

#[async_trait]
impl Storage for World {
    async fn get(&self, key: &str) -> Answer<Option<Vec<u8>>> {
        Ok(self.values.lock().unwrap().get(key).cloned())
    }

    async fn set(&self, key: &str, value: Vec<u8>, quota_bytes: u64) -> Answer<()> {
        self.ask(format!("set {key} {quota_bytes}"));
        self.values.lock().unwrap().insert(key.to_owned(), value);
        Ok(())
    }

    async fn delete(&self, key: &str) -> Answer<()> {
        self.values.lock().unwrap().remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Answer<Vec<String>> {
        self.ask(format!("keys {limit}"));
        let values = self.values.lock().unwrap();
        let keys =
            values.keys().filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        Ok(keys.cloned().collect())
    }
}

impl Ears for World {
    fn log(&self, level: &'static str, text: String) {
        self.hear(format!("{level}: {text}"));
    }

    fn denied(&self, capability: CapabilityName, subject: &str) {
        self.hear(format!("denied {capability} {subject}"));
    }

    fn notify(&self, severity: FindingSeverity, text: String) -> Answer<()> {
        self.hear(format!("{severity:?}: {text}"));
        Ok(())
    }
}
