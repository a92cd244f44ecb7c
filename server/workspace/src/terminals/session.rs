//! Signals to all processes of a terminal's session.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Sends a signal to every process of the session, its leader included only where `to_leader`.
///
/// A process is held by a descriptor before its session is looked at, so that a number used again hits nobody else.
/// Reads `/proc`: call it where blocking is allowed.
pub(super) fn signal(leader: u32, signal: Signal, to_leader: bool) {
    let Ok(entries) = std::fs::read_dir("/proc") else { return };
    for pid in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if pid == leader && !to_leader || session_of(pid) != Some(leader) {
            continue;
        }
        let Some(held) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { continue };
        let Ok(held) = pidfd_open(held, PidfdFlags::empty()) else { continue };
        if session_of(pid) == Some(leader) {
            let sent = pidfd_send_signal(&held, signal);
            // It may have ended by itself meanwhile.
            tracing::trace!(pid, ?signal, ok = sent.is_ok(), "signal to a terminal's process");
        }
    }
}

/// The session of a process: the fourth field after the name, which is in parentheses and may hold anything.
fn session_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(3)?.parse().ok()
}
