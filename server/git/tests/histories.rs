//! Random histories, with merges, renames and odd names, told as `git` itself tells them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod common;

use coditect_protocol::git::*;
use common::{Bench, isolated, path};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;

/// Histories that are compared; more with the variable `CODITECT_GIT_CASES`.
const CASES: u64 = 100;

const NAMES: &[&str] = &["a", "b c", "dir/ä", "dir/x/-n", "dir/y\"q", "[glob]*", "dir2/\u{1f600}"];

struct History {
    random: StdRng,
    bench: Bench,
    time: u64,
}

impl History {
    async fn new(seed: u64) -> Self {
        let mut history =
            Self { random: StdRng::seed_from_u64(seed), bench: Bench::with_repository().await, time: 1_700_000_000 };
        history.grow();
        history
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.random.random_range(0..all.len())]
    }

    /// Runs `git` at a time of its own, so that the order of commits is certain.
    fn git(&mut self, args: &[&str]) -> bool {
        self.time += 60;
        let date = format!("{} +0100", self.time);
        let mut command = isolated("git", self.bench.folder.path());
        command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date).args(args);
        command.as_std_mut().output().unwrap().status.success()
    }

    fn change(&mut self) {
        let name = self.one_of(NAMES);
        let file = self.bench.work().join(name);
        match self.random.random_range(0..6) {
            0 => drop(std::fs::remove_file(&file)),
            1 => {
                let to = self.bench.work().join(self.one_of(NAMES));
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                let _ = std::fs::rename(&file, to);
            }
            2 => self.bench.write(name, [0, 1, 2, self.random.random()]),
            _ => {
                let mut lines: Vec<String> =
                    std::fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned).collect();
                for _ in 0..self.random.random_range(1..8) {
                    let at = self.random.random_range(0..=lines.len());
                    match lines.len() > 20 || (at < lines.len() && self.random.random_bool(0.3)) {
                        true => drop(lines.remove(at.min(lines.len() - 1))),
                        false => lines.insert(at, format!("line {}", self.random.random_range(0..9))),
                    }
                }
                let end = if self.random.random_bool(0.8) { "\n" } else { "" };
                self.bench.write(name, lines.join("\n") + end);
            }
        }
    }

    fn grow(&mut self) {
        let steps = self.random.random_range(4..14);
        for step in 0..steps {
            self.change();
            self.change();
            self.git(&["add", "-A"]);
            self.git(&["commit", "-q", "--allow-empty", "-m", &format!("Step {step}\n\nbody\n# {step}")]);
            match self.random.random_range(0..5) {
                0 => drop(self.git(&["switch", "-q", "-c", &format!("b{step}")])),
                1 => drop(self.git(&["switch", "-q", "main"])),
                2 => {
                    let branch = format!("b{}", self.random.random_range(0..=step));
                    if !self.git(&["merge", "-q", "--no-edit", &branch]) {
                        self.git(&["add", "-A"]);
                        self.git(&["commit", "-q", "--no-edit"]);
                    }
                }
                3 => drop(self.git(&["tag", "-f", "-m", "tag", "marked"])),
                _ => {}
            }
        }
        // What is not committed.
        for _ in 0..self.random.random_range(0..4) {
            self.change();
            if self.random.random_bool(0.5) {
                self.git(&["add", "-A"]);
            }
        }
        if self.random.random_bool(0.3) {
            let last = format!("b{}", self.random.random_range(0..steps));
            self.git(&["merge", "-q", "--no-edit", &last]);
        }
    }

    async fn log(&mut self) {
        let all = LogRequest { all: true, ..LogRequest::default() };
        let expected = self.bench.git(&["log", "--format=%H", "--all"]);
        assert_eq!(self.bench.log(all).await, expected.lines().collect::<Vec<_>>());
        let GitReply::Log(log) = self.bench.ok(GitRequest::Log(LogRequest::default())).await else { panic!() };
        let expected = self.bench.git(&["log", "--format=%H|%P|%an|%ae|%at|%cn|%ct|%s"]);
        let told: Vec<_> = log.commits.iter().map(line).collect();
        assert_eq!(told, expected.lines().collect::<Vec<_>>());
        for name in NAMES.iter().chain(&["dir", "dir/x"]) {
            let request = LogRequest { path: Some(path(name)), ..LogRequest::default() };
            let is_folder = !self.bench.git(&["--literal-pathspecs", "ls-tree", "-d", "HEAD", name]).is_empty();
            let follow = if is_folder { "--no-follow" } else { "--follow" };
            let expected = self.bench.git(&["--literal-pathspecs", "log", "--format=%H", follow, "--", name]);
            assert_eq!(self.bench.log(request).await, expected.lines().collect::<Vec<_>>(), "{name}");
        }
        let page =
            LogRequest { skip: 1, limit: 2, search: "STEP line 1".replace(" line 1", ""), ..LogRequest::default() };
        let expected = self.bench.git(&["log", "--format=%H", "--skip=1", "-n2", "-i", "--grep=step"]);
        assert_eq!(self.bench.log(page).await, expected.lines().collect::<Vec<_>>());
    }

    async fn status(&mut self) {
        let status = self.bench.status().await;
        let output = self.bench.git(&["status", "--porcelain=v1", "-z", "-uall"]);
        let mut expected = BTreeMap::new();
        let mut records = output.split('\0').filter(|record| !record.is_empty());
        while let Some(record) = records.next() {
            let (state, name) = record.split_at(3);
            let from = state.starts_with('R').then(|| records.next().unwrap().to_owned());
            expected.insert(name.to_owned(), (state.trim_end_matches(' ').to_owned(), from));
        }
        let told: BTreeMap<_, _> = status
            .entries
            .iter()
            .map(|entry| {
                let from = entry.from.as_ref().map(ToString::to_string);
                (entry.path.to_string(), (letters(entry).trim_end().to_owned(), from))
            })
            .collect();
        assert_eq!(told, expected);
    }

    async fn details(&mut self) {
        for id in self.bench.log(LogRequest::default()).await {
            let GitReply::Commit(details) = self.bench.ok(GitRequest::CommitDetails { revision: id.clone() }).await
            else {
                panic!()
            };
            let before = format!("{id}^1");
            let before =
                if details.commit.parents.is_empty() { "4b825dc642cb6eb9a060e54bf8d69288fbee4904" } else { &before };
            let counts = self.bench.git(&["diff-tree", "-r", "-M", "-z", "--numstat", "--no-renames", before, &id]);
            let lines: usize = counts.split('\0').filter(|field| !field.is_empty()).count();
            let renames = details.files.iter().filter(|file| file.change == GitChange::Renamed).count();
            assert_eq!(details.files.len() + renames, lines, "{id}");
        }
    }

    async fn blame(&mut self) {
        for name in
            self.bench.git(&["ls-tree", "-rz", "--name-only", "HEAD"]).split('\0').filter(|name| !name.is_empty())
        {
            let request = GitRequest::Blame { path: path(name), revision: Some("HEAD".to_owned()) };
            let GitReply::Blame(blame) = self.bench.ok(request).await else { panic!() };
            let expected = self.bench.git(&["blame", "-l", "-s", "--root", "HEAD", "--", name]);
            let expected: Vec<_> = expected.lines().map(|line| line[..40].to_owned()).collect();
            let told: Vec<_> = blame
                .spans
                .iter()
                .flat_map(|span| {
                    let id = blame.commits[span.commit.unwrap() as usize].id.clone();
                    std::iter::repeat_n(id, span.lines as usize)
                })
                .collect();
            assert_eq!(told, expected, "{name}");
        }
    }

    /// Each difference, put together again, takes one version to the other.
    async fn diff(&mut self) {
        let head = || Version::Revision("HEAD".to_owned());
        let first = Version::Revision(
            self.bench.git(&["rev-list", "--max-parents=0", "HEAD"]).lines().next().unwrap().to_owned(),
        );
        for (from, to) in [(first, head()), (Version::Empty, head()), (head(), Version::Empty)] {
            let request = GitRequest::Diff { from: from.clone(), to: to.clone(), paths: Vec::new(), context: 3 };
            let GitReply::Diff(diff) = self.bench.ok(request).await else { panic!() };
            let id = |version: &Version| match version {
                Version::Revision(revision) => revision.clone(),
                _ => "4b825dc642cb6eb9a060e54bf8d69288fbee4904".to_owned(),
            };
            let expected = self.bench.git(&["diff", "--full-index", "-M", &id(&from), &id(&to)]);
            let texts: BTreeMap<_, _> = diff
                .files
                .iter()
                .map(|file| {
                    let hunks: String = file.hunks.iter().map(|hunk| hunk.text.as_str()).collect();
                    (file.header.clone() + &hunks, ())
                })
                .collect();
            let mut rest = expected;
            for text in texts.keys() {
                assert!(rest.contains(text.as_str()), "{text}");
                rest = rest.replacen(text.as_str(), "", 1);
            }
            assert_eq!(rest, "");
        }
    }
}

fn line(commit: &GitCommit) -> String {
    let GitCommit { id, parents, author, authored_at, committer, committed_at, summary, .. } = commit;
    let (authored, committed) = (authored_at / 1000, committed_at / 1000);
    format!(
        "{id}|{}|{}|{}|{authored}|{}|{committed}|{summary}",
        parents.join(" "),
        author.name,
        author.email,
        committer.name
    )
}

/// The two letters of `git status --short`.
fn letters(entry: &GitEntry) -> String {
    let letter = |change| match change {
        GitChange::Unmodified => ' ',
        GitChange::Added => 'A',
        GitChange::Modified => 'M',
        GitChange::Deleted => 'D',
        GitChange::Renamed => 'R',
        GitChange::Copied => 'C',
        GitChange::TypeChanged => 'T',
        GitChange::Untracked => '?',
    };
    match entry.conflict {
        Some(conflict) => match conflict {
            GitConflict::BothModified => "UU",
            GitConflict::BothAdded => "AA",
            GitConflict::BothDeleted => "DD",
            GitConflict::AddedByUs => "AU",
            GitConflict::AddedByThem => "UA",
            GitConflict::DeletedByUs => "DU",
            GitConflict::DeletedByThem => "UD",
        }
        .to_owned(),
        None if entry.work_tree == GitChange::Untracked => "??".to_owned(),
        None => [letter(entry.index), letter(entry.work_tree)].iter().collect(),
    }
}

async fn compare(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        eprintln!("seed {seed}");
        let mut history = History::new(seed).await;
        history.log().await;
        history.status().await;
        history.details().await;
        history.blame().await;
        history.diff().await;
    }
}

fn cases() -> u64 {
    std::env::var("CODITECT_GIT_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(CASES)
}

#[tokio::test]
async fn the_first_half_is_told_as_git_tells_them() {
    compare(0..cases() / 2).await;
}

#[tokio::test]
async fn the_other_half_is_told_as_git_tells_them() {
    compare(cases() / 2..cases()).await;
}
