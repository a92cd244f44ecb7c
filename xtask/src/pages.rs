//! What the browser gets: the shell, the IDE and the front, ready to be served.

use std::path::Path;

use anyhow::{Result, bail};

use crate::compress::{self, Quality};
use crate::repo::Repo;
use crate::stamp::Stamp;
use crate::ui::{self, Done};
use crate::{exec, npm, wasm};

/// Builds all of it in order, with compressed copies.
pub(crate) fn build(repo: &Repo, quality: Quality) -> Result<()> {
    bundle(repo)?;
    precompress(repo, &[("web", &repo.web_dir()), ("theia", &repo.theia_dir())], quality)
}

/// Builds all of it in order, as the bundlers leave it.
pub(crate) fn bundle(repo: &Repo) -> Result<()> {
    ui::step("wasm", "compiles and binds the shell that runs in the page", || wasm::build(repo, wasm::Mode::Small))?;
    for part in [Part::Theia, Part::Web] {
        part.install(repo)?;
        part.build(repo)?;
    }
    Ok(())
}

/// One package of Node that a bundler makes a static site of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Theia,
    Web,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Theia => "theia-app",
            Self::Web => "web",
        }
    }

    pub(crate) fn output(self, repo: &Repo) -> std::path::PathBuf {
        match self {
            Self::Theia => repo.theia_dir(),
            Self::Web => repo.web_dir(),
        }
    }

    pub(crate) fn install(self, repo: &Repo) -> Result<()> {
        let what = format!("npm ci --ignore-scripts in {}", self.name());
        ui::step("packages", &what, || npm::install(repo, &repo.root.join(self.name()))).map(drop)
    }

    pub(crate) fn build(self, repo: &Repo) -> Result<()> {
        let what = match self {
            Self::Theia => "bundles the IDE",
            Self::Web => "bundles the front",
        };
        ui::step(self.name(), what, || self.bundle(repo)).map(drop)
    }

    fn bundle(self, repo: &Repo) -> Result<Done> {
        let dir = repo.root.join(self.name());
        let index = self.output(repo).join("index.html");
        // The IDE's own packages bring the notices that are shown; their versions are in the lock file, which is a source.
        let stamp = Stamp::new(repo, self.name()).sources(&dir).everything(&repo.wasm_pkg());
        if stamp.is_fresh(&[&index]) {
            return Ok(Done::UpToDate);
        }
        exec::run(&mut npm::npm(&dir, &["run", "build"]))?;
        if !index.is_file() {
            bail!("`npm run build` in {} made no {}", self.name(), repo.show(&index));
        }
        stamp.keep()?;
        Ok(Done::did(ui::bytes(size(&self.output(repo)))))
    }
}

/// Bytes of all files below a directory that are not compressed copies.
pub(crate) fn size(dir: &Path) -> u64 {
    let walk = ignore::WalkBuilder::new(dir).standard_filters(false).build();
    let files = walk.flatten().filter(|entry| entry.path().extension().is_none_or(|extension| extension != "br"));
    files
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|metadata| metadata.len())
        .sum()
}

/// Bytes of all files as they are sent to a browser: the compressed copy where there is one.
pub(crate) fn sent(dir: &Path) -> u64 {
    let walk = ignore::WalkBuilder::new(dir).standard_filters(false).build();
    let files = walk.flatten().filter(|entry| !entry.path().with_added_extension("br").exists());
    files
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|metadata| metadata.len())
        .sum()
}

/// Puts a `.br` beside every file that gains from it.
pub(crate) fn precompress(repo: &Repo, dirs: &[(&str, &Path)], quality: Quality) -> Result<()> {
    let what = format!("compresses static files (brotli, quality {})", quality.level());
    ui::step("brotli", &what, || compress::trees(repo, dirs, quality)).map(drop)
}
