//! What a call costs.

use coditect_protocol::llm::{CallTokens, ModelPrice, Usd};

/// Prices are for this many tokens.
const PRICED_TOKENS: u128 = 1_000_000;

/// How much dearer it is to keep in the upstream's cache for an hour what is read (Anthropic).
const HOUR_FACTOR: u64 = 2;

/// Tokens of a call, with what their price depends on beside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// The tokens.
    pub tokens: CallTokens,
    /// Of those that went into the upstream's cache, how many it keeps for an hour.
    pub cache_write_hour: u64,
}

impl From<CallTokens> for Counted {
    fn from(tokens: CallTokens) -> Self {
        Self { tokens, cache_write_hour: 0 }
    }
}

/// What these tokens cost, rounded up to a billionth of a dollar.
pub(crate) fn cost(price: &ModelPrice, counted: &Counted) -> Usd {
    let tokens = &counted.tokens;
    let cached = tokens.cached.min(tokens.input);
    let cache_write = tokens.cache_write.min(tokens.input - cached);
    let fresh = tokens.input - cached - cache_write;
    let hour = counted.cache_write_hour.min(cache_write);
    let parts = [
        (fresh, price.input),
        (cached, price.cached.unwrap_or(price.input)),
        (cache_write - hour, price.cache_write.unwrap_or(price.input)),
        (hour, price_for_hour(price)),
        (tokens.output, price.output),
    ];
    let sum: u128 = parts.iter().map(|(count, price)| u128::from(*count) * u128::from(price.nanos())).sum();
    Usd::from_nanos(u64::try_from(sum.div_ceil(PRICED_TOKENS)).unwrap_or(u64::MAX))
}

/// What is kept for an hour.
fn price_for_hour(price: &ModelPrice) -> Usd {
    Usd::from_nanos(price.input.nanos().saturating_mul(HOUR_FACTOR)).max(price.cache_write.unwrap_or_default())
}

/// The most that a call can cost which reads and writes at most so many tokens, of which some may be kept for an hour or not.
pub(crate) fn most(price: &ModelPrice, input: u64, output: u64, caches_for_hour: bool) -> Usd {
    let dearest = price.input.max(price.cached.unwrap_or_default()).max(price.cache_write.unwrap_or_default());
    let dearest = if caches_for_hour { dearest.max(price_for_hour(price)) } else { dearest };
    let price = ModelPrice { input: dearest, cached: None, cache_write: None, ..price.clone() };
    cost(&price, &CallTokens { input, output, ..CallTokens::default() }.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(input: f64, output: f64, cached: Option<f64>) -> ModelPrice {
        let usd = |dollars: f64| Usd::try_from(dollars).unwrap();
        ModelPrice {
            model: "*".to_owned(),
            input: usd(input),
            output: usd(output),
            cached: cached.map(usd),
            cache_write: Some(usd(input * 1.25)),
            max_output_tokens: None,
        }
    }

    #[test]
    fn what_is_cached_costs_less() {
        let price = price(3.0, 15.0, Some(0.3));
        let tokens = CallTokens { input: 1_000_000, output: 100_000, ..CallTokens::default() };
        let usd = |tokens: CallTokens| cost(&price, &tokens.into());
        assert_eq!(usd(tokens), Usd::try_from(4.5).unwrap());
        assert_eq!(usd(CallTokens { cached: 1_000_000, ..tokens }), Usd::try_from(1.8).unwrap());
        assert_eq!(usd(CallTokens { cache_write: 1_000_000, ..tokens }), Usd::try_from(5.25).unwrap());
        assert_eq!(usd(CallTokens { cached: u64::MAX, ..tokens }), Usd::try_from(1.8).unwrap());
        assert_eq!(usd(CallTokens { output: 1, ..CallTokens::default() }), Usd::from_nanos(15_000));
    }

    #[test]
    fn what_is_kept_for_an_hour_costs_twice_as_much() {
        let price = price(3.0, 15.0, Some(0.3));
        let tokens = CallTokens { input: 1_000_000, cache_write: 1_000_000, ..CallTokens::default() };
        let cost = |cache_write_hour| cost(&price, &Counted { tokens, cache_write_hour });
        assert_eq!(cost(0), Usd::try_from(3.75).unwrap());
        assert_eq!(cost(400_000), Usd::try_from(0.6 * 3.75 + 0.4 * 6.0).unwrap());
        assert_eq!(cost(u64::MAX), Usd::try_from(6.0).unwrap());
    }

    proptest! {
        #[test]
        fn nothing_costs_more_than_its_most(
            input in 0_u64..1 << 40, output in 0_u64..1 << 40, cached in any::<u64>(), cache_write in any::<u64>(),
            cache_write_hour in any::<u64>(), caches_for_hour in any::<bool>(),
        ) {
            let price = price(3.0, 15.0, Some(4.0));
            let tokens = CallTokens { input, output, cached, cache_write, reasoning: 0 };
            let counted = Counted { tokens, cache_write_hour: if caches_for_hour { cache_write_hour } else { 0 } };
            prop_assert!(cost(&price, &counted) <= most(&price, input, output, caches_for_hour));
        }
    }
}
