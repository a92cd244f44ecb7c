//! Translating a component takes long where an engine is in it; what came of it is kept for the person's next tests.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use coditect_plugin_harness::{Harness, HarnessError};
use coditect_plugin_host::{CompiledCache, Host, HostError};
use coditect_plugin_package::{Package, sha256_hex};

use crate::error::CliError;

/// The most that is kept, in bytes.
const MAX_BYTES: u64 = 1 << 30;
/// Others may do nothing with the folder and the key in it.
const FOLDER_MODE: u32 = 0o700;
const KEY_MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// A plugin in the harness, translated anew only where that was not done before.
pub(crate) async fn harness(package: &Package) -> Result<Harness, CliError> {
    let host = Host::new(Harness::settings())?;
    let component = package.component().ok_or(HarnessError::NoComponent)?.to_vec();
    let sha256 = sha256_hex(&component);
    let cache = open();
    let kept = cache.as_ref().and_then(|cache| cache.get(&host, &sha256));
    let compiled = match kept {
        Some(compiled) => compiled,
        None => {
            let translating = host.clone();
            let task = tokio::task::spawn_blocking(move || translating.compile(&component));
            let compiled = task.await.map_err(|error| HostError::Engine { detail: error.to_string() })??;
            if let Some(Err(error)) = cache.map(|cache| cache.put(&sha256, &compiled)) {
                eprintln!("warning: {error}");
            }
            compiled
        }
    };
    Ok(Harness::of_compiled(&host, package.manifest().clone(), &compiled)?)
}

/// The person's own; none where there is no place for it. It never lies in a plugin's folder: whoever wrote that could put machine code
/// there.
fn open() -> Option<CompiledCache> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    let folder = caches.join("coditect/plugins");
    std::fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&folder).ok()?;
    let key = key(&folder)?;
    CompiledCache::open(folder.join("translated"), &key, MAX_BYTES).ok()
}

/// What shows that this person's programs wrote an entry. None where others could know it.
fn key(folder: &Path) -> Option<[u8; 32]> {
    let path = folder.join("key");
    let mut options = std::fs::OpenOptions::new();
    if let Ok(mut file) = options.write(true).create_new(true).mode(KEY_MODE).open(&path) {
        let key = rand::random::<[u8; 32]>();
        return file.write_all(&key).ok().map(|()| key);
    }
    let is_own = std::fs::metadata(&path).ok()?.permissions().mode() & OTHERS == 0;
    is_own.then(|| std::fs::read(&path).ok()?.try_into().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stays_and_is_the_persons_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = key(folder.path()).unwrap();
        assert_eq!(key(folder.path()), Some(first));
        std::fs::set_permissions(folder.path().join("key"), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(key(folder.path()), None);
        assert_ne!(key(tempfile::tempdir().unwrap().path()).unwrap(), first);
    }
}
