//! One operation on one connection.

use std::io;
use std::net::SocketAddr;

use coditect_protocol::terminal::TerminalExit;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::host::{Host, Inhabitant};
use crate::terminal::{KILL_GRACE, Process as _, Reading, TerminalStart};
use crate::wire::{GOODBYE, MAX_FRAME_BYTES, Reply, Request, receive, receive_streams, send};
use crate::{Place, Program, SandboxError};

/// Carries out what is asked and answers.
pub(super) async fn serve(host: &Host, mut stream: UnixStream, request: Request) -> io::Result<()> {
    let outcome = match request {
        Request::Watch { api } => return watch(host, stream, api).await,
        Request::Attach { person, terminal, from } => {
            match host.find(person, terminal).and_then(|terminal| terminal.read_from(from)) {
                Ok(reading) => return attach(host, reading, stream).await,
                Err(error) => Err(error),
            }
        }
        Request::Create { place, start } => return create(host, stream, place, start).await,
        Request::Spawn { place, program } => return spawn(host, stream, place, program).await,
        Request::Write { person, terminal, data } => {
            let (mut read, mut write) = stream.into_split();
            let outcome = tokio::select! {
                outcome = input(host, person, terminal, data) => outcome,
                // Who gave up does not type any more.
                () = gone(&mut read) => return Ok(()),
            };
            return send(&mut write, &outcome.map_or_else(Reply::Failed, |()| Reply::Done)).await;
        }
        Request::List(scope) => {
            for listed in host.list(scope) {
                send(&mut stream, &Reply::Listed(Box::new(listed))).await?;
            }
            Ok(Reply::Done)
        }
        Request::Leave { keep } => {
            if host.leave(keep) {
                host.ended.cancelled().await;
                Ok(Reply::Over)
            } else {
                Ok(Reply::Done)
            }
        }
        other => answer(host, other).await,
    };
    send(&mut stream, &outcome.unwrap_or_else(Reply::Failed)).await
}

async fn answer(host: &Host, request: Request) -> Result<Reply, SandboxError> {
    match request {
        Request::Configure(settings) => host.configure(*settings).await.map(Reply::Configured),
        Request::Look { person, terminal } => {
            host.find(person, terminal).map(|terminal| Reply::Terminal(Box::new(terminal.info())))
        }
        Request::ListSandboxes(scope) => Ok(Reply::Sandboxes(host.running(scope).await)),
        Request::Resize { person, terminal, cols, rows } => {
            host.find(person, terminal)?.resize(cols, rows);
            Ok(Reply::Done)
        }
        Request::Rename { person, terminal, title } => {
            host.find(person, terminal)?.rename(&title);
            Ok(Reply::Done)
        }
        Request::Close { person, terminal } => host.close(person, terminal).await.map(|()| Reply::Done),
        Request::End { scope, cause } => {
            host.end_scope(scope, cause).await;
            Ok(Reply::Done)
        }
        Request::DiskUsage { sandbox, bytes } => {
            host.disk_usage(sandbox, bytes).await;
            Ok(Reply::Done)
        }
        Request::Watch { .. }
        | Request::List(_)
        | Request::Attach { .. }
        | Request::Write { .. }
        | Request::Create { .. }
        | Request::Spawn { .. }
        | Request::Signal { .. }
        | Request::Leave { .. } => Err(SandboxError::Supervisor("this cannot be asked here".to_owned())),
    }
}

async fn input(
    host: &Host,
    person: coditect_protocol::UserId,
    terminal: coditect_protocol::TerminalId,
    data: Vec<u8>,
) -> Result<(), SandboxError> {
    let terminal = host.find(person, terminal)?;
    let limit = host.terminal_settings().input_bytes;
    if data.len() > limit {
        return Err(SandboxError::TerminalInputTooLarge { limit });
    }
    if data.is_empty() {
        return Ok(());
    }
    terminal.write(data).await
}

/// Returns when the client has closed its end. It is not to send anything.
async fn gone(read: &mut OwnedReadHalf) {
    let mut byte = [0];
    let _ = read.read(&mut byte).await;
}

async fn watch(host: &Host, stream: UnixStream, api: Option<SocketAddr>) -> io::Result<()> {
    let (mut read, mut write) = stream.into_split();
    let (_presence, mut events) = host.arrive(api);
    send(&mut write, &Reply::Done).await?;
    loop {
        tokio::select! {
            () = gone(&mut read) => return Ok(()),
            event = events.recv() => match event {
                Ok(event) => send(&mut write, &Reply::Event(event)).await?,
                Err(RecvError::Lagged(count)) => tracing::warn!(count, "a server missed events"),
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// Sends a terminal's output as fast as the client takes it.
async fn attach(host: &Host, mut reading: Reading, stream: UnixStream) -> io::Result<()> {
    let (mut read, mut write) = stream.into_split();
    let mut byte = [0];
    let sent = async {
        send(&mut write, &Reply::Done).await?;
        while let Some(chunk) = reading.next().await {
            send(&mut write, &Reply::Output { offset: chunk.offset, data: chunk.data }).await?;
        }
        send(&mut write, &Reply::Ended(reading.exit())).await
    };
    let said = tokio::select! {
        biased;
        said = read.read(&mut byte) => said,
        sent = sent => match sent {
            Ok(()) => return Ok(()),
            // The client has closed; what it said before counts.
            Err(_) => read.read(&mut byte).await,
        },
    };
    if !matches!(said, Ok(1) if byte[0] == GOODBYE) {
        // Cut off: for a while, the program does not run away from who may be about to come back.
        reading.cut_off();
        let _ended = timeout(host.terminal_settings().stall_limit, host.ended.cancelled()).await;
    }
    Ok(())
}

/// Waits for a start as long as the client does: its connection is not held for what may hang. The start goes on, in a
/// task of its own: one that is left half-way would leave behind what nobody knows of.
async fn unless_gone<T>(
    read: &mut OwnedReadHalf,
    start: &mut JoinHandle<Result<T, SandboxError>>,
) -> Option<Result<T, SandboxError>> {
    tokio::select! {
        started = start => Some(started.unwrap_or_else(|error| Err(SandboxError::Failed(error.to_string())))),
        () = gone(read) => None,
    }
}

async fn create(host: &Host, stream: UnixStream, place: Place, start: TerminalStart) -> io::Result<()> {
    let (mut read, mut write) = stream.into_split();
    let creating = host.clone();
    let mut creation = tokio::spawn(async move { creating.create(place, start).await });
    // Who has gone finds the terminal among those of theirs.
    let Some(created) = unless_gone(&mut read, &mut creation).await else { return Ok(()) };
    send(&mut write, &created.map_or_else(Reply::Failed, |info| Reply::Terminal(Box::new(info)))).await
}

async fn spawn(host: &Host, stream: UnixStream, place: Place, program: Program) -> io::Result<()> {
    let streams = receive_streams(&stream).await?;
    let (mut read, mut write) = stream.into_split();
    let (starting, of) = (host.clone(), place.clone());
    let mut start = tokio::spawn(async move {
        let started = starting.spawn(&of, &program, streams).await;
        if started.is_err() {
            starting.end_single_use(&of).await;
        }
        started
    });
    let mut process = match unless_gone(&mut read, &mut start).await {
        Some(Ok(process)) => process,
        Some(Err(error)) => return send(&mut write, &Reply::Failed(error)).await,
        None => {
            let host = host.clone();
            tokio::spawn(async move {
                if let Ok(Ok(process)) = start.await {
                    end_unwanted(&host, &place, process).await;
                }
            });
            return Ok(());
        }
    };
    let told = send(&mut write, &Reply::Started { pid: process.pid() }).await;
    let exit = loop {
        let asked = async {
            match &told {
                Ok(()) => receive::<Request>(&mut read, MAX_FRAME_BYTES).await,
                Err(_) => Ok(None),
            }
        };
        tokio::select! {
            exit = process.wait() => break exit,
            asked = asked => match asked {
                // Nothing is waited for at the same time that could be lost: the process remembers its end.
                Ok(Some(Request::Signal { number })) => signal(&process, number).await,
                // Nobody wants it any more.
                _ => {
                    end_unwanted(host, &place, process).await;
                    return Ok(());
                }
            },
        }
    };
    // What it started and left behind ends with it: nobody could end it later.
    process.signal(Signal::KILL).await;
    host.end_single_use(&place).await;
    tell_end(&mut write, exit).await
}

/// Ends a program that its client has left.
async fn end_unwanted(host: &Host, place: &Place, mut process: Inhabitant) {
    process.signal(Signal::KILL).await;
    host.end_single_use(place).await;
    // Its end may be told to nobody: what it runs in goes on without it.
    let _ended = timeout(KILL_GRACE, process.wait()).await;
}

async fn signal(process: &Inhabitant, number: i32) {
    if let Some(signal) = Signal::from_named_raw(number) {
        process.signal(signal).await;
    }
}

async fn tell_end(write: &mut (impl AsyncWrite + Unpin), exit: TerminalExit) -> io::Result<()> {
    send(write, &Reply::Ended(exit)).await
}
