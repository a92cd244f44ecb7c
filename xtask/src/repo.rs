//! Where things are in the repository.

use std::path::{Path, PathBuf};

/// The checkout and what its build makes.
#[derive(Debug, Clone)]
pub(crate) struct Repo {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Repo {
    /// The checkout that this program was built from.
    pub(crate) fn find() -> Self {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = PathBuf::from(manifest);
        Self::at(manifest.parent().unwrap_or(&manifest))
    }

    pub(crate) fn at(root: &Path) -> Self {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        Self { root: root.to_owned(), target }
    }

    /// Fingerprints of what was built.
    pub(crate) fn stamps(&self) -> PathBuf {
        self.target.join("xtask-stamps")
    }

    pub(crate) fn wasm_pkg(&self) -> PathBuf {
        self.root.join("wasm/pkg")
    }

    pub(crate) fn web_dir(&self) -> PathBuf {
        self.root.join("web/dist")
    }

    pub(crate) fn theia_dir(&self) -> PathBuf {
        self.root.join("theia-app/app/lib/frontend")
    }

    pub(crate) fn nginx_template(&self) -> PathBuf {
        self.root.join("nginx/coditect.conf.template")
    }

    /// `path` as a person in the checkout would write it.
    pub(crate) fn show<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

/// How the Rust of the server is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
    Dist,
}

impl Profile {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
            Self::Dist => "dist",
        }
    }
}
