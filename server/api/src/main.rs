//! `coditect-v5-api`: see [`coditect_api`].

use std::process::ExitCode;

fn main() -> ExitCode {
    coditect_api::cli::main()
}
