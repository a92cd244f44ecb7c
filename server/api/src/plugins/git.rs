//! Looking at the repository at the workspace's root, in the person's sandbox.

use async_trait::async_trait;
use coditect_plugin_host::ports::{Answer, Change, ChangeState, Commit, Git, Refused, WorkTree};
use coditect_protocol::RelPath;
use coditect_protocol::git::{
    GitChange, GitCommit, GitDiff, GitEntry, GitReply, GitRequest, GitStatus, LogRequest, MAX_LOG_COMMITS, Version,
};
use coditect_protocol::workspace::WorkspaceRole;
use tokio::sync::mpsc;

use super::Place;
use super::refused::refused;

/// Lines around each change of a patch, as git has them.
const CONTEXT_LINES: u32 = 3;

/// See the module.
pub(super) struct WorkspaceGit(pub(super) Place);

impl WorkspaceGit {
    async fn ask(&self, request: GitRequest) -> Answer<GitReply> {
        let Place { user, workspace, features, .. } = &self.0;
        // Whatever is asked here changes nothing; a request that did would be refused a person who may only look, too.
        let access = features.workspaces.access(*user, *workspace, WorkspaceRole::Read).await;
        let access = access.map_err(|error| refused(&error))?;
        // Nobody follows how far it is.
        let (progress, _) = mpsc::channel(1);
        let asked = features.git.run(&access, RelPath::root(), request, progress).await;
        asked.map_err(|error| refused(&error))?.map_err(|problem| Refused::Failed(problem.message))
    }
}

fn unexpected<T>() -> Answer<T> {
    Err(Refused::Failed("Git answered something else than it was asked for.".to_owned()))
}

fn state_of(change: GitChange) -> Option<ChangeState> {
    match change {
        GitChange::Unmodified => None,
        GitChange::Added | GitChange::Copied => Some(ChangeState::Added),
        GitChange::Modified | GitChange::TypeChanged => Some(ChangeState::Modified),
        GitChange::Deleted => Some(ChangeState::Deleted),
        GitChange::Renamed => Some(ChangeState::Renamed),
        GitChange::Untracked => Some(ChangeState::Untracked),
    }
}

/// What changed of a path: in the index, below it, or in conflict.
fn changes_of(entry: &GitEntry) -> impl Iterator<Item = Change> {
    let path = entry.path.as_str().to_owned();
    let sides = match entry.conflict {
        Some(_) => [Some((ChangeState::Conflicted, false)), None],
        None => {
            [state_of(entry.index).map(|state| (state, true)), state_of(entry.work_tree).map(|state| (state, false))]
        }
    };
    sides.into_iter().flatten().map(move |(state, is_staged)| Change { path: path.clone(), state, is_staged })
}

fn work_tree(status: GitStatus) -> WorkTree {
    WorkTree { branch: status.head.branch, changes: status.entries.iter().flat_map(changes_of).collect() }
}

/// One patch of all files, up to so many bytes.
fn patch(diff: GitDiff, max_bytes: usize) -> String {
    let mut patch = String::new();
    for file in diff.files {
        for part in [file.header].into_iter().chain(file.hunks.into_iter().map(|hunk| hunk.text)) {
            let line_end = if part.is_empty() || part.ends_with('\n') { "" } else { "\n" };
            let room = max_bytes.saturating_sub(patch.len());
            if part.len() + line_end.len() > room {
                patch.push_str(&part[..part.floor_char_boundary(room)]);
                return patch;
            }
            patch.push_str(&part);
            patch.push_str(line_end);
        }
    }
    patch
}

fn commit(commit: GitCommit) -> Commit {
    let time = i64::try_from(commit.authored_at / 1000).unwrap_or(i64::MAX);
    let author = format!("{} <{}>", commit.author.name, commit.author.email);
    Commit { id: commit.id, author, time, message: commit.message }
}

#[async_trait]
impl Git for WorkspaceGit {
    async fn status(&self) -> Answer<WorkTree> {
        match self.ask(GitRequest::Status).await? {
            GitReply::Status(status) => Ok(work_tree(status)),
            _ => unexpected(),
        }
    }

    async fn diff(&self, staged: bool, max_bytes: usize) -> Answer<String> {
        let head = || Version::Revision("HEAD".to_owned());
        let (from, to) = if staged { (head(), Version::Index) } else { (Version::Index, Version::WorkTree) };
        match self.ask(GitRequest::Diff { from, to, paths: Vec::new(), context: CONTEXT_LINES }).await? {
            GitReply::Diff(diff) => Ok(patch(diff, max_bytes)),
            _ => unexpected(),
        }
    }

    async fn log(&self, max_commits: usize) -> Answer<Vec<Commit>> {
        let limit = u32::try_from(max_commits).unwrap_or(u32::MAX).min(MAX_LOG_COMMITS);
        if limit == 0 {
            return Ok(Vec::new());
        }
        match self.ask(GitRequest::Log(LogRequest { limit, ..LogRequest::default() })).await? {
            GitReply::Log(log) => Ok(log.commits.into_iter().map(commit).collect()),
            _ => unexpected(),
        }
    }
}

#[cfg(test)]
mod tests {
    use coditect_protocol::git::{FileDiff, Hunk};

    use super::*;

    fn file(header: &str, hunks: &[&str]) -> FileDiff {
        let hunk =
            |text: &&str| Hunk { old_start: 1, old_lines: 1, new_start: 1, new_lines: 1, text: (*text).to_owned() };
        FileDiff {
            path: RelPath::parse("a").unwrap(),
            from: None,
            change: GitChange::Modified,
            binary: false,
            not_utf8: false,
            header: header.to_owned(),
            hunks: hunks.iter().map(hunk).collect(),
        }
    }

    #[test]
    fn a_patch_is_cut_where_it_must_be() {
        let diff = || GitDiff { files: vec![file("--- a\n", &["@@ 1\n", "@@ ä"]), file("--- b\n", &[])], more: false };
        let whole = "--- a\n@@ 1\n@@ ä\n--- b\n";
        assert_eq!(patch(diff(), usize::MAX), whole);
        for most in 0..=whole.len() {
            let cut = patch(diff(), most);
            assert!(cut.len() <= most && whole.starts_with(&cut), "{most}: {cut}");
            assert!(cut.len() + 4 > most, "{most}: {cut}");
        }
    }

    #[test]
    fn each_side_of_a_change_is_told() {
        let entry = |index, work_tree, conflict| GitEntry {
            path: RelPath::parse("a").unwrap(),
            from: None,
            index,
            work_tree,
            conflict,
            submodule: false,
        };
        let told = |entry| changes_of(&entry).map(|change| (change.state, change.is_staged)).collect::<Vec<_>>();
        use coditect_protocol::git::GitConflict::BothModified;
        assert_eq!(
            told(entry(GitChange::Added, GitChange::Modified, None)),
            [(ChangeState::Added, true), (ChangeState::Modified, false)]
        );
        assert_eq!(told(entry(GitChange::Unmodified, GitChange::Untracked, None)), [(ChangeState::Untracked, false)]);
        assert_eq!(
            told(entry(GitChange::Modified, GitChange::Modified, Some(BothModified))),
            [(ChangeState::Conflicted, false)]
        );
    }
}
