//! What was put aside.

use coditect_protocol::git::GitStash;

use crate::error::GitError;
use crate::work::Work;

/// What the newest stands under.
const STASH: &str = "refs/stash";

pub(crate) async fn stashes(work: &Work) -> Result<Vec<GitStash>, GitError> {
    let is_any = work.read(|repository| Ok(repository.try_find_reference(STASH)?.is_some())).await?;
    if !is_any {
        return Ok(Vec::new());
    }
    // As `git stash list` does, which starts another `git` for it.
    let output = work
        .look("log")
        .args(["--walk-reflogs", "--first-parent", "-z", "--format=%ct %gs", "--no-show-signature"])
        .args([STASH, "--"])
        .whole()
        .await?;
    let records = output.split(|byte| *byte == 0).filter(|record| !record.is_empty());
    Ok((0..).zip(records).map(|(index, record)| parse(index, &String::from_utf8_lossy(record))).collect())
}

/// `1700000000 On main: words` or `… WIP on main: 1234567 summary`.
fn parse(index: u32, record: &str) -> GitStash {
    let (time, text) = record.split_once(' ').unwrap_or(("", record));
    let created_at = time.parse::<u64>().unwrap_or(0).saturating_mul(1000);
    let named =
        text.strip_prefix("On ").or_else(|| text.strip_prefix("WIP on ")).and_then(|rest| rest.split_once(": "));
    let (branch, message) = match named {
        Some((branch, message)) => (Some(branch.to_owned()).filter(|branch| branch != "(no branch)"), message),
        None => (None, text),
    };
    GitStash { index, message: message.to_owned(), branch, created_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read() {
        let check = |record: &str, branch: Option<&str>, message: &str| {
            let stash = parse(3, record);
            assert_eq!((stash.branch.as_deref(), stash.message.as_str()), (branch, message));
        };
        check("5 On main: a: b", Some("main"), "a: b");
        check("5 WIP on x/y: 1a2b3c4 last", Some("x/y"), "1a2b3c4 last");
        check("5 On (no branch): c", None, "c");
        check("5 odd", None, "odd");
    }
}
