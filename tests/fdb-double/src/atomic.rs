//! Atomic operations, by FoundationDB's numbers of them.

use crate::code;

const VALUE_MAX: usize = 100_000;

/// Whether there is an operation of this number; versionstamped ones are not among them.
pub(crate) fn is_known(kind: u32) -> bool {
    matches!(kind, 2 | 6..=9 | 12 | 13 | 16 | 17 | 20)
}

/// What becomes of a value.
pub(crate) fn apply(kind: u32, value: Option<Vec<u8>>, operand: &[u8]) -> Option<Vec<u8>> {
    let Some(value) = value else {
        return (kind != 20).then(|| operand.to_vec());
    };
    let byte = |index: usize| value.get(index).copied().unwrap_or(0);
    let each = |combine: fn(u8, u8) -> u8| operand.iter().enumerate().map(|(i, b)| combine(byte(i), *b)).collect();
    let same_length = || (0..operand.len()).map(byte).collect::<Vec<u8>>();
    let is_smaller = || same_length().iter().rev().lt(operand.iter().rev());
    Some(match kind {
        2 => {
            let mut carry = 0;
            let digits = operand.iter().enumerate().map(|(index, digit)| {
                let sum = u32::from(byte(index)) + u32::from(*digit) + carry;
                carry = sum / 256;
                (sum % 256) as u8
            });
            digits.collect()
        }
        6 => each(|a, b| a & b),
        7 => each(|a, b| a | b),
        8 => each(|a, b| a ^ b),
        9 if value.len() + operand.len() > VALUE_MAX => value,
        9 => [&value, operand].concat(),
        12 if is_smaller() => operand.to_vec(),
        12 => same_length(),
        13 if is_smaller() => same_length(),
        13 => operand.to_vec(),
        16 => value.min(operand.to_vec()),
        17 => value.max(operand.to_vec()),
        _ => return (value != operand).then_some(value),
    })
}

/// Takes the last four bytes as the place of a versionstamp.
pub(crate) fn split_place(bytes: &[u8]) -> Result<(Vec<u8>, usize), i32> {
    let (bytes, place) = bytes.split_last_chunk::<4>().ok_or(code::INVALID_OPERATION)?;
    let place = usize::try_from(i32::from_le_bytes(*place)).map_err(|_| code::INVALID_OPERATION)?;
    if place + 10 > bytes.len() { Err(code::INVALID_OPERATION) } else { Ok((bytes.to_vec(), place)) }
}
