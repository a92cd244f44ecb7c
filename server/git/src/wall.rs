//! The wall around a `git` that only looks: no other program starts behind it, whatever a repository names.
//!
//! Landlock binds the thread that asks for it, with all that it starts; so each such `git` is started by a thread of its own, which
//! ends right after. Shells are beyond the wall, and with them every command that has words of its own: what a repository could
//! name that is not beyond it is `git` and the loader, without arguments.
//!
//! Where the kernel has no Landlock there is no wall. Then what stands in [`crate::run`] and [`crate::filters`] keeps programs
//! from being started, but for a filter that somebody else names in the very moment between their look and git's.

use landlock::{
    AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus,
};
use rustix::fs::{Access, access};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Stack of the thread that starts a program, in bytes.
const STACK_BYTES: usize = 128 * 1024;
/// Longest path of a loader, in bytes.
const MAX_LOADER_BYTES: u64 = 4096;
/// Bytes of a header of an ELF file with words of 64 bits, and of an entry of its table of segments.
const HEADER_BYTES: usize = 64;
const SEGMENT_BYTES: usize = 56;
/// The segment that names the loader.
const INTERPRETER: u32 = 3;

/// The file that a program's name stands for.
pub(crate) fn find(program: &OsStr) -> std::io::Result<PathBuf> {
    let is_program = |file: &PathBuf| file.is_file() && access(file, Access::EXEC_OK).is_ok();
    let not_found = || Error::from(ErrorKind::NotFound);
    if program.as_encoded_bytes().contains(&b'/') {
        return Some(PathBuf::from(program)).filter(is_program).ok_or_else(not_found);
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(is_program).ok_or_else(not_found)
}

/// Starts `command`, which runs `program`, behind the wall.
pub(crate) async fn spawn(mut command: Command, program: PathBuf) -> std::io::Result<Child> {
    let runtime = Handle::current();
    let (started, child) = oneshot::channel();
    let start = move || {
        let _inside = runtime.enter();
        // Where nobody waits any more it is dropped, which ends it.
        let _ = started.send(restrict(&program).and_then(|_| command.spawn()));
    };
    std::thread::Builder::new().name("wall".to_owned()).stack_size(STACK_BYTES).spawn(start)?;
    child.await.map_err(|_| Error::other("the thread that starts git ended"))?
}

/// Binds this thread to starting `program` and nothing else; whether the kernel does so.
fn restrict(program: &Path) -> std::io::Result<bool> {
    // A script is run by a program that could run others as well.
    let Some(loader) = loader(program)? else { return Ok(false) };
    let set = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::Execute)
        .and_then(Ruleset::create)
        .map_err(Error::other)?;
    let set = [Some(program.to_owned()), loader].into_iter().flatten().try_fold(set, |set, file| {
        let file = PathFd::new(file).map_err(Error::other)?;
        set.add_rule(PathBeneath::new(file, AccessFs::Execute)).map_err(Error::other)
    })?;
    let status = set.restrict_self().map_err(Error::other)?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// The loader that an ELF file names, where it names one; nothing for what is no ELF file of this machine's kind.
fn loader(program: &Path) -> std::io::Result<Option<Option<PathBuf>>> {
    let mut file = File::open(program)?;
    let mut header = [0; HEADER_BYTES];
    // 64 bits, the lowest byte first.
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"\x7fELF\x02\x01") {
        return Ok(None);
    }
    let (table, size, count) = (long(&header, 0x20), short(&header, 0x36), short(&header, 0x38));
    if usize::from(size) != SEGMENT_BYTES {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(table))?;
    let mut segments = vec![0; SEGMENT_BYTES * usize::from(count)];
    file.read_exact(&mut segments)?;
    let Some(segment) = segments.chunks_exact(SEGMENT_BYTES).find(|segment| word(segment, 0) == INTERPRETER) else {
        return Ok(Some(None));
    };
    file.seek(SeekFrom::Start(long(segment, 0x08)))?;
    let mut name = Vec::new();
    file.take(long(segment, 0x20).min(MAX_LOADER_BYTES)).read_to_end(&mut name)?;
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    Ok(Some(Some(std::ffi::OsString::from_vec(name).into())))
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    from.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn short(from: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes(from, at))
}

fn word(from: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes(from, at))
}

fn long(from: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes(from, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_is_found_where_there_is_one() {
        let own = std::env::current_exe().unwrap();
        if let Some(loader) = loader(&own).unwrap().expect("an ELF file") {
            assert!(loader.is_absolute() && loader.exists(), "{loader:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        for other in
            [&b"#!/bin/sh\n"[..], b"", b"\x7fELF\x01\x01 and more than a header has, with nothing that is one ......."]
        {
            std::fs::write(&file, other).unwrap();
            assert_eq!(loader(&file).unwrap(), None);
        }
        let whole = std::fs::read(&own).unwrap();
        for end in [HEADER_BYTES, HEADER_BYTES + 10] {
            std::fs::write(&file, &whole[..end]).unwrap();
            assert!(loader(&file).is_err());
        }
    }

    #[tokio::test]
    async fn nothing_but_the_program_starts() {
        let git = find(OsStr::new("git")).unwrap();
        let probed = git.clone();
        let is_walled = std::thread::spawn(move || restrict(&probed).unwrap()).join().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let spy = folder.path().join("spy");
        // By another program: what is open for writing here, processes inherit for a moment that other tests start.
        let touch = find(OsStr::new("touch")).unwrap();
        assert!(Command::new("cp").args([&touch, &spy]).status().await.unwrap().success());
        for (name, aliased) in [("spelt", "!touch ran".to_owned()), ("direct", format!("!{}", spy.display()))] {
            let mut command = Command::new(&git);
            command.args(["-c", &format!("alias.{name}={aliased}"), name, "ran"]).current_dir(folder.path());
            let mut child = spawn(command, git.clone()).await.unwrap();
            assert!(!is_walled || !child.wait().await.unwrap().success(), "{name}");
            assert!(!is_walled || !folder.path().join("ran").exists(), "{name}");
        }
        // `git` itself works, and this process is as free as before.
        let mut command = Command::new(&git);
        command.args(["init", "--quiet"]).current_dir(folder.path());
        assert!(spawn(command, git).await.unwrap().wait().await.unwrap().success());
        assert!(Command::new("true").status().await.unwrap().success());
        let missing = find(OsStr::new("no-such-program")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
