//! The agent binds itself: limits, walls, no privileges. Everything it starts inherits them.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change, mount_remount};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, CpuSet, UnshareFlags, capabilities,
    clear_ambient_capability_set, remove_capability_from_bounding_set, sched_setaffinity, set_capabilities,
    set_capabilities_secure_bits, set_no_new_privs,
};

use super::wire::{LimitsSetup, Setup, WallsSetup};
use super::{modes, packet};
use crate::net;
use crate::walls::landlock;
use crate::walls::seccomp::{self, Behind};

/// What the kernel keeps of a pid namespace's numbers for itself: they are given out once.
const RESERVED_PIDS: u32 = 300;
/// Most memory that a process may keep from being swapped, in bytes.
const LOCKED_BYTES: u64 = 8 * 1024 * 1024;
/// Most bytes of message queues.
const QUEUE_BYTES: u64 = 1024 * 1024;
/// Most signals that wait with something to tell, timers included: one pool for all that belongs to the server's user.
const PENDING_SIGNALS: u64 = 1024;
/// Most pseudo-terminals that programs open themselves: those of the machine are one pool for all.
const TERMINALS: u32 = 64;
/// A sandbox gets at most this part of what the server's user may watch: it is one pool for all people and the server.
const WATCHER_SHARE: u32 = 16;
/// The part of its own open files that the agent leaves to each program. The kernel counts descriptors on their way for
/// the whole user, and refuses who may have fewer open files: programs have to be refused long before agents are.
const OPEN_FILES_SHARE: u64 = 2;
/// Watchers of files: a sandbox's limit, the machine's for each user, and most of it that a sandbox gets.
const WATCHERS: [(&str, &str, u32); 2] =
    [("max_inotify_instances", "max_user_instances", 32), ("max_inotify_watches", "max_user_watches", 65_536)];
/// Memory of the kernel that no process shows as its own: semaphores (each set, all, each call, sets), queues and their
/// messages, segments. Below `/proc/sys`.
const IPC: [(&str, &str); 6] = [
    ("kernel/sem", "250 8000 32 128"),
    ("kernel/msgmni", "32"),
    ("kernel/msgmax", "8192"),
    ("kernel/msgmnb", "16384"),
    ("kernel/shmmni", "256"),
    ("fs/mqueue/queues_max", "32"),
];
/// The least, the usual and the most bytes that wait in each direction of a TCP connection: all of the machine's come
/// out of one pool. Below `/proc/sys`.
const TCP_BUFFERS: [(&str, &str); 2] =
    [("net/ipv4/tcp_rmem", "4096 131072 524288"), ("net/ipv4/tcp_wmem", "4096 16384 524288")];
/// How much programs stand back where processors are short: the server and the supervisor are at 0.
const NICE: i32 = 10;
/// The sooner chosen by the kernel when memory runs out; the server is at 0.
const OOM_SCORE: &str = "500";
/// Of `/proc`, what tells about the machine as a whole, or about its secrets.
const MASKED: [&str; 8] =
    ["kcore", "keys", "key-users", "kmsg", "timer_list", "sched_debug", "latency_stats", "kpagecount"];

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Bound {
    /// The way out of the network.
    pub(super) tun: Option<OwnedFd>,
    /// What did not work and leaves the sandbox weaker.
    pub(super) notes: Vec<String>,
    /// Whether what the kernel keeps for IPC has limits of the sandbox's own.
    limits_ipc: bool,
}

/// Binds this process for good; `guard` leads to the guard where there is one. An error means that it must not start
/// anything.
pub(super) fn bind(setup: &Setup, guard: Option<OwnedFd>) -> Result<Bound, String> {
    let mut bound = Bound::default();
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE) {
        bound.notes.push(format!("programs are not the first to end when the machine's memory runs out ({error})"));
    }
    if let WallsSetup::Namespaces { network } = &setup.walls {
        namespaces(&setup.limits, *network, &mut bound)?;
    }
    limit(&setup.limits, matches!(setup.walls, WallsSetup::Namespaces { .. }))?;
    if matches!(setup.walls, WallsSetup::Plain) {
        return Ok(bound);
    }
    set_no_new_privs(true).map_err(|error| format!("new privileges cannot be ruled out ({error})"))?;
    drop_capabilities()?;
    let behind = match &setup.walls {
        WallsSetup::Landlock(rules) => {
            landlock::restrict(rules)?;
            if let Some(guard) = guard {
                ask_guard(&guard).map_err(|error| format!("modes of files cannot be guarded ({error})"))?;
            }
            Behind::Landlock { network: rules.connect_ports.is_some() }
        }
        WallsSetup::Namespaces { .. } | WallsSetup::Plain => Behind::Namespaces { ipc: bound.limits_ipc },
    };
    // No program inside may trace the agent or reopen its files.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| format!("the agent is open ({error})"))?;
    let filters = seccomp::filters(behind).map_err(|error| format!("the filter of system calls is wrong ({error})"))?;
    for filter in &filters {
        seccompiler::apply_filter(filter)
            .map_err(|error| format!("the filter of system calls cannot be installed ({error})"))?;
    }
    Ok(bound)
}

/// Hands what Landlock does not decide to the guard.
fn ask_guard(guard: &OwnedFd) -> io::Result<()> {
    let listener = modes::listen()?;
    packet::send(guard, &packet::encode(&())?, &[listener.as_fd()])
}

/// What only somebody with rights over the namespaces can do.
fn namespaces(limits: &LimitsSetup, network: bool, bound: &mut Bound) -> Result<(), String> {
    if std::fs::write("/proc/sys/kernel/pid_max", (limits.processes + RESERVED_PIDS).to_string()).is_err() {
        note(bound, "the number of processes is kept by counting alone (the kernel is older than 6.14)");
    }
    let pages = limits.shared_memory_bytes / rustix::param::page_size() as u64;
    if let Err(error) = std::fs::write("/proc/sys/kernel/shmall", pages.to_string()) {
        note(bound, &format!("System V shared memory has the machine's limit ({error})"));
    }
    for (name, of_user, most) in WATCHERS {
        let all = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{of_user}"));
        let all: Option<u32> = all.ok().and_then(|text| text.trim().parse().ok());
        let share = all.map_or(most, |all| most.min(all / WATCHER_SHARE));
        if std::fs::write(format!("/proc/sys/user/{name}"), share.to_string()).is_err() {
            note(bound, &format!("{name} has the machine's limit"));
        }
    }
    bound.limits_ipc = IPC.iter().all(|(name, most)| lower(name, most).is_ok());
    if !bound.limits_ipc {
        note(bound, "semaphores and message queues are refused, since their number cannot be limited");
    }
    if !network {
        net::inside::make_namespace().map_err(|error| format!("no network namespace can be made ({error})"))?;
    } else {
        bound.tun = net::inside::make_network().map_err(|error| format!("no network can be made ({error})"))?;
        if bound.tun.is_none() {
            note(
                bound,
                "programs have no network: /dev/net/tun is missing; load the module `tun`, and where the server runs in a \
                 container, give it that device",
            );
        }
    }
    for (name, most) in TCP_BUFFERS {
        if let Err(error) = lower(name, most) {
            note(bound, &format!("{name} has the machine's limit ({error})"));
        }
    }
    cover().map_err(|error| format!("/proc cannot be made read-only ({error})"))?;
    if let Err(error) = own_terminals() {
        note(bound, &format!("programs can open as many terminals as the machine has ({error})"));
    }
    Ok(())
}

/// Sets a limit of the namespaces. A kernel without the setting has nothing that would need it.
fn lower(name: &str, most: &str) -> io::Result<()> {
    match std::fs::write(Path::new("/proc/sys").join(name), most) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written,
    }
}

/// The agent has no log of its own; what it notes travels with its first answer.
fn note(bound: &mut Bound, text: &str) {
    bound.notes.push(text.to_owned());
}

/// Makes `/proc` read-only. What is the machine's there may be written by whoever is its root outside, from within any
/// namespace: the kernel asks for the user, not for a privilege. And a process could undo what the agent set for it.
#[expect(unsafe_code, reason = "leaving a mount namespace can pull descriptors from under other code of the process")]
fn cover() -> io::Result<()> {
    // SAFETY: the process has one thread and shares no table of descriptors; only its view of mounts becomes its own.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    for name in MASKED {
        let path = Path::new("/proc").join(name);
        if path.exists() {
            mount_bind("/dev/null", &path)?;
        }
    }
    let read_only = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount_remount("/proc", MountFlags::BIND | read_only, c"")?;
    let tun = Path::new("/dev/net/tun");
    if tun.exists() {
        mount_bind("/dev/null", tun)?;
    }
    Ok(())
}

/// Terminals of the sandbox's own, with a limit, over those that have none.
fn own_terminals() -> io::Result<()> {
    let data = CString::new(format!("newinstance,ptmxmode=0666,mode=620,max={TERMINALS}"))?;
    Ok(mount("devpts", "/dev/pts", "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, data.as_c_str())?)
}

/// Limits that the kernel keeps for each process, of the agent and so of all programs. Without a user namespace the
/// number of processes is one for all that belongs to the server's user, and only the warden can keep it.
fn limit(limits: &LimitsSetup, own_user_namespace: bool) -> Result<(), String> {
    let mut all = vec![
        (Resource::Core, 0),
        (Resource::Data, limits.memory_bytes),
        (Resource::Sigpending, PENDING_SIGNALS),
        (Resource::Memlock, LOCKED_BYTES),
        (Resource::Msgqueue, QUEUE_BYTES),
        (Resource::Rtprio, 0),
    ];
    all.extend(limits.file_bytes.map(|bytes| (Resource::Fsize, bytes)));
    if own_user_namespace {
        all.push((Resource::Nproc, u64::from(limits.processes)));
    }
    for (resource, most) in all {
        // What the server may not exceed itself stays as it is.
        let most = rustix::process::getrlimit(resource).maximum.map_or(most, |own| own.min(most));
        set_limit(resource, most).map_err(|error| format!("the limit {resource:?} cannot be set ({error})"))?;
    }
    let mut cpus = CpuSet::new();
    limits.cpus.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU).for_each(|cpu| cpus.set(*cpu));
    if cpus.count() > 0 {
        sched_setaffinity(None, &cpus).map_err(|error| format!("the processors cannot be chosen ({error})"))?;
    }
    Ok(())
}

fn set_limit(resource: Resource, most: u64) -> rustix::io::Result<()> {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
}

/// Limits of programs, and their priority, to which the agent itself is not held; for between fork and exec.
pub(super) fn hold_program(limits: &LimitsSetup) -> rustix::io::Result<()> {
    let most = u64::from(limits.open_files);
    let own = rustix::process::getrlimit(Resource::Nofile).maximum;
    set_limit(Resource::Nofile, own.map_or(most, |own| most.min(own / OPEN_FILES_SHARE)))?;
    // Where the server itself stands back further, so do they.
    let nice = rustix::process::getpriority_process(None)?.max(NICE);
    rustix::process::setpriority_process(None, nice)
}

/// Gives up every privilege, and every way to get one back.
fn drop_capabilities() -> Result<(), String> {
    let failed = |error: rustix::io::Errno| format!("the privileges cannot be dropped ({error})");
    let may = capabilities(None).map_err(failed)?.permitted.contains(CapabilitySet::SETPCAP);
    // Without that right there is nothing to drop: "no new privileges" keeps it so.
    if may {
        let locked = CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
        set_capabilities_secure_bits(locked).map_err(failed)?;
        for number in 0..u64::BITS {
            match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
                Ok(()) => {}
                // The first number that the kernel does not know.
                Err(rustix::io::Errno::INVAL) => break,
                Err(error) => return Err(failed(error)),
            }
        }
    }
    clear_ambient_capability_set().map_err(failed)?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none }).map_err(failed)
}
