//! What a run of changes of the same path comes to.

use coditect_protocol::RelPath;
use coditect_protocol::files::{ChangeKind, FileChange};
use std::collections::BTreeMap;

/// A change as the system tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Made where nothing was.
    Created,
    /// Moved here, perhaps over something.
    MovedHere,
    /// Its content or attributes changed.
    Updated,
    /// Deleted or moved away.
    Gone,
}

/// What became of a path since the last report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Added {
        was_free: bool,
    },
    Updated,
    Deleted,
    /// Another one is there now.
    Recreated,
}

/// Changes that were not told yet, by path.
#[derive(Debug, Default)]
pub(super) struct Pending(BTreeMap<String, (RelPath, Outcome, bool)>);

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn add(&mut self, path: &RelPath, change: Change, is_folder: bool) {
        if change == Change::Gone && is_folder {
            // What happened in it no longer matters.
            for below in keys_below(&self.0, path) {
                self.0.remove(&below);
            }
        }
        let before = self.0.get(path.as_str()).map(|(_, outcome, _)| *outcome);
        match combine(before, change) {
            Some(outcome) => {
                self.0.insert(path.as_str().to_owned(), (path.clone(), outcome, is_folder));
            }
            None => {
                self.0.remove(path.as_str());
            }
        }
    }

    /// All of them, a folder before what is in it.
    pub(super) fn take(&mut self) -> Vec<FileChange> {
        let mut changes = Vec::with_capacity(self.0.len());
        for (path, outcome, is_folder) in std::mem::take(&mut self.0).into_values() {
            let kind = match outcome {
                Outcome::Added { .. } => ChangeKind::Added,
                Outcome::Updated => ChangeKind::Updated,
                Outcome::Deleted => ChangeKind::Deleted,
                Outcome::Recreated if is_folder => {
                    changes.push(FileChange { kind: ChangeKind::Deleted, path: path.clone() });
                    ChangeKind::Added
                }
                Outcome::Recreated => ChangeKind::Updated,
            };
            changes.push(FileChange { kind, path });
        }
        changes
    }
}

/// The keys strictly below a path.
pub(super) fn keys_below<T>(map: &BTreeMap<String, T>, path: &RelPath) -> Vec<String> {
    if path.is_root() {
        return map.keys().filter(|key| !key.is_empty()).cloned().collect();
    }
    // `0` is the character after `/`.
    map.range(format!("{}/", path.as_str())..format!("{}0", path.as_str())).map(|(key, _)| key.clone()).collect()
}

/// `None`: as if nothing had happened.
fn combine(before: Option<Outcome>, change: Change) -> Option<Outcome> {
    Some(match (before, change) {
        (None, Change::Created) => Outcome::Added { was_free: true },
        (None, Change::MovedHere) => Outcome::Added { was_free: false },
        (None, Change::Updated) => Outcome::Updated,
        (Some(Outcome::Added { was_free: true }), Change::Gone) => return None,
        (_, Change::Gone) => Outcome::Deleted,
        (Some(Outcome::Deleted), _) => Outcome::Recreated,
        (Some(before), _) => before,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(changes: &[(&str, Change, bool)], expected: &[(ChangeKind, &str)]) {
        let mut pending = Pending::default();
        for (path, change, is_folder) in changes {
            pending.add(&RelPath::parse(path).unwrap(), *change, *is_folder);
        }
        let told = pending.take();
        let told: Vec<_> = told.iter().map(|change| (change.kind, change.path.as_str())).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_run_of_changes_becomes_one() {
        use Change::{Created, Gone, MovedHere, Updated};
        check(&[("a", Created, false), ("a", Updated, false)], &[(ChangeKind::Added, "a")]);
        check(&[("a", Created, false), ("a", Gone, false)], &[]);
        check(&[("a", MovedHere, false), ("a", Gone, false)], &[(ChangeKind::Deleted, "a")]);
        check(&[("a", Updated, false), ("a", Gone, false)], &[(ChangeKind::Deleted, "a")]);
        check(&[("a", Gone, false), ("a", Created, false), ("a", Updated, false)], &[(ChangeKind::Updated, "a")]);
        check(&[("a", Gone, true), ("a", Created, true)], &[(ChangeKind::Deleted, "a"), (ChangeKind::Added, "a")]);
        check(
            &[("a", Updated, false), ("b", Updated, false)],
            &[(ChangeKind::Updated, "a"), (ChangeKind::Updated, "b")],
        );
    }

    #[test]
    fn what_was_in_a_deleted_folder_is_not_told() {
        use Change::{Created, Gone, Updated};
        let changes =
            [("a/b", Created, false), ("a/b/c", Updated, false), ("a-b", Updated, false), ("ab", Updated, false)];
        let mut changes = changes.to_vec();
        changes.push(("a", Gone, true));
        check(&changes, &[(ChangeKind::Deleted, "a"), (ChangeKind::Updated, "a-b"), (ChangeKind::Updated, "ab")]);
    }
}
