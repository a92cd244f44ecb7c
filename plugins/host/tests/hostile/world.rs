//! Surroundings that trust whoever asks: what holds here is held by the host.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use coditect_plugin_host::ports::{
    Answer, Ears, Entry, EntryKind, Files, Model, Models, Ports, Question, Refused, Search, Storage, TextMatch,
    TextQuery,
};
use coditect_protocol::RelPath;
use coditect_protocol::llm::Usd;
use coditect_protocol::plugin::{CapabilityName, FindingSeverity};
use futures_util::FutureExt as _;
use tokio::sync::{Notify, mpsc};

/// A folder with things in it that are nobody's business, and what plugins were heard to do.
pub(crate) struct World {
    root: PathBuf,
    pub(crate) logged_bytes: AtomicUsize,
    pub(crate) denials: AtomicUsize,
    pub(crate) notices: AtomicUsize,
    /// Questions that models are at.
    pub(crate) questions: AtomicUsize,
    pub(crate) most_questions: AtomicUsize,
    /// Files that were touched, as they were asked for.
    pub(crate) touched: Mutex<Vec<String>>,
    /// A line was written to the log.
    pub(crate) said: Notify,
}

impl World {
    pub(crate) fn new(root: PathBuf) -> Self {
        let none = AtomicUsize::default;
        Self {
            root,
            logged_bytes: none(),
            denials: none(),
            notices: none(),
            questions: none(),
            most_questions: none(),
            touched: Mutex::default(),
            said: Notify::new(),
        }
    }

    /// Whatever was heard before counts for nothing.
    pub(crate) fn forget(&self) {
        for count in [&self.logged_bytes, &self.denials, &self.notices, &self.most_questions] {
            count.store(0, Ordering::SeqCst);
        }
        self.touched.lock().unwrap().clear();
        // What an earlier row said is no news.
        let _ = self.said.notified().now_or_never();
    }

    pub(crate) fn ports(self: &std::sync::Arc<Self>) -> Ports {
        Ports {
            files: Some(self.clone()),
            search: Some(self.clone()),
            models: Some(self.clone()),
            git: None,
            storage: Some(self.clone()),
            ears: Some(self.clone()),
        }
    }

    fn touch(&self, what: &str, path: &RelPath) -> PathBuf {
        self.touched.lock().unwrap().push(format!("{what} {path}"));
        self.root.join(path.as_str())
    }
}

fn refused(error: &std::io::Error) -> Refused {
    match error.kind() {
        std::io::ErrorKind::NotFound => Refused::NotFound("It is not there.".to_owned()),
        _ => Refused::Failed(error.to_string()),
    }
}

/// Follows links, as a file system does.
#[async_trait]
impl Files for World {
    async fn read(&self, path: &RelPath, _: usize) -> Answer<(Vec<u8>, String)> {
        let bytes = fs::read(self.touch("read", path)).map_err(|error| refused(&error))?;
        Ok((bytes, "1".to_owned()))
    }

    async fn write(&self, path: &RelPath, content: Vec<u8>, _: Option<String>) -> Answer<String> {
        fs::write(self.touch("write", path), content).map_err(|error| refused(&error))?;
        Ok("2".to_owned())
    }

    async fn delete(&self, path: &RelPath) -> Answer<()> {
        fs::remove_file(self.touch("delete", path)).map_err(|error| refused(&error))
    }

    async fn stat(&self, path: &RelPath) -> Answer<Entry> {
        let facts = fs::symlink_metadata(self.root.join(path.as_str())).map_err(|error| refused(&error))?;
        let kind = match facts.file_type() {
            kind if kind.is_symlink() => EntryKind::Symlink,
            kind if kind.is_dir() => EntryKind::Directory,
            _ => EntryKind::File,
        };
        let name = path.name().unwrap_or_default().to_owned();
        Ok(Entry { name, kind, size: facts.len(), version: "1".to_owned() })
    }

    async fn list(&self, path: &RelPath, _: Option<&str>, _: usize) -> Answer<Vec<Entry>> {
        let mut names: Vec<String> = Vec::new();
        for entry in fs::read_dir(self.touch("list", path)).map_err(|error| refused(&error))? {
            names.push(entry.unwrap().file_name().into_string().unwrap());
        }
        names.sort();
        let entry = |name| Entry { name, kind: EntryKind::File, size: 0, version: "1".to_owned() };
        Ok(names.into_iter().map(entry).collect())
    }
}

#[async_trait]
impl Search for World {
    async fn text(&self, _: TextQuery) -> Answer<(Vec<TextMatch>, bool)> {
        Ok((Vec::new(), false))
    }

    async fn paths(&self, _: Vec<String>, _: Vec<String>, _: usize) -> Answer<Vec<String>> {
        Ok(vec!["a.txt".to_owned(), ".git/config".to_owned(), "../outside".to_owned()])
    }
}

/// Counts a question while a model is at it.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Models for World {
    async fn list(&self) -> Answer<Vec<Model>> {
        Ok(vec![Model { id: "a/b".to_owned(), context_tokens: None }])
    }

    /// Never comes to an end by itself.
    async fn ask(&self, _: Question, _: Usd, pieces: mpsc::Sender<String>) -> Answer<()> {
        let now = self.questions.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_questions.fetch_max(now, Ordering::SeqCst);
        let _counted = Counted(&self.questions);
        while pieces.send("more ".repeat(1000)).await.is_ok() {}
        Ok(())
    }
}

#[async_trait]
impl Storage for World {
    async fn get(&self, _: &str) -> Answer<Option<Vec<u8>>> {
        Ok(Some(vec![7; 60_000]))
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

impl Ears for World {
    fn log(&self, _: &'static str, text: String) {
        self.logged_bytes.fetch_add(text.len(), Ordering::SeqCst);
        self.said.notify_one();
    }

    fn denied(&self, _: CapabilityName, subject: &str) {
        assert!(subject.len() <= 256, "what is told of a denial is bounded");
        self.denials.fetch_add(1, Ordering::SeqCst);
    }

    fn notify(&self, _: FindingSeverity, text: String) -> Answer<()> {
        assert!(text.len() <= 1024, "notices are bounded");
        self.notices.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
