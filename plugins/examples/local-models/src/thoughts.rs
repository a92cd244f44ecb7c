//! Thoughts that stand in an answer: those of models that were not told to keep them apart.

use coditect_plugin_sdk::prelude::*;

/// What stands around them, at the beginning of an answer.
const BEGIN: &str = "<think>";
const END: &str = "</think>";

/// Tells thoughts from the answer while they come, however they are cut into pieces.
#[derive(Debug, Default)]
pub(crate) struct Apart {
    stage: Stage,
    /// What may be part of a mark, or space that is left out before one.
    held: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Beginning,
    BeforeThought,
    Thought,
    BeforeAnswer,
    Answer,
}

/// What came: of the thoughts, and of the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) thought: String,
    pub(crate) text: String,
}

impl Told {
    /// Says what there is, and forgets it.
    pub(crate) fn say(&mut self, reply: &mut Reply) -> Result<()> {
        let Self { thought, text } = std::mem::take(self);
        if !thought.is_empty() {
            reply.think(thought)?;
        }
        if text.is_empty() { Ok(()) } else { reply.write(text) }
    }
}

impl Apart {
    /// Takes a piece.
    pub(crate) fn push(&mut self, piece: &str, told: &mut Told) {
        self.held.push_str(piece);
        while let Some(next) = self.step(told) {
            self.stage = next;
        }
    }

    /// What is left at the end. Thoughts that do not end are all there is.
    pub(crate) fn end(self, told: &mut Told) {
        match self.stage {
            Stage::Thought => told.thought.push_str(self.held.trim_end()),
            Stage::Beginning | Stage::Answer => told.text.push_str(&self.held),
            Stage::BeforeThought | Stage::BeforeAnswer => {}
        }
    }

    /// Tells what is certain of what is held; the next stage where this one is over.
    fn step(&mut self, told: &mut Told) -> Option<Stage> {
        match self.stage {
            Stage::Beginning => {
                let bare = self.held.trim_start();
                match bare.strip_prefix(BEGIN) {
                    Some(rest) => self.held = rest.to_owned(),
                    None if BEGIN.starts_with(bare) => return None,
                    None => return Some(Stage::Answer),
                }
                Some(Stage::BeforeThought)
            }
            Stage::BeforeThought => self.passed_space(Stage::Thought),
            Stage::Thought => match self.held.split_once(END) {
                Some((thought, rest)) => {
                    told.thought.push_str(thought.trim_end());
                    self.held = rest.to_owned();
                    Some(Stage::BeforeAnswer)
                }
                None => {
                    let rest = self.held.split_off(certain(&self.held));
                    told.thought.push_str(&std::mem::replace(&mut self.held, rest));
                    None
                }
            },
            Stage::BeforeAnswer => self.passed_space(Stage::Answer),
            Stage::Answer => {
                told.text.push_str(&std::mem::take(&mut self.held));
                None
            }
        }
    }

    fn passed_space(&mut self, next: Stage) -> Option<Stage> {
        self.held = self.held.trim_start().to_owned();
        (!self.held.is_empty()).then_some(next)
    }
}

/// How much of a thought is none of its end, nor space before that.
fn certain(thought: &str) -> usize {
    let mark = (1..END.len()).rev().find(|&length| thought.ends_with(&END[..length])).unwrap_or(0);
    thought[..thought.len() - mark].trim_end().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(pieces: &[&str]) -> (String, String) {
        let (mut apart, mut told) = (Apart::default(), Told::default());
        for piece in pieces {
            apart.push(piece, &mut told);
        }
        apart.end(&mut told);
        (told.thought, told.text)
    }

    #[test]
    fn thoughts_are_told_apart() {
        for (pieces, thought, text) in [
            (&["So."][..], "", "So."),
            (&["<think>\nhm\n</think>\n\nSo."], "hm", "So."),
            (&[" <thi", "nk> h", "m \n</", "think>", "\n", "\nSo", "."], "hm", "So."),
            (&["<think>a </b"], "a </b", ""),
            (&["<think> a ", " b</think>"], "a  b", ""),
            (&["<thinking"], "", "<thinking"),
            (&["<th"], "", "<th"),
            (&["a <think>b</think>"], "", "a <think>b</think>"),
            (&[], "", ""),
        ] {
            assert_eq!(of(pieces), (thought.to_owned(), text.to_owned()), "{pieces:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_is_lost_however_it_is_cut(thought in "[a-z <]{0,9}", text in "[a-z<>/ ]{0,20}", cuts in prop::collection::vec(0usize..50, 0..6)) {
            let whole = format!("<think>{thought}</think>{text}");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(whole.len())).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).map(|cut| &whole[cut[0]..cut[1]]).collect();
            prop_assert_eq!(of(&pieces), (thought.trim().to_owned(), text.trim_start().to_owned()));
            let plain: Vec<&str> = text.split_inclusive(' ').collect();
            prop_assert_eq!(of(&plain), (String::new(), text.clone()));
        }
    }
}
