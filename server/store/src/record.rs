//! Values with a version, so that a newer program still reads what an older one wrote.

use crate::error::StoreError;
use serde::{Serialize, de::DeserializeOwned};
use std::io::ErrorKind;
use std::path::Path;

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

/// Says in a test's run that changed forms are written down.
const UPDATE_VARIABLE: &str = "CODITECT_UPDATE_FORMS";

/// For tests of crates that store records: holds a record's bytes against what is written down in a directory, so that no form
/// changes unnoticed and every older one stays readable.
///
/// `<name>.v<version>` has the bytes of this version in hexadecimal digits; the same name with lesser versions has what older
/// programs wrote, and each must still decode. A form that is not written down yet is an error, and is written where the
/// variable `CODITECT_UPDATE_FORMS` is set; one that is there is never overwritten: raise [`Record::VERSION`] instead.
pub fn check_form<R: Record>(directory: &Path, name: &str, record: &R) -> Result<(), String> {
    let file = |version: u8| directory.join(format!("{name}.v{version}"));
    let encoded = record.encode().map_err(|error| error.to_string())?;
    let hex: String = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
    let newest = file(R::VERSION);
    if !newest.exists() && std::env::var_os(UPDATE_VARIABLE).is_some() {
        std::fs::write(&newest, format!("{hex}\n")).map_err(|error| error.to_string())?;
    }
    for version in 0..=R::VERSION {
        let text = match std::fs::read_to_string(file(version)) {
            Err(error) if error.kind() == ErrorKind::NotFound && version < R::VERSION => continue,
            text => text.map_err(|error| {
                format!("{}: {error}; with {UPDATE_VARIABLE}=1 it is written down", file(version).display())
            })?,
        };
        let written = from_hex(text.trim()).ok_or_else(|| format!("{} is not hexadecimal", file(version).display()))?;
        let decoded = R::decode(&written).map_err(|error| format!("{}: {error}", file(version).display()))?;
        let again = decoded.encode().map_err(|error| error.to_string())?;
        if version == R::VERSION && (written != encoded || again != encoded) {
            return Err(format!(
                "the form of {name} has changed: raise its VERSION and read the former one in `upgrade`"
            ));
        }
    }
    Ok(())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(digits).collect()
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

    #[test]
    fn forms_are_pinned() {
        let directory = tempfile::tempdir().unwrap();
        let check = |text: Option<&str>, version: u8, new: &Second| {
            if let Some(text) = text {
                std::fs::write(directory.path().join(format!("second.v{version}")), text).unwrap();
            }
            check_form(directory.path(), "second", new)
        };
        let new = Second { first: "Ada".into(), last: "Lovelace".into(), age: 0 };
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        if std::env::var_os(UPDATE_VARIABLE).is_none() {
            assert!(check(None, 2, &new).unwrap_err().contains(UPDATE_VARIABLE));
        }
        check(Some(&hex(new.encode().unwrap())), 2, &new).unwrap();
        check(Some(&hex(First { name: "Ada Lovelace".into() }.encode().unwrap())), 1, &new).unwrap();
        let other = Second { age: 7, ..new };
        assert!(check(None, 2, &other).unwrap_err().contains("has changed"));
        assert!(check(Some("01c1"), 1, &other).is_err() && check(Some("xyz"), 1, &other).is_err());
    }
}
