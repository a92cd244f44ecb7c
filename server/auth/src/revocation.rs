//! Endings: how what was ended on one server is ended on every one.
//!
//! Whoever ends a session or a token, or changes a person, writes an entry to a **log** in the store, in the same transaction:
//! under a versionstamped key, so that the entries lie in the order of their commits and nobody conflicts with anybody. The same
//! transaction sets **one key** to its stamp. Each server watches that one key, reads the log on from where it was, drops what it had
//! cached and tells [`Auth::ended`]. Entries are swept [`ENDINGS_KEPT`] after they were read.
//!
//! The log only makes it quick. What holds in any case is that no cached row is believed longer than
//! [`crate::check::CACHED_FOR`], measured from before it was read; a server whose watch fails, or whose store is away, lets in nobody
//! beyond that.

use std::collections::VecDeque;
use std::time::Duration;

use coditect_protocol::{SessionId, TokenId, UserId};
use coditect_store::Watch;
use tokio::sync::broadcast;
use tokio::time::{sleep, timeout};

use crate::rows;
use crate::{Auth, AuthError};

/// How long an entry of the log is kept after this server read it.
pub(crate) const ENDINGS_KEPT: Duration = Duration::from_secs(600);
/// A server that could not read the log for this long may have missed what others swept. Less than [`ENDINGS_KEPT`].
pub(crate) const MISSED_AFTER: Duration = Duration::from_secs(300);
/// The log is read this often at the least, should a watch ever get lost.
const READ_AT_LEAST_EVERY: Duration = Duration::from_secs(30);
/// Entries read at once.
const READ_BATCH: usize = 1_000;
/// Pause after a failure; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Endings that wait for one listener; one that is further behind has to check everything anew.
pub(crate) const ENDINGS_WAITING: usize = 1_024;

/// What has ended or changed, and has to be checked anew by whoever relies on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// A session ended.
    Session(SessionId),
    /// Something about a person changed: role, password, kept out or not.
    Person(UserId),
    /// A personal access token ended.
    Token(TokenId),
    /// All of a person's logins were ended at once, but perhaps the one that asked for it: nothing that was started by them is to go on.
    LoggedOutEverywhere(UserId),
    /// This server was cut off for so long that it may have missed some: check everything anew.
    All,
}

/// How far a server has read the log.
#[derive(Default)]
pub(crate) struct Follower {
    /// The last key read; nothing before the first read.
    position: Option<Vec<u8>>,
    /// When the log was last read, on the clock that never goes back.
    read_at: Duration,
    /// Where the log was read to and when, oldest first: what may be swept some time later.
    read_before: VecDeque<(Duration, Vec<u8>)>,
}

impl Auth {
    /// Tells what ends, on this server at once and from every other one as soon as the log tells. A receiver that lags behind checks
    /// everything anew.
    #[must_use]
    pub fn ended(&self) -> broadcast::Receiver<Ending> {
        self.inner.endings.subscribe()
    }

    /// Drops from this server's caches what has ended, then tells who listens. Called after the commit.
    pub(crate) fn forget(&self, endings: &[Ending]) {
        let caches = &self.inner.caches;
        for ending in endings {
            match ending {
                Ending::Session(id) => caches.sessions.drop_one(id),
                Ending::Person(id) => {
                    caches.people.drop_one(id);
                    // With the password their session got another CSRF token. Which one it is, nobody says; all are soon read again.
                    caches.sessions.drop_all();
                }
                Ending::Token(id) => caches.tokens.drop_one(id),
                // Their sessions are told one by one.
                Ending::LoggedOutEverywhere(_) => {}
                Ending::All => {
                    caches.sessions.drop_all();
                    caches.people.drop_all();
                    caches.tokens.drop_all();
                }
            }
            // Nobody may be listening.
            let _ = self.inner.endings.send(*ending);
        }
    }

    /// The same for somebody who was logged out everywhere, with the tokens of their terminals.
    pub(crate) fn forget_terminals(&self, user: UserId, tokens: &[TokenId]) {
        self.forget(&[Ending::LoggedOutEverywhere(user)]);
        self.forget(&tokens.iter().copied().map(Ending::Token).collect::<Vec<_>>());
    }

    /// Follows the log until it is dropped.
    pub(crate) async fn follow_endings(&self) {
        let mut follower = Follower::default();
        let mut pause = FIRST_PAUSE;
        loop {
            let outcome = match self.read_endings(&mut follower).await {
                Ok(watch) => {
                    pause = FIRST_PAUSE;
                    timeout(READ_AT_LEAST_EVERY, watch).await.unwrap_or(Ok(())).map_err(AuthError::from)
                }
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                tracing::warn!(%error, "what other servers ended cannot be followed at the moment; reading again");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Reads the log to its end and answers a watch for what comes.
    pub(crate) async fn read_endings(&self, follower: &mut Follower) -> Result<Watch, AuthError> {
        let now = self.inner.clock.elapsed();
        if now.saturating_sub(follower.read_at) >= MISSED_AFTER {
            follower.position = None;
            follower.read_before.clear();
        }
        loop {
            let position = follower.position.as_deref();
            let (endings, end, watch) = self
                .store
                .transact(|tx| async move {
                    let watch = rows::watch_endings(&tx).await?;
                    let (endings, end) = match position {
                        Some(position) => rows::endings_after(&tx, position, READ_BATCH).await?,
                        None => (Vec::new(), rows::last_ending(&tx).await?),
                    };
                    Ok::<_, AuthError>((endings, end, watch))
                })
                .await?;
            // Where this server begins to read, what came before may be in its caches.
            self.forget(if position.is_none() { &[Ending::All] } else { &endings });
            follower.read_at = now;
            follower.position = Some(end);
            if endings.len() < READ_BATCH {
                self.sweep_endings(follower, now).await;
                return Ok(watch);
            }
        }
    }

    /// Takes away entries that every server has had the time to read.
    async fn sweep_endings(&self, follower: &mut Follower, now: Duration) {
        let Some(position) = follower.position.clone() else { return };
        let read_before = &mut follower.read_before;
        if read_before.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= READ_AT_LEAST_EVERY) {
            read_before.push_back((now, position));
        }
        let mut swept = None;
        while read_before.front().is_some_and(|(at, _)| now.saturating_sub(*at) >= ENDINGS_KEPT) {
            swept = read_before.pop_front();
        }
        let Some((_, upto)) = &swept else { return };
        let swept = self.store.transact(|tx| async move { rows::sweep_endings(&tx, upto) }).await;
        if let Err(error) = swept {
            tracing::debug!(%error, "old endings could not be swept; the next round takes them");
        }
    }
}
