//! Texts that end an answer, where the upstream cannot be told of them.

/// Most texts that are looked for.
const MAX_STOPS: usize = 16;
/// Longest of them, in bytes.
const MAX_STOP_BYTES: usize = 1024;

/// Looks for them in a text that comes in pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cut {
    stops: Vec<String>,
    /// The end of what came, which may be the beginning of one of them.
    held: String,
}

impl Cut {
    /// The rest of them is left out.
    pub(super) fn new(stops: &[String]) -> Self {
        let usable = stops.iter().filter(|stop| !stop.is_empty() && stop.len() <= MAX_STOP_BYTES);
        Self { stops: usable.take(MAX_STOPS).cloned().collect(), held: String::new() }
    }

    /// More text: as much of it as can be passed on, and the text that ends it, if it came.
    pub(super) fn take(&mut self, more: &str) -> (String, Option<String>) {
        self.held.push_str(more);
        let found = self.stops.iter().filter_map(|stop| Some((self.held.find(stop.as_str())?, stop)));
        if let Some((at, stop)) = found.min_by_key(|(at, stop)| (at + stop.len(), *at)) {
            let stop = stop.clone();
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), Some(stop));
        }
        let rest = self.held.split_off(self.held.len() - self.begun());
        (std::mem::replace(&mut self.held, rest), None)
    }

    /// What was kept back, because no more text comes.
    pub(super) fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// How many bytes at the end may begin one of them.
    fn begun(&self) -> usize {
        let held = self.held.as_bytes();
        let begun = |stop: &String| {
            let most = held.len().min(stop.len() - 1);
            (1..=most).rev().find(|length| held.ends_with(&stop.as_bytes()[..*length]))
        };
        self.stops.iter().filter_map(begun).max().unwrap_or(0)
    }
}
