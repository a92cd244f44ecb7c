//! What the warden decides, as data.

use std::time::Duration;

use coditect_protocol::terminal::EndCause;

use super::decide::Action::{AskDisk, Continue, Kill, Stop, Tell};
use super::decide::{Action, Look, Name, Taken, Ward};
use crate::Limits;

const MIB: u64 = 1024 * 1024;
const PLENTY: u64 = u64::MAX;

fn limits() -> Limits {
    Limits { memory_bytes: 100 * MIB, processes: 10, disk_reserve_bytes: 50 * MIB, ..Limits::default() }
}

/// A process named by its age, with memory in MiB, threads and MiB written.
fn process(started: u64, memory: u64, threads: u32, written: u64) -> Taken {
    let name = name(started);
    let written = Some(written * MIB);
    let (written_bytes, by_itself_bytes) = (written, written);
    Taken { name, memory_bytes: memory * MIB, threads, written_bytes, by_itself_bytes, is_leader: false }
}

fn name(started: u64) -> Name {
    Name { started, pid: u32::try_from(started).unwrap() }
}

/// One that the agent started.
fn shell(started: u64, written: u64) -> Taken {
    Taken { is_leader: true, ..process(started, 1, 1, written) }
}

fn at(second: u64) -> Duration {
    Duration::from_secs(second)
}

fn check(ward: &mut Ward, taken: &[Taken], free: u64, second: u64, expected: &[Action]) {
    let look = Look { taken: taken.to_vec(), files_bytes: 0, memory_is_known: true, free_bytes: free };
    assert_eq!(ward.look(&look, at(second)), expected, "{taken:?} at {second}");
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
    // A signal that did not arrive makes nobody immune.
    check(&mut ward, &all, PLENTY, 5, &[Kill(name(5)), Kill(name(4)), Tell(EndCause::Memory)]);
}

#[test]
fn files_in_memory_leave_half_of_it_to_programs() {
    let mut ward = Ward::new(limits(), None);
    let look = |files_bytes, memory_is_known| Look {
        taken: vec![process(1, 30, 1, 0), process(2, 25, 1, 0)],
        files_bytes,
        memory_is_known,
        free_bytes: PLENTY,
    };
    assert_eq!(ward.look(&look(45 * MIB, true), at(0)), []);
    assert_eq!(ward.look(&look(1000 * MIB, false), at(1)), [], "nobody goes for what may be shared");
    assert_eq!(ward.look(&look(1000 * MIB, true), at(2)), [Kill(name(1)), Tell(EndCause::Memory)]);
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
    assert_eq!(ward.measured(60 * MIB, at(2)), [Continue(name(1)), Continue(name(2))]);
    // A quarter of what is left.
    check(&mut ward, &[process(1, 1, 1, 26), process(2, 1, 1, 1)], PLENTY, 3, &[]);
    check(&mut ward, &[process(1, 1, 1, 27), process(2, 1, 1, 1)], PLENTY, 4, &[AskDisk, Stop(name(1))]);
    let both = [Stop(name(1)), Stop(name(2)), Kill(name(1)), Kill(name(2)), Tell(EndCause::Disk)];
    assert_eq!(ward.measured(101 * MIB, at(4)), both, "whoever wrote");
}

#[test]
fn a_shell_is_left_to_remove_something_with() {
    let mut ward = Ward::new(limits(), Some(100 * MIB));
    check(&mut ward, &[shell(1, 0), process(2, 1, 1, 17)], PLENTY, 0, &[AskDisk, Stop(name(2))]);
    assert_eq!(ward.measured(110 * MIB, at(0)), [Stop(name(2)), Kill(name(2)), Tell(EndCause::Disk)]);
    // What it starts stands still as soon as it is asked again, whether or not it is seen to write.
    check(&mut ward, &[shell(1, 0), process(3, 1, 1, 3), process(4, 1, 1, 0)], PLENTY, 10, &[]);
    let asked = [AskDisk, Stop(name(3)), Stop(name(4))];
    check(&mut ward, &[shell(1, 0), process(3, 1, 1, 4), process(4, 1, 1, 0)], PLENTY, 11, &asked);
    let again = [Stop(name(3)), Stop(name(4)), Kill(name(3)), Kill(name(4)), Tell(EndCause::Disk)];
    assert_eq!(ward.measured(108 * MIB, at(11)), again, "it became less");
    // What its commands wrote is not its own doing.
    let waited = Taken { written_bytes: Some(20 * MIB), ..shell(1, 0) };
    check(&mut ward, &[waited], PLENTY, 15, &[AskDisk]);
    assert_eq!(ward.measured(108 * MIB, at(15)), []);
    check(&mut ward, &[waited, process(5, 1, 1, 4)], PLENTY, 20, &[AskDisk, Stop(name(5))]);
    // Others took the room: what looks for something to remove goes on.
    let mut other = Ward::new(limits(), Some(100 * MIB));
    check(&mut other, &[process(1, 1, 1, 17)], PLENTY, 0, &[AskDisk, Stop(name(1))]);
    assert_eq!(other.measured(110 * MIB, at(0)), [Stop(name(1)), Kill(name(1)), Tell(EndCause::Disk)]);
    check(&mut other, &[process(2, 1, 1, 0)], PLENTY - 100 * MIB, 10, &[AskDisk, Stop(name(2))]);
    assert_eq!(other.measured(110 * MIB, at(10)), [Continue(name(2))]);
    let all = [Stop(name(1)), Stop(name(5)), Kill(name(1)), Kill(name(5)), Tell(EndCause::Disk)];
    assert_eq!(ward.measured(113 * MIB, at(20)), all, "it became more");
}

#[test]
fn what_is_missing_on_the_disk_is_looked_for_whatever_processes_say() {
    let mut ward = Ward::new(limits(), Some(1000 * MIB));
    let free = |mib: u64| mib * MIB;
    check(&mut ward, &[shell(1, 0)], free(5000), 0, &[]);
    check(&mut ward, &[shell(1, 0)], free(4985), 1, &[]);
    check(&mut ward, &[shell(1, 0)], free(4984), 2, &[AskDisk]);
    assert!(ward.measured(960 * MIB, at(3)).is_empty());
    // Not sooner than eight times as long as it took, for others may have written that.
    check(&mut ward, &[shell(1, 0)], free(4000), 10, &[]);
    check(&mut ward, &[], free(4000), 11, &[]);
    check(&mut ward, &[shell(1, 0)], free(4000), 12, &[AskDisk]);
    assert!(ward.measured(960 * MIB, at(12)).is_empty());
    check(&mut ward, &[shell(1, 0)], free(4500), 20, &[]);
    check(&mut ward, &[shell(1, 0)], free(4480), 21, &[AskDisk]);
}

#[test]
fn whoever_keeps_secret_what_it_writes_wrote_what_is_missing() {
    let mut ward = Ward::new(limits(), Some(1000 * MIB));
    let secret = |started| Taken { written_bytes: None, by_itself_bytes: None, ..process(started, 1, 1, 0) };
    check(&mut ward, &[secret(1), process(2, 1, 1, 0)], 500 * MIB, 0, &[]);
    check(&mut ward, &[secret(1), process(2, 1, 1, 0)], 480 * MIB, 1, &[AskDisk, Stop(name(1))]);
    let mut ward = Ward::new(limits(), None);
    check(&mut ward, &[secret(1)], 49 * MIB, 0, &[]);
    check(&mut ward, &[secret(1)], 45 * MIB, 1, &[Kill(name(1)), Tell(EndCause::Disk)]);
}

#[test]
fn writers_stand_still_as_long_as_nobody_measures() {
    let mut ward = Ward::new(limits(), Some(100 * MIB));
    check(&mut ward, &[process(1, 1, 1, 20)], PLENTY, 0, &[AskDisk, Stop(name(1))]);
    check(&mut ward, &[process(1, 1, 1, 20)], PLENTY, 59, &[]);
    check(&mut ward, &[process(1, 1, 1, 20)], PLENTY, 60, &[AskDisk]);
    assert_eq!(ward.measured(20 * MIB, at(61)), [Continue(name(1))]);
}

#[test]
fn without_a_quota_nobody_is_asked() {
    let mut ward = Ward::new(limits(), None);
    assert!(!ward.counts_writes(PLENTY) && ward.counts_writes(49 * MIB));
    check(&mut ward, &[process(1, 1, 1, 5000)], PLENTY, 0, &[]);
    assert!(ward.measured(5000 * MIB, at(1)).is_empty());
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
