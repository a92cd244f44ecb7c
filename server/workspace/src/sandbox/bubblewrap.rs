//! Walls by bubblewrap: namespaces for users, mounts, processes, IPC and host name, and a root built from nothing.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use coditect_protocol::workspace::HOME_MOUNT;
use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;
use tokio::process::Command;

use super::NetworkPolicy;
use super::environment::USER;
use super::program::{SYSTEM, View};
use super::spawner::Spawner;
use crate::WorkspaceError;

/// Size of each temporary directory of the trial run, in bytes; it writes nothing.
const PROBE_TEMPORARY_BYTES: u64 = 1024 * 1024;
/// Longest trial run at start.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most of the trial's error output that is told, in characters.
const PROBE_REASON_CHARS: usize = 200;

/// User and group inside. Outside it stays the server's own user, which is why nothing but the person's directories is
/// writable.
const INSIDE_ID: &str = "1000";

/// What programs need of `/etc`; the rest of it is the machine's own business.
const ETC: [&str; 30] = [
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

/// A bubblewrap that works.
#[derive(Debug)]
pub(super) struct Bubblewrap {
    binary: PathBuf,
    features: Features,
}

/// What newer versions can do beyond the oldest that is supported.
#[derive(Debug, Clone, Copy)]
struct Features {
    /// No further user namespaces inside: a smaller surface of the kernel.
    disable_userns: bool,
    /// Temporary directories with a size limit.
    size: bool,
}

/// What in `/proc` is the machine's: whoever is its root outside may write there from within any namespace, since the kernel asks for the
/// user and not for a privilege.
const MACHINES_OWN: [&str; 8] = ["acpi", "bus", "driver", "fs", "irq", "scsi", "sys", "sysrq-trigger"];

impl Bubblewrap {
    /// Finds the binary and tries it, first with everything, then with what older versions know. The error says why
    /// not.
    pub(super) async fn detect(spawner: &Spawner) -> Result<Self, String> {
        let binary = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"]
            .iter()
            .map(Path::new)
            .find(|path| path.is_file())
            .ok_or("bubblewrap (bwrap) is not installed")?;
        let mut reason = String::new();
        let variants = [
            Features { disable_userns: true, size: true },
            Features { disable_userns: false, size: true },
            Features { disable_userns: false, size: false },
        ];
        for features in variants {
            let candidate = Self { binary: binary.to_owned(), features };
            match candidate.probe(spawner).await {
                Ok(()) => return Ok(candidate),
                Err(error) => reason = error,
            }
        }
        Err(reason)
    }

    async fn probe(&self, spawner: &Spawner) -> Result<(), String> {
        let mut args = Arguments::default();
        self.base(&mut args, NetworkPolicy::Open, PROBE_TEMPORARY_BYTES).map_err(|error| error.to_string())?;
        let mut command = Command::new(&self.binary);
        command.env_clear().args(args.texts).args(["--", "/usr/bin/env", "true"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let runtime = tokio::runtime::Handle::current();
        let child = spawner
            .run(move || {
                let _context = runtime.enter();
                command.spawn()
            })
            .await
            .ok_or("the thread that starts programs has ended")?
            .map_err(|error| format!("bubblewrap does not start: {error}"))?;
        let output = tokio::time::timeout(PROBE_TIMEOUT, child.wait_with_output())
            .await
            .map_err(|_| "bubblewrap's trial run did not end")?
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let reason = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "bubblewrap's trial run failed: {}",
            reason.trim().chars().take(PROBE_REASON_CHARS).collect::<String>()
        ))
    }

    /// The command for what `view` describes.
    ///
    /// Everything but the program and its own arguments goes through a file in memory: variables may be secret, and
    /// command lines can be read by everybody on the machine. Bubblewrap itself runs with an empty environment, since
    /// it is still outside: a variable such as `LD_PRELOAD` of the person's must not take effect there.
    pub(super) fn command(&self, view: &View<'_>) -> Result<Command, WorkspaceError> {
        let spec = view.spec;
        let mut args = Arguments::default();
        self.base(&mut args, spec.network, view.settings.temporary_bytes)?;
        let passwd = memory_file(
            "passwd",
            format!(
                "root:x:0:0::/root:/usr/sbin/nologin\n{USER}:x:{INSIDE_ID}:{INSIDE_ID}::{HOME_MOUNT}:{}\n",
                view.env["SHELL"]
            )
            .as_bytes(),
        )?;
        let group = memory_file("group", format!("root:x:0:\n{USER}:x:{INSIDE_ID}:\n").as_bytes())?;
        args.push("--ro-bind-data")?.push(passwd.as_raw_fd().to_string())?.push("/etc/passwd")?;
        args.push("--ro-bind-data")?.push(group.as_raw_fd().to_string())?.push("/etc/group")?;
        for path in view.shown() {
            args.push("--ro-bind")?.push_path(path)?.push_path(path)?;
        }
        for path in view.covered() {
            if path.is_dir() {
                args.push("--tmpfs")?.push_path(path)?.push("--remount-ro")?.push_path(path)?;
            } else {
                args.push("--ro-bind")?.push("/dev/null")?.push_path(path)?;
            }
        }
        let mount = spec.mount();
        args.push("--bind")?.push_path(&spec.files)?.push(&mount)?;
        args.push("--bind")?.push_path(&spec.home)?.push(HOME_MOUNT)?;
        // Last, since places for the mounts were made on it.
        args.push("--remount-ro")?.push("/")?;
        let start = if spec.start_in.is_root() { mount } else { format!("{mount}/{}", spec.start_in.as_str()) };
        args.push("--chdir")?.push(start)?;
        for (name, value) in view.env {
            args.push("--setenv")?.push(name)?.push(value)?;
        }
        let list = memory_file("arguments", &args.nul_separated())?;
        let mut command = Command::new(&self.binary);
        command.env_clear().current_dir("/");
        command.arg("--args").arg(list.as_raw_fd().to_string()).arg("--").arg(&spec.program).args(&spec.args);
        pass_on(&mut command, vec![list, passwd, group]);
        Ok(command)
    }

    /// What all sandboxes have in common.
    fn base(&self, args: &mut Arguments, network: NetworkPolicy, temporary_bytes: u64) -> Result<(), WorkspaceError> {
        // No --new-session: it would take the controlling terminal away, and job control with it. The terminal is the
        // person's own, never the server's, so that nothing can be typed into somebody else's.
        for flag in ["user", "pid", "ipc", "uts", "cgroup-try"] {
            args.push(format!("--unshare-{flag}"))?;
        }
        if self.features.disable_userns {
            args.push("--disable-userns")?;
        }
        if network == NetworkPolicy::Closed {
            args.push("--unshare-net")?;
        }
        args.push("--die-with-parent")?.push("--cap-drop")?.push("ALL")?;
        args.push("--uid")?.push(INSIDE_ID)?.push("--gid")?.push(INSIDE_ID)?.push("--hostname")?.push(USER)?;
        for path in SYSTEM {
            // Where the system has them merged, a link is a link inside too.
            match std::fs::read_link(path) {
                Ok(target) => args.push("--symlink")?.push_path(&target)?.push(path)?,
                Err(_) => args.push("--ro-bind-try")?.push(path)?.push(path)?,
            };
        }
        for name in ETC {
            let path = format!("/etc/{name}");
            args.push("--ro-bind-try")?.push(&path)?.push(&path)?;
        }
        args.push("--proc")?.push("/proc")?.push("--dev")?.push("/dev")?;
        for name in MACHINES_OWN {
            let path = format!("/proc/{name}");
            args.push("--ro-bind-try")?.push(&path)?.push(&path)?;
        }
        for place in ["/dev/shm", "/tmp"] {
            if self.features.size {
                args.push("--size")?.push(temporary_bytes.to_string())?;
            }
            args.push("--perms")?.push("1777")?.push("--tmpfs")?.push(place)?;
        }
        args.push("--remount-ro")?.push("/dev")?;
        Ok(())
    }
}

/// A list of arguments in which no text can end early and start another.
#[derive(Default)]
struct Arguments {
    texts: Vec<String>,
}

impl Arguments {
    fn push(&mut self, text: impl Into<String>) -> Result<&mut Self, WorkspaceError> {
        let text = text.into();
        if text.contains('\0') {
            return Err(WorkspaceError::SandboxInvalid("a NUL byte can be in no argument and no variable".to_owned()));
        }
        self.texts.push(text);
        Ok(self)
    }

    fn push_path(&mut self, path: &Path) -> Result<&mut Self, WorkspaceError> {
        match path.to_str() {
            Some(text) => self.push(text),
            None => Err(WorkspaceError::SandboxInvalid(format!("the path {} is not UTF-8", path.display()))),
        }
    }

    fn nul_separated(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for text in &self.texts {
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
        out
    }
}

/// A file that exists only in memory and is closed in every other program that the server starts.
fn memory_file(name: &str, content: &[u8]) -> Result<OwnedFd, WorkspaceError> {
    let failed = |error: std::io::Error| WorkspaceError::SandboxFailed(format!("no file in memory: {error}"));
    let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    let mut file = File::from(fd);
    file.write_all(content).map_err(failed)?;
    file.rewind().map_err(failed)?;
    Ok(file.into())
}

/// Keeps `files` open in this one child under their own numbers.
#[expect(unsafe_code, reason = "only between fork and exec can a descriptor be kept open for one child without a race")]
fn pass_on(command: &mut Command, files: Vec<OwnedFd>) {
    // SAFETY: the closure makes one system call for each file, which is async-signal-safe; it neither allocates nor
    // locks.
    unsafe {
        command.pre_exec(move || {
            for file in &files {
                rustix::io::fcntl_setfd(file.as_fd(), FdFlags::empty())?;
            }
            Ok(())
        });
    }
}
