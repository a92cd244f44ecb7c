//! Settings whose value is more than a word or a number.

use std::collections::BTreeMap;
use std::str::FromStr;

use coditect_llm::Dialect;
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
    /// Where its calls and `/models` are below.
    pub base_url: String,
    /// What it speaks.
    #[serde(default, alias = "dialects")]
    pub dialect: Dialects,
    /// Key for it.
    #[serde(default)]
    pub api_key: Option<String>,
    /// Variable that holds the key for it.
    #[serde(default)]
    pub api_key_env: Option<String>,
    /// More headers to send, for example `api-key` or an organisation.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Seconds to connect.
    #[serde(default)]
    pub connect_seconds: Option<u64>,
    /// Seconds until the first token.
    #[serde(default)]
    pub first_token_seconds: Option<u64>,
    /// Seconds between two pieces of an answer.
    #[serde(default)]
    pub idle_seconds: Option<u64>,
}

/// What a model server speaks; the first is what others are translated into.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WordOrWords")]
pub struct Dialects(pub Vec<Dialect>);

impl Default for Dialects {
    fn default() -> Self {
        Self(vec![Dialect::Chat])
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a dialect or a list of them")]
enum WordOrWords {
    Word(String),
    Words(Vec<String>),
}

impl TryFrom<WordOrWords> for Dialects {
    type Error = String;
    fn try_from(given: WordOrWords) -> Result<Self, String> {
        let words = match given {
            WordOrWords::Word(word) => vec![word],
            WordOrWords::Words(words) => words,
        };
        let dialect = |word: &String| {
            let found = Dialect::ALL.into_iter().find(|dialect| dialect.name() == word);
            found.ok_or_else(|| format!("`{word}` is none of `chat`, `responses`, `anthropic`, `gemini`"))
        };
        let dialects: Vec<_> = words.iter().map(dialect).collect::<Result<_, _>>()?;
        if dialects.is_empty() { Err("name at least one dialect".to_owned()) } else { Ok(Self(dialects)) }
    }
}

impl UpstreamGiven {
    /// One that needs no key.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        let (name, base_url) = (name.into(), base_url.into());
        Self {
            name,
            base_url,
            dialect: Dialects::default(),
            api_key: None,
            api_key_env: None,
            headers: BTreeMap::new(),
            connect_seconds: None,
            first_token_seconds: None,
            idle_seconds: None,
        }
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
