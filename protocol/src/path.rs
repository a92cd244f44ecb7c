//! Paths below a root, as they cross the wire.

use serde::{Deserialize, Serialize};

use crate::problem::{Coded, Kind};

/// Longest path, in bytes (Linux `PATH_MAX` without its NUL).
pub const MAX_PATH_BYTES: usize = 4095;
/// Longest name of one file or folder, in bytes (Linux `NAME_MAX`).
pub const MAX_NAME_BYTES: usize = 255;

/// A normalised path below a root: segments joined by `/`, the root itself being empty.
///
/// Holds by construction: not absolute, no `.`, `..` or empty segment, no NUL, within the length limits. Symbolic links are the
/// file layer's business.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct RelPath(String);

impl RelPath {
    /// The root itself.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// Reads a path. Empty and `.` segments are dropped; what would leave the root is refused.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute);
        }
        let mut out = String::with_capacity(text.len());
        for segment in text.split('/') {
            match segment {
                "" | "." => continue,
                ".." => return Err(PathError::Outside),
                _ if segment.len() > MAX_NAME_BYTES => return Err(PathError::TooLong),
                _ => {}
            }
            if !out.is_empty() {
                out.push('/');
            }
            out.push_str(segment);
        }
        if out.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        Ok(Self(out))
    }

    /// The text; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Last segment; `None` for the root.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// The folder it is in; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(self.0.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.to_owned())))
    }

    /// The path with one more (possibly compound) part.
    pub fn join(&self, part: &str) -> Result<Self, PathError> {
        if part.starts_with('/') {
            return Err(PathError::Absolute);
        }
        Self::parse(format!("{}/{part}", self.0).trim_start_matches('/'))
    }

    /// Whether it is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        other.is_root() || self == other || self.0.strip_prefix(&other.0).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl std::fmt::Display for RelPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

impl std::str::FromStr for RelPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Why a path was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It holds a NUL byte.
    #[error("the path holds a NUL byte")]
    Nul,
    /// It starts at the file system's root.
    #[error("the path is absolute; give one relative to the workspace")]
    Absolute,
    /// It climbs above its root.
    #[error("the path leads outside the workspace")]
    Outside,
    /// It, or one name in it, is too long.
    #[error("the path is longer than {MAX_PATH_BYTES} bytes, or a name in it longer than {MAX_NAME_BYTES}")]
    TooLong,
}

impl Coded for PathError {
    fn code(&self) -> &'static str {
        match self {
            Self::Nul => "path.nul",
            Self::Absolute => "path.absolute",
            Self::Outside => "path.outside",
            Self::TooLong => "path.too_long",
        }
    }
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn normalises() {
        let check = |text: &str, expected: &str| assert_eq!(RelPath::parse(text).unwrap().as_str(), expected);
        check("", "");
        check(".", "");
        check("a//b/./c/", "a/b/c");
        check("a/..b/c..", "a/..b/c..");
        check("ä/日本", "ä/日本");
    }

    #[test]
    fn refuses() {
        let check = |text: &str, expected: PathError| assert_eq!(RelPath::parse(text).unwrap_err(), expected);
        check("/etc/passwd", PathError::Absolute);
        check("..", PathError::Outside);
        check("a/../b", PathError::Outside);
        check("a/b\0c", PathError::Nul);
        check(&"x".repeat(256), PathError::TooLong);
        check(&"x/".repeat(4000), PathError::TooLong);
    }

    #[test]
    fn knows_its_place() {
        let path = |text| RelPath::parse(text).unwrap();
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(path("a").parent(), Some(RelPath::root()));
        assert_eq!(RelPath::root().parent(), None);
        assert_eq!(path("a/b").name(), Some("b"));
        assert!(path("a/b").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
        assert_eq!(RelPath::root().join("x/y").unwrap(), path("x/y"));
        assert_eq!(path("x").join("../y").unwrap_err(), PathError::Outside);
        assert_eq!(path("x").join("/y").unwrap_err(), PathError::Absolute);
    }

    proptest! {
        #[test]
        fn never_leaves_the_root(text in "[./a\\\\\u{0}]{0,24}") {
            if let Ok(path) = RelPath::parse(&text) {
                prop_assert!(path.as_str().split('/').all(|part| part != ".." && part != "." ));
                prop_assert!(!path.as_str().starts_with('/') && !path.as_str().ends_with('/'));
                prop_assert_eq!(RelPath::parse(path.as_str()).unwrap(), path);
            }
        }
    }
}
