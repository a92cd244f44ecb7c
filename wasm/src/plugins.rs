//! Plugins: which there are, what they add to the page, calls of them, and what their pages show and ask.

mod following;
mod offers;
mod places;
mod quiet;
#[cfg(test)]
mod testing;
mod theme;
mod view;
mod words;

use std::pin::pin;

use coditect_protocol::call::{Item, Reply, Request};
use coditect_protocol::plugin::{
    Answered, CHECK_SECONDS, Denial, FORMAT_SECONDS, Installed, NewInstall, NewPublisher, PackageSource, PluginCall,
    PluginId, PluginItem, PluginPolicy, Review, SAVE_SECONDS, STATUS_SECONDS, SettingsChange, Yank,
};
use futures_util::future::{Either, select};
use gloo_net::http::Method;
use gloo_timers::future::TimeoutFuture;
use js_sys::{Function, Promise};
use tsify::{Ts, Tsify as _};
use wasm_bindgen::prelude::*;
use web_sys::{AbortSignal, Blob};

use crate::abort::Abort;
use crate::core::Core;
use crate::error::{ShellError, expect_reply};
use crate::link::Step;
use crate::listeners::report;
use crate::paths::{percent_encode, percent_encode_path};
use crate::{Shell, Subscription, from_js, many_to_js, markdown, subscribe};

pub use following::PluginNews;
pub(crate) use following::Plugins;
pub use offers::{Offer, OfferChanges, Surface};
pub use words::{Consent, DenialInWords, RightInWords, StateInWords, Subject, Weight};

/// The plugins of the open workspace.
#[wasm_bindgen]
impl Shell {
    /// Tells which plugins the open workspace has, and what they add to the page: once at first, and each change. For one listener:
    /// changes are told from what was told before.
    #[wasm_bindgen(js_name = onPlugins)]
    pub fn on_plugins(
        &self,
        #[wasm_bindgen(unchecked_param_type = "(news: PluginNews) => void")] listener: Function,
    ) -> Subscription {
        let core = std::rc::Rc::clone(&self.core);
        let subscription = subscribe(self.core.plugins.followed.listeners(), listener, move || Plugins::adjust(&core));
        Plugins::adjust(&self.core);
        subscription
    }

    /// Asks a plugin for something; hands on what comes before the answer. Paths are those of the page.
    #[wasm_bindgen(js_name = callPlugin, unchecked_return_type = "Promise<Answered>")]
    pub fn call_plugin(
        &self,
        plugin: String,
        call: Ts<PluginCall>,
        #[wasm_bindgen(js_name = onItem, unchecked_param_type = "((item: PluginItem) => void) | undefined")]
        on_item: Option<Function>,
        signal: Option<AbortSignal>,
    ) -> Promise {
        self.run(|core| async move {
            let hand_on = |item: &PluginItem| {
                if let (Some(listener), Ok(value)) = (&on_item, many_to_js(item)) {
                    report(listener.call1(&JsValue::UNDEFINED, &value));
                }
            };
            many_to_js(&core.call_plugin(&plugin, from_js(call.into())?, &Abort::of(signal), hand_on).await?)
        })
    }

    /// Whether an offer is about a text: by its language, its path, and what was granted. Nothing outside the workspace is.
    #[wasm_bindgen(js_name = offerFits)]
    pub fn offer_fits(&self, offer: Ts<Offer>, path: &str, language: &str) -> Result<bool, ShellError> {
        let Ok(path) = self.core.mounts().in_workspace(path) else { return Ok(false) };
        Ok(offers::fits(&from_js(offer.into())?, path.as_str(), language))
    }

    /// Most UTF-16 code units of a text that is handed to plugins unasked.
    #[wasm_bindgen(js_name = maxUnaskedText)]
    pub fn max_unasked_text() -> usize {
        offers::MAX_UNASKED_TEXT
    }

    /// Whether a message about a plugin is to be told: nothing where it is not, else how many before it were not.
    #[wasm_bindgen(js_name = admitPluginMessage)]
    pub fn admit_plugin_message(&self, plugin: &str, text: &str) -> Option<u32> {
        self.core.plugins.admit(plugin, text, js_sys::Date::now())
    }

    /// A colour theme of a plugin; rejects where its document is none.
    #[wasm_bindgen(js_name = pluginTheme, unchecked_return_type = "Promise<PluginTheme>")]
    pub fn plugin_theme(&self, plugin: String, path: String) -> Promise {
        self.run(|core| async move {
            let workspace = core.workspace_id()?.to_string();
            let text = core.rest.text(&installed_asset_route(&workspace, &plugin, &path)).await?;
            let theme = theme::read(&text).ok_or_else(|| malformed(&plugin, "a document that is no colour theme"))?;
            many_to_js(&theme)
        })
    }
}

#[wasm_bindgen(typescript_custom_section)]
const PLUGIN_THEME: &str = "/** A colour theme of a plugin: colours and styles, and nothing else of its document. */
export interface PluginTheme {
    colors: Record<string, string>;
    tokenColors: { scope: string[]; settings: { foreground?: string; background?: string; fontStyle?: string } }[];
}";

/// What is said about plugins.
#[wasm_bindgen]
impl Shell {
    /// Reads Markdown into what a page can draw.
    #[wasm_bindgen(js_name = readMarkdown, unchecked_return_type = "Block[]")]
    pub fn read_markdown(&self, text: &str) -> Result<JsValue, ShellError> {
        many_to_js(&markdown::read(text))
    }

    /// What a person reads before they agree; `installed` is what there is so far.
    #[wasm_bindgen(js_name = consentInWords)]
    pub fn consent_in_words(
        &self,
        review: Ts<Review>,
        installed: Option<Ts<Installed>>,
    ) -> Result<Ts<Consent>, ShellError> {
        let review: Review = from_js(review.into())?;
        let installed: Option<Installed> = installed.map(|installed| from_js(installed.into())).transpose()?;
        Ok(words::consent(&review, installed.as_ref()).into_ts()?)
    }

    /// The rights that a plugin asks for, with those that it has.
    #[wasm_bindgen(js_name = grantsInWords, unchecked_return_type = "RightInWords[]")]
    pub fn grants_in_words(&self, installed: Ts<Installed>) -> Result<JsValue, ShellError> {
        many_to_js(&words::grants(&from_js(installed.into())?))
    }

    /// What a plugin adds, a line each.
    #[wasm_bindgen(js_name = addsInWords)]
    pub fn adds_in_words(&self, manifest: Ts<coditect_protocol::plugin::Manifest>) -> Result<Vec<String>, ShellError> {
        Ok(words::adds(&from_js(manifest.into())?))
    }

    /// How it is with a plugin.
    #[wasm_bindgen(js_name = stateInWords)]
    pub fn state_in_words(&self, installed: Ts<Installed>) -> Result<Ts<StateInWords>, ShellError> {
        Ok(words::state(&from_js(installed.into())?).into_ts()?)
    }

    /// What a plugin was denied, and what to do about it.
    #[wasm_bindgen(js_name = denialInWords)]
    pub fn denial_in_words(
        &self,
        denial: Ts<Denial>,
        installed: Ts<Installed>,
    ) -> Result<Ts<DenialInWords>, ShellError> {
        let (denial, installed): (Denial, Installed) = (from_js(denial.into())?, from_js(installed.into())?);
        Ok(words::denial(&denial, &installed).into_ts()?)
    }
}

/// The registry and what is installed, over REST.
#[wasm_bindgen]
impl Shell {
    /// Plugins of the registry, what matches best first, from the one after `after` on.
    #[wasm_bindgen(js_name = searchPlugins, unchecked_return_type = "Promise<RegistryPage>")]
    pub fn search_plugins(&self, query: &str, after: Option<String>) -> Promise {
        let after = after.map(|after| ["&after=", &percent_encode(&after)].concat()).unwrap_or_default();
        self.plugins(Method::GET, &["registry?q=", &percent_encode(query), &after].concat(), JsValue::UNDEFINED)
    }

    /// Everything about one of them.
    #[wasm_bindgen(js_name = showPlugin, unchecked_return_type = "Promise<RegistryPlugin>")]
    pub fn show_plugin(&self, id: &str) -> Promise {
        self.plugins(Method::GET, &["registry/", &percent_encode(id)].concat(), JsValue::UNDEFINED)
    }

    /// Takes a version back, so that nobody installs it anew, or offers it again.
    #[wasm_bindgen(js_name = takeBackPlugin, unchecked_return_type = "Promise<void>")]
    pub fn take_back_plugin(&self, id: &str, version: &str, wanted: Ts<Yank>) -> Promise {
        let route = ["registry/", &percent_encode(id), "/", &percent_encode(version), "/yank"].concat();
        self.plugins(Method::POST, &route, wanted.into())
    }

    /// Entries of the registry's log, from one on.
    #[wasm_bindgen(js_name = registryLog, unchecked_return_type = "Promise<RegistryLogPage>")]
    pub fn registry_log(&self, from: u32, limit: u32) -> Promise {
        self.plugins(Method::GET, &format!("registry/log?from={from}&limit={limit}"), JsValue::UNDEFINED)
    }

    /// The address of an asset of a plugin of the registry, such as its picture.
    #[wasm_bindgen(js_name = pluginAssetUrl)]
    pub fn plugin_asset_url(&self, id: &str, version: &str, path: &str) -> String {
        let below = ["registry/", &percent_encode(id), "/", &percent_encode(version)].concat();
        self.core.rest.url(&asset_route(&below, path))
    }

    /// The address of an asset of a plugin that is installed in a workspace.
    #[wasm_bindgen(js_name = installedAssetUrl)]
    pub fn installed_asset_url(&self, workspace: &str, id: &str, path: &str) -> String {
        self.core.rest.url(&installed_asset_route(workspace, id, path))
    }

    /// What there is to consent to before a plugin of the registry, or a file that was sent before, is installed in a workspace.
    #[wasm_bindgen(js_name = reviewPlugin, unchecked_return_type = "Promise<Review>")]
    pub fn review_plugin(&self, workspace: &str, source: Ts<PackageSource>) -> Promise {
        self.plugins(Method::POST, &["review?workspace=", &percent_encode(workspace)].concat(), source.into())
    }

    /// Sends a file, and answers what there is to consent to before it is installed in a workspace.
    #[wasm_bindgen(js_name = reviewPluginFile, unchecked_return_type = "Promise<Review>")]
    pub fn review_plugin_file(&self, workspace: &str, file: Blob) -> Promise {
        let route = ["plugins/review/file?workspace=", &percent_encode(workspace)].concat();
        self.run(|core| async move { core.rest.pass_blob(&Method::POST, &route, file).await })
    }

    /// The person's plugins in a workspace.
    #[wasm_bindgen(js_name = listInstalledPlugins, unchecked_return_type = "Promise<InstalledList>")]
    pub fn list_installed_plugins(&self, workspace: &str) -> Promise {
        self.plugins(Method::GET, &["installed?workspace=", &percent_encode(workspace)].concat(), JsValue::UNDEFINED)
    }

    /// Installs a plugin, or takes another version, after the person has seen what it asks for.
    #[wasm_bindgen(js_name = installPlugin, unchecked_return_type = "Promise<Installed>")]
    pub fn install_plugin(&self, install: Ts<NewInstall>) -> Promise {
        self.plugins(Method::POST, "installed", install.into())
    }

    /// Switches a plugin on or off, grants and revokes, and sets. What is revoked is gone at once.
    #[wasm_bindgen(js_name = changePlugin, unchecked_return_type = "Promise<Installed>")]
    pub fn change_plugin(&self, workspace: &str, id: &str, change: Ts<SettingsChange>) -> Promise {
        self.plugins(Method::PATCH, &installed_route(workspace, id, ""), change.into())
    }

    /// Takes a plugin away with what it kept.
    #[wasm_bindgen(js_name = uninstallPlugin, unchecked_return_type = "Promise<void>")]
    pub fn uninstall_plugin(&self, workspace: &str, id: &str) -> Promise {
        self.plugins(Method::DELETE, &installed_route(workspace, id, ""), JsValue::UNDEFINED)
    }

    /// What a plugin said and was denied.
    #[wasm_bindgen(js_name = pluginLog, unchecked_return_type = "Promise<PluginLog>")]
    pub fn plugin_log(&self, workspace: &str, id: &str) -> Promise {
        self.plugins(Method::GET, &installed_route(workspace, id, "/log"), JsValue::UNDEFINED)
    }

    /// How much there is of plugins on this server, and what is wrong with the packages of its mirror directory. For admins.
    #[wasm_bindgen(js_name = pluginsOverview, unchecked_return_type = "Promise<PluginsOverview>")]
    pub fn plugins_overview(&self) -> Promise {
        self.pass(Method::GET, "admin/plugins", JsValue::UNDEFINED)
    }

    /// What admins say about plugins.
    #[wasm_bindgen(js_name = pluginPolicy, unchecked_return_type = "Promise<PluginPolicy>")]
    pub fn plugin_policy(&self) -> Promise {
        self.pass(Method::GET, "admin/plugins/policy", JsValue::UNDEFINED)
    }

    /// Replaces it.
    #[wasm_bindgen(js_name = changePluginPolicy, unchecked_return_type = "Promise<PluginPolicy>")]
    pub fn change_plugin_policy(&self, policy: Ts<PluginPolicy>) -> Promise {
        self.pass(Method::PUT, "admin/plugins/policy", policy.into())
    }

    /// Names under which the person publishes plugins.
    #[wasm_bindgen(js_name = listPublishers, unchecked_return_type = "Promise<Publisher[]>")]
    pub fn list_publishers(&self) -> Promise {
        self.plugins(Method::GET, "publishers", JsValue::UNDEFINED)
    }

    /// All names under which plugins are published, from the one after `after` on. For admins.
    #[wasm_bindgen(js_name = listAllPublishers, unchecked_return_type = "Promise<PublishersPage>")]
    pub fn list_all_publishers(&self, after: Option<String>) -> Promise {
        let after = after.map(|after| ["?after=", &percent_encode(&after)].concat()).unwrap_or_default();
        self.pass(Method::GET, &["admin/plugins/publishers", &after].concat(), JsValue::UNDEFINED)
    }

    /// Takes a name, or adds a key to one's own.
    #[wasm_bindgen(js_name = addPublisherKey, unchecked_return_type = "Promise<Publisher>")]
    pub fn add_publisher_key(&self, publisher: Ts<NewPublisher>) -> Promise {
        self.plugins(Method::POST, "publishers", publisher.into())
    }

    /// Revokes a key: nothing that it signed is installed any more.
    #[wasm_bindgen(js_name = revokePublisherKey, unchecked_return_type = "Promise<void>")]
    pub fn revoke_publisher_key(&self, name: &str, key: &str) -> Promise {
        let route = ["publishers/", &percent_encode(name), "/keys/", &percent_encode(key)].concat();
        self.plugins(Method::DELETE, &route, JsValue::UNDEFINED)
    }

    fn plugins(&self, method: Method, below: &str, body: JsValue) -> Promise {
        let route = ["plugins/", below].concat();
        self.run(|core| async move { core.rest.pass(&method, &route, &body).await })
    }
}

impl Core {
    /// Asks a plugin for something.
    async fn call_plugin(
        &self,
        plugin: &str,
        call: PluginCall,
        abort: &Abort,
        mut on_item: impl FnMut(&PluginItem),
    ) -> Result<Answered, ShellError> {
        let id = PluginId::parse(plugin).map_err(|error| ShellError::Arguments(error.to_string()))?;
        let workspace = self.workspace_id()?;
        let mounts = self.mounts();
        let call = places::to_server(&mounts, call)?;
        let seconds = patience(&call);
        let started = self.link.start(Request::CallPlugin { workspace, plugin: id, call: Box::new(call) })?;
        let answering = started.finish(abort, |step| match step {
            Step::Item(Item::Plugin(item)) => {
                on_item(&places::item_to_page(&mounts, *item).map_err(|what| malformed(plugin, what))?);
                Ok(())
            }
            // A call is never sent a second time.
            Step::Item(_) | Step::Restarted => Err(ShellError::UnexpectedReply),
        });
        let reply = match seconds {
            None => answering.await?,
            Some(seconds) => match select(pin!(answering), TimeoutFuture::new(seconds * 1000)).await {
                Either::Left((reply, _)) => reply?,
                Either::Right(_) => return Err(ShellError::PluginSlow { plugin: plugin.to_owned(), seconds }),
            },
        };
        let answered = expect_reply!(reply, Reply::Plugin(answered) => *answered)?;
        places::to_page(&mounts, answered).map_err(|what| malformed(plugin, what))
    }
}

/// How long the page waits; as long as the server where a person does.
const fn patience(call: &PluginCall) -> Option<u32> {
    match call {
        PluginCall::WillSave { .. } => Some(SAVE_SECONDS),
        PluginCall::Format { .. } => Some(FORMAT_SECONDS),
        PluginCall::Check { .. } => Some(CHECK_SECONDS),
        PluginCall::Status { .. } => Some(STATUS_SECONDS),
        PluginCall::Command { .. }
        | PluginCall::Tool { .. }
        | PluginCall::Respond { .. }
        | PluginCall::BuildStep { .. }
        | PluginCall::OpenView { .. }
        | PluginCall::ViewAction { .. } => None,
    }
}

fn malformed(plugin: &str, what: &'static str) -> ShellError {
    ShellError::PluginMalformed { plugin: plugin.to_owned(), what }
}

fn installed_route(workspace: &str, id: &str, part: &str) -> String {
    ["installed/", &percent_encode(workspace), "/", &percent_encode(id), part].concat()
}

fn installed_asset_route(workspace: &str, id: &str, path: &str) -> String {
    asset_route(&installed_route(workspace, id, ""), path)
}

/// Manifests name assets with their folder, which the route has already.
fn asset_route(below: &str, path: &str) -> String {
    let path = path.strip_prefix("assets/").unwrap_or(path);
    ["plugins/", below, "/assets/", &percent_encode_path(path)].concat()
}

#[cfg(test)]
mod tests {
    use super::{asset_route, installed_asset_route, installed_route};

    #[test]
    fn what_was_typed_stays_one_segment() {
        assert_eq!(installed_route("w/../x", "a.b?c", "/log"), "installed/w%2F..%2Fx/a.b%3Fc/log");
        assert_eq!(asset_route("registry/a.b/1", "assets/a b.svg"), "plugins/registry/a.b/1/assets/a%20b.svg");
        assert_eq!(installed_asset_route("w", "a.b", "assets/x/y.json"), "plugins/installed/w/a.b/assets/x/y.json");
    }
}
