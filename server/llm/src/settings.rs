//! What the operator sets.

use std::{collections::BTreeMap, fmt, time::Duration};

use coditect_dialects::Dialect;
use zeroize::Zeroize as _;

/// Longest time to connect to an upstream, unless set.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time until the first token, unless set: a local model may have to be loaded first.
pub const DEFAULT_FIRST_TOKEN_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest silence between two tokens, unless set.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a question is put again, unless set.
pub const DEFAULT_RETRIES: u32 = 2;
/// Longest time until an answer that does not come in pieces is there, unless set.
pub const DEFAULT_WHOLE_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a list of models is good, unless set.
pub const DEFAULT_LIST_CACHE: Duration = Duration::from_secs(5);

/// Something that must not be seen. It has no `Serialize`, and its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself: only for the place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Settings of all language models.
#[derive(Debug, Clone, PartialEq)]
pub struct LlmSettings {
    /// The upstreams, in the order in which their models are shown.
    pub upstreams: Vec<UpstreamSettings>,
    /// Look for LM Studio and Ollama on their default ports of this machine. Default: yes.
    pub discover: bool,
    /// Names of the well-known model servers that keys may be added for. Default: all.
    pub presets: Vec<String>,
    /// Of upstreams that are found: longest time from the question to the first token. Default: [`DEFAULT_FIRST_TOKEN_TIMEOUT`].
    pub first_token_timeout: Duration,
    /// Of upstreams that are found: longest silence between two tokens. Default: [`DEFAULT_IDLE_TIMEOUT`].
    pub idle_timeout: Duration,
    /// How often a question is put again to the last upstream that could answer it. Default: [`DEFAULT_RETRIES`].
    pub retries: u32,
    /// Longest time until an answer that does not come in pieces is there. Default: [`DEFAULT_WHOLE_TIMEOUT`].
    pub whole_timeout: Duration,
    /// How long a list of models is good. Default: [`DEFAULT_LIST_CACHE`].
    pub list_cache: Duration,
}

impl Default for LlmSettings {
    fn default() -> Self {
        Self {
            upstreams: Vec::new(),
            discover: true,
            presets: crate::upstream::PRESETS.iter().map(|preset| preset.name.to_owned()).collect(),
            first_token_timeout: DEFAULT_FIRST_TOKEN_TIMEOUT,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            retries: DEFAULT_RETRIES,
            whole_timeout: DEFAULT_WHOLE_TIMEOUT,
            list_cache: DEFAULT_LIST_CACHE,
        }
    }
}

/// Settings of one upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamSettings {
    /// Its name, before the `/` of its models' ids: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// Where it is, with the version: `https://api.example.com/v1`. It may carry a query, but no user and no password.
    pub base_url: String,
    /// What it speaks: the first one is what others are translated into.
    pub dialects: Vec<Dialect>,
    /// Its key, sent as each dialect wants it.
    pub api_key: Option<Secret>,
    /// More headers to send, for example `api-key` or an organisation.
    pub headers: BTreeMap<String, Secret>,
    /// Longest time to connect. Default: [`DEFAULT_CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// Longest time from the question to the first token. Default: [`DEFAULT_FIRST_TOKEN_TIMEOUT`].
    pub first_token_timeout: Duration,
    /// Longest silence between two tokens. Default: [`DEFAULT_IDLE_TIMEOUT`].
    pub idle_timeout: Duration,
}

impl UpstreamSettings {
    /// An upstream without a key, with the default timeouts.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_url: base_url.into(),
            dialects: vec![Dialect::Chat],
            api_key: None,
            headers: BTreeMap::new(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            first_token_timeout: DEFAULT_FIRST_TOKEN_TIMEOUT,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
        }
    }
}
