//! What plugins said and were denied: for each person, workspace and plugin, the last of it, in the memory of this server.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coditect_protocol::plugin::{CapabilityName, Denial, LogLine, PluginLog};

use crate::keys::Whose;
use crate::lru::Lru;
use crate::settings::{MAX_DENIALS, MAX_LOG_LINE_BYTES, MAX_LOG_LINES};
use crate::time::now_ms;

/// What a line or denial takes beside its text, in bytes.
const OVERHEAD_BYTES: usize = 96;
/// Longest subject of a denial, in bytes.
const MAX_SUBJECT_BYTES: usize = 256;
/// Level of what the host says.
pub(crate) const HOST: &str = "host";

/// Of one plugin of a person.
#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<LogLine>,
    /// The newest last.
    denials: VecDeque<Denial>,
    bytes: usize,
}

/// Of all of them.
#[derive(Debug)]
pub(crate) struct Logs(Mutex<Lru<Whose, Log>>);

impl Logs {
    /// So many bytes of all.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Mutex::new(Lru::new(bytes as u64)))
    }

    fn all(&self) -> MutexGuard<'_, Lru<Whose, Log>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, whose: &Whose, change: impl FnOnce(&mut Log)) {
        let mut all = self.all();
        if all.peek(whose).is_none() {
            all.insert(whose.clone(), Log::default(), OVERHEAD_BYTES as u64);
        }
        let Some(log) = all.get(whose) else { return };
        change(log);
        let bytes = (log.bytes + OVERHEAD_BYTES) as u64;
        all.weigh(whose, bytes);
    }

    /// Adds a line.
    pub(crate) fn write(&self, whose: &Whose, level: &str, mut text: String) {
        cut(&mut text, MAX_LOG_LINE_BYTES);
        let line = LogLine { at: now_ms(), level: level.to_owned(), text };
        self.with(whose, |log| {
            log.bytes += line.text.len() + OVERHEAD_BYTES;
            log.lines.push_back(line);
            if log.lines.len() > MAX_LOG_LINES
                && let Some(oldest) = log.lines.pop_front()
            {
                log.bytes -= oldest.text.len() + OVERHEAD_BYTES;
            }
        });
    }

    /// Notes a denial; the same one again is counted.
    pub(crate) fn deny(&self, whose: &Whose, capability: CapabilityName, subject: &str) {
        let mut subject = subject.to_owned();
        cut(&mut subject, MAX_SUBJECT_BYTES);
        self.with(whose, |log| {
            let same = log.denials.iter().position(|it| it.capability == capability && it.subject == subject);
            let former = same.and_then(|at| log.denials.remove(at));
            let count = former.as_ref().map_or(0, |former| former.count) + 1;
            if former.is_none() {
                log.bytes += subject.len() + OVERHEAD_BYTES;
            }
            log.denials.push_back(Denial { at: now_ms(), capability, subject, count });
            if log.denials.len() > MAX_DENIALS
                && let Some(oldest) = log.denials.pop_front()
            {
                log.bytes -= oldest.subject.len() + OVERHEAD_BYTES;
            }
        });
    }

    pub(crate) fn show(&self, whose: &Whose) -> PluginLog {
        let all = self.all();
        let Some(log) = all.peek(whose) else { return PluginLog::default() };
        PluginLog { lines: log.lines.iter().cloned().collect(), denials: log.denials.iter().rev().cloned().collect() }
    }

    pub(crate) fn forget(&self, whose: &Whose) {
        self.all().remove(whose);
    }
}

/// Cuts a text off at a length, between two characters.
pub(crate) fn cut(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::plugin::PluginId;
    use coditect_protocol::{UserId, WorkspaceId};
    use uuid::Uuid;

    fn whose(user: u128) -> Whose {
        (UserId(Uuid::from_u128(user)), WorkspaceId(Uuid::nil()), PluginId::parse("a.b").unwrap())
    }

    #[test]
    fn the_last_of_it_is_kept() {
        let (logs, ada) = (Logs::new(1 << 20), whose(1));
        for n in 0..MAX_LOG_LINES + 5 {
            logs.write(&ada, "info", n.to_string());
        }
        for n in 0..MAX_DENIALS + 5 {
            logs.deny(&ada, CapabilityName::Http, &n.to_string());
        }
        logs.deny(&ada, CapabilityName::Http, "50");
        let log = logs.show(&ada);
        assert_eq!((log.lines.len(), log.lines[0].text.as_str()), (MAX_LOG_LINES, "5"));
        assert_eq!((log.denials.len(), log.denials[0].subject.as_str(), log.denials[0].count), (MAX_DENIALS, "50", 2));
        assert_eq!(logs.show(&whose(2)), PluginLog::default());
    }

    #[test]
    fn whoever_writes_much_does_not_fill_the_memory() {
        let most = 300_000;
        let logs = Logs::new(most);
        for user in 0..50 {
            for _ in 0..100 {
                logs.write(&whose(user), "info", "ä".repeat(10_000));
                logs.deny(&whose(user), CapabilityName::Http, &"ä".repeat(10_000));
            }
        }
        let all = logs.all();
        let bytes: usize = all.iter().map(|(_, log)| log.bytes).sum();
        // The one that wrote last is always there: its lines are bounded by themselves.
        assert!(
            bytes <= most.max(100 * (MAX_LOG_LINE_BYTES + OVERHEAD_BYTES) + MAX_SUBJECT_BYTES + OVERHEAD_BYTES),
            "{bytes}"
        );
        drop(all);
        let last = logs.show(&whose(49));
        assert_eq!((last.lines.len(), last.lines[0].text.len()), (100, MAX_LOG_LINE_BYTES));
        assert_eq!((last.denials.len(), last.denials[0].count), (1, 100));
    }
}
