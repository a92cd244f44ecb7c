//! One embedded or memory store, shared by several server processes on one machine over a local socket.
//!
//! It is for running and testing several servers side by side without a cluster: one small process owns the store and
//! serves it ([`StoreServer`]), the others open `socket:///absolute/path.sock` and see the same contract as everywhere else.
//! It has one copy of the data and one point of failure; several servers in production use FoundationDB.
//!
//! A connection carries many transactions. The client keeps a transaction's writes until its next read or its commit and
//! sends them with it, so that a transaction which only writes costs one round trip and a read costs one each. The server
//! holds a real transaction of the inner store for each of them and works on each in the order in which its frames came;
//! what a client holds ends with its connection.
//!
//! **Invariants:**
//! * What crossed the socket is checked again by the inner [`crate::Transaction`]: a frame can end its connection, never
//!   the server, and can do nothing that a caller of the inner store could not.
//! * A transaction belongs to one connection. When that is lost before the commit was sent, nothing of it was saved
//!   ([`StoreError::ConnectionLost`](crate::StoreError::ConnectionLost), safe to run again); after that, nobody knows
//!   ([`StoreError::CommitUnknown`](crate::StoreError::CommitUnknown)).
//! * Only processes of the same user get through, in both directions.
//! * Nothing queues without a bound: the limits are in [`crate::limits`], their names begin with `SOCKET_`.

mod client;
mod connection;
mod frames;
mod link;
mod listen;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use client::open;
pub use server::StoreServer;

/// Its name, for people.
pub(crate) const NAME: &str = "socket";

/// Returns once the signal was given, or nobody is left to give it.
async fn stopped(signal: &mut tokio::sync::watch::Receiver<bool>) {
    let _ = signal.wait_for(|stopped| *stopped).await;
}
