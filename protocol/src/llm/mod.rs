//! What governs language models, and what they cost.

mod history;
mod key;
mod policy;
mod usage;

pub use history::{HistoryEntry, HistoryItem, HistoryPage, HistorySettings, HistoryTerms};
pub use key::{KeyList, KeyOwner, KeyState, ModelKey, NewModelKey};
pub use policy::{
    Alias, AliasTarget, AllowedModels, Budget, BudgetPeriod, BudgetScope, BudgetState, Limit, LimitScope, ModelPrice,
    MyModels, Policy, PolicyInForce, Team,
};
pub use usage::{
    CallOutcome, CallPage, CallRecord, CallTokens, Door, Step, UsageBy, UsageReport, UsageRow, UsageTotals,
};

use serde::{Deserialize, Serialize};

/// An amount of US dollars, exact to a billionth. On the wire it is a number of dollars.
///
/// Sums saturate: 9.2 billion dollars is as much as there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(into = "f64", try_from = "f64")]
#[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
pub struct Usd(#[cfg_attr(feature = "js", tsify(type = "number"))] u64);

/// A billionth of a dollar is the least there is.
const NANOS_PER_DOLLAR: f64 = 1e9;
/// The most there is: what a signed counter of the store holds.
const MAX_NANOS: u64 = i64::MAX as u64;

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most there is.
    pub const MAX: Self = Self(MAX_NANOS);

    /// Of billionths.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(if nanos > MAX_NANOS { MAX_NANOS } else { nanos })
    }

    /// In billionths.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self::from_nanos(self.0.saturating_add(other.0))
    }

    /// What is left; nothing where there was less.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl From<Usd> for f64 {
    #[expect(clippy::cast_precision_loss, reason = "nine digits behind the point and six before it are exact")]
    fn from(amount: Usd) -> Self {
        amount.0 as Self / NANOS_PER_DOLLAR
    }
}

impl TryFrom<f64> for Usd {
    type Error = &'static str;

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, and the cast saturates")]
    fn try_from(dollars: f64) -> Result<Self, Self::Error> {
        if !dollars.is_finite() || dollars < 0.0 {
            return Err("an amount of money is a number that is not negative");
        }
        Ok(Self::from_nanos((dollars * NANOS_PER_DOLLAR).round() as u64))
    }
}

impl std::fmt::Display for Usd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cents = f64::from(*self);
        if cents >= 0.01 || self.0 == 0 { write!(f, "${cents:.2}") } else { write!(f, "${cents}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact_on_the_wire() {
        for text in ["0.0", "0.05", "0.0375", "20.0", "1234567.89", "0.000000001"] {
            let amount: Usd = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&amount).unwrap(), text.replace("0.000000001", "1e-9"), "{text}");
        }
        for bad in ["-1", "\"1\"", "1e400", "null"] {
            assert!(serde_json::from_str::<Usd>(bad).is_err(), "{bad}");
        }
        assert_eq!(serde_json::from_str::<Usd>("1e300").unwrap(), Usd::MAX);
        assert_eq!(Usd::MAX.plus(Usd::MAX), Usd::MAX);
        assert_eq!(Usd::ZERO.minus(Usd::MAX), Usd::ZERO);
    }
}
