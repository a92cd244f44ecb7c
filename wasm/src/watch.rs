//! Changes of files: one watch for the workspace and one for the home, while anyone listens.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use coditect_protocol::call::{Item, Request};
use coditect_protocol::files::{ChangeKind, FileChange, Root, WatchState};
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use serde::Serialize;
use tsify::Tsify;
use wasm_bindgen_futures::spawn_local;

use crate::abort::Abort;
use crate::core::Core;
use crate::error::ShellError;
use crate::link::Step;
use crate::listeners::Listeners;

/// How long to wait before a watch that the server ended is started again, in milliseconds.
const RETRY_AFTER_MS: u32 = 5_000;

/// What happened to files.
#[derive(Debug, Serialize, Tsify)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChangeEvent {
    /// These changed.
    Changes {
        /// What happened where.
        changes: Vec<PathChange>,
    },
    /// Changes may have been missed: look again at everything below.
    Rescan {
        /// The absolute path of the root.
        path: String,
    },
    /// How well everything below is watched from here on.
    Watching {
        /// The absolute path of the root.
        path: String,
        /// Whether changes are told as they happen.
        state: WatchState,
    },
}

/// One change.
#[derive(Debug, Serialize, Tsify)]
pub struct PathChange {
    /// What happened.
    pub kind: ChangeKind,
    /// The absolute path.
    pub path: String,
    /// The absolute path that it had before, where it was moved; that one is told as deleted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[tsify(optional)]
    pub from: Option<String>,
}

/// Of which roots something was seen that may have changed while no watch stood.
#[derive(Debug, Default)]
struct Seen(RefCell<Vec<Root>>);

impl Seen {
    /// Something of the root was read, or would have been told.
    fn note(&self, root: Root) {
        let mut roots = self.0.borrow_mut();
        if !roots.contains(&root) {
            roots.push(root);
        }
    }

    /// A watch of the root stands: whether to look again at everything.
    fn is_stale(&self, root: Root) -> bool {
        let stale = self.0.borrow().contains(&root);
        // Whatever comes after this one comes after a gap.
        self.note(root);
        stale
    }
}

/// The watches of one shell.
#[derive(Default)]
pub(crate) struct Watches {
    listeners: Rc<Listeners>,
    seen: Seen,
    /// Roots of which changes show late, by the last word of the server.
    polled: RefCell<Vec<Root>>,
    /// Roots being watched; dropping the sender stops the watch.
    running: RefCell<Vec<(Root, oneshot::Sender<()>)>>,
}

impl Watches {
    /// Who listens; call [`Self::adjust`] after a change.
    pub(crate) fn listeners(&self) -> &Rc<Listeners> {
        &self.listeners
    }

    /// Tells again of which roots changes show late, for who listens from now on.
    pub(crate) fn tell_states(core: &Core) {
        let polled = core.watches.polled.borrow().clone();
        for root in polled {
            tell_state(core, root, WatchState::Polling);
        }
    }

    /// Something of this root is being read.
    pub(crate) fn reads(&self, root: Root) {
        self.seen.note(root);
    }

    /// Stops every watch.
    pub(crate) fn stop(&self) {
        let stopped = std::mem::take(&mut *self.running.borrow_mut());
        drop(stopped);
    }

    /// Starts and stops watches so that they fit the listeners, the link and the workspace.
    pub(crate) fn adjust(core: &Rc<Core>) {
        let watches = &core.watches;
        if watches.listeners.is_empty() || !core.link.is_open() {
            return watches.stop();
        }
        let wanted: Vec<Root> = core.mounts().workspace_root().into_iter().chain([Root::Home]).collect();
        let mut running = watches.running.borrow_mut();
        running.retain(|(root, stop)| wanted.contains(root) && !stop.is_canceled());
        for root in wanted {
            if !running.iter().any(|(watched, _)| *watched == root) {
                let (sender, stop) = oneshot::channel();
                running.push((root, sender));
                spawn_local(watch(Rc::clone(core), root, stop));
            }
        }
    }
}

/// Watches a root until stopped or the link is closed.
async fn watch(core: Rc<Core>, root: Root, mut stop: oneshot::Receiver<()>) {
    loop {
        let Ok(call) = core.link.start(Request::Watch { root }) else { return };
        let abort = Abort::never();
        let watching = call.finish(&abort, |step| take(&core, root, step));
        if let Either::Right(_) = select(pin!(watching), &mut stop).await {
            return;
        }
        if let Either::Right(_) = select(TimeoutFuture::new(RETRY_AFTER_MS), &mut stop).await {
            return;
        }
    }
}

fn take(core: &Core, root: Root, step: Step) -> Result<(), ShellError> {
    match step {
        Step::Item(Item::Changes(changes)) => tell_changes(core, root, &changes),
        // The server's first item says when the watch stands. Looking earlier would miss what changes until then.
        Step::Item(Item::Rescan) if core.watches.seen.is_stale(root) => tell_rescan(core, root),
        Step::Item(Item::Rescan) | Step::Restarted => {}
        Step::Item(Item::Watching(state)) => {
            core.watches.polled.borrow_mut().retain(|polled| *polled != root);
            if state == WatchState::Polling {
                core.watches.polled.borrow_mut().push(root);
            }
            tell_state(core, root, state);
        }
        Step::Item(_) => return Err(ShellError::UnexpectedReply),
    }
    Ok(())
}

fn tell_changes(core: &Core, root: Root, changes: &[FileChange]) {
    let mounts = core.mounts();
    let absolute = |change: &FileChange| {
        let from = change.from.as_ref().and_then(|from| mounts.absolute(root, from));
        Some(PathChange { kind: change.kind, path: mounts.absolute(root, &change.path)?, from })
    };
    let changes: Vec<PathChange> = changes.iter().filter_map(absolute).collect();
    if !changes.is_empty() {
        tell(core, &ChangeEvent::Changes { changes });
    }
}

fn tell_rescan(core: &Core, root: Root) {
    if let Some(path) = core.mounts().absolute(root, &coditect_protocol::RelPath::root()) {
        tell(core, &ChangeEvent::Rescan { path });
    }
}

fn tell_state(core: &Core, root: Root, state: WatchState) {
    if let Some(path) = core.mounts().absolute(root, &coditect_protocol::RelPath::root()) {
        tell(core, &ChangeEvent::Watching { path, state });
    }
}

fn tell(core: &Core, event: &ChangeEvent) {
    if let Ok(value) = event.into_js() {
        core.watches.listeners.tell(&value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_seen_is_looked_at_again() {
        let seen = Seen::default();
        assert!(!seen.is_stale(Root::Home), "the first watch of a page that read nothing");
        assert!(seen.is_stale(Root::Home), "a watch after another one");
        let workspace = Root::Workspace(coditect_protocol::WorkspaceId(uuid::Uuid::nil()));
        seen.note(workspace);
        assert!(seen.is_stale(workspace), "something was read before the watch stood");
    }
}
