//! `plugin.toml`: read strictly, and brought into one form.

mod capabilities;
mod consent;
mod error;
mod offers;
mod section;
#[cfg(test)]
mod tests;
mod words;

use coditect_protocol::plugin::{Capability, CapabilityName, ContractVersion, Manifest, Offers, PluginId, ViewPlace};
use toml::de::DeTable;

pub use capabilities::{MAX_REASON_CHARS, MAX_STORAGE_BYTES};
pub use consent::{asks_more, consent};
pub use error::{ManifestError, ManifestFault};

use crate::error::PackageError;
use section::{Item, Section, Source};

/// Largest manifest, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 256 << 10;
/// The most that a manifest may ask for as a call's memory, in MiB: what a 32-bit component has. The operator's limit may be lower.
pub const MAX_MEMORY_MIB: u64 = 4096;
/// The most that all globs of a manifest take together, in bytes: what they are translated to takes far more.
pub const MAX_GLOBS_BYTES: usize = 4 << 10;
/// The most keywords.
const MAX_KEYWORDS: usize = 10;
/// Longest title of a plugin, in characters.
const MAX_TITLE_CHARS: usize = 60;
/// Longest keyword, in characters.
const MAX_KEYWORD_CHARS: usize = 30;
/// Longest version and address of a repository, in bytes.
const MAX_VERSION_BYTES: usize = 64;
const MAX_URL_BYTES: usize = 300;

const ROOT_KEYS: &[&str] = &[
    "plugin",
    "commands",
    "formatters",
    "diagnostics",
    "tools",
    "participants",
    "conversations",
    "providers",
    "hooks",
    "build-steps",
    "views",
    "status-items",
    "themes",
    "settings",
    "capability",
];
const PLUGIN_KEYS: &[&str] =
    &["id", "version", "contract", "title", "description", "license", "repository", "keywords", "icon", "memory-mib"];

/// Reads a manifest. What it comes to is in normal form: the same rights in other words or another order are the same manifest.
pub fn parse(toml: &str) -> Result<Manifest, PackageError> {
    Ok(read(toml)?)
}

fn read(toml: &str) -> Result<Manifest, ManifestError> {
    let source = Source(toml);
    if toml.len() > MAX_MANIFEST_BYTES {
        return Err(source.fault(&(0..0), "", ManifestFault::TooLarge));
    }
    let table = DeTable::parse(toml).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        source.fault(&span, "", ManifestFault::Syntax(section::printable(error.message())))
    })?;
    let root = Section::root(source, &table, ROOT_KEYS)?;
    let manifest = head(&root)?;
    needs(&root, &manifest)?;
    if globs(&manifest).map(String::len).sum::<usize>() > MAX_GLOBS_BYTES {
        return Err(root.fault(ManifestFault::GlobsTooLarge));
    }
    if manifest.offers == Offers::default() {
        return Err(root.fault(ManifestFault::OffersNothing));
    }
    Ok(manifest)
}

fn head(root: &Section<'_>) -> Result<Manifest, ManifestError> {
    const TABLE: &str = "[plugin] with id, version, contract, title, description and license";
    let Some(plugin) = root.table("plugin", PLUGIN_KEYS)? else {
        return Err(ManifestError { line: 1, key: "plugin".to_owned(), fault: ManifestFault::Missing(TABLE) });
    };
    let need = |key, write| plugin.need(key, write);
    Ok(Manifest {
        id: id(&need("id", "id = \"publisher.name\"")?)?,
        version: version(&need("version", "version = \"0.1.0\"")?)?,
        contract: contract(&need("contract", "contract = \"1.0\"")?)?,
        title: need("title", "title = \"What people call it\"")?.line(MAX_TITLE_CHARS)?,
        description: need("description", "description = \"One sentence: what it is good for\"")?
            .line(offers::MAX_DESCRIPTION_CHARS)?,
        license: license(&need("license", "license = \"Apache-2.0\"")?)?,
        repository: plugin.get("repository").map(|item| repository(&item)).transpose()?,
        keywords: plugin.get("keywords").map_or(Ok(Vec::new()), |item| keywords(&item))?,
        icon: plugin.get("icon").map(|item| item.asset(&[".svg", ".png"])).transpose()?,
        memory_mib: plugin.get("memory-mib").map(|item| memory(&item)).transpose()?,
        offers: offers::read(root)?,
        capabilities: capabilities::read(root)?,
        settings: offers::settings(root)?,
    })
}

fn id(item: &Item<'_>) -> Result<PluginId, ManifestError> {
    PluginId::parse(item.text()?).map_err(|error| item.wrong(format!("is no name: {error}")))
}

fn version(item: &Item<'_>) -> Result<String, ManifestError> {
    let text = item.text()?;
    let read = semver::Version::parse(text)
        .map_err(|error| item.wrong(format!("is no Semantic Version such as \"1.0.0\": {error}")))?;
    if !read.build.is_empty() || text.len() > MAX_VERSION_BYTES {
        // Two versions that differ in this alone would be the same to whoever compares them.
        return Err(item.wrong(format!("has at most {MAX_VERSION_BYTES} characters and no `+`; leave that part out")));
    }
    Ok(text.to_owned())
}

fn contract(item: &Item<'_>) -> Result<ContractVersion, ManifestError> {
    let version: ContractVersion =
        item.text()?.parse().map_err(|what: &str| item.wrong(format!("is wrong: {what}")))?;
    let latest = ContractVersion::LATEST;
    let is_known = version.major() == latest.major() && version.minor() <= latest.minor();
    if is_known { Ok(version) } else { Err(item.fault(ManifestFault::Contract(version))) }
}

fn license(item: &Item<'_>) -> Result<String, ManifestError> {
    let text = item.text()?;
    if words::is_license(text) {
        Ok(text.to_owned())
    } else {
        Err(item.wrong("is an SPDX expression such as \"Apache-2.0\" or \"MIT OR Apache-2.0\""))
    }
}

fn repository(item: &Item<'_>) -> Result<String, ManifestError> {
    let text = item.text()?;
    let is_web = |url: &url::Url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
    let url = url::Url::parse(text).ok().filter(|url| is_web(url) && text.len() <= MAX_URL_BYTES);
    url.map(String::from).ok_or_else(|| item.wrong("is an address on the web such as \"https://example.org/plugin\""))
}

fn keywords(item: &Item<'_>) -> Result<Vec<String>, ManifestError> {
    let words = item.words(|word| word.line(MAX_KEYWORD_CHARS).map(|word| word.to_lowercase()))?;
    if words.len() > MAX_KEYWORDS { Err(item.fault(ManifestFault::TooMany(MAX_KEYWORDS))) } else { Ok(words) }
}

fn memory(item: &Item<'_>) -> Result<u32, ManifestError> {
    item.whole(1, MAX_MEMORY_MIB).map(|mib| u32::try_from(mib).unwrap_or(u32::MAX))
}

/// All globs, wherever they stand.
fn globs(manifest: &Manifest) -> impl Iterator<Item = &String> {
    let granted = manifest.capabilities.iter().flat_map(|asked| match &asked.capability {
        Capability::Documents { globs }
        | Capability::FilesRead { globs }
        | Capability::FilesWrite { globs }
        | Capability::Search { globs } => globs.as_slice(),
        _ => &[],
    });
    let (hooks, views) = (&manifest.offers.hooks, &manifest.offers.views);
    granted.chain(&hooks.will_save).chain(&hooks.changed).chain(views.iter().flat_map(|view| &view.globs))
}

/// Whoever is handed texts of people asks for that.
fn needs(root: &Section<'_>, manifest: &Manifest) -> Result<(), ManifestError> {
    let offers = &manifest.offers;
    let has = |name| manifest.capabilities.iter().any(|asked| asked.capability.name() == name);
    let file_view = offers.views.iter().any(|view| view.place == ViewPlace::File);
    let conversations = offers.conversations.questions || offers.conversations.answers;
    let needed = [
        ("formatters", !offers.formatters.is_empty(), CapabilityName::Documents),
        ("diagnostics", !offers.diagnostics.is_empty(), CapabilityName::Documents),
        ("hooks", !offers.hooks.will_save.is_empty(), CapabilityName::Documents),
        ("views", file_view, CapabilityName::Documents),
        ("conversations", conversations, CapabilityName::Conversations),
    ];
    let sees_files =
        [CapabilityName::Documents, CapabilityName::FilesRead, CapabilityName::Search].into_iter().any(has);
    // Of files that it cannot see in any way it is not told that they change.
    let blind = ("hooks", !offers.hooks.changed.is_empty() && !sees_files, CapabilityName::FilesRead);
    let lacking = needed.into_iter().chain([blind]).find(|&(_, offered, name)| offered && !has(name));
    match lacking.and_then(|(key, _, name)| Some((root.get(key)?, name))) {
        Some((item, name)) => Err(item.fault(ManifestFault::NeedsCapability(name))),
        None => Ok(()),
    }
}
