//! Searching the workspace, as the person, in the same places as their own searches.

use async_trait::async_trait;
use coditect_plugin_host::ports::{Answer, Search, TextMatch, TextQuery};
use coditect_protocol::files::Root;
use coditect_protocol::search::{FileMatches, FindFiles, SearchText};
use coditect_protocol::workspace::WorkspaceRole;
use coditect_workspace::search;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Place;
use super::refused::refused;

/// Files with matches that wait to be taken in.
const QUEUED_FILES: usize = 64;

/// See the module.
pub(super) struct WorkspaceSearch(pub(super) Place);

/// The matches of a file, with lines and columns from 0.
fn matches_in(file: FileMatches) -> impl Iterator<Item = TextMatch> {
    let path = file.path.as_str().to_owned();
    file.matches.into_iter().map(move |found| {
        let line = u32::try_from(found.line.saturating_sub(1)).unwrap_or(u32::MAX);
        let column = found.column.saturating_sub(1);
        let end = column.saturating_add(found.length);
        let line_start = found.column.saturating_sub(found.text_column);
        TextMatch { path: path.clone(), start: (line, column), end: (line, end), line: found.text, line_start }
    })
}

#[async_trait]
impl Search for WorkspaceSearch {
    async fn text(&self, query: TextQuery) -> Answer<(Vec<TextMatch>, bool)> {
        let Place { user, workspace, features, .. } = &self.0;
        let access = features.workspaces.access(*user, *workspace, WorkspaceRole::Read).await;
        let access = access.map_err(|error| refused(&error))?;
        if query.max_matches == 0 {
            return Ok((Vec::new(), true));
        }
        let wanted = SearchText {
            query: query.pattern,
            regex: query.is_regex,
            case_sensitive: query.is_case_sensitive,
            include: query.includes,
            exclude: query.excludes,
            max_matches: u32::try_from(query.max_matches).unwrap_or(u32::MAX),
            ..SearchText::default()
        };
        let (sink, mut found) = mpsc::channel(QUEUED_FILES);
        // Dropped with the plugin's call, which ends it.
        let searching = search::search_text(*user, access.paths.files, wanted, CancellationToken::new(), sink);
        let gathering = async {
            let mut matches = Vec::new();
            while let Some(file) = found.recv().await {
                matches.extend(matches_in(file));
            }
            matches
        };
        let (searched, mut matches) = tokio::join!(searching, gathering);
        let summary = searched.map_err(|error| refused(&error))?;
        let is_cut = matches.len() > query.max_matches;
        matches.truncate(query.max_matches);
        Ok((matches, summary.limit_reached || is_cut))
    }

    async fn paths(&self, includes: Vec<String>, excludes: Vec<String>, max_paths: usize) -> Answer<Vec<String>> {
        let Place { user, workspace, features, .. } = &self.0;
        let tree = features.workspaces.tree(*user, Root::Workspace(*workspace), WorkspaceRole::Read).await;
        let tree = tree.map_err(|error| refused(&error))?;
        if max_paths == 0 {
            return Ok(Vec::new());
        }
        let query = FindFiles {
            limit: u32::try_from(max_paths).unwrap_or(u32::MAX),
            use_ignore_files: true,
            include: includes,
            exclude: excludes,
            ..FindFiles::default()
        };
        let finding = features.indexes.find_files(*user, &tree, query, CancellationToken::new());
        let mut paths = finding.await.map_err(|error| refused(&error))?.paths;
        paths.sort_unstable();
        Ok(paths)
    }
}
