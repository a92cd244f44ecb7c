//! A stream that is one JSON array: it is passed on element by element, so that an error can become its last one.

use bytes::Bytes;
use coditect_dialects::MAX_EVENT_BYTES;
use memchr::memchr2;

use super::Seen;
use super::held::Held;

/// State between two pieces of the array.
#[derive(Debug, Default)]
pub(super) struct Array {
    /// What no whole element, or no end of the array, followed yet.
    held: Held,
    place: Place,
    nesting: Nesting,
    /// Where the element begins in what is held back; nothing where its beginning went on, for it is larger than memory shall hold.
    element: Option<usize>,
    has_elements: bool,
    /// What went on ends within an element, or behind the end of the array: nothing can be put behind it.
    is_sealed: bool,
}

/// Where in the array the next byte stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before it.
    #[default]
    Before,
    /// Between two elements.
    Between,
    /// As [`Place::Between`], and the comma was there.
    AfterComma,
    Element,
    After,
}

impl Array {
    /// More bytes; what of them goes on.
    pub(super) fn feed(&mut self, chunk: Bytes, seen: &mut Seen) -> Bytes {
        let mut held = std::mem::take(&mut self.held);
        let out = held.pass(chunk, |all, from| {
            let end = self.read(all, from, seen);
            let end = if all.len() - end > MAX_EVENT_BYTES { self.give_up(all.len()) } else { end };
            self.element = self.element.map(|start| start - end);
            end
        });
        self.held = held;
        out
    }

    /// What was held back, for the answer `is_whole` or told itself what went wrong; what the array lacks of its end is added.
    pub(super) fn rest(&mut self, is_ended: bool) -> Bytes {
        let held = self.held.take();
        if !is_ended || self.is_sealed || self.place == Place::After { held } else { Bytes::from_static(b"]") }
    }

    /// Gives up what was held back, and ends the array with this element.
    pub(super) fn cut(&mut self, last: &[u8], out: &mut Vec<u8>) {
        self.held.take();
        if std::mem::replace(&mut self.is_sealed, true) {
            return;
        }
        out.extend_from_slice(if self.has_elements { b",\r\n" } else { b"" });
        out.extend_from_slice(last);
        out.push(b']');
    }

    /// Reads the new bytes. How many of all may go on.
    fn read(&mut self, all: &[u8], from: usize, seen: &mut Seen) -> usize {
        let (mut at, mut end) = (from, 0);
        while let Some(byte) = all.get(at) {
            match (self.place, byte) {
                (Place::Element, _) => {
                    let Some(length) = self.nesting.end(&all[at..]) else { break };
                    at += length;
                    self.end_element(all, at, seen);
                    end = at;
                    continue;
                }
                (Place::Before, b'[') => self.place = Place::Between,
                (Place::Between | Place::AfterComma, b']') => self.place = Place::After,
                (Place::Between | Place::AfterComma, b',') => self.place = Place::AfterComma,
                (Place::Between | Place::AfterComma, byte) if !byte.is_ascii_whitespace() => {
                    (self.place, self.element, self.nesting) = (Place::Element, Some(at), Nesting::default());
                    continue;
                }
                _ => {}
            }
            at += 1;
            if matches!(self.place, Place::Before | Place::Between) {
                end = at;
            }
        }
        if self.place == Place::After && seen.is_whole { self.give_up(all.len()) } else { end }
    }

    fn end_element(&mut self, all: &[u8], end: usize, seen: &mut Seen) {
        match self.element.take() {
            Some(start) => drop(seen.event(&all[start..end])),
            None => seen.pieces += 1,
        }
        (self.place, self.has_elements, self.is_sealed) = (Place::Between, true, false);
    }

    /// All goes on, and nothing can be put behind it.
    fn give_up(&mut self, length: usize) -> usize {
        (self.is_sealed, self.element) = (true, None);
        length
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }
}

/// How deep within an element the next byte stands.
#[derive(Debug, Default)]
struct Nesting {
    depth: usize,
    is_text: bool,
    is_escaped: bool,
}

impl Nesting {
    /// Where in these bytes the element ends that they begin or go on with; nothing where it does not.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            at += 1;
            if std::mem::take(&mut self.is_escaped) {
                continue;
            }
            match byte {
                b'"' => self.is_text = !self.is_text,
                b'\\' if self.is_text => self.is_escaped = true,
                _ if self.is_text => at += memchr2(b'"', b'\\', &bytes[at..]).unwrap_or(bytes.len() - at),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => self.depth -= 1,
                // What ends a number or a word does not belong to it.
                b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => return Some(at - 1),
                _ => continue,
            }
            if self.depth == 0 && !self.is_text {
                return Some(at);
            }
        }
        None
    }
}
