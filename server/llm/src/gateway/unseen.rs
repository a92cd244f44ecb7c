//! What costs more of a question than its bytes tell: what it only points to, and what is to be kept for long.

use std::borrow::Cow;

/// Objects that hold what models say to tools (Anthropic's `input`, Gemini's `args`), what tools say to them (Gemini's `response`), and
/// how both look. Nothing in them is fetched.
const PLAIN_OBJECTS: [&[u8]; 7] = [
    b"input",
    b"args",
    b"response",
    b"input_schema",
    b"parameters",
    b"parametersJsonSchema",
    b"parameters_json_schema",
];

/// Found in a body.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unseen {
    /// Pictures, documents and items that stand behind addresses and identifiers.
    pub(super) links: u64,
    /// Something is to be kept in the upstream's cache for an hour.
    pub(super) caches_for_hour: bool,
}

/// What a field of such a name holds.
#[derive(Clone, Copy)]
enum Name {
    Address,
    File,
    Type,
    Lifetime,
}

/// Where in a body one is.
#[derive(Default)]
struct Nesting {
    /// Objects and lists around.
    depth: usize,
    /// How many of them are around the object that counts nothing.
    plain_within: Option<usize>,
}

impl Nesting {
    /// Goes over what stands between two strings.
    fn pass(&mut self, between: &[u8]) {
        for byte in between {
            match byte {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.plain_within = self.plain_within.filter(|around| self.depth > *around);
                }
                _ => {}
            }
        }
    }

    /// An object follows, by this name: what models said to tools and tools to them, and what describes that, leads nowhere. Where the
    /// body itself has a field of such a name, it is something else.
    fn enter(&mut self, name: &[u8]) {
        if self.depth > 1 && PLAIN_OBJECTS.contains(&name) {
            self.plain_within = Some(self.depth);
        }
    }
}

impl Unseen {
    /// Looks through a body that is JSON, at any depth. Escapes hide nothing.
    pub(super) fn look(body: &[u8]) -> Self {
        let mut unseen = Self::default();
        let mut nesting = Nesting::default();
        let mut name = None;
        let mut at = 0;
        while let Some(start) = memchr::memchr(b'"', &body[at..]) {
            let start = at + start;
            nesting.pass(&body[at..start]);
            let end = end_of(body, start);
            let text = &body[start + 1..end];
            at = (end + 1).min(body.len());
            if nesting.plain_within.is_some() {
                continue;
            }
            let colon = token(body, at);
            if body.get(colon) == Some(&b':') {
                // Only what stands right behind it is its value.
                let (value, field) = (body.get(token(body, colon + 1)), plain(text));
                name = if value == Some(&b'"') { Name::of(&field) } else { None };
                if value == Some(&b'{') {
                    nesting.enter(&field);
                }
            } else if let Some(name) = name.take() {
                unseen.count(name, text);
            }
        }
        unseen
    }

    fn count(&mut self, name: Name, text: &[u8]) {
        let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
        match name {
            Name::Address => self.links += u64::from(!text.is_empty() && !begins(b"data:")),
            Name::File => self.links += u64::from(!text.is_empty()),
            Name::Type => self.links += u64::from(*plain(text) == *b"item_reference"),
            Name::Lifetime => self.caches_for_hour |= *plain(text) == *b"1h",
        }
    }
}

impl Name {
    fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"type" => Some(Self::Type),
            b"ttl" => Some(Self::Lifetime),
            b"fileUri" | b"file_uri" => Some(Self::Address),
            _ if name.ends_with(b"url") || name.ends_with(b"Url") => Some(Self::Address),
            _ if name.ends_with(b"file_id") => Some(Self::File),
            _ => None,
        }
    }
}

/// Where the string ends that begins at `start`.
fn end_of(body: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = body.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if body[at] == b'"' {
            return at;
        }
        at += 2;
    }
    body.len()
}

/// Where the next token stands.
fn token(body: &[u8], from: usize) -> usize {
    let rest = body.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// A string without its escapes. What cannot be read is none of the words that count.
fn plain(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let quoted = [b"\"", text, b"\""].concat();
    Cow::Owned(serde_json::from_slice::<String>(&quoted).unwrap_or_default().into_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::json;

    use super::*;

    fn links(body: &str) -> u64 {
        serde_json::from_str::<IgnoredAny>(body).unwrap();
        Unseen::look(body.as_bytes()).links
    }

    #[test]
    fn links_are_seen_however_they_are_written() {
        for body in [
            r#"{"image_url":{"url":"https://x.example/a.png"}}"#,
            "{\"url\"\r\n\t :\n\t\"https://x.example/a.png\"}",
            r#"{"url":"\u0068ttps://x.example/a.png"}"#,
            r#"{"\u0075rl":"https://x.example/a.png"}"#,
            r#"{"u\u0072\u006C":" HTTPS://x.example/a.png"}"#,
            r#"{"fileData":{"fileUri":"gs://bucket/a.pdf"}}"#,
            r#"{"file_data":{"file_uri":"x"}}"#,
            r#"{"file_url":"ftp://x.example"}"#,
            r#"{"type":"file","file_id":"file-1"}"#,
            r#"{"id":"msg_1","type":"item_reference"}"#,
            r#"{"a":"\\\"","url":"https://x.example","b":"\\"}"#,
            r#"{"text":"\ud800","url":"https://x.example"}"#,
        ] {
            assert_eq!(links(body), 1, "{body}");
        }
        for body in [
            r#"{"url":"data:image/png;base64,AA"}"#,
            r#"{"url":"DATA:image/png;base64,AA"}"#,
            r#"{"url":"","file_id":null,"fileUri":{"type":"string"},"type":"text"}"#,
            r#"["url","https://x.example"]"#,
            r#"{"url":{"type":"string","title":"https://x.example"}}"#,
            r#"{"url":["https://x.example"]}"#,
            r#"{"text":"\"url\":\"https://x.example\""}"#,
        ] {
            assert_eq!(links(body), 0, "{body}");
        }
    }

    #[test]
    fn what_tools_are_told_and_say_leads_nowhere() {
        for name in ["input", "args", "response", "input_schema", "parameters", "parametersJsonSchema", "inp\\u0075t"] {
            let call = format!(
                r#"{{"type":"tool_use","{name}" : {{"url":"https://x.example","a":[{{"file_id":"}}"}}],"ttl":"1h","b":{{}}}}}}"#
            );
            assert_eq!(
                Unseen::look(format!(r#"{{"messages":[{call},{call}]}}"#).as_bytes()),
                Unseen::default(),
                "{name}"
            );
            let image = r#"{"image_url":{"url":"https://x.example"}}"#;
            assert_eq!(links(&format!(r#"{{"messages":[{image},{call},{image},{call}],"file_id":"x"}}"#)), 3, "{name}");
            let own = call.replacen(r#""b":{}}"#, r#""b":{},"input":{}},"file_uri":"x""#, 1);
            assert_eq!(links(&format!(r#"{{"messages":[{own}]}}"#)), 1, "{name}");
        }
        for body in [
            r#"{"input":[{"type":"input_image","image_url":"https://x.example"}]}"#,
            r#"{"input":{"image_url":"https://x.example"}}"#,
            r#"{"x":[{"input":[{"image_url":"https://x.example"}]}]}"#,
            r#"{"x":[{"output":{"image_url":"https://x.example"}}]}"#,
            r#"{"x":["input",{"image_url":"https://x.example"}]}"#,
            r#"{"x":[{"input":"{","url":"https://x.example"}]}"#,
        ] {
            assert_eq!(links(body), 1, "{body}");
        }
    }

    #[test]
    fn what_is_kept_for_an_hour_is_seen() {
        let hour = |body: &str| Unseen::look(body.as_bytes()).caches_for_hour;
        assert!(hour(r#"{"cache_control":{"type":"ephemeral","ttl":"1h"}}"#));
        assert!(hour(r#"{"cache_control":{"\u0074tl" : "\u0031h"}}"#));
        assert!(!hour(r#"{"cache_control":{"type":"ephemeral","ttl":"5m"},"text":"\"ttl\":\"1h\""}"#));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_looked_at(body in any::<Vec<u8>>(), json in "([\"\\\\:url \\[{}\\]]|\"args\":){0,60}") {
            Unseen::look(&body);
            Unseen::look(json.as_bytes());
        }

        #[test]
        fn texts_hide_nothing_and_count_nothing(before in any::<String>(), after in any::<String>()) {
            let body = json!({ "a": before, "url": "https://x.example", "z": after }).to_string();
            prop_assert_eq!(links(&body), 1);
        }
    }
}
