//! Handles that were never given, used after their end, hoarded; and calls that come back in.

use coditect_protocol::plugin::Capability;

use super::LOOP;
use crate::guest::{Guest, raw};
use crate::row::{Comes, Row, TRAPPED};
use crate::world::World;
use std::sync::atomic::Ordering;

/// Asks a model, with one empty message at 1024; what comes is at 128, and the handle at 132.
const ASK: &str =
    "(call $ask (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 1) (i32.const 0) (i32.const 0)
    (i32.const 0) (f32.const 0) (i32.const 128))";
const NEXT: &str = "(call $next (i32.load (i32.const 132)) (i32.const 160))";
const DROP: &str = "(call $drop_answer (i32.load (i32.const 132)))";

fn models() -> Vec<Capability> {
    vec![Capability::Models { models: vec!["*".to_owned()], usd_per_day: 1.0.try_into().unwrap() }]
}

pub(super) fn rows() -> Vec<Row> {
    [forged(), hoarded(), back_in()].into_iter().flatten().collect()
}

fn forged() -> Vec<Row> {
    let row = |name, body: String| {
        Row::ends(name, &Guest::tool(&format!("{body} (unreachable)")), TRAPPED).granted(&models())
    };
    let wait = "(call $subscribe (i64.const 1))";
    vec![
        row("handle.never_given", "(call $next (i32.const 7) (i32.const 160))".into()),
        row("handle.zero", "(call $next (i32.const 0) (i32.const 160))".into()),
        row("handle.largest", "(call $drop_answer (i32.const -1))".into()),
        row("handle.after_drop", format!("{ASK} {NEXT} {DROP} {NEXT}")),
        row("handle.dropped_twice", format!("{ASK} {DROP} {DROP}")),
        row("handle.of_another_type", format!("(call $next {wait} (i32.const 160))")),
        row("handle.dropped_as_another", format!("{ASK} (call $drop_pollable (i32.load (i32.const 132)))")),
        row("handle.of_another_table", format!("{ASK} (call $block (i32.load (i32.const 132)))")),
    ]
}

fn hoarded() -> Vec<Row> {
    let ask = Guest::tool(&format!(
        "(local $n i32) (loop $on {ASK} (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $on (i32.lt_u (local.get $n) (i32.const 3000)))) (call $told (i32.const 128) (i32.const 4))"
    ));
    let each = Guest::tool(&format!(
        "(local $n i32) (loop $on {ASK} {DROP} (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $on (i32.lt_u (local.get $n) (i32.const 2000)))) (call $told (i32.const 128) (i32.const 4))"
    ));
    let forever = |what: &str| Guest::tool(&format!("(loop $on {what} (br $on)) (unreachable)"));
    // The answer to the last question: `limit` of at most so many at once.
    let limit = |world: &World| {
        assert!(world.most_questions.load(Ordering::SeqCst) <= 8, "more questions than may be asked at once");
    };
    let lent = format!(
        "(local $n i32) (local $h i32) (local.set $h (call $subscribe (i64.const 1)))
        (drop (memory.grow (i32.const 200)))
        (loop $fill (i32.store (i32.add (i32.const 8192) (i32.shl (local.get $n) (i32.const 2))) (local.get $h))
            (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $fill (i32.lt_u (local.get $n) (i32.const 1000000))))
        (loop $on (global.set $free (i32.const 8000000)) (call $poll (i32.const 8192) (i32.const COUNT) (i32.const 128)) (br $on)) {LOOP}"
    );
    vec![
        Row::once("hoard.answers", &ask, Comes::Answers("1".into())).granted(&models()).calm().after(limit),
        Row::once("hoard.answers_one_by_one", &each, Comes::Answers("9".into())).granted(&models()).calm().after(limit),
        Row::ends("hoard.pollables", &forever("(drop (call $subscribe (i64.const -1)))"), TRAPPED),
        Row::ends("hoard.streams", &forever("(drop (call $stdout ))"), TRAPPED),
        Row::ends("hoard.sockets", &forever("(call $socket (i32.const 0) (i32.const 128))"), crate::row::CPU),
        Row::ends("hoard.lent", &Guest::tool(&lent.replace("COUNT", "900")), crate::row::CPU),
        Row::ends("hoard.lent_too_many", &Guest::tool(&lent.replace("COUNT", "1000000")), TRAPPED).calm(),
    ]
}

/// No host function calls a plugin back, so that it can only be tried from within.
fn back_in() -> Vec<Row> {
    let log = "(call $log (i32.const 2) (i32.const 16) (i32.const 5))";
    let post = format!(r#"(func (export "cabi_post_coditect:plugin/tools@1.0.0#call") (param i32) {log})"#);
    // Its own tool, lifted and lowered again.
    let own = r#"(core module $Main (memory (export "memory") 2) (table (export "table") 1 funcref) (type $f (func))
            (func (export "again") (call_indirect (type $f) (i32.const 0)))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
            (func (export "run") (param i32 i32 i32 i32) (result i32) (call_indirect (type $f) (i32.const 0)) (i32.const 0)))
        (core instance $main (instantiate $Main))
        (alias core export $main "again" (core func $inner))
        (alias core export $main "table" (core table $table))
        (func $again (canon lift (core func $inner)))
        (core func $lowered (canon lower (func $again)))
        (core module $Tie (import "m" "table" (table 1 funcref)) (import "m" "f" (func $f)) (elem (i32.const 0) func $f))
        (core instance (instantiate $Tie (with "m" (instance (export "table" (table $table))
            (export "f" (func $lowered))))))"#;
    vec![
        Row::ends(
            "back_in.from_realloc",
            &Guest::tool("(unreachable)").realloc(&format!("{log} (i32.const 4096)")),
            TRAPPED,
        ),
        Row::ends("back_in.from_post_return", &Guest::tool("(call $digit (i32.const 1))").with(post), TRAPPED),
        Row::raw("back_in.to_itself", raw(own), Comes::Ends(TRAPPED)),
    ]
}
