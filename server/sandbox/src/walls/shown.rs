//! What of the machine's files programs see, whatever the walls are made of.

use std::path::{Path, PathBuf};

use crate::SandboxError;

/// The system's directories that every sandbox sees read-only.
pub(super) const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// What programs need of `/etc`; the rest of it is the machine's own business.
pub(super) const ETC: [&str; 30] = [
    "alternatives",
    "bash.bashrc",
    "bash_completion.d",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "host.conf",
    "hosts",
    "inputrc",
    "java",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "perl",
    "pki",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "resolv.conf",
    "services",
    "ssl",
    "terminfo",
    "timezone",
];

/// Resolves directories of the operator once, so that what is compared is what is shown.
pub(super) fn real_paths(paths: &[PathBuf]) -> Result<Vec<PathBuf>, SandboxError> {
    paths
        .iter()
        .map(|path| {
            path.canonicalize().map_err(|error| {
                SandboxError::Invalid(format!("the directory {} cannot be shown in it ({error})", path.display()))
            })
        })
        .collect()
}

/// A directory shown on purpose may not lie inside a hidden one. (The other way round the hidden one is covered.)
pub(super) fn check_hidden(shown: &[PathBuf], hidden: &[PathBuf]) -> Result<(), SandboxError> {
    match shown.iter().find(|path| hidden.iter().any(|secret| path.starts_with(secret))) {
        None => Ok(()),
        Some(path) => Err(SandboxError::Invalid(format!(
            "the directory {} belongs to the server's own data and cannot be shown in it",
            path.display()
        ))),
    }
}

/// Hidden directories and files that lie within something shown.
pub(super) fn covered<'a>(hidden: &'a [PathBuf], shown: &[PathBuf]) -> Vec<&'a Path> {
    let system = SYSTEM.map(Path::new);
    let within = |secret: &PathBuf| {
        shown.iter().any(|shown| secret.starts_with(shown)) || system.iter().any(|shown| secret.starts_with(shown))
    };
    hidden.iter().filter(|secret| secret.exists() && within(secret)).map(PathBuf::as_path).collect()
}
