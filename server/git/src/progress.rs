//! What `git`, hooks and the other side tell while they work.

use coditect_protocol::git::GitProgress;
use tokio::sync::mpsc;

use crate::limits::{MAX_LINE_BYTES, TOLD_BYTES, TOLD_LINES};
use crate::wire::FromHelper;

/// First words of the steps that `git` counts.
const STEPS: &[&str] = &[
    "Enumerating",
    "Counting",
    "Compressing",
    "Receiving",
    "Unpacking",
    "Resolving",
    "Updating",
    "Checking",
    "Writing",
    "Rebasing",
    "Filtering",
    "Refreshing",
    "Finding",
    "Auto packing",
];

/// Where the progress of one request goes. What nobody takes in at the moment is dropped: the next step says more.
#[derive(Clone)]
pub(crate) struct Progress {
    id: u32,
    frames: mpsc::Sender<FromHelper>,
}

impl Progress {
    pub(crate) const fn new(id: u32, frames: mpsc::Sender<FromHelper>) -> Self {
        Self { id, frames }
    }

    pub(crate) fn tell(&self, progress: GitProgress) {
        let _ = self.frames.try_send(FromHelper::Progress { id: self.id, progress });
    }
}

/// Cuts an output into lines: at line ends, and at the carriage returns by which a step writes over itself.
#[derive(Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    last: Option<GitProgress>,
    kept: std::collections::VecDeque<String>,
    kept_bytes: usize,
}

impl Lines {
    /// Takes more of the output and passes on what is new to `tell`.
    pub(crate) fn take(&mut self, bytes: &[u8], tell: &mut dyn FnMut(GitProgress)) {
        for &byte in bytes {
            match byte {
                b'\r' | b'\n' => self.end_line(tell),
                _ if self.line.len() < MAX_LINE_BYTES => self.line.push(byte),
                _ => {}
            }
        }
    }

    pub(crate) fn end_line(&mut self, tell: &mut dyn FnMut(GitProgress)) {
        let text = plain(&String::from_utf8_lossy(&self.line));
        self.line.clear();
        if text.is_empty() {
            return;
        }
        let progress = parse(&text);
        if matches!(progress, GitProgress::Line { .. }) {
            self.keep(text);
        }
        if self.last.as_ref() != Some(&progress) {
            tell(progress.clone());
            self.last = Some(progress);
        }
    }

    /// Keeps the last lines, for messages.
    fn keep(&mut self, text: String) {
        self.kept_bytes += text.len() + 1;
        self.kept.push_back(text);
        while self.kept_bytes > TOLD_BYTES || self.kept.len() > TOLD_LINES * 4 {
            let Some(first) = self.kept.pop_front() else { break };
            self.kept_bytes -= first.len() + 1;
        }
    }

    /// The last lines that are no steps.
    pub(crate) fn into_text(mut self) -> String {
        self.end_line(&mut |_| ());
        Vec::from(self.kept).join("\n")
    }
}

/// The text without colours and other control characters; a tab at its start, which lists paths, stays.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.trim_end().chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {},
            '\t' => out.push('\t'),
            _ if c.is_control() => {}
            _ => out.push(c),
        }
    }
    out
}

/// `Receiving objects:  12% (3/25), 1.2 MiB` is a step; anything else a line.
fn parse(text: &str) -> GitProgress {
    let bare = text.strip_prefix("remote: ").unwrap_or(text);
    let step = bare.split_once(':').filter(|(step, _)| STEPS.iter().any(|word| step.starts_with(word)));
    let Some((step, rest)) = step else {
        // Rebasing counts without a colon: `Rebasing (2/5)`.
        return match bare.strip_prefix("Rebasing (").and_then(|rest| rest.split_once(')')) {
            Some((count, _)) => GitProgress::Step { step: "Rebasing".to_owned(), percent: fraction(count) },
            None => GitProgress::Line { text: text.to_owned() },
        };
    };
    let percent = rest.split_once('%').and_then(|(number, _)| number.trim().parse::<u8>().ok()).filter(|n| *n <= 100);
    GitProgress::Step { step: step.to_owned(), percent }
}

fn fraction(text: &str) -> Option<u8> {
    let (done, total) = text.split_once('/')?;
    let (done, total) = (done.parse::<u32>().ok()?, total.parse::<u32>().ok()?);
    u8::try_from(u64::from(done.min(total)) * 100 / u64::from(total.max(1))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_lines_are_told_apart() {
        let mut lines = Lines::default();
        let mut told = Vec::new();
        let output =
            b"Counting objects:   5% (1/20)\rCounting objects:   5% (1/20)\rCounting objects: 100% (20/20), done.\n\
            remote: \x1b[31mno\x1b[0m entry\nRebasing (2/5)\r\tsrc/a b\nwarning: x";
        lines.take(output, &mut |progress| told.push(progress));
        let step = |step: &str, percent| GitProgress::Step { step: step.to_owned(), percent: Some(percent) };
        let line = |text: &str| GitProgress::Line { text: text.to_owned() };
        let counting = "Counting objects";
        let expected =
            [step(counting, 5), step(counting, 100), line("remote: no entry"), step("Rebasing", 40), line("\tsrc/a b")];
        assert_eq!(told, expected);
        assert_eq!(lines.into_text(), "remote: no entry\n\tsrc/a b\nwarning: x");
    }

    #[test]
    fn a_flood_of_lines_is_bounded() {
        let mut lines = Lines::default();
        for n in 0..100_000 {
            lines.take(format!("{n} {}\n", "x".repeat(500)).as_bytes(), &mut |_| ());
        }
        let text = lines.into_text();
        assert!(text.len() <= TOLD_BYTES && text.contains("99999 "));
    }
}
