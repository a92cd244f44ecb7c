//! Looking at a component before it is translated: what strangers wrote is refused here where it is no plugin, or made to keep a
//! compiler busy.

use std::collections::HashSet;

use coditect_protocol::plugin::ContractVersion;
use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, FunctionBody, Instance, Operator, Parser, Payload,
};

use crate::HostError;
use crate::contract::{self, Spoken, VERSIONS};

/// Largest component, in bytes.
pub const MAX_COMPONENT_BYTES: usize = 48 << 20;
/// Most functions of all its modules.
const MAX_FUNCTIONS: u64 = 200_000;
/// Largest function, in bytes.
const MAX_FUNCTION_BYTES: u64 = 1 << 20;
/// Most local variables of a function.
const MAX_LOCALS: u64 = 20_000;
/// Deepest nesting of blocks in a function.
const MAX_BLOCKS: u64 = 2_000;
/// Most modules and components within it.
const MAX_PARTS: u64 = 256;
/// Deepest nesting of components and modules.
const MAX_DEPTH: u64 = 8;
/// Most imports and exports of a component.
const MAX_NAMES: u64 = 500;
/// Most bytes of data that are laid out before the first function runs. Nothing interrupts that.
const MAX_LAID_OUT: u64 = 64 << 20;
/// How many bytes of data each byte of a table's elements counts for: it stands for up to one element.
const ELEMENT_BYTES: u64 = 16;
/// What is instantiated again counts as if it were so often.
const REPEATS: u64 = 64;

/// Packages of WASI of which a plugin may import interfaces, in version 0.2. All of them are empty or frozen unless granted.
const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// What a component imports and exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The contract that it speaks; none where it neither imports nor exports anything of it.
    pub contract: Option<ContractVersion>,
    /// Interfaces of the contract that it exports: `commands`, `views` …
    pub exports: Vec<String>,
    /// Interfaces of the contract that it imports: `files`, `http` …
    pub imports: Vec<String>,
    /// Its size in bytes.
    pub bytes: u64,
    /// Functions of all its modules.
    pub functions: u64,
}

#[derive(Default)]
struct Counts {
    functions: u64,
    parts: u64,
    /// Components and modules that are open here: 1 is the outermost.
    depth: u64,
    imports: Vec<String>,
    exports: Vec<String>,
    layout: Layout,
}

/// What is laid out in memories and tables when a component is instantiated.
#[derive(Default)]
struct Layout {
    bytes: u64,
    /// Something is instantiated more than once, or is made known elsewhere, where it may be.
    repeats: bool,
    /// Modules and components that were instantiated in each of the open components.
    open: Vec<[HashSet<u32>; 2]>,
}

impl Layout {
    fn look_at(&mut self, payload: &Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::Version { .. } => self.open.push(Default::default()),
            Payload::End(_) => drop(self.open.pop()),
            Payload::DataSection(section) => self.bytes += section.range().len() as u64,
            Payload::ElementSection(section) => self.bytes += section.range().len() as u64 * ELEMENT_BYTES,
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        self.instantiated(0, module_index);
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance? {
                        self.instantiated(1, component_index);
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    self.repeats |= makes_known(&alias?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn instantiated(&mut self, kind: usize, index: u32) {
        let is_first = self.open.last_mut().is_some_and(|before| before[kind].insert(index));
        self.repeats |= !is_first;
    }

    /// How much it is at most.
    const fn most(&self) -> u64 {
        if self.repeats { self.bytes.saturating_mul(REPEATS) } else { self.bytes }
    }
}

/// Whether an alias makes something known that can be instantiated.
const fn makes_known(alias: &ComponentAlias<'_>) -> bool {
    match alias {
        ComponentAlias::InstanceExport { kind, .. } => {
            matches!(kind, ComponentExternalKind::Module | ComponentExternalKind::Component)
        }
        ComponentAlias::Outer { kind, .. } => {
            matches!(kind, ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::Component)
        }
        ComponentAlias::CoreInstanceExport { .. } => false,
    }
}

/// Only its structure is read: whether the code is valid is the compiler's business.
pub(crate) fn examine(component: &[u8]) -> Result<Examined, HostError> {
    within("bytes", component.len() as u64, MAX_COMPONENT_BYTES as u64)?;
    if !Parser::is_component(component) {
        return Err(HostError::NotAComponent { detail: "it is a module, or something else".into() });
    }
    let mut counts = Counts::default();
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(damaged)?;
        counts.look_at(&payload)?;
        counts.layout.look_at(&payload).map_err(damaged)?;
    }
    within("bytes that are laid out before it runs", counts.layout.most(), MAX_LAID_OUT)?;
    let names = || counts.imports.iter().chain(&counts.exports).map(String::as_str);
    let version = contract::spoken(names())?;
    counts.imports.iter().try_for_each(|name| is_allowed(name))?;
    let of_contract = |names: &[String]| {
        let names = names.iter().filter_map(|name| Spoken::read(name));
        names.map(|spoken| spoken.interface.to_owned()).collect()
    };
    Ok(Examined {
        contract: version.map(|version| version.number),
        exports: of_contract(&counts.exports),
        imports: of_contract(&counts.imports),
        bytes: component.len() as u64,
        functions: counts.functions,
    })
}

impl Counts {
    fn look_at(&mut self, payload: &Payload<'_>) -> Result<(), HostError> {
        match payload {
            Payload::Version { .. } => {
                self.depth += 1;
                within("parts within each other", self.depth, MAX_DEPTH)
            }
            Payload::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(())
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.parts += 1;
                within("parts", self.parts, MAX_PARTS)
            }
            Payload::ComponentImportSection(section) if self.depth == 1 => {
                within("imports", u64::from(section.count()), MAX_NAMES)?;
                for import in section.clone() {
                    let import = import.map_err(damaged)?;
                    if !matches!(import.ty, ComponentTypeRef::Instance(_)) {
                        return Err(HostError::UnknownImport { name: contract::shortened(import.name.name) });
                    }
                    self.imports.push(import.name.name.to_owned());
                }
                Ok(())
            }
            Payload::ComponentExportSection(section) if self.depth == 1 => {
                within("exports", u64::from(section.count()), MAX_NAMES)?;
                for export in section.clone() {
                    let export = export.map_err(damaged)?;
                    if export.kind == ComponentExternalKind::Instance {
                        self.exports.push(export.name.name.to_owned());
                    }
                }
                Ok(())
            }
            Payload::CodeSectionEntry(body) => {
                self.functions += 1;
                within("functions", self.functions, MAX_FUNCTIONS)?;
                look_at_function(body)
            }
            _ => Ok(()),
        }
    }
}

fn look_at_function(body: &FunctionBody<'_>) -> Result<(), HostError> {
    within("bytes in one function", body.range().len() as u64, MAX_FUNCTION_BYTES)?;
    let mut locals = 0;
    for group in body.get_locals_reader().map_err(damaged)? {
        locals += u64::from(group.map_err(damaged)?.0);
        within("local variables in one function", locals, MAX_LOCALS)?;
    }
    let mut blocks: u64 = 0;
    for operator in body.get_operators_reader().map_err(damaged)? {
        match operator.map_err(damaged)? {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                blocks += 1;
                within("blocks within each other", blocks, MAX_BLOCKS)?;
            }
            Operator::End => blocks = blocks.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn is_allowed(name: &str) -> Result<(), HostError> {
    let of_contract = |spoken: Spoken<'_>| {
        let version = VERSIONS.iter().find(|version| version.number.major() == spoken.number.major());
        version.is_some_and(|version| version.imports.contains(&spoken.interface))
    };
    let of_wasi = || {
        let (package, interface) = name.strip_prefix("wasi:")?.split_once('/')?;
        let (_, version) = interface.split_once('@')?;
        Some(WASI.contains(&package) && version.starts_with("0.2."))
    };
    if Spoken::read(name).is_some_and(of_contract) || of_wasi() == Some(true) {
        return Ok(());
    }
    Err(HostError::UnknownImport { name: contract::shortened(name) })
}

fn within(what: &'static str, count: u64, most: u64) -> Result<(), HostError> {
    if count <= most { Ok(()) } else { Err(HostError::TooLarge { what, most }) }
}

fn damaged(error: impl std::fmt::Display) -> HostError {
    HostError::NotAComponent { detail: contract::shortened(&error.to_string()) }
}
