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

impl Subspace {
    /// The directory of a feature. Its name is part of every key: keep it short and never change it.
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
        let prefix_bytes = u32::try_from(key.len()).map_err(|_| StoreError::VersionstampPlace)?;
        let mut packed = Vec::new();
        let tuple::VersionstampOffset::OneIncomplete { offset } = tuple.pack_into_vec_with_versionstamp(&mut packed)
        else {
            return Err(StoreError::VersionstampPlace);
        };
        key.extend_from_slice(&packed);
        key.extend_from_slice(&offset.saturating_add(prefix_bytes).to_le_bytes());
        Ok(key)
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
