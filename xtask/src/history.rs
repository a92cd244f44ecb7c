//! How long commands took, cold and warm.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::repo::Repo;
use crate::{stamp, ui};

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Record {
    cold_seconds: Option<f64>,
    warm_seconds: Option<f64>,
}

/// Whether this command finds nothing built by an earlier command of its kind, and what it took then.
pub(crate) struct History {
    file: std::path::PathBuf,
    records: BTreeMap<String, Record>,
    cold: bool,
}

impl History {
    pub(crate) fn open(repo: &Repo) -> Self {
        let file = repo.stamps().join("durations.json");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Self {
            file,
            records: serde_json::from_str(&text).unwrap_or_default(),
            cold: !repo.stamps().join("wasm-pkg").exists(),
        }
    }

    /// Keeps the duration and gives a sentence with it and the one of the other kind.
    pub(crate) fn took(mut self, command: &str, time: Duration) -> String {
        let record = self.records.entry(command.to_owned()).or_default();
        let (slot, other, kind, other_kind) = if self.cold {
            (&mut record.cold_seconds, record.warm_seconds, "cold", "warm")
        } else {
            (&mut record.warm_seconds, record.cold_seconds, "warm", "cold")
        };
        *slot = Some(time.as_secs_f64());
        let mut text = format!("{command} took {} ({kind}", ui::seconds(time));
        if let Some(other) = other {
            text.push_str(&format!("; last {other_kind}: {}", ui::seconds(Duration::from_secs_f64(other))));
        }
        text.push(')');
        // Only a convenience: a full disk is reported by whatever needs the space.
        let _kept = serde_json::to_vec_pretty(&self.records).map(|json| stamp::write(&self.file, &json));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_is_cold_and_later_ones_show_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut repo = Repo::at(dir.path());
        repo.target = dir.path().join("target");
        assert_eq!(History::open(&repo).took("run", Duration::from_secs(300)), "run took 5 min 00 s (cold)");
        stamp::write(&repo.stamps().join("wasm-pkg"), b"").unwrap();
        let second = History::open(&repo).took("run", Duration::from_secs(4));
        assert_eq!(second, "run took 4.00 s (warm; last cold: 5 min 00 s)");
    }
}
