//! The index, and the files that are brought in line with it.

use coditect_protocol::RelPath;
use coditect_protocol::git::{MAX_PATCH_BYTES, PatchTarget, Side};

use crate::error::GitError;
use crate::names;
use crate::read::conflicts;
use crate::repository;
use crate::work::Work;

/// Paths come over standard input, each with a zero byte behind it.
const FROM_INPUT: [&str; 2] = ["--pathspec-from-file=-", "--pathspec-file-nul"];

pub(super) async fn stage(work: &Work, paths: &[RelPath]) -> Result<(), GitError> {
    // Without a path it would be all of them.
    if paths.is_empty() {
        return Ok(());
    }
    work.git("add").arg("--all").args(FROM_INPUT).stdin(names::list(paths)?).done().await.map(drop)
}

pub(super) async fn unstage(work: &Work, paths: &[RelPath]) -> Result<(), GitError> {
    if paths.is_empty() {
        return Ok(());
    }
    let has_commits = work.read(|repository| Ok(repository::head_id(repository)?.is_some())).await?;
    let call = match has_commits {
        true => work.git("reset").args(["--quiet", "--no-refresh"]),
        false => work.git("rm").args(["--cached", "-r", "--quiet", "--force", "--ignore-unmatch"]),
    };
    call.args(FROM_INPUT).stdin(names::list(paths)?).done().await.map(drop)
}

/// Brings tracked files back to the index, then removes untracked ones. What the repository's rules ignore stays.
pub(super) async fn discard(work: &Work, paths: &[RelPath]) -> Result<(), GitError> {
    for portion in names::portions(paths)? {
        let unmerged =
            work.look("ls-files").args(["--unmerged", "-z", "--"]).args(names::words(portion)).whole().await?;
        let unmerged = conflicts(&unmerged);
        if !unmerged.is_empty() {
            return Err(GitError::Conflict(unmerged));
        }
        let changed = work
            .look("ls-files")
            .args(["--modified", "--deleted", "--deduplicate", "-z", "--"])
            .args(names::words(portion))
            .whole()
            .await?;
        if !changed.is_empty() {
            work.git("restore").arg("--worktree").args(FROM_INPUT).stdin(changed).done().await?;
        }
        work.git("clean").args(["-d", "--force", "--quiet", "--"]).args(names::words(portion)).done().await?;
    }
    Ok(())
}

pub(super) async fn apply(work: &Work, patch: String, target: PatchTarget, reverse: bool) -> Result<(), GitError> {
    if patch.len() > MAX_PATCH_BYTES {
        return Err(GitError::TooLarge { limit: MAX_PATCH_BYTES as u64 });
    }
    if patch.is_empty() {
        return Err(GitError::BadPatch);
    }
    work.git("apply")
        .args(["--whitespace=nowarn", "-p1"])
        .arg_if(target == PatchTarget::Index, "--cached")
        .arg_if(reverse, "--reverse")
        .arg("-")
        .stdin(patch.into_bytes())
        .done()
        .await
        .map(drop)
}

/// Takes one side of each conflict below the paths. Where that side deleted the file, so does this.
pub(super) async fn take_side(work: &Work, paths: &[RelPath], side: Side) -> Result<(), GitError> {
    let (stage, word) = match side {
        Side::Ours => (b'2', "--ours"),
        Side::Theirs => (b'3', "--theirs"),
    };
    for portion in names::portions(paths)? {
        let output = work.look("ls-files").args(["--unmerged", "-z", "--"]).args(names::words(portion)).whole().await?;
        let all = conflicts(&output);
        let kept = conflicts_at(&output, stage);
        let gone: Vec<_> = all.into_iter().filter(|path| !kept.contains(path)).collect();
        if !kept.is_empty() {
            work.git("checkout").arg(word).args(FROM_INPUT).stdin(names::list(&kept)?).done().await?;
            work.git("add").args(FROM_INPUT).stdin(names::list(&kept)?).done().await?;
        }
        if !gone.is_empty() {
            work.git("rm").args(["--quiet", "--force"]).args(FROM_INPUT).stdin(names::list(&gone)?).done().await?;
        }
    }
    Ok(())
}

/// The paths that have a side of that number: `<mode> <id> <stage>\t<path>`.
fn conflicts_at(output: &[u8], stage: u8) -> Vec<RelPath> {
    let records = output.split(|byte| *byte == 0);
    let chosen = records.filter(|record| {
        let facts = record.split(|byte| *byte == b'\t').next().unwrap_or_default();
        facts.last() == Some(&stage)
    });
    conflicts(&chosen.collect::<Vec<_>>().join(&0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_told_apart() {
        let output = b"100644 aa 1\ta b\x00100644 bb 2\ta b\x00100644 cc 3\tc\x00";
        let at = |stage| conflicts_at(output, stage).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(at(b'2'), ["a b"]);
        assert_eq!(at(b'3'), ["c"]);
        assert_eq!(conflicts(output).len(), 2);
    }
}
