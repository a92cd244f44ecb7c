//! C: bindings are made here, clang makes a core module of them and the sources, and that is made a component here.

use std::path::{Path, PathBuf};

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;
use wit_component::ComponentEncoder;

use super::tool::{Tool, made};
use crate::error::CliError;
use crate::project::{Project, c_sources};
use crate::world::{FOLDER, WORLD};

/// The triples of WASI 0.1, the newer name first: clang knows it from version 19 on.
const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-wasi"];

pub(super) async fn build(project: &Project, release: bool) -> Result<Vec<u8>, CliError> {
    let folder = &project.folder;
    let generated = bindings(project)?;
    let core = project.work_folder()?.join("core.wasm");
    let clang = clang();
    let target = target(&clang, folder).await?;
    let mut command = clang.command(folder);
    command.arg(format!("--target={target}")).args(["-mexec-model=reactor", "-Oz", "-Wall", "-Wextra"]);
    if release {
        command.arg("-s");
    }
    command.arg("-I").arg(&generated).args(c_sources(folder));
    command.arg(generated.join(format!("{WORLD}.c"))).arg(generated.join(format!("{WORLD}_component_type.o")));
    command.arg("-o").arg(&core);
    clang.run(command).await?;
    component(&made(&core)?)
}

/// `plugin.h`, `plugin.c` and an object with the world, in a folder of their own.
fn bindings(project: &Project) -> Result<PathBuf, CliError> {
    let wrong = |error: &dyn std::fmt::Display| CliError::Build(format!("wit/ cannot be used: {error:#}"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(project.folder.join(FOLDER)).map_err(|error| wrong(&error))?;
    let world = resolve.select_world(&[package], Some(WORLD)).map_err(|error| wrong(&error))?;
    let mut files = Files::default();
    let mut generator = wit_bindgen_c::Opts::default().build();
    generator.generate(&mut resolve, world, &mut files).map_err(|error| wrong(&error))?;
    let folder = project.work_folder()?.join("gen");
    std::fs::create_dir_all(&folder).map_err(CliError::io(&folder))?;
    for (name, content) in files.iter() {
        let path = folder.join(name);
        std::fs::write(&path, content).map_err(CliError::io(&path))?;
    }
    Ok(folder)
}

/// That of a WASI SDK where `WASI_SDK_PATH` names one, else the system's.
fn clang() -> Tool {
    let install = "install clang, lld, wasi-libc and the compiler's runtime for wasm32 (Debian and Ubuntu: apt install clang lld wasi-libc libclang-rt-dev-wasm32), or set WASI_SDK_PATH to a WASI SDK".to_owned();
    match std::env::var_os("WASI_SDK_PATH") {
        Some(sdk) => Tool::at("clang for WASI", Path::new(&sdk).join("bin/clang"), install),
        None => Tool::at("clang for WASI", PathBuf::from("clang"), install),
    }
}

/// The first triple for which there is a C library.
async fn target(clang: &Tool, folder: &Path) -> Result<&'static str, CliError> {
    for target in TARGETS {
        let mut command = clang.command(folder);
        command.arg(format!("--target={target}")).args([
            "-fsyntax-only",
            "-include",
            "stdlib.h",
            "-x",
            "c",
            "/dev/null",
        ]);
        if clang.succeeds(command).await? {
            return Ok(target);
        }
    }
    Err(clang.missing())
}

fn component(core: &[u8]) -> Result<Vec<u8>, CliError> {
    let encoded = ComponentEncoder::default()
        .module(core)
        .and_then(|encoder| {
            encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
        })
        .and_then(|encoder| encoder.validate(true).encode());
    encoded.map_err(|error| CliError::Build(format!("the module is no component of its world: {error:#}")))
}
