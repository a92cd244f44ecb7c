//! Reads along what is passed on as it is: the tokens, how it ends, and what goes wrong in it.

use bytes::{Bytes, BytesMut};
use coditect_dialects::{Dialect, Failure, MAX_EVENT_BYTES, SseParser, Tokens, failure};
use memchr::memmem::Finder;
use serde_json::Value;

/// A stream that is passed on.
#[derive(Debug)]
pub(crate) struct Tap {
    dialect: Dialect,
    form: Form,
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

#[derive(Debug)]
enum Form {
    Events(SseParser),
    /// As [`Form::Events`], and what is not yet a whole event is held back.
    HeldEvents(SseParser, BytesMut),
    /// One JSON document: read at its end. Nothing where it grew too large.
    Document(Option<BytesMut>),
}

/// What is looked for in every event.
#[derive(Debug)]
struct Words {
    usage: Finder<'static>,
    error: Finder<'static>,
    end: Finder<'static>,
}

impl Tap {
    /// Of an answer with this content type. `hides_count`: the client did not ask for the count of tokens, we did.
    pub(crate) fn new(dialect: Dialect, content_type: &str, hides_count: bool) -> Self {
        let is_events = content_type.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
        let parser = || SseParser::new(MAX_EVENT_BYTES);
        let form = match (is_events, hides_count) {
            (true, true) => Form::HeldEvents(parser(), BytesMut::new()),
            (true, false) => Form::Events(parser()),
            (false, _) => Form::Document(Some(BytesMut::new())),
        };
        let words = match dialect {
            Dialect::Chat => Words::new(b"\"usage\"", b"\"error\"", b"\"finish_reason\""),
            Dialect::Responses => Words::new(b"\"usage\"", b"\"error\"", b"\"response.completed\""),
            Dialect::Anthropic => Words::new(b"\"usage\"", b"\"error\"", b"\"message_stop\""),
            Dialect::Gemini => Words::new(b"\"usageMetadata\"", b"\"error\"", b"\"finishReason\""),
        };
        Self {
            dialect,
            form,
            hides_count,
            is_several: false,
            words,
            tokens: None,
            pieces: 0,
            is_whole: false,
            failure: None,
        }
    }

    /// Of several answers to one question.
    pub(crate) fn of_several(mut self, is_several: bool) -> Self {
        self.is_several = is_several;
        self
    }

    /// More bytes; what of them goes on.
    pub(crate) fn feed(&mut self, chunk: Bytes) -> Bytes {
        match &mut self.form {
            Form::Document(kept) => {
                if kept.as_ref().is_some_and(|kept| kept.len() + chunk.len() > MAX_EVENT_BYTES) {
                    *kept = None;
                }
                if let Some(kept) = kept {
                    kept.extend_from_slice(&chunk);
                }
                chunk
            }
            Form::Events(_) => {
                self.read(&chunk);
                chunk
            }
            Form::HeldEvents(..) => self.read_holding(&chunk),
        }
    }

    /// There is no more; what was held back goes on.
    pub(crate) fn end(&mut self) -> Bytes {
        match &mut self.form {
            Form::Document(kept) => {
                let kept = kept.take().unwrap_or_default();
                if let Ok(value) = serde_json::from_slice::<Value>(&kept) {
                    self.is_whole = true;
                    self.document(&value);
                }
                Bytes::new()
            }
            Form::Events(parser) => {
                if let Some(event) = parser.finish() {
                    self.event(&event.data);
                }
                Bytes::new()
            }
            Form::HeldEvents(parser, held) => {
                let (event, held) = (parser.finish(), held.split().freeze());
                let is_count = event.is_some_and(|event| self.event(&event.data));
                if is_count { Bytes::new() } else { held }
            }
        }
    }

    /// The tokens that the upstream told.
    pub(crate) fn tokens(&self) -> Option<Tokens> {
        self.tokens
    }

    /// Events so far: about as many tokens, where nobody tells.
    pub(crate) fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Whether the answer came to its end.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What it said that went wrong.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// It is a stream of events, so that one more can be put behind.
    pub(crate) fn is_events(&self) -> bool {
        !matches!(self.form, Form::Document(_))
    }

    fn read(&mut self, mut rest: &[u8]) {
        while let Form::Events(parser) = &mut self.form {
            match parser.next(&mut rest) {
                Ok(Some(event)) => drop(self.event(&event.data)),
                Ok(None) => return,
                // Too large to be looked at; it goes on all the same.
                Err(_) => *parser = SseParser::new(MAX_EVENT_BYTES),
            }
        }
    }

    fn read_holding(&mut self, chunk: &[u8]) -> Bytes {
        let mut rest = chunk;
        let mut out = BytesMut::new();
        while let Form::HeldEvents(parser, held) = &mut self.form {
            let before = rest.len();
            let next = parser.next(&mut rest);
            let read = &chunk[chunk.len() - before..chunk.len() - rest.len()];
            held.extend_from_slice(read);
            match next {
                Ok(Some(event)) => {
                    let whole = held.split();
                    if !self.event(&event.data) {
                        out.unsplit(whole);
                    }
                }
                Ok(None) => {
                    // Signs of life go on at once: behind a blank line, no event has begun.
                    let is_between = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"].iter().any(|end| held.ends_with(end));
                    if is_between || held[..] == b"\n"[..] || held.len() > MAX_EVENT_BYTES {
                        out.unsplit(held.split());
                    }
                    break;
                }
                Err(_) => {
                    *parser = SseParser::new(MAX_EVENT_BYTES);
                    out.unsplit(held.split());
                }
            }
        }
        out.freeze()
    }

    /// Looks at an event; whether it holds the count of tokens and nothing else.
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
        let Some(at) = self.words.end.find(data) else { return false };
        // Many servers say in every event that there is no reason yet.
        let after = &data[at + self.words.end.needle().len()..];
        let value = after.iter().find(|byte| !matches!(byte, b' ' | b':'));
        value != Some(&b'n')
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

impl Words {
    fn new(usage: &'static [u8], error: &'static [u8], end: &'static [u8]) -> Self {
        Self { usage: Finder::new(usage), error: Finder::new(error), end: Finder::new(end) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = "text/event-stream; charset=utf-8";

    /// What goes on of an answer in these pieces, and what was seen of it.
    fn fed(dialect: Dialect, kind: &str, hides: bool, chunks: &[&[u8]]) -> (Vec<u8>, Option<Tokens>, u64, bool, bool) {
        let mut tap = Tap::new(dialect, kind, hides);
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(&tap.feed(Bytes::copy_from_slice(chunk)));
        }
        out.extend_from_slice(&tap.end());
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

    #[test]
    fn what_is_held_back_is_bounded() {
        let mut tap = Tap::new(Dialect::Chat, STREAM, true);
        let mut out = 0;
        for _ in 0..3 * MAX_EVENT_BYTES / 1024 {
            // Lines of comments without end, and no blank line among them.
            out += tap.feed(Bytes::from(format!(":{}\n", "x".repeat(1022)))).len();
            let Form::HeldEvents(_, held) = &tap.form else { unreachable!() };
            assert!(held.len() <= MAX_EVENT_BYTES + 1024);
        }
        assert!(out > MAX_EVENT_BYTES);
        assert_eq!(tap.feed(Bytes::from_static(b"\n")).len() + out, 3 * MAX_EVENT_BYTES + 1);
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
