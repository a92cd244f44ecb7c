//! Globs as the host has them: `*` and `?` within a part of a path, `**` over parts, `{a,b}` for one of several.

/// Whether a path matches.
pub(super) fn matches(glob: &str, path: &str) -> bool {
    alternatives(glob).iter().any(|plain| parts(plain.as_bytes(), path.as_bytes()))
}

/// A glob without braces for each choice in it; those of a brace that is not closed stay.
fn alternatives(glob: &str) -> Vec<String> {
    let open = glob.find('{');
    let Some((open, close)) = open.and_then(|open| Some((open, open + glob[open..].find('}')?))) else {
        return vec![glob.to_owned()];
    };
    let (before, after) = (&glob[..open], &glob[close + 1..]);
    glob[open + 1..close].split(',').flat_map(|choice| alternatives(&format!("{before}{choice}{after}"))).collect()
}

fn parts(glob: &[u8], path: &[u8]) -> bool {
    match (glob, path) {
        ([], []) => true,
        ([b'*', b'*', b'/', rest @ ..], _) => {
            parts(rest, path) || (0..path.len()).any(|at| path[at] == b'/' && parts(rest, &path[at + 1..]))
        }
        ([b'*', b'*', rest @ ..], _) => (0..=path.len()).any(|at| parts(rest, &path[at..])),
        ([b'*', rest @ ..], _) => {
            let part = path.iter().position(|&byte| byte == b'/').unwrap_or(path.len());
            (0..=part).any(|at| parts(rest, &path[at..]))
        }
        ([b'?', rest @ ..], [byte, tail @ ..]) => *byte != b'/' && parts(rest, tail),
        ([same, rest @ ..], [byte, tail @ ..]) => same == byte && parts(rest, tail),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_those_of_the_host() {
        for (glob, path) in [
            ("**", "a/b"),
            ("**/*.rs", "a.rs"),
            ("**/*.rs", "x/y/a.rs"),
            ("src/**", "src/a/b"),
            ("*.{md,toml}", "a.toml"),
            ("a?c", "abc"),
        ] {
            assert!(matches(glob, path), "{glob} {path}");
        }
        for (glob, path) in
            [("*.rs", "x/a.rs"), ("src/**", "lib/a"), ("*.{md,toml}", "a.rs"), ("a?c", "a/c"), ("a", "ab")]
        {
            assert!(!matches(glob, path), "{glob} {path}");
        }
    }
}
