//! What a plugin may ask for, one file for each interface of the contract.
//!
//! Each function counts the question, asks the rights as they are at that moment, bounds what it was given, has the port do it where the
//! call was made, and bounds and filters what comes back. What was not granted is answered with `denied`, and told; nothing here ends a
//! call but a broken limit of the call itself.

use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use coditect_protocol::RelPath;
use coditect_protocol::plugin::CapabilityName;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::contract::v1_bindings::coditect::plugin as wit;
use crate::ports::{Answer, Refused};
use crate::rights::denial;
use crate::state::Around;

pub(crate) use wit::types::Error;

mod answer;
mod clock;
mod files;
mod git;
pub(crate) mod http;
mod log;
pub(crate) mod models;
mod random;
mod search;
mod settings;
mod storage;
mod text;
mod ui;
pub(crate) mod wasi;

#[cfg(test)]
mod tests;

/// Most bytes of an answer that a plugin gives piece by piece, or is given by a language model.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Longest path as it is written, in bytes.
const MAX_PATH_BYTES: usize = 8 * 1024;
/// Longest subject of a denial, in bytes.
const MAX_SUBJECT_BYTES: usize = 256;
/// Longest text of an error, in bytes.
const MAX_ERROR_BYTES: usize = 2048;

/// What a call said before its end.
#[derive(Debug)]
pub(crate) struct Says {
    begun: Instant,
    /// How much of its answer it may still give, in bytes.
    answer_left: AtomicUsize,
    /// The last that it said of how far it is, and what brings that to the page.
    progress: OnceLock<(watch::Sender<ui::Progress>, AbortOnDropHandle<()>)>,
}

impl Default for Says {
    fn default() -> Self {
        Self { begun: Instant::now(), answer_left: AtomicUsize::new(MAX_ANSWER_BYTES), progress: OnceLock::new() }
    }
}

/// Why something was not done.
enum Stop {
    /// The plugin is told.
    Told(Error),
    /// The call ends.
    Ended(wasmtime::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl From<wasmtime::Error> for Stop {
    fn from(error: wasmtime::Error) -> Self {
        Self::Ended(error)
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Told(refused.into())
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let clean = |why: String| text::clean(&why, MAX_ERROR_BYTES);
        match refused {
            Refused::Denied(why) => Self::Denied(clean(why)),
            Refused::Limit(why) => Self::Limit(clean(why)),
            Refused::NotFound(why) => Self::NotFound(clean(why)),
            Refused::Invalid(why) => Self::Invalid(clean(why)),
            Refused::Conflict(why) => Self::Conflict(clean(why)),
            Refused::Unavailable(why) => Self::Unavailable(clean(why)),
            Refused::Failed(why) => Self::Failed(clean(why)),
        }
    }
}

/// What a host function answers, and what it may end with.
type Told<T> = Result<T, Stop>;
/// The same in the form of the bindings.
type Settled<T> = wasmtime::Result<Result<T, Error>>;

fn settle<T>(told: Told<T>) -> Settled<T> {
    match told {
        Ok(answer) => Ok(Ok(answer)),
        Err(Stop::Told(error)) => Ok(Err(error)),
        Err(Stop::Ended(error)) => Err(error),
    }
}

impl Around {
    /// Tells everybody concerned that something was not granted.
    fn denied(&self, name: CapabilityName, subject: &str) -> Error {
        let subject = text::clean(subject, MAX_SUBJECT_BYTES);
        self.tell_denied(name, &subject);
        Error::Denied(denial(name, &subject))
    }

    /// Tells everybody concerned that something is not done, for another reason than the capability's absence.
    fn denied_for(&self, name: CapabilityName, subject: &str, why: impl Into<String>) -> Error {
        self.tell_denied(name, &text::clean(subject, MAX_SUBJECT_BYTES));
        Error::Denied(text::clean(&why.into(), MAX_ERROR_BYTES))
    }

    fn tell_denied(&self, name: CapabilityName, subject: &str) {
        if let Some(ears) = &self.caller.ports.ears {
            ears.denied(name, subject);
        }
    }

    /// Goes on only where a capability was granted.
    fn need(&self, name: CapabilityName) -> Result<(), Error> {
        if self.caller.rights.has(name) { Ok(()) } else { Err(self.denied(name, "")) }
    }

    /// Has a port do something where the call was made.
    async fn ask<T: Send + 'static>(&self, work: impl Future<Output = Answer<T>> + Send + 'static) -> Told<T> {
        Ok(self.outside(work).await??)
    }
}

/// A port that there may not be.
fn present<T: ?Sized>(port: Option<&std::sync::Arc<T>>, what: &str) -> Result<std::sync::Arc<T>, Error> {
    port.cloned().ok_or_else(|| Error::Unavailable(format!("There is {what} here.")))
}

fn path(text: &str) -> Result<RelPath, Error> {
    // Also in another form than its normal one, and before it is brought into that.
    if text.len() > MAX_PATH_BYTES {
        return Err(Error::Invalid(format!("A path has at most {MAX_PATH_BYTES} bytes.")));
    }
    RelPath::parse(text).map_err(|error| Error::Invalid(text::clean(&error.to_string(), MAX_ERROR_BYTES)))
}

/// At most as many as were asked for, and as many as there ever are.
fn at_most(asked: u32, most: usize) -> usize {
    usize::try_from(asked).unwrap_or(most).min(most)
}
