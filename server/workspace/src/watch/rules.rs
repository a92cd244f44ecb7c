//! What is not told.

use crate::error::WorkspaceError;
use coditect_protocol::RelPath;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Stands for whatever may lie in a folder. No rule names it, so one that matches it matches everything there.
const ANYTHING: &str = "\u{1}";

/// Globs of ignored paths.
#[derive(Debug, Clone)]
pub(super) struct IgnoreRules(GlobSet);

impl IgnoreRules {
    pub(super) fn new(globs: &[String]) -> Result<Self, WorkspaceError> {
        let bad = |glob: &str, error: &globset::Error| WorkspaceError::BadGlob {
            glob: glob.into(),
            detail: error.to_string(),
        };
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(GlobBuilder::new(glob).literal_separator(true).build().map_err(|error| bad(glob, &error))?);
        }
        Ok(Self(set.build().map_err(|error| bad("", &error))?))
    }

    /// Whether changes of this path are not told.
    pub(super) fn ignores(&self, path: &RelPath) -> bool {
        self.0.is_match(path.as_str())
    }

    /// Whether nothing in this folder is told, so that it need not be watched.
    pub(super) fn ignores_inside(&self, folder: &RelPath) -> bool {
        self.ignores(folder) || folder.join(ANYTHING).is_ok_and(|inside| self.ignores(&inside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_what_lies_in_a_folder_and_tells_the_folder() {
        let rules = IgnoreRules::new(&super::super::DEFAULT_IGNORE.map(str::to_owned)).unwrap();
        let check = |text: &str, ignored: bool, inside: bool| {
            let path = RelPath::parse(text).unwrap();
            assert_eq!((rules.ignores(&path), rules.ignores_inside(&path)), (ignored, inside), "{text}");
        };
        check("node_modules", false, true);
        check("a/node_modules", false, true);
        check("a/node_modules/b/c", true, true);
        check("a/node_modulesx/b", false, false);
        check(".git/objects/ab/cdef", true, true);
        check(".git/refs/heads/main", false, false);
        check("src/target.rs", false, false);
    }

    #[test]
    fn names_a_malformed_rule() {
        let error = IgnoreRules::new(&["a/[".to_owned()]).unwrap_err();
        assert!(matches!(error, WorkspaceError::BadGlob { glob, .. } if glob == "a/["));
    }
}
