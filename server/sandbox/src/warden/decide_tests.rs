//! What the warden decides, as data.

use std::time::Duration;

use coditect_protocol::terminal::EndCause;

use super::decide::Action::{AskDisk, Continue, Kill, Stop, Tell};
use super::decide::{Action, Name, Taken, Ward};
use crate::Limits;

const MIB: u64 = 1024 * 1024;
const PLENTY: u64 = u64::MAX;

fn limits() -> Limits {
    Limits { memory_bytes: 100 * MIB, processes: 10, disk_reserve_bytes: 50 * MIB, ..Limits::default() }
}

/// A process named by its age, with memory in MiB, threads and MiB written.
fn process(started: u64, memory: u64, threads: u32, written: u64) -> Taken {
    let name = name(started);
    Taken { name, memory_bytes: memory * MIB, threads, written_bytes: written * MIB }
}

fn name(started: u64) -> Name {
    Name { started, pid: u32::try_from(started).unwrap() }
}

fn check(ward: &mut Ward, taken: &[Taken], free: u64, second: u64, expected: &[Action]) {
    assert_eq!(ward.look(taken, free, Duration::from_secs(second)), expected, "{taken:?} at {second}");
}

#[test]
fn the_largest_goes_when_memory_is_short() {
    let mut ward = Ward::new(limits(), None);
    check(&mut ward, &[process(1, 60, 1, 0), process(2, 40, 1, 0)], PLENTY, 0, &[]);
    let too_much = [process(1, 60, 1, 0), process(2, 50, 1, 0), process(3, 5, 1, 0)];
    check(&mut ward, &too_much, PLENTY, 1, &[Kill(name(1)), Tell(EndCause::Memory)]);
    // It is still there while it ends: nobody else is to go for it.
    check(&mut ward, &too_much, PLENTY, 2, &[]);
    let all = [process(4, 101, 1, 0), process(5, 102, 1, 0)];
    check(&mut ward, &all, PLENTY, 3, &[Kill(name(5)), Kill(name(4)), Tell(EndCause::Memory)]);
}

#[test]
fn the_youngest_go_when_there_are_too_many() {
    let mut ward = Ward::new(limits(), None);
    let ten: Vec<Taken> = (1..=10).map(|age| process(age, 1, 1, 0)).collect();
    check(&mut ward, &ten, PLENTY, 0, &[]);
    let many = [process(3, 1, 4, 0), process(1, 1, 4, 0), process(2, 1, 4, 0), process(4, 1, 1, 0)];
    check(&mut ward, &many, PLENTY, 1, &[Kill(name(4)), Kill(name(3)), Tell(EndCause::Processes)]);
    check(&mut ward, &[process(9, 1, 11, 0)], PLENTY, 2, &[Kill(name(9)), Tell(EndCause::Processes)]);
}

#[test]
fn writers_stand_still_until_the_quota_is_measured() {
    let mut ward = Ward::new(limits(), Some(100 * MIB));
    check(&mut ward, &[process(1, 1, 1, 15), process(2, 1, 1, 0)], PLENTY, 0, &[]);
    check(&mut ward, &[process(1, 1, 1, 17), process(2, 1, 1, 0)], PLENTY, 1, &[AskDisk, Stop(name(1))]);
    check(&mut ward, &[process(1, 1, 1, 17), process(2, 1, 1, 1)], PLENTY, 2, &[Stop(name(2))]);
    assert_eq!(ward.measured(60 * MIB), [Continue(name(1)), Continue(name(2))]);
    // A quarter of what is left.
    check(&mut ward, &[process(1, 1, 1, 26), process(2, 1, 1, 1)], PLENTY, 3, &[]);
    check(&mut ward, &[process(1, 1, 1, 27), process(2, 1, 1, 1)], PLENTY, 4, &[AskDisk, Stop(name(1))]);
    assert_eq!(ward.measured(101 * MIB), [Kill(name(1)), Tell(EndCause::Disk)]);
    check(&mut ward, &[process(2, 1, 1, 4)], PLENTY, 5, &[]);
    check(&mut ward, &[process(2, 1, 1, 5)], PLENTY, 6, &[AskDisk, Stop(name(2))]);
}

#[test]
fn writers_go_on_when_nobody_measures() {
    let mut ward = Ward::new(limits(), Some(100 * MIB));
    check(&mut ward, &[process(1, 1, 1, 20)], PLENTY, 0, &[AskDisk, Stop(name(1))]);
    check(&mut ward, &[process(1, 1, 1, 20)], PLENTY, 59, &[]);
    check(&mut ward, &[process(1, 1, 1, 20)], PLENTY, 60, &[Continue(name(1))]);
    check(&mut ward, &[process(1, 1, 1, 40)], PLENTY, 61, &[AskDisk, Stop(name(1))]);
}

#[test]
fn without_a_quota_nobody_is_asked() {
    let mut ward = Ward::new(limits(), None);
    assert!(!ward.counts_writes(PLENTY) && ward.counts_writes(49 * MIB));
    check(&mut ward, &[process(1, 1, 1, 5000)], PLENTY, 0, &[]);
    assert!(ward.measured(5000 * MIB).is_empty());
}

#[test]
fn whoever_fills_the_disk_goes() {
    let mut ward = Ward::new(limits(), None);
    let (low, fine) = (49 * MIB, 50 * MIB);
    check(&mut ward, &[process(1, 1, 1, 900), process(2, 1, 1, 1)], fine, 0, &[]);
    check(&mut ward, &[process(1, 1, 1, 903), process(2, 1, 1, 1)], low, 1, &[]);
    check(&mut ward, &[process(1, 1, 1, 904), process(2, 1, 1, 2)], low, 2, &[Kill(name(1)), Tell(EndCause::Disk)]);
    check(&mut ward, &[process(2, 1, 1, 3)], fine, 3, &[]);
    check(&mut ward, &[process(2, 1, 1, 6)], low, 4, &[]);
}

#[test]
fn a_number_used_again_is_another_process() {
    let mut ward = Ward::new(limits(), Some(1000 * MIB));
    let named = |started, written| Taken { name: Name { started, pid: 7 }, ..process(1, 1, 1, written) };
    check(&mut ward, &[named(1, 10)], PLENTY, 0, &[]);
    // All that the new one wrote counts, and not what the old one did beyond it.
    check(&mut ward, &[named(2, 3)], PLENTY, 1, &[]);
    check(&mut ward, &[named(2, 6)], PLENTY, 2, &[AskDisk, Stop(Name { started: 2, pid: 7 })]);
}
