//! What is fuzzed: one function for each decoder of bytes that others may have written. The targets below `fuzz/` call them
//! without end, the tests here some hundred times. A function panics where a decoder breaks its word.

use crate::backup::format::{About, Encoder, decode_all, framed};
use crate::keys::Subspace;
use crate::mutation::{STAMP_BYTES, split_place};
use crate::range::{KeyValue, Range};
use crate::tuple::{Element, Versionstamp, pack, unpack};
use crate::url::StoreUrl;
use bytes::Bytes;

/// Keys as tuples: what can be unpacked packs to a key that unpacks to the same, and lies where its directory says.
pub fn tuple_key(bytes: &[u8]) {
    let part = Subspace::root("fuzz").sub(&7);
    let key = [part.prefix(), bytes].concat();
    assert!(part.contains(&key));
    let _ = crate::keys::directory(bytes);
    assert_eq!(crate::keys::directory(&key).as_deref(), Some("fuzz"));
    let _ = part.unpack::<(String, i64, bool)>(&key);
    let _ = part.unpack::<(crate::tuple::Bytes<'_>, Versionstamp, u64, f64)>(&key);
    if let Ok(elements) = part.unpack::<Vec<Element<'_>>>(&key) {
        let packed = part.pack(&elements);
        let again: Vec<Element<'_>> = unpack(&packed[part.prefix().len()..]).unwrap_or_default();
        assert_eq!(pack(&again), pack(&elements));
    }
}

/// A part of the key space with any prefix: it holds its keys, and its range holds them too.
pub fn subspace(bytes: &[u8]) {
    let (name, key) = bytes.split_at(bytes.len() / 2);
    let part = Subspace::root(&String::from_utf8_lossy(name)).sub(&crate::tuple::Bytes::from(name));
    let packed = part.pack(&crate::tuple::Bytes::from(key));
    let range = part.range();
    assert!(part.contains(&packed) && range.begin[..] <= packed[..] && packed[..] < range.end[..]);
    assert_eq!(part.unpack::<crate::tuple::Bytes<'_>>(&packed).ok().as_deref(), Some(key));
    let Range { begin, end, .. } = Range::prefix(bytes);
    assert!(begin <= end || bytes.first() == Some(&0xff));
}

/// The place of a versionstamp: ten bytes at it lie inside.
pub fn versionstamp_place(bytes: &[u8]) {
    if let Ok((stamped, place)) = split_place(bytes) {
        assert!(place + STAMP_BYTES <= stamped.len() && stamped.len() + 4 == bytes.len());
    }
}

/// The URL of a store: what is taken names an absolute path.
pub fn store_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(StoreUrl::Embedded { directory, cache_bytes }) = StoreUrl::parse(text) {
        assert!(directory.is_absolute() && cache_bytes > 0);
    }
}

/// A backup: what is taken has its rows in order, and they make the same backup again. The bytes are taken as a whole one, and as
/// the contents of two blocks, which no chance finds the checksums of.
pub fn backup(bytes: &[u8]) {
    whole_backup(&Bytes::copy_from_slice(bytes));
    let [rows, end, contents @ ..] = bytes else { return };
    let (first, second) = contents.split_at(contents.len() / 2);
    for blocks in [&[(*rows % 4, first), (*end % 4, second)][..], &[(1, contents)]] {
        if let Ok(framed) = framed(blocks) {
            whole_backup(&framed);
        }
    }
}

fn whole_backup(bytes: &Bytes) {
    let Ok((rows, said)) = decode_all(bytes) else { return };
    assert!(rows.is_sorted_by(|a, b| a.key < b.key));
    let made = encoded(&rows, said.states, said.version).and_then(|bytes| decode_all(&bytes).ok());
    assert_eq!(made, Some((rows, said)));
}

/// A backup of these rows.
fn encoded(rows: &[KeyValue], states: u64, version: u64) -> Option<Bytes> {
    let mut encoder = Encoder::default();
    let mut bytes = encoder.start(&About { made_at: 0, backend: String::new() }).ok()?;
    for block in rows.chunks(3) {
        bytes.extend(encoder.rows(block).ok()?);
    }
    bytes.extend(encoder.end(states, version).ok()?.0);
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Bytes that a decoder gets further with than with any: a sample, with some bytes changed, and cut or not.
    fn nearly(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
        let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
        (prop::sample::select(samples), changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(
            |(mut bytes, changes, end, is_cut)| {
                for (at, byte) in changes {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                bytes.truncate(if is_cut { end.index(bytes.len()) } else { bytes.len() });
                bytes
            },
        )
    }

    fn samples_of_keys() -> Vec<Vec<u8>> {
        vec![
            pack(&("text\0", 7_i64, true)),
            pack(&(crate::tuple::Bytes::from(&b"\0\xff"[..]), Versionstamp::incomplete(3), u64::MAX, 1.5)),
            pack(&(-1_i64, i64::MIN, ("nested", None::<i64>))),
        ]
    }

    fn samples_of_urls() -> Vec<Vec<u8>> {
        ["memory:", "embedded:///var/lib/store?cache_mib=8", "socket:///run/store.sock", "fdb:///etc/fdb.cluster?dir=a"]
            .map(|url| url.as_bytes().to_vec())
            .to_vec()
    }

    fn samples_of_backups() -> Vec<Vec<u8>> {
        let row = |n: u8| KeyValue { key: vec![n; 3].into(), value: vec![n; 10].into() };
        [0, 1, 7].map(|rows| encoded(&(0..rows).map(row).collect::<Vec<_>>(), 1, 9).unwrap().to_vec()).to_vec()
    }

    #[test]
    fn the_samples_are_whole() {
        assert!(samples_of_backups().into_iter().all(|bytes| decode_all(&bytes.into()).is_ok()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn tuple_keys(random in vec(any::<u8>(), 0..200), near in nearly(samples_of_keys())) {
            tuple_key(&random);
            tuple_key(&near);
        }

        #[test]
        fn subspaces(random in vec(any::<u8>(), 0..200)) {
            subspace(&random);
        }

        #[test]
        fn versionstamp_places(random in vec(prop_oneof![Just(0_u8), any::<u8>()], 0..40)) {
            versionstamp_place(&random);
        }

        #[test]
        fn store_urls(random in ".{0,80}", near in nearly(samples_of_urls())) {
            store_url(random.as_bytes());
            store_url(&near);
        }

        #[test]
        fn backups(random in vec(any::<u8>(), 0..300), near in nearly(samples_of_backups())) {
            backup(&random);
            backup(&near);
        }
    }
}
