//! Runs plugins: components of WebAssembly that speak `coditect:plugin`, in a sandbox of wasmtime.
//!
//! * [`Host`] is the engine with its threads; [`Host::load`] makes a [`Plugin`] of what [`Host::compile`] made of a component, or of
//!   what a [`CompiledCache`] kept of that.
//! * `contract/` serves each published version of the contract by one folder; `calls/` is one call: its limits, its deadline, its end;
//!   `imports/` is what a plugin may ask for, one file for each interface, each of which checks the capability before anything else.
//! * [`ports`] are what the surroundings do for it.
//!
//! **May know:** the protocol crate, and the sandbox's table of whose a network address is. Nothing of HTTP servers, the
//! store, or who people are. **Invariants:**
//! * Each call has an instance of its own, which ends with it: nothing of one person is ever in the memory of another's call, and no call
//!   re-enters.
//! * Wasm runs on the host's own threads, of low priority, and never on those of the server.
//! * A component gets no right by itself: no file, variable, argument, socket or time of the machine. What was not granted is answered
//!   with `denied`, and told.
//! * Whatever a plugin does, its call ends within its deadline and the limits of [`HostSettings`], with an error that names them.
//! * What was compiled is loaded only if this host made it, or wrote it with its key: here is the one `unsafe` of plugins.

mod cache;
mod call;
mod calls;
mod contract;
mod engine;
mod error;
mod examine;
mod executor;
mod gate;
mod host;
mod http;
mod imports;
mod limits;
mod meter;
pub mod ports;
mod rights;
mod settings;
mod state;
#[cfg(test)]
mod tests;

pub use cache::{Compiled, CompiledCache, Seal};
pub use call::{Call, CallFigures, Called, Caller, FileChange, Outcome, Verdict};
pub use error::{CallError, HostError};
pub use examine::{Examined, MAX_COMPONENT_BYTES};
pub use host::{Host, Plugin};
pub use rights::{Globs, Rights};
pub use settings::{Deadlines, HostSettings};
