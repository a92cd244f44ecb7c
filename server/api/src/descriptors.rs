//! Open files: a connection takes one, and the system gives each process only so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files beside the connections: the store, terminals, watches, requests to models.
const OTHER_FILES: u64 = 1024;

/// Takes as many as the system allows this process without asking anybody, and warns where that is too few.
pub(crate) fn raise_limit(max_connections: usize) {
    let given = getrlimit(Resource::Nofile);
    // Where the most is "any number", the system may still refuse that word.
    if given.current != given.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: given.maximum, maximum: given.maximum })
    {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    if let Some(warning) = shortage(getrlimit(Resource::Nofile).current, max_connections) {
        tracing::warn!("{warning}");
    }
}

/// What is wrong with so many open files, if anything; `None` are as many as anybody wants.
fn shortage(files: Option<u64>, max_connections: usize) -> Option<String> {
    let needed = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let files = files.filter(|files| *files < needed)?;
    Some(format!(
        "the system allows this process {files} open files, and max_connections = {max_connections} needs {needed}: raise the \
         limit (LimitNOFILE= of a systemd unit, ulimit -n), or lower max_connections"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_the_system_allows() {
        let before = getrlimit(Resource::Nofile);
        let Some(most) = before.maximum else { return };
        setrlimit(Resource::Nofile, Rlimit { current: Some(most - 1), ..before }).unwrap();
        raise_limit(1);
        assert_eq!(getrlimit(Resource::Nofile).current, Some(most));
    }

    #[test]
    fn too_few_are_told() {
        assert_eq!(shortage(None, 16_384), None);
        assert_eq!(shortage(Some(16_384 + OTHER_FILES), 16_384), None);
        let warning = shortage(Some(1024), 16_384).unwrap();
        assert!(warning.contains("1024 open files") && warning.contains("max_connections = 16384"), "{warning}");
    }
}
