//! What `git diff` writes: records of files, then their patches.

use coditect_protocol::git::Hunk;

/// A record of `--raw -z`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    /// `M`, `A`, `D`, `R`, `C`, `T` or `U`.
    pub(crate) status: u8,
    pub(crate) path: &'a [u8],
    pub(crate) from: Option<&'a [u8]>,
}

/// The records at the beginning of an output, and what follows them. One that is cut off is left out.
pub(crate) fn raw(output: &[u8]) -> (Vec<Raw<'_>>, &[u8]) {
    let (mut records, mut rest) = (Vec::new(), output);
    while rest.first() == Some(&b':') {
        let Some((record, after)) = one(rest) else { return (records, &[]) };
        records.push(record);
        rest = after;
    }
    // An empty field stands between the records and a patch.
    (records, rest.strip_prefix(b"\0").unwrap_or(rest))
}

fn one(bytes: &[u8]) -> Option<(Raw<'_>, &[u8])> {
    let (facts, rest) = field(bytes)?;
    let status = *facts.rsplit(|byte| *byte == b' ').next()?.first()?;
    let (path, rest) = field(rest)?;
    if !matches!(status, b'R' | b'C') {
        return Some((Raw { status, path, from: None }, rest));
    }
    let (target, rest) = field(rest)?;
    Some((Raw { status, path: target, from: Some(path) }, rest))
}

fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// The patch of one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Patch {
    pub(crate) header: String,
    pub(crate) hunks: Vec<Hunk>,
    pub(crate) binary: bool,
    /// What is told of it is not what it is, byte for byte.
    pub(crate) not_utf8: bool,
}

/// Cuts the patches of several files apart. In a patch every line of a file begins with a mark, so that these words at the
/// beginning of a line are the head of the next one. Of an output that is cut off the last one is left out.
pub(crate) fn patches(output: &[u8], cut: bool) -> Vec<Patch> {
    const HEAD: &[u8] = b"diff --git ";
    let mut starts = Vec::new();
    let mut at = 0;
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(HEAD) {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([output.len()]);
    let mut patches: Vec<_> = starts.iter().zip(ends).map(|(start, end)| patch(&output[*start..end])).collect();
    if cut {
        patches.pop();
    }
    patches
}

fn patch(bytes: &[u8]) -> Patch {
    let mut patch = Patch::default();
    let mut hunk: Option<(Hunk, Vec<u8>)> = None;
    let mut header = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if let Some(start) = line.strip_prefix(b"@@ ").and_then(numbers) {
            finish(&mut patch, hunk.take());
            hunk = Some((start, line.to_vec()));
        } else if let Some((_, text)) = &mut hunk {
            text.extend_from_slice(line);
        } else {
            patch.binary |= line.starts_with(b"Binary files ") || line.starts_with(b"GIT binary patch");
            header.extend_from_slice(line);
        }
    }
    finish(&mut patch, hunk);
    patch.header = patch.text(header);
    patch
}

impl Patch {
    fn text(&mut self, bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap_or_else(|error| {
            self.not_utf8 = true;
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        })
    }
}

fn finish(patch: &mut Patch, hunk: Option<(Hunk, Vec<u8>)>) {
    if let Some((mut hunk, text)) = hunk {
        hunk.text = patch.text(text);
        patch.hunks.push(hunk);
    }
}

/// `-1,2 +3,4 @@ …`; where a count is missing it is 1.
fn numbers(line: &[u8]) -> Option<Hunk> {
    let text = std::str::from_utf8(&line[..line.windows(3).position(|part| part == b" @@")?]).ok()?;
    let (old, new) = text.split_once(' ')?;
    let (old_start, old_lines) = pair(old.strip_prefix('-')?)?;
    let (new_start, new_lines) = pair(new.strip_prefix('+')?)?;
    Some(Hunk { old_start, old_lines, new_start, new_lines, text: String::new() })
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (start, count) = text.split_once(',').unwrap_or((text, "1"));
    Some((start.parse().ok()?, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "diff --git a/a b/a\nindex 1..2 100644\n--- a/a\n+++ b/a\n@@ -1 +1,2 @@ fn x\n-diff --git a/z b/z\n+@@ -1 +1 @@\n+y\n\\ No newline at end of file\n\
        @@ -9,0 +11 @@\n+z\ndiff --git a/p b/p\nindex 3..4 100644\nBinary files a/p and b/p differ\n";

    #[test]
    fn patches_are_cut_apart_and_put_together_are_the_same() {
        let patches = patches(TWO.as_bytes(), false);
        assert_eq!(patches.len(), 2);
        assert!(patches[1].binary && !patches[0].binary && !patches[0].not_utf8);
        let hunk = &patches[0].hunks[0];
        assert_eq!((hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines), (1, 1, 1, 2));
        let again: String = patches
            .iter()
            .map(|patch| {
                format!("{}{}", patch.header, patch.hunks.iter().map(|hunk| hunk.text.as_str()).collect::<String>())
            })
            .collect();
        assert_eq!(again, TWO);
    }

    #[test]
    fn what_is_not_utf8_is_said_to_be_so() {
        let patches = patches(
            b"diff --git a/a b/a\n@@ -1 +1 @@\n-Stra\xdfe\n+Weg\ndiff --git a/b b/b\n@@ -1 +1 @@\n-\xef\xbf\xbd\n+x\n",
            false,
        );
        assert_eq!(patches.iter().map(|patch| patch.not_utf8).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn what_is_cut_off_is_left_out_and_never_panics() {
        for end in 0..TWO.len() {
            assert!(patches(&TWO.as_bytes()[..end], true).len() < 2);
            patches(&TWO.as_bytes()[end..], false);
        }
        let records = b":1 2 a b R100\0from\0to\0:1 2 a b M\0x\0\0diff";
        let (all, rest) = raw(records);
        assert_eq!((all.len(), rest), (2, &b"diff"[..]));
        for end in 0..records.len() {
            raw(&records[..end]);
        }
    }
}
