//! Who else has the workspace open: told while anyone listens, and so is what this page shows.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use coditect_protocol::RelPath;
use coditect_protocol::call::{Item, Request};
use coditect_protocol::presence::{MAX_SHOWN_FILES, Present, Showing};
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use serde::{Deserialize, Serialize};
use tsify::Tsify;
use wasm_bindgen_futures::spawn_local;

use crate::abort::Abort;
use crate::core::Core;
use crate::error::ShellError;
use crate::followed::Followed;
use crate::link::Step;
use crate::paths::Mounts;

/// How long to wait before a call that the server ended is made again, in milliseconds.
const RETRY_AFTER_MS: u32 = 1_000;

/// What a page has open, by absolute path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Tsify)]
pub struct PageShowing {
    /// Files in its editors.
    pub open: Vec<String>,
    /// Those of them with changes that are not saved.
    pub unsaved: Vec<String>,
    /// The one that the person looks at.
    #[serde(default)]
    #[tsify(optional)]
    pub active: Option<String>,
}

/// Somebody who has the workspace open.
#[derive(Debug, PartialEq, Eq, Serialize, Tsify)]
pub struct PersonPresent {
    /// Who.
    pub user: String,
    /// The name that others see.
    pub name: String,
    /// It is oneself, in another page.
    pub own: bool,
    /// What their pages show, together.
    pub showing: PageShowing,
}

/// The presence of one shell.
#[derive(Default)]
pub(crate) struct Presence {
    /// Who listens, and the call under way.
    pub(crate) followed: Followed,
    /// What the page shows, as it was said last.
    showing: RefCell<Showing>,
}

impl Presence {
    /// Starts or ends the call as it has to be now.
    pub(crate) fn adjust(core: &Rc<Core>) {
        core.presence.followed.adjust(core, follow);
    }

    /// Says what the page shows.
    pub(crate) fn show(core: &Rc<Core>, showing: &PageShowing) {
        let showing = within(&core.mounts(), showing);
        if *core.presence.showing.borrow() == showing {
            return;
        }
        *core.presence.showing.borrow_mut() = showing;
        if core.presence.followed.is_running() {
            send(core);
        }
    }
}

/// Tells the server what the page shows. Nobody waits for it: should it be lost, it is told again with the call that is repeated.
fn send(core: &Rc<Core>) {
    let Ok(workspace) = core.workspace_id() else { return };
    let showing = core.presence.showing.borrow().clone();
    let core = Rc::clone(core);
    spawn_local(async move {
        // Others do not learn of it, which is no reason to disturb the person.
        let _ = core.link.call(Request::Show { workspace, showing }).await;
    });
}

/// Follows who is there until stopped, or until the workspace is not the person's any more.
async fn follow(core: Rc<Core>, mut stop: oneshot::Receiver<()>) {
    let abort = Abort::never();
    loop {
        let Ok(workspace) = core.workspace_id() else { return };
        let Ok(call) = core.link.start(Request::Presence { workspace }) else { return };
        send(&core);
        let following = call.finish(&abort, |step| take(&core, step));
        if let Either::Right(_) = select(pin!(following), &mut stop).await {
            return;
        }
        tell(&core, &[]);
        // It ends where what the person may do has changed, and where it is not theirs any more.
        if matches!(core.look_at_workspace().await, Ok(false)) {
            return;
        }
        if let Either::Right(_) = select(TimeoutFuture::new(RETRY_AFTER_MS), &mut stop).await {
            return;
        }
    }
}

fn take(core: &Rc<Core>, step: Step) -> Result<(), ShellError> {
    match step {
        Step::Item(Item::Presence(people)) => {
            let mounts = core.mounts();
            let people: Vec<_> = people.into_iter().map(|person| as_shown(&mounts, person)).collect();
            tell(core, &people);
        }
        // It is another link, which knows nothing of what the page shows.
        Step::Restarted => send(core),
        Step::Item(_) => return Err(ShellError::UnexpectedReply),
    }
    Ok(())
}

fn tell(core: &Core, people: &[PersonPresent]) {
    if let Ok(value) = serde_wasm_bindgen::to_value(people) {
        core.presence.followed.listeners().tell(&value);
    }
}

/// What of it lies within the workspace, no more than may be told.
fn within(mounts: &Mounts, showing: &PageShowing) -> Showing {
    let relative = |path: &String| mounts.in_workspace(path).ok().filter(|path| !path.is_root());
    let all = |paths: &[String]| paths.iter().filter_map(relative).take(MAX_SHOWN_FILES).collect();
    Showing {
        open: all(&showing.open),
        unsaved: all(&showing.unsaved),
        active: showing.active.as_ref().and_then(relative),
    }
}

fn as_shown(mounts: &Mounts, person: Present) -> PersonPresent {
    let root = mounts.workspace_root();
    let absolute = |path: &RelPath| mounts.absolute(root?, path);
    let Showing { open, unsaved, active } = &person.showing;
    let showing = PageShowing {
        open: open.iter().filter_map(absolute).collect(),
        unsaved: unsaved.iter().filter_map(absolute).collect(),
        active: active.as_ref().and_then(absolute),
    };
    PersonPresent { user: person.user.to_string(), name: person.name, own: person.own, showing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::files::Root;
    use coditect_protocol::{UserId, WorkspaceId};

    #[test]
    fn only_what_lies_in_the_workspace_is_told() {
        let mounts = Mounts::with_workspace(Root::Workspace(WorkspaceId(uuid::Uuid::nil())), "mine");
        let given = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        let open = given(&[
            "/workspace/mine/a",
            "/home/coditect/.ssh/config",
            "/workspace/mine",
            "/workspace/other/b",
            "/x/../y",
        ]);
        let shown = PageShowing { open, unsaved: Vec::new(), active: Some("/home/coditect/x".to_owned()) };
        let told = within(&mounts, &shown);
        assert_eq!((told.open, told.active), (vec![RelPath::parse("a").unwrap()], None));
        let many = (0..MAX_SHOWN_FILES * 2).map(|number| format!("/workspace/mine/{number}")).collect();
        let told = within(&mounts, &PageShowing { open: many, ..PageShowing::default() });
        assert_eq!(told.open.len(), MAX_SHOWN_FILES);
    }

    #[test]
    fn what_others_show_has_its_place_here() {
        let mounts = Mounts::with_workspace(Root::Workspace(WorkspaceId(uuid::Uuid::nil())), "mine");
        let showing = Showing { open: vec![RelPath::parse("a/b").unwrap()], ..Showing::default() };
        let user = UserId(uuid::Uuid::nil());
        let shown = as_shown(&mounts, Present { user, name: "Ada".to_owned(), own: false, showing });
        assert_eq!((shown.showing.open, shown.name.as_str()), (vec!["/workspace/mine/a/b".to_owned()], "Ada"));
    }
}
