//! How lines are shown: shortened where they are very long, with columns as an editor counts them.

use std::ops::Range;

/// Longest text of a match's lines that is sent, in characters; longer ones are cut around the match.
pub const MAX_TEXT_CHARS: usize = 400;
/// Characters shown before a match in a line that is cut.
const LEAD_CHARS: usize = 100;

/// How far the columns of a line are counted, so that many matches in a long line cost one pass.
pub(super) struct Counted {
    start: usize,
    bytes: usize,
    units: usize,
}

impl Counted {
    /// In the line that begins at `start`.
    pub(super) fn new(start: usize) -> Self {
        Self { start, bytes: start, units: 0 }
    }

    /// Begins anew, where `start` is the begin of another line.
    pub(super) fn begin_at(&mut self, start: usize) {
        if start != self.start {
            *self = Self::new(start);
        }
    }

    /// The column of a place in `text`, from 1, in UTF-16 code units. Places only go forward.
    pub(super) fn column(&mut self, text: &[u8], place: usize) -> u32 {
        self.units += utf16_units(&text[self.bytes..place]);
        self.bytes = place;
        u32::try_from(self.units).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// The part of a line that is shown for a match at `start`: the whole line where it is short enough.
pub(super) fn window(line: &[u8], start: usize) -> Range<usize> {
    let from_start = forward(line, 0, MAX_TEXT_CHARS);
    if from_start == line.len() {
        return 0..from_start;
    }
    let lead = back(line, start, LEAD_CHARS);
    lead..forward(line, lead, MAX_TEXT_CHARS)
}

/// A line's text from its begin on, cut where it is very long.
pub(super) fn shorten(line: &[u8]) -> String {
    shorten_to(line, MAX_TEXT_CHARS)
}

/// The first so many characters of a text.
pub(super) fn shorten_to(text: &[u8], chars: usize) -> String {
    String::from_utf8_lossy(&text[..forward(text, 0, chars)]).into_owned()
}

/// Length in UTF-16 code units; a byte that is no UTF-8 is shown as one replacement character.
pub(super) fn utf16_units(bytes: &[u8]) -> usize {
    if bytes.is_ascii() {
        return bytes.len();
    }
    bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().encode_utf16().count() + usize::from(!chunk.invalid().is_empty()))
        .sum()
}

const fn continues_a_character(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// The place `chars` characters after `at`, or the end.
fn forward(bytes: &[u8], at: usize, chars: usize) -> usize {
    let mut starts = bytes[at..].iter().enumerate().filter(|(_, byte)| !continues_a_character(**byte));
    // Stray bytes that continue nothing count for nothing here, so that they are bounded apart.
    starts.nth(chars).map_or(bytes.len(), |(offset, _)| at + offset).min(at.saturating_add(chars * 4))
}

/// The place up to `chars` characters before `at`.
fn back(bytes: &[u8], at: usize, chars: usize) -> usize {
    let floor = at.saturating_sub(chars * 4);
    let starts = (floor..at).rev().filter(|index| !continues_a_character(bytes[*index]));
    starts.take(chars).last().unwrap_or(at)
}
