//! Differences between two versions, as `git` writes them: a patch that is applied again has to be its own, byte for byte.

use coditect_protocol::RelPath;
use coditect_protocol::git::{FileDiff, GitDiff, Version};

use super::status::change;
use crate::error::GitError;
use crate::limits::{MAX_DIFF_BYTES, MAX_DIFF_FILES};
use crate::names;
use crate::patch::{self, Patch, Raw};
use crate::repository;
use crate::work::Work;

/// Most lines around a change.
const MAX_CONTEXT: u32 = 1_000_000;

/// How `git diff` is told what to compare.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    words: Vec<String>,
    /// It compares the other way round.
    reversed: bool,
}

pub(super) async fn diff(
    work: &Work,
    from: &Version,
    to: &Version,
    paths: &[RelPath],
    context: u32,
) -> Result<GitDiff, GitError> {
    if from == to {
        super::check(work).await?;
        return Ok(GitDiff::default());
    }
    let from = tree(work, from).await?;
    let to = tree(work, to).await?;
    let order = order(&from, &to)?;
    let mut diff = GitDiff::default();
    let portions = names::portions(paths)?;
    let portions = if portions.is_empty() { vec![&[][..]] } else { portions };
    for portion in portions {
        let outcome = work
            .look("diff")
            .args(["--raw", "-z", "--patch", "--full-index", "-M", "--no-ext-diff", "--no-textconv", "--no-relative"])
            .args([
                "--src-prefix=a/",
                "--dst-prefix=b/",
                "--submodule=short",
                "--ignore-submodules=dirty",
                "--no-color-moved",
                "--abbrev=40",
            ])
            .arg(format!("--unified={}", context.min(MAX_CONTEXT)))
            .arg_if(order.reversed, "-R")
            .args(&order.words)
            .arg("--")
            .args(names::words(portion))
            .limit(MAX_DIFF_BYTES)
            .done()
            .await?;
        take(&mut diff, &outcome.stdout, outcome.cut);
        if diff.more {
            break;
        }
    }
    diff.files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(diff)
}

/// A version whose revision is the id of a commit or tree.
async fn tree(work: &Work, version: &Version) -> Result<Version, GitError> {
    let version = version.clone();
    work.read(move |repository| {
        Ok(match version {
            Version::Revision(revision) => Version::Revision(repository::commit_id(repository, &revision)?.to_string()),
            Version::Empty => Version::Revision(repository.empty_tree().id().to_string()),
            other => other,
        })
    })
    .await
}

fn order(from: &Version, to: &Version) -> Result<Order, GitError> {
    use Version::{Base, Index, Ours, Revision, Theirs, WorkTree};
    let forwards = |words: &[&str]| Order { words: words.iter().map(ToString::to_string).collect(), reversed: false };
    Ok(match (from, to) {
        (Revision(one), Revision(other)) => forwards(&[one, other]),
        (Revision(one), Index) => forwards(&["--cached", one]),
        (Revision(one), WorkTree) => forwards(&[one]),
        (Index, WorkTree) => forwards(&[]),
        (Base, WorkTree) => forwards(&["--base"]),
        (Ours, WorkTree) => forwards(&["--ours"]),
        (Theirs, WorkTree) => forwards(&["--theirs"]),
        (Index | WorkTree, Revision(_)) | (WorkTree, Index | Base | Ours | Theirs) => {
            Order { reversed: true, ..order(to, from)? }
        }
        _ => return Err(GitError::Versions),
    })
}

/// Brings the records and the patches together: they stand in one order. What became another kind of thing has two patches, for
/// what is gone and what is new; what is in conflict has none.
fn take(diff: &mut GitDiff, output: &[u8], cut: bool) {
    let (records, rest) = patch::raw(output);
    diff.more |= cut;
    let mut patches = patch::patches(rest, cut).into_iter();
    for record in records {
        let count = match record.status {
            b'U' => 0,
            b'T' => 2,
            _ => 1,
        };
        for _ in 0..count {
            let Some(patch) = patches.next() else { break };
            if diff.files.len() == MAX_DIFF_FILES {
                diff.more = true;
                return;
            }
            diff.files.extend(file(&record, patch));
        }
    }
}

fn file(record: &Raw<'_>, patch: Patch) -> Option<FileDiff> {
    let from = match record.from {
        Some(from) => Some(names::path(from)?),
        None => None,
    };
    let Patch { header, hunks, binary, not_utf8 } = patch;
    let (path, change) = (names::path(record.path)?, change(record.status));
    Some(FileDiff { path, from, change, binary, not_utf8, header, hunks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_that_git_knows_is_taken_and_no_other() {
        let words = |from: &Version, to: &Version| order(from, to).map(|order| (order.words.join(" "), order.reversed));
        let commit = Version::Revision("1a".to_owned());
        assert_eq!(words(&commit, &Version::Index), Ok(("--cached 1a".to_owned(), false)));
        assert_eq!(words(&Version::Index, &commit), Ok(("--cached 1a".to_owned(), true)));
        assert_eq!(words(&Version::WorkTree, &Version::Index), Ok((String::new(), true)));
        assert_eq!(words(&Version::Ours, &Version::WorkTree), Ok(("--ours".to_owned(), false)));
        assert_eq!(words(&Version::Ours, &Version::Theirs), Err(GitError::Versions));
        assert_eq!(words(&Version::Index, &Version::Base), Err(GitError::Versions));
    }
}
