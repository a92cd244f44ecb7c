//! How long commands took, cold and warm.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::repo::Repo;
use crate::{stamp, ui};

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Record {
    cold_seconds: Option<f64>,
    warm_seconds: Option<f64>,
}

/// Whether a command has succeeded here before, and what it took then.
pub(crate) struct History {
    command: &'static str,
    durations: PathBuf,
    /// Written when the command first succeeds.
    stamp: PathBuf,
    cold: bool,
}

impl History {
    /// Opened before the command does its work. `command` is the word after `cargo xtask`.
    pub(crate) fn open(repo: &Repo, command: &'static str) -> Self {
        let stamp = repo.stamps().join(format!("succeeded-{command}"));
        let cold = !stamp.exists();
        Self { command, durations: repo.stamps().join("durations.json"), stamp, cold }
    }

    /// A sentence with the duration of a success and the last one of the other kind. Both are kept for the next time.
    pub(crate) fn succeeded(self, time: Duration) -> String {
        let name = format!("cargo xtask {}", self.command);
        let text = std::fs::read_to_string(&self.durations).unwrap_or_default();
        let mut records: BTreeMap<String, Record> = serde_json::from_str(&text).unwrap_or_default();
        let record = records.entry(name.clone()).or_default();
        let (slot, other, kind, other_kind) = if self.cold {
            (&mut record.cold_seconds, record.warm_seconds, "cold", "warm")
        } else {
            (&mut record.warm_seconds, record.cold_seconds, "warm", "cold")
        };
        *slot = Some(time.as_secs_f64());
        let mut text = format!("{name} took {} ({kind}", ui::seconds(time));
        if let Some(other) = other {
            text.push_str(&format!("; last {other_kind}: {}", ui::seconds(Duration::from_secs_f64(other))));
        }
        text.push(')');
        // Only a convenience: a full disk is reported by whatever needs the space.
        let _kept = serde_json::to_vec_pretty(&records).map(|json| stamp::write(&self.durations, &json));
        let _kept = stamp::write(&self.stamp, b"");
        text
    }

    /// The same for a failure, which says nothing about other runs.
    pub(crate) fn failed(self, time: Duration) -> String {
        format!("cargo xtask {} took {}", self.command, ui::seconds(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_cold_until_it_succeeded_and_later_ones_show_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut repo = Repo::at(dir.path());
        repo.target = dir.path().join("target");
        let took = |command, seconds| History::open(&repo, command).succeeded(Duration::from_secs(seconds));
        assert_eq!(History::open(&repo, "run").failed(Duration::from_secs(3)), "cargo xtask run took 3.00 s");
        assert_eq!(took("run", 300), "cargo xtask run took 5 min 00 s (cold)", "a failure warms nothing");
        assert_eq!(took("test", 60), "cargo xtask test took 60.0 s (cold)", "nor does another command");
        assert_eq!(took("run", 4), "cargo xtask run took 4.00 s (warm; last cold: 5 min 00 s)");
        assert_eq!(took("run", 5), "cargo xtask run took 5.00 s (warm; last cold: 5 min 00 s)");
    }
}
