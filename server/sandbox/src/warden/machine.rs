//! How much memory the machine has for this process and what it starts, and how long it has worked for a thread.

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Where control groups are.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// Tells, among others, for how many nanoseconds the thread had a processor: the first number.
const PROCESSOR_TIME: &str = "/proc/thread-self/schedstat";

/// How long this thread had a processor; how long the program runs, where the kernel does not tell. What is limited by it
/// is not cut short because the machine is busy.
pub(super) fn processor_time() -> Duration {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let text = std::fs::read_to_string(PROCESSOR_TIME).unwrap_or_default();
    let nanoseconds = text.split_ascii_whitespace().next().and_then(|number| number.parse().ok());
    nanoseconds.map_or_else(|| BEGIN.elapsed(), Duration::from_nanos)
}

/// So many hundredths of it, in bytes. As much as can be where nobody tells.
pub(crate) fn memory_share(percent: u32) -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let most = memory(&read("/proc/meminfo"), &read("/proc/self/cgroup"), Path::new(CONTROL_GROUPS));
    most.map_or(u64::MAX, |most| most / 100 * u64::from(percent))
}

fn memory(meminfo: &str, own_groups: &str, groups: &Path) -> Option<u64> {
    let all =
        meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    let all = all.and_then(|kibibytes: u64| kibibytes.checked_mul(1024));
    all.into_iter().chain(own_groups.lines().flat_map(|line| limits(line, groups))).min()
}

/// What a control group and those above it may have; `line` is one of `/proc/self/cgroup`.
fn limits(line: &str, groups: &Path) -> Vec<u64> {
    let mut parts = line.splitn(3, ':');
    let (Some(_), Some(kinds), Some(path)) = (parts.next(), parts.next(), parts.next()) else { return Vec::new() };
    let (root, name) = if kinds.is_empty() {
        (groups.to_owned(), "memory.max")
    } else if kinds.split(',').any(|kind| kind == "memory") {
        (groups.join("memory"), "memory.limit_in_bytes")
    } else {
        return Vec::new();
    };
    // In a container what is above its own group may not be there; the group itself is where the root is then.
    let own = root.join(path.trim_start_matches('/'));
    let above = own.ancestors().take_while(|folder| folder.starts_with(&root));
    above.filter_map(|folder| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_all_that_limits_it_counts() {
        let folder = tempfile::tempdir().unwrap();
        let meminfo = "MemFree: 1 kB\nMemTotal:       1000 kB\n";
        let check = |groups: &str, expected| assert_eq!(memory(meminfo, groups, folder.path()), expected, "{groups}");
        check("", Some(1_024_000));
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::create_dir_all(folder.path().join("memory/c")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a/memory.max", "900000\n");
        write("a/b/memory.max", "max\n");
        write("memory/memory.limit_in_bytes", "800000\n");
        write("memory/c/memory.limit_in_bytes", "9223372036854771712\n");
        check("0::/a/b", Some(900_000));
        check("0::/a/b/not/mounted", Some(900_000));
        check("4:cpu,memory:/c\n3:cpu:/a\n0::/", Some(800_000));
        assert_eq!(memory("", "nonsense", folder.path()), None);
    }

    #[test]
    fn this_machine_tells() {
        assert!(memory_share(100) > memory_share(50) && memory_share(100) < u64::MAX);
        // The kernel counts in ticks.
        while processor_time() == Duration::ZERO {
            std::hint::spin_loop();
        }
    }
}
