//! What a message from a page will take in memory, found out without building it: a list of empty texts takes many times its size.

use coditect_protocol::link::MAX_STRUCTURED_BYTES;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Most values of one message: texts, numbers, lists and what is in them. The longest conversation has fewer.
pub(super) const MAX_VALUES: usize = 200_000;
/// What one value takes at most beside its own bytes, in bytes: its place in a list, and once more while it is sorted out.
const VALUE_BYTES: usize = 64;

/// Bytes that a message takes once it is built; nothing for one that must not be built. What is larger than
/// [`MAX_STRUCTURED_BYTES`] must be a file to write, whose content takes no more memory than it has bytes.
pub(super) fn weight(body: &[u8]) -> Option<usize> {
    let values = count_values(body);
    let bearable =
        values <= MAX_VALUES && (body.len() <= MAX_STRUCTURED_BYTES || rmp_serde::from_slice::<Message>(body).is_ok());
    bearable.then(|| body.len().saturating_add(values * VALUE_BYTES))
}

/// Values of a MessagePack document, as far as it goes and up to one more than [`MAX_VALUES`].
fn count_values(mut rest: &[u8]) -> usize {
    let (mut due, mut values) = (1_u64, 0);
    while due > 0 && values <= MAX_VALUES {
        let Some((value, after)) = Value::read(rest) else { break };
        due = due - 1 + value.children;
        values += 1;
        match usize::try_from(value.bytes).ok().and_then(|bytes| after.get(bytes..)) {
            Some(after) => rest = after,
            None => break,
        }
    }
    values
}

/// One value of MessagePack, by its first bytes.
struct Value {
    /// Bytes of its own that follow.
    bytes: u64,
    /// Values in it, which come after it.
    children: u64,
}

impl Value {
    /// The value, and what follows its first bytes.
    fn read(rest: &[u8]) -> Option<(Self, &[u8])> {
        let (&first, rest) = rest.split_first()?;
        let bytes = |bytes: u8, rest| Some((Self { bytes: bytes.into(), children: 0 }, rest));
        let children = |children: u8, rest| Some((Self { bytes: 0, children: children.into() }, rest));
        match first {
            0x80..=0x8f => children((first & 0x0f) * 2, rest),
            0x90..=0x9f => children(first & 0x0f, rest),
            0xa0..=0xbf => bytes(first & 0x1f, rest),
            0xc4 | 0xd9 => Self::of_bytes(rest, 1, 0),
            0xc5 | 0xda => Self::of_bytes(rest, 2, 0),
            0xc6 | 0xdb => Self::of_bytes(rest, 4, 0),
            // Extensions have a type beside their bytes.
            0xc7 => Self::of_bytes(rest, 1, 1),
            0xc8 => Self::of_bytes(rest, 2, 1),
            0xc9 => Self::of_bytes(rest, 4, 1),
            0xcc | 0xd0 => bytes(1, rest),
            0xcd | 0xd1 | 0xd4 => bytes(2, rest),
            0xd5 => bytes(3, rest),
            0xca | 0xce | 0xd2 => bytes(4, rest),
            0xd6 => bytes(5, rest),
            0xcb | 0xcf | 0xd3 => bytes(8, rest),
            0xd7 => bytes(9, rest),
            0xd8 => bytes(17, rest),
            0xdc => Self::of_children(rest, 2, 1),
            0xdd => Self::of_children(rest, 4, 1),
            0xde => Self::of_children(rest, 2, 2),
            0xdf => Self::of_children(rest, 4, 2),
            // Small numbers, nothing, yes and no are all said with the first byte.
            _ => bytes(0, rest),
        }
    }

    fn of_bytes(rest: &[u8], width: usize, more: u64) -> Option<(Self, &[u8])> {
        let (length, rest) = length(rest, width)?;
        Some((Self { bytes: length + more, children: 0 }, rest))
    }

    fn of_children(rest: &[u8], width: usize, each: u64) -> Option<(Self, &[u8])> {
        let (length, rest) = length(rest, width)?;
        Some((Self { bytes: 0, children: length * each }, rest))
    }
}

/// A length of one to four bytes.
fn length(rest: &[u8], width: usize) -> Option<(u64, &[u8])> {
    let (digits, rest) = rest.split_at_checked(width)?;
    Some((digits.iter().fold(0, |length, digit| (length << 8) | u64::from(*digit)), rest))
}

/// [`coditect_protocol::call::ClientMessage`], as far as it may be large.
#[derive(Deserialize)]
enum Message {
    Call {
        #[serde(rename = "id")]
        _id: u32,
        #[serde(rename = "request")]
        _request: Request,
    },
}

#[derive(Deserialize)]
enum Request {
    WriteFile {
        #[serde(rename = "place")]
        _place: IgnoredAny,
        #[serde(rename = "content")]
        _content: IgnoredAny,
        #[serde(rename = "mode")]
        _mode: IgnoredAny,
    },
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use coditect_protocol::RelPath;
    use coditect_protocol::call::{self, ClientMessage};
    use coditect_protocol::files::{Place, Root, WriteMode};
    use coditect_protocol::search::FindFiles;

    use super::*;

    fn find(query: FindFiles) -> Vec<u8> {
        let workspace = coditect_protocol::WorkspaceId(uuid::Uuid::nil());
        encoded(call::Request::FindFiles { workspace, query })
    }

    fn encoded(request: call::Request) -> Vec<u8> {
        rmp_serde::to_vec_named(&ClientMessage::Call { id: 1, request: Box::new(request) }).unwrap()
    }

    #[test]
    fn only_files_may_be_large() {
        let place = Place { root: Root::Home, path: RelPath::parse("f").unwrap() };
        let content = vec![1; MAX_STRUCTURED_BYTES];
        let file = encoded(call::Request::WriteFile { place, content, mode: WriteMode::Overwrite });
        let weight_of_file = weight(&file).unwrap();
        assert!((file.len()..file.len() + 10_000).contains(&weight_of_file), "{weight_of_file}");
        let search = find(FindFiles { pattern: "x".repeat(MAX_STRUCTURED_BYTES), ..FindFiles::default() });
        assert_eq!(weight(&search), None);
        assert_eq!(weight(&vec![0xc1; MAX_STRUCTURED_BYTES + 1]), None);
        assert!(weight(b"anything small").is_some());
    }

    #[test]
    fn lists_weigh_what_they_take_in_memory() {
        let with = |count: usize| find(FindFiles { include: vec![String::new(); count], ..FindFiles::default() });
        let (none, some) = (weight(&with(0)).unwrap(), weight(&with(1000)).unwrap());
        assert!(some - none >= 1000 * size_of::<String>(), "{none} {some}");
        assert_eq!(weight(&with(MAX_VALUES)), None);
        // Whatever comes before the data break off was built by then.
        let mut cut = with(MAX_VALUES);
        cut.pop();
        assert_eq!(weight(&cut), None);
        assert_eq!(weight(&[0x91; MAX_VALUES + 2]), None);
    }

    #[test]
    fn every_kind_of_value_is_counted_once() {
        #[derive(serde::Serialize)]
        struct All {
            texts: Vec<String>,
            bytes: Vec<serde_bytes_of::Bytes>,
            numbers: (u8, u16, u32, u64, i8, i16, i32, i64, f32, f64),
            rest: (bool, Option<u8>, ()),
            maps: Vec<BTreeMap<u32, u32>>,
        }
        mod serde_bytes_of {
            pub(super) struct Bytes(pub(super) usize);
            impl serde::Serialize for Bytes {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_bytes(&vec![0xdd; self.0])
                }
            }
        }
        let lengths = [0, 5, 40, 300, 70_000];
        let all = All {
            texts: lengths.map(|length| "x".repeat(length)).to_vec(),
            bytes: lengths.map(serde_bytes_of::Bytes).into_iter().collect(),
            numbers: (200, 60_000, 4_000_000_000, u64::MAX, -100, -30_000, -2_000_000_000, i64::MIN, 1.5, 2.5),
            rest: (true, None, ()),
            maps: [0, 5, 20, 70_000].map(|length| (0..length).map(|n| (n, n)).collect()).to_vec(),
        };
        let expected = 1 + 5 + (1 + 5) + (1 + 5) + (1 + 10) + (1 + 3) + (1 + 4 + 2 * 70_025);
        assert_eq!(count_values(&rmp_serde::to_vec_named(&all).unwrap()), expected);
        // Extensions of every width, one after the other in a list.
        let extensions = [
            &b"\x98"[..],
            b"\xd4\x01\xdd",
            b"\xd5\x01\xdd\xdd",
            b"\xd6\x01\xdd\xdd\xdd\xdd",
            &[b"\xd7\x01".as_slice(), &[0xdd; 8]].concat(),
            &[b"\xd8\x01".as_slice(), &[0xdd; 16]].concat(),
            b"\xc7\x02\x01\xdd\xdd",
            b"\xc8\x00\x02\x01\xdd\xdd",
            b"\xc9\x00\x00\x00\x02\x01\xdd\xdd",
        ];
        assert_eq!(count_values(&extensions.concat()), 9);
    }
}
