//! Programs that change files on their way in and out of a repository: none of them runs where something is only looked at.

use std::collections::BTreeSet;

use crate::error::GitError;
use crate::limits::ARGUMENT_BYTES;
use crate::names;
use crate::run::Call;
use crate::work::Work;

/// Commands that compare files with what is recorded of them.
const COMPARING: &[&str] = &["blame", "diff", "ls-files", "status", "update-index"];
/// What a filter is switched off by: without a command a file is taken as it is. Otherwise a filter that is required but does
/// not run is an error.
const OFF: [(&str, &str); 4] = [("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")];

/// Whether filters could run in this command.
pub(crate) fn concern(command: &std::ffi::OsStr) -> bool {
    COMPARING.iter().any(|name| command == *name)
}

/// Variables for `git` that switch off every filter of every configuration: those of the person are none the less started for
/// what somebody else's repository says.
pub(crate) async fn switched_off(work: &Work) -> Result<Vec<(String, Vec<u8>)>, GitError> {
    let keys = Call::reading(work, "config").args(["--list", "--name-only", "-z"]).whole().await?;
    let drivers = drivers(&keys);
    // The kernel takes no more, and nobody has as many.
    if drivers.iter().map(|name| name.len() + 1).sum::<usize>() * OFF.len() > ARGUMENT_BYTES {
        let first = drivers.first().map(|name| String::from_utf8_lossy(name).into_owned());
        return Err(GitError::TooManyFilters(names::shown(&first.unwrap_or_default())));
    }
    Ok(variables(&drivers))
}

/// The filters that keys of configuration (`filter.<name>.<variable>`) name.
fn drivers(keys: &[u8]) -> BTreeSet<&[u8]> {
    let named = keys.split(|byte| *byte == 0).filter_map(|key| {
        let rest = key.strip_prefix(b"filter.")?;
        let end = rest.iter().rposition(|byte| *byte == b'.')?;
        Some(&rest[..end])
    });
    named.collect()
}

fn variables(drivers: &BTreeSet<&[u8]>) -> Vec<(String, Vec<u8>)> {
    let settings = drivers.iter().flat_map(|driver| OFF.map(|(variable, value)| (*driver, variable, value)));
    let mut variables = Vec::new();
    for (number, (driver, variable, value)) in settings.enumerate() {
        let key = [b"filter.", driver, b".", variable.as_bytes()].concat();
        variables.push((format!("GIT_CONFIG_KEY_{number}"), key));
        variables.push((format!("GIT_CONFIG_VALUE_{number}"), value.into()));
    }
    variables.push(("GIT_CONFIG_COUNT".to_owned(), (drivers.len() * OFF.len()).to_string().into_bytes()));
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_is_switched_off_once() {
        let keys = b"core.bare\0filter.a.clean\0filter.a.required\0filter.b=c.d.process\0filter.x\0xfilter.y.clean\0";
        let drivers = drivers(keys);
        assert_eq!(drivers.iter().copied().collect::<Vec<_>>(), [&b"a"[..], b"b=c.d"]);
        let variables = variables(&drivers);
        assert_eq!(variables.len(), 2 * 2 * OFF.len() + 1);
        let has = |name: &str, value: &[u8]| variables.iter().any(|(key, found)| key == name && found == value);
        assert!(has("GIT_CONFIG_KEY_6", b"filter.b=c.d.process") && has("GIT_CONFIG_VALUE_6", b""));
        assert!(has("GIT_CONFIG_COUNT", b"8"));
    }
}
