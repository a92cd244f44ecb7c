//! Keys made of tuples, a directory for each feature.

use crate::error::StoreError;
use crate::range::Range;
use foundationdb_tuple as tuple;
use tuple::{TuplePack, TupleUnpack};

/// A part of the key space: all keys that start with the same tuple.
///
/// Each feature has one root, named after it; no feature reads below another's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subspace(tuple::Subspace);

/// The directory of what the store keeps for itself.
pub(crate) fn own() -> Subspace {
    Subspace::root("store")
}

/// Name of the directory in which a key lies, if its first element is a text.
pub(crate) fn directory(key: &[u8]) -> Option<String> {
    const TEXT: u8 = 0x02;
    const ESCAPE: u8 = 0xff;
    let text = key.strip_prefix(&[TEXT])?;
    let end = (0..text.len()).find(|&at| text[at] == 0 && text.get(at + 1) != Some(&ESCAPE))?;
    String::from_utf8(text[..end].to_vec()).ok()
}

impl Subspace {
    /// The directory of a feature. Its name is part of every key: keep it short and never change it. `store` is the store's
    /// own.
    #[must_use]
    pub fn root(feature: &str) -> Self {
        Self(tuple::Subspace::all().subspace(&feature))
    }

    /// A part of this part.
    #[must_use]
    pub fn sub<T: TuplePack>(&self, part: &T) -> Self {
        Self(self.0.subspace(part))
    }

    /// The key of a tuple in this part.
    #[must_use]
    pub fn pack<T: TuplePack>(&self, tuple: &T) -> Vec<u8> {
        self.0.pack(tuple)
    }

    /// The key of a tuple that holds one `tuple::Versionstamp::incomplete`, for
    /// [`crate::Transaction::set_versionstamped_key`].
    pub fn pack_with_versionstamp<T: TuplePack>(&self, tuple: &T) -> Result<Vec<u8>, StoreError> {
        let mut key = self.0.bytes().to_vec();
        match tuple.pack_into_vec_with_versionstamp(&mut key) {
            tuple::VersionstampOffset::OneIncomplete { .. } => Ok(key),
            _ => Err(StoreError::VersionstampPlace),
        }
    }

    /// The tuple of a key in this part.
    pub fn unpack<'a, T: TupleUnpack<'a>>(&self, key: &'a [u8]) -> Result<T, StoreError> {
        self.0.unpack(key).map_err(|error| StoreError::KeyCorrupt { detail: error.to_string() })
    }

    /// Whether the key lies in this part.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.0.is_start_of(key)
    }

    /// All tuples in this part.
    #[must_use]
    pub fn range(&self) -> Range {
        let (begin, end) = self.0.range();
        Range::new(begin, end)
    }

    /// The bytes that all keys of this part start with.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        self.0.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tuple::Versionstamp;

    #[test]
    fn a_part_holds_its_tuples_and_no_others() {
        let people = Subspace::root("auth").sub(&"person");
        let key = people.pack(&("ä\0", 7_i64));
        assert!(people.contains(&key) && !Subspace::root("authx").contains(&key));
        assert_eq!(people.unpack::<(String, i64)>(&key).unwrap(), ("ä\0".to_owned(), 7));
        let range = people.range();
        assert!(range.begin[..] < key[..] && key[..] < range.end[..]);
        assert!(Subspace::root("other").unpack::<(String, i64)>(&key).is_err());
        assert!(people.unpack::<(i64, i64)>(&key).is_err());
    }

    #[test]
    fn a_stamped_key_names_its_place() {
        let part = Subspace::root("log");
        let key = part.pack_with_versionstamp(&(1, Versionstamp::incomplete(7))).unwrap();
        let (bytes, place) = crate::mutation::split_place(&key).unwrap();
        assert_eq!(bytes[place..place + 10], [0xff; 10]);
        let stamps = (Versionstamp::incomplete(0), Versionstamp::incomplete(1));
        assert_eq!(part.pack_with_versionstamp(&stamps), Err(StoreError::VersionstampPlace));
        assert_eq!(part.pack_with_versionstamp(&1), Err(StoreError::VersionstampPlace));
    }

    proptest! {
        #[test]
        fn foreign_keys_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let part = Subspace::root("");
            let key = [part.prefix(), &bytes].concat();
            let _ = part.unpack::<(String, i64, bool)>(&key);
            let _ = part.unpack::<Vec<tuple::Element<'_>>>(&key);
            let _ = part.unpack::<(tuple::Bytes<'_>, Versionstamp, u64, f64)>(&key);
        }

        #[test]
        fn keys_sort_as_their_tuples(a in any::<(String, i64)>(), b in any::<(String, i64)>()) {
            let part = Subspace::root("x");
            prop_assert_eq!(part.pack(&a).cmp(&part.pack(&b)), a.cmp(&b));
        }
    }
}
