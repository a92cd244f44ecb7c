//! Who offers what, for a person in a workspace.

use std::collections::BTreeMap;
use std::sync::Arc;

use coditect_plugin_host::Globs;
use coditect_protocol::RelPath;
use coditect_protocol::plugin::{BuildStep, CapabilityName, Conversations, Participant, PluginId, Provider, Tool};

use crate::installs::Entry;

/// Something that a plugin offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered<T> {
    /// Whose it is.
    pub plugin: PluginId,
    /// What the manifest says of it.
    pub offer: T,
}

/// What the plugins that are not switched off or blocked offer, by the names of the plugins.
#[derive(Debug, Default)]
pub struct OfferIndex {
    /// Tools for language models.
    pub tools: Vec<Offered<Tool>>,
    /// Somebody to talk to in the chat.
    pub participants: Vec<Offered<Participant>>,
    /// Models of servers of their own.
    pub providers: Vec<Offered<Provider>>,
    /// Steps of builds.
    pub build_steps: Vec<Offered<BuildStep>>,
    /// Those that look at conversations.
    pub filters: Vec<Offered<Conversations>>,
    /// Those that want to know what changes, and which files.
    hooks: Vec<Offered<Globs>>,
}

impl OfferIndex {
    pub(crate) fn new(entries: &BTreeMap<PluginId, Arc<Entry>>) -> Self {
        let mut index = Self::default();
        // A plugin that failed is among them: its tools say why they cannot be used, and a filter that is missed must not go unseen.
        let wanted = entries.iter().filter(|(_, entry)| entry.row.enabled && !entry.is_blocked);
        for (id, entry) in wanted {
            let offers = &entry.manifest.offers;
            add(&mut index.tools, id, &offers.tools);
            add(&mut index.participants, id, &offers.participants);
            add(&mut index.providers, id, &offers.providers);
            add(&mut index.build_steps, id, &offers.build_steps);
            // Without the right, the person wants to go on without it.
            let may_look = entry.row.granted.contains(&CapabilityName::Conversations);
            if may_look && offers.conversations != Conversations::default() {
                add(&mut index.filters, id, &[offers.conversations]);
            }
            if !offers.hooks.changed.is_empty() {
                add(&mut index.hooks, id, &[Globs::new(&offers.hooks.changed)]);
            }
        }
        index
    }

    /// Whether somebody looks at questions, and at answers: those come whole then.
    #[must_use]
    pub fn conversations(&self) -> Conversations {
        let any = |looks: fn(&Conversations) -> bool| self.filters.iter().any(|filter| looks(&filter.offer));
        Conversations { questions: any(|of| of.questions), answers: any(|of| of.answers) }
    }

    /// Who wants to know that some files changed, and which of them.
    pub(crate) fn changed<T: Clone>(&self, events: &[(RelPath, T)]) -> Vec<(PluginId, Vec<(RelPath, T)>)> {
        let of = |hook: &Offered<Globs>| {
            let wanted = events.iter().filter(|(path, _)| hook.offer.matches(path));
            (hook.plugin.clone(), wanted.cloned().collect::<Vec<_>>())
        };
        self.hooks.iter().map(of).filter(|(_, events)| !events.is_empty()).collect()
    }
}

fn add<T: Clone>(all: &mut Vec<Offered<T>>, plugin: &PluginId, offers: &[T]) {
    all.extend(offers.iter().map(|offer| Offered { plugin: plugin.clone(), offer: offer.clone() }));
}
