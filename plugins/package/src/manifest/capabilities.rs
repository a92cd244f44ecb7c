//! `[[capability]]`: what a plugin asks for, in its normal form.

use coditect_protocol::llm::Usd;
use coditect_protocol::plugin::{Asked, Capability, CapabilityName};

use super::error::{ManifestError, ManifestFault};
use super::section::{Item, Section};

/// Longest reason, in characters.
pub const MAX_REASON_CHARS: usize = 200;
/// The most that a plugin may keep, in bytes.
pub const MAX_STORAGE_BYTES: u64 = 64 << 20;
/// The most that a plugin may ask to spend on a day, in US dollars.
const MAX_USD_PER_DAY: f64 = 10_000.0;

const KEYS: &[&str] = &["name", "reason", "globs", "hosts", "private", "models", "usd-per-day", "bytes"];

/// What each capability has beside its name and reason.
const fn keys_of(name: CapabilityName) -> &'static [&'static str] {
    match name {
        CapabilityName::Documents | CapabilityName::FilesRead | CapabilityName::FilesWrite | CapabilityName::Search => {
            &["globs"]
        }
        CapabilityName::Http => &["hosts", "private"],
        CapabilityName::Models => &["models", "usd-per-day"],
        CapabilityName::Storage => &["bytes"],
        CapabilityName::Conversations
        | CapabilityName::GitRead
        | CapabilityName::Notify
        | CapabilityName::Clock
        | CapabilityName::Random => &[],
    }
}

/// All of them, in the order of the consent screen, each once.
pub(super) fn read(root: &Section<'_>) -> Result<Vec<Asked>, ManifestError> {
    let mut asked: Vec<Asked> = Vec::new();
    for section in root.tables("capability", KEYS)? {
        let one = read_one(&section)?;
        let name = one.capability.name();
        if asked.iter().any(|other| other.capability.name() == name) {
            return Err(section.fault(ManifestFault::Double(name.to_string())));
        }
        asked.push(one);
    }
    asked.sort_by_key(|asked| CapabilityName::ALL.iter().position(|&name| name == asked.capability.name()));
    Ok(asked)
}

fn read_one(section: &Section<'_>) -> Result<Asked, ManifestError> {
    let item = section.need("name", "name = \"files.read\", or another")?;
    let text = item.text()?;
    let name = CapabilityName::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| unknown(&item))?;
    for key in KEYS.iter().filter(|key| !["name", "reason"].contains(key)) {
        match section.get(key) {
            Some(item) if !keys_of(name).contains(key) => {
                return Err(item.wrong(format!("does not belong to the capability `{name}`; take it out")));
            }
            _ => {}
        }
    }
    let reason = section
        .need("reason", "reason = \"One sentence: what for.\"; people read it where they consent")?
        .line(MAX_REASON_CHARS)?;
    Ok(Asked { capability: bounds(name, section)?, reason })
}

fn unknown(item: &Item<'_>) -> ManifestError {
    let known: Vec<String> = CapabilityName::ALL.iter().map(|name| format!("\"{name}\"")).collect();
    item.wrong(format!("is none of the capabilities; there are {}", known.join(", ")))
}

fn bounds(name: CapabilityName, section: &Section<'_>) -> Result<Capability, ManifestError> {
    let globs = || section.need("globs", "globs = [\"src/**/*.rs\"]")?.words(Item::glob);
    Ok(match name {
        CapabilityName::Documents => Capability::Documents { globs: globs()? },
        CapabilityName::FilesRead => Capability::FilesRead { globs: globs()? },
        CapabilityName::FilesWrite => Capability::FilesWrite { globs: globs()? },
        CapabilityName::Search => Capability::Search { globs: globs()? },
        CapabilityName::Http => Capability::Http {
            hosts: section.need("hosts", "hosts = [\"api.example.org\"]")?.words(Item::host)?,
            private: section.get("private").map_or(Ok(false), |item| item.flag())?,
        },
        CapabilityName::Models => Capability::Models {
            models: section.need("models", "models = [\"upstream/model\"]")?.words(Item::model)?,
            usd_per_day: usd(&section.need("usd-per-day", "usd-per-day = 0.5, the most it may spend a day")?)?,
        },
        CapabilityName::Storage => Capability::Storage {
            bytes: section.need("bytes", "bytes = 65536, the most it keeps")?.whole(1, MAX_STORAGE_BYTES)?,
        },
        CapabilityName::Conversations => Capability::Conversations,
        CapabilityName::GitRead => Capability::GitRead,
        CapabilityName::Notify => Capability::Notify,
        CapabilityName::Clock => Capability::Clock,
        CapabilityName::Random => Capability::Random,
    })
}

fn usd(item: &Item<'_>) -> Result<Usd, ManifestError> {
    let number = item.number()?;
    let amount = Usd::try_from(number).ok().filter(|&amount| amount > Usd::ZERO && number <= MAX_USD_PER_DAY);
    amount.ok_or_else(|| item.wrong(format!("is US dollars, more than 0 and at most {MAX_USD_PER_DAY}")))
}
