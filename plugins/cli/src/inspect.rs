//! `inspect`: what a package is, asks for and holds.

use std::path::Path;

use coditect_plugin_host::{Examined, Host};
use coditect_plugin_package::{Package, consent, sha256_hex};
use coditect_protocol::plugin::Manifest;
use serde::Serialize;

use crate::error::CliError;
use crate::terminal::{asked_rows, printable, table};
use crate::world::exports;

/// Everything about a package.
#[derive(Serialize)]
struct Inspected<'a> {
    manifest: &'a Manifest,
    sha256: String,
    bytes: u64,
    /// The key whose signature is good; none where nobody signed.
    signed_by: Option<String>,
    consent: String,
    files: Vec<Held>,
    component: Option<Component>,
}

#[derive(Serialize)]
struct Held {
    path: String,
    bytes: u64,
}

#[derive(Serialize)]
struct Component {
    contract: Option<String>,
    imports: Vec<String>,
    exports: Vec<String>,
    functions: u64,
}

pub(crate) fn run(file: &Path, as_json: bool) -> Result<(), CliError> {
    let bytes = std::fs::read(file).map_err(CliError::io(file))?;
    let package = Package::read(&bytes)?;
    let inspected = Inspected {
        manifest: package.manifest(),
        sha256: sha256_hex(&bytes),
        bytes: bytes.len() as u64,
        signed_by: package.verify()?.map(|key| key.to_string()),
        consent: consent(package.manifest()),
        files: package.files().map(|(path, bytes)| Held { path: path.to_owned(), bytes: bytes.len() as u64 }).collect(),
        component: package.component().map(Host::examine).transpose()?.map(component),
    };
    if as_json {
        let json = serde_json::to_string_pretty(&inspected).map_err(|error| CliError::Build(error.to_string()))?;
        println!("{json}");
    } else {
        tell(&inspected);
    }
    Ok(())
}

fn component(examined: Examined) -> Component {
    Component {
        contract: examined.contract.map(|version| version.to_string()),
        imports: examined.imports,
        exports: examined.exports,
        functions: examined.functions,
    }
}

fn tell(inspected: &Inspected<'_>) {
    let manifest = inspected.manifest;
    println!("{} {} — {}", manifest.id, manifest.version, printable(&manifest.title));
    let signed = inspected.signed_by.as_ref().map_or("by nobody".to_owned(), |key| format!("by key {key}"));
    table(&[
        ("Description".into(), manifest.description.clone()),
        ("License".into(), manifest.license.clone()),
        ("Contract".into(), manifest.contract.to_string()),
        ("Signed".into(), signed),
        ("SHA-256".into(), inspected.sha256.clone()),
        ("Size".into(), format!("{} bytes", inspected.bytes)),
    ]);
    println!("\nAsks for");
    match manifest.capabilities.as_slice() {
        [] => println!("  nothing"),
        asked => table(&asked_rows(asked)),
    }
    println!("\nOffers");
    table(&offered(manifest));
    if let Some(component) = &inspected.component {
        println!("\nComponent");
        table(&[
            ("Imports".into(), component.imports.join(", ")),
            ("Exports".into(), component.exports.join(", ")),
            ("Functions".into(), component.functions.to_string()),
        ]);
    }
    println!("\nFiles");
    let file = |held: &Held| (held.path.clone(), format!("{} bytes", held.bytes));
    table(&inspected.files.iter().map(file).collect::<Vec<_>>());
}

/// What is offered, with names where there are any.
fn offered(manifest: &Manifest) -> Vec<(String, String)> {
    let offers = &manifest.offers;
    let names = |interface: &str| -> Vec<&str> {
        match interface {
            "commands" => offers.commands.iter().map(|one| one.title.as_str()).collect(),
            "formatters" => offers.formatters.iter().flat_map(|one| &one.languages).map(String::as_str).collect(),
            "diagnostics" => offers.diagnostics.iter().flat_map(|one| &one.languages).map(String::as_str).collect(),
            "tools" => offers.tools.iter().map(|one| one.id.as_str()).collect(),
            "participants" => offers.participants.iter().map(|one| one.id.as_str()).collect(),
            "providers" => offers.providers.iter().map(|one| one.title.as_str()).collect(),
            "hooks" => offers.hooks.will_save.iter().chain(&offers.hooks.changed).map(String::as_str).collect(),
            "build-steps" => offers.build_steps.iter().map(|one| one.title.as_str()).collect(),
            "views" => offers.views.iter().map(|one| one.title.as_str()).collect(),
            "status-items" => offers.status_items.iter().map(|one| one.title.as_str()).collect(),
            _ => Vec::new(),
        }
    };
    let mut rows: Vec<_> =
        exports(offers).into_iter().map(|(interface, _)| (interface.to_owned(), names(interface).join(", "))).collect();
    if !offers.themes.is_empty() {
        let titles: Vec<&str> = offers.themes.iter().map(|theme| theme.title.as_str()).collect();
        rows.push(("themes".to_owned(), titles.join(", ")));
    }
    rows
}
