//! Names of tools that stand in a namespace, where dialects know none.

use std::collections::BTreeMap;

/// Between the namespace and the name.
const BETWEEN: &str = "__";
/// Longest name that every dialect takes, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Flat names, and what they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, (String, String)>);

impl Names {
    /// The flat name of a tool in a namespace. The same one always has the same.
    pub fn add(&mut self, space: &str, name: &str) -> String {
        let flat = flat(space, name);
        self.0.insert(flat.clone(), (space.to_owned(), name.to_owned()));
        flat
    }

    /// The flat name of a tool that may stand in a namespace.
    #[must_use]
    pub fn flat(space: Option<&str>, name: &str) -> String {
        space.map_or_else(|| name.to_owned(), |space| flat(space, name))
    }

    /// Namespace and name.
    #[must_use]
    pub fn whole<'a>(&'a self, flat: &'a str) -> (Option<&'a str>, &'a str) {
        self.0.get(flat).map_or((None, flat), |(space, name)| (Some(space), name))
    }
}

fn flat(space: &str, name: &str) -> String {
    shortened(format!("{space}{BETWEEN}{name}"), MAX_NAME_BYTES)
}

/// A name that has no more bytes than `max`: the end of a longer one becomes a digest. The same one always becomes the same.
pub(crate) fn shortened(mut name: String, max: usize) -> String {
    if name.len() > max {
        // Whoever names things names them all, so nobody gains by two that look alike.
        let digest = format!("_{:08x}", crc32fast::hash(name.as_bytes()));
        name.truncate(name.floor_char_boundary(max.saturating_sub(digest.len())));
        name.push_str(&digest);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let mut names = Names::default();
        let short = names.add("mcp", "read");
        let long = names.add(&"s".repeat(60), &"n".repeat(60));
        let other = names.add(&"s".repeat(60), &"m".repeat(60));
        assert_eq!(short, "mcp__read");
        assert!(long.len() <= MAX_NAME_BYTES && long != other);
        assert_eq!(names.whole(&short), (Some("mcp"), "read"));
        assert_eq!(names.whole("plain"), (None, "plain"));
        assert_eq!(Names::flat(Some("mcp"), "read"), short);
        assert_eq!(Names::flat(None, "read"), "read");
        assert_eq!(Names::flat(Some(&"s".repeat(60)), &"n".repeat(60)), long);
    }
}
