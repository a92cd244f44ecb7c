//! How much memory processes take.

use std::collections::HashMap;
use std::fs;

/// Of a process and all that it started, in MB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// `VmRSS`, what several share counted for each.
    pub(crate) resident: f64,
    /// `Pss`, what several share counted once.
    pub(crate) proportional: f64,
}

impl Memory {
    pub(crate) fn of(process: u32) -> Self {
        let all = family(process);
        let sum = |file: &str, field: &str| {
            let kilobytes: u32 = all.iter().filter_map(|pid| told(&format!("/proc/{pid}/{file}"), field)).sum();
            f64::from(kilobytes) * 1024.0 / 1e6
        };
        Self { resident: sum("status", "VmRSS:"), proportional: sum("smaps_rollup", "Pss:") }
    }

    /// The larger of each.
    pub(crate) fn most(self, other: Self) -> Self {
        Self { resident: self.resident.max(other.resident), proportional: self.proportional.max(other.proportional) }
    }
}

/// A process and its descendants.
fn family(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let names = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    for process in names.filter_map(|name| name.to_str()?.parse::<u32>().ok()) {
        if let Some(parent) = told(&format!("/proc/{process}/status"), "PPid:") {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut all = vec![root];
    let mut next = 0;
    while let Some(process) = all.get(next) {
        all.extend(children.remove(process).unwrap_or_default());
        next += 1;
    }
    all
}

/// The first number behind a field's name; nothing where the process has ended.
fn told(file: &str, field: &str) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(field))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_and_its_children_take_memory() {
        let memory = Memory::of(std::process::id());
        assert!(memory.resident > 0.0 && memory.proportional > 0.0 && memory.proportional <= memory.resident);
        assert!(family(1).contains(&1) && told("/proc/self/status", "PPid:").is_some());
        assert_eq!(Memory::of(u32::MAX).resident, 0.0);
    }
}
