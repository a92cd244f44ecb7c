//! The folders that the system watches, by their path and by the number that it gave them.

use super::coalesce::keys_below;
use super::health::Shortage;
use super::share::TreeShare;
use coditect_protocol::RelPath;
use std::collections::{BTreeMap, HashMap};

/// What a folder takes beside its path, about.
const FOLDER_BYTES: usize = 128;

#[derive(Default)]
pub(super) struct Watched {
    folders: HashMap<i32, RelPath>,
    watches: BTreeMap<String, i32>,
}

impl Watched {
    pub(super) fn len(&self) -> usize {
        self.folders.len()
    }

    /// The folder that a number stands for.
    pub(super) fn folder(&self, watch: i32) -> Option<&RelPath> {
        self.folders.get(&watch)
    }

    pub(super) fn has(&self, path: &RelPath) -> bool {
        self.watches.contains_key(path.as_str())
    }

    /// What a watch of this folder takes of the share; to be taken before there is one.
    pub(super) fn reserve(path: &RelPath, share: &mut TreeShare) -> Result<(), Shortage> {
        share.take_watch(bytes_of(path))
    }

    pub(super) fn give_back(path: &RelPath, share: &mut TreeShare) {
        share.give_back_watch(bytes_of(path));
    }

    /// Puts in what was reserved.
    pub(super) fn insert(&mut self, path: &RelPath, watch: i32, share: &mut TreeShare) {
        if let Some(former) = self.folders.insert(watch, path.clone()) {
            Self::give_back(&former, share);
            if former != *path && self.watches.get(former.as_str()) == Some(&watch) {
                self.watches.remove(former.as_str());
            }
        }
        self.watches.insert(path.as_str().to_owned(), watch);
    }

    /// The system does not know this number any more.
    pub(super) fn remove(&mut self, watch: i32, share: &mut TreeShare) {
        let Some(folder) = self.folders.remove(&watch) else { return };
        if self.watches.get(folder.as_str()) == Some(&watch) {
            self.watches.remove(folder.as_str());
        }
        Self::give_back(&folder, share);
    }

    /// Takes out a folder and those below it; their numbers.
    pub(super) fn take_below(&mut self, path: &RelPath, share: &mut TreeShare) -> Vec<i32> {
        let mut keys = keys_below(&self.watches, path);
        keys.push(path.as_str().to_owned());
        let watches: Vec<_> = keys.iter().filter_map(|key| self.watches.remove(key)).collect();
        for watch in &watches {
            self.remove(*watch, share);
        }
        watches
    }

    /// Takes out everything; the numbers.
    pub(super) fn take_all(&mut self, share: &mut TreeShare) -> Vec<i32> {
        self.watches.clear();
        let folders = std::mem::take(&mut self.folders);
        for folder in folders.values() {
            Self::give_back(folder, share);
        }
        folders.into_keys().collect()
    }
}

/// Both maps have the path.
fn bytes_of(path: &RelPath) -> usize {
    2 * path.as_str().len() + FOLDER_BYTES
}
