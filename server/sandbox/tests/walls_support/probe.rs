//! Tries system calls from inside: the test program runs itself there.

#![expect(unsafe_code, reason = "system calls are tried as they are, past every library")]

use std::ffi::c_void;
use std::ptr::null;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What comes before each line, to tell it from the test harness's own.
pub(crate) const MARK: &str = "@";

const IPPROTO_MPTCP: i64 = 262;
const IPPROTO_SCTP: i64 = 132;

fn tell(name: &str, result: i64) {
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    let result = match (result, errno) {
        (0.., _) => "ok".to_owned(),
        (_, libc::ENOSYS) => "ENOSYS".to_owned(),
        (_, libc::EPERM) => "EPERM".to_owned(),
        (_, libc::EACCES) => "EACCES".to_owned(),
        (_, libc::EAFNOSUPPORT) => "EAFNOSUPPORT".to_owned(),
        (_, libc::EPROTONOSUPPORT) => "EPROTONOSUPPORT".to_owned(),
        (_, libc::EOPNOTSUPP) => "EOPNOTSUPP".to_owned(),
        (_, other) => format!("errno {other}"),
    };
    println!("\n{MARK}{name} {result}");
}

/// Makes a call with up to five arguments.
fn call(name: &str, number: i64, arguments: [i64; 5]) {
    let [a, b, c, d, e] = arguments;
    // SAFETY: pointers among the arguments are null or to texts and numbers that live until the program ends; calls
    // that would change the process are those that must be refused.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if result == 0 && number == libc::SYS_clone {
        std::process::exit(9);
    }
    tell(name, result);
}

fn text(text: &'static std::ffi::CStr) -> i64 {
    text.as_ptr() as i64
}

fn socket(family: i32, kind: i32, protocol: i64) -> i64 {
    // SAFETY: no pointers.
    unsafe { libc::syscall(libc::SYS_socket, family, kind, protocol) }
}

/// The address 127.0.0.1 with a port.
fn local(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    }
}

pub(crate) fn inet() {
    tell("inet", socket(libc::AF_INET, libc::SOCK_STREAM, 0));
    tell("inet6", socket(libc::AF_INET6, libc::SOCK_DGRAM, 0));
}

/// Sends descriptors to itself until it gets no more on their way, and keeps them there for a while.
pub(crate) fn in_flight() {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use std::os::fd::AsFd as _;
    const EACH: usize = 50;
    const MOST: usize = 2000;
    // What others of the same user have on their way counts too, for as long as that takes.
    const TRIES: usize = 100;
    const PAUSE: Duration = Duration::from_millis(2);
    let mut pairs = Vec::new();
    let (mut count, mut refused) = (0, 0);
    while count < MOST && refused < TRIES {
        let pair = std::os::unix::net::UnixStream::pair().unwrap();
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(EACH))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [pair.0.as_fd(); EACH];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        if let Err(error) = sendmsg(&pair.0, &[std::io::IoSlice::new(b"x")], &mut control, SendFlags::DONTWAIT) {
            // Anything else is no limit on what is on its way, and would let the test look at nothing.
            assert_eq!(error, rustix::io::Errno::TOOMANYREFS);
            refused += 1;
            // The kernel tells nobody when there is room again.
            std::thread::sleep(PAUSE);
            continue;
        }
        (count, refused) = (count + EACH, 0);
        pairs.push(pair);
    }
    println!("\n{MARK}in flight {count}");
    std::thread::sleep(Duration::from_secs(30));
}

/// How much of what all that belongs to the server's user share is to be had.
pub(crate) fn pools() {
    let open = || std::fs::File::options().read(true).write(true).open("/dev/ptmx").ok();
    let terminals: Vec<_> = std::iter::from_fn(open).take(1000).collect();
    println!("\n{MARK}terminals {}", terminals.len());
    let signals = rustix::process::getrlimit(rustix::process::Resource::Sigpending);
    println!("{MARK}signals {}", signals.maximum.unwrap());
}

/// How much memory the kernel takes for IPC.
pub(crate) fn kernel_memory() {
    const MOST: usize = 300;
    // SAFETY: no pointers.
    let set = |count: i32| unsafe { libc::semget(libc::IPC_PRIVATE, count, 0o600) };
    let (large, sets) = (set(32_000) >= 0, (0..MOST).take_while(|_| set(250) >= 0).count());
    // SAFETY: no pointers.
    let queues = (0..MOST).take_while(|_| unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) } >= 0).count();
    println!("\n{MARK}large set {large}\n{MARK}semaphores {}\n{MARK}queues {queues}", sets * 250);
}

/// One of [`comets`], in memory that all of them share.
#[derive(Default)]
struct Slot {
    /// Which process is the one of the slot; another one ends.
    owner: AtomicU64,
    beats: AtomicU64,
}

/// Processes that end at once and go on as a child of theirs, so that no list of processes has them for long. Each looks
/// after the next and starts that anew when it was caught. They end by themselves after a while.
pub(crate) fn comets() {
    const COUNT: usize = 6;
    let length = size_of::<[Slot; COUNT]>();
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: new memory of the kernel's, zeroed, which is a value of atomic numbers; it is never given back.
    let slots = unsafe { &*libc::mmap(std::ptr::null_mut(), length, access, kind, -1, 0).cast::<[Slot; COUNT]>() };
    let begin = Instant::now();
    for own in 0..COUNT {
        // SAFETY: the child makes system calls and looks at the clock and at shared memory; it takes no lock.
        if unsafe { libc::fork() } == 0 {
            comet(slots, own, begin);
        }
    }
    let is_up = || slots.iter().all(|slot| slot.beats.load(Ordering::Relaxed) > 10);
    while !is_up() {
        std::thread::yield_now();
    }
    println!("\n{MARK}comets up");
}

fn comet(slots: &[Slot], mut own: usize, begin: Instant) -> ! {
    const LONGEST: Duration = Duration::from_secs(20);
    const SILENT_FOR: Duration = Duration::from_millis(2);
    let mut owner = slots[own].owner.load(Ordering::Relaxed);
    let (mut heard, mut heard_at) = (0, Instant::now());
    // SAFETY: system calls without pointers.
    unsafe { libc::setsid() };
    while begin.elapsed() < LONGEST && slots[own].owner.load(Ordering::Relaxed) == owner {
        slots[own].beats.fetch_add(1, Ordering::Relaxed);
        let next = (own + 1) % slots.len();
        let beats = slots[next].beats.load(Ordering::Relaxed);
        if beats != heard {
            (heard, heard_at) = (beats, Instant::now());
        } else if heard_at.elapsed() > SILENT_FOR {
            let successor = slots[next].owner.fetch_add(1, Ordering::Relaxed) + 1;
            heard_at = Instant::now();
            // SAFETY: as above.
            if unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } == 0 {
                (own, owner, heard) = (next, successor, 0);
                continue;
            }
        }
        // SAFETY: as above.
        if unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } != 0 {
            break;
        }
    }
    // SAFETY: no pointers; nothing of the test program's is to be run or written at the end.
    unsafe { libc::_exit(0) }
}

pub(crate) fn calls() {
    call("memfd_create", libc::SYS_memfd_create, [text(c"x"), 0, 0, 0, 0]);
    call("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0, 0, 0]);
    call("clone3", libc::SYS_clone3, [0; 5]);
    call("keyctl", libc::SYS_keyctl, [0; 5]);
    call("userfaultfd", libc::SYS_userfaultfd, [1, 0, 0, 0, 0]);
    call("fanotify_init", libc::SYS_fanotify_init, [0x200, 0, 0, 0, 0]);
    call("bpf", libc::SYS_bpf, [0; 5]);
    call("perf_event_open", libc::SYS_perf_event_open, [0; 5]);
    call("unshare", libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0, 0]);
    call("setns", libc::SYS_setns, [0; 5]);
    call("clone", libc::SYS_clone, [i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD), 0, 0, 0, 0]);
    call("mount", libc::SYS_mount, [text(c"none"), text(c"/tmp"), text(c"tmpfs"), 0, 0]);
    call("fsopen", libc::SYS_fsopen, [text(c"tmpfs"), 0, 0, 0, 0]);
    let processors = [u64::MAX];
    call("sched_setaffinity", libc::SYS_sched_setaffinity, [0, 8, processors.as_ptr() as i64, 0, 0]);
    call("chroot", libc::SYS_chroot, [text(c"."), 0, 0, 0, 0]);
    call("open_by_handle_at", libc::SYS_open_by_handle_at, [0; 5]);
    call("syslog", libc::SYS_syslog, [10, 0, 0, 0, 0]);
    call("ptrace_1", libc::SYS_ptrace, [libc::PTRACE_SEIZE.into(), 1, 0, 0, 0]);
    tell("vsock", socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0));
    tell("alg", socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0));
    tell("packet", socket(libc::AF_PACKET, libc::SOCK_DGRAM, 0));
    tell("netlink_audit", socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_AUDIT.into()));
    call("x32", 0x4000_0000 + libc::SYS_getpid, [0; 5]);
    call("tiocsti", libc::SYS_ioctl, [0, libc::TIOCSTI as i64, text(c"x"), 0, 0]);
    call("tiocsetd", libc::SYS_ioctl, [0, libc::TIOCSETD as i64, 0, 0, 0]);
    call("lease", libc::SYS_fcntl, [0, libc::F_SETLEASE.into(), libc::F_RDLCK.into(), 0, 0]);
    call("personality", libc::SYS_personality, [libc::READ_IMPLIES_EXEC.into(), 0, 0, 0, 0]);
    call("fixed_addresses", libc::SYS_personality, [libc::ADDR_NO_RANDOMIZE.into(), 0, 0, 0, 0]);
    room_on_the_disk();
    call("vmsplice", libc::SYS_vmsplice, [0; 5]);
    call("io_setup", libc::SYS_io_setup, [1, 0, 0, 0, 0]);
    tell("mptcp", socket(libc::AF_INET, libc::SOCK_STREAM, IPPROTO_MPTCP));
    tell("sctp", socket(libc::AF_INET, libc::SOCK_STREAM, IPPROTO_SCTP));
    tell("seqpacket", socket(libc::AF_INET6, libc::SOCK_SEQPACKET, 0));
    let thread = std::thread::spawn(|| 0);
    tell("thread", thread.join().unwrap());
    more_calls();
}

/// Taking room without writing to it, and giving it back.
fn room_on_the_disk() {
    use std::os::fd::AsRawFd as _;
    let file = std::fs::File::create("room").unwrap();
    let (file, hole) = (file.as_raw_fd().into(), libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE);
    call("fallocate", libc::SYS_fallocate, [file, 0, 0, 4096, 0]);
    call("hole", libc::SYS_fallocate, [file, hole.into(), 0, 4096, 0]);
    // Their argument is a record of 48 bytes: the bytes from 8 on say where, those from 16 on how many.
    let record: [i64; 6] = [0, 0, 4096, 0, 0, 0];
    // The upper half of the request is nothing that the kernel looks at.
    const UPPER_HALF: i64 = 1 << 32;
    for (name, request) in [("resvsp", 0x4030_5828), ("resvsp64", 0x4030_582a), ("zero_range", 0x4030_5839)] {
        call(name, libc::SYS_ioctl, [file, request, record.as_ptr() as i64, 0, 0]);
        call(&format!("{name}_upper"), libc::SYS_ioctl, [file, request | UPPER_HALF, record.as_ptr() as i64, 0, 0]);
    }
    call("unresvsp", libc::SYS_ioctl, [file, 0x4030_5829, record.as_ptr() as i64, 0, 0]);
    for (name, request) in [("subvolume", 0x5000_940e), ("snapshot", 0x5000_9401)] {
        call(name, libc::SYS_ioctl, [file, request, 0, 0, 0]);
    }
}

/// Every way to change the mode and the times of a file.
fn modes(name: &str, file: &'static std::ffi::CStr) {
    let (here, path) = (libc::AT_FDCWD.into(), file.as_ptr() as i64);
    let moment = [1_i64, 0, 1, 0];
    // SAFETY: a text that lives until the program ends.
    let open = i64::from(unsafe { libc::open(file.as_ptr(), libc::O_RDONLY) });
    let result = |number: i64, arguments: [i64; 4]| {
        let [a, b, c, d] = arguments;
        // SAFETY: texts and numbers that live longer than the call.
        unsafe { libc::syscall(number, a, b, c, d) }
    };
    // SAFETY: a text that lives until the program ends.
    tell(&format!("chmod_{name}"), unsafe { libc::chmod(file.as_ptr(), 0o4755) }.into());
    tell(&format!("fchmodat_{name}"), result(libc::SYS_fchmodat, [here, path, 0o755, 0]));
    tell(&format!("utimensat_{name}"), result(libc::SYS_utimensat, [here, path, moment.as_ptr() as i64, 0]));
    if open >= 0 {
        tell(&format!("fchmod_{name}"), result(libc::SYS_fchmod, [open, 0o755, 0, 0]));
        tell(&format!("futimens_{name}"), result(libc::SYS_utimensat, [open, 0, moment.as_ptr() as i64, 0]));
    }
    // SAFETY: as above.
    let own = unsafe { [libc::getuid(), libc::getgid()] }.map(i64::from);
    tell(&format!("chown_own_{name}"), result(libc::SYS_fchownat, [here, path, own[0], own[1]]));
    tell(&format!("chown_{name}"), result(libc::SYS_fchownat, [here, path, own[0] + 1, -1]));
}

/// Those that Landlock does not see and that are allowed behind namespaces.
fn more_calls() {
    tell("unix", socket(libc::AF_UNIX, libc::SOCK_STREAM, 0));
    let pair = std::os::unix::net::UnixStream::pair();
    tell("socketpair", if pair.is_ok() { 0 } else { -1 });
    let mut ends = [0; 2];
    // SAFETY: there is room for two numbers.
    let pair = unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_DGRAM, 0, ends.as_mut_ptr()) };
    tell("socketpair_dgram", pair.into());
    tell("raw", socket(libc::AF_INET, libc::SOCK_RAW, 1));
    let tcp = socket(libc::AF_INET, libc::SOCK_STREAM, 0);
    let (any, other, length) = (local(0), local(1), size_of::<libc::sockaddr_in>() as i64);
    call("bind", libc::SYS_bind, [tcp, (&raw const any) as i64, length, 0, 0]);
    call("listen", libc::SYS_listen, [tcp, 1, 0, 0, 0]);
    // SAFETY: the address and the byte live longer than the call.
    let opened = unsafe {
        let address: *const libc::sockaddr_in = &raw const other;
        libc::sendto(tcp as i32, c"x".as_ptr().cast(), 1, libc::MSG_FASTOPEN, address.cast(), length as u32)
    };
    tell("fastopen", opened as i64);
    call("connect_other", libc::SYS_connect, [tcp, (&raw const other) as i64, length, 0, 0]);
    call("shmget", libc::SYS_shmget, [0, 4096, 0o600, 0, 0]);
    call("mq_open", libc::SYS_mq_open, [text(c"x"), 0, 0, 0, 0]);
    call("inotify_init", libc::SYS_inotify_init1, [0; 5]);
    call("inotify_add_watch", libc::SYS_inotify_add_watch, [0, text(c"."), 2, 0, 0]);
    for (name, file) in [("own", c"note"), ("other", c"/etc/hostname"), ("link", c"out"), ("system", c"/usr/bin/env")] {
        modes(name, file);
    }
    // SAFETY: texts, and a null pointer with the length 0.
    let set = unsafe { libc::setxattr(c"note".as_ptr(), c"user.x".as_ptr(), null::<c_void>(), 0, 0) };
    tell("setxattr", set.into());
    call("prlimit_other", libc::SYS_prlimit64, [1, libc::RLIMIT_CPU.into(), 0, 0, 0]);
    call("hide_memory", libc::SYS_prctl, [libc::PR_SET_DUMPABLE.into(), 0, 0, 0, 0]);
    call("setpriority_user", libc::SYS_setpriority, [libc::PRIO_USER.into(), 0, 5, 0, 0]);
}
