//! Where a sandbox has no namespace of processes: one process outside the walls that ends everything inside.
//!
//! Behind Landlock it also answers the calls that wait for it ([`super::modes`]). Programs inside can neither signal
//! nor trace it; and its own signals are kept to them, so that it can end all of them in one call. What loses its parent
//! becomes a child of the agent, and when that is gone, of the guard; the guard ends when it has no child left.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, set_child_subreaper, set_parent_process_death_signal, wait,
};

use super::modes::Modes;
use super::wire::{MAX_PACKET_BYTES, Setup, WallsSetup};
use super::{bound, packet, refuse, signals};
use crate::processes;
use crate::walls::landlock::{self, SignalsKept};

/// Pause between two rounds of ending processes.
const ROUND: Duration = Duration::from_millis(10);

/// How everything below is ended.
enum Reach {
    /// Behind Landlock the guard can signal nobody else.
    Kept(SignalsKept),
    /// Without walls what is below is looked up, which those that start others faster than that can outrun.
    Everybody,
}

/// Starts the agent behind the walls, and ends everything when it ends or when the supervisor does.
#[expect(unsafe_code, reason = "the agent is this process once more, bound differently: only fork makes that")]
pub(super) fn run(control: OwnedFd, setup: &Setup) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("the guard cannot work ({error})");
    let supervisor = getppid().ok_or("the guard cannot work (nobody started it)")?;
    let own = getpid();
    let reach = match &setup.walls {
        // Everything that is started from here on is reached by the guard's signals, and nothing else is.
        WallsSetup::Landlock(_) => match landlock::keep_signals(supervisor) {
            Ok(kept) => Reach::Kept(kept),
            Err(reason) => return Err(refuse(&control, reason)),
        },
        WallsSetup::Plain | WallsSetup::Namespaces { .. } => Reach::Everybody,
    };
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(|error| failed(&error))?;
    set_child_subreaper(Some(own)).map_err(|error| failed(&error))?;
    let (listening, telling) = packet::pair().map_err(|error| failed(&error))?;
    // SAFETY: the process has one thread, so that the copy is whole: no lock is held by a thread that is not there.
    match unsafe { libc::fork() } {
        0 => {
            drop(listening);
            inside(control, setup, own, telling)
        }
        agent if agent > 0 => {
            drop((control, telling));
            let waiting = signals::descriptor(&[Signal::CHILD, Signal::TERM]).map_err(|error| failed(&error))?;
            // Whoever started the guard may have ended before the guard asked to be told.
            let mut asked = Asked { line: Some(listening), modes: None, setup };
            if getppid() == Some(supervisor) {
                watch(&waiting, agent, &mut asked);
            }
            // What asks now waits until it is killed: without a listener it would be told that there is no such call.
            end_all(&waiting, own, &reach);
            drop(asked);
            Ok(())
        }
        _ => Err(failed(&std::io::Error::last_os_error())),
    }
}

fn inside(control: OwnedFd, setup: &Setup, guard: Pid, telling: OwnedFd) -> Result<(), String> {
    let failed = |error: Errno| format!("the agent cannot be bound to its guard ({error})");
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    if getppid() != Some(guard) {
        return Err("the guard has ended".to_owned());
    }
    set_child_subreaper(Some(getpid())).map_err(failed)?;
    bound(control, setup, Some(telling))
}

/// Returns when the agent has ended or the guard is asked to.
fn watch(waiting: &OwnedFd, agent: i32, asked: &mut Asked<'_>) {
    loop {
        let mut ready = vec![PollFd::new(waiting, PollFlags::IN)];
        ready.extend(asked.descriptor().map(|descriptor| PollFd::new(descriptor, PollFlags::IN)));
        // Interrupted or not: what there is to know is asked for next.
        let _ready = poll(&mut ready, None);
        if ready.get(1).is_some_and(|ready| !ready.revents().is_empty()) {
            asked.answer();
        }
        if signals::take(waiting).contains(&Signal::TERM.as_raw()) {
            return;
        }
        while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
            if pid.as_raw_nonzero().get() == agent {
                return;
            }
        }
    }
}

/// What programs inside ask the guard: first comes the descriptor to ask by, over the line, then what is asked.
struct Asked<'a> {
    line: Option<OwnedFd>,
    modes: Option<Modes>,
    setup: &'a Setup,
}

impl Asked<'_> {
    fn descriptor(&self) -> Option<&OwnedFd> {
        self.modes.as_ref().map(|modes| &modes.listener).or(self.line.as_ref())
    }

    fn answer(&mut self) {
        if let Some(modes) = &self.modes {
            if modes.answer().is_err() {
                // Nobody is left who could ask.
                self.modes = None;
            }
            return;
        }
        let Some(line) = self.line.take() else { return };
        let WallsSetup::Landlock(rules) = &self.setup.walls else { return };
        let mut buffer = vec![0; MAX_PACKET_BYTES];
        if let Ok(Some(((), fds))) = packet::receive(&line, &mut buffer) {
            self.modes = fds.into_iter().next().map(|listener| Modes::new(listener, &rules.writable));
        }
    }
}

/// Kills everything below until nothing is.
fn end_all(waiting: &OwnedFd, own: Pid, reach: &Reach) {
    let own = own.as_raw_nonzero().get().cast_unsigned();
    loop {
        match reach {
            Reach::Kept(kept) => kept.kill_all(),
            Reach::Everybody => {
                // What cannot be listed now can be in the next round.
                let all = processes::all().unwrap_or_default();
                processes::end(&processes::Tree::new(&all).below(own));
            }
        }
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                // No child is left.
                Err(_) => return,
            }
        }
        let pause = Timespec { tv_sec: 0, tv_nsec: ROUND.subsec_nanos().into() };
        let _ready = poll(&mut [PollFd::new(waiting, PollFlags::IN)], Some(&pause));
        signals::take(waiting);
    }
}
