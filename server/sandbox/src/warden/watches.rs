//! How many files the programs of a sandbox watch by `epoll`: the kernel has one pool of watches for all that belongs to
//! the server's user, the server included. Blocks, for a limited time.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::processes::{Process, Tree};

/// How many the user may have.
const ALL: &str = "/proc/sys/fs/epoll/max_user_watches";
/// The part of them that the programs of one sandbox may have.
const SHARE: u64 = 16;
/// What a descriptor that watches is called.
const WATCHER: &str = "anon_inode:[eventpoll]";
/// Longest look at one sandbox. With another order of its processes each time, nobody is overlooked for long.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// Most watches of one sandbox; as many as can be where the kernel does not tell.
pub(super) fn most() -> u64 {
    let all = std::fs::read_to_string(ALL).ok().and_then(|text| text.trim().parse::<u64>().ok());
    all.map_or(u64::MAX, |all| all / SHARE)
}

/// The process below the agent of `root` that has most watches, where all together have more than `most`.
pub(super) fn worst<'a>(tree: &Tree<'a>, root: u32, most: u64) -> Option<&'a Process> {
    let mut programs: Vec<&Process> = tree
        .children(root)
        .iter()
        .flat_map(|agent| tree.below(agent.pid))
        .filter(|process| !process.is_zombie)
        .collect();
    if !programs.is_empty() {
        let first = rand::random_range(..programs.len());
        programs.rotate_left(first);
    }
    let (begin, mut all, mut worst) = (Instant::now(), 0, None);
    for process in programs {
        let watches = of(process.pid, most);
        all += watches;
        worst = worst.max(Some((watches, process.started, process.pid))).filter(|(watches, ..)| *watches > 0);
        if all > most {
            break;
        }
        if begin.elapsed() > LOOK_WITHIN {
            return None;
        }
    }
    let (_, started, pid) = worst.filter(|_| all > most)?;
    tree.below(root).into_iter().find(|process| (process.pid, process.started) == (pid, started))
}

/// The watches of one process. Beyond `most` it is not counted further.
fn of(pid: u32, most: u64) -> u64 {
    let process = Path::new("/proc").join(pid.to_string());
    let Ok(open) = std::fs::read_dir(process.join("fd")) else { return 0 };
    let mut count = 0;
    for file in open.flatten() {
        if std::fs::read_link(file.path()).is_ok_and(|what| what.as_os_str() == WATCHER) {
            count += listed(&process.join("fdinfo").join(file.file_name()), most.saturating_sub(count));
        }
        if count > most {
            break;
        }
    }
    count
}

fn listed(facts: &Path, most: u64) -> u64 {
    let Ok(file) = std::fs::File::open(facts) else { return 0 };
    let mut count = 0;
    for line in BufReader::new(file).split(b'\n').map_while(Result::ok) {
        count += u64::from(line.starts_with(b"tfd:"));
        if count > most {
            break;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use rustix::event::{EventfdFlags, epoll, eventfd};

    use super::*;

    #[test]
    fn watches_are_counted_until_there_are_too_many() {
        let own = Process::read(std::process::id()).unwrap();
        let before = of(own.pid, u64::MAX);
        let watcher = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let files: Vec<_> = (0..50).map(|_| eventfd(0, EventfdFlags::CLOEXEC).unwrap()).collect();
        for file in &files {
            epoll::add(&watcher, file, epoll::EventData::new_u64(0), epoll::EventFlags::IN).unwrap();
        }
        assert!(
            of(own.pid, u64::MAX) >= 50 && of(own.pid, u64::MAX) <= before + 50 + 100,
            "others run at the same time"
        );
        assert_eq!(of(own.pid, 10), 11);
        // As if this process were a program of an agent.
        let chain = [Process { pid: 0, parent: u32::MAX, ..own }, Process { parent: 0, ..own }];
        let tree = Tree::new(&chain);
        assert_eq!(worst(&tree, u32::MAX, 49).map(|process| process.pid), Some(own.pid));
        assert!(worst(&tree, u32::MAX, 100_000).is_none());
        assert!(most() > 0);
    }
}
