//! What went wrong, from how `git` ended. Its messages are read in English, whatever the person's language.

use coditect_protocol::RelPath;

use crate::error::GitError;
use crate::limits::TOLD_LINES;
use crate::names;
use crate::run::Outcome;

/// Exit code by which `git` itself gives up; hooks and "there is nothing to do" end with 1.
const FATAL: i32 = 128;

/// Whether another `git` holds a lock.
pub(crate) fn is_locked(messages: &str) -> bool {
    messages.contains(".lock': File exists") || messages.contains("Another git process seems to be running")
}

/// The error of a command that failed.
pub(crate) fn of(outcome: &Outcome) -> GitError {
    let words = outcome.words();
    if is_locked(&words) {
        return GitError::Locked(locked_file(&words));
    }
    if let Some(paths) = overwritten(&words) {
        return GitError::WouldOverwrite(paths);
    }
    for (needles, make) in TABLE {
        if needles.iter().any(|needle| words.contains(needle)) {
            return make(&words);
        }
    }
    GitError::Failed(told(&words))
}

/// The error of a command that hooks may refuse, which they do with any code but git's own.
pub(crate) fn with_hooks(outcome: &Outcome) -> GitError {
    match of(outcome) {
        GitError::Failed(output) if outcome.code.is_some_and(|code| code != FATAL) => GitError::HookFailed(output),
        error => error,
    }
}

/// The error of a command that speaks with remotes of these hosts.
pub(crate) fn of_remote(outcome: &Outcome, hosts: &[String], given: bool) -> GitError {
    let words = outcome.words();
    let asked =
        ["could not read Username", "could not read Password", "Authentication failed", "terminal prompts disabled"];
    // It names the one that it spoke with; that is believed where it is one of those that it was sent to.
    let named = words.split('\'').filter_map(names::https_host).find(|host| hosts.contains(host));
    let host = || named.or_else(|| hosts.first().cloned()).unwrap_or_else(|| "The remote".to_owned());
    let question = words.lines().find(|line| !line.starts_with("remote:") && asked.iter().any(|it| line.contains(it)));
    if let Some(question) = question {
        // Sent elsewhere, where no login goes: another one for the first site would change nothing.
        let asker = question.split('\'').find_map(names::https_host).filter(|asker| !hosts.contains(asker));
        return match (asker, hosts.is_empty()) {
            (Some(asker), false) => GitError::Redirected { host: host(), asker },
            _ => GitError::AuthNeeded { host: host(), refused: given },
        };
    }
    if words.contains("returned error: 403") {
        return GitError::RemoteForbidden(host());
    }
    of(outcome)
}

type Make = fn(&str) -> GitError;

/// What `git` says, and what it means. The first that fits counts.
const TABLE: &[(&[&str], Make)] = &[
    (&["detected dubious ownership"], |_| GitError::NotTrusted),
    (&["No space left on device", "Disk quota exceeded"], |_| GitError::OutOfSpace),
    (&["not a git repository"], |_| GitError::NotARepository(RelPath::root())),
    (
        &[
            "Please tell me who you are",
            "empty ident name",
            "unable to auto-detect email",
            "no email was given",
            "no name was given",
        ],
        |_| GitError::NoIdentity,
    ),
    (&["failed to sign the data", "gpg failed to sign", "cannot run gpg"], |_| GitError::SigningFailed),
    (&["due to empty commit message", "empty commit message"], |_| GitError::EmptyMessage),
    (
        &[
            "unmerged files",
            "because you have unmerged",
            "needs merge",
            "is unmerged",
            "you need to resolve your current index first",
            "unmerged path",
        ],
        |_| GitError::Conflict(Vec::new()),
    ),
    (
        &[
            "You have not concluded your",
            "is already in progress",
            "in the middle of a",
            "there is already a rebase-",
            "already a rebase",
            "while merging",
            "while rebasing",
        ],
        |_| GitError::InOperation,
    ),
    (
        &[
            "You have unstaged changes",
            "Your index contains uncommitted changes",
            "uncommitted changes",
            "contains modifications",
            "your local changes would be overwritten",
        ],
        |_| GitError::UncommittedChanges,
    ),
    (&["nothing to commit", "no changes added to commit", "nothing added to commit"], |_| GitError::NothingToCommit),
    (&["refusing to merge unrelated histories"], |_| GitError::Unrelated),
    (&["not fully merged"], |words| GitError::NotMerged(quoted(words))),
    (&["used by worktree at", "checked out at", "is already used by"], |words| GitError::BranchInUse(quoted(words))),
    (&["already exists"], |words| GitError::Exists(quoted(words))),
    (&["patch does not apply", "does not match index", "does not exist in index", "patch failed"], |_| {
        GitError::PatchFailed
    }),
    (
        &[
            "corrupt patch",
            "No valid patches",
            "unrecognized input",
            "git diff header",
            "invalid path",
            "is beyond a symbolic link",
        ],
        |_| GitError::BadPatch,
    ),
    (&["ignored by one of your .gitignore"], |words| GitError::Ignored(second_line(words))),
    (&["did not match any file", "no such path", "does not have a commit checked out"], |words| {
        GitError::NoSuchPath(quoted(words))
    }),
    (
        &["is not a valid reference", "log for 'stash' only has", "log for refs/stash only has", "No stash entries"],
        |_| GitError::NoSuchStash,
    ),
    (&["couldn't find remote ref"], |words| GitError::NoSuchRemoteBranch(after(words, "remote ref "))),
    (&["No such remote"], |words| GitError::NoSuchRemote(quoted(words))),
    (&["does not have any commits yet", "Failed to resolve 'HEAD'", "do not have the initial commit yet"], |_| {
        GitError::NoCommits
    }),
    (
        &[
            "unknown revision",
            "bad revision",
            "not a valid object name",
            "invalid reference",
            "Not a valid object",
            "bad object",
        ],
        |words| GitError::BadRevision(quoted(words)),
    ),
    (&["transport '"], |_| GitError::ProtocolRefused),
    (&["Permission denied (", "Permission denied, please try again"], |_| GitError::SshDenied),
    (&["Host key verification failed"], |_| GitError::HostKey),
    (
        &[
            "Could not resolve host",
            "Couldn't connect",
            "Failed to connect",
            "Connection refused",
            "Connection timed out",
            "Connection reset",
            "Could not resolve hostname",
            "Network is unreachable",
            "Operation timed out",
            "Operation too slow",
            "unable to connect",
            "SSL",
            "server certificate",
            "Recv failure",
            "early EOF",
            "the remote end hung up unexpectedly",
        ],
        |words| GitError::Unreachable(told(words)),
    ),
    (&["not found", "does not appear to be a git repository", "does not exist"], |_| GitError::NoSuchRepository),
    (&["Not possible to fast-forward", "divergent branches"], |_| GitError::Diverged),
    (
        &[
            "is corrupt",
            "corrupt loose object",
            "object file",
            "bad signature",
            "index file corrupt",
            "packfile",
            "bad tree",
            "unable to read tree",
            "missing blob",
            "inflate",
        ],
        |words| GitError::Corrupt(told(words)),
    ),
];

/// The last lines, without git's own first words.
pub(crate) fn told(words: &str) -> String {
    let lines: Vec<_> =
        words.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("hint:")).collect();
    let last = &lines[lines.len().saturating_sub(TOLD_LINES)..];
    let text = last.join("\n");
    let text = text.strip_prefix("fatal: ").or_else(|| text.strip_prefix("error: ")).unwrap_or(&text);
    if text.is_empty() { "it gave no reason.".to_owned() } else { scrub(text) }
}

/// The text without passwords in URLs.
fn scrub(text: &str) -> String {
    text.split_inclusive(['\'', '"', ' ', '\n'])
        .map(|word| if word.contains("://") { names::without_password(word) } else { word.to_owned() })
        .collect()
}

/// The first word in quotes of the first line that tells an error.
fn quoted(words: &str) -> String {
    let line = words.lines().find(|line| line.starts_with("fatal:") || line.starts_with("error:")).unwrap_or(words);
    let word = line.split_once('\'').and_then(|(_, rest)| rest.split_once('\'')).map(|(word, _)| word);
    word.unwrap_or_else(|| line.rsplit(' ').next().unwrap_or_default()).trim_end_matches('.').to_owned()
}

fn after(words: &str, needle: &str) -> String {
    let rest = words.split_once(needle).map(|(_, rest)| rest).unwrap_or_default();
    rest.lines().next().unwrap_or_default().trim().to_owned()
}

fn second_line(words: &str) -> String {
    let mut lines = words.lines().skip_while(|line| !line.contains("ignored by one of your"));
    lines.nth(1).unwrap_or("this").trim().to_owned()
}

fn locked_file(words: &str) -> String {
    words
        .split('\'')
        .find(|word| word.ends_with(".lock"))
        .and_then(|path| path.rfind("/.git/").map(|at| path[at + 1..].to_owned()))
        .unwrap_or_else(|| "its lock file in .git".to_owned())
}

/// The files that `git` names as being in the way, each on a line of its own behind a tab.
fn overwritten(words: &str) -> Option<Vec<RelPath>> {
    const HEADS: &[&str] = &[
        "would be overwritten by",
        "would be removed by",
        "would lose untracked files in them",
        "already exists, no checkout",
    ];
    if !HEADS.iter().any(|head| words.contains(head)) {
        return None;
    }
    // Behind the line that says so, and not further: what a stash tells of the state is indented, too.
    let mut is_list = false;
    let listed = words.lines().filter_map(|line| {
        let path = line.strip_prefix('\t').filter(|_| is_list);
        is_list = path.is_some() || HEADS.iter().any(|head| line.contains(head));
        names::path(path?.as_bytes())
    });
    let single =
        words.lines().filter_map(|line| line.strip_prefix("error: ")?.strip_suffix(" already exists, no checkout"));
    let single = single.filter_map(|path| names::path(path.as_bytes()));
    Some(listed.chain(single).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::Coded as _;

    fn outcome(code: i32, messages: &str) -> Outcome {
        Outcome { code: Some(code), stdout: Vec::new(), messages: messages.to_owned(), cut: false }
    }

    #[test]
    fn what_git_says_has_stable_codes() {
        let check = |messages: &str, code: &str| assert_eq!(of(&outcome(128, messages)).code(), code, "{messages}");
        check("fatal: Unable to create '/w/.git/index.lock': File exists.", "git.locked");
        check("error: pathspec 'x' did not match any file(s) known to git", "git.no_such_path");
        check("fatal: a branch named 'x' already exists", "git.exists");
        check("error: the branch 'x' is not fully merged", "git.not_merged");
        check("error: cannot delete branch 'x' used by worktree at '/w'", "git.branch_in_use");
        check("fatal: couldn't find remote ref nope", "git.no_such_remote_branch");
        check("fatal: unable to access 'https://h/': Could not resolve host: h", "git.unreachable");
        check("fatal: transport 'ext' not allowed", "git.protocol_refused");
        check("error: patch failed: a:1\nerror: a: patch does not apply", "git.patch_failed");
        check("fatal: refusing to merge unrelated histories", "git.unrelated");
        check("fatal: something quite new", "git.failed");
    }

    #[test]
    fn files_in_the_way_are_named() {
        let words = "error: Your local changes to the following files would be overwritten by checkout:\n\ta b\n\tä/c\n\
            Please commit your changes or stash them before you switch branches.\nAborting";
        let GitError::WouldOverwrite(paths) = of(&outcome(1, words)) else { panic!("another error") };
        assert_eq!(paths.iter().map(RelPath::as_str).collect::<Vec<_>>(), ["a b", "ä/c"]);
    }

    #[test]
    fn hooks_are_told_from_git_by_the_exit_code() {
        assert_eq!(with_hooks(&outcome(1, "lint: 3 faults")), GitError::HookFailed("lint: 3 faults".to_owned()));
        assert_eq!(with_hooks(&outcome(128, "fatal: odd")), GitError::Failed("odd".to_owned()));
        assert_eq!(with_hooks(&outcome(1, "nothing to commit, working tree clean")), GitError::NothingToCommit);
    }

    #[test]
    fn no_password_of_a_url_is_told() {
        let error = of(&outcome(128, "fatal: strange 'https://ada:secret@h/x' here"));
        assert!(!error.to_string().contains("secret"), "{error}");
        let asked = outcome(128, "fatal: could not read Username for 'https://h:1': terminal prompts disabled");
        let problem = of_remote(&asked, &["first".to_owned(), "h:1".to_owned()], false).problem();
        assert_eq!((problem.code.as_str(), problem.subject.as_deref()), ("git.auth_needed", Some("h:1")));
        let refused = outcome(128, "remote: no\nfatal: Authentication failed for 'https://h:1/a.git/'");
        let problem = of_remote(&refused, &["h:1".to_owned()], true).problem();
        assert_eq!((problem.code.as_str(), problem.subject.as_deref()), ("git.auth_refused", Some("h:1")));
    }

    #[test]
    fn who_asks_for_a_login_after_a_redirection_is_named() {
        let hosts = ["first".to_owned()];
        let asked = "fatal: could not read Username for 'https://h:1': terminal prompts disabled";
        let error = of_remote(&outcome(128, asked), &hosts, false);
        assert_eq!(error, GitError::Redirected { host: "first".to_owned(), asker: "h:1".to_owned() });
        // What the site itself writes names nobody.
        let said = format!("remote: Authentication failed for 'https://evil/'\n{}", asked.replace("h:1", "first"));
        assert_eq!(of_remote(&outcome(128, &said), &hosts, false).code(), "git.auth_needed");
        // A login that could be read on the way is another matter.
        assert_eq!(of_remote(&outcome(128, asked), &[], false).code(), "git.auth_needed");
    }
}
