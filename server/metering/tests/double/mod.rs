//! Tests in a process of their own, over the stand-in for FoundationDB's client library: a process loads one library once.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Says where the client library is.
const LIBRARY: &str = "CODITECT_FDB_LIBRARY";

/// The stand-in, which Cargo builds beside the tests.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let library = test.parent().unwrap().join(format!("{DLL_PREFIX}fdb_double{DLL_SUFFIX}"));
    assert!(library.is_file(), "{} was not built", library.display());
    library
}

/// A cluster file of a cluster that only the stand-in knows.
pub(crate) fn cluster_file(directory: &Path) -> PathBuf {
    let file = directory.join("fdb.cluster");
    std::fs::write(&file, "# of a test\ndouble:double@127.0.0.1:4500\n").unwrap();
    file
}

/// Runs those tests of this program whose names hold a text, with a variable set, and gives their number; all must have passed.
pub(crate) fn run(tests: &str, name: &str, value: &Path) -> usize {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([tests, "--nocapture"]).env(LIBRARY, library()).env(name, value).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{said}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    let result = said.lines().find_map(|line| line.strip_prefix("test result: ok. ")).unwrap();
    result.split(' ').next().unwrap().parse().unwrap()
}
