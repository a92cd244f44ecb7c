//! What a run of changes of the same path comes to.

use coditect_protocol::RelPath;
use coditect_protocol::files::{ChangeKind, FileChange};
use std::collections::{BTreeMap, HashSet};

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
pub(super) struct Pending(BTreeMap<String, Entry>);

#[derive(Debug)]
struct Entry {
    path: RelPath,
    outcome: Outcome,
    is_folder: bool,
    /// What it was called when it was last told of.
    from: Option<RelPath>,
}

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

    /// The name under which those who were told of what is at `path` know it, before it moves away; `None` where they know
    /// nothing of it.
    pub(super) fn known_as(&self, path: &RelPath) -> Option<RelPath> {
        match self.0.get(path.as_str()) {
            Some(Entry { from: Some(from), .. }) => Some(from.clone()),
            Some(Entry { outcome: Outcome::Added { was_free: true }, .. }) => None,
            _ => Some(path.clone()),
        }
    }

    pub(super) fn add(&mut self, path: &RelPath, change: Change, is_folder: bool) {
        if change == Change::Gone && is_folder {
            // What happened in it no longer matters.
            for below in keys_below(&self.0, path) {
                self.0.remove(&below);
            }
        }
        let before = self.0.get(path.as_str());
        // What is put where it was moved to is another thing.
        let from = before.filter(|_| change == Change::Updated).and_then(|entry| entry.from.clone());
        match combine(before.map(|entry| entry.outcome), change) {
            Some(outcome) => {
                self.0.insert(path.as_str().to_owned(), Entry { path: path.clone(), outcome, is_folder, from });
            }
            None => {
                self.0.remove(path.as_str());
            }
        }
    }

    /// What was added at `path` just now is what was known as `from`.
    pub(super) fn pair(&mut self, path: &RelPath, from: RelPath) {
        if let Some(entry) = self.0.get_mut(path.as_str()) {
            entry.from = Some(from).filter(|from| from != path);
        }
    }

    /// All of them: what is gone first, then the others, a folder before what is in it.
    pub(super) fn take(&mut self) -> Vec<FileChange> {
        let entries = std::mem::take(&mut self.0);
        // A name that something else has by now is told as changed, and then nothing was moved away from it.
        let stands: HashSet<&str> = entries
            .iter()
            .filter(|(_, entry)| entry.outcome != Outcome::Deleted)
            .map(|(path, _)| path.as_str())
            .collect();
        let mut changes = Vec::with_capacity(entries.len());
        let gone = |path: &RelPath| FileChange { kind: ChangeKind::Deleted, path: path.clone(), from: None };
        changes
            .extend(entries.values().filter(|entry| entry.outcome == Outcome::Deleted).map(|entry| gone(&entry.path)));
        for Entry { path, outcome, is_folder, from } in entries.values() {
            let kind = match outcome {
                Outcome::Deleted => continue,
                Outcome::Added { .. } => ChangeKind::Added,
                Outcome::Recreated if *is_folder => {
                    changes.push(gone(path));
                    ChangeKind::Added
                }
                Outcome::Updated | Outcome::Recreated => ChangeKind::Updated,
            };
            let from = from.clone().filter(|from| !stands.contains(from.as_str()));
            changes.push(FileChange { kind, path: path.clone(), from });
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
