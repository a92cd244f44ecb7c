//! Work that asks for room. A figure that may be wrong refuses nobody: it is counted again, which is waited for without holding a thread
//! or one of the tree's slots, and then the work is done once more.

use super::confined::Confined;
use super::places::Places;
use super::upload::Part;
use super::write::PendingWrite;
use super::{Abandonable, Tree, blocking, trash};
use crate::error::WorkspaceError;
use crate::usage::{Meter, idle_place};
use coditect_protocol::files::Usage;
use std::sync::Arc;

impl Tree {
    /// The same tree for the calls of one person, whose places they take.
    pub(crate) fn for_person(self: &Arc<Self>, places: Arc<Places>) -> Self {
        Self {
            confined: Arc::clone(&self.confined),
            slots: Arc::clone(&self.slots),
            range_writes: Arc::clone(&self.range_writes),
            places: Some(places),
            path: self.path.clone(),
            identity: self.identity,
            shared: Some(Arc::clone(self)),
        }
    }

    /// Whether both share slots and meter.
    #[cfg(test)]
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.confined, &other.confined) && Arc::ptr_eq(&self.slots, &other.slots)
    }

    /// What it takes on the disk; counted anew if `fresh` and not just done.
    pub async fn usage(&self, fresh: bool) -> Result<Usage, WorkspaceError> {
        let meter = self.confined.meter().ok_or(WorkspaceError::WorkspaceNotFound)?;
        self.counting(meter.usage(fresh)).await
    }

    /// Runs work that asks for room.
    pub(super) async fn run_asking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Confined) -> Result<T, WorkspaceError> + Clone + Send + 'static,
    ) -> Result<T, WorkspaceError> {
        self.ready().await;
        match self.run(work.clone()).await {
            Err(refusal) if self.may_be_wrong(&refusal).await => self.run(work).await,
            result => result,
        }
    }

    /// Adds to a file that is being written. Dropped in the middle, it leaves nothing.
    pub(super) async fn append(&self, write: PendingWrite, content: Vec<u8>) -> Result<PendingWrite, WorkspaceError> {
        let appended = |mut write: PendingWrite, content: Vec<u8>| {
            self.run(move |_| {
                let appended = write.append(&content);
                Ok((write, content, appended))
            })
        };
        let (write, content, refused) = appended(write, content).await?;
        let Err(refusal) = refused else { return Ok(write) };
        let (mut write, mut refusal) = (Abandonable(Some(write)), refusal);
        if self.may_be_wrong(&refusal).await {
            let (again, _, refused) = appended(write.take()?, content).await?;
            match refused {
                Ok(()) => return Ok(again),
                Err(error) => (write, refusal) = (Abandonable(Some(again)), error),
            }
        }
        // Whoever is refused finds nothing of it.
        let write = write.take()?;
        self.run(move |_| {
            drop(write);
            Ok(())
        })
        .await?;
        Err(refusal)
    }

    /// Adds to an upload, which stays whatever comes of it.
    pub(super) async fn append_part(
        &self,
        part: Part,
        content: Vec<u8>,
    ) -> Result<(Part, Result<(), WorkspaceError>), WorkspaceError> {
        let appended = |mut part: Part, content: Vec<u8>| {
            self.run(move |confined| {
                let appended = part.append(confined, &content);
                Ok((part, content, appended))
            })
        };
        let (part, content, refused) = appended(part, content).await?;
        match refused {
            Err(refusal) if self.may_be_wrong(&refusal).await => {
                let (part, _, refused) = appended(part, content).await?;
                Ok((part, refused))
            }
            result => Ok((part, result)),
        }
    }

    /// Sees to it that writes can be judged.
    pub(super) async fn ready(&self) {
        if let Some(meter) = self.confined.meter().filter(|meter| !meter.is_ready()) {
            self.counting(meter.ready()).await;
        }
    }

    /// Whether it is worth to ask again after a refusal, because what takes the room was counted since.
    async fn may_be_wrong(&self, refusal: &WorkspaceError) -> bool {
        match self.confined.meter().filter(|_| refusal.is_of_room()) {
            Some(meter) => self.counting(Meter::recount(meter)).await,
            None => false,
        }
    }

    /// Waits for a count in one of the person's places for that.
    async fn counting<T>(&self, count: impl Future<Output = T>) -> T {
        let _place = match &self.places {
            Some(places) => places.count().await,
            None => None,
        };
        count.await
    }

    /// Finds out how large the folders are that went to the trash, while nobody waits for it.
    pub(super) fn weigh_trash(&self) {
        if !self.confined.beside().is_some_and(|beside| beside.unweighed.begin()) {
            return;
        }
        let confined = Arc::clone(&self.confined);
        tokio::spawn(async move {
            while let Some(id) = confined.beside().and_then(|beside| beside.unweighed.next()) {
                let _place = idle_place().await;
                let confined = Arc::clone(&confined);
                let weighed = blocking(move || confined.beside().map_or(Ok(()), |beside| trash::weigh(beside, id)));
                if let Err(error) = weighed.await {
                    tracing::debug!(%id, %error, "the size of something in the trash could not be noted");
                }
            }
        });
    }
}
