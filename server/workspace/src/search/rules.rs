//! `.gitignore`, `.ignore`, `.rgignore` and `.git/info/exclude`: which files count as ignored.
//!
//! The order of precedence is ripgrep's. The files are read by [`super::walk`], confined like all others.
//!
//! A short line can take thousands of times its size once it is compiled. So what is read and what is held is bounded
//! ([`RulesBudget`]); rules beyond that are not obeyed, and the search says that it reached a limit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cap_std::fs::Dir;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::walk::{open_folder, read_small};

/// Bytes of one file of rules that are obeyed.
pub const MAX_RULES_FILE_BYTES: usize = 128 * 1024;
/// Bytes of files of rules that one walk reads.
pub const MAX_RULES_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that the compiled rules which one walk holds at once take, about.
pub const MAX_COMPILED_RULES_BYTES: usize = 64 * 1024 * 1024;

/// What a file of rules takes, about, before its first line.
const FILE_BYTES: usize = 2 * 1024;
/// What a line without wildcards takes, about, and each of its bytes.
const PLAIN_LINE_BYTES: usize = 256;
const PLAIN_BYTE_BYTES: usize = 32;
/// What a line with wildcards takes at most, about, and each of its bytes: some become an automaton of their own.
const WILD_LINE_BYTES: usize = 10 * 1024;
const WILD_BYTE_BYTES: usize = 128;
/// What a file with wildcards takes, about, to remember the states that it was in.
const STATES_BYTES: usize = 256 * 1024;
/// The same, where lines can have the automaton be in very many states: as many as it keeps before it starts over.
const MANY_STATES_BYTES: usize = 16 * 1024 * 1024;
/// So many wildcards for one character behind one for many double the states that often.
const MANY_SINGLE_WILDCARDS: usize = 8;
/// So many lines with several wildcards for many characters do the same together.
const MANY_OPEN_LINES: usize = 16;

/// Names that matter to [`Rules::enter`].
#[derive(Default)]
pub(crate) struct Marks {
    git: bool,
    gitignore: bool,
    ignore: bool,
    rgignore: bool,
}

impl Marks {
    pub(crate) fn note(&mut self, name: &str) {
        match name {
            ".git" | ".jj" => self.git = true,
            ".gitignore" => self.gitignore = true,
            ".ignore" => self.ignore = true,
            ".rgignore" => self.rgignore = true,
            _ => {}
        }
    }

    /// Looks for those names, where nobody lists the folder.
    fn of(folder: &Dir) -> Self {
        let mut marks = Self::default();
        for name in [".git", ".jj", ".gitignore", ".ignore", ".rgignore"] {
            if folder.symlink_metadata(name).is_ok() {
                marks.note(name);
            }
        }
        marks
    }

    const fn any(&self) -> bool {
        self.git || self.gitignore || self.ignore || self.rgignore
    }
}

/// What the rules of one walk may take.
#[derive(Default)]
pub(crate) struct RulesBudget {
    read: AtomicUsize,
    compiled: AtomicUsize,
    cut: AtomicBool,
}

impl RulesBudget {
    /// Whether there are rules that are not obeyed, because they were too many.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    /// The lines of a file of rules, as many as may be obeyed.
    fn read(&self, folder: &Dir, name: &str) -> Option<Vec<u8>> {
        if self.read.load(Ordering::Relaxed) >= MAX_RULES_BYTES {
            self.cut();
            return None;
        }
        let mut bytes = read_small(folder, name, MAX_RULES_FILE_BYTES as u64 + 1)?;
        self.read.fetch_add(bytes.len(), Ordering::Relaxed);
        if bytes.len() > MAX_RULES_FILE_BYTES {
            self.cut();
            // Half a line would be another rule.
            bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or_default());
        }
        Some(bytes)
    }
}

/// What the compiled rules of a folder take of a budget, until they go.
struct Charge {
    budget: Arc<RulesBudget>,
    bytes: usize,
}

impl Charge {
    fn take(&mut self, bytes: usize) -> bool {
        let more = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= MAX_COMPILED_RULES_BYTES);
        let taken = self.budget.compiled.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if taken {
            self.bytes += bytes;
        } else {
            self.budget.cut();
        }
        taken
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.compiled.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Tells what the lines of one file take once they are compiled, about.
#[derive(Default)]
struct Cost {
    has_wildcards: bool,
    has_many_states: bool,
    open_lines: usize,
}

impl Cost {
    fn of(&mut self, line: &str) -> usize {
        if line.starts_with('#') || line.trim().is_empty() {
            return 0;
        }
        let pattern = line.strip_prefix('!').unwrap_or(line);
        // Ends of names need no automaton.
        let rest = pattern.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(pattern);
        if !rest.contains(['*', '?', '[', '{', '\\']) {
            return PLAIN_LINE_BYTES + line.len() * PLAIN_BYTE_BYTES;
        }
        let mut bytes = WILD_LINE_BYTES + line.len() * WILD_BYTE_BYTES;
        if !std::mem::replace(&mut self.has_wildcards, true) {
            bytes += STATES_BYTES;
        }
        let behind = pattern.split_once('*').map_or("", |(_, behind)| behind);
        self.open_lines += usize::from(behind.trim_start_matches('*').contains('*'));
        let has_many_states =
            behind.matches(['?', '[']).count() >= MANY_SINGLE_WILDCARDS || self.open_lines >= MANY_OPEN_LINES;
        if has_many_states && !std::mem::replace(&mut self.has_many_states, true) {
            bytes += MANY_STATES_BYTES;
        }
        bytes
    }
}

/// The rules of a folder and, through `parent`, of those above it.
#[derive(Default)]
pub(crate) struct Rules {
    parent: Option<Arc<Rules>>,
    _charge: Option<Charge>,
    /// A repository begins here: git's rules from above do not reach below.
    has_git: bool,
    /// Here or above there is a repository; git's rules hold only in one.
    in_git: bool,
    rgignore: Option<Gitignore>,
    ignore: Option<Gitignore>,
    gitignore: Option<Gitignore>,
    exclude: Option<Gitignore>,
}

impl Rules {
    /// The rules of a folder below one with the rules `above`.
    pub(crate) fn enter(
        above: &Arc<Self>,
        folder: &Dir,
        path: &str,
        marks: &Marks,
        budget: &Arc<RulesBudget>,
    ) -> Arc<Self> {
        if !marks.any() {
            return Arc::clone(above);
        }
        let mut charge = Charge { budget: Arc::clone(budget), bytes: 0 };
        let mut read = |wanted: bool, name: &str| if wanted { load(folder, path, name, &mut charge) } else { None };
        // Git's rules outside any repository hold for nothing, and compiling them is what costs most.
        let in_git = above.in_git || marks.git;
        let rgignore = read(marks.rgignore, ".rgignore");
        let ignore = read(marks.ignore, ".ignore");
        let gitignore = read(marks.gitignore && in_git, ".gitignore");
        let exclude = read(marks.git, ".git/info/exclude");
        let parent = Some(Arc::clone(above));
        Arc::new(Self {
            parent,
            _charge: Some(charge),
            has_git: marks.git,
            in_git,
            rgignore,
            ignore,
            gitignore,
            exclude,
        })
    }

    /// Whether the rules leave out what lies at `path`.
    pub(crate) fn ignores(&self, path: &str, is_folder: bool) -> bool {
        let path = Path::new("/").join(path);
        let mut verdicts = [None; 4];
        let mut left_repository = false;
        let mut level = Some(self);
        while let Some(rules) = level {
            let git = self.in_git && !left_repository;
            let sources =
                [(true, &rules.rgignore), (true, &rules.ignore), (git, &rules.gitignore), (git, &rules.exclude)];
            for (verdict, (holds, source)) in verdicts.iter_mut().zip(sources) {
                if verdict.is_none() && holds {
                    *verdict = source.as_ref().and_then(|source| judge(source, &path, is_folder));
                }
            }
            left_repository |= rules.has_git;
            level = rules.parent.as_deref();
        }
        verdicts.into_iter().flatten().next().unwrap_or(false)
    }
}

fn judge(rules: &Gitignore, path: &Path, is_folder: bool) -> Option<bool> {
    match rules.matched(path, is_folder) {
        Match::None => None,
        Match::Ignore(_) => Some(true),
        Match::Whitelist(_) => Some(false),
    }
}

fn load(folder: &Dir, path: &str, name: &str, charge: &mut Charge) -> Option<Gitignore> {
    let bytes = charge.budget.read(folder, name)?;
    if !charge.take(FILE_BYTES) {
        return None;
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut builder = GitignoreBuilder::new(Path::new("/").join(path));
    let mut cost = Cost::default();
    for line in text.trim_start_matches('\u{feff}').lines() {
        if !charge.take(cost.of(line)) {
            break;
        }
        // A malformed line is skipped, as git does.
        drop(builder.add_line(None, line));
    }
    builder.build().ok().filter(|rules| !rules.is_empty())
}

/// The rules below a root as they are now, for who looks at single paths. Those of the last folder stay, with those above it:
/// paths that are asked for in their order read each file once.
pub(crate) struct RulesNow<'a> {
    root: &'a Dir,
    budget: Arc<RulesBudget>,
    folder: String,
    /// Of `folder` and those above it, the root first: where its path ends in `folder`.
    levels: Vec<(usize, Arc<Rules>)>,
}

impl<'a> RulesNow<'a> {
    pub(crate) fn new(root: &'a Dir) -> Self {
        Self { root, budget: Arc::default(), folder: String::new(), levels: Vec::new() }
    }

    /// The rules that hold in a folder.
    pub(crate) fn inside(&mut self, folder: &str) -> Arc<Rules> {
        while let Some((end, _)) = self.levels.last()
            && !is_within(folder, &self.folder[..*end])
        {
            self.levels.pop();
        }
        folder.clone_into(&mut self.folder);
        let known = self.levels.last().map(|(end, _)| *end);
        let mut ends: Vec<_> = folder.match_indices('/').map(|(end, _)| end).collect();
        ends.push(folder.len());
        if known.is_none() && !folder.is_empty() {
            self.enter(0);
        }
        for end in ends.into_iter().filter(|end| known.is_none_or(|known| *end > known)) {
            self.enter(end);
        }
        self.levels.last().map(|(_, rules)| Arc::clone(rules)).unwrap_or_default()
    }

    /// The rules that hold for a folder; `None` where they leave it out.
    pub(crate) fn above(&mut self, folder: &str) -> Option<Arc<Rules>> {
        if folder.is_empty() {
            return Some(Arc::default());
        }
        let rules = self.inside(folder.rsplit_once('/').map_or("", |(above, _)| above));
        (!rules.ignores(folder, true)).then_some(rules)
    }

    /// Whether some rules were too many to be obeyed.
    pub(crate) fn is_cut(&self) -> bool {
        self.budget.is_cut()
    }

    fn enter(&mut self, end: usize) {
        let above = self.levels.last().map(|(_, rules)| Arc::clone(rules)).unwrap_or_default();
        let path = &self.folder[..end];
        let rules = match open_folder(self.root, path) {
            Some(folder) => Rules::enter(&above, &folder, path, &Marks::of(&folder), &self.budget),
            None => above,
        };
        self.levels.push((end, rules));
    }
}

fn is_within(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_a_line_takes_shows_in_it() {
        let of = |lines: &[&str]| {
            let mut cost = Cost::default();
            lines.iter().map(|line| cost.of(line)).sum::<usize>()
        };
        assert_eq!(of(&["# *?", "", "  "]), 0);
        let plain = |line: &str| of(&[line]) < WILD_LINE_BYTES;
        assert!(plain("target") && plain("!/a/b/") && plain("*.log") && !plain("a*") && !plain("*.[oa]"));
        assert!((STATES_BYTES..2 * STATES_BYTES).contains(&of(&["a*", "[Bb]in", "*.py[cod]", "**/x/*"])));
        assert!(of(&["*a????????"]) > MANY_STATES_BYTES && of(&["????????"]) < 2 * STATES_BYTES);
        assert!(of(&["*a*b"; MANY_OPEN_LINES]) > MANY_STATES_BYTES && of(&["*a*b"; 5]) < 2 * STATES_BYTES);
    }

    #[test]
    fn rules_are_read_as_they_are_now() {
        let dir = tempfile::TempDir::new().unwrap();
        let root = Dir::open_ambient_dir(dir.path(), cap_std::ambient_authority()).unwrap();
        for folder in ["a/b/c", "a/bc", ".git"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        fs::write(dir.path().join(".gitignore"), "*.log\n/a/bc\n").unwrap();
        fs::write(dir.path().join("a/b/.ignore"), "!keep.log\nx\n").unwrap();
        let mut now = RulesNow::new(&root);
        let mut ignores = |folder: &str, name: &str| {
            let path = format!("{folder}/{name}");
            now.inside(folder).ignores(path.trim_start_matches('/'), false)
        };
        let asked = ["", "a/b/c", "a/b", "a/bc", "gone/x", "a/b/c", "a"];
        let told = asked.map(|folder| [ignores(folder, "a.log"), ignores(folder, "keep.log"), ignores(folder, "x")]);
        let (inside, outside) = ([true, false, true], [true, true, false]);
        assert_eq!(told, [outside, inside, inside, outside, outside, inside, outside]);
        assert!(now.above("a/bc").is_none() && now.above("a/b").is_some() && now.above("").is_some());
        assert_eq!(now.levels.len(), 2, "only the last folder's");
        fs::remove_file(dir.path().join("a/b/.ignore")).unwrap();
        assert!(RulesNow::new(&root).inside("a/b").ignores("a/b/keep.log", false));
    }

    #[test]
    fn a_budget_comes_back() {
        let dir = tempfile::TempDir::new().unwrap();
        let root = Dir::open_ambient_dir(dir.path(), cap_std::ambient_authority()).unwrap();
        fs::write(dir.path().join(".ignore"), "*a????????\nx").unwrap();
        let (budget, marks) = (Arc::<RulesBudget>::default(), Marks::of(&root));
        let enter = |above: &Arc<Rules>| Rules::enter(above, &root, "", &marks, &budget);
        let mut level = enter(&Arc::default());
        assert!(budget.compiled.load(Ordering::Relaxed) > MANY_STATES_BYTES);
        for _ in 0..3 {
            level = enter(&level);
        }
        assert!(budget.is_cut() && budget.compiled.load(Ordering::Relaxed) <= MAX_COMPILED_RULES_BYTES);
        drop(level);
        assert_eq!(budget.compiled.load(Ordering::Relaxed), 0);
    }
}
