//! Keeps plugins from flooding the person with messages. Pure: whoever asks says what time it is.

use std::collections::HashMap;

/// Most messages of a plugin that are told within [`WINDOW_MS`].
const MAX_TOLD: u32 = 3;
/// In milliseconds.
const WINDOW_MS: f64 = 10_000.0;
/// How long the same message is not told again, in milliseconds.
const SAME_MS: f64 = 60_000.0;
/// Most texts that are remembered of a plugin, and most plugins.
const MAX_REMEMBERED: usize = 64;

#[derive(Default)]
struct Told {
    window_began: f64,
    in_window: u32,
    withheld: u32,
    texts: Vec<(String, f64)>,
}

/// What was told lately.
#[derive(Default)]
pub(super) struct Quiet {
    plugins: HashMap<String, Told>,
}

impl Quiet {
    /// Whether a message is told, and then how many of the plugin's were withheld before it.
    pub(super) fn admit(&mut self, plugin: &str, text: &str, now_ms: f64) -> Option<u32> {
        if self.plugins.len() >= MAX_REMEMBERED && !self.plugins.contains_key(plugin) {
            self.plugins.clear();
        }
        let told = self.plugins.entry(plugin.to_owned()).or_default();
        told.texts.retain(|(_, at)| now_ms - at < SAME_MS);
        if told.texts.iter().any(|(known, _)| known == text) {
            return None;
        }
        if now_ms - told.window_began >= WINDOW_MS {
            told.window_began = now_ms;
            told.in_window = 0;
        }
        if told.in_window >= MAX_TOLD {
            told.withheld = told.withheld.saturating_add(1);
            return None;
        }
        told.in_window += 1;
        if told.texts.len() >= MAX_REMEMBERED {
            told.texts.remove(0);
        }
        told.texts.push((text.to_owned(), now_ms));
        Some(std::mem::take(&mut told.withheld))
    }

    /// Forgets a plugin that was changed: what goes wrong from now on is news.
    pub(super) fn forget(&mut self, plugin: &str) {
        self.plugins.remove(plugin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_comes_to_a_few_messages_and_a_count() {
        let mut quiet = Quiet::default();
        let told: Vec<_> = (0..100).map(|number| quiet.admit("a.b", &number.to_string(), f64::from(number))).collect();
        assert_eq!(told.iter().flatten().count(), 3);
        assert_eq!(quiet.admit("c.d", "0", 50.0), Some(0), "one plugin does not silence another");
        assert_eq!(quiet.admit("a.b", "later", WINDOW_MS + 1.0), Some(97));
    }

    #[test]
    fn the_same_is_told_once() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.admit("a.b", "broken", 0.0), Some(0));
        assert_eq!(quiet.admit("a.b", "broken", SAME_MS - 1.0), None);
        assert_eq!(quiet.admit("a.b", "broken", SAME_MS + 1.0), Some(0));
        quiet.forget("a.b");
        assert_eq!(quiet.admit("a.b", "broken", SAME_MS + 2.0), Some(0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut quiet = Quiet::default();
        for number in 0..1000 {
            quiet.admit(&format!("a.p{number}"), "x", 0.0);
            quiet.admit("a.p0", &number.to_string(), f64::from(number) * WINDOW_MS / 100.0);
        }
        assert!(quiet.plugins.len() <= MAX_REMEMBERED);
        assert!(quiet.plugins.values().all(|told| told.texts.len() <= MAX_REMEMBERED));
    }
}
