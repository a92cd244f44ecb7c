//! The file of a package.
//!
//! ```text
//! "CODIPLG1" | u32 length of the signature's block | block | zlib( u32 length of the index | index | bytes of the files )
//! ```
//! Numbers are little-endian. The block is empty where nobody signed, else JSON; the index is JSON too, `[{"path","bytes","sha256"}]` in
//! order of the paths; the bytes follow in that order, and nothing follows them. There is one form of each, and any other is refused.

use std::io::Read;

use coditect_protocol::plugin::Manifest;
use flate2::bufread::ZlibDecoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::contents::{self, COMPONENT_PATH, Files, LICENSE_PATH, MANIFEST_PATH, README_PATH};
use crate::error::PackageError;
use crate::keys::{KeyId, Signature, SigningKey};

/// How every package begins.
pub const MAGIC: &[u8; 8] = b"CODIPLG1";
/// The largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 64 << 20;
/// The most that is in it, in bytes.
pub const MAX_UNPACKED_BYTES: usize = 160 << 20;
/// How many times larger than the file what is in it may be.
pub const MAX_RATIO: usize = 200;
/// The most files.
pub const MAX_FILES: usize = 1000;
/// Longest path of a file, in bytes.
pub const MAX_PATH_BYTES: usize = 200;
/// Longest block of a signature, in bytes.
const MAX_SIGNATURE_BYTES: usize = 4 << 10;
/// What an entry of the index takes beside its path, in bytes, at most.
const ENTRY_BYTES: usize = 160;
/// Longest index, in bytes.
const MAX_INDEX_BYTES: usize = MAX_FILES * (MAX_PATH_BYTES + ENTRY_BYTES);
/// Where the other files of a plugin lie.
const ASSETS: &str = "assets/";
/// How hard it is pressed. Another level would be other bytes of the same plugin.
const COMPRESSION_LEVEL: u8 = 6;
/// Bytes of a number.
const U32_BYTES: usize = 4;

/// A file in the index.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: String,
    bytes: u64,
    sha256: String,
}

/// A plugin's package, checked.
#[derive(Debug, Clone)]
pub struct Package {
    manifest: Manifest,
    files: Files,
    signature: Option<Signature>,
    /// Of what the payload holds, before it was pressed.
    digest: [u8; 32],
    /// As it stands in the file.
    payload: Vec<u8>,
}

impl Package {
    /// Of these files, by path: `plugin.toml`, `plugin.wasm`, `README.md`, `LICENSE`, and what is below `assets/`. Nobody signed it yet.
    pub fn build(files: Files) -> Result<Self, PackageError> {
        check_paths(files.keys().map(String::as_str))?;
        let plain = flatten(&files)?;
        let manifest = contents::check(&files)?;
        let payload = miniz_oxide::deflate::compress_to_vec_zlib(&plain, COMPRESSION_LEVEL);
        let package = Self { manifest, files, signature: None, digest: Sha256::digest(&plain).into(), payload };
        let file = package.payload.len() + MAGIC.len() + U32_BYTES + MAX_SIGNATURE_BYTES;
        if file > MAX_FILE_BYTES {
            return Err(PackageError::FileTooLarge);
        }
        if plain.len() > most_unpacked(package.payload.len()) {
            return Err(PackageError::UnpackedTooLarge);
        }
        Ok(package)
    }

    /// Reads a package's file. Whether its signature is good is another question: [`Self::verify`].
    pub fn read(file: &[u8]) -> Result<Self, PackageError> {
        if file.len() > MAX_FILE_BYTES {
            return Err(PackageError::FileTooLarge);
        }
        let rest = file.strip_prefix(MAGIC).ok_or(PackageError::NotAPackage)?;
        let (length, rest) = rest.split_first_chunk::<U32_BYTES>().ok_or(ENDS)?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_SIGNATURE_BYTES {
            return Err(PackageError::Damaged("its signature is too long"));
        }
        let (block, payload) = rest.split_at_checked(length).ok_or(ENDS)?;
        let signature = match block {
            [] => None,
            block => Some(Signature::of_block(block).ok_or(PackageError::Damaged("its signature is malformed"))?),
        };
        let (files, digest) = unpack(payload)?;
        let manifest = contents::check(&files)?;
        Ok(Self { manifest, files, signature, digest, payload: payload.to_vec() })
    }

    /// The file. What was read comes back byte by byte.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let block = self.signature.map(Signature::to_block).unwrap_or_default();
        // A block has at most some hundred bytes.
        let length = u32::try_from(block.len()).unwrap_or_default();
        [MAGIC.as_slice(), &length.to_le_bytes(), &block, &self.payload].concat()
    }

    /// What the plugin says of itself.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// `plugin.wasm`: absent where the plugin offers nothing but themes.
    #[must_use]
    pub fn component(&self) -> Option<&[u8]> {
        self.file(COMPONENT_PATH)
    }

    /// `README.md`: Markdown.
    #[must_use]
    pub fn readme(&self) -> Option<&str> {
        std::str::from_utf8(self.file(README_PATH)?).ok()
    }

    /// A file.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// All files, by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// SHA-256 of what is signed: the content, before it is pressed.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The signature that it has, good or not.
    #[must_use]
    pub const fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    /// Signs it, in place of whoever did before.
    pub fn sign(&mut self, key: &SigningKey) {
        self.signature = Some(key.sign(&self.digest));
    }

    /// The key whose signature is good for this content; none where there is no signature. Whether the key is the publisher's is for
    /// the caller to find out.
    pub fn verify(&self) -> Result<Option<KeyId>, PackageError> {
        match &self.signature {
            None => Ok(None),
            Some(signature) if signature.is_of(&self.digest) => Ok(Some(signature.key().id())),
            Some(_) => Err(PackageError::BadSignature),
        }
    }
}

const ENDS: PackageError = PackageError::Damaged("it ends too early");

/// The most that a payload of so many bytes may hold.
fn most_unpacked(payload_bytes: usize) -> usize {
    MAX_UNPACKED_BYTES.min(payload_bytes.saturating_mul(MAX_RATIO))
}

/// Paths are plain, known, and in order without doubles.
fn check_paths<'a>(paths: impl Iterator<Item = &'a str>) -> Result<(), PackageError> {
    let mut before: Option<&str> = None;
    for (count, path) in paths.enumerate() {
        if count >= MAX_FILES {
            return Err(PackageError::TooManyFiles);
        }
        if !is_package_path(path) {
            return Err(PackageError::Path(shown(path)));
        }
        if before.is_some_and(|before| before >= path) {
            return Err(PackageError::Damaged("its index is not in order"));
        }
        before = Some(path);
    }
    Ok(())
}

fn is_package_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_name = |name: &str| !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain);
    let is_known = [MANIFEST_PATH, COMPONENT_PATH, README_PATH, LICENSE_PATH].contains(&path);
    path.len() <= MAX_PATH_BYTES
        && (is_known || path.strip_prefix(ASSETS).is_some_and(|rest| rest.split('/').all(is_name)))
}

/// A path for a message: short, and without characters that command a terminal.
fn shown(path: &str) -> String {
    path.chars().filter(|c| !c.is_control()).take(MAX_PATH_BYTES).collect()
}

/// What is pressed and signed.
fn flatten(files: &Files) -> Result<Vec<u8>, PackageError> {
    let mut total = files.values().try_fold(0_usize, |sum, bytes| sum.checked_add(bytes.len()));
    total = total.filter(|&total| total <= MAX_UNPACKED_BYTES - MAX_INDEX_BYTES - U32_BYTES);
    let total = total.ok_or(PackageError::UnpackedTooLarge)?;
    let entry = |(path, bytes): (&String, &Vec<u8>)| Entry {
        path: path.clone(),
        bytes: bytes.len() as u64,
        sha256: crate::sha256_hex(bytes),
    };
    let index = to_index(&files.iter().map(entry).collect::<Vec<_>>())?;
    let length = u32::try_from(index.len()).map_err(|_| PackageError::TooManyFiles)?;
    let mut plain = Vec::with_capacity(U32_BYTES + index.len() + total);
    plain.extend_from_slice(&length.to_le_bytes());
    plain.extend_from_slice(&index);
    files.values().for_each(|bytes| plain.extend_from_slice(bytes));
    Ok(plain)
}

/// The index in its one form.
fn to_index(entries: &[Entry]) -> Result<Vec<u8>, PackageError> {
    serde_json::to_vec(entries).map_err(|_| PackageError::Damaged("its index is malformed"))
}

/// Reads a payload: its files, and the digest of all of it.
fn unpack(payload: &[u8]) -> Result<(Files, [u8; 32]), PackageError> {
    let mut inflating =
        Inflating { decoder: ZlibDecoder::new(payload), hash: Sha256::new(), left: most_unpacked(payload.len()) };
    let length = inflating.take(U32_BYTES)?;
    let length = length.try_into().map(u32::from_le_bytes).map_err(|_| ENDS)? as usize;
    if length > MAX_INDEX_BYTES {
        return Err(PackageError::TooManyFiles);
    }
    let index = inflating.take(length)?;
    let entries = read_index(&index)?;
    let mut files = Files::new();
    for entry in entries {
        let bytes = inflating.take(usize::try_from(entry.bytes).map_err(|_| PackageError::UnpackedTooLarge)?)?;
        if crate::sha256_hex(&bytes) != entry.sha256 {
            return Err(PackageError::Damaged("a file is not the one of its index"));
        }
        files.insert(entry.path, bytes);
    }
    Ok((files, inflating.end()?))
}

fn read_index(index: &[u8]) -> Result<Vec<Entry>, PackageError> {
    let malformed = PackageError::Damaged("its index is malformed");
    let entries: Vec<Entry> = serde_json::from_slice(index).map_err(|_| malformed.clone())?;
    check_paths(entries.iter().map(|entry| entry.path.as_str()))?;
    if to_index(&entries)? == index { Ok(entries) } else { Err(malformed) }
}

/// A payload that is being unpacked, within a bound.
struct Inflating<'a> {
    decoder: ZlibDecoder<&'a [u8]>,
    hash: Sha256,
    /// Bytes that may still come.
    left: usize,
}

impl Inflating<'_> {
    /// Exactly so many bytes. Memory grows with what comes, and not with what was announced.
    fn take(&mut self, bytes: usize) -> Result<Vec<u8>, PackageError> {
        self.left = self.left.checked_sub(bytes).ok_or(PackageError::UnpackedTooLarge)?;
        let mut taken = Vec::new();
        let read = (&mut self.decoder).take(bytes as u64).read_to_end(&mut taken).map_err(|_| UNPACKS_NOT)?;
        if read != bytes {
            return Err(ENDS);
        }
        self.hash.update(&taken);
        Ok(taken)
    }

    /// The digest, if nothing follows.
    fn end(mut self) -> Result<[u8; 32], PackageError> {
        // Reading on also checks the sum at the stream's end.
        let more = self.decoder.read(&mut [0]).map_err(|_| UNPACKS_NOT)?;
        if more > 0 || !self.decoder.into_inner().is_empty() {
            return Err(PackageError::Damaged("something follows its end"));
        }
        Ok(self.hash.finalize().into())
    }
}

const UNPACKS_NOT: PackageError = PackageError::Damaged("it cannot be unpacked");

#[cfg(test)]
mod tests;
