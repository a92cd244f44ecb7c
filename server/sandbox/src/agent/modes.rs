//! Modes and times of files behind Landlock, which decides about neither: calls that change them wait for the guard,
//! and it makes the change itself if the file lies in a directory of the person's own.
//!
//! What a program named is looked up once, held, and only then judged: whatever the program changes meanwhile, it is
//! that file which is changed. A program cannot move a file of others to where this judgement ends well, since Landlock
//! lets it neither link nor rename from there.
//!
//! What makes processes never waits here: a signal in that moment would have it fail, which no shell expects of `fork`.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use seccompiler::sock_filter;

/// The newest of the calls; it has the same number everywhere.
const FCHMODAT2: i64 = 452;
/// Calls that wait for the guard.
#[cfg(target_arch = "x86_64")]
const CALLS: [i64; 9] = [
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_utimensat,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_fchown,
    libc::SYS_fchownat,
];
/// Calls that wait for the guard.
#[cfg(not(target_arch = "x86_64"))]
const CALLS: [i64; 6] =
    [libc::SYS_fchmod, libc::SYS_fchmodat, FCHMODAT2, libc::SYS_utimensat, libc::SYS_fchown, libc::SYS_fchownat];

/// Bits of a mode that a program may set: not those that lend a file's owner to whoever runs it.
const FILE_BITS: u32 = 0o1777;
/// On a folder the group's bit only says whose its new files are.
const FOLDER_BITS: u32 = 0o3777;
/// Longest path, with the NUL at its end.
const MAX_PATH_BYTES: usize = 4096;

/// Asks that whoever waits and whoever answers take turns on one processor.
const SYNC_WAKE_UP: u64 = 1;

/// Makes the calls of this process, and of all that it starts, wait for whoever has the descriptor.
///
/// A signal that comes while a call waits makes it fail (`EINTR`), which programs do not expect of these. So whoever waits
/// is woken by nothing but its end once the guard has seen the call, and the guard sees it at once. Older kernels know
/// neither.
pub(super) fn listen() -> io::Result<OwnedFd> {
    let patient = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    listen_with(patient).or_else(|_| listen_with(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER))
}

#[expect(unsafe_code, reason = "the library for filters has no answer that waits")]
fn listen_with(flags: libc::c_ulong) -> io::Result<OwnedFd> {
    let mut filter = filter();
    let length = filter.len().try_into().map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr().cast() };
    // SAFETY: the program and its instructions, of which a `sock_filter` of either library is laid out as the kernel's,
    // live longer than the call, which copies them; the descriptor is new and belongs to nobody else.
    unsafe {
        let fd = libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program);
        match i32::try_from(fd) {
            Ok(fd) if fd >= 0 => Ok(OwnedFd::from_raw_fd(fd)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Compares the number of a call with each of the list.
fn filter() -> Vec<sock_filter> {
    let mut filter = vec![sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 }];
    let answer = |k| sock_filter { code: 0x06, jt: 0, jf: 0, k };
    for call in CALLS.iter().filter_map(|call| u32::try_from(*call).ok()) {
        filter.push(sock_filter { code: 0x15, jt: 0, jf: 1, k: call });
        filter.push(answer(libc::SECCOMP_RET_USER_NOTIF));
    }
    filter.push(answer(libc::SECCOMP_RET_ALLOW));
    filter
}

/// Answers the calls that wait.
#[derive(Debug)]
pub(super) struct Modes {
    pub(super) listener: OwnedFd,
    /// Directories of the person's own.
    own: Vec<PathBuf>,
}

/// A call that waits.
struct Call {
    id: u64,
    /// The thread.
    pid: u32,
    number: i64,
    arguments: [u64; 6],
}

impl Modes {
    pub(super) fn new(listener: OwnedFd, own: &[PathBuf]) -> Self {
        let own = own.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let modes = Self { listener, own };
        modes.take_turns();
        modes
    }

    /// Where the kernel cannot do so, all else is the same.
    #[expect(unsafe_code, reason = "an ioctl takes a number")]
    fn take_turns(&self) {
        // SAFETY: this request takes a number, no pointer.
        let _older =
            unsafe { libc::ioctl(self.listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP) };
    }

    /// Answers one call; to be called when the descriptor is readable. An error means that none will come any more.
    pub(super) fn answer(&self) -> io::Result<()> {
        let Some(call) = self.receive()? else { return Ok(()) };
        let error = self.decide(&call).err().map_or(0, |errno| -errno.raw_os_error());
        let answer = libc::seccomp_notif_resp { id: call.id, val: 0, error, flags: 0 };
        self.ioctl(libc::SECCOMP_IOCTL_NOTIF_SEND, &mut MaybeUninit::new(answer))
    }

    #[expect(unsafe_code, reason = "the kernel fills what it is given")]
    fn receive(&self) -> io::Result<Option<Call>> {
        // The kernel wants it zeroed.
        let mut call = MaybeUninit::<libc::seccomp_notif>::zeroed();
        match self.ioctl(libc::SECCOMP_IOCTL_NOTIF_RECV, &mut call) {
            Ok(()) => {}
            // Whoever called was ended meanwhile.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::INTR)) => return Ok(None),
            Err(error) => return Err(error),
        }
        // SAFETY: all fields are numbers, for which zero is a value, and the kernel has filled them.
        let call = unsafe { call.assume_init() };
        Ok(Some(Call { id: call.id, pid: call.pid, number: call.data.nr.into(), arguments: call.data.args }))
    }

    #[expect(unsafe_code, reason = "an ioctl takes a pointer")]
    fn ioctl<T>(&self, request: libc::Ioctl, value: &mut MaybeUninit<T>) -> io::Result<()> {
        // SAFETY: each request is called with the structure of its own, which lives longer than the call.
        let result = unsafe { libc::ioctl(self.listener.as_raw_fd(), request, value.as_mut_ptr()) };
        let gone = |error: &io::Error| Errno::from_io_error(error) == Some(Errno::NOENT);
        match result {
            0 => Ok(()),
            _ => match io::Error::last_os_error() {
                error if request == libc::SECCOMP_IOCTL_NOTIF_SEND && gone(&error) => Ok(()),
                error => Err(error),
            },
        }
    }

    fn decide(&self, call: &Call) -> Result<(), Errno> {
        let [a, b, c, d, _, _] = call.arguments;
        let none = AtFlags::empty();
        match call.number {
            libc::SYS_fchmod => self.set_mode(call, a, None, none, b),
            libc::SYS_fchmodat => self.set_mode(call, a, Some(b), none, c),
            FCHMODAT2 => self.set_mode(call, a, Some(b), flags(d)?, c),
            libc::SYS_utimensat => self.set_times(call, a, (b != 0).then_some(b), c, flags(d)?),
            libc::SYS_fchown => own_ids(b, c),
            libc::SYS_fchownat => own_ids(c, d),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chmod => self.set_mode(call, here(), Some(a), none, b),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chown | libc::SYS_lchown => own_ids(b, c),
            _ => Err(Errno::NOSYS),
        }
    }

    fn set_mode(&self, call: &Call, dir: u64, path: Option<u64>, flags: AtFlags, mode: u64) -> Result<(), Errno> {
        let file = self.find(call, dir, path, flags)?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
        let bits = match kind {
            FileType::Symlink => return Err(Errno::OPNOTSUPP),
            FileType::Directory => FOLDER_BITS,
            _ => FILE_BITS,
        };
        let mode = Mode::from_raw_mode(u32::try_from(mode & u64::from(bits)).map_err(|_| Errno::INVAL)?);
        rustix::fs::chmod(held_path(&file), mode)
    }

    fn set_times(&self, call: &Call, dir: u64, path: Option<u64>, times: u64, flags: AtFlags) -> Result<(), Errno> {
        let mut words = [0; 4];
        if times == 0 {
            words[1] = libc::UTIME_NOW;
            words[3] = libc::UTIME_NOW;
        } else {
            let bytes = read_memory(call.pid, times, size_of_val(&words))?;
            let (read, _) = bytes.as_chunks::<8>();
            if read.len() != words.len() {
                return Err(Errno::FAULT);
            }
            words = std::array::from_fn(|index| i64::from_ne_bytes(read[index]));
        }
        let [accessed, accessed_nanos, modified, modified_nanos] = words;
        let file = self.find(call, dir, path, flags)?;
        let times = Timestamps {
            last_access: Timespec { tv_sec: accessed, tv_nsec: accessed_nanos },
            last_modification: Timespec { tv_sec: modified, tv_nsec: modified_nanos },
        };
        rustix::fs::utimensat(&file, "", &times, AtFlags::EMPTY_PATH)
    }

    /// The file that the call means, if it is the person's own.
    fn find(&self, call: &Call, dir: u64, path: Option<u64>, flags: AtFlags) -> Result<OwnedFd, Errno> {
        let path = path.map(|address| read_path(call.pid, address)).transpose()?;
        let open = OFlags::PATH | OFlags::CLOEXEC;
        let dir = match dir as u32 as i32 {
            libc::AT_FDCWD => format!("/proc/{}/cwd", call.pid),
            number if number >= 0 => format!("/proc/{}/fd/{number}", call.pid),
            _ => return Err(Errno::BADF),
        };
        let dir = rustix::fs::open(dir, open, Mode::empty()).map_err(|_| Errno::BADF)?;
        // From here on it was this thread's, and not that of another one with its number.
        self.ioctl(libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &mut MaybeUninit::new(call.id)).map_err(|_| Errno::SRCH)?;
        let file = match path {
            None => dir,
            Some(path) if path.is_empty() && flags.contains(AtFlags::EMPTY_PATH) => dir,
            Some(path) if path.is_empty() => return Err(Errno::NOENT),
            Some(path) => {
                let last = if flags.contains(AtFlags::SYMLINK_NOFOLLOW) { OFlags::NOFOLLOW } else { OFlags::empty() };
                rustix::fs::openat(&dir, as_seen_by(call.pid, &path), open | last, Mode::empty())?
            }
        };
        let real = rustix::fs::readlink(held_path(&file), Vec::new())?;
        let real =
            PathBuf::from(std::ffi::OsString::from(String::from_utf8(real.into_bytes()).map_err(|_| Errno::PERM)?));
        if self.own.iter().any(|own| real.starts_with(own)) { Ok(file) } else { Err(Errno::PERM) }
    }
}

/// The path of a file that this process holds.
fn held_path(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

/// What a program calls itself is somebody else here.
fn as_seen_by(pid: u32, path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    match path.strip_prefix("/proc/self").or_else(|_| path.strip_prefix("/proc/thread-self")) {
        Ok(rest) => Path::new("/proc").join(pid.to_string()).join(rest),
        Err(_) => path.to_owned(),
    }
}

fn flags(raw: u64) -> Result<AtFlags, Errno> {
    let flags = AtFlags::from_bits(raw as u32).ok_or(Errno::INVAL)?;
    let known = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    if known.contains(flags) { Ok(flags) } else { Err(Errno::INVAL) }
}

/// The current folder, as a call's argument.
#[cfg(target_arch = "x86_64")]
fn here() -> u64 {
    libc::AT_FDCWD as u64
}

/// Files stay whose they are: giving one to oneself is no change, and nothing else is possible.
fn own_ids(user: u64, group: u64) -> Result<(), Errno> {
    let (user, group) = (user as u32, group as u32);
    let is = |id: u32, own: u32| id == u32::MAX || id == own;
    let same = is(user, rustix::process::geteuid().as_raw()) && is(group, rustix::process::getegid().as_raw());
    if same { Ok(()) } else { Err(Errno::PERM) }
}

fn read_path(pid: u32, address: u64) -> Result<Vec<u8>, Errno> {
    let mut bytes = read_memory(pid, address, MAX_PATH_BYTES)?;
    let end = bytes.iter().position(|byte| *byte == 0).ok_or(Errno::NAMETOOLONG)?;
    bytes.truncate(end);
    Ok(bytes)
}

/// Up to so many bytes: fewer where the memory ends.
fn read_memory(pid: u32, address: u64, most: usize) -> Result<Vec<u8>, Errno> {
    let memory = rustix::fs::openat(CWD, format!("/proc/{pid}/mem"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|_| Errno::PERM)?;
    let mut bytes = vec![0; most];
    let read = rustix::io::pread(&memory, &mut bytes, address).map_err(|_| Errno::FAULT)?;
    bytes.truncate(read);
    Ok(bytes)
}
