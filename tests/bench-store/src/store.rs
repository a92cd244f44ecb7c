//! The embedded store, as the server uses it: tasks, not threads.

use crate::Engine;
use crate::measure::{random_key, value};
use anyhow::Result;
use coditect_store::{Range, Store, StoreError};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

pub(crate) struct Coditect {
    runtime: Runtime,
    store: Store,
}

impl Coditect {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let runtime = Runtime::new()?;
        let store = runtime.block_on(Store::open(&format!("embedded://{}", path.display())))?;
        Ok(Self { runtime, store })
    }
}

async fn commit(store: &Store, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    store.transact(|tx| async move { tx.set(key, value) }).await
}

impl Engine for Coditect {
    fn commit(&self, _: usize, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.runtime.block_on(commit(&self.store, key, value))?)
    }

    fn load(&self, rows: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        for part in rows.chunks(1_000) {
            let write = |tx: coditect_store::Transaction| async move {
                part.iter().try_for_each(|(key, value)| tx.set(key, value))
            };
            self.runtime.block_on(self.store.transact::<_, StoreError, _, _>(write))?;
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<usize> {
        let read = async { self.store.transact::<_, StoreError, _, _>(|tx| async move { tx.get(key).await }).await };
        Ok(self.runtime.block_on(read)?.map_or(0, |value| value.len()))
    }

    fn range(&self, begin: &[u8], rows: usize) -> Result<usize> {
        let range = &Range::new(begin, [0xff]).limit(rows);
        let read = async {
            self.store.transact::<_, StoreError, _, _>(|tx| async move { tx.range(range.clone()).await }).await
        };
        Ok(self.runtime.block_on(read)?.len())
    }

    fn write(&self, writers: usize, time: Duration) -> Result<Vec<Duration>> {
        let end = Instant::now() + time;
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let store = self.store.clone();
                self.runtime.spawn(async move {
                    let (mut took, mut seed, value) = (Vec::new(), writer as u64 + 1, value());
                    while Instant::now() < end {
                        let key = random_key(&mut seed);
                        let started = Instant::now();
                        commit(&store, &key, &value).await?;
                        took.push(started.elapsed());
                    }
                    Ok::<_, StoreError>(took)
                })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(self.runtime.block_on(task)??);
        }
        Ok(all)
    }
}

impl Drop for Coditect {
    fn drop(&mut self) {
        self.runtime.block_on(self.store.close());
    }
}
