//! What a translation could not carry over.

/// Names of the fields that were left out, each once, in the order in which they were met.
///
/// They are told in a header, never in the answer: whoever asks can see them, and no model reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses(Vec<&'static str>);

impl Losses {
    /// This field is left out.
    pub fn note(&mut self, field: &'static str) {
        if !self.0.contains(&field) {
            self.0.push(field);
        }
    }

    /// This field is left out, if it was given.
    pub fn note_if(&mut self, given: bool, field: &'static str) {
        if given {
            self.note(field);
        }
    }

    /// This field has its effect after all; whether it was left out.
    pub(crate) fn made_good(&mut self, field: &'static str) -> bool {
        let before = self.0.len();
        self.0.retain(|known| *known != field);
        self.0.len() < before
    }

    /// All of them, as a header carries them; nothing where nothing went lost.
    #[must_use]
    pub fn listed(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join(","))
    }
}
