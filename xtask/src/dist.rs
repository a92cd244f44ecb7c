//! `cargo xtask build`: what is shipped.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::compress::Quality;
use crate::history::History;
use crate::repo::{Profile, Repo};
use crate::setup::{self, Needs};
use crate::ui::{self, Done};
use crate::{exec, pages};

pub(crate) fn build(repo: &Repo, started: Instant) -> Result<()> {
    let tools = [setup::LIBCLANG];
    setup::require(&setup::prepare(repo, &Needs::pages(&tools))?, &tools)?;
    let history = History::open(repo, "build");
    pages::bundle(repo)?;
    let out = repo.target.join("dist-artefacts");
    ui::step("server", "compiles the server and what it starts (dist)", || {
        let program = exec::server(repo, Profile::Dist)?;
        for name in exec::PROGRAMS {
            replace(&program.with_file_name(name), &out.join("bin").join(name))?;
        }
        Ok(Done::did(""))
    })?;
    ui::step("artefacts", &format!("gathers everything in {}", repo.show(&out)), || {
        replace(&repo.web_dir(), &out.join("web"))?;
        replace(&repo.theia_dir(), &out.join("theia"))?;
        replace(&repo.nginx_template(), &out.join("nginx/coditect.conf.template"))?;
        Ok(Done::did(""))
    })?;
    pages::precompress(repo, &[("web", &out.join("web")), ("theia", &out.join("theia"))], Quality::Best)?;
    println!("{}", sizes(&out)?);
    println!("{}", history.succeeded(ui::since_typed(started)));
    Ok(())
}

/// Copies a file or a directory to a place that then holds nothing else.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let says = || format!("{} cannot be copied to {}", from.display(), to.display());
    if to.is_dir() {
        fs::remove_dir_all(to).with_context(says)?;
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(says)?;
    }
    copy(from, to).with_context(says)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        // A program that runs cannot be written over, but can be replaced.
        let _older = fs::remove_file(to);
        fs::copy(from, to)?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn sizes(out: &Path) -> Result<String> {
    let mut rows = vec![["artefact", "size", "brotli"].map(str::to_owned).to_vec()];
    for name in exec::PROGRAMS {
        let program = fs::metadata(out.join("bin").join(name))?.len();
        rows.push(vec![format!("bin/{name}"), ui::bytes(program), String::new()]);
    }
    for part in ["web", "theia"] {
        let dir = out.join(part);
        rows.push(vec![format!("{part}/"), ui::bytes(pages::size(&dir)), ui::bytes(pages::sent(&dir))]);
    }
    Ok(ui::table(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp;

    #[test]
    fn the_copy_holds_nothing_older() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("deep/to"));
        stamp::write(&from.join("a/b"), b"1").unwrap();
        stamp::write(&to.join("stale"), b"").unwrap();
        replace(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("a/b")).unwrap(), b"1");
        assert!(!to.join("stale").exists());
    }
}
