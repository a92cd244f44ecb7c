//! What is handed over to the host and what it is asked: too large, too often, and not as the ABI has it.

use std::sync::atomic::Ordering;

use coditect_protocol::plugin::Capability;

use crate::guest::Guest;
use crate::row::{CPU, Comes, HOST_BYTES, HOST_CALLS, OUTPUT, Reader, Row, TRAPPED, digit};
use crate::world::World;

/// 8 MiB at 65536: short words, as a path and as names. `$big` is their length.
const WORDS: &str = "(local $n i32) (drop (memory.grow (i32.const 200))) (local.set $n (i32.const 8))
    (i64.store (i32.const 65536) (i64.const PATTERN))
    (loop $double
        (memory.copy (i32.add (i32.const 65536) (local.get $n)) (i32.const 65536) (local.get $n))
        (local.set $n (i32.shl (local.get $n) (i32.const 1)))
        (br_if $double (i32.lt_u (local.get $n) (i32.const 8388608))))";

/// Ten globs of this length are as much as a search may have.
const GLOB_BYTES: usize = 400;

pub(super) fn rows() -> Vec<Row> {
    [large(), lists(), answers(), abi(), floods(), wasi()].into_iter().flatten().collect()
}

fn globs(globs: &[&str]) -> Vec<String> {
    globs.iter().map(|&glob| glob.to_owned()).collect()
}

fn everything() -> Vec<Capability> {
    vec![
        Capability::FilesRead { globs: globs(&["**"]) },
        Capability::FilesWrite { globs: globs(&["**"]) },
        Capability::Search { globs: globs(&["**"]) },
        Capability::Http { hosts: globs(&["example.com"]), private: false },
        Capability::Notify,
        Capability::Storage { bytes: 1000 },
        Capability::Random,
    ]
}

/// Asks for something with a text of 8 MiB, over and over. Letters and spaces, or letters and slashes.
fn with_words(pattern: &str, what: &str) -> Guest {
    let bytes: Vec<u8> = pattern.bytes().cycle().take(8).collect();
    let pattern = i64::from_le_bytes(bytes.try_into().unwrap()).to_string();
    Guest::tool(&format!("{} (loop $on {what} (br $on)) (unreachable)", WORDS.replace("PATTERN", &pattern)))
}

fn large() -> Vec<Row> {
    let log = |len: &str| {
        Guest::tool(&format!(
            "(drop (memory.grow (i32.const 400))) (call $log (i32.const 2) (i32.const 65536) (i32.const {len})) (unreachable)"
        ))
    };
    let text = "(i32.const 65536) (local.get $n)";
    let row = |name, pattern, what: String| {
        Row::ends(name, &with_words(pattern, &what), CPU).granted(&everything()).reader(Reader::Asleep)
    };
    let request = format!(
        "(call $send (i32.const 16) (i32.const 3) {text} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128))"
    );
    vec![
        Row::ends("large.four_gib", &log("-1"), TRAPPED),
        Row::ends("large.more_than_there_is", &log("30000000"), TRAPPED),
        Row::ends("large.text", &log("17000000"), HOST_BYTES),
        row("large.log", "a ", format!("(call $log (i32.const 2) {text})")),
        row("large.log_of_escapes", "\u{1}\u{7f}", format!("(call $log (i32.const 2) {text})")),
        row("large.progress", "a ", format!("(call $progress {text} (i32.const 0) (i32.const 0))")),
        row("large.progress_of_spaces", "  ", format!("(call $progress {text} (i32.const 0) (i32.const 0))")),
        row("large.notice", "a ", format!("(call $notify (i32.const 0) {text} (i32.const 128))")),
        row("large.setting", "a", format!("(call $setting {text} (i32.const 128))")),
        row("large.key", "a", format!("(call $get {text} (i32.const 128))")),
        row("large.path", "a/", format!("(call $read {text} (i32.const 9) (i32.const 128))")),
        row("large.path_of_slashes", "/", format!("(call $stat {text} (i32.const 128))")),
        row("large.path_of_points", "./", format!("(call $stat {text} (i32.const 128))")),
        row("large.path_that_is_denied", "\u{1}a", format!("(call $read {text} (i32.const 9) (i32.const 128))"))
            .granted(&[]),
        row(
            "large.version",
            "a",
            format!(
                "(call $write (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 1) {text} (i32.const 128))"
            ),
        ),
        row("large.url", "a:", request),
        row("large.notice_of_spaces", "  ", format!("(call $notify (i32.const 0) {text} (i32.const 128))")),
    ]
}

fn lists() -> Vec<Row> {
    // 600 000 empty texts; 2000 times the same megabyte; more than there are numbers.
    let paths = |at: &str, count: &str| {
        format!(
            "(call $paths (i32.const {at}) (i32.const {count}) (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 128))"
        )
    };
    let grown = "(drop (memory.grow (i32.const 200)))";
    let forever = |what: &str| Guest::tool(&format!("{grown} (loop $on {what} (br $on)) (unreachable)"));
    let once = |what: &str| Guest::tool(&format!("{grown} {what} (unreachable)"));
    let same = format!(
        "(local $n i32) {grown} (loop $fill
            (i32.store (i32.add (i32.const 8192) (i32.shl (local.get $n) (i32.const 3))) (i32.const 65536))
            (i32.store (i32.add (i32.const 8196) (i32.shl (local.get $n) (i32.const 3))) (i32.const 1000000))
            (br_if $fill (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 2000))))
        {} (unreachable)",
        paths("8192", "2000")
    );
    let option = "(call $list (i32.const 16) (i32.const 0) (i32.const 7) (i32.const 16) (i32.const 5) (i32.const 9) (i32.const 128)) (unreachable)";
    vec![
        Row::ends("list.of_empty_texts", &forever(&format!("(global.set $free (i32.const 4096)) {}", paths("131072", "500000"))), CPU).granted(&everything()),
        Row::ends("list.of_the_same_text", &Guest::tool(&same), HOST_BYTES).granted(&everything()),
        Row::ends("list.longer_than_memory", &once(&paths("8192", "-1")), TRAPPED).granted(&everything()),
        Row::ends("list.of_headers", &once("(call $send (i32.const 16) (i32.const 3) (i32.const 16) (i32.const 5) (i32.const 8192) (i32.const 700000)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128))"), HOST_BYTES).granted(&everything()),
        Row::ends("list.option_of_another_case", &Guest::tool(option), TRAPPED).granted(&everything()),
        Row::once("glob.many", &Guest::tool(&format!("{grown} {} (call $told (i32.const 128) (i32.const 4))", paths("8192", "101"))), digit("limit")).granted(&everything()),
        glob_bomb("glob.alternatives", "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", "/a"),
        glob_bomb("glob.wildcards", "**/", "*a*/"),
        glob_bomb("glob.classes", "", "[!a-z]*"),
        glob_bomb("glob.nested", "", "{a,b}"),
    ]
}

/// Searches over and over with globs that are as long as they may be, and most of what translating globs takes.
fn glob_bomb(name: &'static str, head: &str, part: &str) -> Row {
    let mut glob = head.to_owned();
    while glob.len() + part.len() < GLOB_BYTES {
        glob += part;
    }
    glob += &"}".repeat(glob.matches('{').count().saturating_sub(glob.matches('}').count()));
    let body = format!(
        "(local $n i32) (loop $fill
            (i32.store (i32.add (i32.const 8192) (i32.shl (local.get $n) (i32.const 3))) (i32.const 16384))
            (i32.store (i32.add (i32.const 8196) (i32.shl (local.get $n) (i32.const 3))) (i32.const {}))
            (br_if $fill (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100))))
        (loop $on (global.set $free (i32.const 4096)) (call $paths (i32.const 8192) (i32.const 10) (i32.const 8192) (i32.const 0) (i32.const 9) (i32.const 128)) (br $on))
        (unreachable)",
        glob.len()
    );
    let guest = Guest::tool(&body).with(format!("(data (i32.const 16384) \"{glob}\")"));
    // Where less than everything was granted, the host filters what is found by the globs too.
    Row::ends(name, &guest, CPU).granted(&[Capability::Search { globs: globs(&["src/**"]) }])
}

fn answers() -> Vec<Row> {
    let text = |len: u32| {
        Guest::tool(&format!("(drop (memory.grow (i32.const 400))) (call $text (i32.const 65536) (i32.const {len}))"))
    };
    let broken = |bytes: &str| {
        Guest::tool("(call $text (i32.const 1024) (i32.const 4))").with(format!("(data (i32.const 1024) \"{bytes}\")"))
    };
    let log = "(call $log (i32.const 2) (i32.const 1024) (i32.const 4)) (unreachable)";
    vec![
        Row::ends("answer.too_large", &text((1 << 20) + 1), OUTPUT),
        Row::ends("answer.huge", &text(20_000_000), HOST_BYTES),
        Row::ends("answer.longer_than_memory", &text(u32::MAX), TRAPPED),
        Row::ends("utf8.not", &broken("\\ff\\fe\\00\\00"), TRAPPED),
        Row::ends("utf8.overlong", &broken("\\c0\\af\\c0\\af"), TRAPPED),
        Row::ends("utf8.surrogate", &broken("a\\ed\\a0\\80"), TRAPPED),
        Row::ends("utf8.log", &Guest::tool(log).with("(data (i32.const 1024) \"\\ff\\fe\\fd\\fc\")"), TRAPPED),
    ]
}

fn abi() -> Vec<Row> {
    vec![
        Row::ends(
            "abi.result_of_another_case",
            &Guest::tool("(i32.store8 (i32.const 32) (i32.const 7)) (i32.const 32)"),
            TRAPPED,
        ),
        Row::ends("abi.answer_askew", &Guest::tool("(i32.const 33)"), TRAPPED),
        Row::ends("abi.answer_outside", &Guest::tool("(i32.const -4)"), TRAPPED),
        Row::ends(
            "abi.enum_of_another_case",
            &Guest::tool("(call $log (i32.const 99) (i32.const 16) (i32.const 5)) (unreachable)"),
            TRAPPED,
        ),
        Row::ends("abi.place_outside", &Guest::tool("(unreachable)").realloc("(i32.const -8)"), TRAPPED),
        Row::ends(
            "abi.place_askew",
            &Guest::tool("(call $get (i32.const 16) (i32.const 5) (i32.const 129)) (unreachable)"),
            TRAPPED,
        )
        .granted(&everything()),
        Row::ends(
            "abi.error_without_end",
            &Guest::tool(
                "(i32.store8 (i32.const 32) (i32.const 1)) (i32.store (i32.const 44) (i32.const -1)) (i32.const 32)",
            ),
            TRAPPED,
        ),
    ]
}

fn floods() -> Vec<Row> {
    let forever = |what: &str| Guest::tool(&format!("(loop $on {what} (br $on)) (unreachable)"));
    let flood = |name, what: &str| Row::ends(name, &forever(what), HOST_CALLS).calm();
    let answer = "(call $say (i32.const 16) (i32.const 5) (i32.const 128))";
    let done = "(i32.store8 (i32.const 32) (i32.const 0)) (i32.const 32)";
    let piece = "(call $say (i32.const 8192) (i32.const 30000) (i32.const 128))";
    let say = |body: &str| Guest::of("participants", "respond", "(param i32)", body);
    let logged = |world: &World| {
        assert!(world.logged_bytes.load(Ordering::SeqCst) <= 70_000, "the log is bounded");
    };
    vec![
        flood("flood.log", "(call $log (i32.const 2) (i32.const 16) (i32.const 5))").after(logged),
        flood("flood.settings", "(call $setting (i32.const 16) (i32.const 5) (i32.const 128))"),
        flood("flood.denied", "(call $read (i32.const 16) (i32.const 5) (i32.const 9) (i32.const 128))").after(
            |world| {
                assert!(world.denials.load(Ordering::SeqCst) <= 10_000);
            },
        ),
        flood("flood.progress", "(call $progress (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 0))")
            .reader(Reader::Asleep),
        flood("flood.notices", "(call $notify (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 128))")
            .granted(&everything())
            .after(|world| {
                assert_eq!(world.notices.load(Ordering::SeqCst), 10, "ten a minute");
            }),
        flood("flood.random", "(call $random (i32.const 100) (i32.const 128)) (global.set $free (i32.const 4096))")
            .granted(&everything()),
        Row::once(
            "flood.answer_of_a_tool",
            &Guest::tool(&format!("{answer} (call $told (i32.const 128) (i32.const 4))")),
            digit("failed"),
        )
        .reader(Reader::Asleep),
        Row::ends("flood.answer_unread", &say(&format!("(loop $on {piece} (br $on)) {done}")), crate::row::DEADLINE)
            .reader(Reader::Asleep),
        Row::once(
            "flood.answer_read",
            &say(&format!("(loop $on {piece} (br_if $on (i32.eqz (i32.load8_u (i32.const 128))))) {done}")),
            Comes::Done,
        )
        .reader(Reader::Awake)
        .calm(),
    ]
}

/// WASI, which counts no calls: what it takes is bounded by the time that a call may run.
fn wasi() -> Vec<Row> {
    let forever = |what: &str| {
        Guest::tool(&format!("(local $h i32) (local.set $h (call $stdout )) (loop $on {what} (br $on)) (unreachable)"))
    };
    let once = |what: &str| Guest::tool(&format!("{what} (unreachable)"));
    vec![
        Row::ends(
            "wasi.print",
            &forever("(call $print (local.get $h) (i32.const 1024) (i32.const 4000) (i32.const 128))"),
            CPU,
        )
        .after(|world| {
            assert!(world.logged_bytes.load(Ordering::SeqCst) <= 80_000, "the log is bounded");
        }),
        Row::ends(
            "wasi.print_too_much",
            &once(
                "(drop (memory.grow (i32.const 10))) (call $print (call $stdout ) (i32.const 1024) (i32.const 500000) (i32.const 128))",
            ),
            TRAPPED,
        ),
        Row::ends(
            "wasi.zeroes",
            &once("(call $zeroes (call $stdout ) (i64.const 0x0fffffffffffffff) (i32.const 128))"),
            TRAPPED,
        ),
        Row::once(
            "wasi.endless_input",
            &Guest::tool(
                "(call $read_stream (call $stdin ) (i64.const -1) (i32.const 128)) (call $digit (i32.load8_u (i32.const 128)))",
            ),
            Comes::Answers("1".into()),
        ),
        Row::ends("wasi.random", &once("(call $wasi_random (i64.const 0x0fffffffffffffff) (i32.const 128))"), TRAPPED),
        Row::ends(
            "wasi.random_flood",
            &Guest::tool(
                "(loop $on (global.set $free (i32.const 4096)) (call $wasi_random (i64.const 60000) (i32.const 128)) (br $on)) (unreachable)",
            ),
            CPU,
        ),
        Row::ends("wasi.exit", &once("(call $exit (i32.const 0))"), TRAPPED),
        Row::once(
            "wasi.socket",
            &Guest::tool("(call $socket (i32.const 0) (i32.const 128)) (call $digit (i32.load8_u (i32.const 132)))"),
            Comes::Answers("1".into()),
        ),
    ]
}
