//! Which paths fit what a person typed, and how well.
//!
//! The words that were typed are matched one by one, each in the file's own name if it can be, else in the whole path; a path with
//! all words in its name comes before any other. A word fits a name well where its letters stand together, but for jumps to the
//! begins of words and humps of camel case; names that it fits well come before those with its letters strewn about. Beyond that
//! counts how well they match, then the length of the path.
//!
//! Names are looked at first. Paths are compared only where too few names match, and of these only those of which the folder has
//! the word's first letters, as far as they go, and the name the others. Once there are enough that fit well, what cannot is left
//! out before the costly comparison.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use coditect_protocol::search::FindFiles;
use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::pattern::MAX_PATTERN_BYTES;
use crate::WorkspaceError;

/// What a word in the name counts over one elsewhere in the path; more than the matcher gives for a word of any length that is
/// typed.
const NAME_BONUS: u32 = 10_000_000;
/// What a word that fits a name well counts over one whose letters are strewn about.
const WELL_BONUS: u32 = 1_000_000;
/// Longest name that is looked at for how well a word fits; a longer one always may.
const MAX_FITTED_BYTES: usize = 64;

/// The characters that a text has, a bit for each group of them; what the wanted ones are not a part of cannot match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Letters(pub(crate) u32);

impl Letters {
    const SEPARATOR: u32 = 1 << 31;

    /// Those of a name or path. A letter beyond ASCII may stand for any: `é` matches `e`.
    pub(crate) fn of(text: &str) -> Self {
        if !text.is_ascii() {
            return Self(u32::MAX);
        }
        Self(text.bytes().fold(0, |letters, byte| letters | Self::bit(byte)))
    }

    /// Those that a text must have to match a word.
    fn wanted_by(word: Utf32Str<'_>) -> Self {
        let ascii = word.chars().filter_map(|letter| u8::try_from(letter).ok()).filter(u8::is_ascii);
        Self(ascii.fold(0, |letters, byte| letters | Self::bit(byte)))
    }

    const fn bit(byte: u8) -> u32 {
        match byte {
            b'a'..=b'z' => 1 << (byte - b'a'),
            b'A'..=b'Z' => 1 << (byte - b'A'),
            b'0'..=b'9' => 1 << 26,
            b'_' => 1 << 27,
            b'-' => 1 << 28,
            b'.' => 1 << 29,
            b'/' => Self::SEPARATOR,
            _ => 1 << 30,
        }
    }

    /// Those of a path, from its folder's and its name's.
    pub(crate) const fn below(self, folder: Self) -> Self {
        Self(self.0 | folder.0 | Self::SEPARATOR)
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in a folder's path and its separator.
    const fn beyond(self, folder: Self) -> Self {
        Self(self.0 & !(folder.0 | Self::SEPARATOR))
    }

    const fn has(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

/// A file, as it is scored.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) folder: &'a str,
    pub(crate) folder_letters: Letters,
    pub(crate) name: &'a str,
    pub(crate) letters: Letters,
}

impl<'a> Candidate<'a> {
    pub(crate) fn of(path: &'a str) -> Self {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Self { folder, folder_letters: Letters::of(folder), name, letters: Letters::of(name) }
    }

    pub(crate) fn path_bytes(&self) -> usize {
        if self.folder.is_empty() { self.name.len() } else { self.folder.len() + 1 + self.name.len() }
    }

    pub(crate) fn write_path(&self, to: &mut String) {
        to.clear();
        to.push_str(self.folder);
        if !self.folder.is_empty() {
            to.push('/');
        }
        to.push_str(self.name);
    }
}

/// A word that was typed.
struct Word {
    atom: Atom,
    letters: Letters,
    /// In small letters, where it is ASCII.
    ascii: Option<Box<[u8]>>,
    /// For `folder/name`: what is to be in the folder's path, and what in the name.
    parts: Option<(Atom, Box<Self>)>,
}

impl Word {
    fn new(atom: Atom) -> Self {
        let text = atom.needle_text().to_string();
        let is_fuzzy = atom.kind == AtomKind::Fuzzy && !atom.negative;
        let parts = text.rsplit_once('/').filter(|(folder, name)| is_fuzzy && !folder.is_empty() && !name.is_empty());
        let part = |text: &str| Atom::new(text, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy, false);
        Self {
            letters: Letters::wanted_by(atom.needle_text()),
            ascii: (is_fuzzy && text.is_ascii()).then(|| text.to_ascii_lowercase().into_bytes().into()),
            parts: parts.map(|(folder, name)| (part(folder), Box::new(Self::new(part(name))))),
            atom,
        }
    }

    /// The letters that the name itself must have, where the word is to be in it.
    fn name_letters(&self) -> Letters {
        self.parts.as_ref().map_or(self.letters, |(_, name)| name.letters)
    }

    /// Whether the name begins with the letters, as far as that is known.
    fn begins(&self, name: &str) -> bool {
        let head =
            |wanted: &[u8]| name.as_bytes().get(..wanted.len()).is_some_and(|head| head.eq_ignore_ascii_case(wanted));
        self.ascii.as_deref().is_none_or(head)
    }

    /// Whether the letters are in the name, in their order. Where that is not known, they may be.
    fn is_within(&self, name: &str) -> bool {
        self.ascii
            .as_deref()
            .filter(|_| name.is_ascii())
            .is_none_or(|wanted| taken(wanted, name.as_bytes()) == wanted.len())
    }

    /// The letters that a name must have for its path to match, below a folder with this path.
    fn missing_below(&self, folder: &str, letters: Letters) -> Letters {
        if self.atom.negative {
            return Letters::default();
        }
        let Some(wanted) = self.ascii.as_deref().filter(|_| folder.is_ascii()) else {
            return self.letters.beyond(letters);
        };
        let rest = &wanted[taken(wanted, folder.as_bytes())..];
        let rest = rest.strip_prefix(b"/").filter(|_| !folder.is_empty()).unwrap_or(rest);
        rest.iter().fold(Letters::default(), |letters, byte| letters.and(Letters(Letters::bit(*byte))))
    }

    /// Whether the letters stand together but for jumps to begins of words. Where that is not known, they may.
    fn fits_well(&self, name: &str) -> bool {
        let Some(wanted) = self.ascii.as_deref().filter(|_| name.is_ascii() && name.len() <= MAX_FITTED_BYTES) else {
            return true;
        };
        let name = name.as_bytes();
        let begins = begins_of_words(name);
        // A bit for each place where the last letter looked at may stand.
        let mut places = u64::MAX;
        for (index, letter) in wanted.iter().enumerate() {
            let behind_first = !(places ^ places.wrapping_sub(1));
            let allowed = if index == 0 { u64::MAX } else { (places << 1) | (begins & behind_first) };
            let here = name.iter().enumerate().filter(|(_, byte)| byte.to_ascii_lowercase() == *letter);
            places = allowed & here.fold(0, |places, (at, _)| places | 1 << at);
            if places == 0 {
                return false;
            }
        }
        true
    }
}

/// How many of the letters, which are small ones, are in a text one behind the other, whatever is in between.
fn taken(wanted: &[u8], text: &[u8]) -> usize {
    let mut taken = 0;
    for byte in text {
        match wanted.get(taken) {
            Some(letter) => taken += usize::from(byte.to_ascii_lowercase() == *letter),
            None => break,
        }
    }
    taken
}

/// A bit for each byte of a name that begins a word: the first, one behind a separator, a capital behind a small letter.
fn begins_of_words(name: &[u8]) -> u64 {
    let mut before = b'/';
    let mut begins = 0;
    for (at, byte) in name.iter().enumerate() {
        let is_hump = byte.is_ascii_uppercase() && !before.is_ascii_uppercase();
        let is_behind = byte.is_ascii_alphanumeric() && !before.is_ascii_alphanumeric();
        let is_number = byte.is_ascii_digit() && !before.is_ascii_digit();
        begins |= u64::from(is_hump || is_behind || is_number) << at;
        before = *byte;
    }
    begins
}

/// How much a file has to offer to be scored at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Demand {
    Any,
    /// All words in its name.
    InName,
    /// And fitting well.
    FitsWell,
    /// The name begins with the one word: nothing scores higher.
    Begins,
}

/// Scores for one query; one for each thread.
#[derive(Clone)]
pub(crate) struct Scorer {
    words: Arc<[Word]>,
    bench: Bench,
    /// The letters that all words need in the name.
    name_letters: Letters,
    /// Absent where more than one word was typed.
    top: Option<Top>,
}

/// What names score that begin with the one word that was typed; no other scores higher.
#[derive(Clone, Copy)]
struct Top {
    word_bytes: usize,
    /// A name that goes on behind it.
    longer: u32,
    /// A name that is the word: the matcher has another measure for texts that are equal.
    itself: u32,
}

impl Top {
    /// What a name scores that begins with the word.
    const fn of(&self, name: &str) -> u32 {
        if name.len() == self.word_bytes { self.itself } else { self.longer }
    }
}

/// What comparing needs beside the words. Apart from them, because counting who holds them for each file costs more than most
/// comparisons, where several threads do.
#[derive(Clone)]
struct Bench {
    names: Matcher,
    paths: Matcher,
    letters: Vec<char>,
    path: String,
    /// The folder that was scored last for a word with parts: its path, the word and the score.
    folder: (String, usize, Option<u16>),
}

impl Scorer {
    pub(crate) fn new(query: &FindFiles) -> Result<Self, WorkspaceError> {
        if query.pattern.len() > MAX_PATTERN_BYTES {
            return Err(WorkspaceError::SearchPattern(format!("it is longer than {MAX_PATTERN_BYTES} bytes.")));
        }
        let text = query.pattern.trim();
        let (case, normalization) = (CaseMatching::Ignore, Normalization::Smart);
        let words = match (text, query.fuzzy) {
            ("", _) => Vec::new(),
            (_, true) => Pattern::new(text, case, normalization, AtomKind::Fuzzy).atoms,
            (_, false) => vec![Atom::new(text, case, normalization, AtomKind::Substring, false)],
        };
        let mut names = Config::DEFAULT.match_paths();
        names.prefer_prefix = true;
        let words: Arc<[Word]> =
            words.into_iter().filter(|word| !word.needle_text().is_empty()).map(Word::new).collect();
        let all =
            |letters: fn(&Word) -> Letters| words.iter().fold(Letters::default(), |all, word| all.and(letters(word)));
        let mut scorer = Self {
            name_letters: all(|word| if word.atom.negative { Letters::default() } else { word.name_letters() }),
            words: Arc::clone(&words),
            bench: Bench {
                names: Matcher::new(names),
                paths: Matcher::new(Config::DEFAULT.match_paths()),
                letters: Vec::new(),
                path: String::new(),
                folder: (String::new(), usize::MAX, None),
            },
            top: None,
        };
        if let [Word { ascii: Some(ascii), parts: None, .. }] = &*words
            && let Ok(itself) = std::str::from_utf8(ascii)
        {
            let mut of = |name: &str| scorer.score(Candidate::of(name), Demand::Any);
            let scores = (of(&format!("{itself}.")), of(itself));
            if let (Some(longer), Some(same)) = scores {
                scorer.top = Some(Top { word_bytes: ascii.len(), longer, itself: same });
            }
        }
        Ok(scorer)
    }

    /// `None` where it does not match, or does not meet the demand.
    pub(crate) fn score(&mut self, file: Candidate<'_>, demand: Demand) -> Option<u32> {
        let bench = &mut self.bench;
        let mut total = 0_u32;
        let mut has_path = false;
        for (index, word) in self.words.iter().enumerate() {
            let score = match bench.score_name(index, word, file, demand) {
                Some(score) => NAME_BONUS + score,
                None if demand > Demand::Any || file.folder.is_empty() => return None,
                None if !file.letters.below(file.folder_letters).has(word.letters) => return None,
                None => {
                    if !has_path {
                        file.write_path(&mut bench.path);
                        has_path = true;
                    }
                    u32::from(word.atom.score(Utf32Str::new(&bench.path, &mut bench.letters), &mut bench.paths)?)
                }
            };
            total = total.saturating_add(score);
        }
        Some(total)
    }

    /// Whether a name that begins with the word is behind the worst that is kept, whatever comparing it gives.
    fn is_behind(&self, file: Candidate<'_>, worst: (Reverse<u32>, usize)) -> bool {
        self.top.is_some_and(|top| (Reverse(top.of(file.name)), file.path_bytes()) > worst)
    }

    /// What a file must offer to be better than one with this score.
    fn demand_to_beat(&self, score: u32) -> Demand {
        let least = |each: u32| each.saturating_mul(u32::try_from(self.words.len()).unwrap_or(u32::MAX));
        if self.top.is_some_and(|top| score >= top.longer) {
            Demand::Begins
        } else if score >= least(NAME_BONUS + WELL_BONUS) {
            Demand::FitsWell
        } else if score >= least(NAME_BONUS) {
            Demand::InName
        } else {
            Demand::Any
        }
    }
}

impl Bench {
    /// How well a word matches the name, or its parts the folder and the name.
    fn score_name(&mut self, index: usize, word: &Word, file: Candidate<'_>, demand: Demand) -> Option<u32> {
        let Some((folder, name)) = &word.parts else {
            if !file.letters.has(word.letters) || (demand == Demand::Begins && !word.begins(file.name)) {
                return None;
            }
            if !word.is_within(file.name) {
                return None;
            }
            let fits_well = word.fits_well(file.name);
            if demand >= Demand::FitsWell && !fits_well {
                return None;
            }
            let score = word.atom.score(Utf32Str::new(file.name, &mut self.letters), &mut self.names)?;
            return Some(u32::from(score) + if fits_well { WELL_BONUS } else { 0 });
        };
        let score = self.score_name(index, name, file, demand)?;
        if (self.folder.0.as_str(), self.folder.1) != (file.folder, index) {
            let found = folder.score(Utf32Str::new(file.folder, &mut self.letters), &mut self.paths);
            self.folder.0.clear();
            self.folder.0.push_str(file.folder);
            (self.folder.1, self.folder.2) = (index, found);
        }
        Some(score + u32::from(self.folder.2?))
    }
}

/// Sorts the best first: high score, then short, then by name.
type Rank = (Reverse<u32>, usize, String);

/// Keeps the best of what one thread finds.
pub(crate) struct Best {
    scorer: Scorer,
    limit: usize,
    /// The worst on top.
    heap: BinaryHeap<Rank>,
    /// Something matched that is not kept.
    dropped: bool,
    /// What a file must offer to be taken in.
    demand: Demand,
    /// The letters that a name must have to be worth a comparison, in the folder that was entered last.
    wanted: Letters,
    path: String,
}

impl Best {
    /// Takes in what meets the demand.
    pub(crate) fn new(scorer: Scorer, limit: usize, demand: Demand) -> Self {
        let (heap, wanted) = (BinaryHeap::new(), Letters::default());
        Self { scorer, limit, heap, dropped: false, demand, wanted, path: String::new() }
    }

    /// Files of this folder are offered from here on.
    pub(crate) fn enter(&mut self, folder: &str, letters: Letters) {
        self.wanted = match self.demand {
            Demand::Any => {
                let missing = self.scorer.words.iter().map(|word| word.missing_below(folder, letters));
                missing.fold(Letters::default(), Letters::and)
            }
            _ => self.scorer.name_letters,
        };
    }

    /// Whether a file with these letters in the folder that was entered need not be offered.
    pub(crate) const fn rules_out(&self, name: Letters) -> bool {
        !name.has(self.wanted)
    }

    /// Takes in a file if it matches, is good enough, and `admits` its path. `extra` is added to its score.
    pub(crate) fn offer(&mut self, file: Candidate<'_>, extra: u32, admits: impl FnOnce(&str) -> bool) {
        let worst = self.heap.peek().filter(|_| self.heap.len() >= self.limit).map(|worst| (worst.0, worst.1));
        // Whether more was left out matters, but not how much.
        let demand = if extra > 0 { Demand::Any } else { self.demand };
        // Where most names begin with what was typed, only the shortest paths are worth a comparison.
        if demand == Demand::Begins && worst.is_some_and(|worst| self.scorer.is_behind(file, worst)) {
            return;
        }
        let Some(score) = self.scorer.score(file, demand) else { return };
        let (score, bytes) = (Reverse(score.saturating_add(extra)), file.path_bytes());
        let is_worse = worst.is_some_and(|worst| (score, bytes) > worst);
        if is_worse && self.dropped {
            return;
        }
        file.write_path(&mut self.path);
        if !admits(&self.path) {
            return;
        }
        self.dropped |= worst.is_some();
        if !is_worse && self.limit > 0 {
            self.heap.push((score, bytes, self.path.clone()));
            if worst.is_some() {
                self.heap.pop();
            }
        }
        // Whether more was left out matters, but not how much.
        if let Some(worst) = self.heap.peek().filter(|_| self.dropped) {
            self.demand = self.scorer.demand_to_beat(worst.0.0);
        }
    }

    /// Whether something was left out because there is better.
    pub(crate) fn is_full(all: &[Self], limit: usize) -> bool {
        all.iter().any(|best| best.dropped) || all.iter().map(|best| best.heap.len()).sum::<usize>() > limit
    }

    /// The best of all threads, and whether there were more.
    pub(crate) fn merge(all: impl IntoIterator<Item = Self>, limit: usize) -> (Vec<String>, bool) {
        let mut ranked: Vec<Rank> = Vec::new();
        let mut dropped = false;
        for best in all {
            dropped |= best.dropped;
            ranked.extend(best.heap);
        }
        dropped |= ranked.len() > limit;
        ranked.sort_unstable();
        ranked.truncate(limit);
        (ranked.into_iter().map(|(_, _, path)| path).collect(), dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The paths in the order in which they come for what was typed.
    fn ranked(typed: &str, paths: &[&str]) -> Vec<String> {
        let query = FindFiles { pattern: typed.to_owned(), fuzzy: true, ..FindFiles::default() };
        let mut best = Best::new(Scorer::new(&query).unwrap(), 100, Demand::Any);
        for path in paths {
            best.offer(Candidate::of(path), 0, |_| true);
        }
        Best::merge([best], 100).0
    }

    #[test]
    fn what_people_mean_comes_first() {
        let check = |typed: &str, expected: &[&str]| {
            let mut backwards: Vec<_> = expected.to_vec();
            backwards.reverse();
            assert_eq!(ranked(typed, &backwards), expected, "{typed}");
        };
        // Names before folders, whole words and begins before letters that are strewn about.
        check("main", &["src/main.rs", "src/domain.rs", "src/amazing.rs", "main/other.rs"]);
        check("index", &["index.ts", "a/b/c/index.ts", "a/reindex.ts", "index/a.ts"]);
        // Humps and initials.
        check("fsw", &["src/FileSystemWatcher.ts", "src/offsetwindow.ts"]);
        check("gsb", &["a/get_status_bar.rs", "a/bigsubset.rs"]);
        // Several words, wherever they are.
        check("dom index", &["src/domain/index.ts"]);
        check("index dom", &["src/domain/index.ts"]);
        check("gsb", &["a/get_status_bar.rs", "a/agersub.rs"]);
        // A path.
        check("src/main", &["src/main.rs", "a/src/main.rs", "main/src/xmain.rs"]);
        check("s/m", &["s/m.rs", "src/m.rs"]);
        check("é", &["é.txt"]);
        check("e", &["e.txt", "é.txt"]);
    }

    #[test]
    fn words_fit_well_together_and_at_humps() {
        let fits = |typed: &str, name: &str| {
            Word::new(Atom::new(typed, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy, false))
                .fits_well(name)
        };
        for (typed, name) in [
            ("main", "domain.rs"),
            ("fsw", "FileSystemWatcher.ts"),
            ("getby", "getElementById"),
            ("gsb", "get_status_bar"),
            ("v2", "api-v2"),
            ("rs", "mod.rs"),
        ] {
            assert!(fits(typed, name), "{typed} {name}");
        }
        for (typed, name) in [("main", "amazing.rs"), ("fsw", "offsetwindow.ts"), ("gte", "getElement")] {
            assert!(!fits(typed, name), "{typed} {name}");
        }
        assert!(fits("x", &"y".repeat(65)) && fits("e", "\u{e9}"), "unknown");
    }

    #[test]
    fn only_so_many_are_kept() {
        let query = FindFiles { pattern: "a".to_owned(), fuzzy: true, ..FindFiles::default() };
        let mut best = Best::new(Scorer::new(&query).unwrap(), 2, Demand::Any);
        for path in ["xa", "b/aa", "a/x", "a", "none"] {
            best.offer(Candidate::of(path), 0, |path| path != "a");
        }
        assert_eq!(Best::merge([best], 2), (vec!["b/aa".to_owned(), "xa".to_owned()], true));
    }

    proptest! {
        /// What is left out by its folder and its letters would not have matched.
        #[test]
        fn a_folder_leaves_out_nothing_that_matches(path in "[a-cA-C0é_./-]{1,12}", typed in "[a-cA-Cé/ ]{1,4}") {
            let query = FindFiles { pattern: typed, fuzzy: true, ..FindFiles::default() };
            let (mut scorer, file) = (Scorer::new(&query).unwrap(), Candidate::of(&path));
            let mut best = Best::new(scorer.clone(), 1, Demand::Any);
            best.enter(file.folder, file.folder_letters);
            if scorer.score(file, Demand::Any).is_some() {
                prop_assert!(!best.rules_out(file.letters));
            }
        }

        /// What is left out because there is better is none of the best.
        #[test]
        fn the_best_are_those_of_all(
            paths in proptest::collection::btree_set("([abA]{1,3}/){0,2}[abAB_.]{1,5}", 1..60), typed in "[ab]{1,3}", limit in 1_usize..5,
        ) {
            let query = FindFiles { pattern: typed, fuzzy: true, ..FindFiles::default() };
            let mut scorer = Scorer::new(&query).unwrap();
            let scored = paths.iter().filter_map(|path| {
                let score = scorer.score(Candidate::of(path), Demand::Any)?;
                Some((Reverse(score), path.len(), path.clone()))
            });
            let mut all: Vec<Rank> = scored.collect();
            all.sort_unstable();
            let mut best = Best::new(scorer.clone(), limit, Demand::Any);
            for path in &paths {
                best.offer(Candidate::of(path), 0, |_| true);
            }
            let more = all.len() > limit;
            all.truncate(limit);
            let expected: Vec<_> = all.into_iter().map(|(_, _, path)| path).collect();
            prop_assert_eq!(Best::merge([best], limit), (expected, more));
        }

        /// What is left out by its letters would not have matched.
        #[test]
        fn letters_leave_out_nothing_that_matches(path in "[a-cA-C0-2é_./-]{1,12}", typed in "[a-cA-C0-2éè_./-]{1,3}") {
            let atom = Atom::new(&typed, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy, false);
            let mut buffer = Vec::new();
            let text = Utf32Str::new(&path, &mut buffer);
            if atom.score(text, &mut Matcher::new(Config::DEFAULT.match_paths())).is_some() {
                prop_assert!(Letters::of(&path).has(Letters::wanted_by(atom.needle_text())));
            }
        }
    }
}
