//! The plugins of the workspace, told while anyone listens, with what they add to the page and what they no longer do.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use coditect_protocol::call::{Item, Request};
use coditect_protocol::plugin::{FindingSeverity, Installed, InstalledList, PluginItem};
use coditect_protocol::{Coded, Problem};
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use serde::Serialize;
use tsify::Tsify;

use super::offers::{self, Offer, OfferChanges};
use super::quiet::Quiet;
use crate::abort::Abort;
use crate::core::Core;
use crate::error::ShellError;
use crate::followed::Followed;
use crate::link::Step;
use crate::many_to_js;

/// How long to wait before a call that the server ended is made again, in milliseconds: at first, and at most.
const RETRY_AFTER_MS: u32 = 1_000;
const MAX_RETRY_AFTER_MS: u32 = 60_000;

/// What is new about the plugins of the workspace.
#[derive(Debug, Serialize, Tsify)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum PluginNews {
    /// Which there are.
    Installed {
        /// All of them.
        plugins: Vec<Installed>,
        /// What changed of what they add to the page.
        changes: OfferChanges,
    },
    /// A plugin tells the person something.
    Notice {
        /// Its name.
        plugin: String,
        /// What people call it.
        title: String,
        /// How much it matters.
        severity: FindingSeverity,
        /// What.
        text: String,
        /// How many of its messages before this one were not told.
        withheld: u32,
    },
    /// Nobody can say which there are. What there was stays.
    Unknown {
        /// Why.
        problem: Problem,
    },
}

/// The plugins of one shell.
#[derive(Default)]
pub(crate) struct Plugins {
    /// Who listens, and the call under way. What is known stays when it ends.
    pub(crate) followed: Followed,
    installed: RefCell<Vec<Installed>>,
    offers: RefCell<Vec<Offer>>,
    quiet: RefCell<Quiet>,
}

impl Plugins {
    /// Starts or ends the call as it has to be now.
    pub(crate) fn adjust(core: &Rc<Core>) {
        core.plugins.followed.adjust(core, follow);
    }

    /// Whether a message of a plugin is told, and how many of its messages were not before it.
    pub(super) fn admit(&self, plugin: &str, text: &str, now_ms: f64) -> Option<u32> {
        self.quiet.borrow_mut().admit(plugin, text, now_ms)
    }

    /// What people call a plugin.
    pub(super) fn title_of(&self, plugin: &str) -> String {
        let installed = self.installed.borrow();
        let found = installed.iter().find(|installed| installed.manifest.id.as_str() == plugin);
        found.map_or_else(|| plugin.to_owned(), |found| found.manifest.title.clone())
    }

    /// Takes in the list; answers what is told.
    fn take_list(&self, plugins: Vec<Installed>) -> PluginNews {
        let now = offers::of(&plugins);
        let changes = offers::changes(&self.offers.borrow(), &now);
        for plugin in &plugins {
            let id = &plugin.manifest.id;
            let installed = self.installed.borrow();
            let before = installed.iter().find(|before| before.manifest.id == *id);
            let is_other =
                before.is_some_and(|before| before.manifest != plugin.manifest || before.granted != plugin.granted);
            if is_other {
                self.quiet.borrow_mut().forget(id.as_str());
            }
        }
        self.offers.replace(now);
        self.installed.replace(plugins.clone());
        PluginNews::Installed { plugins, changes }
    }

    /// What is told of an item, if anything.
    fn news(&self, item: PluginItem, now_ms: f64) -> Result<Option<PluginNews>, ShellError> {
        Ok(match item {
            PluginItem::Installed(InstalledList { plugins }) => Some(self.take_list(plugins)),
            PluginItem::Notice { plugin, severity, text } => {
                let title = self.title_of(&plugin);
                let admitted = self.admit(&plugin, &text, now_ms);
                admitted.map(|withheld| PluginNews::Notice { plugin, title, severity, text, withheld })
            }
            _ => return Err(ShellError::UnexpectedReply),
        })
    }
}

/// Follows the list until stopped, or until the workspace is not the person's any more.
async fn follow(core: Rc<Core>, mut stop: oneshot::Receiver<()>) {
    let abort = Abort::never();
    let mut pause_ms = RETRY_AFTER_MS;
    loop {
        let Ok(workspace) = core.workspace_id() else { return };
        let Ok(call) = core.link.start(Request::FollowPlugins { workspace }) else { return };
        let following = call.finish(&abort, |step| {
            pause_ms = RETRY_AFTER_MS;
            take(&core, step)
        });
        let ended = match select(pin!(following), &mut stop).await {
            Either::Left((ended, _)) => ended,
            Either::Right(_) => return,
        };
        if let Err(error) = ended {
            tell(&core, &PluginNews::Unknown { problem: error.problem() });
        }
        if matches!(core.look_at_workspace().await, Ok(false)) {
            return;
        }
        if let Either::Right(_) = select(TimeoutFuture::new(pause_ms), &mut stop).await {
            return;
        }
        pause_ms = (pause_ms * 2).min(MAX_RETRY_AFTER_MS);
    }
}

fn take(core: &Core, step: Step) -> Result<(), ShellError> {
    match step {
        Step::Item(Item::Plugin(item)) => {
            if let Some(news) = core.plugins.news(*item, js_sys::Date::now())? {
                tell(core, &news);
            }
        }
        // The list comes whole.
        Step::Restarted => {}
        Step::Item(_) => return Err(ShellError::UnexpectedReply),
    }
    Ok(())
}

fn tell(core: &Core, news: &PluginNews) {
    if let Ok(value) = many_to_js(news) {
        core.plugins.followed.listeners().tell(&value);
    }
}

#[cfg(test)]
mod tests {
    use coditect_protocol::plugin::PluginState;

    use super::*;
    use crate::plugins::testing::{installed, manifest};

    fn listed(title: &str) -> PluginItem {
        let more = format!(r#"{{"title": "{title}", "offers": {{"commands": [{{"id": "go", "title": "Go"}}]}}}}"#);
        let plugins = vec![installed(manifest("a.b", &more), PluginState::Ready, &[])];
        PluginItem::Installed(InstalledList { plugins })
    }

    #[test]
    fn a_list_that_comes_again_changes_nothing() {
        let plugins = Plugins::default();
        let counts = |item| match plugins.news(item, 0.0) {
            Ok(Some(PluginNews::Installed { changes, plugins })) => {
                (plugins.len(), changes.added.len(), changes.removed.len())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(counts(listed("One")), (1, 1, 0));
        assert_eq!(counts(listed("One")), (1, 0, 0));
        assert_eq!(counts(listed("Two")), (1, 1, 1));
        assert_eq!(counts(PluginItem::Installed(InstalledList::default())), (0, 0, 1));
    }

    #[test]
    fn a_notice_is_told_with_the_name_that_people_know_and_a_flood_is_not() {
        let plugins = Plugins::default();
        plugins.news(listed("One"), 0.0).unwrap();
        let notice = |text: &str| {
            let item = PluginItem::Notice {
                plugin: "a.b".to_owned(),
                severity: FindingSeverity::Error,
                text: text.to_owned(),
            };
            plugins.news(item, 1.0).unwrap()
        };
        assert!(matches!(notice("hey"), Some(PluginNews::Notice { title, withheld: 0, .. }) if title == "One"));
        assert!(notice("hey").is_none());
        let told = (0..50).filter(|number: &u32| notice(&number.to_string()).is_some()).count();
        assert_eq!(told, 2);
        plugins.news(listed("Two"), 1.0).unwrap();
        assert!(notice("hey").is_some(), "it is another plugin now");
        let progress = PluginItem::Progress { text: String::new(), percent: None };
        assert!(plugins.news(progress, 0.0).is_err());
    }
}
