//! What to run.

use coditect_protocol::RelPath;
use serde::{Deserialize, Serialize};

use crate::SandboxError;

/// Most bytes of a program's name, arguments and environment together.
pub const MAX_COMMAND_BYTES: usize = 128 * 1024;

/// A program to start in a sandbox.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// A name found on `PATH`, or a path as seen inside.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables beside the basic ones; they win over those.
    pub env: Vec<(String, String)>,
    /// Folder of the workspace to start in.
    pub start_in: RelPath,
}

impl std::fmt::Debug for Program {
    // The environment may hold tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("program", &self.program)
            .field("start_in", &self.start_in)
            .finish_non_exhaustive()
    }
}

impl Program {
    /// Refuses what no honest caller sends.
    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        let invalid = |what: &str| Err(SandboxError::Invalid(what.to_owned()));
        if self.program.is_empty() {
            return invalid("no program is named");
        }
        let mut bytes = 0;
        let pairs = self.env.iter().flat_map(|(name, value)| [name, value]);
        for text in self.args.iter().chain(pairs).chain([&self.program]) {
            // As the kernel counts: each ends with a NUL.
            bytes += text.len() + 1;
            if text.contains('\0') {
                return invalid("a NUL byte can be in no argument and no variable");
            }
        }
        if bytes > MAX_COMMAND_BYTES {
            return invalid("the arguments and variables are larger than 128 KiB; pass them in a file");
        }
        if self.env.iter().any(|(name, _)| name.is_empty() || name.contains('=')) {
            return invalid("a variable's name is empty or holds an equals sign");
        }
        Ok(())
    }
}
