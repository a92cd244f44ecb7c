//! Where JSON ends that arrives in fragments.

/// Follows the brackets and strings of one JSON object.
#[derive(Debug, Default)]
pub(super) struct Brackets {
    depth: usize,
    in_string: bool,
    escaped: bool,
    is_whole: bool,
}

impl Brackets {
    /// More of it.
    pub(super) fn follow(&mut self, more: &str) {
        for byte in more.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.is_whole = self.depth == 0;
                }
                _ => {}
            }
        }
    }

    /// The last bracket is closed.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole && self.depth == 0 && !self.in_string
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_ends_with_its_last_bracket() {
        let text = r#"{"a": "} \" [", "b": [{"c": 1}, 2]}"#;
        let mut brackets = Brackets::default();
        for (at, _) in text.char_indices() {
            assert!(!brackets.is_whole(), "{}", &text[..at]);
            brackets.follow(&text[at..=at]);
        }
        assert!(brackets.is_whole());
    }
}
