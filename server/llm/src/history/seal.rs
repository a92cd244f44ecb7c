//! Conversations as they are sealed, in parts that the store takes.

use std::borrow::Cow;

use coditect_protocol::{CallId, UserId};
use coditect_store::{MasterKey, StoreError};
use tokio::task::yield_now;

/// Most that is kept of a conversation, question and answer together, in bytes. What is longer is cut, with a mark at its end.
pub const MAX_CONVERSATION_BYTES: usize = 4 << 20;
/// Longest part of a conversation, in bytes: sealed it fits into a value of the store.
const PART_BYTES: usize = 90_000;

/// A conversation, short enough to be kept.
pub(super) struct Text<'a> {
    question: Cow<'a, [u8]>,
    answer: Cow<'a, [u8]>,
}

/// What is sealed with each part, so that none opens for another person or call, elsewhere in it, or when others are gone.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) user: UserId,
    pub(super) id: CallId,
    pub(super) question_bytes: u64,
    pub(super) answer_bytes: u64,
}

impl<'a> Text<'a> {
    /// Cuts what is too long: each has half of the room, and what the other leaves.
    pub(super) fn new(question: &'a [u8], answer: &'a [u8]) -> Self {
        const HALF: usize = MAX_CONVERSATION_BYTES / 2;
        let for_question = HALF.max(MAX_CONVERSATION_BYTES.saturating_sub(answer.len()));
        let for_answer = HALF.max(MAX_CONVERSATION_BYTES.saturating_sub(question.len()));
        Self { question: cut(question, for_question), answer: cut(answer, for_answer) }
    }

    pub(super) fn question_bytes(&self) -> u64 {
        self.question.len() as u64
    }

    pub(super) fn answer_bytes(&self) -> u64 {
        self.answer.len() as u64
    }

    /// Its parts in their order.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.question.chunks(PART_BYTES).chain(self.answer.chunks(PART_BYTES))
    }
}

/// As much as there is room for, whole characters and the mark included.
fn cut(text: &[u8], room: usize) -> Cow<'_, [u8]> {
    if text.len() <= room {
        return Cow::Borrowed(text);
    }
    let mark = format!("\n[cut here: {} bytes in all]", text.len());
    let is_inside = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    let mut end = room.saturating_sub(mark.len());
    while end > 0 && is_inside(text[end]) {
        end -= 1;
    }
    Cow::Owned([&text[..end], mark.as_bytes()].concat())
}

impl Place {
    fn context(&self, part: usize) -> Vec<u8> {
        let Self { user, id, question_bytes, answer_bytes } = self;
        format!("model conversation\0{user}\0{id}\0{question_bytes}\0{answer_bytes}\0{part}").into_bytes()
    }

    /// Seals all parts in their order.
    pub(super) async fn seal(
        &self,
        key: &MasterKey,
        parts: impl Iterator<Item = &[u8]>,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut sealed = Vec::new();
        for (part, text) in parts.enumerate() {
            sealed.push(key.seal(&self.context(part), text)?);
            // Each is some tenths of a millisecond of work.
            yield_now().await;
        }
        Ok(sealed)
    }

    /// Opens all parts in their order: the question and the answer.
    pub(super) async fn open(
        &self,
        key: &MasterKey,
        parts: impl Iterator<Item = &[u8]>,
    ) -> Result<(String, String), StoreError> {
        let mut text = Vec::new();
        for (part, sealed) in parts.enumerate() {
            text.extend_from_slice(&key.open(&self.context(part), sealed)?);
            yield_now().await;
        }
        let is_whole = text.len() as u64 == self.question_bytes.saturating_add(self.answer_bytes);
        let split = usize::try_from(self.question_bytes).ok().filter(|_| is_whole);
        let (question, answer) = split.and_then(|at| text.split_at_checked(at)).ok_or(StoreError::SealBroken)?;
        Ok((String::from_utf8_lossy(question).into_owned(), String::from_utf8_lossy(answer).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_between_characters_with_a_mark() {
        let check = |question: usize, answer: usize, expected: (usize, usize)| {
            let (question, answer) = (vec![b'q'; question], vec![b'a'; answer]);
            let text = Text::new(&question, &answer);
            let kept = |text: &[u8], letter| text.iter().filter(|byte| **byte == letter).count();
            assert!(text.question_bytes() + text.answer_bytes() <= MAX_CONVERSATION_BYTES as u64);
            assert!(text.parts().all(|part| part.len() <= PART_BYTES));
            let whole = (kept(&text.question, b'q') == question.len(), kept(&text.answer, b'q') == 0);
            assert_eq!(whole, (expected.0 == question.len(), true));
            assert!(text.question.len() >= expected.0 && text.answer.len() >= expected.1, "{expected:?}");
            for (text, full) in [(&text.question, question.len()), (&text.answer, answer.len())] {
                assert_eq!(text.ends_with(format!("[cut here: {full} bytes in all]").as_bytes()), text.len() != full);
            }
        };
        const HALF: usize = MAX_CONVERSATION_BYTES / 2;
        check(0, 0, (0, 0));
        check(HALF, HALF, (HALF, HALF));
        check(10 * HALF, 100, (2 * HALF - 100, 100));
        check(100, 10 * HALF, (100, 2 * HALF - 100));
        check(10 * HALF, 10 * HALF, (HALF, HALF));
        let text = "ü".repeat(100);
        for room in 60..80 {
            let short = cut(text.as_bytes(), room);
            assert!(short.len() <= room && std::str::from_utf8(&short).unwrap().starts_with('ü'), "{room}");
        }
    }
}
