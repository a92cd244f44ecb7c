//! Who commits.

use coditect_protocol::git::GitIdentity;

use crate::error::GitError;
use crate::work::Work;

/// Longest name or address, in bytes.
const MAX_BYTES: usize = 500;

/// The name and address that a commit would have; nothing where git knows none.
pub(crate) async fn identity(work: &Work) -> Result<Option<GitIdentity>, GitError> {
    let outcome = work.look("var").arg("GIT_AUTHOR_IDENT").run().await?;
    Ok(if outcome.ok() { parse(&String::from_utf8_lossy(&outcome.stdout)) } else { None })
}

/// Fails where git does not know who commits, before anything is begun that would stop half done for it: who then says it is who
/// has the same request carried out again, and a commit would be skipped twice.
pub(super) async fn required(work: &Work) -> Result<(), GitError> {
    identity(work).await?.map(drop).ok_or(GitError::NoIdentity)
}

/// `Ada Lovelace <ada@example.org> 1700000000 +0100`.
fn parse(text: &str) -> Option<GitIdentity> {
    let (name, rest) = text.split_once(" <")?;
    let (email, _) = rest.rsplit_once('>')?;
    Some(GitIdentity { name: name.to_owned(), email: email.to_owned() })
}

pub(super) async fn set(work: &Work, identity: &GitIdentity, local: bool) -> Result<(), GitError> {
    let place = if local { "--local" } else { "--global" };
    for text in [&identity.name, &identity.email] {
        let is_bad = text.trim().is_empty()
            || text.len() > MAX_BYTES
            || text.contains(['<', '>'])
            || text.chars().any(char::is_control);
        if is_bad {
            return Err(GitError::BadName(crate::names::shown(text)));
        }
    }
    for (key, value) in [("user.name", &identity.name), ("user.email", &identity.email)] {
        work.git("config").args([place, "--replace-all", key, value.trim()]).done().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spaces_are_read() {
        let identity = parse("Ada Lovelace <ada@example.org> 1700000000 +0100").unwrap();
        assert_eq!((identity.name.as_str(), identity.email.as_str()), ("Ada Lovelace", "ada@example.org"));
        assert_eq!(parse("nothing"), None);
    }
}
