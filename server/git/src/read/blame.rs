//! Who last changed each line, as `git blame --incremental` finds it.

use coditect_protocol::RelPath;
use coditect_protocol::git::{BlameSpan, GitBlame};
use gix::ObjectId;
use std::collections::HashMap;
use std::str::FromStr as _;

use super::commit;
use crate::error::GitError;
use crate::limits::MAX_MESSAGES_BYTES;
use crate::repository;
use crate::work::Work;

pub(super) async fn blame(work: &Work, path: RelPath, revision: Option<String>) -> Result<GitBlame, GitError> {
    let revision = match revision {
        Some(revision) => Some(super::commit_id(work, &revision).await?),
        None => {
            work.read(|repository| repository::head_id(repository)?.map(|_| ()).ok_or(GitError::NoCommits)).await?;
            None
        }
    };
    let output = work
        .look("blame")
        .args(["--incremental", "--no-textconv"])
        .args(revision)
        .args(["--", path.as_str()])
        .whole()
        .await?;
    work.read(move |repository| tell(repository, &parse(&output))).await
}

/// Lines of one commit; the id is of zeros where they are not committed.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    line: u32,
    lines: u32,
    id: ObjectId,
}

/// Each group begins with `<id> <line there> <line here> <lines>` and ends with `filename`; what stands between is told of the
/// commit itself.
fn parse(output: &[u8]) -> Vec<Found> {
    let mut found: Vec<_> = output
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let mut words = std::str::from_utf8(line).ok()?.split(' ');
            let id = ObjectId::from_str(words.next()?).ok()?;
            let (_, line, lines) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            words.next().is_none().then_some(Found { line, lines, id })
        })
        .collect();
    found.sort_by_key(|found| found.line);
    found
}

fn tell(repository: &gix::Repository, found: &[Found]) -> Result<GitBlame, GitError> {
    let names = commit::Names::new();
    let (mut blame, mut places, mut bytes) = (GitBlame::default(), HashMap::new(), 0);
    for Found { line, lines, id } in found {
        let place = match places.get(id) {
            Some(place) => Some(*place),
            None if id.is_null() => None,
            None => {
                let mut commit = commit::tell(repository, *id, &names)?;
                bytes += commit.message.len();
                if bytes > MAX_MESSAGES_BYTES {
                    commit.message.clone_from(&commit.summary);
                }
                let place = u32::try_from(blame.commits.len()).unwrap_or(u32::MAX);
                blame.commits.push(commit);
                places.insert(*id, place);
                Some(place)
            }
        };
        match blame.spans.last_mut() {
            Some(last) if last.commit == place && last.line + last.lines == *line => last.lines += lines,
            _ => blame.spans.push(BlameSpan { line: *line, lines: *lines, commit: place }),
        }
    }
    Ok(blame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_sorted_by_line() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let output = format!("{two} 1 4 2\nauthor A\nsummary {one} 1 1 1 x\nfilename a\n{one} 9 1 3\nfilename a\n");
        let found = parse(output.as_bytes());
        assert_eq!(found.iter().map(|found| (found.line, found.lines)).collect::<Vec<_>>(), [(1, 3), (4, 2)]);
    }
}
