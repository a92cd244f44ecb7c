//! `build`: the component by language, what it must export, and the package.

mod c;
mod javascript;
mod python;
mod rust;
mod tool;

use std::path::Path;

use coditect_plugin_harness::{COMPONENT_LEFT_BY_BUILD, package_of_folder};
use coditect_plugin_host::{Examined, Host};
use coditect_plugin_package::Package;
use coditect_protocol::plugin::Offers;

use crate::arguments::Language;
use crate::error::CliError;
use crate::project::Project;
use crate::world;

pub(crate) use rust::write_sdk;

/// Makes the package of a folder, and leaves it in `dist/`.
pub(crate) async fn run(folder: &Path, release: bool) -> Result<(), CliError> {
    let project = Project::open(folder)?;
    let package = package(&project, release).await?;
    let path = project.package_path();
    let bytes = write_package(&path, &package)?;
    println!("{} ({} KiB)", path.display(), bytes.div_ceil(1 << 10));
    Ok(())
}

/// Builds a plugin. Nobody signed it yet.
pub(crate) async fn package(project: &Project, release: bool) -> Result<Package, CliError> {
    let expected = world::exports(&project.manifest.offers);
    let component = match expected.is_empty() {
        // Themes alone need none.
        true => None,
        false => Some(component(project, release).await?),
    };
    if let Some(component) = &component {
        check(&Host::examine(component)?, &project.manifest.offers)?;
        let path = project.work_folder().map(|_| project.folder.join(COMPONENT_LEFT_BY_BUILD))?;
        std::fs::write(&path, component).map_err(CliError::io(&path))?;
    }
    Ok(package_of_folder(&project.folder, component)?)
}

async fn component(project: &Project, release: bool) -> Result<Vec<u8>, CliError> {
    let language = project.language()?;
    if language != Language::Rust {
        world::write(&project.folder, language, &project.manifest.offers)?;
    }
    match language {
        Language::Rust => rust::build(project, release).await,
        Language::Javascript | Language::Typescript => javascript::build(project).await,
        Language::Python => python::build(project).await,
        Language::C => c::build(project, release).await,
    }
}

/// Whether a component exports what its manifest offers. What it exports beside that is said, and does no harm.
fn check(examined: &Examined, offers: &Offers) -> Result<(), CliError> {
    let expected = world::exports(offers);
    for &(interface, offered) in &expected {
        if !examined.exports.iter().any(|export| export == interface) {
            return Err(CliError::NotExported { offered, interface });
        }
    }
    for export in examined.exports.iter().filter(|export| !expected.iter().any(|(interface, _)| interface == export)) {
        eprintln!("warning: the component exports `{export}`, which plugin.toml does not offer: nobody will call it");
    }
    Ok(())
}

/// Writes a package whole or not at all; its size in bytes.
pub(crate) fn write_package(path: &Path, package: &Package) -> Result<usize, CliError> {
    let bytes = package.to_bytes();
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(CliError::io(folder))?;
    }
    let beside = path.with_extension("partial");
    std::fs::write(&beside, &bytes).map_err(CliError::io(&beside))?;
    std::fs::rename(&beside, path).map_err(CliError::io(path))?;
    Ok(bytes.len())
}
