//! Who else is in a workspace, and in which files.
//!
//! Each workspace that somebody looks at has a room. A page stands in it as long as it follows the room, and says what it shows. A page
//! that is cut off stays for [`STAYS_FOR`], because most come back at once; then it is out of sight until it does. All pages of a person
//! are one to the others.
//!
//! Bounds: [`MAX_PAGES`] pages in a room and [`MAX_PAGES_OF_PERSON`] of one person in all rooms, each with [`MAX_SHOWING_BYTES`] of
//! paths. Whoever follows gets the newest state and never a backlog.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coditect_protocol::presence::{MAX_SHOWN_FILES, Present, Showing};
use coditect_protocol::{LinkId, RelPath, UserId, WorkspaceId};
use tokio::sync::watch;

use crate::error::WorkspaceError;

/// How long a page that is cut off is still seen.
pub const STAYS_FOR: Duration = Duration::from_secs(5);
/// Pages in one room.
pub const MAX_PAGES: usize = 1000;
/// Pages of one person in all rooms.
pub const MAX_PAGES_OF_PERSON: usize = 128;
/// Largest total of the paths that a page shows, in bytes.
pub const MAX_SHOWING_BYTES: usize = 32 * 1024;
/// Largest total of the paths that a page is told, in bytes; beyond it, people are told without their files.
pub const MAX_TOLD_BYTES: usize = 1024 * 1024;

/// All rooms of this server. A clone is the same.
#[derive(Debug, Clone, Default)]
pub struct Presence(Arc<Mutex<Rooms>>);

#[derive(Debug, Default)]
struct Rooms {
    by_workspace: HashMap<WorkspaceId, Room>,
    /// How many pages each person has in all of them; nobody with none.
    pages_of: HashMap<UserId, usize>,
}

#[derive(Debug)]
struct Room {
    pages: HashMap<LinkId, Page>,
    /// Those in sight, whenever that changes.
    seen: watch::Sender<Arc<Vec<Seen>>>,
}

#[derive(Debug)]
struct Page {
    user: UserId,
    showing: Arc<Showing>,
    /// Calls that follow the room for this page; it stands in the room while there is one.
    following: usize,
    away: bool,
}

/// A page in sight.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    page: LinkId,
    user: UserId,
    showing: Arc<Showing>,
}

/// What has become of a page's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is there, or was cut off less than [`STAYS_FOR`] ago.
    There,
    /// It was cut off and may come back.
    Away,
    /// It does not come back.
    Gone,
}

/// Tells a page who is in the room, until it is dropped.
#[derive(Debug)]
pub struct Following {
    presence: Presence,
    workspace: WorkspaceId,
    page: LinkId,
    user: UserId,
    seen: watch::Receiver<Arc<Vec<Seen>>>,
    told: Option<Vec<Present>>,
}

impl Presence {
    /// Puts a page into a workspace's room, and tells it who is there. Who calls has made sure that the person may read there.
    pub fn follow(&self, workspace: WorkspaceId, page: LinkId, user: UserId) -> Result<Following, WorkspaceError> {
        let mut rooms = self.lock();
        rooms.page(workspace, page, user)?.following += 1;
        let room = rooms.by_workspace.get(&workspace).ok_or(WorkspaceError::RoomFull)?;
        room.publish();
        let seen = room.seen.subscribe();
        drop(rooms);
        Ok(Following { presence: self.clone(), workspace, page, user, seen, told: None })
    }

    /// Says what a page shows. Others see it while the page follows the room.
    pub fn show(
        &self,
        workspace: WorkspaceId,
        page: LinkId,
        user: UserId,
        showing: Showing,
    ) -> Result<(), WorkspaceError> {
        let Showing { open, unsaved, active } = &showing;
        let paths = || open.iter().chain(unsaved).chain(active);
        let bytes = paths().map(|path| path.as_str().len()).sum::<usize>();
        if open.len().max(unsaved.len()) > MAX_SHOWN_FILES || bytes > MAX_SHOWING_BYTES {
            return Err(WorkspaceError::TooMuchShown { files: MAX_SHOWN_FILES, bytes: MAX_SHOWING_BYTES });
        }
        let mut rooms = self.lock();
        rooms.page(workspace, page, user)?.showing = Arc::new(showing);
        if let Some(room) = rooms.by_workspace.get(&workspace) {
            room.publish();
        }
        Ok(())
    }

    /// Looks after the pages: those that were cut off go out of sight, those that came back are seen again, and what those showed whose
    /// link is gone is forgotten.
    pub fn look(&self, standing: impl Fn(LinkId) -> Standing) {
        let mut rooms = self.lock();
        let Rooms { by_workspace, pages_of } = &mut *rooms;
        by_workspace.retain(|_, room| {
            room.pages.retain(|id, page| match standing(*id) {
                // Its call ends by itself, and takes it along then.
                Standing::Gone if page.following > 0 => {
                    page.away = true;
                    true
                }
                Standing::Gone => {
                    leave(pages_of, page.user);
                    false
                }
                standing => {
                    page.away = standing == Standing::Away;
                    true
                }
            });
            room.publish();
            !room.pages.is_empty()
        });
    }

    /// How many pages stand in rooms, for tests and figures.
    #[must_use]
    pub fn pages_count(&self) -> usize {
        self.lock().by_workspace.values().map(|room| room.pages.len()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        // Each change is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rooms {
    /// The page in its room, both made if need be.
    fn page(&mut self, workspace: WorkspaceId, id: LinkId, user: UserId) -> Result<&mut Page, WorkspaceError> {
        let there = self.by_workspace.get(&workspace).map_or(0, |room| room.pages.len());
        let known = self.by_workspace.get(&workspace).is_some_and(|room| room.pages.contains_key(&id));
        let own = self.pages_of.get(&user).copied().unwrap_or(0);
        if !known {
            if there >= MAX_PAGES || own >= MAX_PAGES_OF_PERSON {
                return Err(WorkspaceError::RoomFull);
            }
            self.pages_of.insert(user, own + 1);
        }
        let room = self
            .by_workspace
            .entry(workspace)
            .or_insert_with(|| Room { pages: HashMap::new(), seen: watch::Sender::new(Arc::default()) });
        Ok(room.pages.entry(id).or_insert_with(|| Page { user, showing: Arc::default(), following: 0, away: false }))
    }
}

impl Room {
    /// Tells who is in sight, where that changed.
    fn publish(&self) {
        let mut seen: Vec<_> = self
            .pages
            .iter()
            .filter(|(_, page)| page.following > 0 && !page.away)
            .map(|(id, page)| Seen { page: *id, user: page.user, showing: Arc::clone(&page.showing) })
            .collect();
        seen.sort_unstable_by_key(|page| (page.user.0, page.page.0));
        self.seen.send_if_modified(|before| {
            let changed = **before != seen;
            if changed {
                *before = Arc::new(seen);
            }
            changed
        });
    }
}

fn leave(pages_of: &mut HashMap<UserId, usize>, user: UserId) {
    if let Some(pages) = pages_of.get_mut(&user) {
        *pages -= 1;
        if *pages == 0 {
            pages_of.remove(&user);
        }
    }
}

impl Following {
    /// Everybody who is there but this page, whenever that differs from what was told last. Names are left empty.
    pub async fn next(&mut self) -> Vec<Present> {
        loop {
            let seen = Arc::clone(&self.seen.borrow_and_update());
            let present = merged(&seen, self.page, self.user);
            if self.told.as_ref() != Some(&present) {
                self.told = Some(present.clone());
                return present;
            }
            if self.seen.changed().await.is_err() {
                // The room outlives who follows it.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut rooms = self.presence.lock();
        let Rooms { by_workspace, pages_of } = &mut *rooms;
        let Some(room) = by_workspace.get_mut(&self.workspace) else { return };
        if let Some(page) = room.pages.get_mut(&self.page) {
            page.following -= 1;
            if page.following == 0 {
                room.pages.remove(&self.page);
                leave(pages_of, self.user);
            }
        }
        if room.pages.is_empty() {
            by_workspace.remove(&self.workspace);
        } else {
            room.publish();
        }
    }
}

/// The people behind pages, in the order of their ids, without the page that asks.
fn merged(seen: &[Seen], page: LinkId, user: UserId) -> Vec<Present> {
    let mut people: Vec<Present> = Vec::new();
    let mut bytes = 0;
    for other in seen.iter().filter(|other| other.page != page) {
        if people.last().is_none_or(|last| last.user != other.user) {
            let own = other.user == user;
            people.push(Present { user: other.user, name: String::new(), own, showing: Showing::default() });
        }
        let Some(person) = people.last_mut() else { continue };
        let Showing { open, unsaved, active } = &mut person.showing;
        for (all, more) in [(open, &other.showing.open), (unsaved, &other.showing.unsaved)] {
            for path in more {
                if all.len() < MAX_SHOWN_FILES && bytes + path.as_str().len() <= MAX_TOLD_BYTES && !all.contains(path) {
                    bytes += path.as_str().len();
                    all.push(path.clone());
                }
            }
        }
        *active = active.take().or_else(|| told_active(&other.showing, &mut bytes));
    }
    people
}

fn told_active(showing: &Showing, bytes: &mut usize) -> Option<RelPath> {
    let active = showing.active.as_ref().filter(|path| *bytes + path.as_str().len() <= MAX_TOLD_BYTES)?;
    *bytes += active.as_str().len();
    Some(active.clone())
}
