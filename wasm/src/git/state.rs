//! A work tree's state as it is shown: in groups, and in a few words. Pure.

use coditect_protocol::git::{GitChange, GitConflict, GitEntry, GitHead, GitOperation, GitStatus};
use coditect_protocol::path::RelPath;
use serde::Serialize;
use tsify::Tsify;

/// How much of a commit's id people are shown, in digits.
const SHORT_ID_DIGITS: usize = 7;

/// State of a work tree, in the groups that are shown.
#[derive(Debug, Serialize, Tsify)]
pub struct GitState {
    /// Where the next commit goes.
    pub head: GitHead,
    /// The same in a word, with `*` for changes, `+` for staged ones and `!` for conflicts: `main*+`.
    pub title: String,
    /// How far it and its upstream are apart, `2↓ 3↑`; absent where there is no upstream or they are the same.
    pub distance: Option<String>,
    /// What was begun and is not finished.
    pub operation: Option<GitOperation>,
    /// The same in a word: `REBASING 2/5`.
    pub operation_name: Option<String>,
    /// What the other side of its conflicts is called.
    pub incoming: Option<String>,
    /// Where both sides of a merge changed something.
    pub merge: Vec<GitResource>,
    /// What the next commit records.
    pub index: Vec<GitResource>,
    /// What it would leave out.
    pub work_tree: Vec<GitResource>,
    /// What git does not know.
    pub untracked: Vec<GitResource>,
    /// There are more changes than are listed.
    pub more: bool,
    /// How many changes were put aside.
    pub stashes: u32,
}

/// A path in a group.
#[derive(Debug, PartialEq, Eq, Serialize, Tsify)]
pub struct GitResource {
    /// Below the repository.
    pub path: RelPath,
    /// What it was called, where it was renamed or copied.
    pub from: Option<RelPath>,
    /// How it changed.
    pub change: GitChange,
    /// How the sides disagree, in the group of merges.
    pub conflict: Option<GitConflict>,
    /// One letter for it.
    pub letter: &'static str,
    /// A word or a few for it.
    pub label: &'static str,
    /// It is a repository within the repository.
    pub submodule: bool,
}

impl GitState {
    /// What is shown of a status.
    pub(super) fn of(status: GitStatus) -> Self {
        let GitStatus { head, operation, incoming, entries, more, stashes } = status;
        let mut state = Self {
            title: String::new(),
            distance: distance(&head),
            operation_name: operation.as_ref().map(operation_name),
            head,
            operation,
            incoming,
            merge: Vec::new(),
            index: Vec::new(),
            work_tree: Vec::new(),
            untracked: Vec::new(),
            more,
            stashes,
        };
        for entry in entries {
            state.sort_in(entry);
        }
        state.title = state.title_of_head();
        state
    }

    /// A path that is both staged and changed again stands in both groups.
    fn sort_in(&mut self, entry: GitEntry) {
        let GitEntry { path, from, index, work_tree, conflict, submodule } = entry;
        let resource = |path, from, change| {
            let (letter, label) = conflict.map_or_else(|| name_of_change(change), name_of_conflict);
            GitResource { path, from, change, conflict, letter, label, submodule }
        };
        if conflict.is_some() {
            self.merge.push(resource(path, from, work_tree));
            return;
        }
        if work_tree == GitChange::Untracked {
            self.untracked.push(resource(path, from, work_tree));
            return;
        }
        // Only one of the two can have renamed it, and a name of the index is no news in the work tree.
        let moved = |change| matches!(change, GitChange::Renamed | GitChange::Copied);
        if index != GitChange::Unmodified {
            self.index.push(resource(path.clone(), from.clone().filter(|_| moved(index)), index));
        }
        if work_tree != GitChange::Unmodified {
            self.work_tree.push(resource(path, from.filter(|_| moved(work_tree)), work_tree));
        }
    }

    fn title_of_head(&self) -> String {
        let GitHead { branch, commit, .. } = &self.head;
        let mut title = match (branch, commit) {
            (Some(branch), _) => branch.clone(),
            (None, Some(commit)) => commit.chars().take(SHORT_ID_DIGITS).collect(),
            (None, None) => "no commit yet".to_owned(),
        };
        let marks = [
            ('*', !self.work_tree.is_empty() || !self.untracked.is_empty()),
            ('+', !self.index.is_empty()),
            ('!', !self.merge.is_empty()),
        ];
        title.extend(marks.into_iter().filter_map(|(mark, holds)| holds.then_some(mark)));
        title
    }
}

fn distance(head: &GitHead) -> Option<String> {
    head.upstream.as_ref()?;
    let parts = [(head.behind, '↓'), (head.ahead, '↑')];
    let told: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, arrow)| format!("{count}{arrow}")).collect();
    (!told.is_empty()).then(|| told.join(" "))
}

fn operation_name(operation: &GitOperation) -> String {
    match operation {
        GitOperation::Merge { .. } => "MERGING".to_owned(),
        GitOperation::Rebase { total: 0, .. } => "REBASING".to_owned(),
        GitOperation::Rebase { done, total } => format!("REBASING {done}/{total}"),
        GitOperation::CherryPick => "CHERRY-PICKING".to_owned(),
        GitOperation::Revert => "REVERTING".to_owned(),
        GitOperation::Bisect => "BISECTING".to_owned(),
        GitOperation::Mailbox => "APPLYING MAILS".to_owned(),
    }
}

fn name_of_change(change: GitChange) -> (&'static str, &'static str) {
    match change {
        GitChange::Unmodified => ("", "Unchanged"),
        GitChange::Added => ("A", "Added"),
        GitChange::Modified => ("M", "Modified"),
        GitChange::Deleted => ("D", "Deleted"),
        GitChange::Renamed => ("R", "Renamed"),
        GitChange::Copied => ("C", "Copied"),
        GitChange::TypeChanged => ("T", "Another kind of thing"),
        GitChange::Untracked => ("U", "Untracked"),
    }
}

fn name_of_conflict(conflict: GitConflict) -> (&'static str, &'static str) {
    let label = match conflict {
        GitConflict::BothModified => "Conflict: both modified it",
        GitConflict::BothAdded => "Conflict: both added it",
        GitConflict::BothDeleted => "Conflict: both deleted it",
        GitConflict::AddedByUs => "Conflict: added by us",
        GitConflict::AddedByThem => "Conflict: added by them",
        GitConflict::DeletedByUs => "Conflict: deleted by us, modified by them",
        GitConflict::DeletedByThem => "Conflict: modified by us, deleted by them",
    };
    ("!", label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, index: GitChange, work_tree: GitChange) -> GitEntry {
        let path = RelPath::parse(path).unwrap();
        GitEntry { path, from: None, index, work_tree, conflict: None, submodule: false }
    }

    fn paths(group: &[GitResource]) -> Vec<String> {
        group.iter().map(|resource| format!("{}{}", resource.letter, resource.path)).collect()
    }

    #[test]
    fn each_change_stands_where_it_can_be_acted_upon() {
        use GitChange::{Added, Deleted, Modified, Renamed, Unmodified, Untracked};
        let from = RelPath::parse("old").ok();
        let conflict = Some(GitConflict::DeletedByUs);
        let state = GitState::of(GitStatus {
            entries: vec![
                entry("both", Modified, Deleted),
                GitEntry { conflict, ..entry("fight", Unmodified, Modified) },
                entry("new", Unmodified, Untracked),
                GitEntry { from: from.clone(), ..entry("renamed", Renamed, Modified) },
                entry("staged", Added, Unmodified),
            ],
            ..GitStatus::default()
        });
        assert_eq!(paths(&state.merge), ["!fight"]);
        assert_eq!(paths(&state.index), ["Mboth", "Rrenamed", "Astaged"]);
        assert_eq!(paths(&state.work_tree), ["Dboth", "Mrenamed"]);
        assert_eq!(paths(&state.untracked), ["Unew"]);
        assert_eq!((&state.index[1].from, &state.work_tree[1].from), (&from, &None));
        assert_eq!(state.title, "no commit yet*+!");
    }

    #[test]
    fn the_head_is_told_in_a_word() {
        let check = |head: GitHead, title: &str, distance: Option<&str>| {
            let state = GitState::of(GitStatus { head, ..GitStatus::default() });
            assert_eq!((state.title.as_str(), state.distance.as_deref()), (title, distance));
        };
        let on = |upstream: Option<&str>, ahead, behind| GitHead {
            branch: Some("main".to_owned()),
            commit: Some("0123456789abcdef".to_owned()),
            upstream: upstream.map(str::to_owned),
            ahead,
            behind,
        };
        check(on(None, 3, 0), "main", None);
        check(on(Some("origin/main"), 0, 0), "main", None);
        check(on(Some("origin/main"), 3, 0), "main", Some("3↑"));
        check(on(Some("origin/main"), 3, 2), "main", Some("2↓ 3↑"));
        check(GitHead { branch: None, ..on(None, 0, 0) }, "0123456", None);
    }

    #[test]
    fn what_is_not_finished_has_a_name() {
        let check = |operation, name: &str| assert_eq!(operation_name(&operation), name);
        check(GitOperation::Rebase { done: 2, total: 5 }, "REBASING 2/5");
        check(GitOperation::Rebase { done: 0, total: 0 }, "REBASING");
        check(GitOperation::Merge { message: String::new() }, "MERGING");
    }
}
