//! A stream of events that is passed on: event by event, so that an error can be put behind the last whole one.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use coditect_dialects::{MAX_EVENT_BYTES, SseParser};
use memchr::{memchr2, memrchr2};

use super::Seen;
use super::held::Held;

/// How many bytes before a byte tell whether it ends a blank line: `\r\n\r\n` is the longest end of an event.
const BEFORE_END: usize = 3;

/// State between two pieces of the stream.
#[derive(Debug)]
pub(super) struct Events {
    parser: SseParser,
    /// The beginning of an event. It begins where a line does, unless the event `is_open`.
    held: Held,
    /// The beginning of this event went on: it is larger than memory shall hold.
    is_open: bool,
}

impl Events {
    pub(super) fn new() -> Self {
        Self { parser: SseParser::new(MAX_EVENT_BYTES), held: Held::default(), is_open: false }
    }

    /// More bytes, of which the first `blanks` say nothing; what of them goes on.
    pub(super) fn feed(&mut self, chunk: Bytes, blanks: usize, seen: &mut Seen) -> Bytes {
        let hidden = self.read(&chunk, blanks, seen);
        let is_open = &mut self.is_open;
        let out = self.held.pass(chunk, |all, from| goes_on(all, from, is_open));
        without(out, &hidden)
    }

    /// There is no more. Reads what has no blank line behind it.
    pub(super) fn end(&mut self, seen: &mut Seen) {
        let is_hidden = self.parser.finish().is_some_and(|event| seen.event(&event.data));
        if is_hidden {
            self.held.take();
        }
    }

    /// What was held back, for the stream ended as it should.
    pub(super) fn rest(&mut self) -> Bytes {
        self.held.take()
    }

    /// Gives up what was held back, so that an event can be put behind what went on.
    pub(super) fn cut(&mut self, out: &mut Vec<u8>) {
        self.held.take();
        if std::mem::take(&mut self.is_open) {
            out.extend_from_slice(b"\n\n");
        }
    }

    /// Looks at all events that end in `chunk`. Where those are that nobody asked for, counted from what is held back.
    fn read(&mut self, chunk: &[u8], blanks: usize, seen: &mut Seen) -> Vec<Range<usize>> {
        let all = self.held.len() + chunk.len();
        let (mut start, mut hidden) = (0, Vec::new());
        let mut rest = &chunk[blanks..];
        loop {
            match self.parser.next(&mut rest) {
                Ok(Some(event)) => {
                    let end = all - rest.len();
                    if seen.event(&event.data) {
                        hidden.push(start..end);
                    }
                    start = end;
                }
                Ok(None) => return hidden,
                // Too large to be looked at; it goes on all the same.
                Err(_) => {
                    self.parser = SseParser::new(MAX_EVENT_BYTES);
                    rest = &rest[memchr2(b'\n', b'\r', rest).map_or(rest.len(), |end| end + 1)..];
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }
}

/// How many of the first bytes go on, of which those behind `from` are new.
fn goes_on(all: &[u8], from: usize, is_open: &mut bool) -> usize {
    let searched = from.saturating_sub(BEFORE_END);
    if let Some(end) = last_blank_line(&all[searched..]) {
        *is_open = false;
        let end = searched + end;
        return end + comments(&all[end..]);
    }
    if *is_open || all.len() > MAX_EVENT_BYTES {
        *is_open = true;
        // The last bytes may be the first half of what ends the event.
        return all.len().saturating_sub(BEFORE_END);
    }
    // Signs of life go on at once.
    if memchr2(b'\n', b'\r', &all[from..]).is_some() { comments(all) } else { 0 }
}

/// Where the last blank line ends.
fn last_blank_line(bytes: &[u8]) -> Option<usize> {
    let mut end = bytes.len();
    while let Some(at) = memrchr2(b'\n', b'\r', &bytes[..end]) {
        let line = &bytes[..at];
        let line = if bytes[at] == b'\n' { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
        if line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            return Some(at + 1);
        }
        end = line.len();
    }
    None
}

/// How many bytes at the beginning, where a line begins, are comments and blank lines, which belong to no event.
fn comments(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match bytes.get(at) {
            Some(b'\n' | b'\r') => at += 1,
            Some(b':') => match memchr2(b'\n', b'\r', &bytes[at..]) {
                Some(end) => at += end + 1,
                None => return at,
            },
            _ => return at,
        }
    }
}

/// The bytes without these of them, which are in order.
fn without(bytes: Bytes, hidden: &[Range<usize>]) -> Bytes {
    if hidden.is_empty() {
        return bytes;
    }
    let mut kept = BytesMut::with_capacity(bytes.len());
    let mut at = 0;
    for range in hidden {
        kept.extend_from_slice(bytes.get(at..range.start).unwrap_or_default());
        at = range.end;
    }
    kept.extend_from_slice(bytes.get(at..).unwrap_or_default());
    kept.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_events_end() {
        for (text, expected) in [
            ("", None),
            ("a", None),
            ("a\n", None),
            ("a\r\n", None),
            ("\r\n", None),
            ("a\n\n", Some(3)),
            ("a\r\n\r\n", Some(5)),
            ("a\r\r", Some(3)),
            ("a\n\r", Some(3)),
            ("a\n\r\n", Some(4)),
            ("a\r\n\n", Some(4)),
            ("a\r\n\r", Some(4)),
            ("a\n\nb\r\n", Some(3)),
            ("a\r\n\r\nb\nc", Some(5)),
        ] {
            assert_eq!(last_blank_line(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn what_belongs_to_no_event() {
        for (text, expected) in [("", 0), ("data", 0), (":a", 0), (":a\n", 3), ("\n:a\r\n:b\ndata:\n", 8), ("\r\nd", 2)]
        {
            assert_eq!(comments(text.as_bytes()), expected, "{text:?}");
        }
    }
}
