//! Requests to hosts.

use std::sync::Arc;

use coditect_protocol::plugin::CapabilityName;
use wasmtime::component::Resource;

use super::{Error, Settled, Told, settle, wit};
use crate::http::{Asking, Opened, Pieces, Request as Sent, Source, Unsent};
use crate::ports::Refused;
use crate::rights::denial;
use crate::state::{Around, State};
use wit::http::{Host, HostExchange, Request, Response};

/// Most exchanges of a call that are open at the same time.
const MAX_EXCHANGES: usize = 8;

/// An answer that is read piece by piece. Dropping it ends the exchange, as the end of the call does.
#[expect(unreachable_pub, reason = "the bindings name it")]
pub struct Exchange {
    status: u16,
    headers: Vec<(String, String)>,
    source: Source,
    /// None once it has ended.
    pieces: Option<Pieces>,
}

impl Host for State {
    async fn send(&mut self, request: Request) -> Settled<Response> {
        settle(send(&self.around, request).await)
    }

    async fn open(&mut self, request: Request) -> Settled<Resource<Exchange>> {
        let opened = self.table.iter_mut().filter(|entry| entry.is::<Exchange>()).count();
        match settle(open(&self.around, request, opened).await)? {
            Ok(exchange) => Ok(Ok(self.table.push(exchange)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl HostExchange for State {
    async fn status(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<u16> {
        self.around.enter()?;
        Ok(self.table.get(&exchange)?.status)
    }

    async fn headers(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<Vec<(String, String)>> {
        self.around.enter()?;
        Ok(self.table.get(&exchange)?.headers.clone())
    }

    async fn read(&mut self, exchange: Resource<Exchange>) -> Settled<Option<Vec<u8>>> {
        let around = Arc::clone(&self.around);
        settle(read(&around, self.table.get_mut(&exchange)?).await)
    }

    async fn drop(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<()> {
        self.table.delete(exchange)?;
        Ok(())
    }
}

impl Around {
    fn may_private(&self) -> bool {
        self.settings.private_hosts && self.caller.private_hosts
    }

    /// What the plugin is told where nothing came; others are told what was denied.
    fn unsent(&self, unsent: Unsent) -> Error {
        match unsent {
            Unsent::NotGranted { host, is_redirect: false } => self.denied(CapabilityName::Http, &host),
            Unsent::NotGranted { host, is_redirect: true } => {
                let why = format!("It redirects to {host}: {}", denial(CapabilityName::Http, &host));
                self.denied_for(CapabilityName::Http, &host, why)
            }
            Unsent::Refused { host, why: Refused::Denied(why) } => self.denied_for(CapabilityName::Http, &host, why),
            Unsent::Refused { why, .. } => why.into(),
        }
    }
}

fn sent(request: Request) -> Sent {
    let Request { method, url, headers, body, timeout_ms } = request;
    Sent { method, url, headers, body, timeout_ms }
}

async fn send(around: &Around, request: Request) -> Told<Response> {
    around.enter()?;
    around.need(CapabilityName::Http)?;
    let (http, rights) = (around.http.clone(), around.caller.rights.clone());
    let (who, until, may_private) = (around.caller.who, Some(around.deadline), around.may_private());
    let sending = async move { http.send(sent(request), Asking { who, rights: &rights, may_private, until }).await };
    let answer = around.outside(sending).await?;
    // What came meanwhile is not for who may not ask any more.
    around.need(CapabilityName::Http)?;
    let response = answer.map_err(|unsent| around.unsent(unsent))?;
    Ok(Response { status: response.status, headers: response.headers, body: response.body })
}

async fn open(around: &Around, request: Request, opened: usize) -> Told<Exchange> {
    around.enter()?;
    around.need(CapabilityName::Http)?;
    if opened >= MAX_EXCHANGES {
        return Err(Error::Limit(format!("A call has at most {MAX_EXCHANGES} exchanges open at the same time.")).into());
    }
    let (http, rights) = (around.http.clone(), around.caller.rights.clone());
    let (who, until, may_private) = (around.caller.who, Some(around.deadline), around.may_private());
    let opening = async move { http.open(sent(request), Asking { who, rights: &rights, may_private, until }).await };
    let opened = around.outside(opening).await?.map_err(|unsent| around.unsent(unsent))?;
    let Opened { status, headers, source, pieces } = opened;
    let exchange = Exchange { status, headers, source, pieces: Some(pieces) };
    exchange.check(around)?;
    Ok(exchange)
}

async fn read(around: &Around, exchange: &mut Exchange) -> Told<Option<Vec<u8>>> {
    around.enter()?;
    // Whatever goes wrong from here on ends it.
    let Some(mut pieces) = exchange.pieces.take() else { return Ok(None) };
    exchange.check(around)?;
    let reading = async move {
        let piece = pieces.next().await;
        (piece, pieces)
    };
    let (piece, pieces) = around.outside(reading).await?;
    exchange.check(around)?;
    let piece = piece.map_err(|unsent| around.unsent(unsent))?;
    exchange.pieces = piece.is_some().then_some(pieces);
    Ok(piece)
}

impl Exchange {
    /// Goes on only where what comes may still be read: rights can be taken back at any moment.
    fn check(&self, around: &Around) -> Result<(), Error> {
        let checked = self.source.check(&around.caller.rights, around.may_private());
        checked.map_err(|unsent| around.unsent(unsent))
    }
}
