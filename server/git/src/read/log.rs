//! The history: walked in this process; where it is one path's, `git` says which commits.

use coditect_protocol::RelPath;
use coditect_protocol::git::{GitCommit, GitLog, LogRequest, MAX_LOG_COMMITS};
use gix::ObjectId;
use gix::revision::walk::Sorting;
use gix::traverse::commit::simple::CommitTimeOrder;
use std::str::FromStr as _;
use tokio_util::sync::CancellationToken;

use super::commit;
use crate::error::GitError;
use crate::limits::MAX_MESSAGES_BYTES;
use crate::repository;
use crate::work::Work;

/// Bytes of a line that names a commit, at most.
const ID_LINE_BYTES: usize = 65;
/// Digits from which on a word may be meant as the beginning of an id, as git itself takes it: fewer begin too many.
const MIN_ID_DIGITS: usize = 4;

pub(super) async fn log(work: &Work, request: LogRequest) -> Result<GitLog, GitError> {
    let cancel = work.cancel.clone();
    let Some(path) = request.path.clone().filter(|path| !path.is_root()) else {
        return work.read(move |repository| walk(repository, &request, &cancel)).await;
    };
    let starts = starts(work, &request, &path).await?;
    let Some((starts, is_folder)) = starts else { return Ok(GitLog::default()) };
    let ids = ids_of_path(work, &request, &path, starts, is_folder).await?;
    work.read(move |repository| {
        let mut page = Page::new(repository, &request, cancel)?;
        for id in ids {
            if page.is_full(id)? {
                break;
            }
        }
        Ok(page.log)
    })
    .await
}

fn walk(repository: &gix::Repository, request: &LogRequest, cancel: &CancellationToken) -> Result<GitLog, GitError> {
    let mut page = Page::new(repository, request, cancel.clone())?;
    let tips = tips(repository, request)?;
    if tips.is_empty() {
        return Ok(page.log);
    }
    let newest_first = Sorting::ByCommitTime(CommitTimeOrder::NewestFirst);
    for commit in repository.rev_walk(tips).sorting(newest_first).all()? {
        if page.is_full(commit?.id)? {
            break;
        }
    }
    Ok(page.log)
}

/// Where the history starts. A repository without commits has none.
fn tips(repository: &gix::Repository, request: &LogRequest) -> Result<Vec<ObjectId>, GitError> {
    if !request.all {
        return match repository::commit_id(repository, &request.revision) {
            Err(GitError::NoCommits) => Ok(Vec::new()),
            id => Ok(vec![id?]),
        };
    }
    let named = commit::names_of_commits(repository)?.into_keys();
    let mut tips: Vec<_> = named.chain(repository::head_id(repository)?).collect();
    // A tag may mark something else than a commit.
    tips.retain(|id| repository.find_header(*id).is_ok_and(|header| header.kind() == gix::object::Kind::Commit));
    tips.sort_unstable();
    tips.dedup();
    Ok(tips)
}

/// The ids to start at, and whether the path is a folder in one of them.
async fn starts(work: &Work, request: &LogRequest, path: &RelPath) -> Result<Option<(Vec<String>, bool)>, GitError> {
    let (request, path) = (request.clone(), path.clone());
    work.read(move |repository| {
        let tips = tips(repository, &request)?;
        let is_folder = |tip: &ObjectId| {
            let tree = repository.find_commit(*tip).and_then(|commit| commit.tree());
            let entry = tree.and_then(|tree| tree.lookup_entry_by_path(path.as_str()));
            entry.is_ok_and(|entry| entry.is_some_and(|entry| entry.mode().is_tree()))
        };
        let is_folder = tips.iter().any(is_folder);
        Ok((!tips.is_empty()).then(|| (tips.iter().map(ToString::to_string).collect(), is_folder)))
    })
    .await
}

async fn ids_of_path(
    work: &Work,
    request: &LogRequest,
    path: &RelPath,
    starts: Vec<String>,
    is_folder: bool,
) -> Result<Vec<ObjectId>, GitError> {
    let all = u32::try_from(crate::limits::MAX_OUTPUT_BYTES / ID_LINE_BYTES).unwrap_or(u32::MAX);
    let wanted = request.skip.saturating_add(limit(request)).saturating_add(1);
    // What is searched for may stand in any of them.
    let count = if request.search.is_empty() { wanted.min(all) } else { all };
    let mut starts_text = starts.join("\n");
    starts_text.push('\n');
    let output = work
        .look("log")
        .args(["--format=%H", "--no-show-signature", "--no-notes", "--stdin"])
        .arg(format!("--max-count={count}"))
        .arg_if(!is_folder, "--follow")
        .args(["--", path.as_str()])
        .stdin(starts_text.into_bytes())
        .whole()
        .await?;
    let text = String::from_utf8_lossy(&output);
    let ids = text.lines().filter(|line| !line.is_empty()).map(ObjectId::from_str);
    ids.collect::<Result<_, _>>().map_err(|error| GitError::Internal(error.to_string()))
}

fn limit(request: &LogRequest) -> u32 {
    if request.limit == 0 { MAX_LOG_COMMITS } else { request.limit.min(MAX_LOG_COMMITS) }
}

/// The part of a history that was asked for, as it fills.
struct Page<'r> {
    repository: &'r gix::Repository,
    names: commit::Names,
    words: Vec<String>,
    to_skip: u32,
    limit: usize,
    bytes: usize,
    cancel: CancellationToken,
    log: GitLog,
}

impl<'r> Page<'r> {
    fn new(repository: &'r gix::Repository, request: &LogRequest, cancel: CancellationToken) -> Result<Self, GitError> {
        Ok(Self {
            repository,
            names: commit::names_of_commits(repository)?,
            words: request.search.split_whitespace().map(str::to_lowercase).collect(),
            to_skip: request.skip,
            limit: limit(request) as usize,
            bytes: 0,
            cancel,
            log: GitLog::default(),
        })
    }

    /// Takes the next commit; whether there was no room for it.
    fn is_full(&mut self, id: ObjectId) -> Result<bool, GitError> {
        Work::check(&self.cancel)?;
        if self.words.is_empty() && self.to_skip > 0 {
            self.to_skip -= 1;
            return Ok(false);
        }
        let commit = commit::tell(self.repository, id, &self.names)?;
        if !self.words.is_empty() && !is_found(&commit, &self.words) {
            return Ok(false);
        }
        if self.to_skip > 0 {
            self.to_skip -= 1;
            return Ok(false);
        }
        if self.log.commits.len() == self.limit || self.bytes > MAX_MESSAGES_BYTES {
            self.log.more = true;
            return Ok(true);
        }
        self.bytes += commit.message.len();
        self.log.commits.push(commit);
        Ok(false)
    }
}

/// Whether each of the words stands somewhere in it, or begins its id.
fn is_found(commit: &GitCommit, words: &[String]) -> bool {
    let GitCommit { id, author, message, .. } = commit;
    let text = format!("{}\n{}\n{message}", author.name, author.email).to_lowercase();
    let is_id = |word: &str| word.len() >= MIN_ID_DIGITS && id.starts_with(word);
    words.iter().all(|word| text.contains(word.as_str()) || is_id(word))
}
