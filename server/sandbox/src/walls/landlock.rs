//! Walls by Landlock, for machines without user namespaces: the agent restricts itself before it starts anything.
//!
//! Paths inside are those outside. Landlock decides about opening, making, renaming and removing files, about TCP
//! ports, signals and tracing; what it does not see the filter of system calls refuses ([`super::seccomp`]).
//!
//! What stays weaker than behind namespaces: whether a file exists can be asked of any path; the temporary folder has
//! no size of its own; and a program may speak UDP, and TCP to the allowed ports, with every host, the server's own
//! included.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, Scope,
};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use tokio::process::Command;

use super::files::{Helper, pass_on};
use super::shown::{ETC, SYSTEM, without};
use crate::agent::wire::LandlockSetup;
use crate::net::NetworkMode;
use crate::{Place, SandboxError, SandboxSettings};

/// First version that keeps signals in; older ones would let programs end the server.
const OLDEST: ABI = ABI::V6;

/// Devices that are the same for everybody. No terminal is among them but one's own, which is `/dev/tty`.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// What programs look up about the machine. Nothing here tells of a process.
const FACTS: [&str; 19] = [
    "/etc/passwd",
    "/etc/group",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/version",
    "/proc/sys/fs/pipe-max-size",
    "/proc/sys/kernel/cap_last_cap",
    "/proc/sys/kernel/ngroups_max",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/kernel/random",
    "/proc/sys/kernel/threads-max",
    "/proc/sys/net/core/somaxconn",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
];

fn failed(error: impl std::fmt::Display) -> String {
    format!("Landlock cannot be used, which takes Linux 6.12 or newer ({error})")
}

/// Signals of this process reach nobody but itself and what it started since [`keep_signals`].
#[derive(Debug)]
pub(crate) struct SignalsKept(());

/// Keeps the signals of this process, and of everything that it starts from now on, to them; `outside` is somebody who
/// is not among them, to try it on. Nothing else is restricted.
pub(crate) fn keep_signals(outside: Pid) -> Result<SignalsKept, String> {
    // A set of rules that does not name this right takes it away; so it is named, and given everywhere.
    let root = PathFd::new("/").map_err(failed)?;
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::Refer)
        .and_then(|set| set.scope(Scope::Signal))
        .and_then(Ruleset::create)
        .and_then(|set| set.add_rule(PathBeneath::new(root, AccessFs::Refer)))
        // Whoever signals all is refused most of them: that is no news for the machine's audit, where it can be left out.
        .and_then(|set| set.set_compatibility(CompatLevel::BestEffort).log_same_exec(false))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(failed)?;
    // Too much depends on it to believe it: whoever holds the value may signal everybody that can be reached.
    match rustix::process::test_kill_process(outside) {
        Err(Errno::PERM) => Ok(SignalsKept(())),
        outcome => Err(failed(format!("signals are not kept in: {outcome:?}"))),
    }
}

impl SignalsKept {
    /// Kills everything that this process started since, whatever became of it, but not itself. The kernel looks at all
    /// processes while none can be added, so that none gets away however fast it starts others.
    pub(crate) fn kill_all(&self) {
        // To all that may be signalled. An error means that there is nobody.
        let _none = rustix::process::kill_process_group(Pid::INIT, Signal::KILL);
    }
}

/// Binds this process, and everything that it starts from now on.
pub(crate) fn restrict(rules: &LandlockSetup) -> Result<(), String> {
    let mut set = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(OLDEST))
        .and_then(|set| set.handle_access(AccessNet::from_all(OLDEST)))
        .and_then(|set| set.scope(Scope::from_all(OLDEST)))
        .and_then(Ruleset::create)
        .map_err(failed)?;
    let read = AccessFs::from_read(OLDEST);
    // A device can be made by nobody; a socket could be reached by nobody.
    let own = AccessFs::from_all(OLDEST)
        & !(AccessFs::MakeBlock | AccessFs::MakeChar | AccessFs::MakeSock | AccessFs::IoctlDev);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let granted = [(&rules.readable, read), (&rules.writable, own), (&rules.devices, device)];
    for (path, access) in granted.into_iter().flat_map(|(paths, access)| paths.iter().map(move |path| (path, access))) {
        set = set.add_rule(beneath(path, access)?).map_err(failed)?;
    }
    for port in rules.connect_ports.iter().flatten() {
        set = set.add_rule(NetPort::new(*port, AccessNet::ConnectTcp)).map_err(failed)?;
    }
    set.restrict_self().map(drop).map_err(failed)
}

/// What is no folder knows fewer rights.
fn beneath(path: &Path, access: BitFlags<AccessFs>) -> Result<PathBeneath<PathFd>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{} cannot be allowed ({error})", path.display());
    let file = PathFd::new(path).map_err(|error| failed(&error))?;
    let is_folder = path.metadata().map_err(|error| failed(&error))?.is_dir();
    Ok(PathBeneath::new(file, if is_folder { access } else { access & AccessFs::from_file(OLDEST) }))
}

/// Refuses what cannot be kept.
pub(super) fn check(settings: &SandboxSettings) -> Result<(), SandboxError> {
    if settings.network.mode == NetworkMode::Hosts {
        return Err(SandboxError::Invalid(
            "Landlock knows ports and no hosts, so that it cannot keep programs to a list of hosts; use bubblewrap, or allow \
             the network as a whole or not at all"
                .to_owned(),
        ));
    }
    Ok(())
}

/// What is weaker than it should be.
pub(super) fn warnings(settings: &SandboxSettings) -> Vec<String> {
    let mut warnings = vec![
        "Programs run behind Landlock, since user namespaces cannot be used: they see which paths of the machine exist, have \
         no /tmp, no /proc of their own, no local sockets, and cannot serve anything. Allow user namespaces and \
         install bubblewrap for full walls."
            .to_owned(),
    ];
    if settings.network.mode == NetworkMode::Open {
        warnings.push(format!(
            "Behind Landlock programs reach every host on the ports {:?}, this machine's own services and its private network \
             included, and any port by UDP.",
            settings.connect_ports
        ));
    }
    warnings
}

/// What the programs of `place` may do; `temporary` is their folder for temporary files.
pub(super) fn rules(
    settings: &SandboxSettings,
    place: &Place,
    temporary: &Path,
) -> Result<LandlockSetup, SandboxError> {
    let shown = SYSTEM.iter().map(PathBuf::from).chain(ETC.iter().map(|name| Path::new("/etc").join(name)));
    let shown = shown.chain(FACTS.iter().map(PathBuf::from)).chain(settings.read_only_paths.iter().cloned());
    let mut readable = Vec::new();
    for path in shown.filter_map(|path| path.canonicalize().ok()).chain(place.shown().iter().cloned()) {
        // A link says nothing here: what it leads to is allowed on its own or not at all.
        readable.extend(without(&path, &settings.hidden_paths)?.into_iter().filter(|path| !path.is_symlink()));
    }
    let mut writable = vec![place.home.clone(), temporary.to_owned()];
    let files = if place.read_only { &mut readable } else { &mut writable };
    files.push(place.files.clone());
    readable.sort_unstable();
    readable.dedup();
    let network = place.network(settings);
    let connect_ports = match network.mode {
        NetworkMode::None => None,
        NetworkMode::OneHost => Some(network.ports()),
        NetworkMode::Open | NetworkMode::Hosts => Some(settings.connect_ports.clone()),
    };
    let devices = DEVICES.iter().map(PathBuf::from).filter(|path| path.exists()).collect();
    Ok(LandlockSetup { readable, writable, devices, connect_ports })
}

/// Variables that make up for what is missing: a folder for temporary files, and watching by looking.
pub(super) fn env(temporary: &Path) -> Vec<(String, String)> {
    let folder = temporary.to_string_lossy();
    [
        ("TMPDIR", &*folder),
        ("TMP", &folder),
        ("TEMP", &folder),
        ("CHOKIDAR_USEPOLLING", "1"),
        ("WATCHPACK_POLLING", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// A sandbox's folder for temporary files; removed with this value, which blocks.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Temporary {
    pub(super) fn new(run_dir: &Path) -> Result<Self, SandboxError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let failed = |error: std::io::Error| {
            SandboxError::Failed(format!("a folder for temporary files cannot be made ({error})"))
        };
        let all = run_dir.canonicalize().map_err(failed)?.join("tmp");
        let own = all.join(uuid::Uuid::new_v4().to_string());
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&own).map_err(failed)?;
        Ok(Self(own))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "a folder for temporary files cannot be removed");
        }
    }
}

/// The command that becomes the guard and the agent.
pub(super) fn command(helper: &Helper, control: OwnedFd) -> Result<Command, SandboxError> {
    use std::os::fd::AsRawFd as _;
    let (program, path) = helper.for_child()?;
    let mut command = Command::new(path);
    command.env_clear().current_dir("/").arg0("coditect-sandbox").arg("agent").arg(control.as_raw_fd().to_string());
    pass_on(&mut command, vec![program, control]);
    Ok(command)
}
