//! JSON, also with comments and commas at the end (JSONC). Scalars stay as they are written, comments stay where they are.
//!
//! An object is spread over lines where its first key was on another line than its brace, and wherever it does not fit into the width; an
//! array only where it does not fit.

use crate::style::Style;

/// Deepest nesting that is looked at.
const MAX_DEPTH: usize = 200;

/// The text in order; else the byte at which it stops being JSON.
pub(crate) fn format(text: &str, style: &Style) -> Result<String, usize> {
    let mut parser = Parser { rest: text };
    let leading = parser.comments().texts();
    let Some(root) = parser.item(leading, false, 0) else { return Err(text.len() - parser.rest.len()) };
    let end = parser.comments();
    if !parser.rest.is_empty() {
        return Err(text.len() - parser.rest.len());
    }
    let mut out = Printer { out: String::new(), style };
    out.item(&root, 0, false);
    end.list.iter().for_each(|(comment, _)| out.line(comment, 0));
    Ok(out.out.trim_start_matches('\n').trim_end().to_owned() + "\n")
}

/// A value with everything around it that has to stay.
struct Item<'a> {
    /// There was an empty line before it.
    is_apart: bool,
    /// Comments before it.
    leading: Vec<&'a str>,
    key: Option<&'a str>,
    value: Value<'a>,
    /// Comments behind it, on its line.
    trailing: Vec<&'a str>,
}

enum Value<'a> {
    Scalar(&'a str),
    Container(Container<'a>),
}

struct Container<'a> {
    is_object: bool,
    /// The first key was on another line than the brace.
    was_spread: bool,
    items: Vec<Item<'a>>,
    /// Comments behind the last item.
    end: Vec<&'a str>,
}

/// Comments, each with whether it began on the line of what is before.
#[derive(Default)]
struct Comments<'a> {
    list: Vec<(&'a str, bool)>,
    /// There is an empty line among or behind them.
    has_gap: bool,
    has_break: bool,
}

impl<'a> Comments<'a> {
    fn texts(&self) -> Vec<&'a str> {
        self.list.iter().map(|(text, _)| *text).collect()
    }

    /// Those on the line of what is before, and the others.
    fn split(self) -> (Vec<&'a str>, Vec<&'a str>) {
        let (same, others): (Vec<_>, Vec<_>) = self.list.into_iter().partition(|(_, is_on_line)| *is_on_line);
        let texts = |list: Vec<(&'a str, bool)>| list.into_iter().map(|(text, _)| text).collect();
        (texts(same), texts(others))
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    fn eat(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// White space and comments.
    fn comments(&mut self) -> Comments<'a> {
        let mut comments = Comments::default();
        loop {
            let bare = self.rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{feff}']);
            let space = self.take(self.rest.len() - bare.len());
            let breaks = space.bytes().filter(|&byte| byte == b'\n').count();
            comments.has_break |= breaks > 0;
            comments.has_gap |= breaks > 1;
            let length = if self.rest.starts_with("//") {
                Some(self.rest.find('\n').unwrap_or(self.rest.len()))
            } else if self.rest.starts_with("/*") {
                self.rest.find("*/").map(|end| end + 2)
            } else {
                None
            };
            let Some(length) = length else { return comments };
            comments.list.push((self.take(length).trim_end(), !comments.has_break));
        }
    }

    fn item(&mut self, mut leading: Vec<&'a str>, is_keyed: bool, depth: usize) -> Option<Item<'a>> {
        let mut key = None;
        if is_keyed {
            key = Some(self.string()?);
            leading.extend(self.comments().texts());
            if !self.eat(':') {
                return None;
            }
            leading.extend(self.comments().texts());
        }
        let value = self.value(depth)?;
        Some(Item { is_apart: false, leading, key, value, trailing: Vec::new() })
    }

    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.rest.as_bytes().first()? {
            b'{' => self.container(true, depth).map(Value::Container),
            b'[' => self.container(false, depth).map(Value::Container),
            b'"' => self.string().map(Value::Scalar),
            _ => self.word().map(Value::Scalar),
        }
    }

    fn string(&mut self) -> Option<&'a str> {
        let mut is_escaped = false;
        if !self.rest.starts_with('"') {
            return None;
        }
        for (at, byte) in self.rest.bytes().enumerate().skip(1) {
            match byte {
                b'\n' => return None,
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => return Some(self.take(at + 1)),
                _ => {}
            }
        }
        None
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Option<&'a str> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let length = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let word = self.take(length);
        let is_number = word.starts_with(|c: char| c.is_ascii_digit() || c == '-') && word.parse::<f64>().is_ok();
        (is_number || matches!(word, "true" | "false" | "null")).then_some(word)
    }

    fn container(&mut self, is_object: bool, depth: usize) -> Option<Container<'a>> {
        self.take(1);
        let close = if is_object { '}' } else { ']' };
        let mut container = Container { is_object, was_spread: false, items: Vec::new(), end: Vec::new() };
        let mut before = self.comments();
        container.was_spread = before.has_break;
        let mut is_apart = false;
        loop {
            if self.eat(close) {
                container.end = before.texts();
                return Some(container);
            }
            let mut item = self.item(before.texts(), is_object, depth + 1)?;
            item.is_apart = is_apart;
            let behind = self.comments();
            let had_gap = behind.has_gap;
            let (trailing, others) = behind.split();
            item.trailing = trailing;
            let has_comma = self.eat(',');
            before = self.comments();
            is_apart = had_gap || before.has_gap;
            if has_comma && others.is_empty() {
                let after_break = before.has_break;
                let (trailing, rest) = before.split();
                item.trailing.extend(trailing);
                before = Comments {
                    list: rest.into_iter().map(|text| (text, false)).collect(),
                    has_gap: false,
                    has_break: after_break,
                };
            } else {
                let list = others.into_iter().chain(before.texts()).map(|text| (text, false)).collect();
                before = Comments { list, has_gap: false, has_break: true };
            }
            container.items.push(item);
            if !has_comma && !self.rest.starts_with(close) {
                return None;
            }
        }
    }
}

struct Printer<'a> {
    out: String,
    style: &'a Style,
}

impl Printer<'_> {
    /// Begins a line with a text.
    fn line(&mut self, text: &str, depth: usize) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(&self.style.indent(depth));
        self.out.push_str(text);
    }

    /// Begins a line with an item; a comma behind it where more follow.
    fn item(&mut self, item: &Item<'_>, depth: usize, has_more: bool) {
        if item.is_apart {
            self.out.push('\n');
        }
        item.leading.iter().for_each(|comment| self.line(comment, depth));
        self.line("", depth);
        let begin = self.out.rfind('\n').map_or(0, |at| at + 1);
        if let Some(key) = item.key {
            self.out.push_str(key);
            self.out.push_str(": ");
        }
        match &item.value {
            Value::Scalar(text) => self.out.push_str(text),
            Value::Container(container) => {
                let used = self.style.columns(&self.out[begin..]) + usize::from(has_more);
                match container.on_a_line(self.style).filter(|line| used + self.style.columns(line) <= self.style.width)
                {
                    Some(line) => self.out.push_str(&line),
                    None => self.spread(container, depth),
                }
            }
        }
        if has_more {
            self.out.push(',');
        }
        for comment in &item.trailing {
            self.out.push(' ');
            self.out.push_str(comment);
        }
    }

    fn spread(&mut self, container: &Container<'_>, depth: usize) {
        let (open, close) = container.brackets();
        self.out.push(open);
        for (at, item) in container.items.iter().enumerate() {
            self.item(item, depth + 1, at + 1 < container.items.len());
        }
        container.end.iter().for_each(|comment| self.line(comment, depth + 1));
        self.line("", depth);
        self.out.push(close);
    }
}

impl Container<'_> {
    fn brackets(&self) -> (char, char) {
        if self.is_object { ('{', '}') } else { ('[', ']') }
    }

    /// The whole of it without a break, where nothing in it needs one.
    fn on_a_line(&self, style: &Style) -> Option<String> {
        let (open, close) = self.brackets();
        if self.items.is_empty() && self.end.is_empty() {
            return Some(format!("{open}{close}"));
        }
        if (self.is_object && self.was_spread) || !self.end.is_empty() {
            return None;
        }
        let mut line = String::from(open);
        line.push_str(if self.is_object { " " } else { "" });
        for (at, item) in self.items.iter().enumerate() {
            if !item.leading.is_empty() || !item.trailing.is_empty() || line.len() > style.width * 4 {
                return None;
            }
            line.push_str(if at > 0 { ", " } else { "" });
            if let Some(key) = item.key {
                line.push_str(key);
                line.push_str(": ");
            }
            match &item.value {
                Value::Scalar(text) => line.push_str(text),
                Value::Container(inner) => line.push_str(&inner.on_a_line(style)?),
            }
        }
        line.push_str(if self.is_object { " " } else { "" });
        line.push(close);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;

    fn of(text: &str) -> Option<String> {
        format(text, &Style { indent: "  ".into(), width: 40 }).ok()
    }

    #[test]
    fn short_things_stay_on_a_line() {
        let wide = r#"{"a":[1,2 , 3],"b":{}, "c": {"d":null}}"#;
        assert_eq!(of(wide).as_deref(), Some("{\n  \"a\": [1, 2, 3],\n  \"b\": {},\n  \"c\": { \"d\": null }\n}\n"));
        assert_eq!(of("{\n\"a\":1}").as_deref(), Some("{\n  \"a\": 1\n}\n"));
        assert_eq!(of(" [ ] ").as_deref(), Some("[]\n"));
    }

    #[test]
    fn comments_stay_with_what_they_are_about() {
        let text = "// head\n{ // open\n\"a\": 1, // one\n\n/* before b */ \"b\" /* odd */: [ 1 // x\n, 2 ], // two\n// end\n}\n// tail\n";
        let expected = "// head\n{\n  // open\n  \"a\": 1, // one\n\n  /* before b */\n  /* odd */\n  \"b\": [\n    1, // x\n    2\n  ] // two\n  // end\n}\n// tail\n";
        assert_eq!(of(text).as_deref(), Some(expected));
        assert_eq!(of(expected).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_json_is_left_alone() {
        for bad in
            ["", "{", "[1 2]", "{\"a\" 1}", "{a: 1}", "[01x]", "\"a", "[1,,2]", "[nul]", "1 2", "{\"a\":1}}", "[/* ]"]
        {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(of(&"[".repeat(100_000)), None);
    }

    #[test]
    fn a_comma_at_the_end_goes() {
        assert_eq!(of("[1,]").as_deref(), Some("[1]\n"));
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i32>().prop_map(Json::from),
            "[a-z\"\\\\\n ]{0,9}".prop_map(Json::from)
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::btree_map("[a-z]{0,6}", inner, 0..6)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_value_stays_and_twice_is_once(value in json(), is_pretty in any::<bool>()) {
            let text = if is_pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let once = of(&text).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Json>(&once).unwrap(), &value);
            prop_assert_eq!(of(&once).unwrap(), once);
        }

        #[test]
        fn comments_anywhere_are_kept(pieces in prop::collection::vec(prop_oneof![
            Just("{\"a\":"), Just("}"), Just("["), Just("]"), Just(","), Just("1"), Just("\n"), Just("\n\n"), Just("/*c*/"), Just("//c\n"), Just("\"b\":"),
        ], 0..24)) {
            let text = pieces.concat();
            if let Some(once) = of(&text) {
                prop_assert_eq!(once.matches('c').count(), text.matches('c').count(), "{}", &once);
                prop_assert_eq!(of(&once), Some(once.clone()), "{}", text);
            }
        }
    }
}
