//! What a person's consent is compared by.

use coditect_protocol::plugin::{Asked, Capability, Conversations, FileHooks, LanguageOffer, Manifest, ViewPlace};
use serde::Serialize;

/// What is consented to, in its one form. Reasons are not part of it: other words for the same rights ask nobody again.
#[derive(Serialize)]
struct Consented<'a> {
    id: &'a str,
    capabilities: Vec<&'a Capability>,
    /// Where the host hands something over by itself.
    conversations: Conversations,
    diagnostics: &'a [LanguageOffer],
    hooks: &'a FileHooks,
    file_views: Vec<&'a [String]>,
    /// Asked what they show whenever another text is looked at.
    status_items: Vec<&'a str>,
    /// Tools that models may run without the person's being asked.
    tools: Vec<&'a str>,
}

/// Stands for all that a plugin asks for: SHA-256, in hexadecimal digits, of its name, its capabilities without their reasons, and of
/// where it is handed texts, or run by models, unasked.
#[must_use]
pub fn consent(manifest: &Manifest) -> String {
    let offers = &manifest.offers;
    let views = offers.views.iter().filter(|view| view.place == ViewPlace::File);
    let consented = Consented {
        id: manifest.id.as_str(),
        capabilities: manifest.capabilities.iter().map(|asked| &asked.capability).collect(),
        conversations: offers.conversations,
        diagnostics: &offers.diagnostics,
        hooks: &offers.hooks,
        file_views: views.map(|view| view.globs.as_slice()).collect(),
        status_items: offers.status_items.iter().map(|item| item.id.as_str()).collect(),
        tools: offers.tools.iter().filter(|tool| !tool.changes).map(|tool| tool.id.as_str()).collect(),
    };
    // Texts, numbers and lists of them always have a JSON.
    crate::sha256_hex(&serde_json::to_vec(&consented).unwrap_or_default())
}

/// What a plugin asks for beyond what was granted before.
#[must_use]
pub fn asks_more(granted: &[Capability], new: &Manifest) -> Vec<Asked> {
    let is_new = |asked: &&Asked| !granted.iter().any(|granted| granted.covers(&asked.capability));
    new.capabilities.iter().filter(is_new).cloned().collect()
}
