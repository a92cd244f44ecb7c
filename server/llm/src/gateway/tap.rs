//! Reads along what is passed on as it is: the tokens, how it ends, and what goes wrong in it.

mod array;
mod document;
mod events;
mod held;

use bytes::Bytes;
use coditect_dialects::{Dialect, Failure, Framing, Piece, Tokens, failure};
use memchr::memmem::Finder;
use serde_json::Value;

use self::array::Array;
use self::document::Document;
use self::events::Events;
use super::answer::Door;

/// A stream that is passed on.
#[derive(Debug)]
pub(crate) struct Tap {
    form: Form,
    /// The content type says that it is a stream of events, and so whoever asked reads one.
    is_declared: bool,
    seen: Seen,
}

#[derive(Debug)]
enum Form {
    /// Nothing came yet that tells.
    Unknown,
    Events(Events),
    Array(Array),
    Document(Document),
}

/// What was seen of it.
#[derive(Debug)]
struct Seen {
    dialect: Dialect,
    /// The event with the count of tokens was asked for by us, and is not passed on.
    hides_count: bool,
    /// Each of several answers says when it ends; only the last event says that all have.
    is_several: bool,
    words: Words,
    tokens: Option<Tokens>,
    pieces: u64,
    is_whole: bool,
    failure: Option<Failure>,
}

/// What is looked for in every event.
#[derive(Debug)]
struct Words {
    usage: Finder<'static>,
    error: Finder<'static>,
    end: Finder<'static>,
    /// There is no answer to wait for.
    blocked: Option<Finder<'static>>,
}

impl Tap {
    /// Of an answer with this content type. `hides_count`: the client did not ask for the count of tokens, we did.
    pub(crate) fn new(dialect: Dialect, content_type: &str, hides_count: bool) -> Self {
        let is_declared = content_type.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
        let words = match dialect {
            Dialect::Chat => Words::new(b"\"usage\"", b"\"finish_reason\"", None),
            Dialect::Responses => Words::new(b"\"usage\"", b"\"response.completed\"", None),
            Dialect::Anthropic => Words::new(b"\"usage\"", b"\"message_stop\"", None),
            Dialect::Gemini => Words::new(b"\"usageMetadata\"", b"\"finishReason\"", Some(b"\"blockReason\"")),
        };
        let seen = Seen {
            dialect,
            hides_count,
            is_several: false,
            words,
            tokens: None,
            pieces: 0,
            is_whole: false,
            failure: None,
        };
        Self { form: Form::Unknown, is_declared, seen }
    }

    /// Of several answers to one question.
    pub(crate) fn of_several(mut self, is_several: bool) -> Self {
        self.seen.is_several = is_several;
        self
    }

    /// More bytes; what of them goes on.
    pub(crate) fn feed(&mut self, chunk: Bytes) -> Bytes {
        let mut blanks = 0;
        if matches!(self.form, Form::Unknown) {
            let Some(start) = chunk.iter().position(|byte| !is_blank(*byte)) else { return chunk };
            self.form = self.form_of(chunk[start]);
            blanks = start;
        }
        match &mut self.form {
            Form::Unknown => chunk,
            Form::Events(events) => events.feed(chunk, blanks, &mut self.seen),
            Form::Array(array) => array.feed(chunk, &mut self.seen),
            Form::Document(document) => document.feed(chunk, blanks),
        }
    }

    /// There is no more: what was not read yet is.
    pub(crate) fn end(&mut self) {
        match &mut self.form {
            Form::Events(events) => events.end(&mut self.seen),
            Form::Document(document) => {
                if let Ok(value) = serde_json::from_slice::<Value>(&document.whole()) {
                    self.seen.is_whole = true;
                    self.seen.document(&value);
                }
            }
            Form::Unknown | Form::Array(_) => {}
        }
    }

    /// What was held back, where nothing is put behind it.
    pub(crate) fn rest(&mut self) -> Bytes {
        match &mut self.form {
            Form::Events(events) => events.rest(),
            Form::Array(array) => array.rest(self.seen.is_whole || self.seen.failure.is_some()),
            Form::Document(document) => document.rest(),
            Form::Unknown => Bytes::new(),
        }
    }

    /// It broke off, for this reason. What was held back is given up: nobody can read the half of an event.
    pub(crate) fn fail(&mut self, failure: Failure, door: &Door, out: &mut Vec<u8>) {
        let (dialect, label) = door;
        let told = || dialect.failure(&failure).1.to_string();
        match &mut self.form {
            Form::Array(array) => return array.cut(told().as_bytes(), out),
            Form::Events(events) => events.cut(out),
            Form::Document(document) if document.is_open() => {
                if !self.is_declared {
                    return;
                }
                // Whoever reads events skips a line that is none.
                out.extend_from_slice(b"\n\n");
            }
            Form::Unknown | Form::Document(_) if self.is_declared => {}
            Form::Unknown | Form::Document(_) => return out.extend_from_slice(told().as_bytes()),
        }
        dialect.writer(label.clone(), Framing::Events).piece(&Piece::Failed(failure), out);
    }

    /// The tokens that the upstream told.
    pub(crate) fn tokens(&self) -> Option<Tokens> {
        self.seen.tokens
    }

    /// Events so far: about as many tokens, where nobody tells.
    pub(crate) fn pieces(&self) -> u64 {
        self.seen.pieces
    }

    /// Whether the answer came to its end.
    pub(crate) fn is_whole(&self) -> bool {
        self.seen.is_whole
    }

    /// What it said that went wrong.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.seen.failure.as_ref()
    }

    /// What begins with this byte. Enough servers declare one form and send another that only the first byte can be believed.
    fn form_of(&self, first: u8) -> Form {
        match first {
            b'[' if self.seen.dialect == Dialect::Gemini => Form::Array(Array::default()),
            b'{' | b'[' => Form::Document(Document::new()),
            // How the lines `data`, `event`, `id`, `retry` and a comment begin.
            b'd' | b'e' | b'i' | b'r' | b':' => Form::Events(Events::new()),
            _ if self.is_declared => Form::Events(Events::new()),
            _ => Form::Document(Document::new()),
        }
    }
}

/// White space or a byte of the byte order mark.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, 0xEF | 0xBB | 0xBF)
}

impl Seen {
    /// Looks at an event; whether it holds the count of tokens that nobody asked for, and nothing else.
    fn event(&mut self, data: &[u8]) -> bool {
        self.pieces += 1;
        self.is_whole = self.is_whole || self.ends(data);
        let has_usage = self.words.usage.find(data).is_some();
        if !has_usage && self.words.error.find(data).is_none() {
            return false;
        }
        let Ok(value) = serde_json::from_slice::<Value>(data) else { return false };
        self.document(&value);
        let is_empty = |list: &Value| list.as_array().is_some_and(Vec::is_empty);
        self.hides_count
            && has_usage
            && value.get("usage").is_some_and(Value::is_object)
            && value.get("choices").is_some_and(is_empty)
    }

    fn ends(&self, data: &[u8]) -> bool {
        if data == b"[DONE]" {
            return true;
        }
        if self.is_several {
            return false;
        }
        says(&self.words.end, data) || self.words.blocked.as_ref().is_some_and(|blocked| says(blocked, data))
    }

    fn document(&mut self, value: &Value) {
        let is_last = |kind: &str| value.get("type").is_some_and(|told| told == kind);
        self.is_whole |= is_last("response.incomplete") || is_last("response.failed");
        if let Some(tokens) = self.dialect.tokens(value, self.tokens) {
            self.tokens = Some(tokens);
        }
        let told = value.get("response").filter(|_| is_last("response.failed")).unwrap_or(value);
        if failure::is_failure(told) {
            self.failure = Some(failure::read(None, told));
        }
    }
}

/// Whether the word is there and what follows it is not `null`: many servers say in every event that there is no reason yet.
fn says(word: &Finder<'_>, data: &[u8]) -> bool {
    let Some(at) = word.find(data) else { return false };
    let after = &data[at + word.needle().len()..];
    let value = after.iter().find(|byte| !matches!(byte, b' ' | b':'));
    value != Some(&b'n')
}

impl Words {
    fn new(usage: &'static [u8], end: &'static [u8], blocked: Option<&'static [u8]>) -> Self {
        let [usage, error, end] = [usage, b"\"error\"", end].map(Finder::new);
        Self { usage, error, end, blocked: blocked.map(Finder::new) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use coditect_dialects::{MAX_EVENT_BYTES, SseParser};

    use super::*;

    const STREAM: &str = "text/event-stream; charset=utf-8";

    /// What goes on of an answer in these pieces, and what was seen of it.
    fn fed(dialect: Dialect, kind: &str, hides: bool, chunks: &[&[u8]]) -> (Vec<u8>, Option<Tokens>, u64, bool, bool) {
        let mut tap = Tap::new(dialect, kind, hides);
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(&tap.feed(Bytes::copy_from_slice(chunk)));
        }
        tap.end();
        out.extend_from_slice(&tap.rest());
        (out, tap.tokens(), tap.pieces(), tap.is_whole(), tap.failure().is_some())
    }

    fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
    }

    #[test]
    fn only_what_was_not_asked_for_is_hidden() {
        let count = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}";
        let word = "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\"\"}}],\"usage\":null}";
        let both = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}";
        for (end, rest) in
            [("\n\n", "data: [DONE]\n\n"), ("\r\n\r\n", "data: [DONE]\r\n\r\n"), ("\n\n", ""), ("\n\n", ": bye\n\n")]
        {
            let seen = |events: &[&str], hides| {
                let text: String = events.iter().map(|event| format!("{event}{end}")).collect::<String>() + rest;
                let (out, tokens, ..) = fed(Dialect::Chat, STREAM, hides, &[text.as_bytes()]);
                (String::from_utf8(out).unwrap(), tokens.map(|tokens| (tokens.input, tokens.output)))
            };
            let plain = |events: &[&str]| events.iter().map(|event| format!("{event}{end}")).collect::<String>() + rest;
            assert_eq!(seen(&[word, count], true), (plain(&[word]), Some((7, 5))));
            assert_eq!(seen(&[word, count], false), (plain(&[word, count]), Some((7, 5))));
            assert_eq!(seen(&[word, both], true), (plain(&[word, both]), Some((7, 5))), "it holds more than the count");
        }
        // Without the last blank line as well.
        let text = format!("{word}\n\n{count}");
        assert_eq!(fed(Dialect::Chat, STREAM, true, &[text.as_bytes()]).0, format!("{word}\n\n").as_bytes());
    }

    #[test]
    fn how_an_answer_ends() {
        let whole = |dialect, text: &str| fed(dialect, STREAM, false, &[text.as_bytes()]).3;
        for reason in ["null", " null"] {
            assert!(
                !whole(Dialect::Chat, &format!("data: {{\"choices\":[{{\"finish_reason\":{reason}\n\n")),
                "{reason}"
            );
        }
        assert!(whole(Dialect::Chat, "data: {\"choices\":[{\"finish_reason\": \"stop\"}]}\n\n"));
        let several = |more: &str| {
            let mut tap = Tap::new(Dialect::Chat, STREAM, false).of_several(true);
            tap.feed(Bytes::from(format!("data: {{\"choices\":[{{\"finish_reason\":\"stop\"}}]}}\n\n{more}")));
            tap.is_whole()
        };
        assert!(!several("") && several("data: [DONE]\n\n"), "the others may go on");
        assert!(whole(Dialect::Chat, "data: [DONE]\n\n") && !whole(Dialect::Chat, "data: x\n\n"));
        assert!(whole(Dialect::Responses, "data: {\"type\":\"response.completed\",\"response\":{}}\n\n"));
        assert!(whole(Dialect::Responses, "data: {\"type\":\"response.incomplete\",\"response\":{\"usage\":{}}}\n\n"));
        assert!(!whole(
            Dialect::Responses,
            "data: {\"type\":\"response.output_text.delta\",\"delta\":\"\\\"response.completed\\\"\"}\n\n"
        ));
        assert!(
            whole(Dialect::Anthropic, "data: {\"type\":\"message_stop\"}\n\n")
                && !whole(Dialect::Anthropic, "data: {\"type\":\"ping\"}\n\n")
        );
        assert!(whole(Dialect::Gemini, "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n"));
        assert!(!whole(Dialect::Gemini, "data: {\"candidates\":[{}]}\n\n"));
    }

    fn held(tap: &Tap) -> usize {
        match &tap.form {
            Form::Events(events) => events.held(),
            Form::Array(array) => array.held(),
            Form::Unknown | Form::Document(_) => 0,
        }
    }

    #[test]
    fn what_is_held_back_is_bounded() {
        let (field, text) = (format!("id: {}\n", "x".repeat(1019)), "x".repeat(1024));
        // Lines without end and no blank line among them; an element without end.
        for (dialect, hides, kind, begin, more, end) in [
            (Dialect::Chat, true, STREAM, "", &field, "\n\n"),
            (Dialect::Anthropic, false, STREAM, "", &field, "\n\n"),
            (Dialect::Anthropic, false, STREAM, "data: ", &text, "\r\n\r\n"),
            (Dialect::Gemini, false, "application/json", "[{},{\"x\":\"", &text, "\"}\n]"),
        ] {
            let mut tap = Tap::new(dialect, kind, hides);
            let mut out = tap.feed(Bytes::from(begin)).len();
            for _ in 0..3 * MAX_EVENT_BYTES / 1024 {
                out += tap.feed(Bytes::from(more.clone())).len();
                assert!(held(&tap) <= MAX_EVENT_BYTES + 1024);
            }
            assert!(out > MAX_EVENT_BYTES);
            let before = tap.pieces();
            out += tap.feed(Bytes::from(end)).len() + tap.rest().len();
            assert_eq!(out, begin.len() + 3 * MAX_EVENT_BYTES + end.len(), "{dialect:?}");
            assert!(dialect != Dialect::Gemini || tap.pieces() == before + 1, "it is counted all the same");
        }
    }

    #[test]
    fn whole_events_are_not_copied() {
        for (kind, text) in
            [(STREAM, "data: {}\n\nevent: x\ndata: 1\r\n\r\n: ping\n"), ("application/json", "[{},\"x\", [1]\n")]
        {
            let mut tap = Tap::new(Dialect::Gemini, kind, false);
            let chunk = Bytes::from(text);
            let out = tap.feed(chunk.clone());
            assert_eq!((out.as_ptr(), out.len()), (chunk.as_ptr(), chunk.len()));
        }
    }

    #[test]
    fn what_is_too_large_for_one_chunk_is_skipped() {
        let mut tap = Tap::new(Dialect::Chat, STREAM, true);
        let large = format!("data: {}\n\ndata: [DONE]\n\n", "x".repeat(MAX_EVENT_BYTES + 1));
        assert_eq!(tap.feed(Bytes::from(large.clone())), large);
        assert!(tap.is_whole() && held(&tap) == 0);
    }

    #[test]
    fn an_error_stands_apart_from_what_was_too_large_to_be_held() {
        let mut tap = Tap::new(Dialect::Chat, STREAM, false);
        for _ in 0..=MAX_EVENT_BYTES / 1024 {
            tap.feed(Bytes::from("x".repeat(1024)));
        }
        let all = events(&broken(&mut tap));
        assert!(failure::is_failure(&serde_json::from_slice(all.last().unwrap()).unwrap()), "{all:?}");
        // In the middle of an element, there is no room for one.
        let mut tap = Tap::new(Dialect::Gemini, "", false);
        tap.feed(Bytes::from("[\""));
        for _ in 0..=MAX_EVENT_BYTES / 1024 {
            tap.feed(Bytes::from("x".repeat(1024)));
        }
        assert!(broken(&mut tap).is_empty());
    }

    #[test]
    fn an_error_is_told_in_the_form_that_whoever_asked_reads() {
        for (kind, begun) in [(STREAM, "\r\n"), (STREAM, "{\"choices\":"), ("", "data: {"), ("text/plain", ": hello")] {
            let mut tap = Tap::new(Dialect::Chat, kind, false);
            let out = [tap.feed(Bytes::from(begun)).to_vec(), broken(&mut tap)].concat();
            let [event] = events(&out).try_into().unwrap();
            assert!(failure::is_failure(&serde_json::from_slice(&event).unwrap()), "{begun:?} as {kind}");
        }
        let mut tap = Tap::new(Dialect::Chat, "application/json", false);
        let out = [tap.feed(Bytes::from(" \n")).to_vec(), broken(&mut tap)].concat();
        assert!(failure::is_failure(&serde_json::from_slice(&out).unwrap()));
        // Half a document that is small was held back; one that went on can be followed by nothing.
        tap = Tap::new(Dialect::Chat, "application/json", false);
        assert!(tap.feed(Bytes::from("{\"choices\":")).is_empty());
        assert!(failure::is_failure(&serde_json::from_slice(&broken(&mut tap)).unwrap()));
        tap = Tap::new(Dialect::Chat, "application/json", false);
        tap.feed(Bytes::from("{\"choices\":".to_owned() + &" ".repeat(128 * 1024)));
        assert!(broken(&mut tap).is_empty());
    }

    /// What is said when it breaks off now.
    fn broken(tap: &mut Tap) -> Vec<u8> {
        let origin = coditect_dialects::Origin { upstream: String::new(), model: String::new() };
        let (model, id, names) = ("m".to_owned(), "1".to_owned(), coditect_dialects::Names::default());
        let label = coditect_dialects::Label { model, names, origin, created: 1, wants_usage: false, id };
        let failure = Failure::new(coditect_dialects::FailureKind::Upstream, "llm.bad_stream", "it broke");
        let mut out = Vec::new();
        tap.fail(failure, &(tap.seen.dialect, label), &mut out);
        out
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("1.5e3".to_owned()),
            Just("null".to_owned()),
            Just("\"a\\\\\"".to_owned()),
            Just("\"]}\\\"{[,\"".to_owned()),
            Just("{\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":2}}".to_owned()),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            let list = |open: &'static str, close: &'static str, key: &'static str, inner: BoxedStrategy<String>| {
                prop::collection::vec(inner.prop_map(move |item| format!("{key}{item}")), 0..3)
                    .prop_map(move |items| format!("{open}{}{close}", items.join(" ,\n")))
            };
            prop_oneof![list("[", "]", "", inner.clone().boxed()), list("{ ", "\r}", "\"k\": ", inner.boxed())]
        })
    }

    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}".to_owned()),
            Just("data: {\"choices\":[{\"delta\":{\"content\":\"€😀\"},\"finish_reason\":null}]}".to_owned()),
            Just("data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}}".to_owned()),
            Just("data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}".to_owned()),
            Just("data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":9}}".to_owned()),
            Just("data: {\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":2}}".to_owned()),
            Just("data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":6,\"output_tokens\":2}}}".to_owned()),
            Just("data: {\"error\":{\"message\":\"no\"}}".to_owned()),
            Just("data: [DONE]".to_owned()),
            "(: [a-z]{0,5}|data: [a-z\"{}]{0,9}|event: [a-z]{0,5}|data|[a-z:]{0,4})",
        ]
    }

    fn answer() -> impl Strategy<Value = String> {
        let lines = prop::collection::vec(
            (line(), prop_oneof![Just("\n\n"), Just("\n"), Just("\r\n\r\n"), Just("\r\r"), Just("\r\n")]),
            0..20,
        );
        lines.prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect())
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_bytes_and_the_same_tokens(
            text in answer(), cuts in prop::collection::vec(any::<usize>(), 0..30), dialect in prop::sample::select(&Dialect::ALL[..]),
        ) {
            let bytes = text.as_bytes();
            let whole = fed(dialect, STREAM, false, &[bytes]);
            prop_assert_eq!(&whole.0, bytes);
            prop_assert_eq!(&fed(dialect, STREAM, false, &cut(bytes, &cuts)), &whole);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&fed(dialect, STREAM, false, &single), &whole);
        }

        #[test]
        fn any_chunking_hides_the_same(text in answer(), cuts in prop::collection::vec(any::<usize>(), 0..30)) {
            let bytes = text.as_bytes();
            let whole = fed(Dialect::Chat, STREAM, true, &[bytes]);
            let seen = fed(Dialect::Chat, STREAM, false, &[bytes]);
            prop_assert_eq!((whole.1, whole.2, whole.3, whole.4), (seen.1, seen.2, seen.3, seen.4));
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            for chunks in [cut(bytes, &cuts), single] {
                let fed = fed(Dialect::Chat, STREAM, true, &chunks);
                prop_assert_eq!(events(&fed.0), events(&whole.0));
                prop_assert_eq!((fed.1, fed.2, fed.3, fed.4), (whole.1, whole.2, whole.3, whole.4));
            }
            let mut expected = events(bytes);
            expected.retain(|event| !is_count(event));
            prop_assert_eq!(events(&whole.0), expected, "no event is lost but the count");
        }

        #[test]
        fn an_array_is_read_and_ended_wherever_it_is_cut(
            items in prop::collection::vec(json(), 0..6), cuts in prop::collection::vec(any::<usize>(), 0..20), at in any::<usize>(),
        ) {
            let text = format!(" [{}]\n", items.join("\n,\r\n"));
            let whole = fed(Dialect::Gemini, "application/json", false, &[text.as_bytes()]);
            prop_assert_eq!((whole.0.as_slice(), whole.2), (text.as_bytes(), items.len() as u64));
            prop_assert_eq!(whole.1.is_some(), items.iter().any(|item| item.starts_with("{\"usage")));
            prop_assert_eq!(&fed(Dialect::Gemini, "", false, &cut(text.as_bytes(), &cuts)), &whole);
            let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            prop_assert_eq!(&fed(Dialect::Gemini, "", false, &single), &whole);
            // Broken off anywhere behind its beginning, it ends in an error, and all whole items are there.
            let mut tap = Tap::new(Dialect::Gemini, "application/json", false);
            let begun = Bytes::copy_from_slice(&text.as_bytes()[..2 + at % (text.len() - 1)]);
            let mut out = tap.feed(begun).to_vec();
            out.extend(broken(&mut tap));
            let value: Value = serde_json::from_slice(&out).unwrap();
            let list = value.as_array().unwrap();
            prop_assert_eq!(list.len() as u64, tap.pieces() + 1);
            prop_assert!(failure::is_failure(&list[list.len() - 1]));
        }

        #[test]
        fn an_error_can_be_read_wherever_events_are_cut(
            text in answer(), cuts in prop::collection::vec(any::<usize>(), 0..10), hides in any::<bool>(),
        ) {
            let mut tap = Tap::new(Dialect::Chat, STREAM, hides);
            let mut out = Vec::new();
            for chunk in cut(text.as_bytes(), &cuts) {
                out.extend(tap.feed(Bytes::copy_from_slice(chunk)));
            }
            let whole = events(&out);
            out.extend(broken(&mut tap));
            let mut all = events(&out);
            let last = all.pop().unwrap();
            prop_assert!(failure::is_failure(&serde_json::from_slice(&last).unwrap()));
            prop_assert_eq!(all, whole);
        }

        #[test]
        fn garbage_goes_on_as_it_is(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'd'), any::<u8>()], 0..400),
            cuts in prop::collection::vec(any::<usize>(), 0..10), dialect in prop::sample::select(&Dialect::ALL[..]),
            kind in prop::sample::select(&[STREAM, "application/json", ""][..]),
        ) {
            for hides in [false, true] {
                prop_assert_eq!(&fed(dialect, kind, hides, &cut(&bytes, &cuts)).0, &bytes);
            }
        }
    }

    fn events(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut parser = SseParser::new(MAX_EVENT_BYTES);
        let (mut rest, mut all) = (bytes, Vec::new());
        while let Ok(Some(event)) = parser.next(&mut rest) {
            all.push(event.data);
        }
        all.extend(parser.finish().map(|event| event.data));
        all
    }

    fn is_count(data: &[u8]) -> bool {
        serde_json::from_slice::<Value>(data)
            .is_ok_and(|value| value["usage"].is_object() && value["choices"].as_array().is_some_and(Vec::is_empty))
    }
}
