//! Names made from what a person gave, and texts without their secrets.

/// Longest name of a workspace's folder, in bytes.
const MAX_FOLDER_NAME_BYTES: usize = 64;
/// Name of a folder whose name has no character that can stand in one.
const FALLBACK_NAME: &str = "workspace";

/// The name of a workspace's folder, made from the workspace's name.
#[must_use]
pub fn folder_name(name: &str) -> String {
    let mut out = String::new();
    for character in name.chars() {
        let kept = if character.is_alphanumeric() || matches!(character, '.' | '_' | '-') { character } else { '-' };
        if out.len() + kept.len_utf8() > MAX_FOLDER_NAME_BYTES {
            break;
        }
        if !(kept == '-' && out.ends_with('-')) {
            out.push(kept);
        }
    }
    let trimmed = out.trim_matches(['-', '.']);
    if trimmed.is_empty() { FALLBACK_NAME.to_owned() } else { trimmed.to_owned() }
}

/// The name of a repository, from its address.
#[must_use]
pub fn repository_name(address: &str) -> String {
    let address = scrub(address);
    let last = address.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    let name: String = last.strip_suffix(".git").unwrap_or(last).chars().filter(|c| !c.is_control()).collect();
    if name.is_empty() { FALLBACK_NAME.to_owned() } else { name }
}

/// A text without the credentials that addresses in it may hold (`scheme://name:secret@host`).
#[must_use]
pub fn scrub(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        out.push_str(before);
        let end = after.find(|c: char| c == '/' || c.is_whitespace() || matches!(c, '\'' | '"')).unwrap_or(after.len());
        let authority = &after[..end];
        out.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_are_plain() {
        let check = |name: &str, expected: &str| assert_eq!(folder_name(name), expected);
        check("My project", "My-project");
        check("../../etc", "etc");
        check("a / b", "a-b");
        check("日本 语", "日本-语");
        check("...", "workspace");
        check("", "workspace");
        check("$(rm -rf ~)`\n", "rm--rf".replace("--", "-").as_str());
        assert!(folder_name(&"ü".repeat(500)).len() <= MAX_FOLDER_NAME_BYTES);
    }

    #[test]
    fn repositories_name_workspaces() {
        let check = |address: &str, expected: &str| assert_eq!(repository_name(address), expected);
        check("https://example.com/a/tool.git", "tool");
        check("https://me:secret@example.com/a/tool/", "tool");
        check("git@example.com:a/tool.git", "tool");
        check("git@example.com:tool", "tool");
        check("/srv/git/tool", "tool");
        check("https://example.com/.git", "workspace");
    }

    #[test]
    fn secrets_are_taken_out() {
        let check = |text: &str, expected: &str| assert_eq!(scrub(text), expected);
        check("fatal: 'https://me:se@cret@h.org/x' not found", "fatal: 'https://h.org/x' not found");
        check("https://token@h.org", "https://h.org");
        check("ssh://git@h.org:22/x and http://u:p@i/y", "ssh://h.org:22/x and http://i/y");
        check("nothing to hide @ here", "nothing to hide @ here");
    }
}
