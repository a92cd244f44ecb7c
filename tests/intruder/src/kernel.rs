//! The machine itself: its devices, settings, clocks, namespaces, priorities.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, setns, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Pid, Uid, chroot, sethostname, setuid};
use rustix::fs::MemfdFlags;
use rustix::ioctl::{self, Opcode, opcode};

use crate::Report;

/// The devices that programs need.
const DEVICES: [&str; 15] = [
    "null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "stdin", "stdout", "stderr",
    "console", "core",
];
const SETTINGS: [&str; 8] = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/hostname",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/kernel/pid_max",
    "/proc/self/oom_score_adj",
    "/proc/sysrq-trigger",
    "/sys/kernel/uevent_helper",
];
const SECRETS: [&str; 6] =
    ["/proc/kcore", "/proc/kallsyms", "/dev/mem", "/dev/kmsg", "/sys/kernel/security/apparmor/profiles", "/etc/shadow"];

/// Room that is asked for on the disk.
const ROOM_BYTES: u64 = 1024 * 1024;

pub(crate) fn attack(report: &mut Report) {
    for setting in SETTINGS {
        report.attempt(format!("change of {setting}"), fs::OpenOptions::new().write(true).open(setting));
    }
    for secret in SECRETS {
        let outcome = fs::read(secret)
            .and_then(|bytes| if is_empty(&bytes) { Err(io::ErrorKind::NotFound.into()) } else { Ok(bytes) });
        report.attempt(format!("read of {secret}"), outcome);
    }
    for device in fs::read_dir("/dev").into_iter().flatten().flatten() {
        let name = device.file_name();
        let known = DEVICES.iter().any(|known| name == *known);
        if !known && !device.path().is_dir() {
            report.attempt(format!("device {}", name.display()), fs::File::open(device.path()));
        }
    }
    tunnel(report);
    namespaces(report);
    rights(report);
}

/// A device that makes network cards answers who asks what it can do; its place may be taken by one that answers
/// nothing.
fn tunnel(report: &mut Report) {
    let asked = fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun").and_then(|device| {
        let kind = device.metadata()?.rdev();
        let (major, minor) = (rustix::fs::major(kind), rustix::fs::minor(kind));
        if (major, minor) == (10, 200) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    });
    report.attempt("the device that makes network cards", asked);
}

/// Room that is taken without writing anything.
fn room_on_the_disk(report: &mut Report) {
    const RESERVE: Opcode = opcode::write::<Room>(b'X', 40);
    const RESERVE_64: Opcode = opcode::write::<Room>(b'X', 42);
    const ZERO: Opcode = opcode::write::<Room>(b'X', 57);
    report.attempt(
        "room on the disk that no limit counts",
        with_file(|file| Ok(rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, ROOM_BYTES)?)),
    );
    report.attempt("the same by another name", with_file(ask_for_room::<RESERVE>));
    report.attempt("the same by another name of 64 bits", with_file(ask_for_room::<RESERVE_64>));
    report.attempt("the same full of zeros", with_file(ask_for_room::<ZERO>));
}

fn with_file(take: impl FnOnce(&fs::File) -> io::Result<()>) -> io::Result<()> {
    let path = "intruder.room";
    let taken = take(&fs::File::create(path)?);
    fs::remove_file(path)?;
    taken
}

/// Where room is asked for: `space_resv` of the kernel.
#[repr(C)]
struct Room {
    kind: i16,
    whence: i16,
    start: i64,
    length: i64,
    system: i32,
    process: u32,
    unused: [i32; 4],
}

#[expect(unsafe_code, reason = "an ioctl takes a pointer")]
fn ask_for_room<const REQUEST: Opcode>(file: &fs::File) -> io::Result<()> {
    let room =
        Room { kind: 0, whence: 0, start: 0, length: ROOM_BYTES.cast_signed(), system: 0, process: 0, unused: [0; 4] };
    // SAFETY: the structure is the one that each of these requests reads, and it lives longer than the call.
    Ok(unsafe { ioctl::ioctl(file, ioctl::Setter::<REQUEST, Room>::new(room)) }?)
}

/// Addresses are hidden by zeros.
fn is_empty(bytes: &[u8]) -> bool {
    bytes.split(|&byte| byte == b'\n').all(|line| line.is_empty() || line.starts_with(b"0000000000000000"))
}

fn namespaces(report: &mut Report) {
    for (name, flag) in [
        ("user", CloneFlags::CLONE_NEWUSER),
        ("mount", CloneFlags::CLONE_NEWNS),
        ("process", CloneFlags::CLONE_NEWPID),
        ("network", CloneFlags::CLONE_NEWNET),
        ("host name", CloneFlags::CLONE_NEWUTS),
        ("control group", CloneFlags::CLONE_NEWCGROUP),
    ] {
        report.attempt(format!("a {name} namespace"), unshare(flag));
    }
    for name in ["mnt", "net", "pid", "user"] {
        let entered = fs::File::open(format!("/proc/1/ns/{name}"))
            .and_then(|file| setns(file, CloneFlags::empty()).map_err(io::Error::from));
        report.attempt(format!("the guard's {name} namespace"), entered);
    }
    report.attempt("a file system", mount(Some("none"), "/tmp", Some("tmpfs"), MsFlags::empty(), None::<&str>));
    report.attempt("processes shown anew", mount(Some("none"), "/tmp", Some("proc"), MsFlags::empty(), None::<&str>));
    let remount = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    report.attempt("the system writable", mount(None::<&str>, "/usr", None::<&str>, remount, None::<&str>));
    report.attempt("taking a mount away", umount2("/usr", MntFlags::MNT_DETACH));
    report.attempt("another root", chroot("/tmp"));
    report.attempt("a change of the system", fs::write("/usr/intruder", b"x"));
    report.attempt("a change of the system's settings", fs::write("/etc/intruder", b"x"));
}

fn rights(report: &mut Report) {
    let root = Uid::from_raw(0);
    // Whoever is called root already has gained nothing by it.
    if !Uid::effective().is_root() {
        report.attempt("becoming root", setuid(root));
    }
    report.attempt("another host name", sethostname("intruder"));
    report.attempt("a higher priority", rustix::process::setpriority_process(None, -10));
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        report.attempt(
            "more open files",
            setrlimit(Resource::RLIMIT_NOFILE, most.saturating_add(1), most.saturating_add(1)),
        );
    }
    room_on_the_disk(report);
    report.attempt("a file in memory that no limit counts", rustix::fs::memfd_create("intruder", MemfdFlags::empty()));
    let mut all = CpuSet::new();
    let known = std::thread::available_parallelism().map_or(1, usize::from);
    let machine = fs::read_to_string("/proc/cpuinfo").unwrap_or_default().matches("processor\t").count();
    let complete = (0..machine).all(|cpu| all.set(cpu).is_ok());
    // A machine with one processor has none to keep.
    if complete && machine > 1 {
        report.check("every processor", known >= machine);
        report.attempt("every processor, asked for", sched_setaffinity(Pid::from_raw(0), &all));
    }
    for program in ["/usr/bin/su", "/usr/bin/sudo", "/usr/bin/mount", "/usr/bin/passwd"] {
        if Path::new(program).exists()
            && fs::read_to_string("/proc/self/status").is_ok_and(|text| text.contains("NoNewPrivs:\t0"))
        {
            report.check(format!("rights by {program}"), true);
        }
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let held =
            status.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(":\t")).unwrap_or("0").to_owned();
        report.check(format!("capabilities {set} {held}"), held.bytes().any(|digit| digit != b'0'));
    }
}
