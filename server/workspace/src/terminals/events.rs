//! What the sandboxes tell, and what is done about it.

use std::sync::{Arc, Weak};

use coditect_protocol::workspace::WorkspaceRole;
use coditect_sandbox::SandboxId;
use coditect_sandbox::client::SandboxEvent;
use tokio::sync::broadcast::error::RecvError;

use super::{EndedTerminals, Inner};
use crate::WorkspaceError;

/// Listens until the terminals' last handle is gone.
pub(super) fn follow(inner: &Arc<Inner>) {
    let (mut events, weak) = (inner.sandboxes.events(), Arc::downgrade(inner));
    tokio::spawn(inner.stop.clone().run_until_cancelled_owned(async move {
        loop {
            match events.recv().await {
                Ok(event) => handle(&weak, &event),
                Err(RecvError::Lagged(count)) => tracing::warn!(count, "ends of terminals were missed"),
                Err(RecvError::Closed) => return,
            }
        }
    }));
}

fn handle(inner: &Weak<Inner>, event: &SandboxEvent) {
    let Some(inner) = inner.upgrade() else { return };
    match event {
        SandboxEvent::Ended { terminal, .. } => inner.tell_end(EndedTerminals::One(*terminal)),
        SandboxEvent::HostLost => inner.tell_end(EndedTerminals::All),
        // Counting takes a while; the next sandbox must not wait for it.
        SandboxEvent::DiskAsked { sandbox } => drop(tokio::spawn(answer(inner, *sandbox))),
        _ => {}
    }
}

impl Inner {
    pub(super) fn tell_end(&self, terminals: EndedTerminals) {
        if let Some(environment) = self.environment.get() {
            environment.ended(terminals);
        }
    }

    async fn usage(&self, sandbox: SandboxId) -> Result<u64, WorkspaceError> {
        let workspaces = self.workspaces.get().ok_or(WorkspaceError::WorkspaceNotFound)?;
        let access = workspaces.access(sandbox.person, sandbox.workspace, WorkspaceRole::Read).await?;
        Ok(workspaces.tree_of(&access).await?.usage(true).await?.bytes)
    }
}

/// Tells how much a workspace takes on the disk. Writers stand still until then, and are ended where nobody can tell.
async fn answer(inner: Arc<Inner>, sandbox: SandboxId) {
    match inner.usage(sandbox).await {
        Ok(bytes) => {
            if let Err(error) = inner.sandboxes.disk_usage(sandbox, bytes).await {
                tracing::debug!(%sandbox, %error, "nobody waits for the size of the workspace any more");
            }
        }
        Err(error) => tracing::warn!(%sandbox, %error, "the size of a workspace could not be found out"),
    }
}
