//! What a plugin may ask of its host.

use serde::{Deserialize, Serialize};

use crate::llm::Usd;

/// Something that a plugin asks for, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Asked {
    /// What.
    #[serde(flatten)]
    #[cfg_attr(feature = "js", tsify(type = "Capability"))]
    pub capability: Capability,
    /// One sentence of its author, shown where the person consents.
    pub reason: String,
}

/// A right that has to be asked for in the manifest, and granted by the person for each workspace. Nothing is granted by itself.
///
/// Globs count from the workspace's root; their lists, and those of hosts and models, are sorted and without doubles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "name", deny_unknown_fields)]
pub enum Capability {
    /// Being handed texts of editors, saved or not.
    #[serde(rename = "documents")]
    Documents {
        /// Of these files.
        globs: Vec<String>,
    },
    /// Reading files of the workspace.
    #[serde(rename = "files.read")]
    FilesRead {
        /// These files.
        globs: Vec<String>,
    },
    /// Writing and deleting files of the workspace.
    #[serde(rename = "files.write")]
    FilesWrite {
        /// These files.
        globs: Vec<String>,
    },
    /// Searching files of the workspace.
    #[serde(rename = "search")]
    Search {
        /// These files.
        globs: Vec<String>,
    },
    /// Requests to hosts.
    #[serde(rename = "http")]
    Http {
        /// `host`, `host:port` or `*.host`; https on 443 unless a port is named.
        hosts: Vec<String>,
        /// Also where they lie in a private network, and without encryption there. The operator must allow it too.
        #[serde(default)]
        private: bool,
    },
    /// Asking language models, at the person's expense.
    #[serde(rename = "models")]
    Models {
        /// `upstream/model`, an alias, or a pattern with `*`.
        models: Vec<String>,
        /// The most a day.
        usd_per_day: Usd,
    },
    /// Seeing what the person asks language models and what they answer.
    #[serde(rename = "conversations")]
    Conversations,
    /// Looking at the git repository.
    #[serde(rename = "git.read")]
    GitRead,
    /// Telling the person something unasked.
    #[serde(rename = "notify")]
    Notify,
    /// Keeping values.
    #[serde(rename = "storage")]
    Storage {
        /// The most, keys and values together.
        bytes: u64,
    },
    /// Knowing what time it is.
    #[serde(rename = "clock")]
    Clock,
    /// Unpredictable numbers.
    #[serde(rename = "random")]
    Random,
}

/// Which capability, without what it is bounded by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum CapabilityName {
    /// See [`Capability::Documents`].
    #[serde(rename = "documents")]
    Documents,
    /// See [`Capability::FilesRead`].
    #[serde(rename = "files.read")]
    FilesRead,
    /// See [`Capability::FilesWrite`].
    #[serde(rename = "files.write")]
    FilesWrite,
    /// See [`Capability::Search`].
    #[serde(rename = "search")]
    Search,
    /// See [`Capability::Http`].
    #[serde(rename = "http")]
    Http,
    /// See [`Capability::Models`].
    #[serde(rename = "models")]
    Models,
    /// See [`Capability::Conversations`].
    #[serde(rename = "conversations")]
    Conversations,
    /// See [`Capability::GitRead`].
    #[serde(rename = "git.read")]
    GitRead,
    /// See [`Capability::Notify`].
    #[serde(rename = "notify")]
    Notify,
    /// See [`Capability::Storage`].
    #[serde(rename = "storage")]
    Storage,
    /// See [`Capability::Clock`].
    #[serde(rename = "clock")]
    Clock,
    /// See [`Capability::Random`].
    #[serde(rename = "random")]
    Random,
}

impl CapabilityName {
    /// All of them, in the order of the consent screen: what weighs most comes first.
    pub const ALL: [Self; 12] = [
        Self::FilesWrite,
        Self::Http,
        Self::Conversations,
        Self::Models,
        Self::FilesRead,
        Self::Documents,
        Self::Search,
        Self::GitRead,
        Self::Storage,
        Self::Notify,
        Self::Clock,
        Self::Random,
    ];

    /// As manifests write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::FilesRead => "files.read",
            Self::FilesWrite => "files.write",
            Self::Search => "search",
            Self::Http => "http",
            Self::Models => "models",
            Self::Conversations => "conversations",
            Self::GitRead => "git.read",
            Self::Notify => "notify",
            Self::Storage => "storage",
            Self::Clock => "clock",
            Self::Random => "random",
        }
    }
}

impl std::fmt::Display for CapabilityName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Capability {
    /// Which it is.
    #[must_use]
    pub const fn name(&self) -> CapabilityName {
        match self {
            Self::Documents { .. } => CapabilityName::Documents,
            Self::FilesRead { .. } => CapabilityName::FilesRead,
            Self::FilesWrite { .. } => CapabilityName::FilesWrite,
            Self::Search { .. } => CapabilityName::Search,
            Self::Http { .. } => CapabilityName::Http,
            Self::Models { .. } => CapabilityName::Models,
            Self::Conversations => CapabilityName::Conversations,
            Self::GitRead => CapabilityName::GitRead,
            Self::Notify => CapabilityName::Notify,
            Self::Storage { .. } => CapabilityName::Storage,
            Self::Clock => CapabilityName::Clock,
            Self::Random => CapabilityName::Random,
        }
    }

    /// Whether whoever granted `self` granted `other` with it. Lists are compared by their words: a glob covers itself, and `**` covers
    /// all of them.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let all = |mine: &[String], theirs: &[String], everything: &str| {
            mine.iter().any(|word| word == everything) || theirs.iter().all(|word| mine.contains(word))
        };
        match (self, other) {
            (Self::Documents { globs: mine }, Self::Documents { globs: theirs })
            | (Self::FilesRead { globs: mine }, Self::FilesRead { globs: theirs })
            | (Self::FilesWrite { globs: mine }, Self::FilesWrite { globs: theirs })
            | (Self::Search { globs: mine }, Self::Search { globs: theirs }) => all(mine, theirs, "**"),
            (Self::Http { hosts: mine, private: may }, Self::Http { hosts: theirs, private: wants }) => {
                // No pattern stands for every host.
                theirs.iter().all(|host| mine.contains(host)) && (*may || !*wants)
            }
            (Self::Models { models: mine, usd_per_day: may }, Self::Models { models: theirs, usd_per_day: wants }) => {
                all(mine, theirs, "*") && wants <= may
            }
            (Self::Storage { bytes: may }, Self::Storage { bytes: wants }) => wants <= may,
            (mine, theirs) => mine == theirs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(globs: &[&str]) -> Vec<String> {
        globs.iter().map(|&glob| glob.to_owned()).collect()
    }

    #[test]
    fn more_is_never_covered_by_less() {
        let read = |of: &[&str]| Capability::FilesRead { globs: globs(of) };
        assert!(read(&["**"]).covers(&read(&["src/**"])));
        assert!(read(&["a", "b"]).covers(&read(&["b"])));
        assert!(!read(&["a"]).covers(&read(&["a", "b"])));
        assert!(!read(&["**"]).covers(&Capability::FilesWrite { globs: globs(&["a"]) }));
        let http = |of: &[&str], private| Capability::Http { hosts: globs(of), private };
        assert!(http(&["a.org"], true).covers(&http(&["a.org"], false)));
        assert!(!http(&["a.org"], false).covers(&http(&["a.org"], true)));
        assert!(!http(&["*.org"], false).covers(&http(&["a.org"], false)));
        let storage = |bytes| Capability::Storage { bytes };
        assert!(storage(10).covers(&storage(10)) && !storage(10).covers(&storage(11)));
        let models = |of: &[&str], dollars: f64| Capability::Models {
            models: globs(of),
            usd_per_day: Usd::try_from(dollars).unwrap(),
        };
        assert!(
            models(&["*"], 1.0).covers(&models(&["x/y"], 0.5)) && !models(&["*"], 1.0).covers(&models(&["x/y"], 2.0))
        );
        assert!(Capability::Clock.covers(&Capability::Clock) && !Capability::Clock.covers(&Capability::Random));
    }

    #[test]
    fn a_capability_is_asked_for_by_its_name() {
        for name in CapabilityName::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
        let asked: Asked = serde_json::from_str(r#"{"name":"http","hosts":["a.org"],"reason":"To ask."}"#).unwrap();
        assert_eq!(asked.capability, Capability::Http { hosts: vec!["a.org".into()], private: false });
        assert!(serde_json::from_str::<Asked>(r#"{"name":"everything","reason":""}"#).is_err());
    }
}
