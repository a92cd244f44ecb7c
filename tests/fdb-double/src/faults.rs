//! What is to go wrong.

use std::path::Path;

/// Read anew for each operation from `<cluster file>.faults`, one fault a line:
/// * `unreachable`: the cluster answers nothing.
/// * `version CODE`, `read CODE`: these operations answer an error.
/// * `commit CODE`: commits answer an error and are not applied; with `applied` behind it, they are.
/// * `commit silent`: commits are applied and never answered.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) unreachable: bool,
    pub(crate) version: Option<i32>,
    pub(crate) read: Option<i32>,
    pub(crate) commit: Option<CommitFault>,
}

#[derive(Clone, Copy)]
pub(crate) struct CommitFault {
    /// None: no answer.
    pub(crate) code: Option<i32>,
    pub(crate) applied: bool,
}

impl Faults {
    pub(crate) fn of(cluster_file: &Path) -> Self {
        let text = std::fs::read_to_string(cluster_file.with_added_extension("faults")).unwrap_or_default();
        let mut faults = Self::default();
        for line in text.lines() {
            match *line.split_whitespace().collect::<Vec<_>>() {
                ["unreachable"] => faults.unreachable = true,
                ["version", code] => faults.version = code.parse().ok(),
                ["read", code] => faults.read = code.parse().ok(),
                ["commit", "silent"] => faults.commit = Some(CommitFault { code: None, applied: true }),
                ["commit", code] => faults.commit = Some(CommitFault { code: code.parse().ok(), applied: false }),
                ["commit", code, "applied"] => {
                    faults.commit = Some(CommitFault { code: code.parse().ok(), applied: true });
                }
                _ => {}
            }
        }
        faults
    }
}
