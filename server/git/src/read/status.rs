//! The state of a work tree, as `git status --porcelain=v2` tells it.

use coditect_protocol::RelPath;
use coditect_protocol::git::{GitChange, GitConflict, GitEntry, GitHead, GitOperation, GitStatus, MAX_STATUS_ENTRIES};
use gix::state::InProgress;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

use super::refresh;
use crate::error::GitError;
use crate::limits::MAX_SHOWN_MESSAGE_BYTES;
use crate::names;
use crate::work::Work;

/// How much of a commit's id names it to people, in digits.
const SHORT_ID_DIGITS: usize = 7;

pub(super) async fn status(work: &Work) -> Result<GitStatus, GitError> {
    let (operation, incoming) = work.read(|repository| Ok((operation(repository), incoming(repository)))).await?;
    let begun = Instant::now();
    let outcome = work
        .look("status")
        .args(["--porcelain=v2", "-z", "--branch", "--show-stash", "--untracked-files=all", "--find-renames"])
        .arg("--ignore-submodules=dirty")
        .done()
        .await?;
    if let Some(refresh) = refresh::wanted(work, begun.elapsed()) {
        tokio::spawn(refresh);
    }
    let mut status = parse(&outcome.stdout, outcome.cut);
    (status.operation, status.incoming) = (operation, incoming);
    Ok(status)
}

/// Reads the records. Where the output was cut off, the last one is left out.
fn parse(output: &[u8], cut: bool) -> GitStatus {
    let mut status = GitStatus { more: cut, ..GitStatus::default() };
    let end = if cut { output.iter().rposition(|byte| *byte == 0).unwrap_or(0) } else { output.len() };
    let mut records = output[..end].split(|byte| *byte == 0);
    while let Some(record) = records.next() {
        if let Some(header) = record.strip_prefix(b"# ") {
            take_header(&mut status, &String::from_utf8_lossy(header));
            continue;
        }
        // The old name stands in a record of its own.
        let from = if record.starts_with(b"2 ") { records.next() } else { None };
        let Some(entry) = entry(record, from) else { continue };
        if status.entries.len() == MAX_STATUS_ENTRIES {
            status.more = true;
            break;
        }
        status.entries.push(entry);
    }
    status.entries.sort_by(|one, other| one.path.cmp(&other.path));
    status
}

fn take_header(status: &mut GitStatus, header: &str) {
    let GitHead { branch, commit, upstream, ahead, behind } = &mut status.head;
    match header.split_once(' ') {
        Some(("branch.oid", id)) => *commit = Some(id.to_owned()).filter(|id| id != "(initial)"),
        Some(("branch.head", name)) => *branch = Some(name.to_owned()).filter(|name| name != "(detached)"),
        Some(("branch.upstream", name)) => *upstream = Some(name.to_owned()),
        Some(("branch.ab", counts)) => {
            let mut counts = counts
                .split(' ')
                .map(|count| count.trim_start_matches('+').trim_start_matches('-').parse().unwrap_or(0));
            (*ahead, *behind) = (counts.next().unwrap_or(0), counts.next().unwrap_or(0));
        }
        Some(("stash", count)) => status.stashes = count.parse().unwrap_or(0),
        _ => {}
    }
}

/// Fields before the path, by the first letter of a record.
const fn fields(kind: u8) -> Option<usize> {
    match kind {
        b'1' => Some(8),
        b'2' => Some(9),
        b'u' => Some(10),
        b'?' => Some(1),
        _ => None,
    }
}

fn entry(record: &[u8], from: Option<&[u8]>) -> Option<GitEntry> {
    let kind = *record.first()?;
    let mut parts = record.splitn(fields(kind)? + 1, |byte| *byte == b' ');
    let (states, submodule) = match kind {
        b'?' => (&b"??"[..], false),
        _ => (parts.nth(1)?, parts.next()?.first() == Some(&b'S')),
    };
    let path = names::path(parts.last()?)?;
    let from = match from {
        Some(from) => Some(names::path(from)?),
        None => None,
    };
    let &[index, work_tree] = states else { return None };
    if kind == b'u' {
        let conflict = Some(conflict(index, work_tree)?);
        let unmodified = GitChange::Unmodified;
        return Some(GitEntry { path, from, index: unmodified, work_tree: unmodified, conflict, submodule });
    }
    let index = if kind == b'?' { GitChange::Unmodified } else { change(index) };
    Some(GitEntry { path, from, index, work_tree: change(work_tree), conflict: None, submodule })
}

/// What a letter of git's means.
pub(super) const fn change(letter: u8) -> GitChange {
    match letter {
        b'A' => GitChange::Added,
        b'M' => GitChange::Modified,
        b'D' => GitChange::Deleted,
        b'R' => GitChange::Renamed,
        b'C' => GitChange::Copied,
        b'T' => GitChange::TypeChanged,
        b'?' => GitChange::Untracked,
        _ => GitChange::Unmodified,
    }
}

const fn conflict(ours: u8, theirs: u8) -> Option<GitConflict> {
    Some(match (ours, theirs) {
        (b'U', b'U') => GitConflict::BothModified,
        (b'A', b'A') => GitConflict::BothAdded,
        (b'D', b'D') => GitConflict::BothDeleted,
        (b'A', b'U') => GitConflict::AddedByUs,
        (b'U', b'A') => GitConflict::AddedByThem,
        (b'D', b'U') => GitConflict::DeletedByUs,
        (b'U', b'D') => GitConflict::DeletedByThem,
        _ => return None,
    })
}

/// What was begun and is not finished.
pub(crate) fn operation(repository: &gix::Repository) -> Option<GitOperation> {
    let folder = repository.git_dir();
    Some(match repository.state()? {
        InProgress::Merge => GitOperation::Merge { message: prepared_message(folder) },
        InProgress::Rebase | InProgress::RebaseInteractive | InProgress::ApplyMailboxRebase => {
            let (done, total) = match folder.join("rebase-merge").is_dir() {
                true => ("rebase-merge/msgnum", "rebase-merge/end"),
                false => ("rebase-apply/next", "rebase-apply/last"),
            };
            GitOperation::Rebase { done: number(&folder.join(done)), total: number(&folder.join(total)) }
        }
        InProgress::CherryPick | InProgress::CherryPickSequence => GitOperation::CherryPick,
        InProgress::Revert | InProgress::RevertSequence => GitOperation::Revert,
        InProgress::Bisect => GitOperation::Bisect,
        InProgress::ApplyMailbox => GitOperation::Mailbox,
    })
}

/// What the other side of the conflicts is called.
fn incoming(repository: &gix::Repository) -> Option<String> {
    let folder = repository.git_dir();
    let commit = |file| Some(start_of(&folder.join(file)).chars().take(SHORT_ID_DIGITS).collect::<String>());
    let named = match repository.state()? {
        InProgress::Merge => merged(&prepared_message(folder)).or_else(|| commit("MERGE_HEAD")),
        InProgress::Rebase | InProgress::RebaseInteractive | InProgress::ApplyMailboxRebase => {
            let heads = ["rebase-merge/head-name", "rebase-apply/head-name"].map(|file| start_of(&folder.join(file)));
            let branch = heads.iter().find_map(|head| head.trim().strip_prefix("refs/heads/"));
            branch.map(str::to_owned).or_else(|| commit("REBASE_HEAD"))
        }
        InProgress::CherryPick | InProgress::CherryPickSequence => commit("CHERRY_PICK_HEAD"),
        InProgress::Revert | InProgress::RevertSequence => commit("REVERT_HEAD"),
        InProgress::Bisect | InProgress::ApplyMailbox => None,
    };
    named.filter(|name| !name.is_empty())
}

/// What a merge takes in, from the message that git prepared for it: `topic`, `main of https://git.example.org/x`.
fn merged(message: &str) -> Option<String> {
    let line = message.lines().next()?.strip_prefix("Merge ")?;
    let (kind, rest) = line.split_once('\'')?;
    let (name, rest) = rest.split_once('\'')?;
    let is_one = ["branch ", "remote-tracking branch ", "tag ", "commit "].contains(&kind);
    let place = rest.strip_prefix(" of ").map(|place| place.split_once(" into ").map_or(place, |(place, _)| place));
    let place = place.map(|place| format!(" of {}", names::without_password(place))).unwrap_or_default();
    is_one.then(|| format!("{name}{place}"))
}

/// The message that git prepared, without its comments.
fn prepared_message(folder: &Path) -> String {
    let text = start_of(&folder.join("MERGE_MSG"));
    let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>();
    lines.join("\n").trim().to_owned()
}

fn number(path: &Path) -> u32 {
    start_of(path).trim().parse().unwrap_or(0)
}

fn start_of(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(MAX_SHOWN_MESSAGE_BYTES as u64).read_to_end(&mut bytes));
    if read.is_ok() { String::from_utf8_lossy(&bytes).into_owned() } else { String::new() }
}

/// The paths that are in conflict.
pub(crate) fn conflicts(output: &[u8]) -> Vec<RelPath> {
    let mut paths: Vec<_> = output
        .split(|byte| *byte == 0)
        .filter_map(|record| record.splitn(2, |byte| *byte == b'\t').nth(1))
        .filter_map(names::path)
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &[u8] =
        b"# branch.oid 12ab\0# branch.head main\0# branch.upstream origin/main\0# branch.ab +2 -3\0# stash 4\0\
        1 M. N... 100644 100644 100644 aa bb z file\0\
        2 R. N... 100644 100644 100644 aa bb R90 new name\0old name\0\
        u UU N... 100644 100644 100644 100644 aa bb cc both\0\
        1 .M SC.. 160000 160000 160000 aa aa sub\0\
        ? dir/unknown\0? nested/\0";

    #[test]
    fn what_is_merged_is_named() {
        let check =
            |message: &str, expected: Option<&str>| assert_eq!(merged(message).as_deref(), expected, "{message}");
        check("Merge branch 'topic'\n\nwhy", Some("topic"));
        check("Merge remote-tracking branch 'origin/topic' into fix", Some("origin/topic"));
        check("Merge tag 'v1.0'", Some("v1.0"));
        check("Merge commit '0123456' into fix", Some("0123456"));
        check("Merge branch 'main' of https://u:secret@h/a into fix", Some("main of https://u@h/a"));
        check("Merge branches 'a' and 'b'", None);
        check("Merge what is not 'quoted'", None);
        check("My own words on 'x'", None);
        check("", None);
    }

    #[test]
    fn records_are_read() {
        let status = parse(OUTPUT, false);
        assert_eq!(status.head.branch.as_deref(), Some("main"));
        assert_eq!((status.head.ahead, status.head.behind, status.stashes), (2, 3, 4));
        let told: Vec<_> =
            status.entries.iter().map(|entry| (entry.path.as_str(), entry.index, entry.work_tree)).collect();
        let unmodified = GitChange::Unmodified;
        let expected = [
            ("both", unmodified, unmodified),
            ("dir/unknown", unmodified, GitChange::Untracked),
            ("nested", unmodified, GitChange::Untracked),
            ("new name", GitChange::Renamed, unmodified),
            ("sub", unmodified, GitChange::Modified),
            ("z file", GitChange::Modified, unmodified),
        ];
        assert_eq!(told, expected);
        assert_eq!(status.entries[0].conflict, Some(GitConflict::BothModified));
        assert_eq!(status.entries[3].from.as_ref().map(RelPath::as_str), Some("old name"));
        assert!(status.entries[4].submodule);
    }

    #[test]
    fn anything_cut_off_or_foreign_never_panics() {
        for end in 0..OUTPUT.len() {
            let status = parse(&OUTPUT[..end], true);
            assert!(status.more);
            parse(&OUTPUT[end..], false);
        }
        assert_eq!(parse(b"1 M. N... \xff\0# branch.ab \0# branch.ab x y\0", false).entries, []);
    }
}
