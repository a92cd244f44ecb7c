//! The first process inside a sandbox: it binds itself, then starts programs when told, and collects what ends.
//!
//! Where processes have a namespace of their own it is the first there, and everything ends with it. Elsewhere a guard
//! outside the walls sees to that.
//!
//! Invariants:
//! * One thread, no runtime: between fork and exec everything is allowed.
//! * It starts nothing before it is bound, and nothing it starts is bound less.
//! * It ends when the supervisor's end of its socket is closed.

mod bind;
pub mod client;
mod guard;
mod modes;
pub(crate) mod packet;
mod serve;
mod signals;
pub(crate) mod wire;

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::process::ExitCode;

pub use client::{Agent, Exit, Running, Stdio};

use self::wire::{MAX_PACKET_BYTES, Request, Setup, WallsSetup};

/// Runs it; the second argument is the number of the socket.
#[must_use]
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coditect-sandbox agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let control = control().ok_or("the second argument is not the number of a socket")?;
    let mut buffer = vec![0; MAX_PACKET_BYTES];
    let setup = match packet::receive(&control, &mut buffer).map_err(|error| error.to_string())? {
        Some((Request::Setup(setup), _)) => setup,
        Some(_) => return Err("a start came before the setup".to_owned()),
        None => return Ok(()),
    };
    match &setup.walls {
        WallsSetup::Namespaces { .. } => bound(control, &setup, None),
        WallsSetup::Landlock(_) | WallsSetup::Plain => guard::run(control, &setup),
    }
}

/// The rest, in the process that is to start programs.
fn bound(control: OwnedFd, setup: &Setup, guard: Option<OwnedFd>) -> Result<(), String> {
    match bind::bind(setup, guard) {
        Ok(bound) => serve::serve(control, setup, bound).map_err(|error| error.to_string()),
        Err(reason) => Err(refuse(&control, reason)),
    }
}

/// Tells why nothing can be started; gives the reason back.
fn refuse(control: &OwnedFd, reason: String) -> String {
    let refused = packet::encode(&wire::Event::Refused { reason: reason.clone() });
    // The end of the process says it too, should this not arrive.
    drop(refused.and_then(|bytes| packet::send(control, &bytes, &[])));
    reason
}

/// The inherited socket. It and everything else inherited is closed in what is started from here.
#[expect(unsafe_code, reason = "a descriptor that was inherited has nothing but its number")]
fn control() -> Option<OwnedFd> {
    let number: i32 = std::env::args().nth(2)?.parse().ok()?;
    // SAFETY: no pointers; the flag is set on every descriptor from 3 on, open or not.
    let sealed = unsafe { libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) };
    if number <= 2 || sealed != 0 {
        return None;
    }
    // SAFETY: the parent opened the number for this process and for nothing else in it; nothing has run before that
    // could have closed it or taken it.
    let control = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::net::sockopt::socket_type(&control).is_ok().then_some(control)
}
