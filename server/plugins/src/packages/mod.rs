//! Packages in the store: in pieces, by the SHA-256 of their files, each once, whoever needs it.
//!
//! A package is there when it has its row, and that is written with the last transaction, together with whatever made it needed: what was
//! written of others is never seen, and [`sweep`] takes it away. What nobody needs any more is swept too.

mod opened;
mod sweep;

use std::future::Future;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use coditect_plugin_package::sha256_hex;
use coditect_protocol::plugin::Manifest;
use coditect_store::{Range, Record, Rows, Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;
use uuid::Uuid;

pub(crate) use opened::Opened;

use crate::PluginsError;
use crate::keys::{Holder, Keys};
use crate::lru::Lru;
use crate::time::now_ms;

/// Bytes of a piece.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that one transaction writes.
const PIECES_AT_ONCE: usize = 48;
/// Bytes of manifests that are held in memory.
const MANIFESTS_BYTES: u64 = 64 << 20;
/// Name of the part that is the package's file.
const FILE: &str = "";
/// Name of the part that is the manifest, as JSON. No file of a package that is a part of its own has this name.
const MANIFEST: &str = "manifest";

/// What is known of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackageRow {
    /// Bytes of its file.
    pub(crate) bytes: u64,
    /// SHA-256 of its component, where it has one.
    pub(crate) component: Option<String>,
    /// Public key that signed it.
    pub(crate) signer: Option<String>,
    /// Parts beside its file, with their bytes.
    pub(crate) parts: Vec<(String, u64)>,
}

impl Record for PackageRow {
    const VERSION: u8 = 1;
}

impl PackageRow {
    /// Bytes that the store keeps of it: its file, and what stands beside that.
    pub(crate) fn kept_bytes(&self) -> u64 {
        self.parts.iter().fold(self.bytes, |all, (_, bytes)| all.saturating_add(*bytes))
    }
}

/// A package that is written, up to its row.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) sha256: String,
    id: Uuid,
    row: PackageRow,
}

/// All packages.
pub(crate) struct Packages {
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    gate: Arc<Semaphore>,
    /// Whether [`Packages::sweep_soon`] is about to sweep.
    sweeps_soon: AtomicBool,
    manifests: Mutex<Lru<String, Arc<Manifest>>>,
}

impl Packages {
    pub(crate) fn new(store: Store, keys: Keys, at_once: usize) -> Self {
        let manifests = Mutex::new(Lru::new(MANIFESTS_BYTES));
        let gate = Arc::new(Semaphore::new(at_once.max(1)));
        Self { store, keys, gate, sweeps_soon: AtomicBool::new(false), manifests }
    }

    /// A place among those that hold whole packages in memory.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, PluginsError> {
        self.gate.clone().acquire_owned().await.map_err(|_| PluginsError::Busy)
    }

    pub(crate) async fn row(&self, sha256: &str) -> Result<Option<PackageRow>, StoreError> {
        let key = &self.keys.package(sha256);
        self.store.transact(|tx| async move { tx.get_record(key).await }).await
    }

    /// Writes all of a package but its row, which [`Packages::settle`] does.
    pub(crate) async fn write(self: &Arc<Self>, opened: &Opened) -> Result<Written, PluginsError> {
        let written = Written { sha256: opened.sha256.clone(), id: Uuid::new_v4(), row: opened.row.clone() };
        match self.write_parts(&written, opened).await {
            Ok(()) => Ok(written),
            Err(error) => {
                self.abandon(&written).await;
                Err(error)
            }
        }
    }

    async fn write_parts(&self, written: &Written, opened: &Opened) -> Result<(), PluginsError> {
        let Written { sha256, id, row } = written;
        let (writing, row_key) = (&self.keys.writing(sha256, *id), &self.keys.package(sha256));
        let at = now_ms();
        let is_there = self.store.transact(|tx| async move {
            tx.set(writing, at.to_le_bytes())?;
            Ok::<_, StoreError>(tx.get(row_key).await?.is_some())
        });
        if is_there.await? {
            return Ok(());
        }
        self.write_part(sha256, FILE, &opened.file).await?;
        for (name, _) in &row.parts {
            let bytes = opened.part(name).ok_or_else(|| PluginsError::Damaged(sha256.clone()))?;
            self.write_part(sha256, name, bytes).await?;
        }
        Ok(())
    }

    async fn write_part(&self, sha256: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let part = &self.keys.part(sha256, name);
        let pieces: Vec<_> = bytes.chunks(PIECE_BYTES).zip(0_u64..).collect();
        for some in pieces.chunks(PIECES_AT_ONCE) {
            self.store
                .transact(|tx| async move {
                    some.iter().try_for_each(|(piece, n)| tx.set(part.pack(n), piece))?;
                    Ok::<_, StoreError>(())
                })
                .await?;
        }
        Ok(())
    }

    /// Makes a package be there, in the transaction that makes it needed.
    pub(crate) async fn settle(
        &self,
        tx: &Transaction,
        written: &Written,
        holder: &Holder,
    ) -> Result<(), PluginsError> {
        let Written { sha256, id, row } = written;
        let (writing, key) = (self.keys.writing(sha256, *id), self.keys.package(sha256));
        let is_there = tx.get(&key).await?.is_some();
        if !is_there {
            if tx.get(&writing).await?.is_none() {
                // It took so long that it was swept meanwhile.
                return Err(PluginsError::Busy);
            }
            tx.set_record(&key, row)?;
        }
        tx.clear(&writing)?;
        self.hold(tx, sha256, holder)?;
        Ok(())
    }

    /// What was written is there already, and needed.
    pub(crate) fn forget_writing(&self, tx: &Transaction, written: &Written) -> Result<(), StoreError> {
        tx.clear(self.keys.writing(&written.sha256, written.id))
    }

    /// What was written is not needed after all.
    pub(crate) async fn abandon(self: &Arc<Self>, written: &Written) {
        let (writing, loose) = (&self.keys.writing(&written.sha256, written.id), &self.keys.loose(&written.sha256));
        let abandoned = self.store.transact(|tx| async move {
            tx.clear(writing)?;
            tx.set(loose, "")
        });
        if let Err(error) = abandoned.await {
            tracing::debug!(%error, "a package that is not needed is swept later");
        }
        self.sweep_soon();
    }

    /// Somebody needs a package that is there.
    pub(crate) fn hold(&self, tx: &Transaction, sha256: &str, holder: &Holder) -> Result<(), StoreError> {
        tx.set(self.keys.held(sha256, holder), "")
    }

    /// Somebody needs it no more.
    pub(crate) fn release(self: &Arc<Self>, tx: &Transaction, sha256: &str, holder: &Holder) -> Result<(), StoreError> {
        self.sweep_soon();
        tx.clear(self.keys.held(sha256, holder))?;
        tx.set(self.keys.loose(sha256), "")
    }

    /// The manifest of a package.
    pub(crate) async fn manifest(&self, sha256: &str) -> Result<Arc<Manifest>, PluginsError> {
        if let Some(known) = self.manifests().get(sha256) {
            return Ok(known.clone());
        }
        let bytes = self.part(sha256, MANIFEST).await?.ok_or_else(|| PluginsError::Damaged(sha256.to_owned()))?;
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|_| PluginsError::Damaged(sha256.to_owned()))?;
        let manifest = Arc::new(manifest);
        // In memory its texts are about as long as there, and each of them takes a place of its own.
        self.manifests().insert(sha256.to_owned(), manifest.clone(), 2 * bytes.len() as u64);
        Ok(manifest)
    }

    fn manifests(&self) -> std::sync::MutexGuard<'_, Lru<String, Arc<Manifest>>> {
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part of a package that has a row: an asset, a README.
    pub(crate) async fn part(&self, sha256: &str, name: &str) -> Result<Option<Bytes>, PluginsError> {
        let Some(row) = self.row(sha256).await? else { return Ok(None) };
        let Some((_, bytes)) = row.parts.iter().find(|(part, _)| part == name) else { return Ok(None) };
        Ok(Some(self.whole(sha256, name, *bytes).await?))
    }

    /// The file of a package, as it was sent.
    pub(crate) async fn file(&self, sha256: &str) -> Result<Bytes, PluginsError> {
        let row = self.row(sha256).await?.ok_or_else(|| PluginsError::Damaged(sha256.to_owned()))?;
        let file = self.whole(sha256, FILE, row.bytes).await?;
        let name = sha256.to_owned();
        let is_it = file.clone();
        let is_same = tokio::task::spawn_blocking(move || sha256_hex(&is_it) == name).await.unwrap_or(false);
        if is_same { Ok(file) } else { Err(PluginsError::Damaged(sha256.to_owned())) }
    }

    async fn whole(&self, sha256: &str, name: &str, bytes: u64) -> Result<Bytes, PluginsError> {
        let mut all = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        let mut range = Some(self.keys.part(sha256, name).range().snapshot());
        while let Some(from) = range {
            let rows = self.rows(&from).await?;
            rows.iter().for_each(|row| all.extend_from_slice(&row.value));
            if all.len() as u64 > bytes {
                break;
            }
            range = rest(from, &rows);
        }
        if all.len() as u64 == bytes { Ok(all.into()) } else { Err(PluginsError::Damaged(sha256.to_owned())) }
    }

    /// The next pieces of a package's file, and where the ones after them are.
    pub(crate) async fn pieces(&self, from: Range) -> Result<(Vec<Bytes>, Option<Range>), StoreError> {
        let rows = self.rows(&from).await?;
        let pieces = rows.iter().map(|row| row.value.clone()).collect();
        Ok((pieces, rest(from, &rows)))
    }

    /// Where the pieces of a package's file are.
    pub(crate) fn file_range(&self, sha256: &str) -> Range {
        self.keys.part(sha256, FILE).range().snapshot()
    }

    /// Some rows of a range: each time a transaction of its own, as packages take longer than one lives.
    async fn rows(&self, range: &Range) -> Result<Rows, StoreError> {
        self.store.transact(|tx| async move { tx.range(range.clone()).await }).await
    }
}

/// Does something to its end in a task of its own: who goes away while a package is written leaves none behind that is half there.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, PluginsError>> + Send + 'static,
) -> Result<T, PluginsError> {
    let done = tokio::spawn(work.in_current_span()).await;
    done.map_err(|error| {
        tracing::error!(%error, "taking a package in was broken off");
        PluginsError::Busy
    })?
}

#[cfg(test)]
impl Packages {
    /// What the manifests in memory weigh.
    pub(crate) fn manifests_weight(&self) -> u64 {
        self.manifests().weight()
    }
}

fn rest(range: Range, rows: &Rows) -> Option<Range> {
    let last = rows.last().filter(|_| rows.more)?;
    Some(range.after(&last.key))
}
