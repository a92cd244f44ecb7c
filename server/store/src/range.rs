//! Reading many keys in their order.

use bytes::Bytes;

/// One key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
}

/// Which keys to read: from `begin` (inclusive) to `end` (exclusive).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// First key.
    pub begin: Bytes,
    /// First key no longer read.
    pub end: Bytes,
    /// Most rows to answer; [`crate::limits::RANGE_MAX_ROWS`] holds in any case.
    pub limit: usize,
    /// From the end to the begin.
    pub reverse: bool,
    /// Read without a conflict when somebody changes these keys before the commit.
    pub snapshot: bool,
}

impl Range {
    /// All keys from `begin` (inclusive) to `end` (exclusive), in order.
    pub fn new(begin: impl AsRef<[u8]>, end: impl AsRef<[u8]>) -> Self {
        Self {
            begin: Bytes::copy_from_slice(begin.as_ref()),
            end: Bytes::copy_from_slice(end.as_ref()),
            limit: crate::limits::RANGE_MAX_ROWS,
            reverse: false,
            snapshot: false,
        }
    }

    /// All keys that start with these bytes.
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        let prefix = prefix.as_ref();
        Self::new(prefix, after_prefix(prefix))
    }

    /// At most so many rows.
    #[must_use]
    pub fn limit(mut self, rows: usize) -> Self {
        self.limit = rows;
        self
    }

    /// From the end to the begin.
    #[must_use]
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// Without conflicts.
    #[must_use]
    pub fn snapshot(mut self) -> Self {
        self.snapshot = true;
        self
    }

    /// Begins after this key instead; for reading on where somebody stopped.
    #[must_use]
    pub fn after(mut self, key: impl AsRef<[u8]>) -> Self {
        self.begin = key_after(key.as_ref());
        self
    }

    /// Ends before this key instead; for reading on in reverse.
    #[must_use]
    pub fn before(mut self, key: impl AsRef<[u8]>) -> Self {
        self.end = Bytes::copy_from_slice(key.as_ref());
        self
    }
}

/// What a range read answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// The rows, in the order asked for.
    pub rows: Vec<KeyValue>,
    /// Whether the range may go on behind the last row: the limit of the read or a limit of the store was reached.
    pub more: bool,
}

impl std::ops::Deref for Rows {
    type Target = [KeyValue];
    fn deref(&self) -> &[KeyValue] {
        &self.rows
    }
}

impl IntoIterator for Rows {
    type Item = KeyValue;
    type IntoIter = std::vec::IntoIter<KeyValue>;
    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = &'a KeyValue;
    type IntoIter = std::slice::Iter<'a, KeyValue>;
    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter()
    }
}

/// A part of the key space, for conflicts. One key is kept as such, for most ranges are one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyRange {
    /// One key.
    Key(Bytes),
    /// From `.0` (inclusive) to `.1` (exclusive).
    Between(Bytes, Bytes),
}

impl KeyRange {
    /// Bytes that it counts.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Key(key) => key.len(),
            Self::Between(begin, end) => begin.len() + end.len(),
        }
    }
}

/// The first key behind `key`.
pub(crate) fn key_after(key: &[u8]) -> Bytes {
    let mut after = Vec::with_capacity(key.len() + 1);
    after.extend_from_slice(key);
    after.push(0);
    after.into()
}

/// The first key that is behind all that start with `prefix`; the end of the usable keys if there is none.
fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let Some(last) = prefix.iter().rposition(|byte| *byte != 0xff) else {
        return vec![crate::limits::RESERVED_PREFIX];
    };
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_behind_its_last_key() {
        assert_eq!(&Range::prefix(b"ab").end[..], b"ac");
        assert_eq!(&Range::prefix(b"a\xff\xff").end[..], b"b");
        assert_eq!(&Range::prefix(b"").end[..], b"\xff");
    }
}
