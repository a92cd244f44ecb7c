//! SPDX licence expressions, as annex D of the SPDX specification 2.3 has them.

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    /// A licence, without an exception to it: that only allows more.
    Licence(String),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
}

/// Deepest parentheses that are read.
const MAX_DEPTH: usize = 50;

impl Expression {
    /// Reads one. Also `MIT/Apache-2.0`, as Cargo once wrote it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = words.as_slice();
        let expression = any(&mut rest, 0)?;
        rest.is_empty().then_some(expression)
    }

    /// Whether it can be kept with licences of which each is allowed.
    pub(crate) fn is_allowed(&self, is_allowed: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Licence(name) => is_allowed(name),
            Self::And(one, other) => one.is_allowed(is_allowed) && other.is_allowed(is_allowed),
            Self::Or(one, other) => one.is_allowed(is_allowed) || other.is_allowed(is_allowed),
        }
    }
}

fn any(words: &mut &[&str], depth: usize) -> Option<Expression> {
    let mut expression = all(words, depth)?;
    while take(words, "OR") {
        expression = Expression::Or(Box::new(expression), Box::new(all(words, depth)?));
    }
    Some(expression)
}

fn all(words: &mut &[&str], depth: usize) -> Option<Expression> {
    let mut expression = one(words, depth)?;
    while take(words, "AND") {
        expression = Expression::And(Box::new(expression), Box::new(one(words, depth)?));
    }
    Some(expression)
}

fn one(words: &mut &[&str], depth: usize) -> Option<Expression> {
    if take(words, "(") {
        let inner = if depth < MAX_DEPTH { any(words, depth + 1)? } else { return None };
        return take(words, ")").then_some(inner);
    }
    let licence = id(words)?;
    if take(words, "WITH") {
        id(words)?;
    }
    Some(Expression::Licence(licence))
}

fn id(words: &mut &[&str]) -> Option<String> {
    let (first, rest) = words.split_first()?;
    let is_id = first.chars().all(|c| c.is_ascii_alphanumeric() || "-.+:".contains(c))
        && !matches!(*first, "AND" | "OR" | "WITH");
    *words = rest;
    is_id.then(|| (*first).to_owned())
}

fn take(words: &mut &[&str], word: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if first.eq_ignore_ascii_case(word) => {
            *words = rest;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_allowed(text: &str, allowed: &[&str]) -> Option<bool> {
        Expression::parse(text).map(|expression| expression.is_allowed(&|name| allowed.contains(&name)))
    }

    #[test]
    fn expressions_are_weighed() {
        let allowed = ["MIT", "Apache-2.0", "ISC"];
        for (text, result) in [
            ("MIT", true),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("(MIT OR GPL-2.0+) AND ISC", true),
            ("MIT AND ISC OR GPL-2.0", true),
            ("GPL-2.0 OR MIT AND BSL-1.0", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("MIT/Apache-2.0", true),
            ("mit or ISC", true),
        ] {
            assert_eq!(is_allowed(text, &allowed), Some(result), "{text}");
        }
        for odd in ["", "MIT OR", "OR MIT", "(MIT", "MIT)", "MIT ISC", "SEE LICENSE IN x", "MIT WITH", "()"] {
            assert_eq!(Expression::parse(odd), None, "{odd}");
        }
        assert_eq!(Expression::parse(&format!("{}MIT{}", "(".repeat(999), ")".repeat(999))), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn allowing_more_never_refuses(words in prop::collection::vec(prop_oneof![Just("MIT"), Just("ISC"), Just("OR"), Just("AND"), Just("("), Just(")")], 1..9)) {
            let text = words.join(" ");
            if let (Some(less), Some(more)) = (is_allowed(&text, &["MIT"]), is_allowed(&text, &["MIT", "ISC"])) {
                prop_assert!(more || !less, "{}", text);
            }
        }
    }
}
