//! Random trees, searched by `rg` and by us: the same files, lines, places and lines around them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use coditect_protocol::search::{ReplaceText, SearchText};
use proptest::prelude::*;
use serde::Deserialize;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::{replace_text, search_text};
use super::somebody;
use crate::search::shown::{shorten, utf16_units};
use crate::tree::{Tree, TreeSettings};

/// How many trees are searched.
const CASES: u32 = 48;

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: serde_json::Value,
}

#[derive(Deserialize)]
struct Lines {
    path: Text,
    lines: Text,
    line_number: u64,
    absolute_offset: usize,
    submatches: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    start: usize,
    end: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Text {
    Text(String),
    Bytes(String),
}

impl Text {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Bytes(text) => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
        }
    }
}

/// What was found in a file: matches by line, column and length, and the lines around them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    matches: Vec<(u64, u32, u32)>,
    context: Vec<(u64, String)>,
    /// Where the matches stand, in bytes from the begin; known of `rg` only.
    places: Vec<std::ops::Range<usize>>,
}

fn options(query: &SearchText) -> Vec<String> {
    let mut args: Vec<String> = ["--json", "--crlf", "--hidden", "-g", "!.git", "--no-config", "--no-messages"]
        .into_iter()
        .chain(["--no-ignore-global", "--no-ignore-parent"])
        .map(str::to_owned)
        .collect();
    args.push(if query.case_sensitive { "-s" } else { "-i" }.to_owned());
    let flags = [
        (!query.regex, "-F"),
        (query.whole_word, "-w"),
        (query.multiline, "-U"),
        (query.include_ignored, "--no-ignore"),
    ];
    args.extend(flags.into_iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag.to_owned()));
    args.extend(query.include.iter().flat_map(|glob| ["-g".to_owned(), glob.clone()]));
    args.push(format!("-B{}", query.lines_before));
    args.push(format!("-A{}", query.lines_after));
    args.extend(["-e".to_owned(), query.query.clone()]);
    args
}

fn by_rg(root: &Path, query: &SearchText) -> Option<BTreeMap<String, Found>> {
    let output = match Command::new("rg").args(options(query)).arg(".").current_dir(root).output() {
        Ok(output) => output,
        Err(error) => {
            crate::needs::missing("rg", format_args!("rg does not run: {error}"));
            return None;
        }
    };
    assert!(output.status.code() != Some(2) || output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut files: BTreeMap<String, Found> = BTreeMap::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Event { kind, data } = serde_json::from_slice(line).unwrap();
        if !matches!(kind.as_str(), "match" | "context") {
            continue;
        }
        let (lines, is_match): (Lines, _) = (serde_json::from_value(data).unwrap(), kind == "match");
        let path = String::from_utf8(lines.path.bytes()).unwrap().trim_start_matches("./").to_owned();
        let found = files.entry(path).or_default();
        let text = lines.lines.bytes();
        if !is_match {
            let line = text.strip_suffix(b"\n").unwrap_or(&text);
            found.context.push((lines.line_number, shorten(line.strip_suffix(b"\r").unwrap_or(line))));
        }
        for place in lines.submatches.iter().filter(|_| is_match) {
            let before = &text[..place.start];
            let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let ends = before.iter().filter(|byte| **byte == b'\n').count() as u64;
            let units = |bytes: &[u8]| u32::try_from(utf16_units(bytes)).unwrap();
            let (column, length) = (units(&before[begin..]) + 1, units(&text[place.start..place.end]));
            found.matches.push((lines.line_number + ends, column, length));
            found.places.push(lines.absolute_offset + place.start..lines.absolute_offset + place.end);
        }
    }
    Some(files)
}

async fn by_us(root: &Path, query: &SearchText) -> BTreeMap<String, Found> {
    let (sink, mut messages) = tokio::sync::mpsc::channel(4);
    let searching = search_text(somebody(), root.to_owned(), query.clone(), CancellationToken::new(), sink);
    let collecting = async {
        let mut files: BTreeMap<String, Found> = BTreeMap::new();
        while let Some(file) = messages.recv().await {
            let found = files.entry(file.path.to_string()).or_default();
            found.matches.extend(file.matches.iter().map(|place| (place.line, place.column, place.length)));
            found.context.extend(file.context.into_iter().map(|line| (line.line, line.text)));
        }
        files
    };
    let (summary, files) = tokio::join!(searching, collecting);
    let count: usize = files.values().map(|found| found.matches.len()).sum();
    assert_eq!(summary.unwrap().matches, count as u64);
    files
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let words = prop_oneof![
        8 => prop::sample::select(vec!["needle", "Needle", "NEEDLES", "hay", " ", "\t", "", "end", "{", "}", "ä", "😀", "a"])
            .prop_map(|word| word.as_bytes().to_vec()),
        1 => Just(vec![0xe4]),
        1 => prop::sample::select(vec![3usize, 500, 70_000]).prop_map(|count| vec![b'x'; count]),
    ];
    let end = prop::sample::select(vec!["\n", "\n", "\n", "\r\n", "\n\n", ""]);
    (prop::collection::vec(words, 0..5), end)
        .prop_map(|(words, end)| [words.concat(), end.as_bytes().to_vec()].concat())
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(line(), 0..12), 0..12_u8).prop_map(|(lines, form)| {
        let text = lines.concat();
        match form {
            0 => [b"\xef\xbb\xbf".as_slice(), &text].concat(),
            1 => String::from_utf8_lossy(&text).encode_utf16().flat_map(u16::to_le_bytes).fold(
                vec![0xff, 0xfe],
                |mut all, byte| {
                    all.push(byte);
                    all
                },
            ),
            // Early: how much of a file counts that turns out to be none of text later differs from one `rg` to the next.
            2 => [&text[..text.len().min(30_000)], b"\0".as_slice(), &text].concat(),
            _ => text,
        }
    })
}

fn files() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop::sample::select(vec!["a", "b.rs", "c.log", ".hidden", "d e", "ä.txt", "target", "sub"]);
    // No folder has a name that a glob here matches: there a glob means what is below, too.
    let folder = prop::sample::select(vec!["a", "sub", "target", ".hidden", "d e"]);
    let path = (prop::collection::vec(folder, 0..3), name).prop_map(|(mut names, name)| {
        names.push(name);
        names.join("/")
    });
    let rule = prop::sample::select(vec![
        "*.log",
        "!c.log",
        "/a",
        "target/",
        "sub/*",
        "!sub/b.rs",
        "**/d e",
        "a/**",
        ".hidden",
        "# nothing",
        "b.r[st]",
        "\\!x",
    ]);
    let rules = prop::collection::vec(rule, 1..4).prop_map(|rules| rules.join("\n").into_bytes());
    let rule_file = prop::sample::select(vec![
        ".gitignore",
        ".ignore",
        ".rgignore",
        "sub/.gitignore",
        ".git/info/exclude",
        "a/.ignore",
    ]);
    let git = prop::option::of(Just((".git/HEAD".to_owned(), Vec::new())));
    let texts = prop::collection::vec((path, content()), 1..10);
    (texts, prop::collection::vec((rule_file.prop_map(str::to_owned), rules), 0..3), git)
        .prop_map(|(texts, rules, git)| texts.into_iter().chain(rules).chain(git).collect())
}

fn query() -> impl Strategy<Value = SearchText> {
    let pattern = prop_oneof![
        prop::sample::select(vec!["needle", "Needle", "ä", "e", "x", "😀", "{"]).prop_map(|text| (text, false, false)),
        prop::sample::select(vec![
            "ne+dle",
            r"needles?\s*$",
            "^needle",
            r"\bhay\b",
            "[a-z]+",
            r"(needle|end)\w*",
            "ä.",
            r"^\s*\S",
            "x{400}"
        ])
        .prop_map(|text| (text, true, false)),
        prop::sample::select(vec![
            r"needle\s+hay",
            r"\{\s*\}",
            r"needle\n",
            r"end\r?\n+\w",
            r"(?s)hay.*?end",
            "needle",
            r"\n\n",
            r"e$\r?\n^h"
        ])
        .prop_map(|text| (text, true, true)),
    ];
    (pattern, any::<[bool; 3]>(), 0..4_u32, 0..4_u32, prop::option::of(Just("*.rs".to_owned()))).prop_map(
        |(
            (query, regex, multiline),
            [case_sensitive, whole_word, include_ignored],
            lines_before,
            lines_after,
            glob,
        )| SearchText {
            query: query.to_owned(),
            regex,
            multiline,
            case_sensitive,
            // Before version 14, `rg` takes parts of words for words where a pattern fits those, too, and of two neighbours
            // without a letter only the first.
            whole_word: whole_word && !regex && query.starts_with(char::is_alphanumeric),
            include_ignored,
            lines_before,
            lines_after,
            // For `rg`, a glob outweighs the rules for ignored files; for us it only leaves out.
            include: glob.into_iter().filter(|_| include_ignored).collect(),
            max_matches: u32::MAX,
            ..SearchText::default()
        },
    )
}

fn lay_out(files: &[(String, Vec<u8>)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        // A name may be wanted as a file and as a folder; who comes first has it.
        if fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.is_dir() {
            let _ = fs::write(path, content);
        }
    }
    dir
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..ProptestConfig::default() })]

    #[test]
    fn finds_what_rg_finds(files in files(), query in query()) {
        let dir = lay_out(&files);
        let Some(mut expected) = by_rg(dir.path(), &query) else { return Ok(()) };
        let found = block_on(by_us(dir.path(), &query));
        for file in expected.values_mut() {
            file.places.clear();
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn replaces_what_rg_finds(files in files(), query in query()) {
        let dir = lay_out(&files);
        let Some(expected) = by_rg(dir.path(), &query) else { return Ok(()) };
        let before: BTreeMap<String, Vec<u8>> =
            expected.keys().map(|path| (path.clone(), fs::read(dir.path().join(path)).unwrap())).collect();
        let (sink, mut messages) = tokio::sync::mpsc::channel(1000);
        let summary = block_on(async {
            let tree = Tree::open(dir.path().to_owned(), TreeSettings::default()).await.unwrap();
            let query = ReplaceText { search: query, replacement: "<>".to_owned(), ..ReplaceText::default() };
            replace_text(somebody(), tree.into(), query, CancellationToken::new(), sink).await.unwrap()
        });
        let mut told: BTreeMap<String, Option<String>> = BTreeMap::new();
        while let Ok(file) = messages.try_recv() {
            told.insert(file.path.to_string(), file.problem.map(|problem| problem.code));
        }
        let failed = told.values().flatten().count() as u64;
        prop_assert_eq!((summary.files, summary.failed), (told.len() as u64 - failed, failed));
        for (path, found) in expected {
            let (was, is) = (&before[&path], fs::read(dir.path().join(&path)).unwrap());
            let Some(problem) = told.remove(&path) else { panic!("{path} was not told") };
            if was.contains(&0) && !was.starts_with(b"\xff\xfe") {
                prop_assert_eq!((problem.as_deref(), &is), (Some("search.binary_file"), was));
            } else {
                prop_assert_eq!(problem, None);
                prop_assert_eq!(is, replaced(was, &found.places));
            }
        }
        prop_assert!(told.is_empty(), "{:?}", told);
    }
}

/// By the places that `rg` tells, which are those in the text as UTF-8, without a mark.
fn replaced(was: &[u8], places: &[std::ops::Range<usize>]) -> Vec<u8> {
    let put = |text: &[u8]| {
        let mut out = text.to_vec();
        for place in places.iter().rev() {
            out.splice(place.clone(), *b"<>");
        }
        out
    };
    if let Some(rest) = was.strip_prefix(b"\xef\xbb\xbf") {
        return [b"\xef\xbb\xbf".as_slice(), &put(rest)].concat();
    }
    let Some(rest) = was.strip_prefix(b"\xff\xfe") else { return put(was) };
    let units: Vec<u16> = rest.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf8(put(String::from_utf16(&units).unwrap().as_bytes())).unwrap();
    [vec![0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat()
}
