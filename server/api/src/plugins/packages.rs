//! Packages on their way to the server: so many at once that what they take in memory is bounded, and one of each person.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use coditect_plugins::PluginsError;
use coditect_protocol::UserId;
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::{ApiError, ApiFault};

/// Packages that are on their way at once.
const AT_ONCE: usize = 8;
/// How long one may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(5 * 60);

/// See the module.
pub(crate) struct Packages {
    places: Arc<Semaphore>,
    senders: Arc<Mutex<HashSet<UserId>>>,
    most_bytes: u64,
}

/// A package, and its place, which is free again when it goes.
pub(crate) struct Arrived {
    pub(crate) bytes: Bytes,
    _place: Place,
}

struct Place {
    _one_of_all: OwnedSemaphorePermit,
    senders: Arc<Mutex<HashSet<UserId>>>,
    user: UserId,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.senders).remove(&self.user);
    }
}

fn lock(senders: &Mutex<HashSet<UserId>>) -> MutexGuard<'_, HashSet<UserId>> {
    senders.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Packages {
    pub(crate) fn new(most_bytes: u64) -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), senders: Arc::default(), most_bytes }
    }

    fn place(&self, user: UserId) -> Result<Place, ApiFault> {
        let one_of_all = Arc::clone(&self.places).try_acquire_owned().map_err(|_| ApiFault::TooManyPackages)?;
        if !lock(&self.senders).insert(user) {
            return Err(ApiFault::TooManyPackages);
        }
        Ok(Place { _one_of_all: one_of_all, senders: Arc::clone(&self.senders), user })
    }

    /// Takes in what a person sends.
    pub(crate) async fn receive(&self, user: UserId, headers: &HeaderMap, body: Body) -> Result<Arrived, ApiError> {
        let told = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if let Some(bytes) = told.filter(|told| *told > self.most_bytes) {
            return Err(PluginsError::TooLarge { bytes, most: self.most_bytes }.into());
        }
        let place = self.place(user)?;
        let bytes = timeout(ARRIVES_WITHIN, self.read(body)).await.map_err(|_| ApiFault::Timeout)??;
        Ok(Arrived { bytes, _place: place })
    }

    async fn read(&self, mut body: Body) -> Result<Bytes, ApiError> {
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| ApiFault::BadRequest("The request's body did not arrive whole."))?;
            let Ok(data) = frame.into_data() else { continue };
            let bytes = (read.len() + data.len()) as u64;
            if bytes > self.most_bytes {
                return Err(PluginsError::TooLarge { bytes, most: self.most_bytes }.into());
            }
            read.extend_from_slice(&data);
        }
        Ok(read.freeze())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn one_of_each_person_and_no_larger_than_allowed() {
        let packages = Packages::new(4);
        let user = |n: u128| UserId(Uuid::from_u128(n));
        let receive = async |n: u128, text: &'static str| {
            let received = packages.receive(user(n), &HeaderMap::new(), Body::from(text)).await;
            received.map_err(|error| error.into_problem().code)
        };
        let first = receive(1, "1234").await.unwrap();
        assert_eq!(&first.bytes[..], b"1234");
        assert_eq!(receive(1, "1").await.err().as_deref(), Some("plugins.busy"));
        assert_eq!(receive(2, "12345").await.err().as_deref(), Some("plugins.too_large"));
        drop(first);
        assert!(receive(1, "").await.is_ok());
        let mut held = Vec::new();
        for n in 0..AT_ONCE as u128 {
            held.push(receive(n, "1").await.unwrap());
        }
        assert_eq!(receive(99, "1").await.err().as_deref(), Some("plugins.busy"));
    }
}
