//! Which processors a sandbox runs on.

use rustix::thread::{CpuSet, sched_getaffinity};

/// The processors that this process may run on.
pub(super) fn allowed() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect(),
        Err(error) => {
            tracing::warn!(%error, "the processors cannot be counted; sandboxes run on all");
            Vec::new()
        }
    }
}

/// `most` of the allowed ones, or with 0 all but one. The first is left to the server where there is another; people
/// start at different ones, so that few share them while there are enough.
pub(super) fn choose(allowed: &[usize], most: u32, person: u128) -> Vec<usize> {
    let [_, others @ ..] = allowed else { return Vec::new() };
    if others.is_empty() {
        return allowed.to_owned();
    }
    let most = if most == 0 { others.len() } else { others.len().min(most as usize) };
    let first = usize::try_from(person % others.len() as u128).unwrap_or(0);
    let mut chosen: Vec<usize> = others.iter().cycle().skip(first).take(most).copied().collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_one_to_the_server() {
        let check = |allowed: &[usize], most, person, expected: &[usize]| {
            assert_eq!(choose(allowed, most, person), expected, "{allowed:?} {most} {person}");
        };
        check(&[], 0, 0, &[]);
        check(&[3], 0, 9, &[3]);
        check(&[0, 1], 0, 7, &[1]);
        check(&[0, 1, 2, 5], 0, 1, &[1, 2, 5]);
        check(&[0, 1, 2, 5], 2, 0, &[1, 2]);
        check(&[0, 1, 2, 5], 2, 2, &[1, 5]);
        check(&[0, 1, 2, 5], 64, 1, &[1, 2, 5]);
    }
}
