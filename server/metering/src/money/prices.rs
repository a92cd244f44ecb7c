//! Prices that are built in, so that budgets work on the first day. The policy's own go before them.

use coditect_protocol::llm::{ModelPrice, Usd};

/// Model, then US dollars for a million tokens read, read from the cache, written into it, and written; then the most tokens of an
/// answer.
///
/// As their makers published them up to 2025-11; what is newer belongs into the policy. A name stands for its dated versions and the
/// latest one too, but for no other model that begins with it: that may be dearer, and one without a price is refused where a budget
/// counts. Where long prompts are dearer without being asked for (Gemini, xAI), it is their price. Writing into Anthropic's cache is for
/// five minutes, and prompts there are those of up to 200,000 tokens. Text only: what is heard, spoken or drawn costs more.
type Row = (&'static str, f64, f64, f64, f64, u64);

const TABLE: [Row; 74] = [
    // platform.openai.com/docs/pricing
    ("openai/gpt-5.1", 1.25, 0.125, 1.25, 10.0, 128_000),
    ("openai/gpt-5.1-chat", 1.25, 0.125, 1.25, 10.0, 128_000),
    ("openai/gpt-5.1-codex", 1.25, 0.125, 1.25, 10.0, 128_000),
    ("openai/gpt-5.1-codex-max", 1.25, 0.125, 1.25, 10.0, 128_000),
    ("openai/gpt-5.1-codex-mini", 0.25, 0.025, 0.25, 2.0, 128_000),
    ("openai/gpt-5", 1.25, 0.125, 1.25, 10.0, 128_000),
    ("openai/gpt-5-chat", 1.25, 0.125, 1.25, 10.0, 128_000),
    ("openai/gpt-5-codex", 1.25, 0.125, 1.25, 10.0, 128_000),
    ("openai/gpt-5-mini", 0.25, 0.025, 0.25, 2.0, 128_000),
    ("openai/gpt-5-nano", 0.05, 0.005, 0.05, 0.4, 128_000),
    ("openai/gpt-5-pro", 15.0, 15.0, 15.0, 120.0, 272_000),
    ("openai/gpt-4.1", 2.0, 0.5, 2.0, 8.0, 32_768),
    ("openai/gpt-4.1-mini", 0.4, 0.1, 0.4, 1.6, 32_768),
    ("openai/gpt-4.1-nano", 0.1, 0.025, 0.1, 0.4, 32_768),
    ("openai/gpt-4o-2024-05-13", 5.0, 5.0, 5.0, 15.0, 4096),
    ("openai/gpt-4o", 2.5, 1.25, 2.5, 10.0, 16_384),
    ("openai/gpt-4o-mini", 0.15, 0.075, 0.15, 0.6, 16_384),
    ("openai/chatgpt-4o", 5.0, 5.0, 5.0, 15.0, 16_384),
    ("openai/o4-mini", 1.1, 0.275, 1.1, 4.4, 100_000),
    ("openai/o4-mini-deep-research", 2.0, 0.5, 2.0, 8.0, 100_000),
    ("openai/o3", 2.0, 0.5, 2.0, 8.0, 100_000),
    ("openai/o3-mini", 1.1, 0.55, 1.1, 4.4, 100_000),
    ("openai/o3-pro", 20.0, 20.0, 20.0, 80.0, 100_000),
    ("openai/o3-deep-research", 10.0, 2.5, 10.0, 40.0, 100_000),
    ("openai/o1", 15.0, 7.5, 15.0, 60.0, 100_000),
    ("openai/o1-mini", 1.1, 0.55, 1.1, 4.4, 65_536),
    ("openai/o1-pro", 150.0, 150.0, 150.0, 600.0, 100_000),
    ("openai/codex-mini", 1.5, 0.375, 1.5, 6.0, 100_000),
    ("openai/text-embedding-3-small", 0.02, 0.02, 0.02, 0.0, 0),
    ("openai/text-embedding-3-large", 0.13, 0.13, 0.13, 0.0, 0),
    ("openai/text-embedding-ada-002", 0.1, 0.1, 0.1, 0.0, 0),
    // claude.com/pricing
    ("anthropic/claude-opus-4-5", 5.0, 0.5, 6.25, 25.0, 64_000),
    ("anthropic/claude-opus-4-1", 15.0, 1.5, 18.75, 75.0, 32_000),
    ("anthropic/claude-opus-4-0", 15.0, 1.5, 18.75, 75.0, 32_000),
    ("anthropic/claude-opus-4", 15.0, 1.5, 18.75, 75.0, 32_000),
    ("anthropic/claude-sonnet-4-5", 3.0, 0.3, 3.75, 15.0, 64_000),
    ("anthropic/claude-sonnet-4-0", 3.0, 0.3, 3.75, 15.0, 64_000),
    ("anthropic/claude-sonnet-4", 3.0, 0.3, 3.75, 15.0, 64_000),
    ("anthropic/claude-haiku-4-5", 1.0, 0.1, 1.25, 5.0, 64_000),
    ("anthropic/claude-3-7-sonnet", 3.0, 0.3, 3.75, 15.0, 64_000),
    ("anthropic/claude-3-5-sonnet", 3.0, 0.3, 3.75, 15.0, 8192),
    ("anthropic/claude-3-5-haiku", 0.8, 0.08, 1.0, 4.0, 8192),
    ("anthropic/claude-3-opus", 15.0, 1.5, 18.75, 75.0, 4096),
    ("anthropic/claude-3-haiku", 0.25, 0.03, 0.3, 1.25, 4096),
    // ai.google.dev/gemini-api/docs/pricing
    ("gemini/gemini-3-pro-preview", 4.0, 0.4, 4.0, 18.0, 65_536),
    ("gemini/gemini-2.5-pro", 2.5, 0.25, 2.5, 15.0, 65_536),
    ("gemini/gemini-2.5-flash", 0.3, 0.03, 0.3, 2.5, 65_536),
    ("gemini/gemini-2.5-flash-preview-09-2025", 0.3, 0.03, 0.3, 2.5, 65_536),
    ("gemini/gemini-2.5-flash-lite", 0.1, 0.01, 0.1, 0.4, 65_536),
    ("gemini/gemini-2.5-flash-lite-preview-09-2025", 0.1, 0.01, 0.1, 0.4, 65_536),
    ("gemini/gemini-2.0-flash*", 0.1, 0.025, 0.1, 0.4, 8192),
    ("gemini/gemini-embedding-001", 0.15, 0.15, 0.15, 0.0, 0),
    // api-docs.deepseek.com/quick_start/pricing
    ("deepseek/deepseek-chat", 0.28, 0.028, 0.28, 0.42, 8192),
    ("deepseek/deepseek-reasoner", 0.28, 0.028, 0.28, 0.42, 65_536),
    // mistral.ai/pricing
    ("mistral/mistral-large", 2.0, 2.0, 2.0, 6.0, 131_072),
    ("mistral/mistral-medium", 0.4, 0.4, 0.4, 2.0, 131_072),
    ("mistral/mistral-small", 0.1, 0.1, 0.1, 0.3, 131_072),
    ("mistral/magistral-medium", 2.0, 2.0, 2.0, 5.0, 40_960),
    ("mistral/magistral-small", 0.5, 0.5, 0.5, 1.5, 40_960),
    ("mistral/codestral", 0.3, 0.3, 0.3, 0.9, 131_072),
    ("mistral/devstral-medium", 0.4, 0.4, 0.4, 2.0, 131_072),
    ("mistral/devstral-small", 0.1, 0.1, 0.1, 0.3, 131_072),
    ("mistral/mistral-embed", 0.1, 0.1, 0.1, 0.0, 0),
    // docs.x.ai/docs/models
    ("xai/grok-4-1-fast*", 0.4, 0.1, 0.4, 1.0, 131_072),
    ("xai/grok-4-fast*", 0.4, 0.1, 0.4, 1.0, 131_072),
    ("xai/grok-4*", 6.0, 1.5, 6.0, 30.0, 131_072),
    ("xai/grok-code-fast*", 0.2, 0.02, 0.2, 1.5, 131_072),
    ("xai/grok-3-mini", 0.3, 0.075, 0.3, 0.5, 131_072),
    ("xai/grok-3", 3.0, 0.75, 3.0, 15.0, 131_072),
    // groq.com/pricing
    ("groq/openai/gpt-oss-120b", 0.15, 0.075, 0.15, 0.6, 65_536),
    ("groq/openai/gpt-oss-20b", 0.075, 0.0375, 0.075, 0.3, 65_536),
    ("groq/moonshotai/kimi-k2-instruct-0905", 1.0, 0.5, 1.0, 3.0, 16_384),
    ("groq/llama-3.3-70b-versatile", 0.59, 0.59, 0.59, 0.79, 32_768),
    ("groq/llama-3.1-8b-instant", 0.05, 0.05, 0.05, 0.08, 131_072),
];

/// All of them.
pub(crate) fn built_in() -> impl Iterator<Item = ModelPrice> {
    TABLE.iter().flat_map(|row| names(row.0).map(|name| price(name, row)))
}

/// The model itself, its dated versions and the latest one.
fn names(model: &str) -> impl Iterator<Item = String> {
    let others = (!model.contains('*')).then(|| [format!("{model}-2*"), format!("{model}-latest")]);
    std::iter::once(model.to_owned()).chain(others.into_iter().flatten())
}

fn price(model: String, (_, input, cached, cache_write, output, most): &Row) -> ModelPrice {
    let usd = |dollars: f64| Usd::try_from(dollars).unwrap_or(Usd::MAX);
    ModelPrice {
        model,
        input: usd(*input),
        output: usd(*output),
        cached: Some(usd(*cached)),
        cache_write: Some(usd(*cache_write)),
        max_output_tokens: (*most > 0).then_some(*most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fits;

    #[test]
    fn a_price_is_that_of_its_model_alone() {
        let all: Vec<_> = built_in().collect();
        let input = |model: &str| all.iter().find(|price| fits(&price.model, model)).map(|price| price.input.nanos());
        let dollars = 1_000_000_000;
        assert_eq!(input("openai/o1"), Some(15 * dollars));
        assert_eq!(input("openai/o1-2024-12-17"), Some(15 * dollars));
        assert_eq!(input("openai/o1-pro-2025-03-19"), Some(150 * dollars));
        assert_eq!(input("openai/gpt-4o-2024-05-13"), Some(5 * dollars));
        assert_eq!(input("openai/gpt-4o-2024-08-06"), Some(2_500_000_000));
        assert_eq!(input("anthropic/claude-sonnet-4-5-20250929"), Some(3 * dollars));
        assert_eq!(input("anthropic/claude-3-7-sonnet-latest"), Some(3 * dollars));
        assert_eq!(input("mistral/mistral-large-2411"), Some(2 * dollars));
        // Newer, or of another kind: nobody knows what they cost.
        for model in [
            "openai/gpt-5.2",
            "openai/gpt-4o-audio-preview",
            "gemini/gemini-2.5-flash-image",
            "anthropic/claude-opus-5",
        ] {
            assert_eq!(input(model), None, "{model}");
        }
    }

    #[test]
    fn numbers_are_plausible() {
        let names: std::collections::HashSet<_> = TABLE.iter().map(|row| row.0).collect();
        assert_eq!(names.len(), TABLE.len());
        for (model, input, cached, cache_write, output, most) in &TABLE {
            assert!((0.01..=200.0).contains(input) && *output <= 1_000.0, "{model}");
            assert!(cached <= input && cache_write >= input, "{model}");
            // What writes nothing has no most of it.
            assert_eq!(*output == 0.0, *most == 0, "{model}");
            assert!(*output == 0.0 || output > input, "{model}");
        }
    }
}
