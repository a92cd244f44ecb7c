//! What the warden decides about programs that try to get around it, as data.

use coditect_protocol::terminal::EndCause;

use super::decide::Action::{AskDisk, Continue, End, Kill, Stop, Tell};
use super::decide::{Action, Look, Taken, Ward};
use super::decide_tests::{AGENT, MIB, PLENTY, at, check, free_bytes, limits, name, process, sandbox, shell};
use super::disk;
use super::together::relieve;
use crate::{Limits, SandboxId};

/// One that has ended and that its parent has not collected.
fn dead(started: u64, parent: u32) -> Taken {
    Taken { parent, is_dead: true, ..process(started, 0, 1, 0) }
}

fn dead_of(parent: u32, started: std::ops::Range<u64>) -> Vec<Taken> {
    started.map(|started| dead(started, parent)).collect()
}

#[test]
fn who_does_not_collect_what_ended_goes() {
    let mut ward = Ward::new(limits(), None);
    let living = [process(2, 1, 1, 0), process(3, 1, 1, 0), process(4, 1, 1, 0)];
    let with = |dead: Vec<Taken>| [living.to_vec(), dead].concat();
    check(&mut ward, &with(dead_of(3, 10..17)), PLENTY, 0, &[]);
    // Neither the youngest, nor any of the dead.
    check(&mut ward, &with(dead_of(3, 10..18)), PLENTY, 1, &[Kill(name(3)), Tell(EndCause::Processes)]);
    // With it go those that it did not collect: to the agent.
    check(&mut ward, &[living[0], living[2]], PLENTY, 2, &[]);
    let mut ward = Ward::new(limits(), None);
    let few = with([dead_of(3, 10..12), dead_of(4, 20..26)].concat());
    check(&mut ward, &few, PLENTY, 0, &[Kill(name(4)), Tell(EndCause::Processes)]);
    // Few of them are no reason: the youngest of the living goes.
    let mut ward = Ward::new(limits(), None);
    let many = [process(2, 1, 8, 0), process(3, 1, 1, 0), dead(10, 2), dead(11, 2)];
    check(&mut ward, &many, PLENTY, 0, &[Kill(name(3)), Tell(EndCause::Processes)]);
}

#[test]
fn what_was_just_killed_is_not_held_against_who_collects_it() {
    let mut ward = Ward::new(limits(), None);
    let living: Vec<Taken> = (2..=20).map(|age| Taken { parent: 2, ..process(age, 1, 1, 0) }).collect();
    let killed = (12..=20).rev().map(|age| Kill(name(age))).chain([Tell(EndCause::Processes)]).collect::<Vec<_>>();
    check(&mut ward, &living, PLENTY, 0, &killed);
    let ended: Vec<Taken> = living.iter().map(|one| Taken { is_dead: one.name.started >= 12, ..*one }).collect();
    check(&mut ward, &ended, PLENTY, 1, &[]);
    check(&mut ward, &ended, PLENTY, 3, &[Kill(name(2)), Tell(EndCause::Processes)]);
}

#[test]
fn an_agent_that_does_not_collect_is_made_to_go_on() {
    let mut ward = Ward::new(limits(), None);
    check(&mut ward, &dead_of(AGENT.pid, 10..15), PLENTY, 0, &[]);
    check(&mut ward, &dead_of(AGENT.pid, 10..16), PLENTY, 1, &[Continue(AGENT)]);
    // It did.
    check(&mut ward, &[], PLENTY, 2, &[]);
    check(&mut ward, &dead_of(AGENT.pid, 20..26), PLENTY, 3, &[Continue(AGENT)]);
    check(&mut ward, &dead_of(AGENT.pid, 20..26), PLENTY, 4, &[]);
    check(&mut ward, &dead_of(AGENT.pid, 20..26), PLENTY, 5, &[End(EndCause::Processes), Tell(EndCause::Processes)]);
    check(&mut ward, &dead_of(AGENT.pid, 20..26), PLENTY, 6, &[]);
}

/// What happens to sandboxes (by what each wrote in MiB, in these processes) on a disk with so little left.
fn nearly_full(
    wards: &mut [(SandboxId, Ward)],
    looks: &[&[Taken]],
    free: u64,
    second: u64,
) -> Vec<(SandboxId, Action)> {
    for ((_, ward), taken) in wards.iter_mut().zip(looks) {
        check(ward, taken, free, second, &[]);
    }
    let mut all: Vec<(SandboxId, &mut Ward)> = wards.iter_mut().map(|(id, ward)| (*id, ward)).collect();
    disk::relieve(&mut all, at(second))
}

#[test]
fn many_small_writers_that_fill_the_disk_go() {
    let (a, b) = (sandbox(1, 1), sandbox(2, 1));
    let mut wards = [a, b].map(|id| (id, Ward::new(limits(), None)));
    let low = 49 * MIB;
    let harmless = [shell(1, 1), process(2, 1, 1, 3)];
    let mut look = |writer, second| nearly_full(&mut wards, &[&[shell(1, 0), writer], &harmless], low, second);
    for second in 0..5 {
        assert_eq!(look(process(10 + second, 1, 1, 3), second), [], "{second}");
    }
    // Each of them wrote little, and all together more than a sandbox may.
    let ends = [Stop(name(1)), Stop(name(20)), Kill(name(1)), Kill(name(20)), Tell(EndCause::Disk)];
    assert_eq!(look(process(20, 1, 1, 3), 5), ends.map(|action| (a, action)));
    // Whoever wrote less lives on as long as it writes little.
    assert_eq!(look(process(21, 1, 1, 3), 6), []);
}

#[test]
fn what_nobody_is_seen_to_write_is_charged_in_proportion() {
    let (a, b) = (sandbox(1, 1), sandbox(2, 1));
    let mut wards = [a, b].map(|id| (id, Ward::new(limits(), None)));
    let quiet = [process(2, 1, 1, 0)];
    let mut look = |written, free, second| {
        nearly_full(&mut wards, &[&[process(10 + second, 1, 1, written)], &quiet], free * MIB, second)
    };
    assert_eq!(look(0, 45, 0), []);
    // Others may have done it, if nobody here is seen to write.
    assert_eq!(look(0, 25, 1), []);
    let ends = look(1, 5, 2);
    assert_eq!(ends, [Stop(name(12)), Kill(name(12)), Tell(EndCause::Disk)].map(|action| (a, action)));
}

#[test]
fn who_is_made_to_go_on_writing_goes() {
    let mut ward = Ward::new(limits(), Some(1000 * MIB));
    check(&mut ward, &[process(1, 1, 1, 20), shell(2, 0)], PLENTY, 0, &[AskDisk, Stop(name(1))]);
    // The signal may take until then.
    check(&mut ward, &[process(1, 1, 1, 60), shell(2, 0)], PLENTY, 1, &[Stop(name(1))]);
    check(&mut ward, &[process(1, 1, 1, 68), shell(2, 0)], PLENTY, 2, &[Stop(name(1))]);
    check(&mut ward, &[process(1, 1, 1, 69), shell(2, 0)], PLENTY, 3, &[Kill(name(1)), Tell(EndCause::Disk)]);
    // One call goes on to its end, however much it writes.
    let calls = |calls, written| [Taken { write_calls: calls, ..process(1, 1, 1, written) }];
    let mut ward = Ward::new(limits(), Some(10_000 * MIB));
    check(&mut ward, &calls(7, 20), PLENTY, 0, &[AskDisk, Stop(name(1))]);
    check(&mut ward, &calls(7, 500), PLENTY, 1, &[Stop(name(1))]);
    check(&mut ward, &calls(8, 2048), PLENTY, 2, &[Stop(name(1))]);
    check(&mut ward, &calls(9, 2049), PLENTY, 3, &[Kill(name(1)), Tell(EndCause::Disk)]);
    let mut ward = Ward::new(limits(), Some(10_000 * MIB));
    check(&mut ward, &calls(7, 20), PLENTY, 0, &[AskDisk, Stop(name(1))]);
    check(&mut ward, &calls(7, 20), PLENTY, 1, &[]);
    check(&mut ward, &calls(7, 20 + 2056), PLENTY, 2, &[Stop(name(1))]);
    check(&mut ward, &calls(7, 20 + 2057), PLENTY, 3, &[Kill(name(1)), Tell(EndCause::Disk)]);
    // What is missing while one stands still that keeps secret what it writes is the doing of others.
    let secret = |is_stopped| [Taken { written_bytes: None, by_itself_bytes: None, is_stopped, ..process(1, 1, 1, 0) }];
    let mut ward = Ward::new(limits(), Some(10_000 * MIB));
    check(&mut ward, &secret(false), 9000 * MIB, 0, &[]);
    check(&mut ward, &secret(false), 8900 * MIB, 1, &[AskDisk, Stop(name(1))]);
    check(&mut ward, &secret(true), 8900 * MIB, 2, &[]);
    check(&mut ward, &secret(true), 8700 * MIB, 3, &[Stop(name(1))]);
    check(&mut ward, &secret(false), 8600 * MIB, 4, &[Kill(name(1)), Tell(EndCause::Disk)]);
    // Once it was let go it may write again.
    let mut ward = Ward::new(limits(), Some(1000 * MIB));
    check(&mut ward, &[process(1, 1, 1, 20)], PLENTY, 0, &[AskDisk, Stop(name(1))]);
    check(&mut ward, &[process(1, 1, 1, 25)], PLENTY, 1, &[Stop(name(1))]);
    assert_eq!(ward.measured(25 * MIB, at(1)), [Continue(name(1))]);
    check(&mut ward, &[process(1, 1, 1, 100)], PLENTY, 2, &[]);
}

#[test]
fn nobody_holds_up_what_is_done_about_all() {
    let limits = || Limits { memory_bytes: PLENTY, ..limits() };
    let ids = [sandbox(1, 1), sandbox(2, 1), sandbox(3, 1)];
    let mut wards = ids.map(|id| (id, Ward::new(limits(), None)));
    let mut look = |unknown: usize, millis: u64, too_long| {
        let now = std::time::Duration::from_millis(millis);
        for (index, (_, ward)) in wards.iter_mut().enumerate() {
            let memory = if index == 2 { 100 } else { 300 };
            let taken = vec![process(1, memory, 1, 0)];
            let (memory_is_known, free) = (index != unknown, free_bytes(PLENTY));
            ward.look(&Look { taken, agent: Some(AGENT), files_bytes: 0, memory_is_known, free }, now);
        }
        let mut all: Vec<(SandboxId, &mut Ward)> = wards.iter_mut().map(|(id, ward)| (*id, ward)).collect();
        relieve(&mut all, 350 * MIB, too_long, now)
    };
    assert_eq!(look(2, 0, false), []);
    // The first two by turns: each for less than it may.
    for (turn, millis) in (100..=1000).step_by(100).enumerate() {
        assert_eq!(look(turn % 2, millis, false), [], "{millis}");
    }
    // Whoever is unknown is left out, and costs nobody else anything; then it does no more.
    let gives_up = |index: usize| vec![(ids[index], Kill(name(1))), (ids[index], Tell(EndCause::Memory))];
    assert_eq!(look(0, 1100, true), gives_up(1));
    assert_eq!(look(0, 1700, true), gives_up(0));
}
