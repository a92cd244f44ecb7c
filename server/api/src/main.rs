//! `coditect-v5-api`: see [`coditect_api`].

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use mimalloc::MiMalloc;

/// Calls of models are many small pieces of memory, taken on one thread and given back on another: with glibc's allocator that is a
/// sixth of all work, and memory stays with the threads.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How many milliseconds the allocator keeps memory that nobody uses before it gives it back to the system. It looks for it before
/// anything of ours runs, and only here.
const PURGE_DELAY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "0");

fn main() -> ExitCode {
    let (name, value) = PURGE_DELAY;
    if std::env::var_os(name).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        // This comes back only where it fails. Then memory is given back a little later.
        let _ = Command::new(program).args(std::env::args_os().skip(1)).env(name, value).exec();
    }
    coditect_api::cli::main()
}
