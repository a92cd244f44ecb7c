//! What the sandboxes tell, and what is done about it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use coditect_sandbox::SandboxId;
use coditect_sandbox::client::SandboxEvent;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::{EndedTerminals, Inner};

/// How long a count may take for which writers stand still. Shorter than the time after which a sandbox that got no answer asks
/// again: there is but one count at a time.
const ANSWER_WITHIN: Duration = Duration::from_secs(50);

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
        SandboxEvent::RoomWanted { person } => {
            if let Some(room) = inner.room.get() {
                room(*person);
            }
        }
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

    /// Bytes that a sandbox takes of what it may; all and more where that cannot be told in time.
    async fn usage(&self, sandbox: SandboxId) -> u64 {
        let Some(workspaces) = self.workspaces.get() else { return u64::MAX };
        let counted = timeout(ANSWER_WITHIN, workspaces.program_bytes(sandbox.person, sandbox.workspace));
        counted.await.unwrap_or_else(|_| {
            tracing::warn!(%sandbox, "the size of a workspace could not be found out in time");
            u64::MAX
        })
    }
}

/// Tells how much a workspace and a home take on the disk. Writers stand still until then, and are ended where nobody can tell.
async fn answer(inner: Arc<Inner>, sandbox: SandboxId) {
    let bytes = inner.usage(sandbox).await;
    if let Err(error) = inner.sandboxes.disk_usage(sandbox, bytes).await {
        tracing::debug!(%sandbox, %error, "nobody waits for the size of the workspace any more");
    }
}
