//! What of the machine's files programs see, whatever the walls are made of.

use std::path::{Path, PathBuf};

use crate::SandboxError;

/// The system's directories that every sandbox sees read-only.
pub(super) const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// What programs need of `/etc`; the rest of it is the machine's own business. Of the folders that hold keys beside
/// certificates it is the certificates alone: where the server runs as root, programs read what root may read.
pub(super) const ETC: [&str; 37] = [
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
    "pki/ca-trust",
    "pki/java",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "resolv.conf",
    "services",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/ct_log_list.cnf",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
];

/// Most entries of a directory that is shown without something in it. Each is a mount of its own.
const MAX_ENTRIES: usize = 1000;

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

/// The real path of something that may not be there yet: of its nearest folder that is, and the rest as it is written.
pub(super) fn real_path(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|folder| Some((folder, folder.canonicalize().ok()?)));
    match there {
        Some((folder, real)) => real.join(path.strip_prefix(folder).unwrap_or(Path::new(""))),
        None => path.to_owned(),
    }
}

/// A directory shown on purpose may not lie inside a hidden one. (The other way round the hidden one is left out.)
pub(super) fn check_hidden(shown: &[PathBuf], hidden: &[PathBuf]) -> Result<(), SandboxError> {
    match shown.iter().find(|path| hidden.iter().any(|secret| path.starts_with(secret))) {
        None => Ok(()),
        Some(path) => Err(SandboxError::Invalid(format!(
            "the directory {} belongs to the server's own data and cannot be shown in it",
            path.display()
        ))),
    }
}

/// What is shown of `shown`: all of it, or where it holds something hidden, all else in it by name. A hidden path is
/// left out whether or not it is there: what covered it would be gone as soon as another file took its name.
pub(super) fn without(shown: &Path, hidden: &[PathBuf]) -> Result<Vec<PathBuf>, SandboxError> {
    let all = parts(shown, hidden, &entries);
    if all.len() > MAX_ENTRIES {
        return Err(SandboxError::Invalid(format!(
            "{} holds something that belongs to the server, and too much else to be shown without it; move one of them",
            shown.display()
        )));
    }
    Ok(all)
}

fn parts(shown: &Path, hidden: &[PathBuf], entries: &dyn Fn(&Path) -> Vec<PathBuf>) -> Vec<PathBuf> {
    if hidden.iter().any(|secret| shown.starts_with(secret)) {
        return Vec::new();
    }
    if !hidden.iter().any(|secret| secret.starts_with(shown)) {
        return vec![shown.to_owned()];
    }
    entries(shown).iter().flat_map(|entry| parts(entry, hidden, entries)).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_what_is_hidden() {
        let entries = |folder: &Path| -> Vec<PathBuf> {
            match folder.to_str() {
                Some("/opt") => vec!["/opt/tools".into(), "/opt/data".into(), "/opt/srv".into()],
                Some("/opt/srv") => vec!["/opt/srv/key".into(), "/opt/srv/bin".into()],
                other => panic!("{other:?} is not to be listed"),
            }
        };
        let hidden = ["/opt/data".into(), "/opt/srv/key".into(), "/var/x".into()];
        let check = |shown: &str, expected: &[&str]| {
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(parts(Path::new(shown), &hidden, &entries), expected, "{shown}");
        };
        check("/usr", &["/usr"]);
        check("/opt", &["/opt/tools", "/opt/srv/bin"]);
        check("/opt/data", &[]);
        check("/opt/data/sub", &[]);
        check("/opt/srv/bin", &["/opt/srv/bin"]);
    }

    #[test]
    fn folders_with_keys_are_not_shown() {
        for keys in ["ssl/private", "pki/tls/private", "pki/CA/private", "pki/nssdb", "shadow", "ssh"] {
            assert!(!ETC.iter().any(|shown| Path::new(keys).starts_with(shown)), "{keys}");
        }
    }

    #[test]
    fn what_is_not_there_yet_has_a_real_path() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("v1")).unwrap();
        std::os::unix::fs::symlink("v1", real.join("current")).unwrap();
        assert_eq!(real_path(&real.join("current/new/key")), real.join("v1/new/key"));
    }
}
