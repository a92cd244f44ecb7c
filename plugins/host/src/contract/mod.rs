//! The published versions of the contract, each served by a folder of its own. A new one is such a folder and a line of [`VERSIONS`].

use async_trait::async_trait;
use coditect_protocol::plugin::{ContractVersion, Offers};
use wasmtime::component::{Component, Instance, InstancePre, Linker};
use wasmtime::{Engine, Store};

use crate::HostError;
use crate::call::{Call, Outcome};
use crate::state::State;

mod v1;

pub(crate) use v1::bindings as v1_bindings;

/// All that are served.
pub(crate) const VERSIONS: &[Version] = &[v1::VERSION];

/// How interfaces of the contract begin, in every version.
const PREFIX: &str = "coditect:plugin/";

/// A version of the contract.
pub(crate) struct Version {
    /// Its number.
    pub(crate) number: ContractVersion,
    /// What a plugin may import of it: names without prefix and version.
    pub(crate) imports: &'static [&'static str],
    /// Adds what it lets plugins import.
    pub(crate) link: fn(&mut Linker<State>) -> wasmtime::Result<()>,
    /// Finds what a component exports of what its manifest offers.
    pub(crate) adapt: fn(&InstancePre<State>, &Offers) -> Adapted,
}

/// Calls one plugin, or why it cannot be called.
pub(crate) type Adapted = Result<Box<dyn Adapter>, HostError>;

/// Calls instances of one plugin by one version of the contract.
#[async_trait]
pub(crate) trait Adapter: Send + Sync {
    /// Makes one call. What comes back is as the plugin gave it: nothing of it is checked.
    async fn call(&self, store: &mut Store<State>, instance: &Instance, call: &Call) -> wasmtime::Result<Outcome>;
}

/// A name such as `coditect:plugin/commands@1.0.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spoken<'a> {
    /// `commands`.
    pub(crate) interface: &'a str,
    /// `1.0`.
    pub(crate) number: ContractVersion,
}

impl<'a> Spoken<'a> {
    /// Reads a name; none where it is of something else than the contract.
    pub(crate) fn read(name: &'a str) -> Option<Self> {
        let (interface, version) = name.strip_prefix(PREFIX)?.split_once('@')?;
        let mut parts = version.splitn(3, '.');
        let (major, minor) = (parts.next()?, parts.next()?);
        let patch_is_number = parts.next()?.bytes().all(|byte| byte.is_ascii_digit());
        let number = format!("{major}.{minor}").parse().ok()?;
        patch_is_number.then_some(Self { interface, number })
    }
}

/// The version that names of imports and exports speak; none where they speak none.
pub(crate) fn spoken<'a>(names: impl Iterator<Item = &'a str>) -> Result<Option<&'static Version>, HostError> {
    let mut found: Option<&'static Version> = None;
    for name in names.filter(|name| name.starts_with(PREFIX)) {
        let unknown = || HostError::UnknownContract { name: shortened(name), known: known() };
        let spoken = Spoken::read(name).ok_or_else(unknown)?;
        let version = of_number(spoken.number).ok_or_else(unknown)?;
        if found.is_some_and(|before| before.number != version.number) {
            return Err(HostError::Refused { detail: "it speaks two versions of the contract; keep to one.".into() });
        }
        found = Some(version);
    }
    Ok(found)
}

/// The version that a component speaks, and its manifest names.
pub(crate) fn version_of(
    engine: &Engine,
    component: &Component,
    named: ContractVersion,
) -> Result<&'static Version, HostError> {
    let r#type = component.component_type();
    let imports: Vec<&str> = r#type.imports(engine).map(|(name, _)| name).collect();
    let exports = r#type.exports(engine).map(|(name, _)| name);
    let by_name =
        || of_number(named).ok_or_else(|| HostError::UnknownContract { name: named.to_string(), known: known() });
    let version = spoken(imports.into_iter().chain(exports))?.map_or_else(by_name, Ok)?;
    if version.number.major() == named.major() {
        return Ok(version);
    }
    let spoken = version.number.major();
    Err(HostError::Refused {
        detail: format!("plugin.toml names contract {named}, and the component speaks {spoken}."),
    })
}

/// The version that serves a number: of the same major, and not older.
fn of_number(number: ContractVersion) -> Option<&'static Version> {
    let serves =
        |version: &&Version| version.number.major() == number.major() && version.number.minor() >= number.minor();
    VERSIONS.iter().find(serves)
}

fn known() -> String {
    VERSIONS.iter().map(|version| version.number.to_string()).collect::<Vec<_>>().join(", ")
}

/// A name of a stranger, for a message.
pub(crate) fn shortened(name: &str) -> String {
    crate::calls::one_line(name, MAX_NAME_BYTES)
}

/// Longest name in a message, in bytes.
const MAX_NAME_BYTES: usize = 120;
