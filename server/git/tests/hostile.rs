//! Repositories that somebody else prepared: looking at them runs nothing of theirs, and nothing in them makes the program fail.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod common;

use coditect_protocol::RelPath;
use coditect_protocol::git::*;
use common::{Bench, path};
use std::os::unix::fs::PermissionsExt as _;

/// Done to a folder `.git`.
type Damage = fn(&std::path::Path);

/// Everything that only looks.
fn readings() -> Vec<GitRequest> {
    let head = || Version::Revision("HEAD".to_owned());
    vec![
        GitRequest::Repositories,
        GitRequest::Status,
        GitRequest::Content { path: path("a"), version: head() },
        GitRequest::Content { path: path("a"), version: Version::Index },
        GitRequest::Content { path: path("a"), version: Version::WorkTree },
        GitRequest::Diff { from: head(), to: Version::WorkTree, paths: Vec::new(), context: 3 },
        GitRequest::Log(LogRequest::default()),
        GitRequest::Log(LogRequest { path: Some(path("a")), ..LogRequest::default() }),
        GitRequest::CommitDetails { revision: "HEAD".to_owned() },
        GitRequest::Blame { path: path("a"), revision: None },
        GitRequest::Refs,
        GitRequest::Stashes,
        GitRequest::Remotes,
        GitRequest::Identity,
    ]
}

async fn with_a_commit() -> Bench {
    let mut bench = Bench::with_repository().await;
    bench.write("a", "1\n");
    bench.write(".gitattributes", "* diff=spy\n");
    bench.commit("First").await;
    bench.write("a", "2\n");
    bench
}

#[tokio::test]
async fn looking_runs_nothing_that_a_repository_names() {
    let mut bench = with_a_commit().await;
    let spy = Spy::beside(&bench, "cat");
    let (ran, spy) = (spy.ran.clone(), spy.command());
    for key in [
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.askPass",
        "core.sshCommand",
        "diff.external",
        "diff.spy.command",
        "diff.spy.textconv",
        "credential.helper",
        "gpg.program",
        "sequence.editor",
        "pager.log",
        "pager.status",
        "pager.diff",
        "interactive.diffFilter",
    ] {
        bench.git(&["config", key, spy]);
    }
    for alias in ["status", "log", "diff", "blame"] {
        bench.git(&["config", &format!("alias.{alias}"), &format!("!{spy}")]);
    }
    bench.git(&["config", "log.showSignature", "true"]);
    let hooks = bench.folder.path().join("hooks");
    std::fs::create_dir(&hooks).unwrap();
    for hook in ["post-index-change", "reference-transaction", "fsmonitor-watchman", "post-checkout"] {
        std::fs::copy(spy, hooks.join(hook)).unwrap();
    }
    bench.git(&["config", "core.hooksPath", hooks.to_str().unwrap()]);
    let _ = std::fs::remove_file(&ran);
    for request in readings() {
        bench.ok(request).await;
    }
    assert!(!ran.exists(), "{}", std::fs::read_to_string(&ran).unwrap_or_default());
}

/// A program of somebody else's beside the workspace, which notes that it ran.
struct Spy {
    program: std::path::PathBuf,
    ran: std::path::PathBuf,
}

impl Spy {
    fn beside(bench: &Bench, then: &str) -> Self {
        let [program, ran] = ["spy.sh", "ran"].map(|name| bench.folder.path().join(name));
        std::fs::write(&program, format!("#!/bin/sh\necho \"$0 $*\" >> {}\n{then}\n", ran.display())).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { program, ran }
    }

    fn command(&self) -> &str {
        self.program.to_str().unwrap()
    }

    /// Whether `git` itself would have started it now, looking at the repository.
    fn would_run(&self, bench: &Bench, command: &[&str]) {
        let _ = bench.try_git(command);
        assert!(self.ran.exists(), "{command:?} is no test of anything");
        std::fs::remove_file(&self.ran).unwrap();
    }

    #[track_caller]
    fn has_not_run(&self) {
        assert!(!self.ran.exists(), "{}", std::fs::read_to_string(&self.ran).unwrap_or_default());
    }
}

/// Where a repository may name a filter.
#[derive(Debug, Clone, Copy)]
enum Named {
    Config,
    Included,
    Worktree,
    Global,
}

#[tokio::test]
async fn its_streams_are_not_for_others() {
    use std::os::unix::fs::MetadataExt as _;
    let bench = with_a_commit().await;
    // The kernel gives what tells of such a process to nobody but root.
    let facts = std::fs::metadata(format!("/proc/{}/fd", bench.child.id().unwrap())).unwrap();
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    assert_eq!(facts.uid(), 0);
    if own != 0 {
        assert!(std::fs::read_dir(format!("/proc/{}/fd", bench.child.id().unwrap())).is_err());
    }
}

#[tokio::test]
async fn looking_runs_no_filter() {
    for (named, attributes) in [
        (Named::Config, ".gitattributes"),
        (Named::Included, ".git/info/attributes"),
        (Named::Worktree, "others"),
        (Named::Global, ".gitattributes"),
    ] {
        for variable in ["clean", "process"] {
            for name in ["spy", "a.b=c"] {
                let mut bench = with_a_commit().await;
                let spy = Spy::beside(&bench, "cat");
                bench.write(attributes, format!("* filter={name}\n"));
                bench.git(&["config", "core.attributesFile", bench.work().join("others").to_str().unwrap()]);
                let file = bench.folder.path().join(match named {
                    Named::Config => "work/.git/config",
                    Named::Included => "work/.git/more",
                    Named::Worktree => "work/.git/config.worktree",
                    Named::Global => "home/.gitconfig",
                });
                bench.git(&["config", "include.path", "more"]);
                bench.git(&["config", "extensions.worktreeConfig", "true"]);
                for (variable, value) in [(variable, spy.command()), ("smudge", spy.command()), ("required", "true")] {
                    bench.git(&["config", "-f", file.to_str().unwrap(), &format!("filter.{name}.{variable}"), value]);
                }
                spy.would_run(&bench, &["diff"]);
                bench.write("a", "3\n");
                for request in readings() {
                    bench.ok(request).await;
                }
                spy.has_not_run();
                assert!(bench.status().await.entries.iter().any(|entry| entry.path == path("a")), "{named:?}");
            }
        }
    }
}

#[tokio::test]
async fn looking_enters_no_submodule() {
    let mut bench = with_a_commit().await;
    let spy = Spy::beside(&bench, "cat");
    let origin = bench.folder.path().join("inner");
    bench.git(&["clone", "--quiet", ".", origin.to_str().unwrap()]);
    bench.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", origin.to_str().unwrap(), "sub"]);
    bench.commit("Sub").await;
    bench.git(&["config", "diff.submodule", "log"]);
    bench.git(&["config", "status.submoduleSummary", "true"]);
    bench.git(&["config", "submodule.recurse", "true"]);
    bench.git(&["config", "submodule.sub.ignore", "none"]);
    bench.git(&["-C", "sub", "config", "filter.spy.clean", spy.command()]);
    bench.git(&["-C", "sub", "config", "core.fsmonitor", spy.command()]);
    bench.write("sub/.gitattributes", "* filter=spy\n");
    bench.write("sub/a", "changed\n");
    spy.would_run(&bench, &["status"]);
    bench.write("sub/a", "changed again\n");
    for request in readings() {
        bench.ok(request).await;
    }
    spy.has_not_run();
    // Another commit in it is seen all the same.
    bench.git(&["-C", "sub", "config", "--unset", "filter.spy.clean"]);
    bench.git(&["-C", "sub", "-c", "core.fsmonitor=false", "commit", "--quiet", "--all", "-m", "Inner"]);
    let status = bench.status().await;
    assert!(status.entries.iter().any(|entry| entry.path == path("sub") && entry.submodule), "{status:?}");
}

#[tokio::test]
async fn looking_fetches_nothing_that_was_left_out() {
    let mut bench = with_a_commit().await;
    let spy = Spy::beside(&bench, "exit 1");
    bench.git(&["checkout", "--quiet", "a"]);
    for (key, value) in [
        ("remote.origin.url", "ssh://nowhere.invalid/x"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.partialCloneFilter", "blob:none"),
        ("extensions.partialClone", "origin"),
        ("core.sshCommand", spy.command()),
        ("remote.origin.uploadpack", spy.command()),
        ("uploadpack.packObjectsHook", spy.command()),
        ("protocol.ext.allow", "always"),
    ] {
        bench.git(&["config", key, value]);
    }
    let id = bench.git(&["rev-parse", "HEAD:a"]);
    let id = id.trim();
    std::fs::remove_file(bench.work().join(".git/objects").join(&id[..2]).join(&id[2..])).unwrap();
    bench.write("a", "2\n");
    spy.would_run(&bench, &["diff"]);
    for url in ["ssh://nowhere.invalid/x", &format!("ext::{}", spy.command()), "file:///nowhere"] {
        bench.git(&["config", "remote.origin.url", url]);
        for request in readings() {
            if let Err(problem) = bench.call(request).await {
                assert!(problem.code.starts_with("git.") && problem.code != "git.internal", "{problem}");
            }
        }
        spy.has_not_run();
    }
}

#[tokio::test]
async fn another_work_tree_is_not_touched() {
    let mut bench = with_a_commit().await;
    let home = bench.folder.path().join("home");
    std::fs::write(home.join("precious"), "x").unwrap();
    bench.git(&["config", "core.worktree", home.to_str().unwrap()]);
    let all = vec![RelPath::root()];
    for request in [GitRequest::Status, GitRequest::Discard { paths: all.clone() }, GitRequest::Stage { paths: all }] {
        assert_eq!(bench.code(request).await, "git.work_tree_elsewhere");
    }
    assert!(home.join("precious").exists());
}

#[tokio::test]
async fn a_folder_of_git_elsewhere_is_read_like_any_other() {
    let mut bench = with_a_commit().await;
    let elsewhere = bench.folder.path().join("elsewhere");
    std::fs::rename(bench.work().join(".git"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, bench.work().join(".git")).unwrap();
    assert_eq!(bench.status().await.entries.len(), 1);
    std::fs::remove_file(bench.work().join(".git")).unwrap();
    bench.write(".git", "gitdir: ../elsewhere\n");
    assert_eq!(bench.status().await.entries.len(), 1);
    for nonsense in ["gitdir: /nowhere\n", "gitdir: ../../../..\n", "\0\u{ff}", "gitdir: .git\n"] {
        bench.write(".git", nonsense);
        assert!(bench.call(GitRequest::Status).await.is_err(), "{nonsense:?}");
    }
}

#[tokio::test]
async fn damaged_repositories_are_errors_and_nothing_worse() {
    let damages: [(&str, Damage); 6] = [
        ("index", |git| std::fs::write(git.join("index"), b"DIRC\0\0\0\x02\xff\xff\xff\xff").unwrap()),
        ("index", |git| std::fs::write(git.join("index"), vec![0xff; 1 << 20]).unwrap()),
        ("HEAD", |git| std::fs::write(git.join("HEAD"), "ref: refs/heads/../../x\n").unwrap()),
        ("config", |git| std::fs::write(git.join("config"), "[core\n\0").unwrap()),
        ("objects", |git| {
            std::fs::remove_dir_all(git.join("objects"))
                .and_then(|()| std::fs::create_dir(git.join("objects")))
                .unwrap();
        }),
        ("packs", |git| {
            let packs = std::fs::read_dir(git.join("objects/pack")).unwrap().flatten();
            for pack in packs {
                std::fs::set_permissions(pack.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
                let mut bytes = std::fs::read(pack.path()).unwrap();
                let half = bytes.len() / 2;
                bytes[half..].iter_mut().for_each(|byte| *byte ^= 0x5a);
                std::fs::write(pack.path(), bytes).unwrap();
            }
        }),
    ];
    for (name, damage) in damages {
        let mut bench = with_a_commit().await;
        bench.git(&["gc", "--quiet"]);
        damage(&bench.work().join(".git"));
        let mut failed = 0;
        for request in readings() {
            if let Err(problem) = bench.call(request).await {
                assert!(problem.code.starts_with("git.") && problem.code != "git.internal", "{name}: {problem}");
                failed += 1;
            }
        }
        assert!(failed > 0, "{name}");
        assert!(bench.close().await.success(), "{name}");
    }
}

#[tokio::test]
async fn very_much_of_everything_is_bounded() {
    let mut bench = Bench::with_repository().await;
    for n in 0..=MAX_STATUS_ENTRIES {
        bench.write(&format!("many/{n}"), "");
    }
    let status = bench.status().await;
    assert!(status.more && status.entries.len() == MAX_STATUS_ENTRIES);
    bench.write("large", vec![b'x'; 9 << 20]);
    let content = GitRequest::Content { path: path("large"), version: Version::WorkTree };
    assert_eq!(bench.code(content).await, "git.too_large");
    bench.write("many/0", "line\n".repeat(2 << 20));
    bench.git(&["add", "many/0", "many/1"]);
    let from = Version::Empty;
    let diff = GitRequest::Diff { from, to: Version::Index, paths: Vec::new(), context: 3 };
    let GitReply::Diff(diff) = bench.ok(diff).await else { panic!() };
    assert!(diff.more);
    let paths = (0..20_000).map(|n| path(&n.to_string())).collect();
    assert_eq!(bench.code(GitRequest::Stage { paths }).await, "git.too_many_paths");
    let message = "x".repeat(MAX_MESSAGE_BYTES + 1);
    assert_eq!(
        bench.code(GitRequest::Commit(CommitRequest { message, ..CommitRequest::default() })).await,
        "git.too_large"
    );
    let status = std::fs::read_to_string(format!("/proc/{}/status", bench.child.id().unwrap())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    assert!(peak.parse::<u64>().unwrap() < 200 * 1024, "{peak} KiB");
    eprintln!("peak {peak} KiB");
}

#[tokio::test]
async fn no_word_of_a_request_is_an_option() {
    let mut bench = with_a_commit().await;
    bench.write("-n", "x\n");
    bench.write("--force", "x\n");
    bench.ok(GitRequest::Stage { paths: vec![path("-n"), path("--force")] }).await;
    bench.ok(GitRequest::Unstage { paths: vec![path("-n")] }).await;
    bench.ok(GitRequest::Discard { paths: vec![path("-n")] }).await;
    assert!(!bench.work().join("-n").exists() && bench.work().join("--force").exists());
    for word in ["--output=owned", "-O/etc/passwd", "--upload-pack=id", "--exec=id", "-h"] {
        let word = || word.to_owned();
        for request in [
            GitRequest::Switch { to: word(), detach: false },
            GitRequest::Merge { revision: word(), no_fast_forward: false, squash: false },
            GitRequest::Rebase { onto: word() },
            GitRequest::CherryPick { revision: word() },
            GitRequest::CommitDetails { revision: word() },
            GitRequest::Fetch { remote: word(), prune: false },
            GitRequest::Pull { remote: word(), branch: word(), rebase: false },
            GitRequest::Push(PushRequest { remote: word(), branch: word(), ..PushRequest::default() }),
            GitRequest::AddRemote { name: "x".to_owned(), url: word() },
            GitRequest::AddRemote { name: word(), url: "https://h/".to_owned() },
            GitRequest::RemoveRemote { name: word() },
            GitRequest::CreateBranch { name: word(), from: String::new(), switch: false },
            GitRequest::CreateBranch { name: "x".to_owned(), from: word(), switch: true },
            GitRequest::CreateTag { name: "x".to_owned(), at: word(), message: String::new() },
            GitRequest::Diff { from: Version::Revision(word()), to: Version::WorkTree, paths: Vec::new(), context: 0 },
            GitRequest::Blame { path: path("a"), revision: Some(word()) },
            GitRequest::Init { branch: word() },
        ] {
            let shown = format!("{request:?}");
            let code = bench.call(request).await.expect_err(&shown).code;
            assert!(["git.bad_name", "git.bad_revision", "git.bad_url"].contains(&code.as_str()), "{shown}: {code}");
        }
    }
    assert!(!bench.work().join("owned").exists());
}
