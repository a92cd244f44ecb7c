//! Copies of programs that are to be run.

use std::path::Path;
use std::process::Command;

/// Copies a program. Another program does it: what is open for writing here, processes inherit for a moment that other tests start
/// meanwhile, and until they let go the system refuses to run it.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").args([from, to]).status().unwrap().success());
}
