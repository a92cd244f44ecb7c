//! Names of plugins, and versions of the contract.

use serde::{Deserialize, Serialize};

/// Longest part of a name, in bytes.
const MAX_PART_BYTES: usize = 40;

/// `publisher.name`: two parts of lower-case letters, digits and single `-` between them, each at most 40 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
#[serde(transparent)]
pub struct PluginId(#[cfg_attr(feature = "js", tsify(type = "string"))] String);

/// What is wrong with the name of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a plugin is named publisher.name, each of lower-case letters, digits and single hyphens between them, at most {MAX_PART_BYTES} bytes"
)]
pub struct PluginIdError;

impl PluginId {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, PluginIdError> {
        let (publisher, name) = text.split_once('.').ok_or(PluginIdError)?;
        if is_part(publisher) && is_part(name) { Ok(Self(text.to_owned())) } else { Err(PluginIdError) }
    }

    /// Of two parts.
    pub fn of(publisher: &str, name: &str) -> Result<Self, PluginIdError> {
        Self::parse(&format!("{publisher}.{name}"))
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose it is.
    #[must_use]
    pub fn publisher(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// What it is called there.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split('.').nth(1).unwrap_or_default()
    }

    /// Whether a text may be the name of a publisher, or of what they publish.
    #[must_use]
    pub fn is_part(text: &str) -> bool {
        is_part(text)
    }
}

fn is_part(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=MAX_PART_BYTES).contains(&text.len())
        && text.split('-').all(|word| !word.is_empty() && word.bytes().all(plain))
}

impl std::fmt::Display for PluginId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for PluginId {
    type Err = PluginIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for PluginId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A version of the contract that plugins are written against: `1.0`. A new major version breaks plugins, a minor one adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct ContractVersion(#[cfg_attr(feature = "js", tsify(type = "string"))] u32);

impl ContractVersion {
    /// The newest.
    pub const LATEST: Self = Self::new(1, 0);

    /// Of both parts.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self((major as u32) << 16 | minor as u32)
    }

    /// Changes that break plugins.
    #[must_use]
    pub const fn major(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Additions.
    #[must_use]
    pub const fn minor(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

impl From<ContractVersion> for String {
    fn from(version: ContractVersion) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for ContractVersion {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl std::fmt::Display for ContractVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major(), self.minor())
    }
}

impl std::str::FromStr for ContractVersion {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |part: &str| {
            let is_canonical = part == "0" || !part.starts_with('0');
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            (is_canonical && digits).then(|| part.parse().ok()).flatten()
        };
        let read = || {
            let (major, minor) = text.split_once('.')?;
            Some(Self::new(plain(major)?, plain(minor)?))
        };
        read().ok_or("a version of the contract is written major.minor, such as 1.0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["a.b", "acme.todo-tree", "a1.2b", &format!("{0}.{0}", "x".repeat(40))] {
            let id = PluginId::parse(good).unwrap();
            assert_eq!(PluginId::of(id.publisher(), id.name()).unwrap(), id, "{good}");
        }
        let long = format!("a.{}", "x".repeat(41));
        for bad in [
            "", ".", "a", "a.", ".b", "a.b.c", "A.b", "a_b.c", "a.-b", "a.b-", "a.b--c", "a/b.c", "ä.b", "a.b\0", &long,
        ] {
            assert!(PluginId::parse(bad).is_err(), "{bad}");
            assert!(rmp_serde::from_slice::<PluginId>(&rmp_serde::to_vec(bad).unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_of_the_contract_have_one_form() {
        assert_eq!("1.0".parse(), Ok(ContractVersion::LATEST));
        for bad in ["", "1", "1.", ".0", "01.0", "1.00", "1.0.0", "+1.0", "1.-0", "65536.0", " 1.0"] {
            assert!(bad.parse::<ContractVersion>().is_err(), "{bad}");
        }
    }
}
