//! What the shell tells about itself, and who listens.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use coditect_protocol::Problem;
use coditect_protocol::auth::SessionInfo;
use coditect_protocol::workspace::Workspace;
use gloo_timers::future::TimeoutFuture;
use serde::{Deserialize, Serialize};
use tsify::Tsify;
use wasm_bindgen_futures::spawn_local;

use crate::listeners::Listeners;

/// Small changes (calls, round trips) are told together, at most this often, in milliseconds.
const QUIET_NOTIFY_MS: u32 = 100;

/// State of the one connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// `connect` was not called.
    #[default]
    Idle,
    /// A socket is being opened.
    Connecting,
    /// Everything works.
    Online,
    /// The connection is lost; the next attempt comes in `retry_in_ms`.
    Waiting,
    /// The server ended it, or the login is over. `problem` tells which; only `connect` opens it again.
    Closed,
}

/// What the shell tells about itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Tsify)]
pub struct ShellStatus {
    /// State of the connection.
    pub connection: Connection,
    /// Who is logged in, as far as known.
    #[tsify(optional)]
    pub session: Option<SessionInfo>,
    /// The open workspace.
    #[tsify(optional)]
    pub workspace: Option<Workspace>,
    /// How often the connection came back.
    pub reconnects: u32,
    /// How long the last loss lasted, in milliseconds.
    #[tsify(optional)]
    pub last_reconnect_ms: Option<f64>,
    /// Newest measured round trip to the server, in milliseconds.
    #[tsify(optional)]
    pub round_trip_ms: Option<f64>,
    /// Wait before the next attempt, while `waiting`.
    #[tsify(optional)]
    pub retry_in_ms: Option<f64>,
    /// Version of the server.
    #[tsify(optional)]
    pub server_version: Option<String>,
    /// Calls under way or waiting, without those that last (watches, terminals).
    pub pending_calls: u32,
    /// What went wrong last; gone once online.
    #[tsify(optional)]
    pub problem: Option<Problem>,
}

/// Keeps the status and tells who listens.
#[derive(Default)]
pub(crate) struct StatusBoard {
    status: RefCell<ShellStatus>,
    listeners: Rc<Listeners>,
    scheduled: Cell<bool>,
}

impl StatusBoard {
    /// The status now.
    pub(crate) fn get(&self) -> ShellStatus {
        self.status.borrow().clone()
    }

    /// Who listens.
    pub(crate) fn listeners(&self) -> &Rc<Listeners> {
        &self.listeners
    }

    /// Changes something a person should see at once.
    pub(crate) fn change(&self, change: impl FnOnce(&mut ShellStatus)) {
        let before = self.get();
        change(&mut self.status.borrow_mut());
        if *self.status.borrow() != before {
            self.tell();
        }
    }

    /// Changes a figure; listeners hear of it with the next ones.
    pub(crate) fn change_quietly(self: &Rc<Self>, change: impl FnOnce(&mut ShellStatus)) {
        change(&mut self.status.borrow_mut());
        if self.listeners.is_empty() {
            return;
        }
        if self.scheduled.replace(true) {
            return;
        }
        let board = Rc::clone(self);
        spawn_local(async move {
            TimeoutFuture::new(QUIET_NOTIFY_MS).await;
            board.scheduled.set(false);
            board.tell();
        });
    }

    fn tell(&self) {
        if self.listeners.is_empty() {
            return;
        }
        if let Ok(value) = self.get().into_js() {
            self.listeners.tell(&value);
        }
    }
}
