//! File patterns as people type them: `*.ts`, `src`, `src/**`, `./src`, `/src`.
//!
//! A pattern that starts with `./` or `/` begins at the root; any other matches at any depth. A pattern that names a
//! folder means everything below it.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::WorkspaceError;

/// Most globs of one query, includes and excludes each.
pub const MAX_GLOBS: usize = 256;
/// Longest glob, in bytes.
pub const MAX_GLOB_BYTES: usize = 4096;

/// Which paths are wanted.
pub(crate) struct PathFilter {
    include: Option<GlobSet>,
    exclude: Option<GlobSet>,
}

impl PathFilter {
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Self, WorkspaceError> {
        Ok(Self { include: compile(include)?, exclude: compile(exclude)? })
    }

    /// Whether a file is wanted.
    pub(crate) fn wants_file(&self, path: &str) -> bool {
        if self.include.is_none() && self.exclude.is_none() {
            return true;
        }
        let candidate = Candidate::new(path);
        let matches = |set: &GlobSet| set.is_match_candidate(&candidate);
        self.include.as_ref().is_none_or(matches) && !self.exclude.as_ref().is_some_and(matches)
    }

    /// Whether anything below a folder can be wanted.
    pub(crate) fn wants_folder(&self, path: &str) -> bool {
        !self.exclude.as_ref().is_some_and(|set| set.is_match(path))
    }
}

fn compile(globs: &[String]) -> Result<Option<GlobSet>, WorkspaceError> {
    let invalid =
        |glob: &str, reason: String| WorkspaceError::SearchGlob { glob: glob.chars().take(100).collect(), reason };
    if globs.len() > MAX_GLOBS {
        return Err(invalid(&globs[MAX_GLOBS], format!("there are more than {MAX_GLOBS} patterns")));
    }
    let mut set = GlobSetBuilder::new();
    let mut empty = true;
    for text in globs {
        if text.len() > MAX_GLOB_BYTES {
            return Err(invalid(text, format!("it is longer than {MAX_GLOB_BYTES} bytes")));
        }
        for pattern in meanings(text) {
            let glob = GlobBuilder::new(&pattern)
                .literal_separator(true)
                .empty_alternates(true)
                .build()
                .map_err(|error| invalid(text, error.kind().to_string()))?;
            set.add(glob);
            empty = false;
        }
    }
    if empty {
        return Ok(None);
    }
    set.build().map(Some).map_err(|error| invalid(globs.first().map_or("", String::as_str), error.kind().to_string()))
}

/// The globs over whole paths that a pattern stands for.
fn meanings(text: &str) -> Vec<String> {
    let text = text.trim();
    let (anchored, rest) = match text.strip_prefix("./").or_else(|| text.strip_prefix('/')) {
        Some(rest) => (true, rest.trim_start_matches('/')),
        None => (text == ".", if text == "." { "" } else { text }),
    };
    let rest = rest.trim_end_matches('/');
    match (anchored, rest) {
        (true, "") => return vec!["**".to_owned()],
        (false, "") => return Vec::new(),
        _ => {}
    }
    let pattern =
        if anchored || rest == "**" || rest.starts_with("**/") { rest.to_owned() } else { format!("**/{rest}") };
    if pattern.ends_with("/**") || pattern == "**" {
        return vec![pattern];
    }
    let below = format!("{pattern}/**");
    vec![pattern, below]
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::Coded as _;

    #[test]
    fn means_what_people_mean() {
        let check = |glob: &str, path: &str, expected: bool| {
            let filter = PathFilter::new(&[glob.to_owned()], &[]).unwrap();
            assert_eq!(filter.wants_file(path), expected, "{glob} {path}");
        };
        check("*.ts", "a.ts", true);
        check("*.ts", "x/y/a.ts", true);
        check("*.ts", "x/y/a.tsx", false);
        check("*.{ts,js}", "x/a.js", true);
        check("src", "src/a", true);
        check("src", "x/src/y/a", true);
        check("src", "srcs/a", false);
        check("src/", "x/src/y/a", true);
        check("src/**", "src/y/a", true);
        check("src/**", "x/src/y/a", true);
        check("./src", "src/y/a", true);
        check("./src", "x/src/y/a", false);
        check("/src", "src/a", true);
        check("/src", "x/src/a", false);
        check("/src/*.ts", "src/a.ts", true);
        check("/src/*.ts", "src/x/a.ts", false);
        check("**/x/*", "a/x/b", true);
        check("**", "a/x/b", true);
        check("", "a", true);
        check("/", "a/b", true);
        check("[a-c].txt", "d/b.txt", true);
        check(".env", "x/.env", true);
    }

    #[test]
    fn excluded_folders_are_not_entered() {
        let filter = PathFilter::new(&[], &["**/node_modules".to_owned(), "*.log".to_owned()]).unwrap();
        assert!(!filter.wants_folder("x/node_modules") && filter.wants_folder("x/modules"));
        assert!(!filter.wants_file("x/node_modules/a") && !filter.wants_file("a.log") && filter.wants_file("a"));
    }

    #[test]
    fn refuses() {
        let check = |globs: &[String]| {
            let error = PathFilter::new(globs, &[]).err().unwrap();
            assert_eq!(error.code(), "search.invalid_glob");
            assert!(error.to_string().len() < 300, "{error}");
        };
        check(&["a[".to_owned()]);
        check(&["{a,b".to_owned()]);
        check(&["x".repeat(MAX_GLOB_BYTES + 1)]);
        check(&vec!["x".to_owned(); MAX_GLOBS + 1]);
    }
}
