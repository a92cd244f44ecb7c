//! Search for files and for text, with absolute paths.

use coditect_protocol::call::{Item, Reply, Request};
use coditect_protocol::files::Root;
use coditect_protocol::path::RelPath;
use coditect_protocol::search::{FileMatches, FindFiles, SearchSummary, SearchText, TextMatch};
use serde::Serialize;
use tsify::Tsify;

use crate::abort::Abort;
use crate::core::Core;
use crate::error::{ShellError, expect_reply};
use crate::link::Step;

/// Files found, best first.
#[derive(Debug, Serialize, Tsify)]
pub struct FoundFiles {
    /// Their absolute paths.
    pub paths: Vec<String>,
    /// There are more.
    pub limit_reached: bool,
}

/// Matches in one file.
#[derive(Debug, Serialize, Tsify)]
pub struct FoundMatches {
    /// The file's absolute path.
    pub path: String,
    /// Its matches in order.
    pub matches: Vec<TextMatch>,
}

impl Core {
    /// Finds files of the workspace; paths relative to it.
    pub(crate) async fn find_relative(
        &self,
        query: FindFiles,
        abort: &Abort,
    ) -> Result<(Vec<String>, bool), ShellError> {
        let workspace = self.workspace_id()?;
        let call = self.link.start(Request::FindFiles { workspace, query })?;
        let reply = call.finish(abort, |_| Ok(())).await?;
        expect_reply!(reply, Reply::Paths { paths, limit_reached } => (paths, limit_reached))
    }

    /// Finds files of the workspace.
    pub(crate) async fn find_files(&self, query: FindFiles, abort: &Abort) -> Result<FoundFiles, ShellError> {
        let root = Root::Workspace(self.workspace_id()?);
        let (paths, limit_reached) = self.find_relative(query, abort).await?;
        let mounts = self.mounts();
        let absolute = |path: &String| mounts.absolute(root, &RelPath::parse(path).ok()?);
        Ok(FoundFiles { paths: paths.iter().filter_map(absolute).collect(), limit_reached })
    }

    /// Searches text; hands on matches as the server finds them.
    pub(crate) async fn search_relative(
        &self,
        query: SearchText,
        abort: &Abort,
        mut on_matches: impl FnMut(FileMatches),
    ) -> Result<SearchSummary, ShellError> {
        let workspace = self.workspace_id()?;
        let call = self.link.start(Request::SearchText { workspace, query })?;
        let reply = call
            .finish(abort, |step| {
                match step {
                    Step::Item(Item::Matches(found)) => on_matches(found),
                    Step::Item(_) => return Err(ShellError::UnexpectedReply),
                    // Only where nothing was handed on yet.
                    Step::Restarted => {}
                }
                Ok(())
            })
            .await?;
        expect_reply!(reply, Reply::Searched(summary) => summary)
    }

    /// Matches with their absolute path.
    pub(crate) fn found_matches(&self, found: FileMatches) -> Option<FoundMatches> {
        let root = self.mounts().workspace_root()?;
        Some(FoundMatches { path: self.mounts().absolute(root, &found.path)?, matches: found.matches })
    }
}
