//! Argon2id off the async runtime, and no more of it at once than the machine can bear.
//!
//! # Unicode
//!
//! What looks the same can be typed in several ways: `é` is one character on one keyboard and two on another. So a password is
//! brought to the form NFKC before it is hashed or compared (NIST SP 800-63B §3.1.1.2). ASCII stays what it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::password_hash::{CustomizedPasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Params, PasswordHash, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::argon::Argon;
use crate::secret::random;
use crate::settings::HashCost;
use crate::throttle::Source;
use crate::{AuthError, AuthSettings};

/// What came of checking a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// Another password.
    Wrong,
    /// The right one, hashed at today's cost.
    Right,
    /// The right one, but hashed at another cost than today's.
    RightButOutdated,
}

/// Hashes passwords.
///
/// Each hash takes memory and a core for tens of milliseconds. So many run at once as there are places; so many more wait;
/// whoever comes then is told at once that the server is busy, and everything but logins goes on as before. Once half of the
/// places are taken, no address gets more than its share of them: a flood from one leaves the other half to others.
#[derive(Clone)]
pub(crate) struct Hasher {
    cost: HashCost,
    params: Params,
    /// Places to work.
    places: Arc<Semaphore>,
    /// Places to work and to wait.
    admitted: Arc<Semaphore>,
    shares: Arc<Shares>,
    /// A hash that no password has, checked in place of an unknown account's.
    dummy: Arc<str>,
    #[cfg(test)]
    computed: Arc<std::sync::atomic::AtomicUsize>,
}

/// What a job holds until it is done, even when nobody waits for it any more.
struct Place {
    _working: OwnedSemaphorePermit,
    _admitted: OwnedSemaphorePermit,
    _share: Share,
}

/// How many places each address holds; never more entries than there are places.
struct Shares {
    /// Of all places.
    half: usize,
    /// Of one address, once less than half are free.
    max: usize,
    held: Mutex<HashMap<Source, usize>>,
}

/// One place of one address.
struct Share {
    shares: Arc<Shares>,
    source: Source,
}

impl Shares {
    fn take(self: &Arc<Self>, source: Source, free: usize) -> Option<Share> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&source).copied().unwrap_or(0);
        if count >= self.max && free < self.half {
            return None;
        }
        held.insert(source, count + 1);
        Some(Share { shares: Arc::clone(self), source })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(&self.source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                held.remove(&self.source);
            }
        }
    }
}

impl Hasher {
    pub(crate) fn new(settings: &AuthSettings) -> Result<Self, AuthError> {
        let cost = settings.hash_cost;
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)
            .map_err(|error| AuthError::Settings(format!("the cost of password hashes is impossible ({error})")))?;
        Ok(Self {
            cost,
            dummy: no_ones_hash(&params)?.into(),
            params,
            #[cfg(test)]
            computed: Arc::default(),
            places: Arc::new(Semaphore::new(settings.hashes_at_once)),
            admitted: Arc::new(Semaphore::new(settings.hashes_at_once + settings.hash_queue)),
            shares: Arc::new(Shares {
                half: (settings.hashes_at_once + settings.hash_queue) / 2,
                max: settings.hash_share,
                held: Mutex::default(),
            }),
        })
    }

    /// Hashes a new password to a PHC string.
    pub(crate) async fn hash(&self, password: &str, from: Source) -> Result<String, AuthError> {
        let params = self.params.clone();
        let password = normal(password);
        self.run(from, move || {
            let salt: [u8; argon2::RECOMMENDED_SALT_LEN] = random()?;
            let hash = Argon.hash_password_with_params(password.as_bytes(), &salt, params).map_err(failed)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Checks a password. Without a hash (there is no such account) it does the same work and says [`Checked::Wrong`].
    pub(crate) async fn check(&self, password: &str, hash: Option<String>, from: Source) -> Result<Checked, AuthError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.to_string());
        let cost = self.cost;
        let password = normal(password);
        self.run(from, move || {
            let hash = PasswordHash::new(&hash).map_err(failed)?;
            match Argon.verify_password(password.as_bytes(), &hash) {
                Ok(()) if known => Ok(if is_current(&hash, cost) { Checked::Right } else { Checked::RightButOutdated }),
                Ok(()) | Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Checked::Wrong),
                Err(error) => Err(failed(error)),
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        from: Source,
        job: impl FnOnce() -> Result<T, AuthError> + Send + 'static,
    ) -> Result<T, AuthError> {
        let place = self.place(from).await?;
        let done = tokio::task::spawn_blocking(move || {
            let result = job();
            drop(place);
            result
        });
        done.await.map_err(|error| AuthError::Internal(format!("hashing a password was broken off ({error})")))?
    }

    async fn place(&self, from: Source) -> Result<Place, AuthError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| AuthError::Busy)?;
        let share = self.shares.take(from, self.admitted.available_permits()).ok_or(AuthError::Busy)?;
        let working = Arc::clone(&self.places).acquire_owned().await.map_err(|_| AuthError::Busy)?;
        #[cfg(test)]
        self.computed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(Place { _working: working, _admitted: admitted, _share: share })
    }

    /// Hashes computed so far, for tests of the work that an answer takes.
    #[cfg(test)]
    pub(crate) fn computed(&self) -> usize {
        self.computed.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Takes all places, for tests of a busy server.
    #[cfg(test)]
    pub(crate) fn fill(&self) -> OwnedSemaphorePermit {
        let all = u32::try_from(self.admitted.available_permits()).unwrap();
        Arc::clone(&self.admitted).try_acquire_many_owned(all).unwrap()
    }
}

/// The form in which a password is hashed and compared.
pub(crate) fn normal(password: &str) -> Zeroizing<String> {
    if password.is_ascii() { Zeroizing::new(password.to_owned()) } else { Zeroizing::new(password.nfkc().collect()) }
}

/// A hash at this cost that is no password's: its output is random. Nothing is hashed for it, so that a start stays quick.
fn no_ones_hash(params: &Params) -> Result<String, AuthError> {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(failed)?,
        salt: Some(Salt::new(&random::<{ argon2::RECOMMENDED_SALT_LEN }>()?).map_err(failed)?),
        hash: Some(Output::new(&random::<{ Params::DEFAULT_OUTPUT_LEN }>()?).map_err(failed)?),
    };
    Ok(hash.to_string())
}

fn is_current(hash: &PasswordHash, cost: HashCost) -> bool {
    let same_cost = Params::try_from(hash)
        .is_ok_and(|is| (is.m_cost(), is.t_cost(), is.p_cost()) == (cost.memory_kib, cost.passes, cost.lanes));
    same_cost && hash.algorithm == Algorithm::Argon2id.ident() && hash.version == Some(Version::V0x13.into())
}

fn failed(error: impl std::fmt::Display) -> AuthError {
    AuthError::Internal(format!("a password could not be hashed ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Source = Source::V4([192, 0, 2, 7]);

    fn settings(memory_kib: u32) -> AuthSettings {
        AuthSettings {
            hash_cost: HashCost { memory_kib, passes: 1, lanes: 1 },
            hashes_at_once: 1,
            hash_queue: 2,
            ..AuthSettings::default()
        }
    }

    #[tokio::test]
    async fn hashes_are_salted_phc_strings_that_check() {
        let hasher = Hasher::new(&settings(16)).unwrap();
        let hash = hasher.hash("correct horse", HERE).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=16,t=1,p=1$"), "{hash}");
        assert_ne!(hash, hasher.hash("correct horse", HERE).await.unwrap());
        let check = |password: &'static str, hash: Option<&String>| hasher.check(password, hash.cloned(), HERE);
        assert_eq!(check("correct horse", Some(&hash)).await.unwrap(), Checked::Right);
        assert_eq!(check("correct hors", Some(&hash)).await.unwrap(), Checked::Wrong);
        assert_eq!(check("correct horse", None).await.unwrap(), Checked::Wrong);
        let dearer = Hasher::new(&settings(32)).unwrap();
        assert_eq!(dearer.check("correct horse", Some(hash), HERE).await.unwrap(), Checked::RightButOutdated);
    }

    #[tokio::test]
    async fn an_unknown_accounts_hash_costs_what_a_real_one_does() {
        let hasher = Hasher::new(&AuthSettings::default()).unwrap();
        let real = hasher.hash("correct horse", HERE).await.unwrap();
        assert!(real.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{real}");
        assert!(hasher.dummy.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hasher.dummy);
        assert_eq!(hasher.dummy.len(), real.len());
    }

    #[tokio::test]
    async fn whoever_finds_the_queue_full_is_told_at_once() {
        let hasher = Hasher::new(&settings(16)).unwrap();
        // One works (blocked until told), two wait, the fourth is refused.
        let (go, blocked) = std::sync::mpsc::channel::<()>();
        let worker = hasher.clone();
        let working = tokio::spawn(async move {
            worker
                .run(HERE, move || {
                    let _ = blocked.recv();
                    Ok(())
                })
                .await
        });
        while hasher.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.hash("some password", HERE).await })
            })
            .collect();
        while hasher.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(hasher.hash("late", HERE).await, Err(AuthError::Busy)));
        // Who gives up waiting frees the place in the queue; who waits on is served.
        let mut waiting = waiting.into_iter();
        let gone = waiting.next().unwrap();
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        assert_eq!(hasher.admitted.available_permits(), 1);
        go.send(()).unwrap();
        working.await.unwrap().unwrap();
        waiting.next().unwrap().await.unwrap().unwrap();
        assert_eq!(hasher.admitted.available_permits(), 3);
    }

    #[tokio::test]
    async fn a_damaged_hash_is_a_fault_not_a_wrong_password() {
        let hasher = Hasher::new(&settings(16)).unwrap();
        let checked = hasher.check("x", Some("not a hash".to_owned()), HERE).await;
        assert!(matches!(checked, Err(AuthError::Internal(_))));
    }

    #[tokio::test]
    async fn one_address_cannot_take_the_places_of_others() {
        let places = AuthSettings { hashes_at_once: 1, hash_queue: 7, hash_share: 2, ..settings(16) };
        let hasher = Hasher::new(&places).unwrap();
        let (go, blocked) = std::sync::mpsc::channel::<()>();
        let worker = hasher.clone();
        let working = tokio::spawn(async move { worker.run(HERE, move || Ok(blocked.recv().is_ok())).await });
        while hasher.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        // The flood takes half of the places, and from then on its share, which it has exceeded.
        let mut waiting = Vec::new();
        for left in (4..7).rev() {
            let flood = hasher.clone();
            waiting.push(tokio::spawn(async move { flood.hash("x", HERE).await }));
            while hasher.admitted.available_permits() > left {
                tokio::task::yield_now().await;
            }
        }
        for _ in 0..20 {
            assert!(matches!(hasher.hash("x", HERE).await, Err(AuthError::Busy)));
        }
        // Others still get their shares, up to the last place.
        for n in 0..4_u8 {
            let other = hasher.clone();
            let from = Source::V4([198, 51, 100, n / 2]);
            waiting.push(tokio::spawn(async move { other.hash("x", from).await }));
            while hasher.admitted.available_permits() > usize::from(3 - n) {
                tokio::task::yield_now().await;
            }
        }
        assert!(matches!(hasher.hash("x", Source::Unknown).await, Err(AuthError::Busy)));
        go.send(()).unwrap();
        assert!(working.await.unwrap().unwrap());
        for task in waiting {
            task.await.unwrap().unwrap();
        }
        assert!(hasher.shares.held.lock().unwrap().is_empty());
        assert_eq!(hasher.admitted.available_permits(), 8);
    }

    #[tokio::test]
    async fn what_looks_the_same_is_the_same_password() {
        let hasher = Hasher::new(&settings(16)).unwrap();
        let hash = hasher.hash("caf\u{e9} \u{fb01}n", HERE).await.unwrap();
        let check = |password: &'static str| hasher.check(password, Some(hash.clone()), HERE);
        assert_eq!(check("cafe\u{301} fin").await.unwrap(), Checked::Right);
        assert_eq!(check("cafe fin").await.unwrap(), Checked::Wrong);
        assert_eq!(*normal("A\u{30a} 1\t"), "\u{c5} 1\t");
    }
}
