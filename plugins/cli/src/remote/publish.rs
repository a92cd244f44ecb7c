//! `publish`: a signed package for everybody.

use std::path::Path;

use coditect_plugin_package::PublicKey;
use coditect_protocol::plugin::{NewPublisher, Publisher, RegistryVersion};

use super::Client;
use crate::arguments::Publish;
use crate::error::CliError;
use crate::project::Project;
use crate::terminal::printable;
use crate::{build, keys};

pub(crate) async fn run(folder: &Path, publish: Publish) -> Result<(), CliError> {
    let project = Project::open(folder)?;
    let key = keys::read(publish.key.as_deref())?;
    let client = Client::new(publish.server)?;
    let mut package = build::package(&project, true).await?;
    package.sign(&key);
    build::write_package(&project.package_path(), &package)?;
    introduce(&client, project.manifest.id.publisher(), &key.public()).await?;
    let version: RegistryVersion = client.send("plugins/registry", package.to_bytes()).await?;
    println!(
        "Published {} {}, signed by {}. SHA-256: {}",
        project.manifest.id,
        printable(&version.version),
        printable(&version.key),
        printable(&version.sha256)
    );
    Ok(())
}

/// Takes the publisher's name where it is free, and adds the key where it is one's own; the server refuses where it is somebody else's.
async fn introduce(client: &Client, name: &str, key: &PublicKey) -> Result<(), CliError> {
    let own: Vec<Publisher> = client.get("plugins/publishers").await?;
    let id = key.id();
    let mine = own.iter().find(|publisher| publisher.name == name);
    if mine.is_some_and(|publisher| publisher.keys.iter().any(|key| key.id == id.as_str())) {
        return Ok(());
    }
    let new = NewPublisher { name: name.to_owned(), public_key: key.to_string() };
    let _: Publisher = client.post("plugins/publishers", &new).await?;
    println!("The server knows key {id} as one of {name} now.");
    Ok(())
}
