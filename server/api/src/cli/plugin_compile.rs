//! `plugin-compile`: translates one plugin for this machine, in a process that may take only so much, and ends with it.
//!
//! The server starts it. On its standard input come a key that was made for this once, of [`KEY_BYTES`], and the component; on its standard
//! output goes what that was translated to, sealed with the key, or on its standard error why it was not, with [`EXIT_REFUSED`].

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use coditect_plugin_host::{Host, HostError, HostSettings, Seal};
use coditect_plugin_package::{MAX_UNPACKED_BYTES, sha256_hex};
use coditect_protocol::Coded as _;
use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};
use zeroize::Zeroizing;

/// The component cannot be translated, which is no fault of the server: the standard error says why.
pub(crate) const EXIT_REFUSED: u8 = 3;
/// Bytes of the key.
pub(crate) const KEY_BYTES: usize = 32;

const NAME: &str = "plugin-compile";
const MEMORY_MIB: &str = "memory-mib";
const SECONDS: &str = "seconds";
/// How far the process stands back: nobody who waits for the server waits for it.
const NICE: i32 = 15;
const BYTES_PER_MIB: u64 = 1024 * 1024;

pub(super) fn command() -> Command {
    let number = |name: &'static str| Arg::new(name).long(name).required(true).value_parser(value_parser!(u64));
    Command::new(NAME)
        .about("Translates a plugin for this machine; the server starts it")
        .hide(true)
        .args([MEMORY_MIB, SECONDS].map(number))
}

/// The arguments of a process that may take so much memory, and so long on a core.
pub(crate) fn arguments(memory_mib: u64, seconds: u64) -> [String; 3] {
    [NAME.to_owned(), format!("--{MEMORY_MIB}={memory_mib}"), format!("--{SECONDS}={seconds}")]
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let number = |name: &str| matches.get_one::<u64>(name).copied().unwrap_or_default();
    let translated = bound(number(MEMORY_MIB), number(SECONDS)).map_err(Failed::Machine).and_then(|()| translate());
    let told = translated.and_then(|sealed| {
        let mut out = std::io::stdout().lock();
        out.write_all(&sealed).and_then(|()| out.flush()).map_err(Failed::Machine)
    });
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Machine(error)) => super::fail("plugins.engine", &error, 1),
        Err(Failed::Host(error)) => super::fail(error.code(), &error, if error.is_inside() { 1 } else { EXIT_REFUSED }),
    }
}

enum Failed {
    Machine(std::io::Error),
    Host(HostError),
}

/// What the process may take from here on.
fn bound(memory_mib: u64, seconds: u64) -> std::io::Result<()> {
    let most = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::Data, most(memory_mib.saturating_mul(BYTES_PER_MIB)))?;
    // A second later it would be killed without a word of why.
    setrlimit(Resource::Cpu, Rlimit { current: Some(seconds), maximum: Some(seconds.saturating_add(1)) })?;
    // It writes no files, and no image of its memory.
    setrlimit(Resource::Fsize, most(0))?;
    setrlimit(Resource::Core, most(0))?;
    setpriority_process(None, NICE)?;
    Ok(())
}

fn translate() -> Result<Vec<u8>, Failed> {
    let mut input = std::io::stdin().lock();
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    input.read_exact(&mut *key).map_err(Failed::Machine)?;
    let most = MAX_UNPACKED_BYTES as u64;
    let mut component = Vec::new();
    input.take(most + 1).read_to_end(&mut component).map_err(Failed::Machine)?;
    if component.len() as u64 > most {
        return Err(Failed::Host(HostError::TooLarge { what: "bytes", most }));
    }
    let host = Host::new(HostSettings::default()).map_err(Failed::Host)?;
    let compiled = host.compile(&component).map_err(Failed::Host)?;
    Ok(Seal::new(&key).close(&sha256_hex(&component), &compiled))
}
