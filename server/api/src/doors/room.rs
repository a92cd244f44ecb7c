//! Room for calls of models: how many one person has under way, and what their questions take in memory.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use coditect_protocol::UserId;
use http::{HeaderMap, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::{ApiError, ApiFault};
use crate::settings::Settings;

/// A question of so many bytes needs no room: there are only so many connections.
pub(super) const SMALL_BYTES: usize = 64 * 1024;
/// One person's part of the room.
const PART_OF_ONE_PERSON: usize = 4;
/// How long a question may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(5 * 60);
/// Large messages that arrive on sockets at the same time; further ones wait.
const LARGE_MESSAGES: usize = 8;

/// See the module.
pub(crate) struct Questions {
    room: Arc<Room>,
    largest: usize,
    /// Places for large messages of sockets.
    pub(super) messages: Arc<Semaphore>,
}

struct Room {
    bytes: usize,
    calls: usize,
    sockets: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    bytes: usize,
    by_person: HashMap<UserId, Held>,
}

/// What one person has.
#[derive(Default)]
struct Held {
    bytes: usize,
    calls: usize,
    sockets: usize,
}

/// A call under way, and the room of its question.
pub(crate) struct Place {
    room: Arc<Room>,
    user: UserId,
    bytes: usize,
}

/// An open socket.
pub(super) struct SocketPlace {
    room: Arc<Room>,
    user: UserId,
}

impl Room {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what a person has, and forgets who has nothing.
    fn change(&self, user: UserId, change: impl FnOnce(&mut Held)) {
        let mut taken = self.taken();
        let Some(held) = taken.by_person.get_mut(&user) else { return };
        change(held);
        if held.bytes == 0 && held.calls == 0 && held.sockets == 0 {
            taken.by_person.remove(&user);
        }
    }
}

impl Questions {
    pub(crate) fn new(settings: &Settings) -> Self {
        let room = Room {
            bytes: settings.llm_requests_bytes.max(settings.llm_request_max_bytes),
            calls: settings.llm_calls_per_person,
            sockets: settings.llm_sockets_per_person,
            taken: Mutex::default(),
        };
        let messages = Arc::new(Semaphore::new(LARGE_MESSAGES));
        Self { room: Arc::new(room), largest: settings.llm_request_max_bytes, messages }
    }

    /// A place for one more call of a person.
    pub(crate) fn place(&self, user: UserId) -> Result<Place, ApiError> {
        let mut taken = self.room.taken();
        let held = taken.by_person.entry(user).or_default();
        if held.calls >= self.room.calls {
            return Err(ApiFault::TooManyQuestions.into());
        }
        held.calls += 1;
        drop(taken);
        Ok(Place { room: self.room.clone(), user, bytes: 0 })
    }

    /// A place for one more socket of a person.
    pub(super) fn socket(&self, user: UserId) -> Result<SocketPlace, ApiError> {
        let mut taken = self.room.taken();
        let held = taken.by_person.entry(user).or_default();
        if held.sockets >= self.room.sockets {
            return Err(ApiFault::TooManyQuestions.into());
        }
        held.sockets += 1;
        drop(taken);
        Ok(SocketPlace { room: self.room.clone(), user })
    }

    /// Reads a question into its place, as far as there is room for it.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body, place: &mut Place) -> Result<Bytes, ApiError> {
        let told = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if told.is_some_and(|told| told > self.largest) {
            return Err(ApiFault::TooLarge.into());
        }
        timeout(ARRIVES_WITHIN, self.read_all(body, place)).await.map_err(|_| ApiFault::Timeout)?
    }

    async fn read_all(&self, mut body: Body, place: &mut Place) -> Result<Bytes, ApiError> {
        let mut read: Option<Bytes> = None;
        let mut more = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| ApiFault::BadRequest("The request's body did not arrive whole."))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = more.len() + read.as_ref().map_or(0, Bytes::len) + data.len();
            if length > self.largest {
                return Err(ApiFault::TooLarge.into());
            }
            if length > SMALL_BYTES {
                place.grow(length)?;
            }
            match read.take() {
                // Most arrive in one piece.
                None if more.is_empty() => read = Some(data),
                first => {
                    more.extend_from_slice(&first.unwrap_or_default());
                    more.extend_from_slice(&data);
                }
            }
        }
        Ok(read.unwrap_or_else(|| more.freeze()))
    }
}

impl Place {
    /// The question takes so many bytes by now.
    fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let more = bytes.saturating_sub(self.bytes);
        let mut taken = self.room.taken();
        let most = self.room.bytes / PART_OF_ONE_PERSON;
        let is_full = taken.bytes + more > self.room.bytes;
        let held = taken.by_person.entry(self.user).or_default();
        // One question is always allowed to be as large as one may be.
        if is_full || held.bytes > 0 && held.bytes + more > most.max(bytes) {
            return Err(ApiFault::TooManyQuestions.into());
        }
        held.bytes += more;
        taken.bytes += more;
        self.bytes = bytes;
        Ok(())
    }

    /// The question is with an upstream, or with nobody any more.
    pub(super) fn question_gone(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes > 0 {
            self.room.taken().bytes -= bytes;
            self.room.change(self.user, |held| held.bytes -= bytes);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.question_gone();
        self.room.change(self.user, |held| held.calls -= 1);
    }
}

impl Drop for SocketPlace {
    fn drop(&mut self) {
        self.room.change(self.user, |held| held.sockets -= 1);
    }
}

/// A body that keeps its call's place until it ends.
pub(super) struct Placed<B> {
    pub(super) body: B,
    pub(super) _place: Place,
}

impl<B: http_body::Body + Unpin> http_body::Body for Placed<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn questions() -> Questions {
        let settings = Settings {
            llm_request_max_bytes: 400_000,
            llm_requests_bytes: 1_000_000,
            llm_calls_per_person: 3,
            llm_sockets_per_person: 1,
            ..Settings::default()
        };
        Questions::new(&settings)
    }

    async fn read(questions: &Questions, user: UserId, bytes: usize) -> Result<Place, ApiError> {
        let mut place = questions.place(user)?;
        questions.read(&HeaderMap::new(), Body::from(vec![b'x'; bytes]), &mut place).await?;
        Ok(place)
    }

    #[tokio::test]
    async fn nobody_takes_the_room_of_others() {
        let questions = questions();
        let [ada, ben] = [1, 2].map(|id| UserId(Uuid::from_u128(id)));
        let first = read(&questions, ada, 300_000).await.unwrap();
        assert!(read(&questions, ada, 300_000).await.is_err(), "a quarter of the room is full");
        let _small = read(&questions, ada, SMALL_BYTES).await.unwrap();
        let _other = read(&questions, ben, 300_000).await.unwrap();
        assert!(read(&questions, ben, 400_001).await.is_err(), "larger than a question may be");
        drop(first);
        let _again = read(&questions, ada, 300_000).await.unwrap();
    }

    #[tokio::test]
    async fn places_come_back() {
        let questions = questions();
        let user = UserId(Uuid::from_u128(1));
        let places: Vec<_> = (0..3).map(|_| questions.place(user).unwrap()).collect();
        assert!(questions.place(user).is_err());
        drop(places);
        let socket = questions.socket(user).unwrap();
        assert!(questions.socket(user).is_err());
        drop(socket);
        assert!(questions.room.taken().by_person.is_empty(), "nothing is left over");
    }
}
