//! Model servers that everybody knows. They are there once somebody has a key for them.

use coditect_dialects::{Dialect, Habits};

/// A model server that everybody knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    pub(crate) base_url: &'static str,
    pub(crate) dialects: &'static [Dialect],
}

/// All of them.
pub(crate) const PRESETS: [Preset; 8] = [
    Preset { name: "openai", base_url: "https://api.openai.com/v1", dialects: &[Dialect::Responses, Dialect::Chat] },
    Preset { name: "anthropic", base_url: "https://api.anthropic.com/v1", dialects: &[Dialect::Anthropic] },
    Preset {
        name: "gemini",
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        dialects: &[Dialect::Gemini],
    },
    Preset { name: "mistral", base_url: "https://api.mistral.ai/v1", dialects: &[Dialect::Chat] },
    Preset { name: "deepseek", base_url: "https://api.deepseek.com/v1", dialects: &[Dialect::Chat] },
    Preset { name: "xai", base_url: "https://api.x.ai/v1", dialects: &[Dialect::Chat] },
    Preset { name: "groq", base_url: "https://api.groq.com/openai/v1", dialects: &[Dialect::Chat] },
    Preset { name: "openrouter", base_url: "https://openrouter.ai/api/v1", dialects: &[Dialect::Chat] },
];

/// How the names of providers' own models begin, for agents that know no others.
const BEGINNINGS: [(&str, &str); 15] = [
    ("claude-", "anthropic"),
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("codex-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("text-embedding-", "openai"),
    ("gemini-", "gemini"),
    ("grok-", "xai"),
    ("deepseek-", "deepseek"),
    ("mistral-", "mistral"),
    ("codestral", "mistral"),
    ("devstral", "mistral"),
    ("magistral", "mistral"),
];

/// The provider whose model this is by its bare name.
pub(crate) fn maker_of(model: &str) -> Option<&'static str> {
    BEGINNINGS.iter().find(|(beginning, _)| model.starts_with(beginning)).map(|(_, name)| *name)
}

/// What a server at this address is known to want otherwise than others of its dialect.
pub(crate) fn habits(is_local: bool, base_url: &str) -> Habits {
    let is_at = |host: &str| !is_local && base_url.starts_with(host);
    Habits { is_openai: is_at("https://api.openai.com/"), wants_thoughts_back: is_at("https://api.deepseek.com/") }
}
