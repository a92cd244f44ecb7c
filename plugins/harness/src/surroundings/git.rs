//! A repository as a test describes it.

use async_trait::async_trait;
use coditect_plugin_host::ports::{Answer, Commit, Git, WorkTree};

/// What git answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitState {
    /// Branch and changes.
    pub work_tree: WorkTree,
    /// The newest first.
    pub commits: Vec<Commit>,
    /// Patch of what is staged.
    pub staged: String,
    /// Patch of what is not.
    pub unstaged: String,
}

#[async_trait]
impl Git for GitState {
    async fn status(&self) -> Answer<WorkTree> {
        Ok(self.work_tree.clone())
    }

    async fn diff(&self, staged: bool, max_bytes: usize) -> Answer<String> {
        let mut patch = if staged { self.staged.clone() } else { self.unstaged.clone() };
        let end = (0..=max_bytes.min(patch.len())).rev().find(|&at| patch.is_char_boundary(at));
        patch.truncate(end.unwrap_or_default());
        Ok(patch)
    }

    async fn log(&self, max_commits: usize) -> Answer<Vec<Commit>> {
        Ok(self.commits.iter().take(max_commits).cloned().collect())
    }
}
