//! Puts the contract, the SDK for Rust and the templates into the program, so that it needs nothing beside itself.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let plugins = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("..");
    let mut code = String::new();
    for (name, folder) in [("WIT", "wit/v1"), ("SDK_SOURCES", "sdk/src"), ("TEMPLATES", "templates")] {
        let root = plugins.join(folder);
        println!("cargo::rerun-if-changed={}", root.display());
        let mut files = Vec::new();
        collect(&root, "", &mut files)?;
        files.sort();
        writeln!(code, "/// Files of `{folder}`, by path.\npub(crate) static {name}: &[(&str, &str)] = &[")?;
        for (path, file) in files {
            writeln!(code, "    ({path:?}, include_str!({:?})),", file.canonicalize()?.display().to_string())?;
        }
        code.push_str("];\n");
    }
    let manifest = plugins.join("sdk/Cargo.toml");
    println!("cargo::rerun-if-changed={}", manifest.display());
    writeln!(
        code,
        "/// Its manifest.\npub(crate) static SDK_MANIFEST: &str = include_str!({:?});",
        manifest.canonicalize()?
    )?;
    fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("embedded.rs"), code)?;
    Ok(())
}

/// What is below a folder, but for what building leaves there.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Outcome<()> {
    const LEFT: [&str; 5] = ["target", "node_modules", "dist", ".coditect", ".venv"];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| "a name that is no text")?;
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            if !LEFT.contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), files)?;
            }
        } else {
            files.push((path, entry.path()));
        }
    }
    Ok(())
}
