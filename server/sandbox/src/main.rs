//! `coditect-sandbox`: the supervisor of all sandboxes, and the agent inside each of them.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("agent") => coditect_sandbox::agent::main(),
        Some("supervise") => coditect_sandbox::supervisor::main(),
        _ => {
            eprintln!("coditect-sandbox is started by the Coditect server and by nobody else.");
            ExitCode::from(2)
        }
    }
}
