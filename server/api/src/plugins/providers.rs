//! Models of plugins among the others: `plugin/publisher.name/provider/model`.

use coditect_plugins::ProvidedModels;
use coditect_protocol::chat::{ModelInfo, ModelList, UpstreamStatus};
use coditect_protocol::plugin::PluginId;

/// The upstream that models of plugins seem to be of.
pub(crate) const UPSTREAM: &str = "plugin";

/// Adds the models of plugins, as far as the policy lets them be asked.
pub(crate) fn add_models(list: &mut ModelList, found: Vec<ProvidedModels>, may_ask: impl Fn(&str) -> bool) {
    for ProvidedModels { plugin, provider, models } in found {
        let upstream = format!("{UPSTREAM}/{plugin}/{provider}");
        let models = models.into_iter().map(|model| ModelInfo {
            id: format!("{upstream}/{}", model.id),
            name: model.id,
            upstream: upstream.clone(),
            context_tokens: model.context_tokens,
            loaded: None,
        });
        let models: Vec<_> = models.filter(|model| may_ask(&model.id)).collect();
        let count = u32::try_from(models.len()).unwrap_or(u32::MAX);
        list.models.extend(models);
        list.upstreams.push(UpstreamStatus { name: upstream, configured: false, models: count, problem: None });
    }
    if !list.models.is_empty() {
        list.advice = None;
    }
}

/// A model of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginModel {
    /// Whose it is.
    pub(crate) plugin: PluginId,
    /// Which of its providers has it.
    pub(crate) provider: String,
    /// What it is called there.
    pub(crate) model: String,
}

impl PluginModel {
    /// Reads the name of a model; nothing where it is that of an upstream's. A name that begins like that of a plugin's model and is none
    /// is an error: no upstream has it either.
    pub(crate) fn parse(id: &str) -> Option<Result<Self, ()>> {
        let rest = id.strip_prefix(UPSTREAM)?.strip_prefix('/')?;
        let read = || {
            let (plugin, rest) = rest.split_once('/')?;
            let (provider, model) = rest.split_once('/')?;
            let is_named = !provider.is_empty() && !model.is_empty();
            let plugin = PluginId::parse(plugin).ok().filter(|_| is_named)?;
            Some(Self { plugin, provider: provider.to_owned(), model: model.to_owned() })
        };
        Some(read().ok_or(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_models() {
        let model = PluginModel::parse("plugin/acme.chat/main/big/v1").unwrap().unwrap();
        assert_eq!((model.plugin.as_str(), &*model.provider, &*model.model), ("acme.chat", "main", "big/v1"));
        for other in ["", "plugin", "plugins/a.b/c/d", "openai/plugin/a.b/c/d", "ollama/x"] {
            assert_eq!(PluginModel::parse(other), None, "{other}");
        }
        for wrong in ["plugin/", "plugin/a.b", "plugin/a.b/c", "plugin/a.b/c/", "plugin/a.b//d", "plugin/A.b/c/d"] {
            assert_eq!(PluginModel::parse(wrong), Some(Err(())), "{wrong}");
        }
    }
}
