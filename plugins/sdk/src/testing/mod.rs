//! A double of the host, for unit tests that run on the machine itself. It is not there in a plugin.
//!
//! ```
//! use coditect_plugin_sdk::prelude::*;
//!
//! let host = testing::Host::new().file("a.txt", "one").denies("notify").enter();
//! assert_eq!(files::text("a.txt")?, "one");
//! storage::set("seen", "a.txt")?;
//! assert_eq!(host.stored::<String>("seen"), Some("a.txt".into()));
//! assert!(matches!(ui::notify(Severity::Information, "Seen"), Err(Error::Denied(_))));
//! # Ok::<(), Error>(())
//! ```
//!
//! What the real host bounds is not bounded here: tests in `tests/*.toml`, which `coditect-plugin test` runs, are made in the real one.

mod glob;
pub(crate) mod imports;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::coditect::plugin::types::{Model, Question, Severity};
use crate::error::{Error, Result};
use crate::git::{Commit, WorkTree};
use crate::http::{Request, Response};
use crate::log::Level;
use crate::reply::Reply;
use crate::search::{Match, Query};

type Script<Asked, Answer> = Option<Rc<dyn Fn(&Asked) -> Result<Answer>>>;

/// A host to be: what it answers.
#[derive(Default)]
pub struct Host {
    settings: BTreeMap<String, String>,
    storage: BTreeMap<String, Vec<u8>>,
    /// With a version, which counts up.
    files: BTreeMap<String, (Vec<u8>, u64)>,
    search: Script<Query, Vec<Match>>,
    http: Script<Request, Response>,
    stream: Script<Request, Streamed>,
    model: Script<Question, Vec<String>>,
    models: Vec<Model>,
    work_tree: Option<WorkTree>,
    staged: String,
    unstaged: String,
    commits: Vec<Commit>,
    now: Duration,
    random: u64,
    denied: BTreeSet<String>,
    heard: Heard,
}

/// An answer that comes piece by piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streamed {
    status: u16,
    headers: Vec<(String, String)>,
    pieces: Vec<Vec<u8>>,
    fails: Option<Error>,
}

impl Streamed {
    /// With a status and the pieces of its body.
    #[must_use]
    pub fn new<P: Into<Vec<u8>>>(status: u16, pieces: impl IntoIterator<Item = P>) -> Self {
        Self { status, headers: Vec::new(), pieces: pieces.into_iter().map(Into::into).collect(), fails: None }
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// What happens after the pieces, in place of the end.
    #[must_use]
    pub fn then(mut self, error: Error) -> Self {
        self.fails = Some(error);
        self
    }
}

/// What was said to it.
#[derive(Default, Clone)]
struct Heard {
    log: Vec<(Level, String)>,
    notices: Vec<(Severity, String)>,
    progress: Vec<(String, Option<u32>)>,
    reply: String,
    thoughts: String,
    references: Vec<(String, Option<u32>)>,
}

thread_local! {
    static ENTERED: RefCell<Option<Host>> = const { RefCell::new(None) };
}

impl Host {
    /// One that grants everything and has nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a setting; one that is not said is not in the manifest.
    ///
    /// # Panics
    /// Where the value cannot be JSON.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Serialize) -> Self {
        self.settings.insert(name.into(), json(&value));
        self
    }

    /// With a value in the storage, as [`crate::storage::set`] puts it there.
    ///
    /// # Panics
    /// Where the value cannot be JSON.
    #[must_use]
    pub fn stores(mut self, key: &str, value: impl Serialize) -> Self {
        self.storage.insert(key.into(), json(&value).into_bytes());
        self
    }

    /// With a file.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), (content.into(), 1));
        self
    }

    /// Searches for text are answered so.
    #[must_use]
    pub fn search(mut self, answer: impl Fn(&Query) -> Result<Vec<Match>> + 'static) -> Self {
        self.search = Some(Rc::new(answer));
        self
    }

    /// Requests are answered so; the body of one that is opened is one piece.
    #[must_use]
    pub fn http(mut self, answer: impl Fn(&Request) -> Result<Response> + 'static) -> Self {
        self.http = Some(Rc::new(answer));
        self
    }

    /// Requests are answered so, piece by piece: those that are opened, and those that are sent where [`Self::http`] says nothing.
    #[must_use]
    pub fn stream(mut self, answer: impl Fn(&Request) -> Result<Streamed> + 'static) -> Self {
        self.stream = Some(Rc::new(answer));
        self
    }

    /// Questions to language models are answered so: with pieces.
    #[must_use]
    pub fn model(mut self, answer: impl Fn(&Question) -> Result<Vec<String>> + 'static) -> Self {
        self.model = Some(Rc::new(answer));
        self
    }

    /// These models may be asked.
    #[must_use]
    pub fn models(mut self, models: impl IntoIterator<Item = Model>) -> Self {
        self.models.extend(models);
        self
    }

    /// With a git repository in this state, with patches of what is staged and what is not, and commits.
    #[must_use]
    pub fn git(mut self, work_tree: WorkTree, staged: &str, unstaged: &str, commits: Vec<Commit>) -> Self {
        self.work_tree = Some(work_tree);
        (self.staged, self.unstaged, self.commits) = (staged.into(), unstaged.into(), commits);
        self
    }

    /// It is this late, since 1970, and stays so.
    #[must_use]
    pub fn now(mut self, since_1970: Duration) -> Self {
        self.now = since_1970;
        self
    }

    /// A capability is not granted, such as `files.write`.
    #[must_use]
    pub fn denies(mut self, capability: &str) -> Self {
        self.denied.insert(capability.into());
        self
    }

    /// Answers all that this thread asks until what is given here is dropped.
    ///
    /// # Panics
    /// Where another one was entered in this thread.
    #[must_use]
    pub fn enter(self) -> Entered {
        ENTERED.with_borrow_mut(|entered| {
            assert!(entered.is_none(), "a host was entered in this thread already");
            *entered = Some(self);
        });
        Entered(PhantomData)
    }
}

fn json(value: &impl Serialize) -> String {
    match serde_json::to_string(value) {
        Ok(json) => json,
        Err(error) => panic!("the value cannot be JSON: {error}"),
    }
}

/// The host of this thread.
pub struct Entered(PhantomData<*const ()>);

impl Drop for Entered {
    fn drop(&mut self) {
        ENTERED.with_borrow_mut(|entered| *entered = None);
    }
}

impl Entered {
    fn ask<T: Default>(ask: impl FnOnce(&Host) -> T) -> T {
        ENTERED.with_borrow(|entered| entered.as_ref().map(ask)).unwrap_or_default()
    }

    /// Lines of the log.
    #[must_use]
    pub fn log(&self) -> Vec<(Level, String)> {
        Self::ask(|host| host.heard.log.clone())
    }

    /// What the person was told.
    #[must_use]
    pub fn notices(&self) -> Vec<(Severity, String)> {
        Self::ask(|host| host.heard.notices.clone())
    }

    /// How far the call was.
    #[must_use]
    pub fn progress(&self) -> Vec<(String, Option<u32>)> {
        Self::ask(|host| host.heard.progress.clone())
    }

    /// The answer that was given, whole.
    #[must_use]
    pub fn reply(&self) -> String {
        Self::ask(|host| host.heard.reply.clone())
    }

    /// What was thought before it, whole.
    #[must_use]
    pub fn thoughts(&self) -> String {
        Self::ask(|host| host.heard.thoughts.clone())
    }

    /// Places that the answer means.
    #[must_use]
    pub fn references(&self) -> Vec<(String, Option<u32>)> {
        Self::ask(|host| host.heard.references.clone())
    }

    /// A file, where there is one.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        Self::ask(|host| host.files.get(path).map(|(content, _)| content.clone()))
    }

    /// A value of the storage; none where there is none, or one of another type.
    #[must_use]
    pub fn stored<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        Self::ask(|host| host.storage.get(key).cloned()).and_then(|bytes| serde_json::from_slice(&bytes).ok())
    }
}

/// An answer to be given, for tests of participants and providers.
#[must_use]
pub fn reply() -> Reply {
    Reply(())
}
