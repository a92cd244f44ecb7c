//! What a program sees, computed from outside: so that a missing program or folder is told before anything starts.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _};
use coditect_protocol::RelPath;
use coditect_protocol::workspace::HOME_MOUNT;

use super::{SandboxSettings, SandboxSpec};
use crate::WorkspaceError;

/// Bits of a mode of which a program has one.
const EXECUTABLE_BITS: u32 = 0o111;

/// The system's directories that every sandbox sees read-only.
pub(super) const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Resolves directories of the operator or the server once, so that what is compared is what is bound.
pub(super) fn real_paths(paths: &[PathBuf]) -> Result<Vec<PathBuf>, WorkspaceError> {
    paths
        .iter()
        .map(|path| {
            path.canonicalize().map_err(|error| {
                WorkspaceError::SandboxInvalid(format!(
                    "the directory {} cannot be shown in it ({error})",
                    path.display()
                ))
            })
        })
        .collect()
}

/// A directory shown on purpose may not lie inside a hidden one. (The other way round the hidden one is covered.)
pub(super) fn check_hidden(shown: &[PathBuf], hidden: &[PathBuf]) -> Result<(), WorkspaceError> {
    match shown.iter().find(|path| hidden.iter().any(|secret| path.starts_with(secret))) {
        None => Ok(()),
        Some(path) => Err(WorkspaceError::SandboxInvalid(format!(
            "the directory {} belongs to the server's own data and cannot be shown in it",
            path.display()
        ))),
    }
}

/// A spec with all that decides what it sees.
pub(super) struct View<'a> {
    pub(super) spec: &'a SandboxSpec,
    pub(super) settings: &'a SandboxSettings,
    /// The spec's own read-only directories, resolved.
    pub(super) extra: &'a [PathBuf],
    pub(super) env: &'a BTreeMap<String, String>,
}

impl View<'_> {
    /// Directories shown read-only at their own place.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Path> {
        self.settings.read_only_paths.iter().chain(self.extra).map(PathBuf::as_path)
    }

    /// Hidden directories and files that lie within something shown and so must be covered.
    pub(super) fn covered(&self) -> impl Iterator<Item = &Path> {
        self.settings.hidden_paths.iter().map(PathBuf::as_path).filter(|secret| {
            let within = |shown: &Path| secret.starts_with(shown);
            secret.exists() && (self.shown().any(within) || SYSTEM.iter().any(|shown| within(Path::new(shown))))
        })
    }

    /// The folder to start in must be there, and inside the workspace.
    pub(super) fn check_start(&self) -> Result<(), WorkspaceError> {
        if !self.spec.home.is_dir() {
            return Err(WorkspaceError::SandboxFailed("the person's home is missing".to_owned()));
        }
        let path = &self.spec.start_in;
        let root = Dir::open_ambient_dir(&self.spec.files, ambient_authority()).map_err(|error| {
            WorkspaceError::SandboxFailed(format!("the workspace's files cannot be opened ({error})"))
        })?;
        if path.is_root() {
            return Ok(());
        }
        root.open_dir(path.as_str()).map(drop).map_err(|error| WorkspaceError::from_io(path, error))
    }

    /// Refuses a program that is not there, naming it.
    pub(super) fn check_program(&self) -> Result<(), WorkspaceError> {
        let program = &self.spec.program;
        let found = if program.contains('/') {
            let path = Path::new(&self.spec.mount()).join(self.spec.start_in.as_str()).join(program);
            self.is_program(&path)
        } else {
            let path = self.env.get("PATH").map_or("", String::as_str);
            path.split(':')
                .filter(|folder| folder.starts_with('/'))
                .any(|folder| self.is_program(&Path::new(folder).join(program)))
        };
        if found { Ok(()) } else { Err(missing(program)) }
    }

    fn is_program(&self, inside: &Path) -> bool {
        let inside = lexical(inside);
        for (mount, real) in [(self.spec.mount(), &self.spec.files), (HOME_MOUNT.to_owned(), &self.spec.home)] {
            if let Ok(rest) = inside.strip_prefix(&mount) {
                return is_program_below(real, rest);
            }
        }
        let shown =
            SYSTEM.iter().any(|system| inside.starts_with(system)) || self.shown().any(|path| inside.starts_with(path));
        // A link's target means something else inside; the sandbox resolves it and reports what it finds.
        shown
            && !self.covered().any(|path| inside.starts_with(path))
            && inside.symlink_metadata().is_ok_and(|facts| facts.is_symlink() || is_executable(&facts))
    }
}

/// Looks below a person's own directory and nowhere else. Where a link leads out of it the answer is the same whatever lies
/// there: the sandbox, in which it may mean something, resolves it.
fn is_program_below(root: &Path, path: &Path) -> bool {
    let Ok(root) = Dir::open_ambient_dir(root, ambient_authority()) else { return false };
    match root.symlink_metadata(path) {
        Ok(facts) => facts.is_symlink() || facts.is_file() && facts.mode() & EXECUTABLE_BITS != 0,
        Err(error) => matches!(WorkspaceError::from_io(&RelPath::root(), error), WorkspaceError::Outside(_)),
    }
}

/// The same check where there are no walls.
pub(super) fn find_plain(spec: &SandboxSpec, env: &BTreeMap<String, String>) -> Result<(), WorkspaceError> {
    let folder = spec.files.join(spec.start_in.as_str());
    if !folder.is_dir() {
        return Err(WorkspaceError::NotFound(spec.start_in.clone()));
    }
    let is_program = |path: PathBuf| path.metadata().is_ok_and(|facts| is_executable(&facts));
    let found = if spec.program.contains('/') {
        is_program(folder.join(&spec.program))
    } else {
        let path = env.get("PATH").map_or("", String::as_str);
        path.split(':')
            .filter(|folder| !folder.is_empty())
            .any(|folder| is_program(Path::new(folder).join(&spec.program)))
    };
    if found { Ok(()) } else { Err(missing(&spec.program)) }
}

fn missing(program: &str) -> WorkspaceError {
    WorkspaceError::ProgramFailed {
        program: program.to_owned(),
        reason: "there is no such program on the server, or it may not be run".to_owned(),
    }
}

fn is_executable(facts: &std::fs::Metadata) -> bool {
    facts.is_file() && facts.permissions().mode() & EXECUTABLE_BITS != 0
}

/// Resolves `.` and `..` by the text alone.
fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_link_tells_nothing_of_what_lies_outside() {
        let dir = TempDir::new().unwrap();
        for folder in ["files/bin", "home", "outside"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for program in ["files/bin/tool", "outside/there"] {
            std::fs::write(dir.path().join(program), "#!/bin/sh").unwrap();
            std::fs::set_permissions(dir.path().join(program), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::write(dir.path().join("files/bin/note"), "x").unwrap();
        std::os::unix::fs::symlink("../outside", dir.path().join("files/out")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("outside"), dir.path().join("files/away")).unwrap();
        std::os::unix::fs::symlink("bin", dir.path().join("files/in")).unwrap();
        let (settings, env) = (SandboxSettings::default(), BTreeMap::new());
        let found = |program: &str| {
            let spec = SandboxSpec {
                files: dir.path().join("files"),
                home: dir.path().join("home"),
                folder: "project".to_owned(),
                program: program.to_owned(),
                ..SandboxSpec::default()
            };
            View { spec: &spec, settings: &settings, extra: &[], env: &env }.check_program().is_ok()
        };
        for link in ["out", "away"] {
            assert_eq!(found(&format!("./{link}/there")), found(&format!("./{link}/missing")), "{link}");
        }
        assert!(found("./bin/tool") && found("./in/tool") && found("./out"));
        assert!(!found("./bin/note") && !found("./in/missing") && !found("./bin") && !found("/home/coditect"));
    }
}
