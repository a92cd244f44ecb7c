//! Everything that a hostile program in a person's terminal would try against other people, the server and the machine.
//!
//! `intruder ATTACK [ARGUMENTS]` tries one thing in all its forms. Each form that got through is told as a line
//! `REACHED …`; what was tried and refused is told too. It ends with 0 only where nothing was reached. It knows nothing
//! of the product: what it should not reach is given to it as arguments, or carries [`marker`].

mod bombs;
mod files;
mod kernel;
mod processes;
mod sockets;

use std::fmt::Display;
use std::process::ExitCode;

/// What every secret that is laid out carries. Put together here, so that it is not found in this program itself.
fn marker() -> Vec<u8> {
    ["INTRUDER", "SECRET"].join("-").into_bytes()
}

/// What came of an attack.
#[derive(Default)]
struct Report {
    tried: usize,
    reached: usize,
}

impl Report {
    /// One attempt. `outcome` is what it got, or why it was refused.
    fn attempt<T, E: Display>(&mut self, what: impl Display, outcome: Result<T, E>) {
        self.tried += 1;
        match outcome {
            Ok(_) => {
                self.reached += 1;
                println!("REACHED {what}");
            }
            Err(error) => println!("refused: {what}: {error}"),
        }
    }

    /// One attempt that got somewhere where `reached`.
    fn check(&mut self, what: impl Display, reached: bool) {
        self.attempt(what, if reached { Ok(()) } else { Err("no") });
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let attack = arguments.next().unwrap_or_default();
    let given: Vec<String> = arguments.collect();
    let mut report = Report::default();
    match attack.as_str() {
        "hunt" => files::hunt(&mut report, &given),
        "read" => files::read(&mut report, &given),
        "facts" => files::facts(&mut report, &given),
        "links" => files::links(&mut report, &given),
        "race" => return files::race(&given),
        "processes" => processes::attack(&mut report, &given),
        "debug-own" => return processes::debug_own(),
        "wait" => return processes::wait(),
        "trace-leader" => return processes::trace_leader(&given),
        "sockets" => sockets::attack(&mut report, &given),
        "listen" => return sockets::listen(&given),
        "kernel" => kernel::attack(&mut report),
        "forks" => return bombs::forks(&given),
        "memory" => return bombs::memory(&given),
        "hidden-memory" => return bombs::hidden_memory(),
        "disk" => return bombs::disk(&given),
        "disk-by-others" => return bombs::disk_by_others(&given),
        "write-little" => return bombs::write_little(&given),
        "disk-of-deleted-files" => return bombs::disk_of_deleted_files(&given),
        "descriptors" => return bombs::descriptors(),
        "in-flight" => return bombs::in_flight(),
        "spin" => return bombs::spin(),
        "flood" => return bombs::flood(&given),
        _ => {
            eprintln!("intruder: there is no attack {attack:?}");
            return ExitCode::from(2);
        }
    }
    println!("intruder: {attack}: {} tried, {} reached", report.tried, report.reached);
    if report.reached == 0 && report.tried > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
