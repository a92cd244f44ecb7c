//! What a call costs.

use coditect_protocol::llm::{CallTokens, ModelPrice, Usd};

/// Prices are for this many tokens.
const PRICED_TOKENS: u128 = 1_000_000;

/// What these tokens cost, rounded up to a billionth of a dollar.
pub(crate) fn cost(price: &ModelPrice, tokens: &CallTokens) -> Usd {
    let cached = tokens.cached.min(tokens.input);
    let cache_write = tokens.cache_write.min(tokens.input - cached);
    let fresh = tokens.input - cached - cache_write;
    let parts = [
        (fresh, price.input),
        (cached, price.cached.unwrap_or(price.input)),
        (cache_write, price.cache_write.unwrap_or(price.input)),
        (tokens.output, price.output),
    ];
    let sum: u128 = parts.iter().map(|(count, price)| u128::from(*count) * u128::from(price.nanos())).sum();
    Usd::from_nanos(u64::try_from(sum.div_ceil(PRICED_TOKENS)).unwrap_or(u64::MAX))
}

/// The most that a call can cost which reads and writes at most so many tokens.
pub(crate) fn most(price: &ModelPrice, input: u64, output: u64) -> Usd {
    let dearest = price.input.max(price.cached.unwrap_or_default()).max(price.cache_write.unwrap_or_default());
    let price = ModelPrice { input: dearest, cached: None, cache_write: None, ..price.clone() };
    cost(&price, &CallTokens { input, output, ..CallTokens::default() })
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
        assert_eq!(cost(&price, &tokens), Usd::try_from(4.5).unwrap());
        assert_eq!(cost(&price, &CallTokens { cached: 1_000_000, ..tokens }), Usd::try_from(1.8).unwrap());
        assert_eq!(cost(&price, &CallTokens { cache_write: 1_000_000, ..tokens }), Usd::try_from(5.25).unwrap());
        assert_eq!(cost(&price, &CallTokens { cached: u64::MAX, ..tokens }), Usd::try_from(1.8).unwrap());
        assert_eq!(cost(&price, &CallTokens { output: 1, ..CallTokens::default() }), Usd::from_nanos(15_000));
    }

    proptest! {
        #[test]
        fn nothing_costs_more_than_its_most(
            input in 0_u64..1 << 40, output in 0_u64..1 << 40, cached in any::<u64>(), cache_write in any::<u64>(),
        ) {
            let price = price(3.0, 15.0, Some(4.0));
            let tokens = CallTokens { input, output, cached, cache_write, reasoning: 0 };
            prop_assert!(cost(&price, &tokens) <= most(&price, input, output));
        }
    }
}
