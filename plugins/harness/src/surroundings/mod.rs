//! What a session has in place of a server.

mod ears;
mod git;
mod http;
mod models;
mod storage;
mod workspace;

pub(crate) use ears::{Heard, Recorder};
pub use ears::{LogLine, Notice};
pub use git::GitState;
pub use http::{HttpAnswer, HttpSeen, TestServer};
pub(crate) use models::Script;
pub use models::{ScriptedAnswer, TEST_MODEL};
pub(crate) use storage::Values;
pub use workspace::Workspace;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is behind a lock. Whoever panicked with it left a test that failed anyway.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
