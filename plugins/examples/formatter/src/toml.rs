//! TOML. Values stay as they are written and comments where they are; what changes is the space between them.
//!
//! An array is spread over lines where its first value was on another line than its bracket, where it holds a comment, and where it does
//! not fit into the width.

use crate::style::Style;

/// Deepest nesting that is looked at.
const MAX_DEPTH: usize = 100;

/// The text in order; else the byte at which it stops being TOML.
pub(crate) fn format(text: &str, style: &Style) -> Result<String, usize> {
    let mut parser = Parser { rest: text.trim_start_matches('\u{feff}') };
    let Some(mut entries) = parser.document() else { return Err(text.len() - parser.rest.len()) };
    put_headers_apart(&mut entries);
    let mut out = String::new();
    for entry in &entries {
        if entry.is_apart && !out.is_empty() {
            out.push('\n');
        }
        entry.print(&mut out, style);
        out.push('\n');
    }
    Ok(out)
}

/// A line, or as many as a value takes.
struct Entry<'a> {
    /// There was an empty line before it.
    is_apart: bool,
    what: What<'a>,
    comment: Option<&'a str>,
}

enum What<'a> {
    Comment,
    /// With its brackets.
    Header(String),
    Pair(String, Value<'a>),
}

enum Value<'a> {
    Scalar(&'a str),
    Table(Vec<(String, Value<'a>)>),
    Array(Array<'a>),
}

#[derive(Default)]
struct Array<'a> {
    was_spread: bool,
    items: Vec<Item<'a>>,
    /// Comments behind the last item.
    end: Vec<&'a str>,
}

struct Item<'a> {
    is_apart: bool,
    /// Comments before it, a line each.
    leading: Vec<&'a str>,
    value: Value<'a>,
    /// Behind it, on its line.
    trailing: Vec<&'a str>,
}

/// An empty line before each header, and before the comments that belong to it.
fn put_headers_apart(entries: &mut [Entry<'_>]) {
    for at in 0..entries.len() {
        if !matches!(entries[at].what, What::Header(_)) {
            continue;
        }
        let mut first = at;
        while first > 0 && !entries[first].is_apart && matches!(entries[first - 1].what, What::Comment) {
            first -= 1;
        }
        entries[first].is_apart = true;
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

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Spaces and tabs.
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// Breaks and what is empty between them; how many.
    fn breaks(&mut self) -> usize {
        let bare = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let length = self.rest.len() - bare.len();
        self.take(length).bytes().filter(|&byte| byte == b'\n').count()
    }

    fn comment(&mut self) -> Option<&'a str> {
        self.rest.starts_with('#').then(|| {
            let length = self.rest.find('\n').unwrap_or(self.rest.len());
            self.take(length).trim_end()
        })
    }

    fn document(&mut self) -> Option<Vec<Entry<'a>>> {
        let mut entries = Vec::new();
        loop {
            let breaks = self.breaks();
            if self.rest.is_empty() {
                return Some(entries);
            }
            if breaks == 0 && !entries.is_empty() {
                return None;
            }
            let is_apart = breaks > 1;
            let what = match self.rest.as_bytes().first()? {
                b'#' => What::Comment,
                b'[' => What::Header(self.header()?),
                _ => {
                    let key = self.key()?;
                    self.eat("=").then_some(())?;
                    self.blanks();
                    What::Pair(key, self.value(0)?)
                }
            };
            self.blanks();
            let comment = self.comment();
            entries.push(Entry { is_apart, what, comment });
        }
    }

    fn header(&mut self) -> Option<String> {
        let (open, close) = if self.eat("[[") { ("[[", "]]") } else { ("[", "]") };
        self.eat(open);
        let key = self.key()?;
        self.eat(close).then(|| format!("{open}{key}{close}"))
    }

    /// Parts with dots between them, and the blanks behind.
    fn key(&mut self) -> Option<String> {
        let mut key = String::new();
        loop {
            self.blanks();
            key.push_str(match self.rest.as_bytes().first()? {
                b'"' => self.line_string('"', true)?,
                b'\'' => self.line_string('\'', false)?,
                _ => {
                    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
                    let length = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
                    Some(self.take(length)).filter(|part| !part.is_empty())?
                }
            });
            self.blanks();
            if !self.eat(".") {
                return Some(key);
            }
            key.push('.');
        }
    }

    fn line_string(&mut self, quote: char, has_escapes: bool) -> Option<&'a str> {
        let mut is_escaped = false;
        for (at, character) in self.rest.char_indices().skip(1) {
            match character {
                '\n' => return None,
                _ if is_escaped => is_escaped = false,
                '\\' if has_escapes => is_escaped = true,
                _ if character == quote => return Some(self.take(at + 1)),
                _ => {}
            }
        }
        None
    }

    /// Up to five quotes may stand at the end, of which three close it.
    fn block_string(&mut self, quotes: &str, has_escapes: bool) -> Option<&'a str> {
        let mut at = quotes.len();
        loop {
            let rest = self.rest.get(at..)?;
            if has_escapes && rest.starts_with('\\') {
                at += 1 + rest[1..].chars().next()?.len_utf8();
            } else if let Some(behind) = rest.strip_prefix(quotes) {
                let more = behind.bytes().take(2).take_while(|&byte| byte == quotes.as_bytes()[0]).count();
                return Some(self.take(at + quotes.len() + more));
            } else {
                at += rest.chars().next()?.len_utf8();
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        Some(match self.rest.as_bytes().first()? {
            b'[' => Value::Array(self.array(depth)?),
            b'{' => Value::Table(self.table(depth)?),
            b'"' if self.rest.starts_with("\"\"\"") => Value::Scalar(self.block_string("\"\"\"", true)?),
            b'"' => Value::Scalar(self.line_string('"', true)?),
            b'\'' if self.rest.starts_with("'''") => Value::Scalar(self.block_string("'''", false)?),
            b'\'' => Value::Scalar(self.line_string('\'', false)?),
            _ => Value::Scalar(self.word()?),
        })
    }

    /// A number, a truth value or a date, which may have a blank before its time.
    fn word(&mut self) -> Option<&'a str> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-' | '.' | ':');
        let end = |text: &str| text.find(|c| !is_part(c)).unwrap_or(text.len());
        let mut length = end(self.rest);
        let word = &self.rest[..length];
        let is_date = length == 10 && word.as_bytes()[4] == b'-' && word.as_bytes()[7] == b'-';
        let time = self.rest[length..].strip_prefix(' ').filter(|_| is_date).unwrap_or_default();
        if time.as_bytes().get(2) == Some(&b':') {
            length += 1 + end(time);
        }
        let bare = word.trim_start_matches(['+', '-']);
        let is_value = bare.starts_with(|c: char| c.is_ascii_digit()) || matches!(bare, "inf" | "nan");
        (is_value || matches!(word, "true" | "false")).then(|| self.take(length))
    }

    fn table(&mut self, depth: usize) -> Option<Vec<(String, Value<'a>)>> {
        self.take(1);
        let mut pairs = Vec::new();
        self.blanks();
        if self.eat("}") {
            return Some(pairs);
        }
        loop {
            let key = self.key()?;
            self.eat("=").then_some(())?;
            self.blanks();
            pairs.push((key, self.value(depth + 1)?));
            self.blanks();
            if self.eat("}") {
                return Some(pairs);
            }
            self.eat(",").then_some(())?;
        }
    }

    /// Breaks and comments in an array: those on the line of what is before, the others, and whether there was an empty line.
    fn between(&mut self) -> (Vec<&'a str>, Vec<&'a str>, bool, bool) {
        let (mut same, mut others, mut has_gap, mut has_break) = (Vec::new(), Vec::new(), false, false);
        loop {
            let breaks = self.breaks();
            has_gap |= breaks > 1;
            has_break |= breaks > 0;
            match self.comment() {
                Some(comment) if has_break => others.push(comment),
                Some(comment) => same.push(comment),
                None => return (same, others, has_gap, has_break),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Array<'a>> {
        self.take(1);
        let mut array = Array::default();
        let (mut leading, others, _, has_break) = self.between();
        leading.extend(others);
        array.was_spread = has_break;
        let mut is_apart = false;
        loop {
            if self.eat("]") {
                array.end = leading;
                return Some(array);
            }
            let value = self.value(depth + 1)?;
            let (mut trailing, mut next, mut has_gap, _) = self.between();
            let has_comma = self.eat(",");
            if has_comma {
                let (same, others, gap, _) = self.between();
                // What stands behind a comma on a line of its own belongs to what follows.
                if next.is_empty() {
                    trailing.extend(same)
                } else {
                    next.extend(same)
                };
                next.extend(others);
                has_gap |= gap;
            } else if !self.rest.starts_with(']') {
                return None;
            }
            array.items.push(Item { is_apart, leading: std::mem::replace(&mut leading, next), value, trailing });
            is_apart = has_gap;
        }
    }
}

impl Entry<'_> {
    fn print(&self, out: &mut String, style: &Style) {
        let begin = out.len();
        match &self.what {
            What::Comment => {}
            What::Header(text) => out.push_str(text),
            What::Pair(key, value) => {
                out.push_str(key);
                out.push_str(" = ");
                let used = style.columns(&out[begin..]);
                value.print(out, style, 0, used);
            }
        }
        if let Some(comment) = self.comment {
            out.push_str(if out.len() > begin { " " } else { "" });
            out.push_str(comment);
        }
    }
}

impl Value<'_> {
    /// `used` columns of the line are taken already.
    fn print(&self, out: &mut String, style: &Style, depth: usize, used: usize) {
        let line = self.on_a_line();
        let fits = |line: &String| used + style.columns(line) <= style.width;
        match (self, line) {
            (Self::Array(array), line) => match line.filter(fits) {
                Some(line) => out.push_str(&line),
                None => array.spread(out, style, depth),
            },
            (_, Some(line)) => out.push_str(&line),
            // A table cannot be spread, but an array in it can.
            (Self::Table(pairs), None) => {
                for (at, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if at == 0 { "{ " } else { ", " });
                    out.push_str(key);
                    out.push_str(" = ");
                    let column = out.rfind('\n').map_or(0, |at| at + 1);
                    value.print(out, style, depth, style.columns(&out[column..]));
                }
                out.push_str(" }");
            }
            (Self::Scalar(text), None) => out.push_str(text),
        }
    }

    /// Without a break, where nothing in it needs one.
    fn on_a_line(&self) -> Option<String> {
        match self {
            Self::Scalar(text) => Some((*text).to_owned()),
            Self::Table(pairs) if pairs.is_empty() => Some("{}".into()),
            Self::Table(pairs) => {
                let parts: Option<Vec<String>> =
                    pairs.iter().map(|(key, value)| Some(format!("{key} = {}", value.on_a_line()?))).collect();
                Some(format!("{{ {} }}", parts?.join(", ")))
            }
            Self::Array(array) => {
                if array.was_spread && !array.items.is_empty() || !array.end.is_empty() {
                    return None;
                }
                let bare = |item: &Item<'_>| item.leading.is_empty() && item.trailing.is_empty();
                let parts: Option<Vec<String>> =
                    array.items.iter().map(|item| bare(item).then(|| item.value.on_a_line()).flatten()).collect();
                Some(format!("[{}]", parts?.join(", ")))
            }
        }
    }
}

impl Array<'_> {
    fn spread(&self, out: &mut String, style: &Style, depth: usize) {
        let indent = format!("\n{}", style.indent(depth + 1));
        out.push('[');
        for item in &self.items {
            out.push_str(if item.is_apart { "\n" } else { "" });
            for comment in &item.leading {
                out.push_str(&indent);
                out.push_str(comment);
            }
            out.push_str(&indent);
            item.value.print(out, style, depth + 1, style.columns(&indent) + 1);
            out.push(',');
            // A comment goes to the end of its line: a second one has a line of its own.
            for (at, comment) in item.trailing.iter().enumerate() {
                out.push_str(if at == 0 { " " } else { &indent });
                out.push_str(comment);
            }
        }
        for comment in &self.end {
            out.push_str(&indent);
            out.push_str(comment);
        }
        out.push('\n');
        out.push_str(&style.indent(depth));
        out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Option<String> {
        format(text, &Style { indent: "  ".into(), width: 30 }).ok()
    }

    #[test]
    fn space_is_put_in_order_and_comments_stay() {
        let text = "# top\n\n\n\na=1   # one\n b . \"c d\"='x'\n# about t\n[ t . u ]# t\nlist=[1,2,\n3,]\nspread = [\n1, # first\n\n# second\n2 ]\n[[x]]\nd = 1979-05-27 07:32:00   \nt = { a=1,b = [ ] }\n";
        let expected = "# top\n\na = 1 # one\nb.\"c d\" = 'x'\n\n# about t\n[t.u] # t\nlist = [1, 2, 3]\nspread = [\n  1, # first\n\n  # second\n  2,\n]\n\n[[x]]\nd = 1979-05-27 07:32:00\nt = { a = 1, b = [] }\n";
        assert_eq!(of(text).as_deref(), Some(expected));
        assert_eq!(of(expected).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_too_wide_is_spread() {
        let text = "names = [\"first name\", \"second name\"]\n";
        assert_eq!(of(text).as_deref(), Some("names = [\n  \"first name\",\n  \"second name\",\n]\n"));
    }

    #[test]
    fn strings_of_many_lines_stay() {
        let text = "a = \"\"\"\n  x = 1 # no comment  \n\\\"\"\"\"\"\"\nb = ''' ' '''\n";
        assert_eq!(of(text).as_deref(), Some(text));
    }

    #[test]
    fn what_is_no_toml_is_left_alone() {
        for bad in
            ["a", "a =", "= 1", "a = 1 b = 2", "[a", "a = [1 2]", "a = \"x", "a = {b}", "a = yes", "a = \"\"\"x", "[]"]
        {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(of(&format!("a = {}", "[".repeat(100_000))), None);
        assert_eq!(of("").as_deref(), Some(""));
    }

    fn value() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("1".to_owned()),
            Just("0x1_F".into()),
            Just("true".into()),
            Just("\"a, # ]\"".into()),
            Just("'b \\'".into()),
            Just("1979-05-27 07:32:00Z".into()),
            Just("\"\"\"\n#x\n\"\"\"".into()),
            Just("1e5".into()),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(
                    (
                        inner.clone(),
                        prop_oneof![Just(","), Just(", # c\n"), Just("\n,\n\n"), Just(" # c\n # c\n, # c\n")]
                    ),
                    0..5
                )
                .prop_map(|items| format!(
                    "[{}]",
                    items.into_iter().map(|(item, comma)| format!("{item}{comma}")).collect::<String>()
                )),
                prop::collection::vec(inner, 0..3).prop_map(|items| {
                    let pairs: Vec<String> =
                        items.iter().enumerate().map(|(at, item)| format!("k{at} ={item}")).collect();
                    format!("{{{}}}", pairs.join(" ,"))
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn values_stay_and_twice_is_once(entries in prop::collection::vec((value(), prop_oneof![Just(""), Just(" # c"), Just("\n\n\n# c"), Just("\n[t%]")]), 0..8)) {
            let lines = entries.iter().enumerate().map(|(at, (value, end))| format!("k{at}= {value}{}\n", end.replace('%', &at.to_string())));
            let text: String = lines.collect();
            let before: toml::Table = text.parse().unwrap();
            let once = of(&text).unwrap();
            prop_assert_eq!(once.parse::<toml::Table>().unwrap(), before, "{}", once);
            prop_assert_eq!(once.matches("# c").count(), text.matches("# c").count());
            prop_assert_eq!(of(&once), Some(once.clone()));
        }
    }
}
