//! Searches over real files.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use coditect_protocol::search::TextMatch;
use coditect_protocol::{Coded as _, RelPath};
use tempfile::TempDir;

use super::*;

mod limits;
mod replace;
mod rg;

fn tree(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn somebody() -> UserId {
    UserId(uuid::Uuid::new_v4())
}

/// As [`super::find_files`], each by a person of its own.
async fn find_files(root: PathBuf, query: FindFiles, cancel: CancellationToken) -> Result<FoundPaths, WorkspaceError> {
    super::find_files(somebody(), root, query, cancel).await
}

/// As [`super::search_text`], each by a person of its own.
async fn search_text(
    root: PathBuf,
    query: SearchText,
    cancel: CancellationToken,
    sink: mpsc::Sender<FileMatches>,
) -> Result<SearchSummary, WorkspaceError> {
    super::search_text(somebody(), root, query, cancel, sink).await
}

async fn find(dir: &TempDir, query: FindFiles) -> FoundPaths {
    find_files(dir.path().to_owned(), query, CancellationToken::new()).await.unwrap()
}

async fn collect(
    dir: &TempDir,
    query: SearchText,
) -> Result<(Vec<(String, TextMatch)>, SearchSummary), WorkspaceError> {
    let (sink, mut matches) = mpsc::channel(1);
    let searching = search_text(dir.path().to_owned(), query, CancellationToken::new(), sink);
    let collecting = async {
        let mut all = Vec::new();
        while let Some(file) = matches.recv().await {
            assert!(file.matches.len() <= MAX_MATCHES_PER_MESSAGE);
            all.extend(file.matches.into_iter().map(|found| (file.path.to_string(), found)));
        }
        all.sort_by_key(|(path, found)| (path.clone(), found.line, found.column));
        all
    };
    let (summary, all) = tokio::join!(searching, collecting);
    Ok((all, summary?))
}

fn text(query: &str) -> SearchText {
    SearchText { query: query.to_owned(), ..SearchText::default() }
}

fn rel(path: &str) -> RelPath {
    RelPath::parse(path).unwrap()
}

/// A tree on which the rules for ignored files show their corners.
fn corners() -> TempDir {
    let dir = tree(&[
        (".git/config", "needle"),
        (".git/info/exclude", "excluded.txt\n"),
        (".gitignore", "*.log\n!keep.log\n/build/\ntarget\n# comment\n\\#odd\n[bad\ndeep/**/gone\n"),
        (".hidden/file", "needle"),
        (".env", "needle needle"),
        ("a.log", "needle"),
        ("keep.log", "needle"),
        ("build/out", "needle"),
        ("src/build/out", "needle"),
        ("src/main.rs", "a needle\nno\nNeedle needles\r\nneedle\r\n"),
        ("src/.gitignore", "*.gen\n!special.gen\n"),
        ("src/x.gen", "needle"),
        ("src/special.gen", "needle"),
        ("src/target/y", "needle"),
        ("src/a.log", "needle"),
        ("deep/1/2/gone", "needle"),
        ("deep/1/2/there", "needle"),
        ("excluded.txt", "needle"),
        ("sub/excluded.txt", "needle"),
        (".ignore", "by-ignore\n!b.log\n"),
        ("by-ignore", "needle"),
        ("b.log", "needle"),
        (".rgignore", "by-rg\n"),
        ("by-rg", "needle"),
        ("#odd", "needle"),
        ("nested/.git/HEAD", "needle"),
        ("nested/c.log", "needle in a repository of its own"),
        ("nested/by-ignore", "needle"),
        ("worktree/.git", "gitdir: elsewhere"),
        ("worktree/d.log", "needle"),
        ("name with space/ä.txt", "needle"),
        ("binary", "needle\n\0needle"),
        ("late-binary", &("needle\n".repeat(20000) + "\0")),
    ]);
    std::os::unix::fs::symlink("src/main.rs", dir.path().join("link")).unwrap();
    std::os::unix::fs::symlink("src", dir.path().join("folder-link")).unwrap();
    std::os::unix::fs::symlink(".", dir.path().join("loop")).unwrap();
    dir
}

fn rg(dir: &TempDir, args: &[&str]) -> Option<String> {
    let base = ["--hidden", "-g", "!.git", "--no-ignore-global", "--no-ignore-parent", "--no-config", "--no-messages"];
    match Command::new("rg").args(base).args(args).current_dir(dir.path()).output() {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap()),
        Err(error) => {
            crate::needs::missing("rg", format_args!("rg does not run: {error}"));
            None
        }
    }
}

#[tokio::test]
async fn sees_the_same_files_as_rg() {
    let dir = corners();
    for obey in [true, false] {
        let args: &[&str] = if obey { &["--files"] } else { &["--files", "--no-ignore"] };
        let Some(expected) = rg(&dir, args) else { return };
        let expected: BTreeSet<_> = expected.lines().collect();
        let found = find(&dir, FindFiles { use_ignore_files: obey, ..FindFiles::default() }).await;
        assert_eq!(found.paths.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected, "ignore files: {obey}");
        assert!(expected.len() > 10 && !found.limit_reached);
    }
}

/// As git does, though older versions of rg do not.
#[tokio::test]
async fn rules_may_begin_with_a_byte_order_mark() {
    let dir = tree(&[(".git/HEAD", ""), (".gitignore", "\u{feff}*.log\n.gitignore"), ("a.log", ""), ("b", "")]);
    assert_eq!(find(&dir, FindFiles { use_ignore_files: true, ..FindFiles::default() }).await.paths, ["b"]);
}

#[tokio::test]
async fn finds_the_same_text_as_rg() {
    let dir = corners();
    let cases: [(SearchText, &[&str]); 8] = [
        (text("needle"), &["-i", "-F", "needle"]),
        (SearchText { case_sensitive: true, ..text("needle") }, &["-F", "needle"]),
        (SearchText { whole_word: true, ..text("needle") }, &["-i", "-w", "-F", "needle"]),
        (SearchText { include_ignored: true, ..text("needle") }, &["-i", "--no-ignore", "needle"]),
        (SearchText { regex: true, ..text(r"ne+dle\w?$") }, &["-i", "--crlf", r"ne+dle\w?$"]),
        (SearchText { regex: true, ..text("^(a|no)") }, &["-i", "--crlf", "^(a|no)"]),
        (SearchText { include: vec!["*.rs".to_owned()], ..text("e") }, &["-i", "-g", "*.rs", "e"]),
        (SearchText { exclude: vec!["src".to_owned()], ..text("d") }, &["-i", "-g", "!src", "d"]),
    ];
    for (query, args) in cases {
        let format =
            ["--no-heading", "--with-filename", "--line-number", "--column", "--only-matching", "--color=never"];
        let Some(expected) = rg(&dir, &[&format, args].concat()) else { return };
        // What rg says of binary files is a remark, not a match.
        let mut expected: Vec<_> = expected
            .lines()
            .filter(|line| !line.contains("binary"))
            .map(|line| line.splitn(4, ':').take(3).collect::<Vec<_>>().join(":"))
            .collect();
        expected.sort();
        let (found, _) = collect(&dir, SearchText { max_matches: 1_000_000, ..query.clone() }).await.unwrap();
        let mut found: Vec<_> = found
            .into_iter()
            .filter(|(path, _)| !path.contains("binary"))
            .map(|(path, found)| format!("{path}:{}:{}", found.line, found.column))
            .collect();
        found.sort();
        assert_eq!(found, expected, "{query:?}");
        assert!(!found.is_empty());
    }
}

#[tokio::test]
async fn columns_are_what_the_editor_counts() {
    let dir = tree(&[("astral", "😀ä→needle🦀x needle\n"), ("crlf", "a\r\n  needle\r\n"), ("bom", "\u{feff}needle")]);
    let utf16: Vec<u8> =
        [0xfeffu16].into_iter().chain("ö\nä needle".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    fs::write(dir.path().join("utf16"), utf16).unwrap();
    fs::write(dir.path().join("latin"), b"\xe4\xf6 needle\n").unwrap();
    let (found, summary) = collect(&dir, text("needle")).await.unwrap();
    let brief: Vec<_> =
        found.iter().map(|(path, at)| (path.as_str(), at.line, at.column, at.length, at.text.as_str())).collect();
    assert_eq!(
        brief,
        [
            ("astral", 1, 5, 6, "😀ä→needle🦀x needle"),
            ("astral", 1, 15, 6, "😀ä→needle🦀x needle"),
            ("bom", 1, 1, 6, "needle"),
            ("crlf", 2, 3, 6, "  needle"),
            ("latin", 1, 4, 6, "\u{fffd}\u{fffd} needle"),
            ("utf16", 2, 3, 6, "ä needle"),
        ]
    );
    assert!(found.iter().all(|(_, at)| at.text_column == at.column));
    assert_eq!((summary.files_searched, summary.matches, summary.limit_reached), (5, 6, false));
}

#[tokio::test]
async fn long_lines_are_cut_around_the_match() {
    let line = format!("{}needle{}needle{}", "ä".repeat(5000), "😀".repeat(3000), "x".repeat(5000));
    let dir = tree(&[("long", &line), ("stray", "")]);
    fs::write(dir.path().join("stray"), [&[0x80; 100_000][..], b"needle", &[0x80; 100_000][..]].concat()).unwrap();
    let (found, _) = collect(&dir, text("needle")).await.unwrap();
    let columns: Vec<_> = found.iter().map(|(_, at)| at.column).collect();
    assert_eq!(columns, [5001, 5001 + 6 + 6000, 100_001]);
    for (_, at) in found {
        assert!(at.text.chars().count() <= MAX_TEXT_CHARS * 4 && !at.text.is_empty());
        let units: Vec<u16> = at.text.encode_utf16().collect();
        let start = at.text_column as usize - 1;
        assert_eq!(String::from_utf16(&units[start..start + 6]).unwrap(), "needle");
    }
}

#[tokio::test]
async fn the_limit_of_matches_is_exact() {
    let files: Vec<_> = (0..50).map(|number| (format!("f{number}"), "needle needle\n".repeat(50))).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let dir = tree(&files);
    for (limit, reached) in [(1, true), (777, true), (4999, true), (5000, false), (9999, false)] {
        let (found, summary) = collect(&dir, SearchText { max_matches: limit, ..text("needle") }).await.unwrap();
        let expected = u64::from(limit.min(5000));
        assert_eq!((found.len() as u64, summary.matches, summary.limit_reached), (expected, expected, reached));
    }
}

#[tokio::test]
async fn refuses_malformed_queries() {
    let dir = tree(&[("a", "x")]);
    let check = async |query: SearchText, code: &str, hint: &str| {
        let error = collect(&dir, query).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains(hint), "{error}");
    };
    check(SearchText { regex: true, ..text("a(") }, "search.invalid_pattern", "unclosed group").await;
    check(SearchText { regex: true, ..text(r"(\w{1000}){1000}") }, "search.invalid_pattern", "size limit").await;
    check(SearchText { regex: true, ..text(r"a\nb") }, "search.invalid_pattern", "not allowed").await;
    check(text(&"x".repeat(MAX_PATTERN_BYTES + 1)), "search.invalid_pattern", "longer").await;
    check(SearchText { include: vec!["a[".to_owned()], ..text("x") }, "search.invalid_glob", "a[").await;
    assert_eq!(collect(&dir, text("")).await.unwrap().1, SearchSummary::default());
    let gone = search_text(dir.path().join("gone"), text("x"), CancellationToken::new(), mpsc::channel(1).0).await;
    assert_eq!(gone.unwrap_err().code(), "files.not_found");
}

#[tokio::test]
async fn looks_only_in_the_folders_asked_for() {
    let dir = tree(&[
        (".git/HEAD", ""),
        (".gitignore", "node_modules\n*.log"),
        ("a/x", "needle"),
        ("ab/x", "needle"),
        ("node_modules/m/x", "needle"),
        ("node_modules/m/x.log", "needle"),
        ("b/c/x", "needle"),
    ]);
    let paths = async |folders: &[&str]| {
        let query = SearchText { folders: folders.iter().map(|path| rel(path)).collect(), ..text("needle") };
        collect(&dir, query).await.unwrap().0.into_iter().map(|(path, _)| path).collect::<Vec<_>>()
    };
    assert_eq!(paths(&[]).await, ["a/x", "ab/x", "b/c/x"]);
    assert_eq!(paths(&["a", "b/c"]).await, ["a/x", "b/c/x"]);
    assert_eq!(paths(&["b/c/x"]).await, ["b/c/x"], "a file may be named");
    assert_eq!(paths(&["node_modules/m"]).await, ["node_modules/m/x"], "what is named is searched though ignored");
    assert!(paths(&["nowhere"]).await.is_empty());
    let found = find(&dir, FindFiles { folder: rel("b"), ..FindFiles::default() }).await;
    assert_eq!(found.paths, ["b/c/x"]);
}

#[tokio::test]
async fn files_over_the_size_are_left_out() {
    let dir = tree(&[("small", "needle"), ("large", &"needle\n".repeat(100))]);
    let (found, summary) = collect(&dir, SearchText { max_file_bytes: 6, ..text("needle") }).await.unwrap();
    assert_eq!((found.len(), summary.files_searched), (1, 1));
}

#[tokio::test]
async fn ranks_what_people_mean_first() {
    let dir = tree(&[
        ("src/main.rs", ""),
        ("main/other/module/file.txt", ""),
        ("src/domain/index.ts", ""),
        ("src/MainWindow.tsx", ""),
        ("docs/x.md", ""),
    ]);
    let fuzzy = async |pattern: &str| {
        find(&dir, FindFiles { pattern: pattern.to_owned(), fuzzy: true, ..FindFiles::default() }).await.paths
    };
    assert_eq!(fuzzy("main").await[0], "src/main.rs");
    assert_eq!(fuzzy("main").await.len(), 4);
    assert_eq!(fuzzy("mw").await[0], "src/MainWindow.tsx");
    assert_eq!(fuzzy("MAINWIN").await, ["src/MainWindow.tsx"]);
    assert_eq!(fuzzy("dom index").await, ["src/domain/index.ts"]);
    assert!(fuzzy("zzz").await.is_empty());
    let plain = |pattern: &str| FindFiles { pattern: pattern.to_owned(), ..FindFiles::default() };
    assert_eq!(find(&dir, plain("c/m")).await.paths.len(), 2);
    assert!(find(&dir, plain("mw")).await.paths.is_empty());
    let first = find(&dir, FindFiles { limit: 2, ..plain("") }).await;
    assert_eq!((first.paths, first.limit_reached), (vec!["docs/x.md".to_owned(), "src/main.rs".to_owned()], true));
    let globs = FindFiles { include: vec!["*.ts".to_owned()], exclude: vec!["docs".to_owned()], ..plain("") };
    assert_eq!(find(&dir, globs).await.paths, ["src/domain/index.ts"]);
}

#[tokio::test]
async fn hostile_entries_neither_hang_nor_leak() {
    let dir = tree(&[("work/.git/HEAD", ""), ("work/a", "needle"), ("outside/b", "needle"), ("outside/rules", "a\n")]);
    let work = dir.path().join("work");
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, work.join(name)).unwrap();
    let pipe = |name: &str| {
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(rustix::fs::CWD, work.join(name), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    link("../outside", "out");
    link("../outside/b", "b");
    // Rules are not read through a link: they would tell what is in somebody else's file.
    link("../outside/rules", ".gitignore");
    pipe("pipe");
    pipe(".ignore");
    link("/dev/zero", ".rgignore");
    let query = FindFiles { use_ignore_files: true, ..FindFiles::default() };
    let finding = find_files(work.clone(), query, CancellationToken::new());
    let found = tokio::time::timeout(Duration::from_secs(10), finding).await.unwrap().unwrap();
    assert_eq!(found.paths, ["a"]);
    let (sink, mut matches) = mpsc::channel(10);
    let summary = search_text(work, text("needle"), CancellationToken::new(), sink).await.unwrap();
    assert_eq!((summary.files_searched, summary.matches), (1, 1));
    assert_eq!(matches.recv().await.unwrap().path, rel("a"));
}

/// A folder that is swapped with a link over and over must not show what the link leads to.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_put_in_place_meanwhile_leads_nowhere() {
    let dir = tree(&[("work/real/inner/mine", "needle"), ("outside/inner/stolen", "needle")]);
    let work = dir.path().join("work");
    let done = Arc::new(AtomicBool::new(false));
    let swapping = {
        let (work, done) = (work.clone(), Arc::clone(&done));
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                fs::rename(work.join("real"), work.join("aside")).unwrap();
                std::os::unix::fs::symlink("../outside", work.join("real")).unwrap();
                fs::remove_file(work.join("real")).unwrap();
                fs::rename(work.join("aside"), work.join("real")).unwrap();
            }
        })
    };
    for _ in 0..300 {
        let found = find_files(work.clone(), FindFiles::default(), CancellationToken::new()).await.unwrap();
        assert!(!found.paths.iter().any(|path| path.contains("stolen")), "{found:?}");
        let (sink, mut matches) = mpsc::channel(10);
        search_text(work.clone(), text("needle"), CancellationToken::new(), sink).await.unwrap();
        while let Some(file) = matches.recv().await {
            assert!(!file.path.as_str().contains("stolen"), "{file:?}");
        }
    }
    done.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
}

#[tokio::test]
async fn stops_within_milliseconds() {
    let dir = tree(&[("a/many", &"needle\n".repeat(200_000))]);
    // A sparse file without a match, large enough to be read for seconds.
    fs::File::create(dir.path().join("none")).unwrap().set_len(1 << 36).unwrap();
    let root = dir.path().to_owned();
    let check = async |query: SearchText, read: usize| {
        let cancel = CancellationToken::new();
        let (sink, mut matches) = mpsc::channel(1);
        let searching = tokio::spawn(search_text(root.clone(), query, cancel.clone(), sink));
        for _ in 0..read {
            matches.recv().await.unwrap();
        }
        let start = Instant::now();
        cancel.cancel();
        assert_eq!(searching.await.unwrap().unwrap_err().code(), "call.cancelled");
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    };
    // While it waits for a reader that takes nothing.
    check(SearchText { max_matches: 1_000_000, folders: vec![rel("a")], ..text("needle") }, 2).await;
    // Before it began.
    check(text("needle"), 0).await;
    // When the reader goes away it ends by itself.
    let (sink, matches) = mpsc::channel(1);
    drop(matches);
    let query = SearchText { folders: vec![rel("a")], ..text("needle") };
    let ended = search_text(root.clone(), query, CancellationToken::new(), sink).await.unwrap();
    assert!(ended.matches < 200_000);
}

#[tokio::test]
async fn a_search_that_nobody_reads_ends() {
    let dir = tree(&[("many", &"needle\n".repeat(5000)), ("few", "needle")]);
    let search = |limit: Duration, sink| {
        search_text_within(somebody(), dir.path().to_owned(), text("needle"), CancellationToken::new(), sink, limit)
    };
    let (sink, unread) = mpsc::channel(1);
    let error = search(Duration::from_millis(20), sink).await.unwrap_err();
    assert_eq!(error.code(), "search.stalled");
    drop(unread);
    // One that is read, however much more slowly than it finds, does not.
    let (sink, mut matches) = mpsc::channel::<FileMatches>(1);
    let reading = async {
        let mut count = 0;
        while let Some(file) = matches.recv().await {
            // Other tasks first, each time.
            tokio::task::yield_now().await;
            count += file.matches.len();
        }
        count
    };
    let (summary, count) = tokio::join!(search(Duration::from_secs(20), sink), reading);
    assert_eq!((summary.unwrap().matches, count), (5001, 5001));
}

/// However many searches somebody starts and does not read, others find.
#[tokio::test]
async fn one_persons_searches_do_not_hold_up_anothers() {
    let dir = tree(&[("many", &"needle\n".repeat(5000))]);
    let cancel = CancellationToken::new();
    let greedy = somebody();
    let (sinks, mut unread): (Vec<_>, Vec<_>) = (0..2 * MAX_SEARCHES).map(|_| mpsc::channel(1)).unzip();
    let searches: Vec<_> = sinks
        .into_iter()
        .map(|sink| super::search_text(greedy, dir.path().to_owned(), text("needle"), cancel.clone(), sink))
        .map(tokio::spawn)
        .collect();
    // As many run as may: each has found something.
    let deadline = Instant::now() + Duration::from_secs(20);
    while unread.iter().filter(|matches| !matches.is_empty()).count() < MAX_SEARCHES_PER_PERSON {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    let finding = find_files(dir.path().to_owned(), FindFiles::default(), CancellationToken::new());
    let found = tokio::time::timeout(Duration::from_secs(10), finding).await.unwrap().unwrap();
    assert_eq!(found.paths, ["many"]);
    assert_eq!(unread.iter_mut().filter(|matches| !matches.is_empty()).count(), MAX_SEARCHES_PER_PERSON);
    cancel.cancel();
    for search in searches {
        assert_eq!(search.await.unwrap().unwrap_err().code(), "call.cancelled");
    }
}

#[tokio::test]
async fn a_file_without_an_end_of_line_needs_bounded_memory() {
    let dir = TempDir::new().unwrap();
    let file = fs::File::create(dir.path().join("a")).unwrap();
    let mut file = std::io::BufWriter::new(file);
    for _ in 0..(MAX_LINE_BYTES / 1024 + 2048) {
        std::io::Write::write_all(&mut file, &[b'x'; 1024]).unwrap();
    }
    drop(file);
    fs::write(dir.path().join("b"), "needle").unwrap();
    let (found, summary) = collect(&dir, text("needle")).await.unwrap();
    assert_eq!((found.len(), summary.files_searched), (1, 2));
}

#[tokio::test]
async fn the_number_of_entries_is_bounded() {
    let dir = tree(&[("a", ""), ("b", ""), ("c/d", ""), ("c/e", "")]);
    struct Count(usize);
    impl walk::Visitor for Count {
        fn file(&mut self, _folder: &cap_std::fs::Dir, _name: &str, _path: &str) {
            self.0 += 1;
        }
    }
    for (limit, cut) in [(3, true), (4, true), (5, false)] {
        let stop = Stop::default();
        let walked = walk::Walk {
            root: open_root(dir.path()).unwrap(),
            obey_rules: true,
            filter: globs::PathFilter::new(&[], &[]).unwrap(),
            folders: &[],
            max_entries: limit,
            stop: &stop,
        };
        let (visitors, cut_short) = walk::walk(&walked, || Count(0));
        assert_eq!(cut_short, cut, "{limit}");
        assert!(visitors.iter().map(|count| count.0).sum::<usize>() <= 4);
    }
}
