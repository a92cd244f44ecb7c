//! Files of tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coditect_plugin_host::ports::{self, ChangeState};
use coditect_protocol::plugin::CapabilityName;
use serde::Deserialize;
use serde_json::Value;

use super::calls::CallOf;
use super::matching::Pattern;
use crate::error::HarnessError;
use crate::surroundings::{GitState, HttpAnswer, ScriptedAnswer, TEST_MODEL};

/// Largest file of tests, in bytes.
const MAX_TEST_BYTES: u64 = 4 << 20;
/// Status of an answer that names none.
const OK: u16 = 200;

/// A file of tests.
#[derive(Debug, Clone)]
pub struct TestFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its tests.
    pub tests: Vec<Declared>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(default)]
    test: Vec<Declared>,
}

/// A test.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Declared {
    /// What it shows.
    pub name: String,
    /// What is asked.
    pub call: CallOf,
    /// Files of the workspace, by path.
    #[serde(default)]
    pub files: BTreeMap<String, FileContent>,
    /// A folder whose copy is the workspace, as a path in the plugin's folder.
    #[serde(default)]
    pub workspace: Option<String>,
    /// What the person chose.
    #[serde(default)]
    pub settings: BTreeMap<String, Value>,
    /// What is granted.
    #[serde(default)]
    pub granted: Option<Vec<CapabilityName>>,
    /// What the plugin kept before.
    #[serde(default)]
    pub storage: BTreeMap<String, String>,
    /// A repository.
    #[serde(default)]
    pub git: Option<Git>,
    /// What language models answer.
    #[serde(default)]
    pub models: Vec<Scripted>,
    /// What a server on this machine answers.
    #[serde(default)]
    pub http: Vec<Http>,
    /// What is expected.
    #[serde(default)]
    pub expect: Expect,
}

/// Content of a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum FileContent {
    /// As text.
    Text(String),
    /// As bytes.
    Bytes {
        /// In base64.
        base64: String,
    },
}

impl FileContent {
    pub(super) fn bytes(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Bytes { base64 } => STANDARD.decode(base64).map_err(|error| format!("base64: {error}")),
        }
    }
}

/// A repository.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Git {
    branch: Option<String>,
    changes: Vec<GitChange>,
    commits: Vec<Commit>,
    staged: String,
    unstaged: String,
}

/// A changed file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitChange {
    path: String,
    state: GitChangeState,
    #[serde(default)]
    staged: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum GitChangeState {
    Added,
    Modified,
    Deleted,
    Renamed,
    Untracked,
    Conflicted,
}

/// A commit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    id: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    time: i64,
    message: String,
}

impl Git {
    pub(super) fn state(&self) -> GitState {
        let state = |change: &GitChange| match change.state {
            GitChangeState::Added => ChangeState::Added,
            GitChangeState::Modified => ChangeState::Modified,
            GitChangeState::Deleted => ChangeState::Deleted,
            GitChangeState::Renamed => ChangeState::Renamed,
            GitChangeState::Untracked => ChangeState::Untracked,
            GitChangeState::Conflicted => ChangeState::Conflicted,
        };
        let change = |change: &GitChange| ports::Change {
            path: change.path.clone(),
            state: state(change),
            is_staged: change.staged,
        };
        let commit = |commit: &Commit| ports::Commit {
            id: commit.id.clone(),
            author: commit.author.clone(),
            time: commit.time,
            message: commit.message.clone(),
        };
        GitState {
            work_tree: ports::WorkTree {
                branch: self.branch.clone(),
                changes: self.changes.iter().map(change).collect(),
            },
            commits: self.commits.iter().map(commit).collect(),
            staged: self.staged.clone(),
            unstaged: self.unstaged.clone(),
        }
    }
}

/// What a language model answers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scripted {
    model: Option<String>,
    asked: Option<Pattern>,
    pieces: Vec<String>,
    fails: Option<String>,
}

impl Scripted {
    pub(super) fn answer(&self) -> ScriptedAnswer {
        ScriptedAnswer {
            model: self.model.clone().unwrap_or_else(|| TEST_MODEL.to_owned()),
            asked: self.asked.clone(),
            pieces: self.pieces.clone(),
            fails: self.fails.clone(),
        }
    }
}

/// What the server answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    #[serde(default)]
    method: Option<String>,
    path: String,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
}

impl Http {
    pub(super) fn answer(&self) -> HttpAnswer {
        HttpAnswer {
            method: self.method.clone().unwrap_or_else(|| "GET".to_owned()),
            path: self.path.clone(),
            status: self.status.unwrap_or(OK),
            headers: self.headers.clone(),
            body: self.body.clone().into_bytes(),
        }
    }
}

/// What is expected. What is absent may be anything, but for errors and denials.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// Of the outcome as JSON.
    pub outcome: Option<Value>,
    /// The document after the edits, what a tool says, or the whole of an answer.
    pub text: Option<Value>,
    /// The code of an error, or a table with `code` and `message`.
    pub error: Option<Value>,
    /// Files afterwards; `false` for one that is not there.
    pub files: BTreeMap<String, Value>,
    /// What the plugin keeps afterwards; `false` for what it does not.
    pub storage: BTreeMap<String, Value>,
    /// All that was denied, in order.
    pub denials: Vec<Value>,
    /// All that the person was told, in order.
    pub notices: Option<Vec<Value>>,
    /// Lines that must be in the log; a plain text is one with that in it.
    pub log: Vec<Value>,
    /// The last messages that language models were asked, in order.
    pub asked: Option<Vec<Value>>,
    /// What came to the server, in order.
    pub requests: Option<Vec<Value>>,
}

/// All tests of a plugin's folder: `tests/*.toml`, by name.
pub fn read_folder(plugin: &Path) -> Result<Vec<TestFile>, HarnessError> {
    let folder = plugin.join("tests");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).map_err(HarnessError::io(&folder))? {
        let path = entry.map_err(HarnessError::io(&folder))?.path();
        if path.extension().is_some_and(|ending| ending == "toml") && path.is_file() {
            paths.insert(path);
        }
    }
    paths.into_iter().map(read_file).collect()
}

fn read_file(path: PathBuf) -> Result<TestFile, HarnessError> {
    let wrong = |what: String| HarnessError::Test { path: path.clone(), what };
    let bytes = std::fs::metadata(&path).map_err(HarnessError::io(&path))?.len();
    if bytes > MAX_TEST_BYTES {
        return Err(wrong(format!("has more than {} MiB", MAX_TEST_BYTES >> 20)));
    }
    let text = std::fs::read_to_string(&path).map_err(HarnessError::io(&path))?;
    let Listed { test: tests } = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let mut names = BTreeSet::new();
    if let Some(twice) = tests.iter().find(|test| !names.insert(test.name.as_str())) {
        return Err(wrong(format!("two tests are called `{}`; give one another name", twice.name)));
    }
    Ok(TestFile { path, tests })
}
