//! A directory of the operator's: packages that lie there are published as if somebody had sent them.
//!
//! It is looked at from time to time, and what did not change since is not read again. Whoever puts a package there vouches for the key
//! that signed it, where its publisher belongs to nobody of this server. What was published stays when its file is taken away.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use coditect_protocol::Coded as _;
use coditect_protocol::plugin::MirrorFault;
use tokio::time::{MissedTickBehavior, interval};

use super::Registry;
use super::publish::By;
use crate::PluginsError;

/// How the names of packages end.
const EXTENSION: &str = "coditect-plugin";
/// Packages of the directory that are looked at.
const MAX_FILES: usize = 10_000;
/// Faults that are told.
const MAX_FAULTS: usize = 100;

/// What a file was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    bytes: u64,
    changed: Option<SystemTime>,
    /// Why it is not offered.
    fault: Option<String>,
}

/// The directory, and what is known of it.
pub(super) struct Mirror {
    directory: Option<PathBuf>,
    seen: Mutex<HashMap<String, Seen>>,
}

impl Mirror {
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, seen: Mutex::default() }
    }

    pub(super) fn faults(&self) -> Vec<MirrorFault> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let faults = seen.iter().filter_map(|(file, seen)| Some((file.clone(), seen.fault.clone()?)));
        let mut faults: Vec<_> = faults.map(|(file, reason)| MirrorFault { file, reason }).collect();
        faults.sort_by(|a, b| a.file.cmp(&b.file));
        faults.truncate(MAX_FAULTS);
        faults
    }

    fn known(&self, name: &str, now: &Seen) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(name).is_some_and(|seen| seen.bytes == now.bytes && seen.changed == now.changed)
    }

    fn note(&self, name: String, seen: Seen) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(name, seen);
    }

    fn keep(&self, files: &[(String, Seen)]) {
        let names: std::collections::HashSet<_> = files.iter().map(|(name, _)| name).collect();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| names.contains(name));
    }
}

impl Registry {
    /// Looks at the mirror directory from time to time, until it is dropped.
    pub(super) async fn follow_mirror(&self) {
        let Some(directory) = self.mirror.directory.clone().map(Arc::new) else {
            return std::future::pending().await;
        };
        let mut ticks = interval(self.settings.mirror_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.scan_mirror(&directory).await;
        }
    }

    async fn scan_mirror(&self, directory: &Arc<PathBuf>) {
        let place = directory.clone();
        let files = match tokio::task::spawn_blocking(move || files(&place)).await {
            Ok(Ok(files)) => files,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the mirror directory of plugins cannot be read");
                return;
            }
            Err(_) => return,
        };
        self.mirror.keep(&files);
        for (name, now) in files {
            if self.mirror.known(&name, &now) {
                continue;
            }
            let fault = match self.offer(&directory.join(&name), now.bytes).await {
                Ok(()) => None,
                // Nothing is known of it: the next look tells.
                Err(error) if error.is_inside() || matches!(error, PluginsError::Store(_) | PluginsError::Busy) => {
                    tracing::warn!(%error, file = name, "a package of the mirror directory is looked at again later");
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, file = name, "a package of the mirror directory is not offered");
                    Some(error.to_string())
                }
            };
            self.mirror.note(name, Seen { fault, ..now });
        }
    }

    async fn offer(&self, path: &Path, bytes: u64) -> Result<(), PluginsError> {
        let most = self.settings.package_bytes;
        if bytes > most {
            return Err(PluginsError::TooLarge { bytes, most });
        }
        let file = tokio::fs::read(path).await.map_err(|error| PluginsError::Surroundings {
            kind: coditect_protocol::Kind::Unavailable,
            message: format!("The file cannot be read: {error}."),
        })?;
        self.take_in(By::Operator, Bytes::from(file)).await?;
        Ok(())
    }
}

/// Packages of a directory, by name. Links and what is no regular file do not count.
fn files(directory: &Path) -> std::io::Result<Vec<(String, Seen)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let metadata = entry.metadata()?;
        let is_package = Path::new(&name).extension().is_some_and(|extension| extension == EXTENSION);
        if !is_package || !metadata.is_file() || name.starts_with('.') {
            continue;
        }
        files.push((name, Seen { bytes: metadata.len(), changed: metadata.modified().ok(), fault: None }));
        if files.len() == MAX_FILES {
            tracing::warn!(most = MAX_FILES, "the mirror directory of plugins has more packages than are looked at");
            break;
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(files)
}
