//! Licences, sources and layers of all crates, from what cargo knows about them.
//!
//! Reads the same `deny.toml` as cargo-deny, so that the rules hold where that is not installed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::exec;
use crate::repo::Repo;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
    path: Option<String>,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    /// As cargo-deny has it: the public registry unless others are named.
    #[serde(default = "public_registry")]
    allow_registry: Vec<String>,
}

fn public_registry() -> Vec<String> {
    vec!["https://github.com/rust-lang/crates.io-index".to_owned()]
}

fn metadata(repo: &Repo) -> Result<Metadata> {
    let text =
        exec::output(&mut exec::cargo(repo, &["metadata", "--format-version", "1", "--all-features", "--locked"]))?;
    serde_json::from_str(&text).context("what cargo says about the crates cannot be read")
}

/// Every crate's licence is allowed, every source is the public registry, no version is open.
pub(super) fn check(repo: &Repo) -> Result<()> {
    let rules = fs::read_to_string(repo.root.join("deny.toml")).context("deny.toml cannot be read")?;
    let rules: Deny = toml::from_str(&rules).context("deny.toml is malformed")?;
    let metadata = metadata(repo)?;
    let faults: Vec<String> = metadata.packages.iter().flat_map(|package| faults(package, &metadata, &rules)).collect();
    if !faults.is_empty() {
        bail!("these crates break deny.toml:\n  {}", faults.join("\n  "));
    }
    Ok(())
}

fn faults(package: &Package, metadata: &Metadata, rules: &Deny) -> Vec<String> {
    let named = |what: String| format!("{} {}: {what}", package.name, package.version);
    let mut faults = Vec::new();
    if metadata.workspace_members.contains(&package.id) {
        let open = package.dependencies.iter().filter(|dependency| dependency.req == "*" && dependency.path.is_none());
        faults.extend(open.map(|dependency| named(format!("takes any version of {}", dependency.name))));
        return faults;
    }
    let from = package.source.as_deref().unwrap_or("a directory");
    let public = rules.sources.allow_registry.iter().any(|registry| from.ends_with(registry.as_str()));
    if !public {
        faults.push(named(format!("comes from {from}")));
    }
    let licence = package.license.as_deref().unwrap_or_default();
    let allowed = |term: &str| {
        let excepted = rules
            .licenses
            .exceptions
            .iter()
            .any(|exception| exception.name == package.name && exception.allow.contains(term));
        excepted || rules.licenses.allow.contains(term)
    };
    if !satisfied(licence, &allowed) {
        faults.push(named(format!("licence `{licence}` is not allowed")));
    }
    faults
}

/// Whether a licence expression can be met with allowed terms.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    // The slash is how crates wrote `OR` before expressions.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let value = alternatives(&mut rest, allowed);
    value == Some(true) && rest.is_empty()
}

fn alternatives(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut value = conjunction(words, allowed)?;
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        value |= conjunction(words, allowed)?;
    }
    Some(value)
}

fn conjunction(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut value = term(words, allowed)?;
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        value &= term(words, allowed)?;
    }
    Some(value)
}

fn term(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let value = alternatives(words, allowed)?;
            let [")", rest @ ..] = *words else { return None };
            *words = rest;
            Some(value)
        }
        [name, "WITH", exception, rest @ ..] => {
            *words = rest;
            Some(allowed(&format!("{name} WITH {exception}")))
        }
        [name, rest @ ..] => {
            *words = rest;
            Some(allowed(name))
        }
        [] => None,
    }
}

/// Who stands on which floor: a crate may use only crates of lower floors.
const FLOORS: [(&str, u8); 23] = [
    ("fdb-double", 0),
    ("intruder", 0),
    ("coditect-dialects", 0),
    ("coditect-protocol", 0),
    ("coditect-git", 1),
    ("coditect-plugin-package", 1),
    ("coditect-sandbox", 1),
    ("coditect-shell", 1),
    ("coditect-store", 1),
    ("coditect-auth", 2),
    ("coditect-metering", 2),
    ("coditect-plugin-host", 2),
    ("coditect-llm", 3),
    ("coditect-workspace", 2),
    ("coditect-agent", 3),
    ("coditect-builds", 4),
    ("coditect-codi2", 3),
    ("coditect-doctor", 3),
    ("coditect-monitor", 3),
    ("coditect-plugin-harness", 3),
    ("coditect-plugins", 3),
    ("coditect-plugin", 4),
    ("coditect-v5-api", 5),
];

/// Dependencies among our own crates go downwards.
pub(super) fn layers(repo: &Repo) -> Result<()> {
    let metadata = metadata(repo)?;
    let ours: Vec<&Package> =
        metadata.packages.iter().filter(|package| metadata.workspace_members.contains(&package.id)).collect();
    let faults = upward(&ours);
    if !faults.is_empty() {
        bail!("dependencies go down only:\n  {}", faults.join("\n  "));
    }
    Ok(())
}

fn upward(ours: &[&Package]) -> Vec<String> {
    let floors: BTreeMap<&str, u8> = FLOORS.into_iter().collect();
    let names: BTreeSet<&str> = ours.iter().map(|package| package.name.as_str()).collect();
    let mut faults = Vec::new();
    for package in ours.iter().filter(|package| package.name != "xtask") {
        let Some(&floor) = floors.get(package.name.as_str()) else {
            faults.push(format!("{} has no floor: give it one in xtask/src/checks/licences.rs", package.name));
            continue;
        };
        // Tests may reach up.
        let used = package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
        for dependency in used.filter(|dependency| names.contains(dependency.name.as_str())) {
            if floors.get(dependency.name.as_str()).is_none_or(|&below| below >= floor) {
                faults.push(format!("{} uses {}", package.name, dependency.name));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meets(expression: &str) -> bool {
        satisfied(expression, &|term| ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].contains(&term))
    }

    #[test]
    fn expressions_are_weighed() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "(MIT OR GPL-3.0) AND Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(meets(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT GPL-3.0", "MIT OR", "GPL-2.0 WITH LLVM-exception"] {
            assert!(!meets(bad), "{bad}");
        }
    }

    fn package(name: &str, on: &[(&str, Option<&str>)]) -> Package {
        let dependency = |(name, kind): &(&str, Option<&str>)| Dependency {
            name: (*name).to_owned(),
            req: "*".to_owned(),
            path: None,
            kind: kind.map(str::to_owned),
        };
        let dependencies = on.iter().map(dependency).collect();
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: None,
            source: None,
            dependencies,
        }
    }

    #[test]
    fn upward_use_is_found_but_tests_may() {
        let store = package("coditect-store", &[("coditect-protocol", None), ("coditect-auth", Some("dev"))]);
        let protocol = package("coditect-protocol", &[("coditect-store", None)]);
        let auth = package("coditect-auth", &[("coditect-llm", None), ("serde", None)]);
        let llm = package("coditect-llm", &[]);
        assert_eq!(upward(&[&store]), Vec::<String>::new());
        assert_eq!(
            upward(&[&store, &protocol, &auth, &llm]),
            ["coditect-protocol uses coditect-store", "coditect-auth uses coditect-llm"]
        );
        assert_eq!(upward(&[&package("new", &[])]).len(), 1);
    }

    #[test]
    fn open_versions_foreign_sources_and_licences_are_found() {
        let rules = Deny {
            licenses: Licenses {
                allow: ["MIT".to_owned()].into(),
                exceptions: vec![Exception { name: "odd".to_owned(), allow: ["MPL-2.0".to_owned()].into() }],
            },
            sources: Sources { allow_registry: vec!["https://registry".to_owned()] },
        };
        let metadata = Metadata { packages: vec![], workspace_members: ["ours".to_owned()].into() };
        let found = |package: &Package| faults(package, &metadata, &rules).len();
        assert_eq!(found(&package("ours", &[("serde", None)])), 1);
        let outside = |name: &str, licence: &str, source: &str| {
            let mut outside = package(name, &[]);
            (outside.license, outside.source) = (Some(licence.to_owned()), Some(format!("registry+{source}")));
            outside
        };
        assert_eq!(found(&outside("good", "MIT", "https://registry")), 0);
        assert_eq!(found(&outside("odd", "MPL-2.0", "https://registry")), 0);
        assert_eq!(found(&outside("other", "MPL-2.0", "https://registry")), 1);
        assert_eq!(found(&outside("good", "MIT", "https://elsewhere")), 1);
    }
}
