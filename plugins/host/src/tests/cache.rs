//! Translations that are kept, and those that were tampered with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::guest::{anybody, call, settings, text, tool, tool_manifest};
use crate::{Compiled, CompiledCache, Host, HostError, HostSettings, Seal};

const KEY: [u8; 32] = [7; 32];
const PLENTY: u64 = 1 << 30;

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn echo() -> Vec<u8> {
    tool("(call $text (local.get $at) (local.get $len))")
}

/// Whoever translates need not know how large an operator lets plugins become.
#[tokio::test]
async fn a_translation_depends_on_no_limit() {
    let others = HostSettings {
        stack_bytes: 64 << 10,
        memory_max_mib: 512,
        memories: 8,
        tables: 256,
        table_elements: 1_000_000,
        core_instances: 256,
        calls_at_once: 1000,
        ..settings()
    };
    let (host, other) = (Host::new(settings()).unwrap(), Host::new(others).unwrap());
    assert_eq!(host.fingerprint(), other.fingerprint());
    let plugin = other.load(tool_manifest(), &host.compile(&echo()).unwrap()).unwrap();
    assert_eq!(text(&call(&plugin, "hello", anybody()).await), "hello");
}

#[tokio::test]
async fn a_translation_is_kept_for_other_processes() {
    let directory = tempfile::tempdir().unwrap();
    let (host, other) = (Host::new(settings()).unwrap(), Host::new(settings()).unwrap());
    assert_eq!(host.fingerprint(), other.fingerprint());
    let cache = CompiledCache::open(directory.path().join("a/b"), &KEY, PLENTY).unwrap();
    assert!(cache.get(&host, "sha").is_none());
    cache.put("sha", &host.compile(&echo()).unwrap()).unwrap();
    let kept = files(&directory.path().join("a/b"));
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
    let plugin = other.load(tool_manifest(), &cache.get(&other, "sha").unwrap()).unwrap();
    assert_eq!(text(&call(&plugin, "hello", anybody()).await), "hello");
}

#[test]
fn what_was_tampered_with_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host::new(settings()).unwrap();
    let compiled = host.compile(&echo()).unwrap();
    let cache = CompiledCache::open(directory.path(), &KEY, PLENTY).unwrap();
    let put = || {
        cache.put("sha", &compiled).unwrap();
        files(directory.path()).pop().unwrap()
    };
    let whole = fs::read(put()).unwrap();
    for place in [0, 8, 39, 40, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        fs::write(put(), bytes).unwrap();
        assert!(cache.get(&host, "sha").is_none(), "byte {place}");
        assert!(files(directory.path()).is_empty(), "it is made anew");
    }
    for short in [0, 7, 8, 39, 40, whole.len() - 1] {
        fs::write(put(), &whole[..short]).unwrap();
        assert!(cache.get(&host, "sha").is_none(), "{short} bytes");
    }
    // Another component's in its place.
    let path = put();
    cache.put("other", &compiled).unwrap();
    let other = files(directory.path()).into_iter().find(|file| *file != path).unwrap();
    fs::rename(other, path).unwrap();
    assert!(cache.get(&host, "sha").is_none());
    // Written by somebody without the key.
    let foreign = CompiledCache::open(directory.path(), &[8; 32], PLENTY).unwrap();
    foreign.put("sha", &compiled).unwrap();
    assert!(cache.get(&host, "sha").is_none());
}

#[test]
fn a_translation_for_another_host_is_refused() {
    let host = Host::new(settings()).unwrap();
    let other = Host::new(HostSettings { stack_bytes: 256 << 10, ..settings() }).unwrap();
    let compiled = host.compile(&echo()).unwrap();
    let seal = Seal::new(&KEY);
    let sealed = seal.close("sha", &compiled);
    assert!(seal.open(&host, "sha", sealed.clone()).is_some_and(|opened| opened.bytes() == compiled.bytes()));
    assert!(seal.open(&host, "other", sealed.clone()).is_none());
    let foreign = Compiled::new("of another host".into(), compiled.bytes().to_vec());
    assert!(seal.open(&host, "sha", seal.close("sha", &foreign)).is_none());
    assert_eq!(host.load(tool_manifest(), &foreign).unwrap_err(), HostError::OtherHost);
    // The stack is no part of the machine code: those settings share translations.
    assert!(other.load(tool_manifest(), &compiled).is_ok() == (other.fingerprint() == host.fingerprint()));
}

#[test]
fn what_was_used_longest_ago_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host::new(settings()).unwrap();
    let compiled = host.compile(&echo()).unwrap();
    let size = Seal::new(&KEY).close("", &compiled).len() as u64;
    let cache = CompiledCache::open(directory.path(), &KEY, size * 2 + size / 2).unwrap();
    let age = |path: &Path, hours: u64| {
        let then = SystemTime::now() - Duration::from_secs(3600 * hours);
        fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    };
    cache.put("old", &compiled).unwrap();
    age(&files(directory.path())[0], 3);
    cache.put("used", &compiled).unwrap();
    files(directory.path()).iter().for_each(|file| age(file, 2));
    assert!(cache.get(&host, "old").is_some(), "which makes it young again");
    let draft = directory.path().join("left.draft");
    fs::write(&draft, "by a process that died").unwrap();
    age(&draft, 2);
    cache.put("new", &compiled).unwrap();
    assert!(cache.get(&host, "old").is_some() && cache.get(&host, "new").is_some());
    assert!(cache.get(&host, "used").is_none());
    assert!(!draft.exists());
    // What is larger than all there may be is not kept, and pushes nothing out.
    let small = CompiledCache::open(directory.path(), &KEY, 10).unwrap();
    small.put("large", &compiled).unwrap();
    assert!(cache.get(&host, "new").is_some() && cache.get(&host, "large").is_none());
}

#[test]
fn a_directory_of_others_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(CompiledCache::open(directory.path(), &KEY, PLENTY), Err(HostError::Cache { .. })));
}
