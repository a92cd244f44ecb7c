//! JSON as people write it, for documents that others read with comments: colour themes. Pure.

/// The JSON of a text that may have `//` and `/* */` in it, and commas before closing brackets. Spaces take the place of these, so that
/// each line stays where it is.
#[must_use]
pub fn plain_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let blank = |char| if char == '\n' { '\n' } else { ' ' };
    while let Some(char) = chars.next() {
        match (char, chars.peek()) {
            ('"', _) => {
                out.push('"');
                let mut is_escaped = false;
                for char in chars.by_ref() {
                    out.push(char);
                    if char == '"' && !is_escaped {
                        break;
                    }
                    is_escaped = char == '\\' && !is_escaped;
                }
            }
            ('/', Some('/')) => {
                out.push(' ');
                while let Some(char) = chars.next_if(|char| *char != '\n') {
                    out.push(blank(char));
                }
            }
            ('/', Some('*')) => {
                out.extend([' ', ' ']);
                chars.next();
                let mut last = ' ';
                for char in chars.by_ref() {
                    out.push(blank(char));
                    if last == '*' && char == '/' {
                        break;
                    }
                    last = char;
                }
            }
            ('}' | ']', _) => {
                let before = out.trim_end();
                if before.ends_with(',') {
                    let comma = before.len() - 1;
                    out.replace_range(comma..=comma, " ");
                }
                out.push(char);
            }
            _ => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_and_last_commas_go_and_what_is_in_texts_stays() {
        for (text, plain) in [
            (r#"{"a": "// \" /* b */", "c": [1, ], }"#, r#"{"a": "// \" /* b */", "c": [1  ]  }"#),
            ("[1, // x, ]\n2]", "[1,        \n2]"),
            ("[1, /* x\n] */ ]", "[1      \n     ]"),
            (r#"["\\", "a,"]"#, r#"["\\", "a,"]"#),
            ("1 / 2", "1 / 2"),
            ("[1, /**/ /***/]", "[1            ]"),
        ] {
            assert_eq!(plain_json(text), plain, "{text}");
        }
        for open in ["/*", "//", "\"", "\"\\", "/"] {
            assert_eq!(plain_json(open).len(), open.len());
        }
    }

    proptest! {
        #[test]
        fn json_stays_as_it_is(texts in prop::collection::vec(".*", 0..5)) {
            let json = serde_json::to_string_pretty(&texts).unwrap();
            prop_assert_eq!(plain_json(&json), json);
        }

        #[test]
        fn each_line_stays_where_it_is(text in "[\\[\\]{}\",/*a\\\\\n ]{0,60}") {
            prop_assert_eq!(plain_json(&text).lines().count(), text.lines().count());
        }
    }
}
