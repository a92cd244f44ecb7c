//! What OpenAI's models want differently, by their names.

use crate::turn::Effort;

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// The efforts that it knows; none where it does not think.
    pub(crate) efforts: &'static [Effort],
    /// It takes temperature and the like, and texts that end the answer.
    pub(crate) sampling: bool,
}

/// Of a model that is not known to want anything else.
const ANY: Abilities = Abilities {
    efforts: &[
        Effort::None,
        Effort::Minimal,
        Effort::Low,
        Effort::Medium,
        Effort::High,
        Effort::ExtraHigh,
        Effort::Max,
    ],
    sampling: true,
};
/// What servers of other models understand.
const OTHERS: Abilities =
    Abilities { efforts: &[Effort::None, Effort::Low, Effort::Medium, Effort::High], sampling: true };
const THOUGHTLESS: Abilities = Abilities { efforts: &[], sampling: true };
/// `o1` and what came after it.
const O_SERIES: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High];
/// By the version since which they are: 5.1 is (5, 1).
const GENERATIONS: [((u32, u32), &[Effort]); 4] = [
    ((6, 0), ANY.efforts),
    ((5, 2), &[Effort::None, Effort::Low, Effort::Medium, Effort::High, Effort::ExtraHigh]),
    ((5, 1), &[Effort::None, Effort::Low, Effort::Medium, Effort::High]),
    ((5, 0), &[Effort::Minimal, Effort::Low, Effort::Medium, Effort::High]),
];

impl Abilities {
    /// What the model of this name can do, at OpenAI itself or elsewhere.
    pub(crate) fn of(model: &str, is_openai: bool) -> Self {
        if !is_openai {
            return OTHERS;
        }
        let name = model.rsplit('/').next().unwrap_or(model);
        let is_old = ["gpt-3", "gpt-4", "chatgpt-", "gpt-5-chat"].iter().any(|start| name.starts_with(start));
        if is_old {
            return THOUGHTLESS;
        }
        if ["o1", "o3", "o4"].iter().any(|start| name.starts_with(start)) {
            return Self { efforts: O_SERIES, sampling: false };
        }
        let known = version(name).and_then(|version| GENERATIONS.iter().find(|(since, _)| version >= *since));
        known.map_or(ANY, |(_, efforts)| Self { efforts, sampling: false })
    }

    /// The effort that comes nearest, where it thinks.
    pub(crate) fn nearest(&self, effort: Effort) -> Option<Effort> {
        let below = self.efforts.iter().rev().find(|known| **known <= effort);
        below.or_else(|| self.efforts.first()).copied()
    }
}

/// `gpt-5.1-codex` is (5, 1).
fn version(name: &str) -> Option<(u32, u32)> {
    let number = name.strip_prefix("gpt-")?.split('-').next()?;
    let mut parts = number.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next().and_then(Result::ok).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_of_models() {
        for (model, asked, expected) in [
            ("gpt-4o", Effort::High, None),
            ("o3-mini", Effort::Max, Some(Effort::High)),
            ("o3-mini", Effort::None, Some(Effort::Low)),
            ("gpt-5-mini-2025-08-07", Effort::None, Some(Effort::Minimal)),
            ("openai/gpt-5.1-codex", Effort::Minimal, Some(Effort::None)),
            ("gpt-5.2", Effort::Max, Some(Effort::ExtraHigh)),
            ("gpt-6-luna", Effort::Max, Some(Effort::Max)),
            ("my-deployment", Effort::Minimal, Some(Effort::Minimal)),
        ] {
            assert_eq!(Abilities::of(model, true).nearest(asked), expected, "{model}");
        }
        assert_eq!(Abilities::of("deepseek-reasoner", false).nearest(Effort::Max), Some(Effort::High));
        assert!(Abilities::of("gpt-4.1", true).sampling && !Abilities::of("gpt-5", true).sampling);
    }
}
