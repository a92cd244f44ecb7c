//! Tests in a process of their own, over the stand-in for FoundationDB's client library: a process loads one library once.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Says where the client library is.
pub(crate) const LIBRARY: &str = "CODITECT_FDB_LIBRARY";

/// The stand-in, which Cargo builds beside the tests.
pub(crate) fn library() -> PathBuf {
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

/// Some tests of this program, in another process.
pub(crate) struct Child(Command);

impl Child {
    /// Those whose names hold this text, also those that are ignored otherwise.
    pub(crate) fn of(name: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([name, "--include-ignored", "--nocapture"]).env(LIBRARY, library()).stdin(Stdio::null());
        Self(command)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Waits for them and gives their number; all must have passed.
    pub(crate) fn run(mut self) -> usize {
        let output = self.0.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}\n{said}\n{errors}", output.status);
        let result = said.lines().find_map(|line| line.strip_prefix("test result: ok. ")).unwrap();
        result.split(' ').next().unwrap().parse().unwrap()
    }
}
