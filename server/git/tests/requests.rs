//! Every request, on real repositories.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod common;

use coditect_protocol::RelPath;
use coditect_protocol::git::*;
use common::{Bench, path, paths};

fn told(status: &GitStatus) -> Vec<(&str, GitChange, GitChange)> {
    status.entries.iter().map(|entry| (entry.path.as_str(), entry.index, entry.work_tree)).collect()
}

fn message(text: &str) -> GitRequest {
    GitRequest::Commit(CommitRequest { message: text.to_owned(), ..CommitRequest::default() })
}

fn switch(to: &str) -> GitRequest {
    GitRequest::Switch { to: to.to_owned(), detach: false }
}

fn branch(name: &str, switch: bool) -> GitRequest {
    GitRequest::CreateBranch { name: name.to_owned(), from: String::new(), switch }
}

fn merge(revision: &str) -> GitRequest {
    GitRequest::Merge { revision: revision.to_owned(), no_fast_forward: false, squash: false }
}

async fn diff(bench: &mut Bench, from: Version, to: Version, context: u32) -> GitDiff {
    match bench.ok(GitRequest::Diff { from, to, paths: Vec::new(), context }).await {
        GitReply::Diff(diff) => diff,
        other => panic!("{other:?}"),
    }
}

async fn content(bench: &mut Bench, name: &str, version: Version) -> Option<Vec<u8>> {
    match bench.ok(GitRequest::Content { path: path(name), version }).await {
        GitReply::Content(content) => content.map(serde_bytes::ByteBuf::into_vec),
        other => panic!("{other:?}"),
    }
}

fn head() -> Version {
    Version::Revision("HEAD".to_owned())
}

#[tokio::test]
async fn from_an_empty_folder_to_a_commit_and_back() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(GitRequest::Status).await, "git.not_a_repository");
    bench.ok(GitRequest::Init { branch: "trunk".to_owned() }).await;
    assert_eq!(bench.status().await.head.branch.as_deref(), Some("trunk"));
    assert_eq!(bench.ok(GitRequest::Log(LogRequest::default())).await, GitReply::Log(GitLog::default()));
    bench.write("a b.txt", "one\n");
    bench.write("-rf", "odd\n");
    bench.ok(GitRequest::Stage { paths: paths(&["a b.txt", "-rf"]) }).await;
    bench.ok(GitRequest::Unstage { paths: paths(&["-rf"]) }).await;
    let status = bench.status().await;
    let expected =
        [("-rf", GitChange::Unmodified, GitChange::Untracked), ("a b.txt", GitChange::Added, GitChange::Unmodified)];
    assert_eq!(told(&status), expected);
    let GitReply::Committed(id) = bench.ok(message("First\n\n# not a comment")).await else { panic!() };
    assert_eq!(bench.git(&["rev-parse", "HEAD"]).trim(), id);
    assert!(bench.git(&["log", "-1", "--format=%B"]).contains("# not a comment"));
    assert_eq!(bench.code(message("Again")).await, "git.nothing_to_commit");
    assert_eq!(bench.code(message("  ")).await, "git.empty_message");
    bench.ok(GitRequest::UndoCommit).await;
    assert_eq!(bench.code(GitRequest::UndoCommit).await, "git.no_commits");
    assert_eq!(told(&bench.status().await)[1].1, GitChange::Added);
    bench.ok(GitRequest::Discard { paths: paths(&["-rf"]) }).await;
    assert!(!bench.work().join("-rf").exists());
    assert_eq!(bench.code(GitRequest::Stage { paths: paths(&["nowhere"]) }).await, "git.no_such_path");
}

#[tokio::test]
async fn contents_differences_and_parts_of_them() {
    let mut bench = Bench::with_repository().await;
    let lines: String = (1..=30).map(|n| format!("{n}\n")).collect();
    bench.write("x/ä file", &lines);
    bench.commit("First").await;
    let changed = lines.replace("2\n3\n", "2\nnew\n3\n").replace("29\n", "twenty-nine\n");
    bench.write("x/ä file", &changed);
    let both = diff(&mut bench, Version::Index, Version::WorkTree, 3).await;
    let file = &both.files[0];
    assert_eq!((file.path.as_str(), file.hunks.len(), file.change), ("x/ä file", 2, GitChange::Modified));
    // One hunk alone is staged, then taken back.
    let patch = format!("{}{}", file.header, file.hunks[0].text);
    let apply = |reverse, target| GitRequest::Apply { patch: patch.clone(), target, reverse };
    bench.ok(apply(false, PatchTarget::Index)).await;
    let staged = content(&mut bench, "x/ä file", Version::Index).await.unwrap();
    assert!(String::from_utf8_lossy(&staged).contains("new") && !String::from_utf8_lossy(&staged).contains("twenty"));
    assert_eq!(diff(&mut bench, head(), Version::Index, 0).await.files[0].hunks.len(), 1);
    assert_eq!(bench.code(apply(false, PatchTarget::Index)).await, "git.patch_failed");
    bench.ok(apply(true, PatchTarget::Index)).await;
    bench.ok(apply(true, PatchTarget::WorkTree)).await;
    assert_eq!(content(&mut bench, "x/ä file", Version::Index).await.unwrap(), lines.as_bytes());
    assert_eq!(content(&mut bench, "x/ä file", head()).await.unwrap(), lines.as_bytes());
    assert_eq!(content(&mut bench, "none", head()).await, None);
    assert_eq!(content(&mut bench, "x", head()).await, None);
    let backwards = diff(&mut bench, Version::WorkTree, head(), 1).await;
    assert!(backwards.files[0].hunks.iter().any(|hunk| hunk.text.contains("+29")));
    let all = diff(&mut bench, Version::Empty, head(), 3).await;
    assert_eq!(all.files[0].change, GitChange::Added);
    let odd = GitRequest::Apply { patch: "nonsense".to_owned(), target: PatchTarget::Index, reverse: false };
    assert_eq!(bench.code(odd).await, "git.bad_patch");
    let escape = "--- a/../../out\n+++ b/../../out\n@@ -0,0 +1 @@\n+x\n".to_owned();
    let escape = GitRequest::Apply { patch: escape, target: PatchTarget::WorkTree, reverse: false };
    assert!(bench.call(escape).await.is_err() && !bench.folder.path().join("out").exists());
    bench.ok(GitRequest::Discard { paths: vec![RelPath::root()] }).await;
    assert!(bench.status().await.entries.is_empty());
}

#[tokio::test]
async fn branches_and_tags() {
    let mut bench = Bench::with_repository().await;
    bench.write("a", "1\n");
    let first = bench.commit("First").await;
    bench.ok(branch("side/one", true)).await;
    bench.write("a", "2\n");
    let second = bench.commit("Second").await;
    assert_eq!(bench.code(branch("side/one", false)).await, "git.exists");
    assert_eq!(bench.code(branch("--bad", false)).await, "git.bad_name");
    bench.write("a", "3\n");
    let problem = bench.call(switch("main")).await.unwrap_err();
    assert_eq!(problem.code, "git.would_overwrite");
    assert!(problem.message.contains("overwrite a;"), "{problem}");
    bench.ok(GitRequest::Discard { paths: paths(&["a"]) }).await;
    bench.ok(switch("main")).await;
    let delete = |name: &str, force| GitRequest::DeleteBranch { name: name.to_owned(), force };
    assert_eq!(bench.code(delete("side/one", false)).await, "git.not_merged");
    assert_eq!(bench.code(delete("main", false)).await, "git.branch_in_use");
    bench.ok(GitRequest::RenameBranch { name: "side/one".to_owned(), new_name: "two".to_owned() }).await;
    let tag = |message: &str| GitRequest::CreateTag {
        name: "v1".to_owned(),
        at: "two".to_owned(),
        message: message.to_owned(),
    };
    bench.ok(tag("Words")).await;
    assert_eq!(bench.code(tag("")).await, "git.exists");
    let GitReply::Refs(refs) = bench.ok(GitRequest::Refs).await else { panic!() };
    let names: Vec<_> = refs.branches.iter().map(|branch| (branch.name.as_str(), branch.current)).collect();
    assert_eq!((names.len(), names.contains(&("main", true))), (2, true));
    assert_eq!(refs.tags, [GitTag { name: "v1".to_owned(), commit: second.clone() }]);
    bench.ok(GitRequest::Switch { to: "v1".to_owned(), detach: false }).await;
    let status = bench.status().await;
    assert_eq!((status.head.branch, status.head.commit), (None, Some(second)));
    bench.ok(switch("main")).await;
    bench.ok(delete("two", true)).await;
    bench.ok(GitRequest::DeleteTag { name: "v1".to_owned() }).await;
    assert_eq!(bench.code(GitRequest::DeleteTag { name: "v1".to_owned() }).await, "git.bad_revision");
    assert_eq!(bench.code(switch("nowhere")).await, "git.bad_revision");
    assert_eq!(bench.code(delete("nowhere", true)).await, "git.bad_revision");
    assert_eq!(bench.status().await.head.commit, Some(first));
}

/// Two branches that changed the same line.
async fn in_conflict() -> Bench {
    let mut bench = Bench::with_repository().await;
    bench.write("a", "base\n");
    bench.write("gone", "base\n");
    bench.commit("Base").await;
    bench.ok(branch("side", true)).await;
    bench.write("a", "theirs\n");
    std::fs::remove_file(bench.work().join("gone")).unwrap();
    bench.commit("Theirs").await;
    bench.ok(switch("main")).await;
    bench.write("a", "ours\n");
    bench.write("gone", "ours\n");
    bench.commit("Ours").await;
    bench
}

#[tokio::test]
async fn conflicts_of_a_merge_are_solved() {
    let mut bench = in_conflict().await;
    let conflicts = GitReply::Integrated(Integration::Conflicts { paths: paths(&["a", "gone"]) });
    assert_eq!(bench.ok(merge("side")).await, conflicts);
    let status = bench.status().await;
    assert!(matches!(&status.operation, Some(GitOperation::Merge { message }) if message == "Merge branch 'side'"));
    assert_eq!(status.incoming.as_deref(), Some("side"));
    assert_eq!(status.entries[0].conflict, Some(GitConflict::BothModified));
    assert_eq!(status.entries[1].conflict, Some(GitConflict::DeletedByThem));
    for (version, expected) in [(Version::Base, "base\n"), (Version::Ours, "ours\n"), (Version::Theirs, "theirs\n")] {
        assert_eq!(content(&mut bench, "a", version).await.unwrap(), expected.as_bytes());
    }
    assert_eq!(bench.code(message("No")).await, "git.conflict");
    assert_eq!(bench.ok(GitRequest::ContinueOperation).await, conflicts);
    assert_eq!(bench.code(GitRequest::Discard { paths: paths(&["a"]) }).await, "git.conflict");
    bench.ok(GitRequest::TakeSide { paths: vec![RelPath::root()], side: Side::Theirs }).await;
    assert_eq!(bench.content("a"), "theirs\n");
    assert!(!bench.work().join("gone").exists());
    assert_eq!(bench.ok(GitRequest::ContinueOperation).await, GitReply::Integrated(Integration::Complete));
    assert_eq!(bench.git(&["log", "-1", "--format=%s %P"]).split(' ').count(), 5);
    assert_eq!(bench.ok(merge("side")).await, GitReply::Integrated(Integration::UpToDate));
    assert_eq!(bench.code(GitRequest::AbortOperation).await, "git.no_operation");
}

#[tokio::test]
async fn what_stopped_is_aborted() {
    let mut bench = in_conflict().await;
    let before = bench.status().await.head.commit;
    let side = || "side".to_owned();
    let squash = GitRequest::Merge { revision: side(), no_fast_forward: false, squash: true };
    let requests = [
        merge("side"),
        squash,
        GitRequest::Rebase { onto: side() },
        GitRequest::CherryPick { revision: side() },
        GitRequest::Revert { revision: "HEAD~1".to_owned() },
    ];
    for request in requests {
        let shown = format!("{request:?}");
        let ended = bench.ok(request).await;
        assert!(matches!(ended, GitReply::Integrated(Integration::Conflicts { .. })), "{shown}: {ended:?}");
        let status = bench.status().await;
        assert_eq!(status.incoming.is_some(), status.operation.is_some(), "{shown}");
        bench.ok(GitRequest::AbortOperation).await;
        let status = bench.status().await;
        assert_eq!(
            (status.head.commit.clone(), status.operation, status.entries.len()),
            (before.clone(), None, 0),
            "{shown}"
        );
    }
    assert_eq!(
        bench.ok(GitRequest::Rebase { onto: side() }).await,
        GitReply::Integrated(Integration::Conflicts { paths: paths(&["a", "gone"]) })
    );
    let status = bench.status().await;
    assert!(matches!(status.operation, Some(GitOperation::Rebase { done: 1, total: 1 })));
    // What is put onto the other branch comes in.
    assert_eq!(status.incoming.as_deref(), Some("main"));
    assert_eq!(bench.ok(GitRequest::SkipCommit).await, GitReply::Integrated(Integration::Complete));
    assert_eq!(bench.content("a"), "theirs\n");
}

#[tokio::test]
async fn commits_are_taken_over_and_back() {
    let mut bench = Bench::with_repository().await;
    bench.write("a", "1\n");
    bench.commit("First").await;
    bench.ok(branch("side", true)).await;
    bench.write("b", "2\n");
    let second = bench.commit("Second").await;
    bench.ok(switch("main")).await;
    let pick = || GitRequest::CherryPick { revision: second.clone() };
    assert_eq!(bench.ok(pick()).await, GitReply::Integrated(Integration::Complete));
    assert_eq!(bench.ok(pick()).await, GitReply::Integrated(Integration::UpToDate));
    assert_eq!(bench.status().await.operation, None);
    let revert = GitRequest::Revert { revision: "HEAD".to_owned() };
    assert_eq!(bench.ok(revert).await, GitReply::Integrated(Integration::Complete));
    assert!(!bench.work().join("b").exists());
    assert_eq!(
        bench.ok(GitRequest::Rebase { onto: "HEAD~1".to_owned() }).await,
        GitReply::Integrated(Integration::UpToDate)
    );
    bench.write("a", "dirty\n");
    assert_eq!(bench.code(GitRequest::Rebase { onto: "side".to_owned() }).await, "git.uncommitted_changes");
}

#[tokio::test]
async fn changes_are_put_aside() {
    let mut bench = Bench::with_repository().await;
    let stash = |message: &str| GitRequest::Stash { message: message.to_owned(), untracked: true, keep_index: false };
    bench.write("a", "1\n");
    assert_eq!(bench.code(stash("")).await, "git.no_commits");
    bench.commit("First").await;
    assert_eq!(bench.code(stash("")).await, "git.nothing_to_stash");
    bench.write("a", "2\n");
    bench.write("new", "2\n");
    bench.ok(stash("some: words")).await;
    assert!(!bench.work().join("new").exists());
    let GitReply::Stashes(list) = bench.ok(GitRequest::Stashes).await else { panic!() };
    assert_eq!((list[0].message.as_str(), list[0].branch.as_deref(), list[0].index), ("some: words", Some("main"), 0));
    assert_eq!(bench.status().await.stashes, 1);
    bench.write("a", "in the way\n");
    assert_eq!(bench.code(GitRequest::ApplyStash { index: 0, pop: true }).await, "git.would_overwrite");
    let _ = std::fs::remove_file(bench.work().join("new"));
    bench.commit("Other").await;
    let conflict = GitReply::Integrated(Integration::Conflicts { paths: paths(&["a"]) });
    assert_eq!(bench.ok(GitRequest::ApplyStash { index: 0, pop: true }).await, conflict);
    bench.ok(GitRequest::AbortOperation).await;
    assert_eq!(bench.code(GitRequest::DropStash { index: 7 }).await, "git.no_such_stash");
    bench.ok(GitRequest::DropStash { index: 0 }).await;
    assert_eq!(bench.ok(GitRequest::Stashes).await, GitReply::Stashes(Vec::new()));
}

#[tokio::test]
async fn who_commits_and_what_hooks_say() {
    let mut bench = Bench::with_repository().await;
    let ada = GitIdentity { name: "Ada".to_owned(), email: "ada@example.org".to_owned() };
    assert_eq!(bench.ok(GitRequest::Identity).await, GitReply::Identity(Some(ada)));
    std::fs::remove_file(bench.folder.path().join("home/.gitconfig")).unwrap();
    assert_eq!(bench.ok(GitRequest::Identity).await, GitReply::Identity(None));
    bench.write("a", "1\n");
    bench.ok(GitRequest::Stage { paths: paths(&["a"]) }).await;
    assert_eq!(bench.code(message("x")).await, "git.no_identity");
    let identity = GitIdentity { name: "B. O'B ö".to_owned(), email: "b@example.org".to_owned() };
    bench.ok(GitRequest::SetIdentity { identity: identity.clone(), local: false }).await;
    assert_eq!(bench.ok(GitRequest::Identity).await, GitReply::Identity(Some(identity)));
    let odd = GitIdentity { name: "x\n[core]".to_owned(), email: "b".to_owned() };
    assert_eq!(bench.code(GitRequest::SetIdentity { identity: odd, local: true }).await, "git.bad_name");
    bench.write(".git/hooks/pre-commit", "#!/bin/sh\necho 'lint: no'\nexit 3\n");
    bench.git(&["config", "core.filemode", "true"]);
    make_executable(&bench.work().join(".git/hooks/pre-commit"));
    let problem = bench.call(message("x")).await.unwrap_err();
    assert!(problem.code == "git.hook_failed" && problem.message.contains("lint: no"), "{problem}");
    let past = CommitRequest { message: "x".to_owned(), no_verify: true, sign_off: true, ..CommitRequest::default() };
    bench.ok(GitRequest::Commit(past)).await;
    let amend = CommitRequest { amend: true, no_verify: true, ..CommitRequest::default() };
    bench.ok(GitRequest::Commit(amend)).await;
    assert!(bench.git(&["log", "-1", "--format=%B"]).contains("Signed-off-by: B. O'B ö <b@example.org>"));
}

#[tokio::test]
async fn nothing_stops_half_done_for_want_of_a_name() {
    let mut bench = Bench::with_repository().await;
    bench.write("a", "1\n");
    bench.commit("First").await;
    bench.git(&["switch", "--quiet", "--create", "series"]);
    bench.write("a", "series\n");
    bench.commit("One").await;
    bench.write("b", "2\n");
    bench.commit("Two").await;
    bench.git(&["switch", "--quiet", "main"]);
    bench.write("a", "main\n");
    bench.commit("Main").await;
    bench.git(&["switch", "--quiet", "series"]);
    let conflict = GitReply::Integrated(Integration::Conflicts { paths: paths(&["a"]) });
    assert_eq!(bench.ok(GitRequest::Rebase { onto: "main".to_owned() }).await, conflict);
    let (config, aside) = (bench.folder.path().join("home/.gitconfig"), bench.folder.path().join("aside"));
    std::fs::rename(&config, &aside).unwrap();
    // Else it would begin with the next commit, and the same request once more would skip that one, too.
    assert_eq!(bench.code(GitRequest::SkipCommit).await, "git.no_identity");
    assert_eq!(bench.status().await.operation, Some(GitOperation::Rebase { done: 1, total: 2 }));
    std::fs::rename(&aside, &config).unwrap();
    assert_eq!(bench.ok(GitRequest::SkipCommit).await, GitReply::Integrated(Integration::Complete));
    assert_eq!(bench.content("b"), "2\n");
}

fn make_executable(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_request_is_cancelled_with_all_that_it_started() {
    let mut bench = Bench::with_repository().await;
    bench.write("a", "1\n");
    bench.ok(GitRequest::Stage { paths: paths(&["a"]) }).await;
    bench.write(".git/hooks/pre-commit", "#!/bin/sh\necho $$ > pid\necho started >&2\nsleep 600\n");
    make_executable(&bench.work().join(".git/hooks/pre-commit"));
    let id = bench.start("", message("x")).await;
    bench.progressed().await;
    // Others are answered meanwhile.
    assert!(matches!(bench.call(GitRequest::Refs).await, Ok(GitReply::Refs(_))));
    bench.send(&coditect_git::wire::ToHelper::Cancel { id }).await;
    let (ended, result) = bench.ended().await;
    assert_eq!((ended, result.unwrap_err().code.as_str()), (id, "call.cancelled"));
    let hook = bench.content("pid");
    // Whoever takes over its children may not have looked after it yet.
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", hook.trim())).unwrap_or_default();
    while !(state().is_empty() || state().contains(") Z ") || state().contains(") X ")) {
        tokio::task::yield_now().await;
    }
    assert!(!bench.work().join(".git/index.lock").exists());
    assert!(bench.close().await.success());
}

#[tokio::test]
async fn repositories_are_found_below_the_workspace() {
    let mut bench = Bench::with_repository().await;
    for folder in ["x/one", "two", "node_modules/no", "x/one/deep"] {
        std::fs::create_dir_all(bench.work().join(folder)).unwrap();
        bench.git(&["init", "-q", folder]);
    }
    std::os::unix::fs::symlink("two", bench.work().join("link")).unwrap();
    std::fs::create_dir_all(bench.work().join("fake/.git")).unwrap();
    let expected = paths(&["", "two", "x/one", "x/one/deep"]);
    assert_eq!(bench.ok(GitRequest::Repositories).await, GitReply::Repositories(expected));
    assert_eq!(bench.call_in("x/one/none", GitRequest::Status).await.unwrap_err().code, "git.not_a_repository");
    assert_eq!(bench.call_in("x", GitRequest::Status).await.unwrap_err().code, "git.not_a_repository");
    assert_eq!(bench.call_in("fake", GitRequest::Status).await.unwrap_err().code, "git.not_a_repository");
    assert!(bench.call_in("x/one", GitRequest::Status).await.is_ok());
}
