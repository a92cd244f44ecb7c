//! How memory is counted: of data, and of real processes that share it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::processes::{self, Process, Tree};

const MIB: u64 = 1024 * 1024;

fn figures(private: u64, shared: u64) -> Figures {
    Figures { private, shared, swapped: 0, tables: 1 }
}

fn of_others(private: u64, shared: u64) -> OfOthers {
    OfOthers { figures: figures(private, shared), at: Instant::now(), faults: 1000, left_bytes: 0 }
}

fn page() -> u64 {
    u64::try_from(rustix::param::page_size()).unwrap()
}

#[test]
fn reads_what_the_kernel_prints() {
    let text = "Rss: 9 kB\nPss_Anon:              12 kB\nPss_Shmem: 3 kB\nSwapPss: 1 kB\n";
    assert_eq!(kibibytes(text, &["Pss_Anon:", "Pss_Shmem:", "SwapPss:"]), 16 * 1024);
    let own = std::process::id();
    let now = cheap(own).unwrap();
    assert!(now.private > 0 && now.tables > 0 && exact(own, now).is_some() && faults(own).unwrap() > 0);
    assert_eq!((cheap(u32::MAX), faults(u32::MAX)), (None, None));
}

#[test]
fn what_is_shared_counts_until_it_is_known_to_be() {
    let known = Known { now: figures(100, 50), faults: 1000, of_others: None };
    assert_eq!(known.bytes(), 151);
    let known = Known { of_others: Some(of_others(90, 40)), ..known };
    assert_eq!((known.bytes(), known.shared()), (21, 10));
    // What is taken in its place is its own again.
    assert_eq!(Known { now: figures(140, 0), ..known }.bytes(), 51);
}

#[test]
fn what_may_have_been_written_to_is_shared_no_more() {
    let page = page();
    let known = Known { now: figures(100 * page, 0), faults: 1000, of_others: Some(of_others(90 * page, 0)) };
    assert_eq!(known.bytes(), 10 * page + 1);
    let written = Known { faults: 1030, ..known };
    assert_eq!((written.bytes(), written.least_bytes()), (40 * page + 1, 10 * page + 1));
    assert_eq!(Known { faults: 5000, ..known }.bytes(), 100 * page + 1, "no more than all");
}

fn name(pid: u32) -> Name {
    Name { started: 1, pid }
}

#[test]
fn what_a_process_shared_is_left_to_others_when_it_ends() {
    let mut memory = Memory::new(0);
    // Three that share nine.
    let known = Known { now: figures(9, 0), faults: 1000, of_others: Some(of_others(6, 0)) };
    memory.all = [1, 2].map(|pid| (name(pid), known)).into();
    let sum = |memory: &Memory| memory.all.values().map(|known| known.bytes() - 1).sum::<u64>();
    assert_eq!((sum(&memory), known.left_bytes()), (6, 3));
    memory.inherit(known.left_bytes());
    assert_eq!(sum(&memory), 9, "as before it ended");
    memory.inherit(1000);
    assert_eq!(sum(&memory), 18, "no more than each can have alone");
    // What had nothing in common with others leaves nothing.
    assert_eq!(Known { of_others: Some(of_others(0, 0)), ..known }.left_bytes(), 0);
    assert_eq!(Known { of_others: None, ..known }.left_bytes(), 9, "nothing is known of it");
}

#[test]
fn nobody_keeps_another_from_being_looked_at() {
    let mut memory = Memory::new(0);
    let large = |of_others| Known { now: figures(10 * MIB, 0), faults: 1000, of_others };
    let begin = Instant::now();
    let read = |age: u64, faults| OfOthers {
        at: begin.checked_sub(Duration::from_millis(age)).unwrap(),
        faults,
        ..of_others(9 * MIB, 0)
    };
    memory.all.extend((1..=100).map(|pid| (name(pid), large(None))));
    memory.all.extend((101..=200).map(|pid| (name(pid), large(Some(read(1, 900))))));
    // One that nobody doubts and that was read long ago, and one that was seen as small, of which all may be its own by now.
    memory.all.insert(name(201), large(Some(read(1000, 1000))));
    memory.all.insert(name(202), large(Some(OfOthers { figures: figures(10 * MIB, 0), ..read(0, 0) })));
    let order = memory.exact_order();
    assert_eq!(order[..3], [name(1), name(202), name(201)], "{order:?}");
    assert!(order.len() <= EXACT_PROCESSES + 2);
    // A few bytes are not worth a look.
    memory.all = [(name(1), Known { now: figures(MIB, 0), ..Known::default() })].into();
    assert_eq!(memory.exact_order(), []);
}

/// A process that shares memory with four children, which tell what they did line by line.
struct Family {
    parent: Child,
    told: BufReader<std::process::ChildStdout>,
}

impl Family {
    const BYTES: u64 = 20_000_000;

    fn start() -> Self {
        let script = "$| = 1; $x = 'x' x 20_000_000; pipe R, W; for (1..4) {
            if (!fork) { close W; <R>; substr($x, 4096 * $_, 1) = 'y' for 0..4800; print qq(mine\\n); sleep 600 } }
            print qq(up\\n); <STDIN>; close W; sleep 600";
        let mut command = Command::new("perl");
        let mut parent =
            command.args(["-e", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("perl runs");
        let told = BufReader::new(parent.stdout.take().unwrap());
        let mut family = Self { parent, told };
        family.expect("up");
        family
    }

    fn expect(&mut self, word: &str) {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), word);
    }

    fn names(&self) -> Vec<Name> {
        let all = processes::all().unwrap();
        let name = |process: &Process| Name { started: process.started, pid: process.pid };
        let mut names: Vec<Name> = Tree::new(&all).below(self.parent.id()).into_iter().map(name).collect();
        names.push(name(&Process::read(self.parent.id()).unwrap()));
        names
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        let all = processes::all().unwrap();
        processes::end(&Tree::new(&all).below(self.parent.id()));
        let _ = self.parent.kill();
        let _ = self.parent.wait();
    }
}

#[test]
fn what_was_shared_counts_as_soon_as_it_is_written_to() {
    let mut family = Family::start();
    let names = family.names();
    assert_eq!(names.len(), 5);
    let mut memory = Memory::new(50 * MIB);
    // A busy machine reads fewer at a time.
    while memory.all.is_empty() || memory.all.values().any(|known| known.of_others.is_none()) {
        memory.measure(&names, None, false);
    }
    // There may be two copies: what the program repeats, and what it repeats it to.
    let before = memory.bytes_of_all();
    assert!(before > Family::BYTES && before < 3 * Family::BYTES, "{before}");
    assert!(
        memory.all.values().filter(|known| known.bytes() < Family::BYTES).count() >= 4,
        "small, as far as is known"
    );
    // As long as they are quiet nothing counts for more than it is.
    memory.measure(&names, None, false);
    assert!(memory.bytes_of_all() < before + 10 * MIB, "{}", memory.bytes_of_all());
    family.parent.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    for _ in 0..4 {
        family.expect("mine");
    }
    memory.measure(&names, None, false);
    assert!(memory.bytes_of_all() > before + 3 * Family::BYTES, "{}", memory.bytes_of_all());
}

#[test]
fn an_ended_first_thread_hides_nothing() {
    let process = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = process.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("status", "State: Z\n");
    write("task/1/status", "State: Z\n");
    assert_eq!(read(process.path(), "status", "RssAnon:"), None, "it ended as a whole");
    write("task/2/status", "State: S\nRssAnon: 1 kB\n");
    assert!(read(process.path(), "status", "RssAnon:").is_some());
    // Nor does a name that is no text.
    std::fs::write(process.path().join("status"), b"Name: \xff\nRssAnon: 7 kB\n").unwrap();
    assert!(read(process.path(), "status", "RssAnon:").unwrap().ends_with("RssAnon: 7 kB\n"));
}
