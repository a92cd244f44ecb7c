//! What the host needs of its surroundings to carry out what plugins ask for. The server answers with workspaces, the gateway and git;
//! the harness with a folder and what a test says.
//!
//! A port acts as the person whom a plugin works for, with their rights and never more. Whether the plugin may ask at all, and within
//! which globs, hosts and models, was checked before a port is called: [`crate::imports`] does that, in one place for each.

use async_trait::async_trait;
use coditect_protocol::RelPath;
use coditect_protocol::llm::Usd;
use coditect_protocol::plugin::Said;
use tokio::sync::mpsc;

/// Why a port did not do what it was asked. The texts are sentences for a person, and reach the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The person may not.
    Denied(String),
    /// A limit was reached.
    Limit(String),
    /// There is no such thing.
    NotFound(String),
    /// It makes no sense.
    Invalid(String),
    /// It was changed meanwhile.
    Conflict(String),
    /// Later, maybe.
    Unavailable(String),
    /// Anything else.
    Failed(String),
}

/// What a port answers.
pub type Answer<T> = Result<T, Refused>;

/// Kind of a directory's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Anything else.
    Other,
}

/// A directory's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: EntryKind,
    /// Bytes.
    pub size: u64,
    /// Another one for each content.
    pub version: String,
}

/// Files of the workspace.
#[async_trait]
pub trait Files: Send + Sync {
    /// A whole file of at most so many bytes, and its version.
    async fn read(&self, path: &RelPath, max_bytes: usize) -> Answer<(Vec<u8>, String)>;
    /// Replaces a version, or makes a new file; its new version.
    async fn write(&self, path: &RelPath, content: Vec<u8>, version: Option<String>) -> Answer<String>;
    /// Into the trash.
    async fn delete(&self, path: &RelPath) -> Answer<()>;
    /// Facts of a file. Links are not followed.
    async fn stat(&self, path: &RelPath) -> Answer<Entry>;
    /// At most `limit` entries of a directory by name, after `after`.
    async fn list(&self, path: &RelPath, after: Option<&str>, limit: usize) -> Answer<Vec<Entry>>;
}

/// What to search for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextQuery {
    /// A text, or a regular expression.
    pub pattern: String,
    /// Which of them.
    pub is_regex: bool,
    /// Upper and lower case matter.
    pub is_case_sensitive: bool,
    /// Only files that match one of these; all where empty.
    pub includes: Vec<String>,
    /// And none of these.
    pub excludes: Vec<String>,
    /// The most matches.
    pub max_matches: usize,
}

/// A match of a search; lines and columns from 0, columns in UTF-16 code units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextMatch {
    /// The file.
    pub path: String,
    /// Line and column where it begins.
    pub start: (u32, u32),
    /// Line and column of the first place behind it.
    pub end: (u32, u32),
    /// The line in which it begins, or a part of it around the match.
    pub line: String,
    /// Column of the first character of `line` in the file's line: 0 where it is the whole one.
    pub line_start: u32,
}

impl TextMatch {
    /// With no more than so many bytes of its line: those around the match, or its first ones where it is longer.
    #[must_use]
    pub fn shortened(mut self, max_bytes: usize) -> Self {
        let line = &self.line;
        if line.len() <= max_bytes {
            return self;
        }
        let start = offset(line, self.start.1.saturating_sub(self.line_start));
        let end =
            if self.end.0 == self.start.0 { offset(line, self.end.1.saturating_sub(self.line_start)) } else { start };
        let around = max_bytes.saturating_sub(end.saturating_sub(start));
        // As much before as behind; where there is less behind, more before.
        let from = start.saturating_sub(around / 2).min(line.len() - max_bytes).max(start.saturating_sub(around));
        let from = line.ceil_char_boundary(from).min(start);
        let until = line.floor_char_boundary(from + max_bytes);
        let before = line[..from].encode_utf16().count();
        self.line_start = self.line_start.saturating_add(u32::try_from(before).unwrap_or(u32::MAX));
        self.line = line[from..until].to_owned();
        self
    }
}

/// Where a column is, in bytes; the end where there is none.
fn offset(line: &str, column: u32) -> usize {
    let mut units = 0;
    let is_there = |(_, character): &(usize, char)| {
        let here = units;
        units += character.len_utf16();
        here >= column as usize
    };
    line.char_indices().find(is_there).map_or(line.len(), |(at, _)| at)
}

/// Searching the workspace.
#[async_trait]
pub trait Search: Send + Sync {
    /// Matches, and whether there are more. What is told is filtered by the host once more, by path.
    async fn text(&self, query: TextQuery) -> Answer<(Vec<TextMatch>, bool)>;
    /// Paths that match one of `includes` and none of `excludes`, in order.
    async fn paths(&self, includes: Vec<String>, excludes: Vec<String>, max_paths: usize) -> Answer<Vec<String>>;
}

/// What a language model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Which.
    pub model: String,
    /// What was said.
    pub messages: Vec<Said>,
    /// The most tokens of the answer.
    pub max_tokens: Option<u32>,
    /// Sampling temperature.
    pub temperature: Option<f32>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// `upstream/model`.
    pub id: String,
    /// Its context, where known.
    pub context_tokens: Option<u64>,
}

/// Language models, as the person.
#[async_trait]
pub trait Models: Send + Sync {
    /// All that the person may ask.
    async fn list(&self) -> Answer<Vec<Model>>;
    /// Asks. Pieces of the answer go to `pieces`, and the question ends when nobody takes them any more. `usd_per_day` is the most that
    /// the plugin may spend for this person in this workspace on a day.
    async fn ask(&self, question: Question, usd_per_day: Usd, pieces: mpsc::Sender<String>) -> Answer<()>;
}

/// How a file differs from what was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeState {
    /// It is new.
    Added,
    /// Its content is another.
    Modified,
    /// It is gone.
    Deleted,
    /// It has another name.
    Renamed,
    /// git does not know it.
    Untracked,
    /// Both sides changed it.
    Conflicted,
}

/// A changed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: String,
    /// How.
    pub state: ChangeState,
    /// In the index.
    pub is_staged: bool,
}

/// A work tree's state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkTree {
    /// The branch, where one is checked out.
    pub branch: Option<String>,
    /// What changed.
    pub changes: Vec<Change>,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its object id.
    pub id: String,
    /// Who made it.
    pub author: String,
    /// Seconds since 1970.
    pub time: i64,
    /// What they say about it.
    pub message: String,
}

/// Looking at the repository at the workspace's root.
#[async_trait]
pub trait Git: Send + Sync {
    /// Branch and changes.
    async fn status(&self) -> Answer<WorkTree>;
    /// A unified patch of at most so many bytes.
    async fn diff(&self, staged: bool, max_bytes: usize) -> Answer<String>;
    /// The newest commits first.
    async fn log(&self, max_commits: usize) -> Answer<Vec<Commit>>;
}

/// What a value counts beside its key and itself, in bytes: about what a store takes to keep it apart.
pub const VALUE_OVERHEAD_BYTES: usize = 100;

/// Values of a plugin for one person in one workspace.
#[async_trait]
pub trait Storage: Send + Sync {
    /// A value.
    async fn get(&self, key: &str) -> Answer<Option<Vec<u8>>>;
    /// Sets one; `quota_bytes` bounds all keys and values together, and counts [`VALUE_OVERHEAD_BYTES`] for each.
    async fn set(&self, key: &str, value: Vec<u8>, quota_bytes: u64) -> Answer<()>;
    /// Forgets one.
    async fn delete(&self, key: &str) -> Answer<()>;
    /// Keys in order.
    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Answer<Vec<String>>;
}

/// What a plugin says while it is called.
pub trait Ears: Send + Sync {
    /// A line for its log. `level` is `error`, `warn`, `info` or `debug`.
    fn log(&self, level: &'static str, text: String);
    /// It asked for what it was not granted. `subject` is the path, host or model, cut off at 256 bytes.
    fn denied(&self, capability: coditect_protocol::plugin::CapabilityName, subject: &str);
    /// It tells the person something.
    fn notify(&self, severity: coditect_protocol::plugin::FindingSeverity, text: String) -> Answer<()>;
}

/// The surroundings of one plugin of one person in one workspace. What is absent is answered with `unavailable`.
#[derive(Clone, Default)]
pub struct Ports {
    /// Files.
    pub files: Option<std::sync::Arc<dyn Files>>,
    /// Search.
    pub search: Option<std::sync::Arc<dyn Search>>,
    /// Models.
    pub models: Option<std::sync::Arc<dyn Models>>,
    /// Git.
    pub git: Option<std::sync::Arc<dyn Git>>,
    /// Values.
    pub storage: Option<std::sync::Arc<dyn Storage>>,
    /// Who listens; nobody where absent.
    pub ears: Option<std::sync::Arc<dyn Ears>>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}
