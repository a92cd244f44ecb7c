//! Walls by bubblewrap: namespaces for users, mounts, processes, IPC, network and host name, and a root built from
//! nothing.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use coditect_protocol::workspace::{HOME_MOUNT, WORKSPACE_MOUNT};
use tokio::process::Command;

use super::files::{Helper, memory_file, pass_on};
use super::shown::{ETC, SYSTEM, without};
use crate::environment::{USER, default_shell};
use crate::net::NetworkMode;
use crate::net::inside::RESOLV_CONF;
use crate::{Place, SandboxError, SandboxSettings};

/// Where its packages put it.
const BINARIES: [&str; 3] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];

/// User and group inside. Outside it stays the server's own user, which is why nothing but the person's directories is
/// writable.
const INSIDE_ID: &str = "1000";

/// What the agent needs until it is bound: a network and mounts of its own, limits of its namespaces, and to give all
/// of it up. Over nothing but the sandbox's own namespaces.
const AGENT_CAPABILITIES: [&str; 4] = ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_RESOURCE", "CAP_SETPCAP"];

/// A bubblewrap as it can be used here.
#[derive(Debug, Clone)]
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

impl Bubblewrap {
    /// What to try: first everything, then what older versions know.
    pub(super) fn candidates() -> Result<Vec<Self>, String> {
        let binary =
            BINARIES.iter().map(Path::new).find(|path| path.is_file()).ok_or("bubblewrap (bwrap) is not installed")?;
        let variants = [
            Features { disable_userns: true, size: true },
            Features { disable_userns: false, size: true },
            Features { disable_userns: false, size: false },
        ];
        Ok(variants.map(|features| Self { binary: binary.to_owned(), features }).into())
    }

    /// What is weaker than it should be.
    pub(super) fn warning(&self) -> Option<String> {
        (!self.features.size).then(|| {
            "This version of bubblewrap knows no limit for temporary files, which take memory; install 0.7 or newer."
                .to_owned()
        })
    }

    /// The command that becomes the agent in the sandbox of `place`.
    ///
    /// What is bound goes through a file in memory: command lines can be read by everybody on the machine. Bubblewrap
    /// itself runs with an empty environment, since it is still outside.
    pub(super) fn command(
        &self,
        settings: &SandboxSettings,
        place: &Place,
        helper: &Helper,
        control: OwnedFd,
    ) -> Result<Command, SandboxError> {
        let mut args = Arguments::default();
        let mut files = Vec::new();
        let network = place.network(settings).mode != NetworkMode::None;
        self.namespaces(&mut args, network)?;
        Self::system(&mut args, settings, network)?;
        self.own(&mut args, settings)?;
        // After the temporary folders: what is shown may lie in one of the machine's.
        for path in settings.read_only_paths.iter().chain(place.shown()) {
            Self::show(&mut args, settings, path)?;
        }
        for (name, content) in [("passwd", passwd()), ("group", format!("root:x:0:\n{USER}:x:{INSIDE_ID}:\n"))] {
            let file = memory_file(name, content.as_bytes())?;
            args.push("--ro-bind-data")?.push(file.as_raw_fd().to_string())?.push(format!("/etc/{name}"))?;
            files.push(file);
        }
        if network {
            let file = memory_file("resolv.conf", RESOLV_CONF.as_bytes())?;
            args.push("--ro-bind-data")?.push(file.as_raw_fd().to_string())?.push("/etc/resolv.conf")?;
            files.push(file);
            // Covered by the agent as soon as it has its own.
            args.push("--dev-bind-try")?.push("/dev/net/tun")?.push("/dev/net/tun")?;
        }
        let mount = workspace_folder(place);
        args.push(if place.read_only { "--ro-bind" } else { "--bind" })?.push_path(&place.files)?.push(&mount)?;
        args.push("--bind")?.push_path(&place.home)?.push(HOME_MOUNT)?;
        // Last, since places for the mounts were made on them.
        for place in ["/dev", "/"] {
            args.push("--remount-ro")?.push(place)?;
        }
        args.push("--chdir")?.push("/")?;
        let list = memory_file("arguments", &args.nul_separated())?;
        let (helper, program) = helper.for_child()?;
        let mut command = Command::new(&self.binary);
        command.env_clear().current_dir("/");
        command.arg("--args").arg(list.as_raw_fd().to_string()).arg("--");
        command.arg(program).arg("agent").arg(control.as_raw_fd().to_string());
        files.extend([list, helper, control]);
        pass_on(&mut command, files);
        Ok(command)
    }

    fn namespaces(&self, args: &mut Arguments, network: bool) -> Result<(), SandboxError> {
        for flag in ["user", "pid", "ipc", "uts", "cgroup-try"] {
            args.push(format!("--unshare-{flag}"))?;
        }
        if !network {
            // With a network the agent makes its own: one made here would belong to a namespace around the agent's.
            args.push("--unshare-net")?;
        }
        if self.features.disable_userns {
            args.push("--disable-userns")?;
        }
        args.push("--die-with-parent")?.push("--as-pid-1")?.push("--cap-drop")?.push("ALL")?;
        for capability in AGENT_CAPABILITIES {
            args.push("--cap-add")?.push(capability)?;
        }
        args.push("--uid")?.push(INSIDE_ID)?.push("--gid")?.push(INSIDE_ID)?.push("--hostname")?.push(USER)?;
        Ok(())
    }

    /// What is the machine's, to read.
    fn system(args: &mut Arguments, settings: &SandboxSettings, network: bool) -> Result<(), SandboxError> {
        for path in SYSTEM.map(Path::new) {
            // Where the system has them merged, a link is a link inside too.
            match std::fs::read_link(path) {
                Ok(target) => drop(args.push("--symlink")?.push_path(&target)?.push_path(path)?),
                Err(_) => Self::show(args, settings, path)?,
            }
        }
        for name in ETC.iter().filter(|name| !(network && **name == "resolv.conf")) {
            Self::show(args, settings, &Path::new("/etc").join(name))?;
        }
        Ok(())
    }

    /// Something to read, without what is hidden in it.
    fn show(args: &mut Arguments, settings: &SandboxSettings, path: &Path) -> Result<(), SandboxError> {
        for part in without(path, &settings.hidden_paths)? {
            match std::fs::read_link(&part) {
                // What is shown itself may be behind a link; what is found in it is what it is.
                Ok(target) if part != path => args.push("--symlink")?.push_path(&target)?.push_path(&part)?,
                _ => args.push("--ro-bind-try")?.push_path(&part)?.push_path(&part)?,
            };
        }
        Ok(())
    }

    /// What is the sandbox's own.
    fn own(&self, args: &mut Arguments, settings: &SandboxSettings) -> Result<(), SandboxError> {
        args.push("--proc")?.push("/proc")?.push("--dev")?.push("/dev")?;
        for place in ["/dev/shm", "/tmp"] {
            if self.features.size {
                args.push("--size")?.push(settings.limits.temporary_bytes.to_string())?;
            }
            args.push("--perms")?.push("1777")?.push("--tmpfs")?.push(place)?;
        }
        Ok(())
    }
}

/// Where the workspace's folder is inside.
pub(super) fn workspace_folder(place: &Place) -> String {
    format!("{WORKSPACE_MOUNT}/{}", place.folder)
}

fn passwd() -> String {
    format!("root:x:0:0::/root:/usr/sbin/nologin\n{USER}:x:{INSIDE_ID}:{INSIDE_ID}::{HOME_MOUNT}:{}\n", default_shell())
}

/// A list of arguments in which no text can end early and start another.
#[derive(Default)]
struct Arguments {
    texts: Vec<String>,
}

impl Arguments {
    fn push(&mut self, text: impl Into<String>) -> Result<&mut Self, SandboxError> {
        let text = text.into();
        if text.contains('\0') {
            return Err(SandboxError::Invalid("a NUL byte can be in no argument".to_owned()));
        }
        self.texts.push(text);
        Ok(self)
    }

    fn push_path(&mut self, path: &Path) -> Result<&mut Self, SandboxError> {
        match path.to_str() {
            Some(text) => self.push(text),
            None => Err(SandboxError::Invalid(format!("the path {} is not UTF-8", path.display()))),
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
