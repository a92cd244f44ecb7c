//! Answers that break the border.

use std::fmt::Write as _;

use coditect_protocol::plugin::Capability;

use crate::guest::Guest;
use crate::row::{Comes, HOST_BYTES, MALFORMED, OUTPUT, Row, TRAPPED};

/// A context's document and selection, which are not looked at, and its arguments.
const CONTEXT: &str =
    "(param i32 i32) (param i32 i32 i32 i32 i32 i32 i32) (param i32 i32 i32 i32 i32) (param $at i32) (param $len i32)";
const STEP: &str = "(param i32 i32) (param $at i32) (param $len i32)";
const DOCUMENT: &str = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)";
const TREE: &str = r#"{"type":"separator"}"#;

pub(super) fn rows() -> Vec<Row> {
    [views(), edits(), texts()].into_iter().flatten().collect()
}

fn malformed(told: Vec<String>) -> Vec<(String, Comes)> {
    told.into_iter().map(|told| (told, Comes::Ends(MALFORMED))).collect()
}

fn stores(places: &[(u32, &str)]) -> String {
    places.iter().fold(String::new(), |mut out, (at, value)| {
        write!(out, "(i32.store (i32.const {at}) {value})").unwrap();
        out
    })
}

fn views() -> Vec<Row> {
    // At 1024 the result: a title, the state, the tree.
    let view = |what: &[(u32, &str)]| {
        let tree = [(1048, "(i32.const 2048)"), (1052, "(i32.const 20)")];
        let body = format!("{} {} (i32.const 1024)", stores(&tree), stores(what));
        let handle = r#"(func (export "coditect:plugin/views@1.0.0#handle") (param i32) (result i32) (unreachable))"#;
        let tree = TREE.replace('"', "\\22");
        Guest::of("views", "open", CONTEXT, &body).with(format!("{handle} (data (i32.const 2048) \"{tree}\")"))
    };
    let tree = view(&[(1048, "(local.get $at)"), (1052, "(local.get $len)")]);
    let title = view(&[(1028, "(i32.const 1)"), (1032, "(local.get $at)"), (1036, "(local.get $len)")]);
    let state = view(&[(1040, "(local.get $at)"), (1044, "(local.get $len)")]);
    let column = |inner: &str| format!(r#"{{"type":"column","children":[{inner}]}}"#);
    let deep = |depth: usize| {
        let (open, close) = (r#"{"type":"column","children":["#.repeat(depth), "]}".repeat(depth));
        open + TREE + &close
    };
    let bad = vec![
        "[".repeat(1_000_000),
        deep(1_000_000 / 40),
        deep(40),
        column(&[TREE; 20_000].join(",")),
        column(&[TREE; 6_000].join(",")),
        String::new(),
        "null".to_owned(),
        column(r#"{"type":"script","text":"x"}"#),
        column(r#"{"type":"text","text":"a","onclick":"x"}"#),
        column(r#"{"type":"link","text":"a","path":"../../etc/passwd"}"#),
        column(r#"{"type":"button","id":"a\u0000","text":"a"}"#),
        column(r#"{"type":"code","text":"a","language":"a\" onload=\"x"}"#),
        column(r#"{"type":"progress","percent":1e999}"#),
    ];
    let lines = ["a\nb", "\u{1b}[2J", "\u{202e}txt.exe", "a\0", &"x".repeat(5_000)].map(str::to_owned);
    vec![
        Row::told("view.tree", &tree, malformed(bad)).calm(),
        Row::told("view.title", &title, malformed(lines.into())).calm(),
        Row::told("view.state", &state, malformed(vec!["x".repeat(70_000)])).calm(),
        Row::once("view.plain", &view(&[]), Comes::Done).calm(),
    ]
}

fn edits() -> Vec<Row> {
    let documents = [Capability::Documents { globs: vec!["**".to_owned()] }];
    // The list lies behind what the host hands over.
    let format = |count: &str| {
        let list = stores(&[(1028, "(i32.const 131072)"), (1032, &format!("(i32.const {count})"))]);
        let body = format!("(drop (memory.grow (i32.const 300))) {list} (i32.const 1024)");
        Guest::of("formatters", "format", DOCUMENT, &body)
            .memory(r#"(memory (export "memory") 10) (data (i32.const 16) "sorry")"#)
    };
    // In a text of ten digits and one line.
    let row = |name, ranges: &[[u32; 4]]| {
        let mut data = String::new();
        for range in ranges {
            let parts = range.iter().chain(&[16, 5]).flat_map(|part| part.to_le_bytes());
            parts.for_each(|byte| write!(data, "\\{byte:02x}").unwrap());
        }
        let guest = format(&ranges.len().to_string()).with(format!("(data (i32.const 131072) \"{data}\")"));
        Row::ends(name, &guest, MALFORMED).granted(&documents).calm()
    };
    vec![
        row("edits.overlap", &[[0, 0, 0, 5], [0, 4, 0, 6]]),
        row("edits.within_another", &[[0, 0, 0, 9], [0, 3, 0, 3]]),
        row("edits.reversed", &[[0, 5, 0, 2]]),
        row("edits.behind_the_line", &[[0, 11, 0, 11]]),
        row("edits.behind_the_text", &[[1, 0, 1, 0]]),
        row("edits.largest_numbers", &[[u32::MAX; 4]]),
        row("edits.many", &[[0, 0, 0, 0]; 11_000]),
        Row::ends("edits.too_many", &format("300000"), OUTPUT).granted(&documents).calm(),
        Row::ends("edits.far_too_many", &format("700000"), HOST_BYTES).granted(&documents).calm(),
        Row::ends("edits.more_than_there_are_numbers", &format("-1"), TRAPPED).granted(&documents).calm(),
    ]
}

fn texts() -> Vec<Row> {
    // At 1024 the result: whether it passed, a summary, details, findings; at 2048 one of those.
    let report = |what: &[(u32, &str)]| {
        let body = format!("{} (i32.const 1024)", stores(what));
        Guest::of("build-steps", "run", STEP, &body)
    };
    let summary = report(&[(1032, "(local.get $at)"), (1036, "(local.get $len)")]);
    let one = [(1048, "(i32.const 2048)"), (1052, "(i32.const 1)")];
    let path = report(&[one[0], one[1], (2048, "(local.get $at)"), (2052, "(local.get $len)")]);
    let message = report(&[
        one[0],
        one[1],
        (2048, "(i32.const 16)"),
        (2052, "(i32.const 5)"),
        (2076, "(local.get $at)"),
        (2080, "(local.get $len)"),
    ]);
    let endless = report(&[(1048, "(i32.const 2048)"), (1052, "(i32.const -1)")]);
    // At 1024 the result: a message, edits, a view.
    let command =
        |what: &[(u32, &str)]| Guest::of("commands", "run", CONTEXT, &format!("{} (i32.const 1024)", stores(what)));
    let told = command(&[(1028, "(i32.const 1)"), (1032, "(local.get $at)"), (1036, "(local.get $len)")]);
    let opens = command(&[(1048, "(i32.const 1)"), (1052, "(i32.const 16)"), (1056, "(i32.const 5)")]);
    let edits = command(&[(1040, "(i32.const 2048)"), (1044, "(i32.const 1)")]);
    let active = ["\u{1b}]0;x\u{7}", "\u{202e}txt.exe", "a\0", "\u{2066}a", "\u{9b}2J"].map(str::to_owned);
    let paths = ["../x", "/etc/passwd", "a\0b", "", "a/../../b", &"x/".repeat(3000)].map(str::to_owned);
    let lines = ["a\nb".to_owned(), "x".repeat(2_000)].into_iter().chain(active.clone()).collect();
    vec![
        Row::told("finding.path", &path, malformed(paths.into())).calm(),
        Row::told("finding.message", &message, malformed(active.clone().into())).calm(),
        Row::ends("finding.endless", &endless, TRAPPED).calm(),
        Row::told("report.summary", &summary, malformed(lines)).calm(),
        Row::told("command.message", &told, malformed(active.into())).calm(),
        Row::ends("command.view_of_others", &opens, MALFORMED).calm(),
        Row::ends("command.edits_of_no_text", &edits, MALFORMED).calm(),
    ]
}
