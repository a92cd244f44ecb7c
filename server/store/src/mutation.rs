//! What a transaction can do to a key, and what comes of it.

use crate::error::StoreError;
use crate::limits::VALUE_MAX_BYTES;
use crate::range::KeyRange;
use bytes::Bytes;

/// Bytes of a versionstamp that the commit fills in: the version of the commit (8) and the place within it (2).
pub(crate) const STAMP_BYTES: usize = 10;

/// Bytes behind a versionstamped key or value that say where the stamp goes, little-endian.
const PLACE_BYTES: usize = 4;

/// A change that is worked out at commit, so that it conflicts with nobody who changes the same key.
///
/// Numbers are little-endian and as long as the operand. A key without a value takes the operand, except for
/// [`AtomicOp::CompareAndClear`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtomicOp {
    /// Sum; wraps around.
    Add,
    /// The smaller number.
    Min,
    /// The larger number.
    Max,
    /// What comes first in the order of bytes.
    ByteMin,
    /// What comes last in the order of bytes.
    ByteMax,
    /// Bits that are set in both.
    And,
    /// Bits that are set in one of them.
    Or,
    /// Bits that are set in only one of them.
    Xor,
    /// Takes the key away if its value is the operand.
    CompareAndClear,
    /// Puts the operand behind the value, unless it would become longer than a value may be.
    AppendIfFits,
}

/// One write of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mutation {
    Set { key: Bytes, value: Bytes },
    Clear { key: Bytes },
    ClearRange { begin: Bytes, end: Bytes },
    Atomic { op: AtomicOp, key: Bytes, operand: Bytes },
    StampedKey { key: Vec<u8>, place: usize, value: Bytes },
    StampedValue { key: Bytes, value: Vec<u8>, place: usize },
}

/// Takes apart what `pack_with_versionstamp` makes: the bytes, and the place in them at which the stamp goes.
pub(crate) fn split_place(stamped: &[u8]) -> Result<(Vec<u8>, usize), StoreError> {
    let (bytes, place) = stamped.split_last_chunk::<PLACE_BYTES>().ok_or(StoreError::VersionstampPlace)?;
    let place = usize::try_from(u32::from_le_bytes(*place)).map_err(|_| StoreError::VersionstampPlace)?;
    let end = place.checked_add(STAMP_BYTES).ok_or(StoreError::VersionstampPlace)?;
    if end > bytes.len() {
        return Err(StoreError::VersionstampPlace);
    }
    Ok((bytes.to_vec(), place))
}

/// The stamp of a commit. The backends of this crate give each transaction its own version, so the second part is zero.
pub(crate) fn stamp(version: u64) -> [u8; STAMP_BYTES] {
    let mut stamp = [0; STAMP_BYTES];
    stamp[..8].copy_from_slice(&version.to_be_bytes());
    stamp
}

/// Bytes of a range that is one key: the key, and the first one behind it.
pub(crate) fn one_key_bytes(key: usize) -> usize {
    2 * key + 1
}

impl Mutation {
    /// Puts the stamp in, after which only the first four kinds are left.
    pub(crate) fn stamped(self, stamp: [u8; STAMP_BYTES]) -> Self {
        let fill = |mut bytes: Vec<u8>, place: usize| {
            bytes[place..place + STAMP_BYTES].copy_from_slice(&stamp);
            Bytes::from(bytes)
        };
        match self {
            Self::StampedKey { key, place, value } => Self::Set { key: fill(key, place), value },
            Self::StampedValue { key, value, place } => Self::Set { key, value: fill(value, place) },
            other => other,
        }
    }

    /// Bytes that it counts.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Set { key, value } | Self::Atomic { key, operand: value, .. } => key.len() + value.len(),
            Self::Clear { key } => key.len(),
            Self::ClearRange { begin, end } => begin.len() + end.len(),
            Self::StampedKey { key, value, .. } => key.len() + value.len(),
            Self::StampedValue { key, value, .. } => key.len() + value.len(),
        }
    }

    /// Bytes of the range in which it conflicts with others.
    pub(crate) fn conflict_bytes(&self) -> usize {
        match self {
            Self::Set { key, .. } | Self::Clear { key } | Self::Atomic { key, .. } | Self::StampedValue { key, .. } => {
                one_key_bytes(key.len())
            }
            Self::ClearRange { begin, end } => begin.len() + end.len(),
            Self::StampedKey { key, .. } => one_key_bytes(key.len()),
        }
    }

    /// What it writes, once stamped.
    pub(crate) fn touches(&self) -> KeyRange {
        match self {
            Self::Set { key, .. } | Self::Clear { key } | Self::Atomic { key, .. } | Self::StampedValue { key, .. } => {
                KeyRange::Key(key.clone())
            }
            Self::ClearRange { begin, end } => KeyRange::Between(begin.clone(), end.clone()),
            Self::StampedKey { key, .. } => KeyRange::Key(Bytes::copy_from_slice(key)),
        }
    }
}

impl AtomicOp {
    /// The value that follows from the one there is.
    pub(crate) fn apply(self, current: Option<&[u8]>, operand: &Bytes) -> Option<Bytes> {
        if self == Self::CompareAndClear {
            return current.filter(|value| *value != &operand[..]).map(Bytes::copy_from_slice);
        }
        let Some(value) = current else { return Some(operand.clone()) };
        Some(match self {
            Self::Add => add(value, operand),
            Self::Min => number(value, operand, std::cmp::Ordering::Less),
            Self::Max => number(value, operand, std::cmp::Ordering::Greater),
            Self::ByteMin => Bytes::copy_from_slice(value.min(&operand[..])),
            Self::ByteMax => Bytes::copy_from_slice(value.max(&operand[..])),
            Self::And => bitwise(value, operand, |a, b| a & b),
            Self::Or => bitwise(value, operand, |a, b| a | b),
            Self::Xor => bitwise(value, operand, |a, b| a ^ b),
            Self::AppendIfFits if value.len() + operand.len() > VALUE_MAX_BYTES => Bytes::copy_from_slice(value),
            Self::AppendIfFits | Self::CompareAndClear => [value, operand].concat().into(),
        })
    }
}

/// The value cut or filled with zeros to the operand's length.
fn resized(value: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = value[..value.len().min(length)].to_vec();
    bytes.resize(length, 0);
    bytes
}

fn add(value: &[u8], operand: &[u8]) -> Bytes {
    let mut sum = resized(value, operand.len());
    let mut carry = 0_u16;
    for (digit, other) in sum.iter_mut().zip(operand) {
        let total = u16::from(*digit) + u16::from(*other) + carry;
        *digit = total.to_le_bytes()[0];
        carry = total >> 8;
    }
    sum.into()
}

/// The value if it stands in this order to the operand, else the operand.
fn number(value: &[u8], operand: &Bytes, order: std::cmp::Ordering) -> Bytes {
    let value = resized(value, operand.len());
    if value.iter().rev().cmp(operand.iter().rev()) == order { value.into() } else { operand.clone() }
}

fn bitwise(value: &[u8], operand: &[u8], combine: impl Fn(u8, u8) -> u8) -> Bytes {
    let mut bits = resized(value, operand.len());
    bits.iter_mut().zip(operand).for_each(|(bit, other)| *bit = combine(*bit, *other));
    bits.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(op: AtomicOp, current: Option<&[u8]>, operand: &[u8], expected: Option<&[u8]>) {
        let result = op.apply(current, &Bytes::copy_from_slice(operand));
        assert_eq!(result.as_deref(), expected, "{op:?} {current:?} {operand:?}");
    }

    #[test]
    fn atomic_operations_follow_the_contract() {
        use AtomicOp::*;
        check(Add, None, &[5, 0], Some(&[5, 0]));
        check(Add, Some(&[255]), &[1, 0], Some(&[0, 1]));
        check(Add, Some(&[255, 255]), &[1, 0], Some(&[0, 0]));
        check(Add, Some(&[1, 2, 3]), &[1], Some(&[2]));
        check(Min, None, &[9], Some(&[9]));
        check(Min, Some(&[]), &[9], Some(&[0]));
        check(Min, Some(&[0, 1]), &[255, 0], Some(&[255, 0]));
        check(Max, Some(&[0, 1]), &[255, 0], Some(&[0, 1]));
        check(Max, Some(&[7]), &[3, 0, 0], Some(&[7, 0, 0]));
        check(ByteMin, Some(b"b"), b"ab", Some(b"ab"));
        check(ByteMax, Some(b"b"), b"ab", Some(b"b"));
        check(ByteMin, None, b"x", Some(b"x"));
        check(And, Some(&[0b110]), &[0b011, 1], Some(&[0b010, 0]));
        check(And, None, &[3], Some(&[3]));
        check(Or, Some(&[0b100]), &[1], Some(&[0b101]));
        check(Xor, Some(&[0b111]), &[0b101], Some(&[0b010]));
        check(CompareAndClear, Some(b"a"), b"a", None);
        check(CompareAndClear, Some(b"a"), b"b", Some(b"a"));
        check(CompareAndClear, None, b"b", None);
        check(AppendIfFits, Some(b"a"), b"b", Some(b"ab"));
        check(AppendIfFits, Some(&vec![1; VALUE_MAX_BYTES]), b"b", Some(&vec![1; VALUE_MAX_BYTES]));
    }

    #[test]
    fn the_place_of_a_stamp_lies_inside() {
        assert!(split_place(b"abc").is_err());
        assert!(split_place(&[0; 13]).is_err());
        assert_eq!(split_place(&[0; 14]).unwrap().1, 0);
        let mut far = vec![0; 20];
        far.extend_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(split_place(&far), Err(StoreError::VersionstampPlace));
    }
}
