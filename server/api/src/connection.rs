//! One client's socket: notices a client that takes nothing any more, and bounds what one message of a WebSocket may bring.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// What a connection brings, seen below HTTP: the WebSocket that it becomes has a say in how much that may be.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// Bytes since the last message ended.
    message: AtomicU64,
    /// Bytes since the connection began.
    total: AtomicU64,
    bound: Mutex<Bound>,
}

/// How much one message may bring.
#[derive(Debug, Default)]
enum Bound {
    /// The layers above have their own limits.
    #[default]
    None,
    /// Nothing more than this, in bytes.
    Fixed(u64),
    /// What is larger needs one of the places, and keeps it until it ended.
    Places { free_bytes: u64, places: Arc<Semaphore>, taken: Option<OwnedSemaphorePermit> },
}

impl Intake {
    /// From here on, a message may bring so many bytes.
    pub(crate) fn limit(&self, bytes: u64) {
        self.set(Bound::Fixed(bytes));
    }

    /// From here on, a message that brings more than `free_bytes` needs one of the places.
    pub(crate) fn limit_by_places(&self, free_bytes: u64, places: Arc<Semaphore>) {
        self.set(Bound::Places { free_bytes, places, taken: None });
    }

    /// A message was read whole and dealt with.
    pub(crate) fn message_ended(&self) {
        self.message.store(0, Ordering::Relaxed);
        if let Bound::Places { taken, .. } = &mut *self.bound() {
            *taken = None;
        }
    }

    /// What the future brings; `None` once nothing at all has arrived for so long.
    pub(crate) async fn unless_silent<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        loop {
            let before = self.total.load(Ordering::Relaxed);
            match tokio::time::timeout(limit, &mut future).await {
                Ok(outcome) => return Some(outcome),
                Err(_) if self.total.load(Ordering::Relaxed) == before => return None,
                Err(_) => {}
            }
        }
    }

    fn set(&self, bound: Bound) {
        self.message.store(0, Ordering::Relaxed);
        *self.bound() = bound;
    }

    fn bound(&self) -> std::sync::MutexGuard<'_, Bound> {
        // Each change is one assignment.
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn came(&self, bytes: usize) -> io::Result<()> {
        let bytes = bytes as u64;
        self.total.fetch_add(bytes, Ordering::Relaxed);
        let total = self.message.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let fits = match &mut *self.bound() {
            Bound::None => true,
            Bound::Fixed(most) => total <= *most,
            Bound::Places { free_bytes, places, taken } => {
                if total > *free_bytes && taken.is_none() {
                    *taken = places.clone().try_acquire_owned().ok();
                }
                total <= *free_bytes || taken.is_some()
            }
        };
        if fits { Ok(()) } else { Err(io::Error::other("the client sends more than is taken from it at once")) }
    }
}

/// A client's socket.
pub(crate) struct Connection {
    stream: TcpStream,
    intake: Arc<Intake>,
    /// How long the client may take nothing of what is sent to it.
    idle_limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    is_stalled: bool,
    /// Among the connections that the server has at once.
    _place: OwnedSemaphorePermit,
}

impl Connection {
    pub(crate) fn new(
        stream: TcpStream,
        intake: Arc<Intake>,
        idle_limit: Duration,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { stream, intake, idle_limit, stalled: None, is_stalled: false, _place: place }
    }

    /// Passes on the outcome of a write, unless nothing was taken for too long.
    fn unless_stalled<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.is_stalled = false;
            return outcome;
        }
        let deadline = Instant::now() + self.idle_limit;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !std::mem::replace(&mut self.is_stalled, true) {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        outcome.map(|read| read.and_then(|()| self.intake.came(buffer.filled().len() - before)))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_stalled(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.unless_stalled(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.unless_stalled(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_bounded_and_the_next_one_starts_anew() {
        let intake = Intake::default();
        intake.came(1 << 40).unwrap();
        intake.limit(100);
        intake.came(100).unwrap();
        intake.came(1).unwrap_err();
        intake.message_ended();
        intake.came(100).unwrap();
    }

    #[tokio::test]
    async fn what_arrives_slowly_is_no_silence() {
        let intake = Intake::default();
        let limit = Duration::from_millis(1);
        // Each time somebody looks, one more byte has come.
        let mut looks = 0;
        let slow = std::future::poll_fn(|_| {
            intake.came(1).unwrap();
            looks += 1;
            if looks < 20 { Poll::Pending } else { Poll::Ready("whole") }
        });
        assert_eq!(intake.unless_silent(limit, slow).await, Some("whole"));
        assert_eq!(intake.unless_silent(limit, std::future::pending::<()>()).await, None);
    }

    #[test]
    fn large_messages_share_the_places() {
        let places = Arc::new(Semaphore::new(1));
        let [one, other] = [Intake::default(), Intake::default()];
        for intake in [&one, &other] {
            intake.limit_by_places(10, places.clone());
            intake.came(10).unwrap();
        }
        one.came(1 << 20).unwrap();
        one.came(1 << 20).unwrap();
        other.came(1).unwrap_err();
        one.message_ended();
        other.message_ended();
        other.came(11).unwrap();
        assert_eq!(places.available_permits(), 0);
        drop(other);
        assert_eq!(places.available_permits(), 1);
    }
}
