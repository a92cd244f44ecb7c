//! System calls that no program behind walls gets.
//!
//! What is left out here is what a sandbox has no use for and what walls cannot see: parts of the kernel with a long
//! history of faults, memory and processors that no limit counts, further namespaces, and sockets of families that know
//! no network namespace. Behind Landlock, which hides neither processes nor sockets nor a file's mode, there is more.
//!
//! A call of a number space of its own (x32) is refused as a whole, and one of another architecture ends the process.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition,
    SeccompFilter, SeccompRule as Rule, sock_filter,
};

/// Which walls the programs are behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Namespaces of their own.
    Namespaces {
        /// Whether IPC has limits there.
        ipc: bool,
    },
    /// Landlock, with the machine's processes, network and devices around.
    Landlock {
        /// Whether there is any network.
        network: bool,
    },
}

/// Numbers that the C library does not name everywhere. New calls have the same one on all architectures.
mod number {
    pub(super) const SETXATTRAT: i64 = 463;
    pub(super) const REMOVEXATTRAT: i64 = 466;
    pub(super) const OPEN_TREE_ATTR: i64 = 467;
    pub(super) const FILE_SETATTR: i64 = 469;
}

/// Ways into namespaces, for `clone`, whose lowest byte is a signal.
const NEW_NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// A namespace for clocks, for `unshare` only.
const CLONE_NEWTIME: i32 = 0x80;
/// A personality whose addresses are always the same.
const ADDR_NO_RANDOMIZE: u64 = 0x004_0000;
/// No personality, but the question for it.
const ASK_PERSONALITY: u64 = 0xffff_ffff;
/// Bits of a socket's type that are not flags.
const SOCKET_TYPE_BITS: u64 = 0xf;
/// First number of the x32 calls.
const X32_CALLS: u32 = 0x4000_0000;

/// The same as `fallocate` by another name, for any file system and then for one of them: for these the kernel asks
/// neither for the limit of a file's size nor for a quota. Those that give room back are not among them. And volumes
/// within a file system: room in them is counted apart, and who made one may be unable to remove it.
const ROOM_REQUESTS: [u64; 9] = [
    0x4030_5828, // FS_IOC_RESVSP
    0x4030_582a, // FS_IOC_RESVSP64
    0x4030_5839, // FS_IOC_ZERO_RANGE
    0x4030_580a, // XFS_IOC_ALLOCSP, until Linux 5.17
    0x4030_5824, // XFS_IOC_ALLOCSP64, until Linux 5.17
    0x5000_9401, // BTRFS_IOC_SNAP_CREATE
    0x5000_940e, // BTRFS_IOC_SUBVOL_CREATE
    0x5000_9417, // BTRFS_IOC_SNAP_CREATE_V2
    0x5000_9418, // BTRFS_IOC_SUBVOL_CREATE_V2
];

/// Calls that programs take for not built in, and do without.
const MISSING: [i64; 13] = [
    // Memory that no limit sees.
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_vmsplice,
    // How many of its contexts there may be is counted for the whole machine.
    libc::SYS_io_setup,
    // Its flags are behind a pointer; the C library falls back to `clone`.
    libc::SYS_clone3,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_fanotify_init,
    libc::SYS_userfaultfd,
];

/// Calls that programs take for a lack of rights.
const REFUSED: [i64; 35] = [
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_kexec_load,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_open_tree,
    number::OPEN_TREE_ATTR,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_sched_setaffinity,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

/// IPC, where it is the machine's or has no limits: it reaches beyond the sandbox, or takes memory that nobody counts.
const IPC: [i64; 13] = [
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// What else reaches beyond the sandbox where only Landlock is around it.
const WATCHERS: [i64; 2] = [
    // Changes of any file that may be read by its owner can be watched, whatever Landlock says; and the server's user
    // has few watchers in all.
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_init1,
];

/// Extended attributes: access lists among them, which are modes by another name.
const ATTRIBUTES: [i64; 9] = [
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    number::SETXATTRAT,
    number::REMOVEXATTRAT,
    number::FILE_SETATTR,
];

/// All filters, to be installed one after the other. The kernel takes the strictest answer of all.
pub(crate) fn filters(behind: Behind) -> Result<Vec<BpfProgram>, seccompiler::Error> {
    let mut by_answer: BTreeMap<i32, Calls> = BTreeMap::new();
    common(&mut by_answer)?;
    sockets(&mut by_answer, behind)?;
    match behind {
        Behind::Landlock { .. } => behind_landlock(&mut by_answer)?,
        Behind::Namespaces { ipc: false } => by_answer.entry(libc::ENOSYS).or_default().all(&IPC),
        Behind::Namespaces { ipc: true } => {}
    }
    let arch = std::env::consts::ARCH.try_into()?;
    let mut programs = Vec::new();
    for (errno, calls) in by_answer {
        let answer = SeccompAction::Errno(errno.unsigned_abs());
        let filter = SeccompFilter::new(calls.0, SeccompAction::Allow, answer, arch)?;
        programs.push(filter.try_into()?);
    }
    if cfg!(target_arch = "x86_64") {
        programs.push(without_x32());
    }
    Ok(programs)
}

/// Rules for each call; a call without a rule is always matched.
#[derive(Default)]
struct Calls(BTreeMap<i64, Vec<Rule>>);

impl Calls {
    fn all(&mut self, calls: &[i64]) {
        self.0.extend(calls.iter().map(|call| (*call, Vec::new())));
    }

    /// Matched where all of the conditions hold.
    fn when<const N: usize>(&mut self, call: i64, conditions: [(u8, Op, u64); N]) -> Result<(), seccompiler::Error> {
        // An int of C leaves the upper half undefined.
        let conditions = conditions
            .into_iter()
            .map(|(argument, op, value)| Condition::new(argument, Len::Dword, op, value))
            .collect::<Result<_, _>>()?;
        self.0.entry(call).or_default().push(Rule::new(conditions)?);
        Ok(())
    }
}

/// The bits of a flag or a number as the kernel compares them.
fn bits(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}

fn common(by_answer: &mut BTreeMap<i32, Calls>) -> Result<(), seccompiler::Error> {
    by_answer.entry(libc::ENOSYS).or_default().all(&MISSING);
    let refused = by_answer.entry(libc::EPERM).or_default();
    refused.all(&REFUSED);
    #[cfg(target_arch = "x86_64")]
    refused.all(&[libc::SYS_kexec_file_load, libc::SYS_ioperm, libc::SYS_iopl]);
    for flag in NEW_NAMESPACES.map(bits) {
        refused.when(libc::SYS_clone, [(0, Op::MaskedEq(flag), flag)])?;
        refused.when(libc::SYS_unshare, [(0, Op::MaskedEq(flag), flag)])?;
    }
    let clock = bits(CLONE_NEWTIME);
    refused.when(libc::SYS_unshare, [(0, Op::MaskedEq(clock), clock)])?;
    // Typing into a terminal, or into a console; and what loads further parts of the kernel to drive a terminal.
    for request in [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSETD] {
        refused.when(libc::SYS_ioctl, [(1, Op::Eq, request)])?;
    }
    // A hold on a file that makes others wait, the server included.
    refused.when(libc::SYS_fcntl, [(1, Op::Eq, bits(libc::F_SETLEASE))])?;
    // What debuggers ask for, and the question what is set; all else is for programs of long ago.
    let known = [0, ADDR_NO_RANDOMIZE, ASK_PERSONALITY].map(|known| (0, Op::Ne, known));
    refused.when(libc::SYS_personality, known)?;
    // Room on the disk that nobody has written to is counted for no process; giving some back is not what is refused.
    let holes = bits(libc::FALLOC_FL_PUNCH_HOLE);
    let unsupported = by_answer.entry(libc::EOPNOTSUPP).or_default();
    unsupported.when(libc::SYS_fallocate, [(1, Op::MaskedEq(holes), 0)])?;
    for request in ROOM_REQUESTS {
        unsupported.when(libc::SYS_ioctl, [(1, Op::Eq, request)])?;
    }
    Ok(())
}

fn sockets(by_answer: &mut BTreeMap<i32, Calls>, behind: Behind) -> Result<(), seccompiler::Error> {
    let (unix, inet, inet6, netlink) =
        (bits(libc::AF_UNIX), bits(libc::AF_INET), bits(libc::AF_INET6), bits(libc::AF_NETLINK));
    let families = by_answer.entry(libc::EAFNOSUPPORT).or_default();
    let except = |family| (0, Op::Ne, family);
    match behind {
        Behind::Namespaces { .. } => families.when(libc::SYS_socket, [unix, inet, inet6, netlink].map(except))?,
        Behind::Landlock { network: true } => families.when(libc::SYS_socket, [inet, inet6, netlink].map(except))?,
        Behind::Landlock { network: false } => families.when(libc::SYS_socket, [netlink].map(except))?,
    }
    families.when(libc::SYS_socketpair, [except(unix)])?;

    let protocols = by_answer.entry(libc::EPROTONOSUPPORT).or_default();
    let route = bits(libc::NETLINK_ROUTE);
    protocols.when(libc::SYS_socket, [(0, Op::Eq, netlink), (2, Op::Ne, route)])?;
    // Others load further parts of the kernel. And Landlock asks for a port of TCP and of nothing else, and a protocol
    // may stand in for TCP. Pings reach nobody but the network of the sandbox's own.
    let pings = match behind {
        Behind::Namespaces { .. } => [libc::IPPROTO_ICMP, libc::IPPROTO_ICMPV6],
        Behind::Landlock { .. } => [libc::IPPROTO_TCP; 2],
    };
    let known = [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP, pings[0], pings[1]].map(|known| (2, Op::Ne, bits(known)));
    let kinds = [libc::SOCK_STREAM, libc::SOCK_DGRAM].map(bits);
    let other_kinds = |known: [u64; 2]| (0..=SOCKET_TYPE_BITS).filter(move |kind| !known.contains(kind));
    for family in [inet, inet6] {
        let [a, b, c, d, e] = known.clone();
        protocols.when(libc::SYS_socket, [(0, Op::Eq, family), a, b, c, d, e])?;
        for kind in other_kinds(kinds) {
            protocols.when(libc::SYS_socket, [(0, Op::Eq, family), (1, Op::MaskedEq(SOCKET_TYPE_BITS), kind)])?;
        }
    }
    if let Behind::Namespaces { .. } = behind {
        return Ok(());
    }
    // Either end of a pair of datagrams can send to any socket that has a path, for which Landlock does not ask.
    for kind in other_kinds([libc::SOCK_STREAM, libc::SOCK_SEQPACKET].map(bits)) {
        protocols.when(libc::SYS_socketpair, [(1, Op::MaskedEq(SOCKET_TYPE_BITS), kind)])?;
    }
    // A connection that is made by sending, past the check of connecting; and a port taken by listening alone.
    let opening = bits(libc::MSG_FASTOPEN);
    let fast = by_answer.entry(libc::EOPNOTSUPP).or_default();
    for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
        fast.when(call, [(flags, Op::MaskedEq(opening), opening)])?;
    }
    by_answer.entry(libc::EPERM).or_default().all(&[libc::SYS_listen]);
    Ok(())
}

/// Landlock decides who opens, makes, renames and removes files, who signals and who traces. The rest is decided here.
fn behind_landlock(by_answer: &mut BTreeMap<i32, Calls>) -> Result<(), seccompiler::Error> {
    let missing = by_answer.entry(libc::ENOSYS).or_default();
    missing.all(&IPC);
    missing.all(&WATCHERS);
    // Older ways to set times. The newer one waits for the guard, as do those to set modes.
    #[cfg(target_arch = "x86_64")]
    missing.all(&[libc::SYS_utime, libc::SYS_utimes, libc::SYS_futimesat, libc::SYS_inotify_init]);
    by_answer.entry(libc::EOPNOTSUPP).or_default().all(&ATTRIBUTES);
    let refused = by_answer.entry(libc::EPERM).or_default();
    // Whoever hides from the supervisor hides what they write. Debuggers are kept out by Landlock.
    refused.when(libc::SYS_prctl, [(0, Op::Eq, bits(libc::PR_SET_DUMPABLE)), (1, Op::Eq, 0)])?;
    // Attributes of files that may only be read.
    for request in [libc::FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR] {
        refused.when(libc::SYS_ioctl, [(1, Op::Eq, request)])?;
    }
    // Limits and priorities of other processes of the same user; 0 is oneself.
    for call in [
        libc::SYS_prlimit64,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
        libc::SYS_migrate_pages,
        libc::SYS_move_pages,
    ] {
        refused.when(call, [(0, Op::Ne, 0)])?;
    }
    for (call, oneself) in [(libc::SYS_setpriority, libc::PRIO_PROCESS), (libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS)] {
        refused.when(call, [(0, Op::Ne, u64::from(oneself))])?;
        refused.when(call, [(1, Op::Ne, 0)])?;
    }
    Ok(())
}

/// Sets attributes of a file, such as the quota it counts for.
const FS_IOC_FSSETXATTR: u64 = 0x401c_5820;
/// Names one process to `ioprio_set`.
const IOPRIO_WHO_PROCESS: u32 = 1;

/// Refuses the x32 calls, which have the architecture of the others but numbers of their own.
fn without_x32() -> BpfProgram {
    let load_number = sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 };
    let from_x32 = sock_filter { code: 0x35, jt: 0, jf: 1, k: X32_CALLS };
    let answer = |k| sock_filter { code: 0x06, jt: 0, jf: 0, k };
    let refuse = answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned());
    vec![load_number, from_x32, refuse, answer(libc::SECCOMP_RET_ALLOW)]
}
