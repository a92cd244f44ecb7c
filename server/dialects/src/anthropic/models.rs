//! What Anthropic's models want differently, by their names.

/// A version of Claude: 4.6 is (4, 6).
type Version = (u32, u32);

/// Takes `thinking: adaptive` with an effort, and no budget any more.
const ADAPTIVE_SINCE: Version = (4, 6);
/// Refuses the fields of sampling.
const NO_SAMPLING_SINCE: Version = (4, 7);
/// Follows a schema.
const SCHEMA_SINCE: Version = (4, 5);

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abilities {
    /// It decides by itself how much it thinks, within an effort.
    pub(super) adaptive: bool,
    /// It takes temperature and the like.
    pub(super) sampling: bool,
    /// It follows a schema.
    pub(super) schema: bool,
    /// It refuses temperature beside `top_p`.
    pub(super) one_of_sampling: bool,
}

/// What the model of this name can do. One that is no Claude is taken for an old one: servers of other models imitate those.
pub(super) fn abilities(model: &str) -> Abilities {
    let version = version(model);
    let since = |first: Version| version.is_some_and(|version| version >= first);
    Abilities {
        adaptive: since(ADAPTIVE_SINCE),
        sampling: !since(NO_SAMPLING_SINCE),
        schema: since(SCHEMA_SINCE),
        one_of_sampling: since(SCHEMA_SINCE),
    }
}

/// `claude-opus-4-6-20260205` and `claude-3-5-sonnet-20241022`, also behind the names of resellers.
fn version(model: &str) -> Option<Version> {
    let name = &model[model.find("claude-")?..];
    let numbers = name.split(['-', '.', '@', ':']).filter_map(|part| part.parse::<u32>().ok());
    // What is larger is a date.
    let mut numbers = numbers.filter(|number| *number < 100);
    Some((numbers.next()?, numbers.next().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (model, expected) in [
            ("claude-opus-4-6-20260205", Some((4, 6))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-3-5-sonnet-20241022", Some((3, 5))),
            ("claude-sonnet-5", Some((5, 0))),
            ("anthropic/claude-opus-4.7", Some((4, 7))),
            ("claude-latest", None),
            ("smollm2-135m", None),
        ] {
            assert_eq!(version(model), expected, "{model}");
        }
        assert!(abilities("claude-opus-4-7").adaptive && !abilities("claude-opus-4-7").sampling);
        assert!(abilities("smollm2-135m").sampling && !abilities("smollm2-135m").adaptive);
    }
}
