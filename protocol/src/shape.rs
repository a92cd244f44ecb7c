//! What a message will take in memory, found out without building it: a list of empty texts takes many times its size.

/// Values of a MessagePack document: texts, numbers, lists and what is in them; as far as it goes, and up to one more than `most`.
#[must_use]
pub fn count_values(mut rest: &[u8], most: usize) -> usize {
    let (mut due, mut values) = (1_u64, 0);
    while due > 0 && values <= most {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

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
        assert_eq!(count_values(&rmp_serde::to_vec_named(&all).unwrap(), usize::MAX), expected);
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
        assert_eq!(count_values(&extensions.concat(), usize::MAX), 9);
    }
}
