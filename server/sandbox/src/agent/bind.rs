//! The agent binds itself: limits, walls, no privileges. Everything it starts inherits them.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount_bind, mount_change, mount_remount};
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
/// Watchers of files: the system's are one pool for all people and the server.
const WATCHERS: [(&str, u32); 2] = [("max_inotify_instances", 32), ("max_inotify_watches", 65_536)];
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
        WallsSetup::Namespaces { .. } | WallsSetup::Plain => Behind::Namespaces,
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
    for (name, most) in WATCHERS {
        let path = format!("/proc/sys/user/{name}");
        let now = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u32>().ok());
        // Where it cannot be written the machine's own limit holds.
        if now.is_some_and(|now| now > most) && std::fs::write(&path, most.to_string()).is_err() {
            note(bound, &format!("{name} has the machine's limit"));
        }
    }
    if network {
        bound.tun = net::inside::make_network().map_err(|error| format!("no network can be made ({error})"))?;
        if bound.tun.is_none() {
            note(
                bound,
                "programs have no network: /dev/net/tun is missing; load the module `tun`, and where the server runs in a \
                 container, give it that device",
            );
        }
    }
    cover().map_err(|error| format!("/proc cannot be made read-only ({error})"))
}

/// The agent has no log of its own; what it notes travels with its first answer.
fn note(bound: &mut Bound, text: &str) {
    bound.notes.push(text.to_owned());
}

/// Makes what is the machine's in `/proc` read-only. Whoever is the machine's root outside may write there from within
/// any namespace: the kernel asks for the user, not for a privilege.
#[expect(unsafe_code, reason = "leaving a mount namespace can pull descriptors from under other code of the process")]
fn cover() -> io::Result<()> {
    // SAFETY: the process has one thread and shares no table of descriptors; only its view of mounts becomes its own.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let read_only = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let name = entry.file_name();
        let is_process = name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        let path = entry.path();
        let Ok(facts) = path.symlink_metadata() else { continue };
        if is_process || facts.is_symlink() {
            continue;
        }
        if MASKED.iter().any(|masked| name == *masked) {
            mount_bind("/dev/null", &path)?;
        } else {
            mount_bind(&path, &path)?;
            mount_remount(&path, MountFlags::BIND | read_only, c"")?;
        }
    }
    let tun = Path::new("/dev/net/tun");
    if tun.exists() {
        mount_bind("/dev/null", tun)?;
    }
    Ok(())
}

/// Limits that the kernel keeps for each process. Without a user namespace the number of processes is one for all that
/// belongs to the server's user, and only the warden can keep it.
fn limit(limits: &LimitsSetup, own_user_namespace: bool) -> Result<(), String> {
    let mut all = vec![
        (Resource::Core, 0),
        (Resource::Data, limits.memory_bytes),
        (Resource::Nofile, u64::from(limits.open_files)),
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
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|error| format!("the limit {resource:?} cannot be set ({error})"))?;
    }
    let mut cpus = CpuSet::new();
    limits.cpus.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU).for_each(|cpu| cpus.set(*cpu));
    if cpus.count() > 0 {
        sched_setaffinity(None, &cpus).map_err(|error| format!("the processors cannot be chosen ({error})"))?;
    }
    Ok(())
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
