//! Files of others: by their names, by what `/proc` leads to, by links, by races.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::{Report, marker};

/// Bytes of each file that are looked at.
const LOOKED_AT_BYTES: u64 = 256 * 1024;
/// What comes from packages; nobody's secrets are there.
const SYSTEM: [&str; 6] = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/sys"];
/// Ways to the root of something else.
const DETOURS: [&str; 5] =
    ["/proc/1/root", "/proc/self/root", "/proc/1/cwd/../../../..", "/proc/thread-self/root", "/dev/fd/../root"];

/// Looks at everything that can be seen, but for the folders that are the person's own.
pub(crate) fn hunt(report: &mut Report, own: &[String]) {
    let own: Vec<&Path> = own.iter().map(Path::new).collect();
    let mut seen = HashSet::new();
    let mut waiting = vec![PathBuf::from("/")];
    while let Some(path) = waiting.pop() {
        if SYSTEM.iter().any(|system| path.starts_with(system)) || own.iter().any(|own| path.starts_with(own)) {
            continue;
        }
        let Ok(facts) = fs::symlink_metadata(&path) else { continue };
        let kind = facts.file_type();
        if kind.is_dir() {
            // `/proc` leads into itself by many ways.
            let below = fs::read_dir(&path).into_iter().flatten().flatten();
            if path.starts_with("/proc") || seen.insert((facts.dev(), facts.ino())) {
                waiting.extend(below.map(|entry| entry.path()).filter(|path| !is_endless(path)));
            }
        } else if kind.is_file() || kind.is_symlink() && path.starts_with("/proc") {
            look(report, &path);
        } else if kind.is_block_device() {
            report.attempt(format!("block device {}", path.display()), fs::File::open(&path));
        }
    }
    report.check("anything at all", false);
}

/// What waits for ever when it is read, and what only repeats its parent.
fn is_endless(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    matches!(name, "kmsg" | "task" | "trace_pipe" | "clear_refs")
}

fn look(report: &mut Report, path: &Path) {
    let own_program = fs::read_link(path).is_ok_and(|to| to.ends_with("intruder"));
    if !own_program && has_marker(path) {
        report.check(format!("a secret in {}", path.display()), true);
    }
}

fn has_marker(path: &Path) -> bool {
    // A terminal or a pipe would make us wait.
    if !fs::metadata(path).is_ok_and(|facts| facts.is_file()) {
        return false;
    }
    let mut bytes = Vec::new();
    let Ok(file) = fs::File::open(path) else { return false };
    let _partly = file.take(LOOKED_AT_BYTES).read_to_end(&mut bytes);
    let marker = marker();
    bytes.windows(marker.len()).any(|window| window == marker)
}

/// Tries to read, list, change and remove each of the paths, on every way to it.
pub(crate) fn read(report: &mut Report, paths: &[String]) {
    for way in ways(paths) {
        report.attempt(format!("read {}", way.display()), fs::read(&way));
        report.attempt(format!("list {}", way.display()), fs::read_dir(&way));
        report.attempt(format!("change {}", way.display()), fs::OpenOptions::new().append(true).open(&way));
        report.attempt(format!("remove {}", way.display()), fs::remove_file(&way));
    }
}

/// Tries to learn that they are there, and how large.
pub(crate) fn facts(report: &mut Report, paths: &[String]) {
    for way in ways(paths) {
        report.attempt(format!("facts of {}", way.display()), fs::metadata(&way));
    }
}

fn ways(paths: &[String]) -> Vec<PathBuf> {
    let mut ways: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    for path in paths {
        ways.extend(DETOURS.iter().map(|detour| PathBuf::from(format!("{detour}{path}"))));
        ways.push(PathBuf::from(format!("../../../../../../../../..{path}")));
    }
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = process.file_name();
        if name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            for path in paths {
                ways.push(PathBuf::from(format!("/proc/{}/root{path}", name.display())));
                ways.push(PathBuf::from(format!("/proc/{}/cwd/../../../..{path}", name.display())));
            }
        }
    }
    ways
}

/// Tries to get at each path by links, renames and mounts.
pub(crate) fn links(report: &mut Report, paths: &[String]) {
    for path in paths {
        report.attempt(format!("hard link to {path}"), fs::hard_link(path, "own-hard-link"));
        let _before = fs::remove_file("own-link");
        let through = symlink(path, "own-link").and_then(|()| fs::read("own-link"));
        report.attempt(format!("symbolic link to {path}"), through);
        report.attempt(format!("rename of {path}"), fs::rename(path, "own-rename"));
        let _source = fs::write("own-source", b"x");
        report.attempt(format!("rename onto {path}"), fs::rename("own-source", path));
        let mount = nix::mount::mount(
            Some(path.as_str()),
            "own-mount",
            None::<&str>,
            nix::mount::MsFlags::MS_BIND,
            None::<&str>,
        );
        report.attempt(format!("bind mount of {path}"), mount);
        for left in ["own-link", "own-hard-link", "own-rename", "own-source"] {
            let _cleared = fs::remove_file(left);
        }
    }
}

/// Swaps a folder with a link to `target` as fast as it can, until its standard input ends: whoever reads
/// `swapped/secret` from outside, with more rights, must never follow.
pub(crate) fn race(given: &[String]) -> ExitCode {
    let [target] = given else { return ExitCode::from(2) };
    let swap = || -> io::Result<()> {
        fs::create_dir_all("kept")?;
        fs::write("kept/secret", b"own")?;
        let _older = fs::remove_file("link").or_else(|_| fs::remove_dir_all("swapped"));
        symlink(target, "link")?;
        fs::rename("kept", "swapped")
    };
    if let Err(error) = swap() {
        eprintln!("intruder: race: {error}");
        return ExitCode::FAILURE;
    }
    println!("swapping");
    let _shown = io::stdout().flush();
    let ended = std::thread::spawn(|| io::stdin().read_line(&mut String::new()));
    while !ended.is_finished() {
        let here = rustix::fs::CWD;
        let exchange = rustix::fs::RenameFlags::EXCHANGE;
        if let Err(error) = rustix::fs::renameat_with(here, "swapped", here, "link", exchange) {
            eprintln!("intruder: race: {error}");
            return ExitCode::FAILURE;
        }
    }
    println!("swapped");
    ExitCode::SUCCESS
}
