//! Cuts a stream of bytes into server-sent events, however it arrives in pieces.

/// Largest event, in bytes. A model's tool call can carry a whole file.
pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;
/// Largest buffer of a line that is kept for the next one, in bytes.
const MAX_KEPT_LINE_BYTES: usize = 64 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name is `error`; no other name matters here.
    pub is_error: bool,
    /// Its data lines, joined by line feeds.
    pub data: Vec<u8>,
}

/// An event grew beyond the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTooLarge;

/// State between two pieces of the stream. Never holds more than the bound, and never panics on what it is fed.
#[derive(Debug)]
pub struct SseParser {
    max_event_bytes: usize,
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    is_error: bool,
    after_carriage_return: bool,
    at_start: bool,
}

impl SseParser {
    /// No event may have more bytes than this.
    #[must_use]
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            is_error: false,
            after_carriage_return: false,
            at_start: true,
        }
    }

    /// The next event of `input`, which moves on to what was not looked at yet; `None` when more bytes are needed.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Event>, EventTooLarge> {
        while !input.is_empty() {
            if std::mem::take(&mut self.after_carriage_return) && input[0] == b'\n' {
                *input = &input[1..];
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', input) else {
                self.grow(input)?;
                *input = &[];
                return Ok(None);
            };
            self.grow(&input[..end])?;
            self.after_carriage_return = input[end] == b'\r';
            *input = &input[end + 1..];
            if let Some(event) = self.end_line() {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// What an upstream left without the last blank line.
    pub fn finish(&mut self) -> Option<Event> {
        if !self.line.is_empty() {
            let early = self.end_line();
            if early.is_some() {
                return early;
            }
        }
        self.dispatch()
    }

    fn grow(&mut self, more: &[u8]) -> Result<(), EventTooLarge> {
        if self.line.len() + self.data.len() + more.len() > self.max_event_bytes {
            return Err(EventTooLarge);
        }
        self.line.extend_from_slice(more);
        Ok(())
    }

    fn end_line(&mut self) -> Option<Event> {
        let whole = std::mem::take(&mut self.line);
        let mut line = whole.as_slice();
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        let event = if line.is_empty() {
            self.dispatch()
        } else {
            self.field(line);
            None
        };
        // The buffer is used again, unless one large line made it large.
        if whole.capacity() <= MAX_KEPT_LINE_BYTES {
            self.line = whole;
            self.line.clear();
        }
        event
    }

    fn field(&mut self, line: &[u8]) {
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.is_error = value == b"error",
            // Comments (an empty name), `id` and `retry` mean nothing for an answer that is read once.
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        let is_error = std::mem::take(&mut self.is_error);
        let data = std::mem::take(&mut self.data);
        std::mem::take(&mut self.has_data).then_some(Event { is_error, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(chunks: &[&[u8]], max: usize) -> Result<Vec<(bool, String)>, EventTooLarge> {
        let mut parser = SseParser::new(max);
        let mut events = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while let Some(event) = parser.next(&mut rest)? {
                events.push(event);
            }
            assert!(rest.is_empty());
        }
        events.extend(parser.finish());
        assert_eq!(parser.finish(), None);
        Ok(events
            .into_iter()
            .map(|event| (event.is_error, String::from_utf8_lossy(&event.data).into_owned()))
            .collect())
    }

    fn check(text: &str, expected: &[(bool, &str)]) {
        let got = parse(&[text.as_bytes()], 1024).unwrap();
        assert_eq!(got.iter().map(|(error, data)| (*error, data.as_str())).collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn events() {
        check("data: a\n\ndata: b\n\n", &[(false, "a"), (false, "b")]);
        check("data:a\r\n\r\ndata:  b\r\n\r\n", &[(false, "a"), (false, " b")]);
        check("data: a\r\rdata: b\r\r", &[(false, "a"), (false, "b")]);
        check("data: a\ndata: b\ndata\n\n", &[(false, "a\nb\n")]);
        check(": ping\n\n\n\nretry: 3\nid: 7\n\ndata: x\n\n", &[(false, "x")]);
        check("event: error\ndata: x\n\ndata: y\n\n", &[(true, "x"), (false, "y")]);
        check("event: error\n\ndata: y\n\n", &[(false, "y")]);
        check("\u{feff}data: x\n\ndata: \u{feff}\n\n", &[(false, "x"), (false, "\u{feff}")]);
        check("data: x\n\ndata: [DONE]", &[(false, "x"), (false, "[DONE]")]);
        check("data: x\n", &[(false, "x")]);
        check("database: x\n\ndata\n\n", &[(false, "")]);
        check("", &[]);
    }

    #[test]
    fn an_event_is_bounded_in_one_line_and_in_many() {
        let line = format!("data: {}\n\n", "x".repeat(50));
        assert_eq!(parse(&[line.as_bytes()], 56).unwrap().len(), 1);
        assert_eq!(parse(&[line.as_bytes()], 55), Err(EventTooLarge));
        let many = "data: 12345\n".repeat(20);
        assert_eq!(parse(&[many.as_bytes()], 60), Err(EventTooLarge));
        let endless: Vec<&[u8]> = vec![b"zzzzzzzzzz"; 10];
        assert_eq!(parse(&endless, 60), Err(EventTooLarge));
        let comments = ": 12345\n".repeat(1000);
        assert_eq!(parse(&[comments.as_bytes()], 60), Ok(vec![]));
    }

    fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(
            text in "(data: [a-zä€😀\"{}]{0,12}|:[a-z]{0,4}|event: error|data|\u{feff}|\n|\r\n|\r|\n\n|[a-z: ]{0,6}){0,40}",
            cuts in prop::collection::vec(any::<usize>(), 0..40),
        ) {
            let whole = parse(&[text.as_bytes()], MAX_EVENT_BYTES);
            prop_assert_eq!(&parse(&cut(text.as_bytes(), &cuts), MAX_EVENT_BYTES), &whole);
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            prop_assert_eq!(&parse(&bytes, MAX_EVENT_BYTES), &whole);
        }

        #[test]
        fn garbage_never_panics_and_stays_bounded(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'd'), any::<u8>()], 0..400),
            cuts in prop::collection::vec(any::<usize>(), 0..10),
        ) {
            let whole = parse(&[&bytes], 64);
            let pieces = parse(&cut(&bytes, &cuts), 64);
            // Where the bound is crossed does not depend on the chunking either.
            prop_assert_eq!(whole, pieces);
        }
    }
}
