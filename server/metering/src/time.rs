//! Times, as they are stored and shown.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::money::date_of;

/// Milliseconds of an hour.
pub(crate) const HOUR_MS: u64 = 60 * 60 * 1000;
/// Milliseconds of a day.
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;

/// Milliseconds since 1970.
pub(crate) fn millis(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// A time in milliseconds since 1970 as people and spreadsheets read it, in UTC (RFC 3339).
pub(crate) fn iso(at: u64) -> String {
    let (year, month, day) = date_of(at / DAY_MS);
    let (hour, minute, second, milli) = (at % DAY_MS / HOUR_MS, at / 60_000 % 60, at / 1000 % 60, at % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(iso(1_798_761_600_001), "2027-01-01T00:00:00.001Z");
        // Nobody lives then, and nothing breaks.
        assert!(iso(u64::MAX).ends_with('Z'));
    }
}
