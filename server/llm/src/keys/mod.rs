//! Keys of model servers: those of a person, of a team and of everybody.
//!
//! * `rows` keeps them in the store, each sealed with the master key for the one row that it stands in.
//! * `ring` holds them in memory, open, as they are chosen from; calls ask it alone. `reading` makes one of the rows.
//! * `follow` reads them again whenever a server changed any.
//!
//! A key that its model server refused rests, and one that has reached a limit rests from the model that was asked: another takes its
//! place. What a server saw of a key it tells nobody; each finds out by itself.

mod error;
pub(crate) mod follow;
mod reading;
mod ring;
mod rows;
#[cfg(test)]
mod tests;

use std::iter::once;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use coditect_protocol::llm::{KeyOwner, KeyState, ModelKey, NewModelKey};
use coditect_protocol::{ModelKeyId, TeamId, UserId};
use coditect_store::{KeyValue, MasterKey, Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use error::KeyError;

use crate::settings::Secret;
use follow::Seen;
use reading::Reading;
use ring::Ring;
use rows::{Name, Row, Table};

/// Keys of one person, at most.
pub const MAX_KEYS_OF_A_PERSON: usize = 20;
/// Keys of one team, at most.
pub const MAX_KEYS_OF_A_TEAM: usize = 200;
/// Keys of everybody, at most.
pub const MAX_KEYS_OF_EVERYBODY: usize = 500;
/// Keys that a server holds in memory, at most. No more are added where so many are there.
pub const MAX_KEYS: usize = 100_000;
/// Keys that are listed for admins, at most.
pub const LIST_MAX: usize = 1_000;
/// Longest name of a key, in characters.
pub const MAX_NAME_CHARS: usize = 100;
/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 4_096;
/// Greatest weight.
pub const MAX_WEIGHT: u32 = 1_000;
/// Of a key of at least so many characters the last [`HINT_CHARS`] are shown.
const HINTED_CHARS: usize = 12;
/// Characters that are shown.
const HINT_CHARS: usize = 4;
/// Keys that are sealed again at once.
const RESEAL_BATCH: usize = 200;

/// How long a key rests that its model server refused.
pub const REFUSED_REST: Duration = Duration::from_secs(5 * 60);
/// Longest rest of a person's own key, whatever a model server asks for.
pub const LONGEST_REST: Duration = Duration::from_secs(60 * 60);
/// The same of a key that several people share: what one of them provoked keeps it from the others for no longer.
pub const LONGEST_SHARED_REST: Duration = Duration::from_secs(60);

/// Keys of model servers. Cheap to clone; it shows nothing of them.
#[derive(Clone)]
pub struct ModelKeys(Arc<Inner>);

struct Inner {
    table: Table,
    master: MasterKey,
    ring: ArcSwap<Ring>,
    seen: Seen,
    /// From which rests count.
    begun: Instant,
}

/// The key for a call.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Which it is, to tell how it did.
    pub id: ModelKeyId,
    /// The key itself.
    pub secret: Secret,
    /// Whether it is the person's own.
    pub own: bool,
}

impl ModelKeys {
    /// Those of this store, sealed with this key. There are none until [`ModelKeys::run`] has read them.
    #[must_use]
    pub fn open(store: Store, master: MasterKey) -> Self {
        let (ring, seen) = (ArcSwap::default(), Seen::new());
        Self(Arc::new(Inner { table: Table::new(store), master, ring, seen, begun: Instant::now() }))
    }

    /// Reads the keys and keeps up with what any server changes, until it is told to stop. While the store is away, the keys that were
    /// read stay.
    pub async fn run(self, stop: CancellationToken) {
        let table = &self.0.table;
        let keys = &self;
        follow::follow(table.store(), table.changed(), "keys of model servers", &stop, || keys.read()).await;
    }

    /// The key for a call: one of the person's own, else of their team's, else of everybody's; by weight, and none that rests, be it from
    /// the model that is to be asked.
    #[must_use]
    pub fn choose(&self, upstream: &str, model: Option<&str>, user: UserId, team: Option<TeamId>) -> Option<Chosen> {
        let ring = self.0.ring.load();
        let key = ring.choose(upstream, model, owners(user, team), self.now_ms())?;
        Some(Chosen { id: key.id, secret: key.secret.clone(), own: matches!(key.owner, KeyOwner::Person(_)) })
    }

    /// Whether there is a key for this person's calls, even if it rests at the moment.
    #[must_use]
    pub fn has_any(&self, upstream: &str, user: UserId, team: Option<TeamId>) -> bool {
        self.0.ring.load().has_any(upstream, owners(user, team))
    }

    /// How long until one of the keys for this person's calls may be used for the model; nothing where there is none at all.
    #[must_use]
    pub fn ready_in(&self, upstream: &str, model: &str, user: UserId, team: Option<TeamId>) -> Option<Duration> {
        let at = self.0.ring.load().ready_at(upstream, model, owners(user, team))?;
        Some(Duration::from_millis(at.saturating_sub(self.now_ms())))
    }

    /// The model server refused the key: it rests for [`REFUSED_REST`].
    pub fn refused(&self, id: ModelKeyId) {
        if let Some(key) = self.0.ring.load().get(id) {
            key.rest.until(self.now_ms().saturating_add(millis(REFUSED_REST)));
        }
    }

    /// The model server wants the key to rest from this model: it does, for [`LONGEST_REST`] or [`LONGEST_SHARED_REST`] at the longest.
    pub fn limited(&self, id: ModelKeyId, model: &str, rest: Duration) {
        if let Some(key) = self.0.ring.load().get(id) {
            let longest = if matches!(key.owner, KeyOwner::Person(_)) { LONGEST_REST } else { LONGEST_SHARED_REST };
            let now = self.now_ms();
            key.limits.note(model, now.saturating_add(millis(rest.min(longest))), now);
        }
    }

    /// The key worked, so that it was not refused for good. It rests on from models that it was to rest from: an older call tells nothing
    /// of that.
    pub fn worked(&self, id: ModelKeyId) {
        if let Some(key) = self.0.ring.load().get(id) {
            key.rest.lift();
        }
    }

    fn now_ms(&self) -> u64 {
        millis(self.0.begun.elapsed())
    }

    /// A person's own keys, the latest first.
    pub async fn list_own(&self, user: UserId) -> Result<Vec<ModelKey>, KeyError> {
        Ok(self.show(self.0.table.list(KeyOwner::Person(user)).await?))
    }

    /// The keys of everybody, of teams and of people, the latest first. Where there are more than [`LIST_MAX`], people's are left out
    /// first.
    pub async fn list_all(&self) -> Result<Vec<ModelKey>, KeyError> {
        Ok(self.show(self.0.table.list_all(LIST_MAX).await?))
    }

    fn show(&self, rows: Vec<(Name, Row)>) -> Vec<ModelKey> {
        let (ring, now) = (self.0.ring.load(), self.now_ms());
        let state = |id| ring.get(id).map_or(KeyState::Ready, |key| key.state(now));
        let mut keys: Vec<_> = rows.into_iter().map(|(name, row)| name.show(row, state(name.id))).collect();
        keys.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id)));
        keys
    }

    /// Keeps a key for an owner; whom the body names does not count here. `upstreams` are the names of those that there are.
    pub async fn add(&self, owner: KeyOwner, new: NewModelKey, upstreams: &[&str]) -> Result<ModelKey, KeyError> {
        let NewModelKey { upstream, name, key, weight, owner: _ } = new;
        let key = Zeroizing::new(key);
        if !upstreams.contains(&upstream.as_str()) {
            return Err(KeyError::UnknownUpstream);
        }
        check(&name, &key, weight)?;
        if self.0.ring.load().len() >= MAX_KEYS {
            return Err(KeyError::TooMany { limit: MAX_KEYS });
        }
        let id = Name { owner, id: ModelKeyId(Uuid::now_v7()) };
        let secret = id.seal(&self.0.master, &upstream, key.as_bytes())?;
        let row = Row { hint: hint(&key), upstream, name, weight, created_at: now(), secret };
        let change = self.0.table.add(id, &row, limit(owner)).await?;
        self.0.seen.wait(change).await;
        Ok(id.show(row, KeyState::Ready))
    }

    /// Removes one of a person's own keys.
    pub async fn remove_own(&self, user: UserId, id: ModelKeyId) -> Result<(), KeyError> {
        let change = self.0.table.remove(Some(KeyOwner::Person(user)), id).await?;
        self.0.seen.wait(change).await;
        Ok(())
    }

    /// Removes anybody's key, as admins may.
    pub async fn remove_any(&self, id: ModelKeyId) -> Result<(), KeyError> {
        let change = self.0.table.remove(None, id).await?;
        self.0.seen.wait(change).await;
        Ok(())
    }

    /// Removes all keys of a person's own.
    pub async fn forget_user(&self, user: UserId) -> Result<(), KeyError> {
        let change = self.0.table.forget(KeyOwner::Person(user)).await?;
        self.0.seen.wait(change).await;
        Ok(())
    }

    /// Reads all keys into memory, and seals again those that a former master key sealed.
    async fn read(&self) -> Result<(), StoreError> {
        let former = self.0.ring.load_full();
        let mut reading = Reading::new(&former, &self.0.master);
        let (mut last, mut version) = (None, None);
        loop {
            let (rows, of) = self.0.table.batch(last.as_deref()).await?;
            version.get_or_insert(of);
            let decoded: Vec<_> = rows.iter().map(|row| (row, self.0.table.decode(row))).collect();
            let outdated = decoded.into_iter().filter_map(|(read, row)| reading.take(read, row)).collect::<Vec<_>>();
            self.reseal(&outdated).await;
            match rows.last() {
                Some(row) if rows.more && reading.keys.len() < MAX_KEYS => last = Some(row.key.to_vec()),
                _ => break,
            }
        }
        let Reading { keys, unreadable: count, .. } = reading;
        if count > 0 {
            tracing::warn!(
                count,
                "keys of model servers cannot be opened: was the master key replaced, or the store changed?"
            );
        }
        self.0.ring.store(Arc::new(Ring::new(keys)));
        self.0.seen.reached(version.unwrap_or_default());
        Ok(())
    }

    /// What cannot be written now is sealed again after the next reading.
    async fn reseal(&self, outdated: &[(&KeyValue, Row)]) {
        for some in outdated.chunks(RESEAL_BATCH) {
            if let Err(error) = self.0.table.reseal(some).await {
                tracing::warn!(%error, "keys of model servers could not be sealed with the new master key yet");
            }
        }
    }
}

impl std::fmt::Debug for ModelKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelKeys").finish_non_exhaustive()
    }
}

/// Whose keys a call may use, in the order in which they are tried.
fn owners(user: UserId, team: Option<TeamId>) -> impl Iterator<Item = KeyOwner> {
    once(KeyOwner::Person(user)).chain(team.map(KeyOwner::Team)).chain(once(KeyOwner::Everybody))
}

fn limit(owner: KeyOwner) -> usize {
    match owner {
        KeyOwner::Person(_) => MAX_KEYS_OF_A_PERSON,
        KeyOwner::Team(_) => MAX_KEYS_OF_A_TEAM,
        KeyOwner::Everybody => MAX_KEYS_OF_EVERYBODY,
    }
}

fn check(name: &str, key: &str, weight: u32) -> Result<(), KeyError> {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(KeyError::Invalid("name it with 1 to 100 characters on one line"));
    }
    // It becomes part of a header.
    if key.is_empty() || key.len() > MAX_KEY_BYTES || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(KeyError::Invalid("it has 1 to 4,096 letters, digits and signs, without spaces"));
    }
    if weight > MAX_WEIGHT {
        return Err(KeyError::Invalid("its weight is 1,000 at the most"));
    }
    Ok(())
}

/// The end of a key, which is ASCII, where the rest is long enough to stay secret.
fn hint(key: &str) -> String {
    let from = key.len().saturating_sub(HINT_CHARS);
    if key.len() < HINTED_CHARS { String::new() } else { key[from..].to_owned() }
}

fn now() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
