//! From the absolute paths of the IDE's URIs to places on the server, and back. Pure.

use coditect_protocol::files::{Place, Root};
use coditect_protocol::path::RelPath;
use coditect_protocol::workspace::{HOME_MOUNT, WORKSPACE_MOUNT};

use crate::error::ShellError;

/// What an absolute path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Located {
    /// A folder that only leads to a root; the names it lists.
    Virtual(Vec<String>),
    /// Something on the server.
    Real(Place),
}

/// The two roots as they are mounted in the IDE.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mounts {
    /// The open workspace and its path, `/workspace/<folder>`.
    workspace: Option<(Root, String)>,
}

impl Mounts {
    /// With a workspace open whose folder has this name.
    pub(crate) fn with_workspace(root: Root, folder: &str) -> Self {
        Self { workspace: Some((root, format!("{WORKSPACE_MOUNT}/{folder}"))) }
    }

    /// The root of the open workspace.
    pub(crate) fn workspace_root(&self) -> Option<Root> {
        self.workspace.as_ref().map(|(root, _)| *root)
    }

    fn all(&self) -> impl Iterator<Item = (Root, &str)> {
        self.workspace.iter().map(|(root, path)| (*root, path.as_str())).chain([(Root::Home, HOME_MOUNT)])
    }

    /// What `path` stands for. Never climbs: `..` is refused before anything else is looked at.
    pub(crate) fn locate(&self, path: &str) -> Result<Located, ShellError> {
        let rest = path.strip_prefix('/').ok_or_else(|| ShellError::Outside { path: path.to_owned() })?;
        let clean = RelPath::parse(rest.trim_start_matches('/'))?;
        let clean = if clean.is_root() { String::from("/") } else { format!("/{}", clean.as_str()) };
        for (root, mount) in self.all() {
            if let Some(below) = below(&clean, mount) {
                return Ok(Located::Real(Place { root, path: RelPath::parse(below)? }));
            }
        }
        let mut names: Vec<String> = self.all().filter_map(|(_, mount)| next_name(&clean, mount)).collect();
        if clean == WORKSPACE_MOUNT || !names.is_empty() || clean == "/" {
            if clean == "/" {
                names.push(WORKSPACE_MOUNT.trim_start_matches('/').to_owned());
            }
            names.sort_unstable();
            names.dedup();
            return Ok(Located::Virtual(names));
        }
        Err(ShellError::NotFound { path: path.to_owned() })
    }

    /// The place to read from or to change; what is outside both roots is refused.
    pub(crate) fn place(&self, path: &str) -> Result<Place, ShellError> {
        match self.locate(path) {
            Ok(Located::Real(place)) => Ok(place),
            Ok(Located::Virtual(_)) | Err(ShellError::NotFound { .. }) => {
                Err(ShellError::Outside { path: path.to_owned() })
            }
            Err(error) => Err(error),
        }
    }

    /// A path relative to the workspace, from one that may be absolute.
    pub(crate) fn in_workspace(&self, path: &str) -> Result<RelPath, ShellError> {
        if !path.starts_with('/') {
            return Ok(RelPath::parse(path)?);
        }
        let place = self.place(path)?;
        if place.root == Root::Home {
            return Err(ShellError::Outside { path: path.to_owned() });
        }
        Ok(place.path)
    }

    /// The absolute path of something in a root; `None` when that root is not mounted (any more).
    pub(crate) fn absolute(&self, root: Root, path: &RelPath) -> Option<String> {
        let (_, mount) = self.all().find(|(mounted, _)| *mounted == root)?;
        Some(if path.is_root() { mount.to_owned() } else { format!("{mount}/{}", path.as_str()) })
    }
}

/// The part of `path` below `mount`; empty for the mount itself.
fn below<'p>(path: &'p str, mount: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(mount)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// The next name on the way from `path` down to `mount`.
fn next_name(path: &str, mount: &str) -> Option<String> {
    let rest = if path == "/" { mount.strip_prefix('/')? } else { below(mount, path)? };
    rest.split('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Percent-encodes a path for a URL, keeping its slashes.
pub(crate) fn percent_encode_path(path: &str) -> String {
    encode(path, b"-._~/")
}

/// Percent-encodes one value of a query.
pub(crate) fn percent_encode(value: &str) -> String {
    encode(value, b"-._~")
}

fn encode(text: &str, kept: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::{Coded, WorkspaceId};
    use proptest::prelude::*;

    fn root() -> Root {
        Root::Workspace(WorkspaceId(uuid::Uuid::from_u128(7)))
    }

    fn mounts() -> Mounts {
        Mounts::with_workspace(root(), "demo")
    }

    fn real(root: Root, path: &str) -> Located {
        Located::Real(Place { root, path: RelPath::parse(path).unwrap() })
    }

    #[test]
    fn finds_both_roots() {
        let check = |path: &str, expected: Located| assert_eq!(mounts().locate(path).unwrap(), expected, "{path}");
        check("/workspace/demo", real(root(), ""));
        check("/workspace/demo/", real(root(), ""));
        check("//workspace//demo/./a/b", real(root(), "a/b"));
        check("/home/coditect/.theia/settings.json", real(Root::Home, ".theia/settings.json"));
        check("/home/coditect", real(Root::Home, ""));
    }

    #[test]
    fn lists_the_way_there() {
        let check = |mounts: &Mounts, path: &str, names: &[&str]| {
            let expected = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(mounts.locate(path).unwrap(), Located::Virtual(expected), "{path}");
        };
        check(&mounts(), "/", &["home", "workspace"]);
        check(&mounts(), "/workspace/", &["demo"]);
        check(&mounts(), "/home", &["coditect"]);
        check(&Mounts::default(), "/", &["home", "workspace"]);
        check(&Mounts::default(), "/workspace", &[]);
    }

    #[test]
    fn refuses_everything_else() {
        let check = |path: &str, read: &str, write: &str| {
            assert_eq!(mounts().locate(path).unwrap_err().code(), read, "{path}");
            assert_eq!(mounts().place(path).unwrap_err().code(), write, "{path}");
        };
        check("/etc/passwd", "files.not_found", "path.outside");
        check("/workspace/demo2/x", "files.not_found", "path.outside");
        check("/workspace/dem", "files.not_found", "path.outside");
        check("/home/coditect2", "files.not_found", "path.outside");
        check("/workspace/demo/../other", "path.outside", "path.outside");
        check("relative", "path.outside", "path.outside");
        check("", "path.outside", "path.outside");
        check("/workspace/demo/a\0", "path.nul", "path.nul");
        assert_eq!(mounts().place("/workspace").unwrap_err().code(), "path.outside");
    }

    #[test]
    fn takes_folders_either_way() {
        assert_eq!(mounts().in_workspace("/workspace/demo/src").unwrap().as_str(), "src");
        assert_eq!(mounts().in_workspace("src/").unwrap().as_str(), "src");
        assert_eq!(mounts().in_workspace("/home/coditect/.ssh").unwrap_err().code(), "path.outside");
        assert_eq!(mounts().in_workspace("../x").unwrap_err().code(), "path.outside");
    }

    #[test]
    fn encodes_for_urls() {
        assert_eq!(percent_encode_path("a b/ä?#%.txt"), "a%20b/%C3%A4%3F%23%25.txt");
        assert_eq!(percent_encode("a/b&c"), "a%2Fb%26c");
    }

    proptest! {
        #[test]
        fn there_and_back(text in "[a-c./]{0,12}") {
            if let Ok(path) = RelPath::parse(text.trim_start_matches('/')) {
                let absolute = mounts().absolute(root(), &path).unwrap();
                prop_assert_eq!(mounts().locate(&absolute).unwrap(), Located::Real(Place { root: root(), path }));
            }
        }
    }
}
