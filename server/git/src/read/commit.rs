//! Commits as they are told.

use coditect_protocol::git::{CommitDetails, CommitFile, GitCommit, GitIdentity};
use gix::ObjectId;
use gix::actor::SignatureRef;
use gix::bstr::ByteSlice as _;
use std::collections::HashMap;

use super::status::change;
use crate::error::GitError;
use crate::limits::{MAX_COMMIT_FILES, MAX_SHOWN_MESSAGE_BYTES};
use crate::names;
use crate::patch;
use crate::repository;
use crate::work::Work;

/// Names of branches and tags by the commit that they are on.
pub(super) type Names = HashMap<ObjectId, Vec<String>>;

pub(super) fn names_of_commits(repository: &gix::Repository) -> Result<Names, GitError> {
    let mut names = Names::new();
    for reference in repository.references()?.all()? {
        // One that is broken hides none of the others.
        let Ok(mut reference) = reference else { continue };
        let name = reference.name();
        let full = name.as_bstr();
        let told = ["refs/heads/", "refs/tags/", "refs/remotes/"].iter().any(|prefix| full.starts_with_str(prefix));
        if !told || full.ends_with_str("/HEAD") {
            continue;
        }
        let short = name.shorten().to_str_lossy().into_owned();
        if let Ok(id) = reference.peel_to_id() {
            names.entry(id.detach()).or_default().push(short);
        }
    }
    Ok(names)
}

/// What is told of a commit.
pub(super) fn tell(repository: &gix::Repository, id: ObjectId, names: &Names) -> Result<GitCommit, GitError> {
    let commit = repository.find_commit(id)?;
    let decoded = commit.decode()?;
    let (author, committer) = (decoded.author()?, decoded.committer()?);
    let message = decoded.message.to_str_lossy();
    let mut message = message.trim_matches('\n').trim_end().to_owned();
    if message.len() > MAX_SHOWN_MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MAX_SHOWN_MESSAGE_BYTES));
    }
    Ok(GitCommit {
        id: id.to_string(),
        parents: decoded.parents().map(|id| id.to_string()).collect(),
        author: identity(&author),
        authored_at: milliseconds(&author),
        committer: identity(&committer),
        committed_at: milliseconds(&committer),
        summary: summary(&message),
        message,
        refs: names.get(&id).cloned().unwrap_or_default(),
    })
}

fn identity(signature: &SignatureRef<'_>) -> GitIdentity {
    let signature = signature.trim();
    GitIdentity { name: signature.name.to_str_lossy().into_owned(), email: signature.email.to_str_lossy().into_owned() }
}

pub(super) fn milliseconds(signature: &SignatureRef<'_>) -> u64 {
    u64::try_from(signature.seconds()).unwrap_or(0).saturating_mul(1000)
}

/// The first paragraph in one line, as `git log --oneline` shows it.
pub(super) fn summary(message: &str) -> String {
    let lines = message.lines().map(str::trim_end).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// A commit and what it changed against its first parent.
pub(super) async fn details(work: &Work, revision: String) -> Result<CommitDetails, GitError> {
    let (commit, before) = work
        .read(move |repository| {
            let id = repository::commit_id(repository, &revision)?;
            let commit = tell(repository, id, &names_of_commits(repository)?)?;
            let before = commit.parents.first().cloned();
            Ok((commit, before.unwrap_or_else(|| repository.empty_tree().id().to_string())))
        })
        .await?;
    let outcome = work
        .look("diff-tree")
        .args(["-r", "-z", "-M", "--raw", "--numstat", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none"])
        .args([&before, &commit.id])
        .done()
        .await?;
    let (files, more) = files(&outcome.stdout, outcome.cut);
    Ok(CommitDetails { commit, files, more })
}

/// Reads `--raw --numstat -z`: the records of the one, then those of the other.
fn files(output: &[u8], cut: bool) -> (Vec<CommitFile>, bool) {
    let (records, rest) = patch::raw(output);
    let more = cut || records.len() > MAX_COMMIT_FILES;
    let mut files: Vec<CommitFile> = Vec::new();
    let mut fields = rest.split(|byte| *byte == 0);
    for record in records {
        let counts = counts(&mut fields);
        let (Some(path), false) = (names::path(record.path), files.len() == MAX_COMMIT_FILES) else { continue };
        let (added, deleted) = counts.unwrap_or_default();
        let from = record.from.and_then(names::path);
        files.push(CommitFile { path, from, change: change(record.status), added, deleted });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    (files, more)
}

/// `3\t4\tpath`, or `3\t4\t`, the old and the new name; `-` for what is not text.
fn counts<'a>(fields: &mut impl Iterator<Item = &'a [u8]>) -> Option<(Option<u32>, Option<u32>)> {
    let field = fields.next()?.to_str().ok()?;
    let mut parts = field.splitn(3, '\t');
    let (added, deleted, path) = (parts.next()?, parts.next()?, parts.next()?);
    if path.is_empty() {
        fields.nth(1)?;
    }
    Some((added.parse().ok(), deleted.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::git::GitChange;

    #[test]
    fn records_and_counts_belong_together() {
        let output = b":100644 100644 aa bb M\0b\0:100644 100644 aa bb R090\0old\0a new\0:000000 100644 00 cc A\0c\0\
            1\t2\tb\0\x33\t4\t\0old\0a new\0-\t-\tc\0";
        let (files, more) = files(output, false);
        let told: Vec<_> =
            files.iter().map(|file| (file.path.as_str(), file.change, file.added, file.deleted)).collect();
        let expected = [
            ("a new", GitChange::Renamed, Some(3), Some(4)),
            ("b", GitChange::Modified, Some(1), Some(2)),
            ("c", GitChange::Added, None, None),
        ];
        assert_eq!(told, expected);
        assert_eq!(files[0].from.as_ref().map(coditect_protocol::RelPath::as_str), Some("old"));
        assert!(!more);
    }

    #[test]
    fn a_summary_is_the_first_paragraph() {
        assert_eq!(summary("one\ntwo\n\nthree"), "one two");
        assert_eq!(summary(""), "");
    }
}
