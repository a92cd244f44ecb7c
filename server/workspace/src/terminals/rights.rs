//! Ends what somebody runs in a workspace when they may no longer do so.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use coditect_protocol::terminal::EndCause;
use coditect_protocol::workspace::WorkspaceRole;
use coditect_protocol::{Coded as _, Kind};
use coditect_sandbox::client::{Sandboxes, Scope};
use coditect_sandbox::{SandboxError, SandboxId};

use super::Inner;
use crate::registry::Workspaces;

/// How often is looked whether a sandbox runs at all any more.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Pause before what could not be found out is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Guards all sandboxes: those that an earlier server started.
pub(super) async fn guard_all(inner: &Arc<Inner>) {
    if inner.sandboxes.check_available().is_err() {
        return;
    }
    match inner.sandboxes.running(Scope::Everything).await {
        Ok(listed) => listed.iter().for_each(|listed| guard(inner, listed.id, listed.read_only)),
        Err(error) => tracing::warn!(%error, "the sandboxes that run could not be asked for"),
    }
}

/// Watches the right to a sandbox as long as it runs, whether or not a terminal is open in it: what was left in the background
/// reads and writes the workspace all the same.
pub(super) fn guard(inner: &Arc<Inner>, id: SandboxId, read_only: bool) {
    let Some(workspaces) = inner.workspaces.get().cloned() else { return };
    if !inner.guarded.lock().unwrap_or_else(PoisonError::into_inner).insert((id, read_only)) {
        return;
    }
    let (weak, sandboxes) = (Arc::downgrade(inner), inner.sandboxes.clone());
    tokio::spawn(inner.stop.clone().run_until_cancelled_owned(async move {
        let at_least = if read_only { WorkspaceRole::Read } else { WorkspaceRole::Write };
        let is_lost = tokio::select! {
            () = lost(&workspaces, id, at_least) => true,
            () = ended(&sandboxes, id, read_only) => false,
        };
        // Before anything is ended: what is started after this is guarded anew.
        if let Some(inner) = weak.upgrade() {
            inner.guarded.lock().unwrap_or_else(PoisonError::into_inner).remove(&(id, read_only));
        }
        if !is_lost {
            // One that was started since the last look took this for its guard.
            if runs(&sandboxes, id, read_only).await.unwrap_or(true)
                && let Some(inner) = weak.upgrade()
            {
                guard(&inner, id, read_only);
            }
            return;
        }
        tracing::info!(sandbox = %id, "a right was taken away; what ran by it is ended");
        if let Err(error) = sandboxes.end(Scope::Sandbox(id), Some(EndCause::AccessEnded)).await {
            tracing::warn!(sandbox = %id, %error, "programs could not be ended");
        }
    }));
}

/// Returns when the person may do less.
async fn lost(workspaces: &Workspaces, id: SandboxId, at_least: WorkspaceRole) {
    loop {
        match workspaces.access(id.person, id.workspace, at_least).await {
            Ok(access) => return access.lost().await,
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Forbidden) => return,
            // Only a clear answer ends anything: a store that does not answer must not.
            Err(error) => {
                tracing::debug!(sandbox = %id, %error, "a right could not be looked up; it is tried again");
                tokio::time::sleep(ASK_AGAIN).await;
            }
        }
    }
}

/// Returns when there is nothing left to guard.
async fn ended(sandboxes: &Sandboxes, id: SandboxId, read_only: bool) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if matches!(runs(sandboxes, id, read_only).await, Ok(false)) {
            return;
        }
    }
}

/// Whether it runs with these rights; one that was started with others has a guard of its own.
async fn runs(sandboxes: &Sandboxes, id: SandboxId, read_only: bool) -> Result<bool, SandboxError> {
    let running = sandboxes.running(Scope::Sandbox(id)).await?;
    Ok(running.iter().any(|running| running.read_only == read_only))
}
