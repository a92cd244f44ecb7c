//! Searching the workspace.

use std::sync::Arc;

use coditect_protocol::RelPath;
use coditect_protocol::plugin::CapabilityName;

use super::{Error, Settled, Told, at_most, present, settle, wit};
use crate::ports::{Search, TextQuery};
use crate::rights::{Globs, Granted};
use crate::state::{Around, State};
use wit::search::{Found, Host, Match, Query};
use wit::types::{Position, Range};

/// Most matches of a search.
const MAX_MATCHES: usize = 10_000;
/// Most paths of a list.
const MAX_PATHS: usize = 10_000;
/// Longest part of a line that is told, in bytes.
const MAX_LINE_BYTES: usize = 1024;
/// Longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 4 * 1024;
/// Most globs of a search, and how long all of them together may be, in bytes: each search translates them.
const MAX_GLOBS: usize = 100;
const MAX_GLOBS_BYTES: usize = 4 * 1024;

impl Host for State {
    async fn text(&mut self, query: Query) -> Settled<Found> {
        settle(find(&self.around, query).await)
    }

    async fn paths(&mut self, includes: Vec<String>, excludes: Vec<String>, max_paths: u32) -> Settled<Vec<String>> {
        settle(paths(&self.around, includes, excludes, at_most(max_paths, MAX_PATHS)).await)
    }
}

/// Where is searched: what was granted, and of that what the plugin wants.
struct Scope {
    rights: Arc<Granted>,
    /// What the port is asked for: never anything beyond what was granted, so that not even a count tells of it.
    includes: Vec<String>,
    excludes: Vec<String>,
    /// What the plugin wants of it, where the port was asked for more.
    wanted: Option<Globs>,
}

impl Scope {
    fn has(&self, path: &str) -> bool {
        let Ok(path) = RelPath::parse(path) else { return false };
        self.rights.searches().matches(&path) && self.wanted.as_ref().is_none_or(|wanted| wanted.matches(&path))
    }

    /// How much is asked of the port for so much that is wanted.
    fn most(&self, wanted: usize, ever: usize) -> usize {
        if self.wanted.is_some() { ever } else { wanted }
    }
}

fn granted(around: &Around, includes: Vec<String>, mut excludes: Vec<String>) -> Told<(Arc<dyn Search>, Scope)> {
    around.enter()?;
    let rights = around.caller.rights.now();
    if !rights.has(CapabilityName::Search) {
        return Err(around.denied(CapabilityName::Search, "").into());
    }
    let (mut count, mut bytes) = (0, 0);
    for glob in includes.iter().chain(&excludes) {
        (count, bytes) = (count + 1, bytes + glob.len());
        if count > MAX_GLOBS || bytes > MAX_GLOBS_BYTES {
            let most = MAX_GLOBS_BYTES / 1024;
            return Err(Error::Limit(format!("A search has at most {MAX_GLOBS} globs, of {most} KiB together.")).into());
        }
    }
    if !Globs::are_good(&includes) || !Globs::are_good(&excludes) {
        return Err(Error::Invalid("A glob of the search cannot be read.".to_owned()).into());
    }
    excludes.push("**/.git/**".to_owned());
    let all = rights.searches().words();
    let is_all = all.iter().any(|word| word == "**");
    let (includes, wanted) = match includes {
        none if none.is_empty() => (all.to_vec(), None),
        some if is_all => (some, None),
        some => (all.to_vec(), Some(Globs::new(&some))),
    };
    let scope = Scope { rights, includes, excludes, wanted };
    Ok((present(around.caller.ports.search.as_ref(), "no search")?, scope))
}

async fn find(around: &Around, query: Query) -> Told<Found> {
    let (port, scope) = granted(around, query.includes, query.excludes)?;
    if query.pattern.len() > MAX_PATTERN_BYTES {
        return Err(Error::Limit(format!("A pattern has at most {} KiB.", MAX_PATTERN_BYTES / 1024)).into());
    }
    let limit = at_most(query.max_matches, MAX_MATCHES);
    let asked = TextQuery {
        pattern: query.pattern,
        is_regex: query.is_regex,
        is_case_sensitive: query.is_case_sensitive,
        includes: scope.includes.clone(),
        excludes: scope.excludes.clone(),
        max_matches: scope.most(limit, MAX_MATCHES),
    };
    let (found, are_more) = around.ask(async move { port.text(asked).await }).await?;
    let mut matches: Vec<_> = found.into_iter().filter(|found| scope.has(&found.path)).collect();
    let limit_reached = are_more || matches.len() > limit;
    matches.truncate(limit);
    let matches = matches.into_iter().map(|found| {
        let found = found.shortened(MAX_LINE_BYTES);
        let position = |(line, column)| Position { line, column };
        let range = Range { start: position(found.start), end: position(found.end) };
        Match { path: found.path, range, line: found.line, line_start: found.line_start }
    });
    Ok(Found { matches: matches.collect(), limit_reached })
}

async fn paths(around: &Around, includes: Vec<String>, excludes: Vec<String>, limit: usize) -> Told<Vec<String>> {
    let (port, scope) = granted(around, includes, excludes)?;
    let (within, without, most) = (scope.includes.clone(), scope.excludes.clone(), scope.most(limit, MAX_PATHS));
    let mut paths = around.ask(async move { port.paths(within, without, most).await }).await?;
    paths.retain(|path| scope.has(path));
    paths.truncate(limit);
    Ok(paths)
}
