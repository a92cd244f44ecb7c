//! Translated components, and where they are kept: under a MAC, since they are machine code.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::engine::hex;
use crate::{Host, HostError};

/// What every sealed translation begins with.
const MAGIC: &[u8; 8] = b"CODIPLC1";
/// What tells this use of the key from others.
const DOMAIN: &[u8] = b"coditect-plugin-translation-v1\0";
/// Bytes of the MAC.
const MAC_BYTES: usize = 32;
/// Largest translation that is kept, in bytes: some ten times the largest component.
const MAX_SEALED_BYTES: u64 = 512 << 20;
/// How names of kept translations end.
const TRANSLATED: &str = "translated";
/// How names end of those that are being written.
const DRAFT: &str = "draft";
/// When a draft was left behind by a process that died.
const DRAFT_LIFETIME: Duration = Duration::from_secs(3600);

/// A translated component: machine code for this kind of machine, version and settings.
#[derive(Clone)]
pub struct Compiled {
    fingerprint: String,
    bytes: Vec<u8>,
}

impl Compiled {
    /// What the compiler of this process made, or what had a good MAC.
    pub(crate) const fn new(fingerprint: String, bytes: Vec<u8>) -> Self {
        Self { fingerprint, bytes }
    }

    /// The machine code.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// [`Host::fingerprint`] of the host that made it.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// The key under which translations leave the process and come back: whoever has it can have the server run what they like.
#[derive(Clone)]
pub struct Seal(Hmac<Sha256>);

impl Seal {
    /// With a secret key, derived for nothing else.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        // Keys are as long as a block of the hash, and shorter ones are filled up with zeros.
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(key);
        Self(Hmac::new(&block.into()))
    }

    fn mac(&self, fingerprint: &str, component_sha256: &str, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(DOMAIN);
        for part in [fingerprint.as_bytes(), component_sha256.as_bytes(), bytes] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac
    }

    /// A translation of the component with this hexadecimal SHA-256, in the form in which it is kept or sent.
    #[must_use]
    pub fn close(&self, component_sha256: &str, compiled: &Compiled) -> Vec<u8> {
        let mac = self.mac(&compiled.fingerprint, component_sha256, &compiled.bytes).finalize().into_bytes();
        [MAGIC.as_slice(), &mac, &compiled.bytes].concat()
    }

    /// The translation, where `sealed` was closed under this key, for this host, of this component; none for anything else.
    #[must_use]
    pub fn open(&self, host: &Host, component_sha256: &str, mut sealed: Vec<u8>) -> Option<Compiled> {
        let head = MAGIC.len() + MAC_BYTES;
        let (start, bytes) = sealed.split_at_checked(head)?;
        let mac = start.strip_prefix(MAGIC)?;
        // In constant time.
        self.mac(host.fingerprint(), component_sha256, bytes).verify_slice(mac).ok()?;
        sealed.drain(..head);
        Some(Compiled::new(host.fingerprint().to_owned(), sealed))
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

/// Keeps translations in a directory of the server's own. Several processes may share it.
#[derive(Debug, Clone)]
pub struct CompiledCache {
    directory: PathBuf,
    seal: Seal,
    max_bytes: u64,
}

impl CompiledCache {
    /// Opens a directory, which is made where there is none. What was used longest ago is deleted once all of it is larger than
    /// `max_bytes`.
    pub fn open(directory: impl Into<PathBuf>, key: &[u8; 32], max_bytes: u64) -> Result<Self, HostError> {
        let directory = directory.into();
        make_private(&directory).map_err(unusable)?;
        Ok(Self { directory, seal: Seal::new(key), max_bytes })
    }

    /// The key it uses.
    #[must_use]
    pub const fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The translation for this host of the component with this hexadecimal SHA-256. What was tampered with is not there. Blocks.
    #[must_use]
    pub fn get(&self, host: &Host, component_sha256: &str) -> Option<Compiled> {
        let path = self.path(host.fingerprint(), component_sha256);
        let (file, mut bytes) = (fs::File::open(&path).ok()?, Vec::new());
        (&file).take(MAX_SEALED_BYTES).read_to_end(&mut bytes).ok()?;
        let opened = self.seal.open(host, component_sha256, bytes);
        if opened.is_some() {
            // It is as young as its last use. Where that cannot be noted, it is only deleted earlier.
            let _ = file.set_modified(SystemTime::now());
        } else {
            tracing::warn!(file = %path.display(), "a translated plugin was damaged or tampered with, and is made anew");
            let _ = fs::remove_file(&path);
        }
        opened
    }

    /// Keeps a translation. Blocks.
    pub fn put(&self, component_sha256: &str, compiled: &Compiled) -> Result<(), HostError> {
        let path = self.path(&compiled.fingerprint, component_sha256);
        let sealed = self.seal.close(component_sha256, compiled);
        if sealed.len() as u64 > self.max_bytes.min(MAX_SEALED_BYTES) {
            return Ok(());
        }
        write_whole(&path, &sealed).map_err(unusable)?;
        self.make_room(&path).map_err(unusable)
    }

    /// A name that tells nothing to whoever looks at the directory, and leads nowhere else whatever the digest says.
    fn path(&self, fingerprint: &str, component_sha256: &str) -> PathBuf {
        let mut name = Sha256::new();
        name.update(fingerprint);
        name.update([0]);
        name.update(component_sha256);
        self.directory.join(format!("{}.{TRANSLATED}", hex(&name.finalize())))
    }

    /// Deletes what was used longest ago until the rest fits, but never `newest`.
    fn make_room(&self, newest: &Path) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            // Another process may have deleted it meanwhile.
            let Ok(facts) = entry.metadata() else { continue };
            let (used, path) = (facts.modified().unwrap_or(SystemTime::UNIX_EPOCH), entry.path());
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(TRANSLATED) => kept.push((used, facts.len(), path)),
                Some(DRAFT) if used.elapsed().is_ok_and(|age| age > DRAFT_LIFETIME) => fs::remove_file(&path)?,
                _ => {}
            }
        }
        kept.sort();
        let mut total: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in kept {
            if total <= self.max_bytes {
                break;
            }
            if path != newest && fs::remove_file(&path).is_ok() {
                total -= bytes;
            }
        }
        Ok(())
    }
}

/// A directory of the server's user, in which nobody else can write.
fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let facts = fs::symlink_metadata(directory)?;
    let is_own = facts.is_dir() && facts.uid() == rustix::process::geteuid().as_raw() && facts.mode() & 0o022 == 0;
    if is_own { Ok(()) } else { Err(io::Error::other("it is not a directory that only the server's user can write")) }
}

/// Whoever reads sees all of it or nothing.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut draft = path.to_owned();
    draft.set_extension(format!("{:016x}.{DRAFT}", unused()));
    let mut options = fs::OpenOptions::new();
    let written = options.write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

/// A number that no other draft has: the standard library's hasher is seeded anew each time.
fn unused() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

fn unusable(error: impl std::fmt::Display) -> HostError {
    HostError::Cache { detail: error.to_string() }
}
