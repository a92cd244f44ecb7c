//! The others, each with its own durable commit.

use crate::Engine;
use anyhow::{Context as _, Result, anyhow};
use redb::{ReadableDatabase as _, TableDefinition};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

type Row = (Vec<u8>, Vec<u8>);

/// Most rows that a thread commits at once, as the store does.
const GROUP_MAX: usize = 1_024;

const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");

pub(crate) struct Redb(redb::Database);

impl Redb {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let database = redb::Builder::new().set_cache_size(64 << 20).create(path.join("data.redb"))?;
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?;
        transaction.commit()?;
        Ok(Self(database))
    }
}

impl Engine for Redb {
    fn commit(&self, _: usize, key: &[u8], value: &[u8]) -> Result<()> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(TABLE)?.insert(key, value)?;
        Ok(transaction.commit()?)
    }

    fn load(&self, rows: &[Row]) -> Result<()> {
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in rows {
                table.insert(&key[..], &value[..])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn get(&self, key: &[u8]) -> Result<usize> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        Ok(table.get(key)?.map_or(0, |value| value.value().to_vec().len()))
    }

    fn range(&self, begin: &[u8], rows: usize) -> Result<usize> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        let mut found = Vec::new();
        for row in table.range::<&[u8]>(begin..)?.take(rows) {
            let (key, value) = row?;
            found.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(found.len())
    }
}

pub(crate) struct Fjall {
    database: fjall::Database,
    rows: fjall::Keyspace,
}

impl Fjall {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let database = fjall::Database::builder(path).cache_size(64 << 20).open()?;
        let rows = database.keyspace("rows", fjall::KeyspaceCreateOptions::default)?;
        Ok(Self { database, rows })
    }
}

impl Engine for Fjall {
    fn commit(&self, _: usize, key: &[u8], value: &[u8]) -> Result<()> {
        self.rows.insert(key, value)?;
        Ok(self.database.persist(fjall::PersistMode::SyncData)?)
    }

    fn load(&self, rows: &[Row]) -> Result<()> {
        let mut batch = self.database.batch();
        for (key, value) in rows {
            batch.insert(&self.rows, &key[..], &value[..]);
        }
        batch.commit()?;
        Ok(self.database.persist(fjall::PersistMode::SyncData)?)
    }

    fn get(&self, key: &[u8]) -> Result<usize> {
        Ok(self.rows.get(key)?.map_or(0, |value| value.to_vec().len()))
    }

    fn range(&self, begin: &[u8], rows: usize) -> Result<usize> {
        let mut found = Vec::new();
        for row in self.rows.range(begin..).take(rows) {
            let (key, value) = row.into_inner()?;
            found.push((key.to_vec(), value.to_vec()));
        }
        Ok(found.len())
    }
}

/// A connection for each writer, and one for reads.
pub(crate) struct Sqlite {
    path: PathBuf,
    writers: Mutex<Vec<Arc<Mutex<Connection>>>>,
    reader: Mutex<Connection>,
}

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let path = path.join("data.sqlite");
        let reader = Mutex::new(connect(&path)?);
        Ok(Self { path, writers: Mutex::default(), reader })
    }

    fn writer(&self, number: usize) -> Result<Arc<Mutex<Connection>>> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        while writers.len() <= number {
            writers.push(Arc::new(Mutex::new(connect(&self.path)?)));
        }
        Ok(writers[number].clone())
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA busy_timeout = 60000;
         CREATE TABLE IF NOT EXISTS data (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
    )?;
    Ok(connection)
}

fn insert(connection: &Connection, rows: &[Row]) -> Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO data VALUES (?1, ?2)")?;
    for (key, value) in rows {
        statement.execute((key, value))?;
    }
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

impl Engine for Sqlite {
    fn commit(&self, writer: usize, key: &[u8], value: &[u8]) -> Result<()> {
        let connection = self.writer(writer)?;
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        insert(&connection, &[(key.to_vec(), value.to_vec())])
    }

    fn load(&self, rows: &[Row]) -> Result<()> {
        let connection = self.writer(0)?;
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        insert(&connection, rows)
    }

    fn get(&self, key: &[u8]) -> Result<usize> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = reader.prepare_cached("SELECT value FROM data WHERE key = ?1")?;
        let value: Vec<u8> = statement.query_row([key], |row| row.get(0))?;
        Ok(value.len())
    }

    fn range(&self, begin: &[u8], rows: usize) -> Result<usize> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement =
            reader.prepare_cached("SELECT key, value FROM data WHERE key >= ?1 ORDER BY key LIMIT ?2")?;
        let found = statement.query_map((begin, i64::try_from(rows)?), |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        Ok(found.collect::<Result<Vec<_>, _>>()?.len())
    }
}

/// One thread commits what all writers want.
pub(crate) struct Grouped<E> {
    engine: Arc<E>,
    queue: mpsc::Sender<(Row, mpsc::SyncSender<bool>)>,
}

impl<E: Engine + 'static> Grouped<E> {
    pub(crate) fn new(engine: E) -> Self {
        let engine = Arc::new(engine);
        let (queue, waiting) = mpsc::channel::<(Row, mpsc::SyncSender<bool>)>();
        let committer = engine.clone();
        std::thread::spawn(move || {
            while let Ok(first) = waiting.recv() {
                let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter().take(GROUP_MAX - 1)).collect();
                let (rows, replies): (Vec<Row>, Vec<_>) = group.into_iter().unzip();
                let is_done = committer.load(&rows).is_ok();
                for reply in replies {
                    // Who no longer waits does not want to know.
                    let _ = reply.send(is_done);
                }
            }
        });
        Self { engine, queue }
    }
}

impl<E: Engine + 'static> Engine for Grouped<E> {
    fn commit(&self, _: usize, key: &[u8], value: &[u8]) -> Result<()> {
        let (reply, done) = mpsc::sync_channel(1);
        self.queue.send(((key.to_vec(), value.to_vec()), reply)).map_err(|_| anyhow!("the committer has ended"))?;
        done.recv()?.then_some(()).context("a commit failed")
    }

    fn load(&self, rows: &[Row]) -> Result<()> {
        self.engine.load(rows)
    }

    fn get(&self, key: &[u8]) -> Result<usize> {
        self.engine.get(key)
    }

    fn range(&self, begin: &[u8], rows: usize) -> Result<usize> {
        self.engine.range(begin, rows)
    }
}
