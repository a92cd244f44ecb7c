//! Values with a version, so that a newer program still reads what an older one wrote.

use crate::error::StoreError;
use serde::{Serialize, de::DeserializeOwned};

/// A value: one byte that names the version of its form, then MessagePack with the names of its fields.
///
/// A field can be added with `#[serde(default)]` and the same [`Record::VERSION`]. Any other change raises the version and
/// teaches [`Record::upgrade`] to read the former one.
pub trait Record: Serialize + DeserializeOwned {
    /// Version of the form that this program writes.
    const VERSION: u8;

    /// Reads the body of a value with an older version; [`decode_body`](Record::decode_body) reads it as its former type.
    fn upgrade(version: u8, body: &[u8]) -> Result<Self, StoreError> {
        let _ = body;
        Err(StoreError::RecordCorrupt { detail: format!("form {version} was never written by a release") })
    }

    /// The value as it is stored.
    fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![Self::VERSION];
        let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
        self.serialize(&mut serializer).map_err(|error| StoreError::RecordCorrupt { detail: error.to_string() })?;
        Ok(bytes)
    }

    /// Reads what is stored.
    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let Some((version, body)) = bytes.split_first() else {
            return Err(StoreError::RecordCorrupt { detail: "it is empty".to_owned() });
        };
        match version.cmp(&Self::VERSION) {
            std::cmp::Ordering::Equal => Self::decode_body(body),
            std::cmp::Ordering::Less => Self::upgrade(*version, body),
            std::cmp::Ordering::Greater => Err(StoreError::RecordVersion { found: *version, known: Self::VERSION }),
        }
    }

    /// Reads a body, which is what follows the version, as this type.
    fn decode_body(body: &[u8]) -> Result<Self, StoreError> {
        rmp_serde::from_slice(body).map_err(|error| StoreError::RecordCorrupt { detail: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct First {
        name: String,
    }
    impl Record for First {
        const VERSION: u8 = 1;
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Second {
        first: String,
        last: String,
        #[serde(default)]
        age: u32,
    }
    impl Record for Second {
        const VERSION: u8 = 2;
        fn upgrade(version: u8, body: &[u8]) -> Result<Self, StoreError> {
            assert_eq!(version, 1);
            let First { name } = First::decode_body(body)?;
            let (first, last) = name.split_once(' ').unwrap();
            Ok(Self { first: first.into(), last: last.into(), age: 0 })
        }
    }

    #[test]
    fn an_older_value_stays_readable_and_a_newer_one_is_refused() {
        let old = First { name: "Ada Lovelace".into() };
        let new = Second { first: "Ada".into(), last: "Lovelace".into(), age: 0 };
        assert_eq!(Second::decode(&old.encode().unwrap()).unwrap(), new);
        assert_eq!(Second::decode(&new.encode().unwrap()).unwrap(), new);
        let error = First::decode(&new.encode().unwrap()).unwrap_err();
        assert_eq!(error, StoreError::RecordVersion { found: 2, known: 1 });
    }

    #[test]
    fn damaged_values_are_refused() {
        let whole = Second { first: "a".into(), last: "b".into(), age: 1 }.encode().unwrap();
        for end in 0..whole.len() {
            assert!(Second::decode(&whole[..end]).is_err() || end == whole.len() - 5, "{end}");
        }
        assert!(First::decode(&[1, 0xc1]).is_err());
        assert!(First::decode(&[0, 1, 2]).is_err());
    }
}
