//! Who else is in a workspace, and in which files.
//!
//! Each workspace that somebody looks at has a room. A page stands in it as long as it follows the room, and says what it shows. A page
//! that is cut off stays for [`STAYS_FOR`], because most come back at once; then it is out of sight until it does. All pages of a person
//! are one to the others.
//!
//! Bounds: [`MAX_PAGES`] pages in a room and [`MAX_PAGES_OF_PERSON`] of one person in all rooms, each with [`MAX_SHOWING_BYTES`] of
//! paths. What a page shows is seen [`SHOWN_EVERY`] at the most, and the newest of it in the end. Whoever follows gets the newest state
//! and never a backlog. Rooms do not wait for each other.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coditect_protocol::presence::{MAX_SHOWN_FILES, Present, Showing};
use coditect_protocol::{LinkId, RelPath, UserId, WorkspaceId};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::error::WorkspaceError;

/// How long a page that is cut off is still seen.
pub const STAYS_FOR: Duration = Duration::from_secs(5);
/// What a page shows is seen by others so often at the most: each time, all of them are told.
pub const SHOWN_EVERY: Duration = Duration::from_millis(100);
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

/// Locked before any of the rooms where both are; a room alone for what changes only within it.
#[derive(Debug, Default)]
struct Rooms {
    by_workspace: HashMap<WorkspaceId, Arc<Room>>,
    /// How many pages each person has in all of them; nobody with none.
    pages_of: HashMap<UserId, usize>,
}

#[derive(Debug, Default)]
struct Room {
    pages: Mutex<Pages>,
    /// Those in sight, whenever that changes.
    seen: watch::Sender<Arc<Vec<Seen>>>,
}

type Pages = HashMap<LinkId, Page>;

#[derive(Debug)]
struct Page {
    user: UserId,
    showing: Arc<Showing>,
    /// How often it was said what it shows.
    said: u64,
    /// When what it shows may be seen next.
    next_at: Instant,
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
        let room = self.lock().room_with(workspace, page, user, |page| page.following += 1)?;
        room.change(|_| ());
        let seen = room.seen.subscribe();
        Ok(Following { presence: self.clone(), workspace, page, user, seen, told: None })
    }

    /// Says what a page shows. Others see it while the page follows the room. Returns when they may; what is said before that has
    /// been overtaken then.
    pub async fn show(
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
        let (mut said, mut at) = (0, Instant::now());
        let room = self.lock().room_with(workspace, page, user, |page| {
            page.said += 1;
            (said, at) = (page.said, at.max(page.next_at));
        })?;
        if at > Instant::now() {
            sleep_until(at).await;
        }
        room.change(|pages| {
            if let Some(page) = pages.get_mut(&page).filter(|page| page.said == said) {
                page.showing = Arc::new(showing);
                page.next_at = Instant::now() + SHOWN_EVERY;
            }
        });
        Ok(())
    }

    /// Looks after the pages: those that were cut off go out of sight, those that came back are seen again, and what those showed whose
    /// link is gone is forgotten.
    pub fn look(&self, standing: impl Fn(LinkId) -> Standing) {
        let all: Vec<_> = self.lock().by_workspace.iter().map(|(id, room)| (*id, Arc::clone(room))).collect();
        for (workspace, room) in all {
            let mut left = Vec::new();
            room.change(|pages| {
                pages.retain(|id, page| match standing(*id) {
                    // Its call ends by itself, and takes it along then.
                    Standing::Gone if page.following > 0 => {
                        page.away = true;
                        true
                    }
                    Standing::Gone => {
                        left.push(page.user);
                        false
                    }
                    standing => {
                        page.away = standing == Standing::Away;
                        true
                    }
                });
            });
            self.lock().note_left(workspace, &left);
        }
    }

    /// How many pages stand in rooms, for tests and figures.
    #[must_use]
    pub fn pages_count(&self) -> usize {
        self.lock().by_workspace.values().map(|room| lock(&room.pages).len()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        lock(&self.0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is whole before anything can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rooms {
    /// Changes a page in its room, both made if need be.
    fn room_with(
        &mut self,
        workspace: WorkspaceId,
        id: LinkId,
        user: UserId,
        change: impl FnOnce(&mut Page),
    ) -> Result<Arc<Room>, WorkspaceError> {
        let own = self.pages_of.get(&user).copied().unwrap_or(0);
        let known = self.by_workspace.get(&workspace).cloned();
        let room = known.clone().unwrap_or_default();
        let mut pages = lock(&room.pages);
        if !pages.contains_key(&id) {
            if pages.len() >= MAX_PAGES || own >= MAX_PAGES_OF_PERSON {
                return Err(WorkspaceError::RoomFull);
            }
            self.pages_of.insert(user, own + 1);
            if known.is_none() {
                self.by_workspace.insert(workspace, Arc::clone(&room));
            }
        }
        change(pages.entry(id).or_insert_with(|| Page::of(user)));
        drop(pages);
        Ok(room)
    }

    /// Pages of these people have left; so has the room where it is empty now.
    fn note_left(&mut self, workspace: WorkspaceId, left: &[UserId]) {
        for user in left {
            if let Some(pages) = self.pages_of.get_mut(user) {
                *pages -= 1;
                if *pages == 0 {
                    self.pages_of.remove(user);
                }
            }
        }
        if self.by_workspace.get(&workspace).is_some_and(|room| lock(&room.pages).is_empty()) {
            self.by_workspace.remove(&workspace);
        }
    }
}

impl Page {
    fn of(user: UserId) -> Self {
        Self { user, showing: Arc::default(), said: 0, next_at: Instant::now(), following: 0, away: false }
    }
}

impl Room {
    /// Changes its pages and tells who is in sight, where that changed.
    fn change<T>(&self, change: impl FnOnce(&mut Pages) -> T) -> T {
        let mut pages = lock(&self.pages);
        let changed = change(&mut pages);
        let mut seen: Vec<_> = pages
            .iter()
            .filter(|(_, page)| page.following > 0 && !page.away)
            .map(|(id, page)| Seen { page: *id, user: page.user, showing: Arc::clone(&page.showing) })
            .collect();
        seen.sort_unstable_by_key(|page| (page.user.0, page.page.0));
        self.seen.send_if_modified(|before| {
            let differs = **before != seen;
            if differs {
                *before = Arc::new(seen);
            }
            differs
        });
        changed
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
        let room = self.presence.lock().by_workspace.get(&self.workspace).cloned();
        let Some(room) = room else { return };
        let has_left = room.change(|pages| {
            let Some(page) = pages.get_mut(&self.page) else { return false };
            page.following -= 1;
            let leaves = page.following == 0;
            if leaves {
                pages.remove(&self.page);
            }
            leaves
        });
        if has_left {
            self.presence.lock().note_left(self.workspace, &[self.user]);
        }
    }
}

/// The people behind pages, in the order of their ids, without the page that asks.
fn merged(seen: &[Seen], page: LinkId, user: UserId) -> Vec<Present> {
    let mut people: Vec<Present> = Vec::new();
    let mut bytes = 0;
    let (mut opened, mut changed) = (HashSet::new(), HashSet::new());
    for other in seen.iter().filter(|other| other.page != page) {
        if people.last().is_none_or(|last| last.user != other.user) {
            let own = other.user == user;
            people.push(Present { user: other.user, name: String::new(), own, showing: Showing::default() });
            opened.clear();
            changed.clear();
        }
        let Some(person) = people.last_mut() else { continue };
        let Showing { open, unsaved, active } = &mut person.showing;
        let lists = [(open, &mut opened, &other.showing.open), (unsaved, &mut changed, &other.showing.unsaved)];
        for (all, known, more) in lists {
            for path in more {
                let fits = all.len() < MAX_SHOWN_FILES && bytes + path.as_str().len() <= MAX_TOLD_BYTES;
                if fits && known.insert(path) {
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
