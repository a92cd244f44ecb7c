//! Answers that are read piece by piece.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::body::Body;
use super::place::Place;
use super::{Arrived, Unsent, guarded, silent};
use crate::rights::{Reach, Rights};

/// Pieces that follow each other faster are joined: whoever writes byte by byte does not use up a call's questions to its host.
const GATHER: Duration = Duration::from_millis(40);

/// An answer whose body is still to come.
pub(crate) struct Opened {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) source: Source,
    pub(crate) pieces: Pieces,
}

/// Where an answer comes from.
pub(crate) struct Source {
    place: Place,
    reach: Reach,
    is_redirect: bool,
}

/// A body. Dropping it closes its connection.
pub(crate) struct Pieces {
    body: Body,
    place: Place,
    /// Longest wait for a piece, and when the call ends.
    patience: Duration,
    until: Option<Instant>,
    /// Until when what comes is joined to what is there.
    pub(super) together: Instant,
}

impl Opened {
    pub(super) fn new(arrived: Arrived, body: Body, patience: Duration, until: Option<Instant>) -> Self {
        let Arrived { place, reach, is_redirect, status, headers } = arrived;
        let pieces = Pieces { body, place: place.clone(), patience, until, together: Instant::now() };
        Self { status, headers, source: Source { place, reach, is_redirect }, pieces }
    }
}

impl Source {
    /// Whether it may still be read, by the rights as they are now: as far as its connection reaches, and no less.
    pub(crate) fn check(&self, rights: &Rights, may_private: bool) -> Result<(), Unsent> {
        let reach = self.place.reach(rights.now().hosts(), may_private, self.is_redirect)?;
        if reach < self.reach { Err(guarded(&self.place)) } else { Ok(()) }
    }
}

impl Pieces {
    /// The next one; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Unsent> {
        let until = Instant::now() + self.patience;
        let until = self.until.map_or(until, |end| end.min(until));
        let piece = timeout_at(until, self.body.piece(self.together.min(until))).await;
        let piece = piece.unwrap_or_else(|_| Err(silent(self.patience))).map_err(|why| self.place.refused(why))?;
        self.together = Instant::now() + GATHER;
        Ok(piece)
    }
}
