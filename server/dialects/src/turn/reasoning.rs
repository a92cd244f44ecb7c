//! How much a model thinks: in words, or in tokens.
//!
//! Some dialects know the one, some the other, and no standard says which word is how many tokens. This table is the only place.

/// How much a model thinks, from nothing to the most it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// Very much.
    ExtraHigh,
    /// As much as it can.
    Max,
}

/// How much a model is to think.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// In words.
    pub effort: Option<Effort>,
    /// Most tokens of it.
    pub budget: Option<u64>,
    /// Whether its thoughts are shown. Absent: as the upstream likes.
    pub shown: Option<bool>,
}

/// Each effort: its tokens, and below how many tokens another is the nearest.
const TABLE: [(Effort, u64, u64); 7] = [
    (Effort::None, 0, 1),
    (Effort::Minimal, 512, 1024),
    (Effort::Low, 2048, 4096),
    (Effort::Medium, 8192, 12_288),
    (Effort::High, 16_384, 28_000),
    (Effort::ExtraHigh, 32_000, 48_000),
    (Effort::Max, 64_000, u64::MAX),
];

impl Reasoning {
    /// In words, from the tokens where no word was given.
    #[must_use]
    pub fn effort(&self) -> Option<Effort> {
        let nearest = |budget| TABLE.iter().find(|(_, _, below)| budget < *below).map_or(Effort::Max, |row| row.0);
        self.effort.or_else(|| self.budget.map(nearest))
    }

    /// In tokens, from the word where no number was given.
    #[must_use]
    pub fn budget(&self) -> Option<u64> {
        let tokens = |effort| TABLE.iter().find(|(known, ..)| *known == effort).map(|(_, tokens, _)| *tokens);
        self.budget.or_else(|| self.effort.and_then(tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_tokens_lead_to_each_other() {
        for (effort, tokens, _) in TABLE {
            let word = Reasoning { effort: Some(effort), ..Reasoning::default() };
            assert_eq!(word.budget(), Some(tokens));
            let number = Reasoning { budget: Some(tokens), ..Reasoning::default() };
            assert_eq!(number.effort(), Some(effort));
        }
        assert_eq!(Reasoning::default().effort(), None);
        assert_eq!(Reasoning { budget: Some(u64::MAX), ..Reasoning::default() }.effort(), Some(Effort::Max));
    }
}
