use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use coditect_protocol::plugin::{Capability, Manifest, PluginItem};
use tokio::sync::mpsc;

use super::*;
use crate::call::Caller;
use crate::http::{Http, ThisMachine};
use crate::ports::Ports;
use crate::rights::Rights;
use crate::settings::HostSettings;
use crate::state::State;
use world::World;

mod asking;
mod files;
mod saying;
mod streams;
mod system;
mod world;

/// A call under way, and what it sees of the world.
struct Call {
    state: State,
    world: Arc<World>,
    rights: Arc<Rights>,
    items: mpsc::Receiver<PluginItem>,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn manifest() -> Arc<Manifest> {
    Arc::new(
        serde_json::from_value(serde_json::json!({
            "id": "acme.tests", "version": "1.0.0", "contract": "1.0", "title": "Tests", "description": "Tests.",
            "license": "MIT",
            "settings": [
                { "id": "size", "title": "Size", "kind": "number", "default": "4" },
                { "id": "name", "title": "Name", "kind": "text", "default": "\"none\"" },
            ],
        }))
        .unwrap(),
    )
}

fn call(capabilities: Vec<Capability>) -> Call {
    call_with(capabilities, HostSettings::default())
}

fn call_with(capabilities: Vec<Capability>, settings: HostSettings) -> Call {
    let world = Arc::new(World::default());
    let ports = Ports {
        files: Some(world.clone()),
        search: Some(world.clone()),
        models: Some(world.clone()),
        git: Some(world.clone()),
        storage: Some(world.clone()),
        ears: Some(world.clone()),
    };
    let rights = Arc::new(Rights::new(capabilities));
    let (sender, items) = mpsc::channel(4);
    let around = around(rights.clone(), settings, ports, sender);
    Call { state: State::new(Arc::new(around)), world, rights, items }
}

fn around(rights: Arc<Rights>, settings: HostSettings, ports: Ports, items: mpsc::Sender<PluginItem>) -> Around {
    Around {
        manifest: manifest(),
        log_left: AtomicUsize::new(settings.log_bytes),
        // What the operator allows, the person does.
        caller: Caller {
            who: 1,
            rights,
            ports,
            settings: Arc::new(BTreeMap::from([
                ("size".to_owned(), "7".to_owned()),
                ("other".to_owned(), "1".to_owned()),
            ])),
            private_hosts: settings.private_hosts,
            items: Some(items),
        },
        settings: Arc::new(settings),
        is_answering: true,
        deadline: Instant::now() + Duration::from_secs(30),
        meter: Arc::default(),
        outside: tokio::runtime::Handle::current(),
        http: Http::new(Arc::new(ThisMachine)),
        says: Says::default(),
    }
}

/// What a plugin is told, in the word of the contract.
fn word<T: std::fmt::Debug>(settled: &Settled<T>) -> &'static str {
    match settled.as_ref().unwrap() {
        Ok(_) => "done",
        Err(Error::Denied(_)) => "denied",
        Err(Error::Limit(_)) => "limit",
        Err(Error::NotFound(_)) => "not found",
        Err(Error::Invalid(_)) => "invalid",
        Err(Error::Conflict(_)) => "conflict",
        Err(Error::Unavailable(_)) => "unavailable",
        Err(Error::Failed(_)) => "failed",
    }
}

fn denied<T: std::fmt::Debug>(settled: Settled<T>) -> String {
    match settled.unwrap() {
        Err(Error::Denied(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn read_globs(globs: &[&str]) -> Capability {
    Capability::FilesRead { globs: words(globs) }
}

fn write_globs(globs: &[&str]) -> Capability {
    Capability::FilesWrite { globs: words(globs) }
}

fn search_globs(globs: &[&str]) -> Capability {
    Capability::Search { globs: words(globs) }
}

fn models(patterns: &[&str]) -> Capability {
    Capability::Models { models: words(patterns), usd_per_day: 0.5.try_into().unwrap() }
}
