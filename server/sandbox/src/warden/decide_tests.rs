//! What the warden decides, as data.

use std::time::Duration;

use coditect_protocol::terminal::EndCause;
use coditect_protocol::{UserId, WorkspaceId};
use uuid::Uuid;

use super::decide::Action::{AskDisk, Continue, End, Kill, Stop, Tell};
use super::decide::{Action, Free, Look, Name, Taken, Ward};
use super::together::relieve;
use crate::{Limits, SandboxId};

pub(super) const MIB: u64 = 1024 * 1024;
pub(super) const PLENTY: u64 = u64::MAX;
/// What collects processes without a parent.
pub(super) const AGENT: Name = Name { started: 0, pid: 1 };

pub(super) fn limits() -> Limits {
    Limits { memory_bytes: 100 * MIB, processes: 10, disk_reserve_bytes: 50 * MIB, ..Limits::default() }
}

/// A process named by its age, with memory in MiB, threads and MiB written, each by a call.
pub(super) fn process(started: u64, memory: u64, threads: u32, written: u64) -> Taken {
    let name = name(started);
    let write_calls = written;
    let written = Some(written * MIB);
    let (written_bytes, by_itself_bytes) = (written, written);
    Taken {
        name,
        memory_bytes: memory * MIB,
        threads,
        written_bytes,
        by_itself_bytes,
        write_calls,
        parent: 1,
        is_dead: false,
        is_stopped: false,
        is_leader: false,
    }
}

pub(super) fn name(started: u64) -> Name {
    Name { started, pid: u32::try_from(started).unwrap() }
}

/// One that the agent started.
pub(super) fn shell(started: u64, written: u64) -> Taken {
    Taken { is_leader: true, ..process(started, 1, 1, written) }
}

pub(super) fn at(second: u64) -> Duration {
    Duration::from_secs(second)
}

pub(super) fn free_bytes(bytes: u64) -> Free {
    Free { bytes, entries: PLENTY }
}

pub(super) fn check(ward: &mut Ward, taken: &[Taken], free: u64, second: u64, expected: &[Action]) {
    let look = Look {
        taken: taken.to_vec(),
        agent: Some(AGENT),
        files_bytes: 0,
        memory_is_known: true,
        free: free_bytes(free),
    };
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
        agent: Some(AGENT),
        files_bytes,
        memory_is_known,
        free: free_bytes(PLENTY),
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
    // What it wrote before nobody counted, and it is no reason now.
    check(&mut ward, &[process(1, 1, 1, 906), process(2, 1, 1, 2)], low, 2, &[]);
    check(&mut ward, &[process(1, 1, 1, 907), process(2, 1, 1, 2)], low, 3, &[Kill(name(1)), Tell(EndCause::Disk)]);
    check(&mut ward, &[process(2, 1, 1, 3)], fine, 4, &[]);
    check(&mut ward, &[process(2, 1, 1, 100)], low, 5, &[]);
    check(&mut ward, &[process(2, 1, 1, 103), process(3, 1, 1, 3)], low, 6, &[]);
    check(&mut ward, &[process(2, 1, 1, 104), process(3, 1, 1, 3)], low, 7, &[Kill(name(2)), Tell(EndCause::Disk)]);
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

#[test]
fn files_that_nobody_is_seen_to_make_are_looked_for() {
    let mut ward = Ward::new(limits(), Some(100 * MIB));
    let look = |ward: &mut Ward, entries, second| {
        let free = Free { bytes: 5000 * MIB, entries };
        let taken = vec![shell(1, 0), process(2, 1, 1, 0)];
        ward.look(&Look { taken, agent: Some(AGENT), files_bytes: 0, memory_is_known: true, free }, at(second))
    };
    assert_eq!(look(&mut ward, 500_000, 0), []);
    assert_eq!(look(&mut ward, 400_001, 1), []);
    assert_eq!(look(&mut ward, 400_000, 2), [AskDisk]);
    assert_eq!(ward.measured(110 * MIB, at(2)), [Stop(name(2)), Kill(name(2)), Tell(EndCause::Disk)]);
    // What remains is a shell, which could make them itself.
    assert_eq!(look(&mut ward, 398_000, 10), [AskDisk, Stop(name(2))]);
    let all = [Stop(name(1)), Stop(name(2)), Kill(name(1)), Kill(name(2)), Tell(EndCause::Disk)];
    assert_eq!(ward.measured(118 * MIB, at(10)), all);
}

pub(super) fn sandbox(person: u128, workspace: u128) -> SandboxId {
    SandboxId { person: UserId(Uuid::from_u128(person)), workspace: WorkspaceId(Uuid::from_u128(workspace)) }
}

/// What sandboxes do that take this memory (MiB: of each process, and of files), where all together may take `most` MiB.
fn together(sandboxes: &[(SandboxId, &[u64], u64, bool)], most: u64) -> Vec<(SandboxId, Action)> {
    let limits = || Limits { memory_bytes: PLENTY, ..limits() };
    let mut wards: Vec<(SandboxId, Ward)> = sandboxes.iter().map(|(id, ..)| (*id, Ward::new(limits(), None))).collect();
    for ((_, ward), (_, memory, files, memory_is_known)) in wards.iter_mut().zip(sandboxes) {
        let taken = (1..).zip(*memory).map(|(age, memory)| process(age, *memory, 1, 0)).collect();
        let (files_bytes, memory_is_known) = (files * MIB, *memory_is_known);
        let look = Look { taken, agent: Some(AGENT), files_bytes, memory_is_known, free: free_bytes(PLENTY) };
        assert_eq!(ward.look(&look, at(0)), []);
    }
    let mut all: Vec<(SandboxId, &mut Ward)> = wards.iter_mut().map(|(id, ward)| (*id, ward)).collect();
    let actions = relieve(&mut all, most * MIB, false, at(0));
    assert_eq!(relieve(&mut all, most * MIB, false, at(0)), [], "it fits then, or is waited for");
    actions
}

#[test]
fn whoever_takes_most_of_the_machine_gives_up_first() {
    let (a1, a2, b) = (sandbox(1, 1), sandbox(1, 2), sandbox(2, 1));
    let tell = Tell(EndCause::Memory);
    let all: [(SandboxId, &[u64], u64, bool); 3] =
        [(a1, &[50, 20], 0, true), (a2, &[40, 60, 10], 0, true), (b, &[100], 0, true)];
    assert_eq!(together(&all, 280), []);
    // The person with two, not the one with the largest sandbox or process.
    assert_eq!(together(&all, 279), [(a2, Kill(name(2))), (a2, tell)]);
    let two = [(a2, Kill(name(2))), (a2, tell), (a1, Kill(name(1))), (a1, tell)];
    assert_eq!(together(&all, 219)[..2], two[..2]);
    assert_eq!(
        together(&all, 119),
        [(a2, Kill(name(2))), (a2, tell), (a1, Kill(name(1))), (a1, tell), (b, Kill(name(1))), (b, tell)]
    );
    // What is not known to be its own costs nobody anything yet.
    let shared: [(SandboxId, &[u64], u64, bool); 2] = [(a1, &[50], 0, true), (b, &[100], 0, false)];
    assert_eq!(together(&shared, 100), []);
}

#[test]
fn files_in_memory_end_with_their_sandbox() {
    let (a, b) = (sandbox(1, 1), sandbox(2, 1));
    let all: [(SandboxId, &[u64], u64, bool); 2] = [(a, &[30, 5], 90, true), (b, &[40], 0, true)];
    assert_eq!(together(&all, 100), [(a, End(EndCause::Memory)), (a, Tell(EndCause::Memory))]);
    let mut ward = Ward::new(Limits { memory_bytes: PLENTY, ..limits() }, None);
    let look = |ward: &mut Ward, second| {
        let (files_bytes, free) = (90 * MIB, free_bytes(PLENTY));
        ward.look(
            &Look { taken: Vec::new(), agent: Some(AGENT), files_bytes, memory_is_known: true, free },
            at(second),
        );
        ward.memory_bytes()
    };
    assert_eq!(look(&mut ward, 0), 90 * MIB);
    assert_eq!(ward.give_up(at(0)), End(EndCause::Memory));
    assert_eq!([look(&mut ward, 1), look(&mut ward, 14)], [0, 0], "it is on its way");
    assert_eq!(look(&mut ward, 15), 90 * MIB, "it was not");
}
