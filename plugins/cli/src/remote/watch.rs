//! Noticing that a plugin's files change.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders that change by building, or hold what others wrote.
const LEFT_OUT: [&str; 8] = ["target", "node_modules", "dist", "wit", "build", "__pycache__", "venv", "gen"];
/// The most files that are looked at.
const MAX_FILES: usize = 20_000;

/// Files of a plugin at a moment: the time of each change and its size, by path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot(Vec<(PathBuf, Option<SystemTime>, u64)>);

impl Snapshot {
    pub(super) fn of(folder: &Path) -> Self {
        let mut files = Vec::new();
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            // What cannot be read, or goes away meanwhile, cannot change either.
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() && !name.starts_with('.') && !LEFT_OUT.contains(&name.as_ref()) {
                    open.push(entry.path());
                } else if kind.is_file() && files.len() < MAX_FILES {
                    let facts = entry.metadata().ok();
                    let size = facts.as_ref().map_or(0, std::fs::Metadata::len);
                    files.push((entry.path(), facts.and_then(|facts| facts.modified().ok()), size));
                }
            }
        }
        files.sort();
        Self(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_count_and_what_is_built_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("src/a.js", "1");
        let before = Snapshot::of(folder.path());
        write("dist/x", "1");
        write(".coditect/x", "1");
        write("node_modules/a/x", "1");
        assert_eq!(Snapshot::of(folder.path()), before);
        write("src/a.js", "12");
        let after = Snapshot::of(folder.path());
        assert_ne!(after, before);
        write("plugin.toml", "");
        assert_ne!(Snapshot::of(folder.path()), after);
    }
}
