//! How many files the programs of a sandbox watch by `epoll`: the kernel has one pool of watches for all that belongs to
//! the server's user, the server included. Blocks, for a limited time.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::Duration;

use coditect_protocol::UserId;
use coditect_protocol::terminal::EndCause;

use super::decide::{Action, Name};
use super::machine::processor_time;
use crate::SandboxId;
use crate::processes::{Process, Tree};

/// How many the user may have.
const ALL: &str = "/proc/sys/fs/epoll/max_user_watches";
/// The part of them that the programs of one sandbox may have, and those of all sandboxes of one person.
const SHARE: u64 = 16;
const PERSON_SHARE: u64 = 8;
/// What a descriptor that watches is called.
const WATCHER: &str = "anon_inode:[eventpoll]";
/// Longest look at one sandbox, in time of the processor: that the machine is busy is nobody's fault.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// Most watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Most {
    sandbox: u64,
    person: u64,
}

impl Most {
    /// As many as can be where the kernel does not tell.
    pub(super) fn of_this_machine() -> Self {
        let all = std::fs::read_to_string(ALL).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let part = |share| all.map_or(u64::MAX, |all| all / share);
        Self { sandbox: part(SHARE), person: part(PERSON_SHARE) }
    }
}

/// The watches of a sandbox.
#[derive(Debug)]
pub(super) struct Counted {
    sandbox: SandboxId,
    /// Of each process that has some.
    processes: Vec<(u64, Name)>,
    /// There was more to count than could be in time.
    is_part: bool,
}

/// What is remembered from one look to the next: who had too many, or too much to count.
#[derive(Debug, Default)]
pub(super) struct Watches {
    over: HashSet<SandboxId>,
}

impl Watches {
    /// Who has most watches goes, until the rest fits into what the sandbox may have, and its person in all sandboxes. A
    /// sandbox with too many at two looks in a row, whatever went, ends.
    pub(super) fn look(&mut self, mut counted: Vec<Counted>, most: Most) -> Vec<(SandboxId, Action)> {
        let before = std::mem::take(&mut self.over);
        let mut actions = Vec::new();
        let mut persons: HashMap<UserId, u64> = HashMap::new();
        for one in &mut counted {
            one.processes.sort_unstable();
            let mut sum: u64 = one.processes.iter().map(|(watches, _)| *watches).sum();
            if sum > most.sandbox || one.is_part {
                self.over.insert(one.sandbox);
            }
            while sum > most.sandbox {
                let Some((watches, name)) = one.processes.pop() else { break };
                sum -= watches;
                actions.push((one.sandbox, Action::Kill(name)));
            }
            *persons.entry(one.sandbox.person).or_default() += sum;
        }
        for (person, mut sum) in persons {
            while sum > most.person {
                let own = counted.iter_mut().filter(|one| one.sandbox.person == person);
                let Some(worst) = own.max_by_key(|one| (one.processes.last().copied(), one.sandbox)) else { break };
                let Some((watches, name)) = worst.processes.pop() else { break };
                sum -= watches;
                self.over.insert(worst.sandbox);
                actions.push((worst.sandbox, Action::Kill(name)));
            }
        }
        let mut told: Vec<SandboxId> = actions.iter().map(|(sandbox, _)| *sandbox).collect();
        let again: Vec<SandboxId> = self.over.intersection(&before).copied().collect();
        actions.extend(again.iter().map(|sandbox| (*sandbox, Action::End(EndCause::Memory))));
        told.extend(again);
        told.sort_unstable();
        told.dedup();
        actions.extend(told.into_iter().map(|sandbox| (sandbox, Action::Tell(EndCause::Memory))));
        actions
    }
}

/// Counts what the processes below the agent of `root` watch.
pub(super) fn count(tree: &Tree<'_>, root: u32, sandbox: SandboxId, most: Most) -> Counted {
    let programs = tree.children(root).iter().flat_map(|agent| tree.below(agent.pid));
    let begin = processor_time();
    let mut counted = Counted { sandbox, processes: Vec::new(), is_part: false };
    for process in programs {
        if processor_time().saturating_sub(begin) > LOOK_WITHIN {
            counted.is_part = true;
            break;
        }
        let watches = of(process, most.sandbox);
        if watches > 0 {
            counted.processes.push((watches, Name { started: process.started, pid: process.pid }));
        }
    }
    counted
}

/// The watches of one process. Beyond `most` it is not counted further.
fn of(process: &Process, most: u64) -> u64 {
    let folder = Path::new("/proc").join(process.pid.to_string());
    if has_files(&folder) {
        return watches_in(&folder, most);
    }
    // Where its first thread has ended, that has no files any more; the others do.
    let threads = std::fs::read_dir(folder.join("task")).into_iter().flatten().flatten();
    threads.map(|thread| thread.path()).find(|thread| has_files(thread)).map_or(0, |thread| watches_in(&thread, most))
}

fn has_files(process: &Path) -> bool {
    std::fs::read_dir(process.join("fd")).is_ok_and(|mut files| files.next().is_some())
}

fn watches_in(process: &Path, most: u64) -> u64 {
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
    use coditect_protocol::WorkspaceId;
    use rustix::event::{EventfdFlags, epoll, eventfd};
    use uuid::Uuid;

    use super::Action::{End, Kill, Tell};
    use super::*;

    fn sandbox(person: u128, workspace: u128) -> SandboxId {
        SandboxId { person: UserId(Uuid::from_u128(person)), workspace: WorkspaceId(Uuid::from_u128(workspace)) }
    }

    const MOST: Most = Most { sandbox: 100, person: 200 };

    fn name(pid: u32) -> Name {
        Name { started: 1, pid }
    }

    /// Processes are numbered from 1 on.
    fn counted(sandbox: SandboxId, watches: &[u64]) -> Counted {
        let processes = watches.iter().copied().zip((1..).map(name)).collect();
        Counted { sandbox, processes, is_part: false }
    }

    #[test]
    fn watches_are_counted_until_there_are_too_many() {
        let own = Process::read(std::process::id()).unwrap();
        let before = of(&own, u64::MAX);
        let watcher = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let files: Vec<_> = (0..50).map(|_| eventfd(0, EventfdFlags::CLOEXEC).unwrap()).collect();
        for file in &files {
            epoll::add(&watcher, file, epoll::EventData::new_u64(0), epoll::EventFlags::IN).unwrap();
        }
        let now = of(&own, u64::MAX);
        assert!(now >= 50 && now <= before + 50 + 100, "others run at the same time");
        assert_eq!(of(&own, 10), 11);
        // As if this process were a program of an agent.
        let chain = [Process { pid: 0, parent: u32::MAX, ..own }, Process { parent: 0, ..own }];
        let found = count(&Tree::new(&chain), u32::MAX, sandbox(1, 1), Most { sandbox: 49, person: 49 });
        assert_eq!((found.processes, found.is_part), (vec![(50, Name { started: own.started, pid: own.pid })], false));
        assert!(Most::of_this_machine().person > 0);
    }

    #[test]
    fn who_watches_most_goes_until_the_rest_fits() {
        let a = sandbox(1, 1);
        let look = |watches: &[u64]| Watches::default().look(vec![counted(a, watches)], MOST);
        assert_eq!(look(&[50, 50]), []);
        assert_eq!(look(&[40, 101, 60]), [(a, Kill(name(2))), (a, Tell(EndCause::Memory))]);
        // Many that have a little each do not keep the pool full by that.
        let many = look(&[25; 16]);
        assert_eq!(many.iter().filter(|(_, action)| matches!(action, Kill(_))).count(), 12, "{many:?}");
    }

    #[test]
    fn a_sandbox_that_has_too_many_again_ends() {
        let (a, tell) = (sandbox(1, 1), Tell(EndCause::Memory));
        let mut watches = Watches::default();
        assert_eq!(watches.look(vec![counted(a, &[101])], MOST), [(a, Kill(name(1))), (a, tell)]);
        assert_eq!(watches.look(vec![counted(a, &[100])], MOST), []);
        assert_eq!(watches.look(vec![counted(a, &[101])], MOST), [(a, Kill(name(1))), (a, tell)]);
        assert_eq!(
            watches.look(vec![counted(a, &[101])], MOST),
            [(a, Kill(name(1))), (a, End(EndCause::Memory)), (a, tell)]
        );
        // Whoever hides them behind much else to count has too many, too.
        let mut watches = Watches::default();
        let part = || vec![Counted { is_part: true, ..counted(a, &[1]) }];
        assert_eq!(watches.look(part(), MOST), []);
        assert_eq!(watches.look(part(), MOST), [(a, End(EndCause::Memory)), (a, tell)]);
    }

    #[test]
    fn a_person_has_no_more_by_having_many_sandboxes() {
        let (a, b, c, other) = (sandbox(1, 1), sandbox(1, 2), sandbox(1, 3), sandbox(2, 1));
        let mut watches = Watches::default();
        let look = || {
            let own = [(a, 70), (b, 80), (c, 60)].map(|(id, first)| counted(id, &[first, 5]));
            own.into_iter().chain([counted(other, &[95])]).collect::<Vec<_>>()
        };
        assert_eq!(watches.look(look(), MOST), [(b, Kill(name(1))), (b, Tell(EndCause::Memory))]);
        assert_eq!(
            watches.look(look(), MOST),
            [(b, Kill(name(1))), (b, End(EndCause::Memory)), (b, Tell(EndCause::Memory))]
        );
    }
}
