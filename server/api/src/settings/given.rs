//! Settings whose value is more than a word or a number.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;

/// Whether model servers on this machine are found by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WordOrFlag")]
pub enum Discover {
    /// Only where nobody else is meant to reach the server.
    Auto,
    /// Yes.
    On,
    /// No.
    Off,
}

/// `true` and `false` are what files of older versions say.
#[derive(Deserialize)]
#[serde(untagged, expecting = "`auto`, `on` or `off`")]
enum WordOrFlag {
    Flag(bool),
    Word(String),
}

impl TryFrom<WordOrFlag> for Discover {
    type Error = String;
    fn try_from(given: WordOrFlag) -> Result<Self, String> {
        match given {
            WordOrFlag::Flag(true) => Ok(Self::On),
            WordOrFlag::Flag(false) => Ok(Self::Off),
            WordOrFlag::Word(word) => word.parse(),
        }
    }
}

impl FromStr for Discover {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "on" | "true" => Ok(Self::On),
            "off" | "false" => Ok(Self::Off),
            other => Err(format!("`{other}` is none of `auto`, `on` and `off`")),
        }
    }
}

impl std::fmt::Display for Discover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

/// A setting that is one of some words.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident: $($(#[doc = $about:literal])+ $variant:ident = $word:literal),+;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        #[serde(try_from = "String")]
        pub enum $name {
            $($(#[doc = $about])+ $variant,)+
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    other => Err(format!("`{other}` is none of {}", [$(concat!("`", $word, "`")),+].join(", "))),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $word,)+
                })
            }
        }
    )+};
}

words! {
    /// Who may register.
    Registering:
        /// Everybody who reaches the server.
        Open = "open",
        /// Who has the code of an invitation.
        Invite = "invite",
        /// Nobody.
        Closed = "closed";
    /// Where mails go.
    Mailing:
        /// Nowhere: none is sent.
        Off = "off",
        /// The log says that one is due.
        Log = "log",
        /// Into a directory, for another program to send.
        File = "file";
}

/// One model server, as it was given.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamGiven {
    /// Short name, first part of its models' ids.
    pub name: String,
    /// Where its `/chat/completions` and `/models` are below.
    pub base_url: String,
    /// Key for it.
    #[serde(default)]
    pub api_key: Option<String>,
    /// Variable that holds the key for it.
    #[serde(default)]
    pub api_key_env: Option<String>,
    /// More headers to send, for example `api-key` or an organisation.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl UpstreamGiven {
    /// One that needs no key.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        let (name, base_url) = (name.into(), base_url.into());
        Self { name, base_url, api_key: None, api_key_env: None, headers: BTreeMap::new() }
    }
}

impl std::fmt::Debug for UpstreamGiven {
    /// Shows no key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamGiven")
            .field("name", &self.name)
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

impl FromStr for UpstreamGiven {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, base_url) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form NAME=URL"))?;
        Ok(Self::new(name, base_url))
    }
}
