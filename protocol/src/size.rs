//! Sizes as people read them.

use std::fmt;

/// Units from mebibytes on.
const UNITS: [&str; 5] = ["MiB", "GiB", "TiB", "PiB", "EiB"];

/// A number of bytes that shows itself in the largest unit of which there is one: `512 KiB`, `1.5 GiB`. What is cut off is not
/// rounded up, so that nothing is told to be larger than it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = *self;
        match bytes {
            0..0x400 => write!(f, "{bytes} B"),
            0x400..0x10_0000 => write!(f, "{} KiB", bytes >> 10),
            _ => {
                let (mut kibibytes, mut unit) = (bytes >> 10, 0);
                while kibibytes >> 20 > 0 {
                    (kibibytes, unit) = (kibibytes >> 10, unit + 1);
                }
                write!(f, "{}.{} {}", kibibytes >> 10, ((kibibytes & 0x3ff) * 10) >> 10, UNITS[unit])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_told_in_the_largest_unit_that_fits() {
        let check = |bytes: u64, expected: &str| assert_eq!(ByteSize(bytes).to_string(), expected, "{bytes}");
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1 KiB");
        check((1 << 20) - 1, "1023 KiB");
        check(1 << 20, "1.0 MiB");
        check(100_000_000, "95.3 MiB");
        check((1 << 30) - 1, "1023.9 MiB");
        check(5 << 28, "1.2 GiB");
        check(10 << 40, "10.0 TiB");
        check(u64::MAX, "15.9 EiB");
    }
}
