//! How many tests ran, read from what test runners print.

/// Tests of one step.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Count {
    pub(super) const ONE_PASSED: Self = Self { passed: 1, failed: 0, skipped: 0 };
    pub(super) const ONE_FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };
    pub(super) const ONE_SKIPPED: Self = Self { passed: 0, failed: 0, skipped: 1 };

    pub(super) fn sum(self) -> u64 {
        self.passed + self.failed + self.skipped
    }

    pub(super) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Adds what one line of output tells, whichever runner wrote it.
    pub(super) fn read(&mut self, line: &str) {
        let line = without_colours(line);
        let line = line.trim();
        if let Some(result) = line.strip_prefix("test result: ") {
            self.read_list(result.split_once(". ").map_or(result, |(_, counts)| counts), ';');
        } else if let Some(counts) = line.strip_prefix("Tests ").filter(|rest| rest.contains('(')) {
            self.read_list(counts.split('(').next().unwrap_or_default(), '|');
        } else if let Some(rest) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) {
            let mut words = rest.split(' ');
            if let (Some(kind), Some(Ok(number)), None) = (words.next(), words.next().map(str::parse), words.next()) {
                self.add_kind(kind, number);
            }
        }
    }

    /// `12 passed; 0 failed; 1 ignored`, `3 failed | 4 passed`.
    fn read_list(&mut self, list: &str, separator: char) {
        for part in list.split(separator) {
            let mut words = part.split_whitespace();
            if let (Some(Ok(number)), Some(kind)) = (words.next().map(str::parse), words.next()) {
                self.add_kind(kind, number);
            }
        }
    }

    fn add_kind(&mut self, kind: &str, number: u64) {
        match kind {
            "passed" | "pass" => self.passed += number,
            "failed" | "fail" | "cancelled" => self.failed += number,
            "ignored" | "skipped" | "todo" => self.skipped += number,
            _ => {}
        }
    }
}

fn without_colours(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\x1b') {
        out.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(lines: &[&str]) -> (u64, u64, u64) {
        let mut count = Count::default();
        lines.iter().for_each(|line| count.read(line));
        (count.passed, count.failed, count.skipped)
    }

    #[test]
    fn each_runner_is_understood() {
        let rust = [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 12 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out",
        ];
        assert_eq!(count(&rust), (12, 0, 2));
        assert_eq!(count(&["test result: FAILED. 1 passed; 4 failed; 0 ignored; 0 measured"]), (1, 4, 0));
        assert_eq!(
            count(&["# tests 9", "# pass 6", "# fail 1", "# cancelled 1", "# skipped 1", "# todo 0"]),
            (6, 2, 1)
        );
        assert_eq!(count(&["ℹ pass 6", "ℹ fail 0", "ℹ duration_ms 12.5"]), (6, 0, 0));
        assert_eq!(
            count(&[
                "\x1b[2m      Tests \x1b[22m \x1b[1m\x1b[31m1 failed\x1b[39m\x1b[22m | \x1b[32m7 passed\x1b[39m (8)"
            ]),
            (7, 1, 0)
        );
        assert_eq!(count(&["Tests are nice", "# passages of text"]), (0, 0, 0));
    }
}
