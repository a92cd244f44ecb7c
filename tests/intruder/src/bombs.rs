//! Taking all there is: processes, memory, disk, descriptors, time, output. Each tells how far it came.

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use nix::sys::signal::{SigSet, Signal};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use crate::processes::again;

const CHUNK_BYTES: usize = 16 * 1024 * 1024;
const WRITE_BYTES: usize = 1024 * 1024;
const SMALL_BYTES: u64 = 4 * 1024 * 1024;
/// Memory is touched at each of its pages.
const PAGE_BYTES: usize = 4096;
/// Descriptors of one message, and of all where no limit comes before.
const EACH_MESSAGE: usize = 100;
const MOST_IN_FLIGHT: usize = 10_000;
/// How long what was taken is held.
const HOLD: Duration = Duration::from_secs(2);
/// Where no limit comes before, an attack ends here: walls that are worth nothing must not cost the machine.
const MOST_BYTES: u64 = 4 * 1024 * 1024 * 1024;
const MOST_DELETED_BYTES: u64 = 1024 * 1024 * 1024;
const LONGEST_SPIN: Duration = Duration::from_secs(60);

/// Every process starts others as fast as it can. The first one counts them; all of them end by themselves when the
/// time is over, whatever the walls are worth.
pub(crate) fn forks(given: &[String]) -> ExitCode {
    let ends_at = given.first().and_then(|time| time.parse().ok());
    let Some(ends_at) = ends_at else {
        println!("forking");
        let ends_at = now_millis() + HOLD.as_millis();
        let _children: Vec<_> = (0..2).filter_map(|_| again(&["forks", &ends_at.to_string()]).ok()).collect();
        let mut most = 0;
        while now_millis() < ends_at {
            most = most.max(processes());
        }
        println!("processes at most: {most}");
        return ExitCode::SUCCESS;
    };
    while now_millis() < ends_at {
        let _one = again(&["forks", &ends_at.to_string()]);
    }
    ExitCode::SUCCESS
}

/// Processes that can be seen.
fn processes() -> usize {
    let is_process = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>().is_ok();
    fs::read_dir("/proc").map_or(0, |entries| entries.flatten().filter(is_process).count())
}

fn now_millis() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

/// Takes memory in so many processes at once until it gets no more; `0` only in this one.
pub(crate) fn memory(given: &[String]) -> ExitCode {
    let others: usize = given.first().and_then(|count| count.parse().ok()).unwrap_or(0);
    let _children: Vec<_> = (0..others).filter_map(|_| again(&["memory"]).ok()).collect();
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut chunk = Vec::new();
        let too_many = (held.len() * CHUNK_BYTES) as u64 >= MOST_BYTES;
        if too_many || chunk.try_reserve_exact(CHUNK_BYTES).is_err() {
            println!("refused at {} MB", held.len() * CHUNK_BYTES / 1_000_000);
            std::thread::sleep(HOLD);
            return ExitCode::SUCCESS;
        }
        chunk.resize(CHUNK_BYTES, 0_u8);
        chunk.iter_mut().step_by(PAGE_BYTES).for_each(|byte| *byte = 1);
        held.push(chunk);
        println!("holds {} MB", held.len() * CHUNK_BYTES / 1_000_000);
    }
}

/// Memory that no process shows as its own: files in memory, pipes, sockets.
pub(crate) fn hidden_memory() -> ExitCode {
    let in_memory = fill(Path::new("/dev/shm/intruder"));
    let in_temporary = fill(Path::new("/tmp/intruder"));
    let mut pipes = Vec::new();
    while let Ok((reader, writer)) = rustix::pipe::pipe() {
        let _larger = rustix::pipe::fcntl_setpipe_size(&writer, 1024 * 1024);
        if rustix::io::ioctl_fionbio(&writer, true).is_ok() {
            while rustix::io::write(&writer, &[1; 65_536]).is_ok() {}
        }
        pipes.push((reader, writer));
    }
    println!("files in memory: {in_memory} and {in_temporary} bytes; pipes: {}", pipes.len());
    let _cleared = fs::remove_file("/dev/shm/intruder").and(fs::remove_file("/tmp/intruder"));
    ExitCode::SUCCESS
}

/// Fills each folder with files until not one byte goes into another one.
pub(crate) fn disk(given: &[String]) -> ExitCode {
    // A file that is too large ends a program unless it says that it does not mind.
    let mut unminded = SigSet::empty();
    unminded.add(Signal::SIGXFSZ);
    let _blocked = unminded.thread_block();
    for folder in given {
        let mut total = 0;
        let mut files = Vec::new();
        for number in 0.. {
            let file = Path::new(folder).join(format!("intruder.fill.{number}"));
            let written = fill(&file);
            total += written;
            files.push(file);
            if written == 0 || total >= MOST_BYTES {
                break;
            }
        }
        println!("{folder} took {total} bytes");
        files.iter().for_each(|file| drop(fs::remove_file(file)));
    }
    ExitCode::SUCCESS
}

/// Fills a folder by programs that end as soon as each has written a little, and are nobody's children.
pub(crate) fn disk_by_others(given: &[String]) -> ExitCode {
    let [folder] = given else { return ExitCode::FAILURE };
    let Ok(own) = std::env::current_exe() else { return ExitCode::FAILURE };
    for number in 0..MOST_BYTES / SMALL_BYTES {
        let file = Path::new(folder).join(format!("intruder.fill.{number}"));
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", "\"$0\" write-little \"$1\" &"]).arg(&own).arg(&file);
        let _started = shell.status();
        // The more of them there are at once, the more are seen.
        std::thread::sleep(Duration::from_millis(20));
    }
    ExitCode::SUCCESS
}

pub(crate) fn write_little(given: &[String]) -> ExitCode {
    let block = vec![0x5a; SMALL_BYTES as usize];
    let written = given.first().map(|path| fs::write(path, &block).and_then(|()| fs::File::open(path)?.sync_data()));
    if let Some(Ok(())) = written { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Fills a folder with files that nobody finds any more.
pub(crate) fn disk_of_deleted_files(given: &[String]) -> ExitCode {
    let [folder] = given else { return ExitCode::FAILURE };
    let (path, block) = (Path::new(folder).join("intruder.fill"), vec![0x5a; SMALL_BYTES as usize]);
    let mut files = Vec::new();
    for _ in 0..MOST_DELETED_BYTES / SMALL_BYTES {
        let Ok(mut file) = fs::File::create(&path) else { break };
        let written = file.write_all(&block).and_then(|()| file.sync_data());
        if fs::remove_file(&path).is_err() || written.is_err() {
            break;
        }
        files.push(file);
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("holds {} deleted files", files.len());
    std::thread::sleep(HOLD);
    ExitCode::SUCCESS
}

/// Bytes that went into a new file.
fn fill(path: &Path) -> u64 {
    let block = vec![0x5a; WRITE_BYTES];
    let Ok(mut file) = fs::File::create(path) else { return 0 };
    let mut written = 0;
    while written < MOST_BYTES
        && let Ok(bytes @ 1..) = file.write(&block)
    {
        written += bytes as u64;
    }
    written
}

/// Descriptors, terminals and watches, as many as there are.
pub(crate) fn descriptors() -> ExitCode {
    let mut files = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        files.push(file);
    }
    println!("files: {}", files.len());
    files.clear();
    let mut terminals = Vec::new();
    while let Ok(terminal) = fs::OpenOptions::new().read(true).write(true).open("/dev/ptmx") {
        terminals.push(terminal);
    }
    println!("terminals: {}", terminals.len());
    terminals.clear();
    let mut watches = Vec::new();
    while let Ok(watch) = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::empty()) {
        watches.push(watch);
    }
    println!("watch instances: {}", watches.len());
    ExitCode::SUCCESS
}

/// Sends descriptors to itself until it gets no more on their way, and keeps them there until its standard input ends.
pub(crate) fn in_flight() -> ExitCode {
    let mut pairs = Vec::new();
    let mut count = 0;
    while count < MOST_IN_FLIGHT
        && let Ok((near, far)) = std::os::unix::net::UnixStream::pair()
    {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(EACH_MESSAGE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let given = [near.as_fd(); EACH_MESSAGE];
        let fits = control.push(SendAncillaryMessage::ScmRights(&given));
        let sent = rustix::net::sendmsg(&near, &[io::IoSlice::new(b"x")], &mut control, SendFlags::DONTWAIT);
        if !fits || sent.is_err() {
            break;
        }
        count += EACH_MESSAGE;
        pairs.push((near, far));
    }
    println!("in flight: {count}");
    std::thread::spawn(|| {
        std::thread::sleep(LONGEST_SPIN);
        std::process::exit(1);
    });
    crate::processes::wait()
}

/// Keeps all processors busy until it is ended.
pub(crate) fn spin() -> ExitCode {
    println!("spinning");
    for _ in 0..std::thread::available_parallelism().map_or(4, usize::from) * 4 {
        std::thread::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
    }
    std::thread::sleep(LONGEST_SPIN);
    ExitCode::SUCCESS
}

/// Writes so many megabytes to the terminal, with everything in it that a terminal understands.
pub(crate) fn flood(given: &[String]) -> ExitCode {
    let megabytes: usize = given.first().and_then(|count| count.parse().ok()).unwrap_or(64);
    let line =
        b"\x1b]0;title\x07\x1b[31mflood\x1b[0m\x1b[2J\x1b]8;;http://example.org\x07link\x1b]8;;\x07\x00\xff\xfe\r\n";
    let block: Vec<u8> = line.iter().copied().cycle().take(WRITE_BYTES).collect();
    let mut out = io::stdout().lock();
    for _ in 0..megabytes {
        if out.write_all(&block).is_err() {
            return ExitCode::FAILURE;
        }
    }
    let _shown = writeln!(out, "\r\nflooded {megabytes}");
    ExitCode::SUCCESS
}
