//! The sandbox's name server.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Shared;
use super::dns::{self, Message, Question, Reply};
use super::events::{Denied, Transport};
use super::gate::Refused;
use super::limits::{MAX_QUESTIONS, QUESTIONS_PER_SECOND, Rate};
use crate::net::policy::{Refusal, host_name};
use crate::net::{API, API_NAME};

/// Names that always are the asker itself (RFC 6761).
const LOCALHOST: &str = "localhost";

/// The questions that are taken, whichever way they come.
pub(super) struct Questions {
    open: Arc<Semaphore>,
    rate: Mutex<Rate>,
}

impl Questions {
    pub(super) fn new() -> Self {
        let rate = Mutex::new(Rate::new(QUESTIONS_PER_SECOND, 2 * QUESTIONS_PER_SECOND));
        Self { open: Arc::new(Semaphore::new(MAX_QUESTIONS)), rate }
    }

    /// The place of one more, to be held until it is answered; `None` where there are too many.
    pub(super) fn admit(&self, now: Instant) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.open).try_acquire_owned().ok()?;
        self.rate.lock().unwrap_or_else(PoisonError::into_inner).take(now).then_some(place)
    }
}

/// Answers a message. `None`: it is none that is answered.
pub(super) async fn answer(shared: &Shared, bytes: &[u8]) -> Option<Vec<u8>> {
    match dns::parse(bytes) {
        Message::Query(query) => Some(dns::answer(&query, &reply(shared, &query.question).await)),
        Message::Malformed(answer) => Some(answer.to_vec()),
        Message::Ignored => None,
    }
}

async fn reply(shared: &Shared, question: &Question) -> Reply {
    match question {
        Question::Name(address) => name_of(shared, *address),
        Question::Address(name) => match host_name(name) {
            Some(name) => address_of(shared, &name).await,
            None => Reply::NoSuchName,
        },
        // All names that there are have addresses of IPv4 and nothing else.
        Question::Other(name) => match host_name(name) {
            Some(name) if shared.gate.admits_name(&name) || name == API_NAME => Reply::Nothing,
            _ => Reply::NoSuchName,
        },
    }
}

fn name_of(shared: &Shared, address: Ipv4Addr) -> Reply {
    if address == API {
        return Reply::Name(API_NAME.to_owned());
    }
    shared.gate.names().name_of(address).map_or(Reply::NoSuchName, |name| Reply::Name(name.to_string()))
}

async fn address_of(shared: &Shared, name: &str) -> Reply {
    if name == API_NAME {
        return if shared.gate.api().is_some() { Reply::Address(API) } else { Reply::NoSuchName };
    }
    if name == LOCALHOST || name.ends_with(".localhost") {
        return Reply::Address(Ipv4Addr::LOCALHOST);
    }
    match shared.gate.look_up(name).await {
        Ok(()) => shared.gate.names().address_of(name).map_or(Reply::Failed, Reply::Address),
        Err(Refused { refusal: Refusal::NoSuchName, .. }) => Reply::NoSuchName,
        Err(Refused { refusal: Refusal::Unreachable, .. }) => Reply::Failed,
        Err(Refused { address, refusal }) => {
            tell(shared, name, address, refusal);
            answer_of(refusal)
        }
    }
}

/// Which names lead into a network that is not to be reached is nobody's business: it is as if there were none.
fn answer_of(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Private | Refusal::Reserved | Refusal::Metadata => Reply::NoSuchName,
        _ => Reply::Prohibited,
    }
}

fn tell(shared: &Shared, name: &str, address: Option<IpAddr>, refusal: Refusal) {
    let what = Denied { name: Some(name.to_owned()), address, port: 0, transport: Transport::Lookup, refusal };
    shared.events.denied(what, Instant::now());
}

/// Answers the messages of a connection, each with its length before it, one after another; ends it where too many
/// come.
pub(super) async fn serve(shared: &Shared, mut stream: UnixStream) {
    let mut bytes = Vec::new();
    while let Ok(length) = stream.read_u16().await {
        bytes.resize(usize::from(length), 0);
        if stream.read_exact(&mut bytes).await.is_err() {
            return;
        }
        let Some(_place) = shared.questions.admit(Instant::now()) else { return };
        let Some(answer) = answer(shared, &bytes).await else { return };
        let mut framed = (answer.len() as u16).to_be_bytes().to_vec();
        framed.extend_from_slice(&answer);
        if stream.write_all(&framed).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_have_a_rate_and_a_number() {
        let (questions, start) = (Questions::new(), Instant::now());
        let open: Vec<_> = std::iter::from_fn(|| questions.admit(start)).take(2 * MAX_QUESTIONS).collect();
        assert_eq!(open.len(), MAX_QUESTIONS);
        drop(open);
        let at_once = (0..3 * QUESTIONS_PER_SECOND).filter(|_| questions.admit(start).is_some()).count();
        assert_eq!(at_once + MAX_QUESTIONS, 2 * QUESTIONS_PER_SECOND as usize);
    }

    #[test]
    fn names_of_other_networks_look_like_none() {
        for refusal in [Refusal::Private, Refusal::Reserved, Refusal::Metadata] {
            assert!(matches!(answer_of(refusal), Reply::NoSuchName));
        }
        assert!(matches!(answer_of(Refusal::NotAllowed), Reply::Prohibited));
    }
}
