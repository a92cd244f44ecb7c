//! When a budget begins, and when it begins anew. In UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coditect_protocol::llm::BudgetPeriod;

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// A period and its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Period {
    kind: BudgetPeriod,
    /// Days or months since 1970; 0 for what never ends.
    number: u64,
}

impl Period {
    /// The one at this time.
    pub(crate) fn at(kind: BudgetPeriod, time: SystemTime) -> Self {
        let days = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY_SECONDS;
        let number = match kind {
            BudgetPeriod::Day => days,
            BudgetPeriod::Month => {
                let (year, month, _) = date_of(days);
                (year - 1970) * 12 + month - 1
            }
            BudgetPeriod::Total => 0,
        };
        Self { kind, number }
    }

    /// Its kind.
    pub(crate) fn kind(self) -> BudgetPeriod {
        self.kind
    }

    /// Which it is, for the store.
    pub(crate) fn number(self) -> u64 {
        self.number
    }

    /// Its name in keys.
    pub(crate) fn word(kind: BudgetPeriod) -> &'static str {
        match kind {
            BudgetPeriod::Day => "d",
            BudgetPeriod::Month => "m",
            BudgetPeriod::Total => "t",
        }
    }

    /// When the next one begins.
    pub(crate) fn end(self) -> Option<SystemTime> {
        let days = match self.kind {
            BudgetPeriod::Day => self.number + 1,
            BudgetPeriod::Month => days_before_month(self.number + 1),
            BudgetPeriod::Total => return None,
        };
        Some(UNIX_EPOCH + Duration::from_secs(days * DAY_SECONDS))
    }
}

/// Year, month and day of a day since 1970 (proleptic Gregorian calendar; Howard Hinnant, “chrono-Compatible Low-Level Date Algorithms”).
pub(crate) fn date_of(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_ERA: u64 = 146_097;
    let shifted = days + 719_468;
    let (era, day) = (shifted / DAYS_OF_ERA, shifted % DAYS_OF_ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let day_of_month = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    (year + era * 400 + u64::from(month <= 2), month, day_of_month)
}

/// Days from 1970 to the beginning of a month, counted from January 1970.
fn days_before_month(months: u64) -> u64 {
    let (year, month) = (1970 + months / 12, months % 12 + 1);
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kind: BudgetPeriod, seconds: u64) -> Period {
        Period::at(kind, UNIX_EPOCH + Duration::from_secs(seconds))
    }

    fn end(period: Period) -> u64 {
        period.end().unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    #[test]
    fn periods_of_the_calendar() {
        // 2024-02-29T12:00:00Z and the first of March after it.
        assert_eq!(end(at(BudgetPeriod::Month, 1_709_208_000)), 1_709_251_200);
        assert_eq!(end(at(BudgetPeriod::Day, 1_709_208_000)), 1_709_251_200);
        // 2026-12-31T23:59:59Z, and the new year.
        assert_eq!(end(at(BudgetPeriod::Month, 1_798_761_599)), 1_798_761_600);
        assert_eq!(at(BudgetPeriod::Month, 0).number(), 0);
        assert!(at(BudgetPeriod::Total, 1).end().is_none());
    }

    #[test]
    fn every_month_follows_on_the_last() {
        let mut time = 0;
        for number in 0..4800 {
            let month = at(BudgetPeriod::Month, time);
            assert_eq!(month.number(), number);
            let next = end(month);
            assert!((28..=31).contains(&((next - time) / DAY_SECONDS)));
            assert_eq!(at(BudgetPeriod::Month, next - 1), month);
            let (year, of_year, first) = date_of(time / DAY_SECONDS);
            assert_eq!(((year - 1970) * 12 + of_year - 1, first), (number, 1));
            assert_eq!(date_of(next / DAY_SECONDS - 1).2, (next - time) / DAY_SECONDS);
            time = next;
        }
    }
}
