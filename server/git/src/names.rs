//! Words of a request that stand in a command line of `git`, and what may be one.

use crate::error::GitError;
use crate::limits::{ARGUMENT_BYTES, MAX_PATHS};
use coditect_protocol::RelPath;
use std::net::Ipv6Addr;

/// Longest name or revision, in bytes.
const MAX_NAME_BYTES: usize = 1024;
/// Longest URL, in bytes.
const MAX_URL_BYTES: usize = 4096;

/// A branch's or tag's name: what git takes below `refs/heads/`, and never an option.
pub(crate) fn branch(name: &str) -> Result<&str, GitError> {
    let bad = || GitError::BadName(shown(name));
    if name.starts_with('-') || name.len() > MAX_NAME_BYTES || name == "HEAD" {
        return Err(bad());
    }
    let full = format!("refs/heads/{name}");
    gix::validate::reference::name(full.as_str().into()).map_err(|_| bad())?;
    Ok(name)
}

/// A remote's name.
pub(crate) fn remote(name: &str) -> Result<&str, GitError> {
    let bad = || GitError::BadName(shown(name));
    if name.starts_with('-') || name.len() > MAX_NAME_BYTES {
        return Err(bad());
    }
    let full = format!("refs/remotes/{name}/x");
    gix::validate::reference::name(full.as_str().into()).map_err(|_| bad())?;
    Ok(name)
}

/// A revision that stands alone: no option, no range, no control characters.
pub(crate) fn revision(text: &str) -> Result<&str, GitError> {
    let is_bad = text.is_empty()
        || text.starts_with(['-', '^', ':'])
        || text.len() > MAX_NAME_BYTES
        || text.contains("..")
        || text.chars().any(char::is_control);
    if is_bad { Err(GitError::BadRevision(shown(text))) } else { Ok(text) }
}

/// A remote's URL: no option, no program, nothing that git would run.
pub(crate) fn url(text: &str) -> Result<&str, GitError> {
    let is_bad = text.is_empty()
        || text.starts_with('-')
        || names_a_program(text)
        || text.len() > MAX_URL_BYTES
        || text.chars().any(|c| c.is_control() || c == ' ');
    if is_bad { Err(GitError::BadUrl) } else { Ok(text) }
}

/// Whether a URL could name a program as `ext::…` does. An IPv6 address in brackets does not.
fn names_a_program(url: &str) -> bool {
    let around = url.split_once('[').and_then(|(before, rest)| {
        let (address, after) = rest.split_once(']')?;
        address.parse::<Ipv6Addr>().ok().map(|_| [before, after])
    });
    around.unwrap_or([url, ""]).iter().any(|part| part.contains("::"))
}

/// The URL without the password in it.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// The site of an `https` URL, as `host` or `host:port`; nothing for other URLs.
pub(crate) fn https_host(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.to_ascii_lowercase();
    let host = host.strip_suffix(":443").unwrap_or(&host);
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
    (!host.is_empty() && host.chars().all(allowed)).then(|| host.to_owned())
}

/// The paths as git's command line takes them, the repository's own folder as `.`.
pub(crate) fn words(paths: &[RelPath]) -> impl Iterator<Item = &str> {
    paths.iter().map(|path| if path.is_root() { "." } else { path.as_str() })
}

/// The paths in portions that fit a command line.
pub(crate) fn portions(paths: &[RelPath]) -> Result<Vec<&[RelPath]>, GitError> {
    check_count(paths)?;
    let mut portions = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, path) in paths.iter().enumerate() {
        if bytes > ARGUMENT_BYTES {
            portions.push(&paths[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += path.as_str().len() + 1;
    }
    if start < paths.len() {
        portions.push(&paths[start..]);
    }
    Ok(portions)
}

/// The paths as `--pathspec-from-file=- --pathspec-file-nul` reads them.
pub(crate) fn list(paths: &[RelPath]) -> Result<Vec<u8>, GitError> {
    check_count(paths)?;
    let mut bytes = Vec::new();
    for word in words(paths) {
        bytes.extend_from_slice(word.as_bytes());
        bytes.push(0);
    }
    Ok(bytes)
}

const fn check_count(paths: &[RelPath]) -> Result<(), GitError> {
    if paths.len() > MAX_PATHS { Err(GitError::TooManyPaths { limit: MAX_PATHS }) } else { Ok(()) }
}

/// A path that git wrote. Names that are not UTF-8 cannot cross the wire and are left out.
pub(crate) fn path(bytes: &[u8]) -> Option<RelPath> {
    std::str::from_utf8(bytes).ok().and_then(|text| RelPath::parse(text).ok()).filter(|path| !path.is_root())
}

/// A request's word as a message may tell it.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_git_could_misread_are_refused() {
        for good in ["main", "feature/x", "ä", "v1.0"] {
            assert!(branch(good).is_ok() && revision(good).is_ok(), "{good}");
        }
        for bad in
            ["", "-d", "--force", "a..b", "a b", "a~1", "x.lock", "a\nb", "@{", "HEAD", "/x", "x/", &"x".repeat(2000)]
        {
            assert!(branch(bad).is_err(), "{bad}");
        }
        for bad in ["", "-n", "--all", "a..b", "^a", ":x", "a\0b"] {
            assert!(revision(bad).is_err(), "{bad}");
        }
        for good in ["HEAD~2", "main@{1}", "v1^{commit}"] {
            assert!(revision(good).is_ok(), "{good}");
        }
        for bad in ["-x", "a b", "../x", "", "a~"] {
            assert!(remote(bad).is_err(), "{bad}");
        }
        for bad in [
            "",
            "--upload-pack=x",
            "ext::sh -c x",
            "fd::7",
            "ext::sh%20[::1]",
            "[::1]::x",
            "https://[x::y]/",
            "https://x/\n",
            "https://a b",
        ] {
            assert_eq!(url(bad), Err(GitError::BadUrl), "{bad}");
        }
        for good in
            ["https://git.example.org/a.git", "git@example.org:a/b", "https://[::1]:8443/a", "git@[2001:db8::1]:a"]
        {
            assert!(url(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn hosts_are_those_that_git_connects_with() {
        let check = |url: &str, host: Option<&str>| assert_eq!(https_host(url).as_deref(), host, "{url}");
        check("https://Git.Example.org/a", Some("git.example.org"));
        check("https://u:p@h:8443/a", Some("h:8443"));
        check("https://h:443", Some("h"));
        check("https://good.example@evil.example/", Some("evil.example"));
        check("https://a/b@c", Some("a"));
        check("HTTPS://[::1]:9/x", Some("[::1]:9"));
        check("http://h/a", None);
        check("ssh://h/a", None);
        check("h:a", None);
        check("https:///a", None);
        check("https://h\\.evil/", None);
    }

    #[test]
    fn passwords_are_not_told() {
        let check = |url: &str, expected: &str| assert_eq!(without_password(url), expected);
        check("https://u:secret@h/a", "https://u@h/a");
        check("https://u:se@cret@h/a?x@y", "https://u@h/a?x@y");
        check("https://h/a@b", "https://h/a@b");
        check("git@h:a", "git@h:a");
    }

    #[test]
    fn many_paths_are_cut_into_portions() {
        let paths: Vec<_> = (0..5000).map(|n| RelPath::parse(&format!("{n}/{}", "x".repeat(200))).unwrap()).collect();
        let portions = portions(&paths).unwrap();
        assert!(portions.len() > 1);
        assert_eq!(portions.concat(), paths);
        assert!(list(&vec![RelPath::root(); MAX_PATHS + 1]).is_err());
        assert_eq!(list(&[RelPath::root()]).unwrap(), b".\0");
    }
}
