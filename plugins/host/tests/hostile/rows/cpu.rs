//! Endless loops, endless recursion, and work that nobody interrupts.

use super::LOOP;
use crate::guest::{Guest, raw, raw_main};
use crate::row::{CPU, Comes, Row, STACK, TOO_LARGE, TRAPPED};

const DEEP: &str = "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))";

pub(super) fn rows() -> Vec<Row> {
    [loops(), recursion(), bulk(), instantiation()].into_iter().flatten().collect()
}

fn loops() -> Vec<Row> {
    let post = format!(r#"(func (export "cabi_post_coditect:plugin/tools@1.0.0#call") (param i32) {LOOP})"#);
    let destructor = format!(
        r#"(func (export "test:guest/things#[dtor]thing") (param i32) {LOOP})
        (func (export "test:guest/things#[constructor]thing") (result i32) (unreachable))"#
    );
    let tails = "(func $a (result i32) (return_call $b)) (func $b (result i32) (return_call $a))";
    let during = "(call $get (i32.const 16) (i32.const 5) (i32.const 128)) (unreachable)";
    let storage = [coditect_protocol::plugin::Capability::Storage { bytes: 1000 }];
    vec![
        Row::ends("loop.plain", &Guest::tool(LOOP), CPU),
        Row::ends("loop.start", &Guest::tool("(unreachable)").with(format!("(func $s {LOOP}) (start $s)")), CPU),
        Row::ends("loop.realloc", &Guest::tool("(unreachable)").realloc(LOOP), CPU),
        Row::ends(
            "loop.realloc_of_an_answer",
            // The first two places are for the tool and its arguments.
            &Guest::tool(during).with("(global $calls (mut i32) (i32.const 0))").realloc(
                "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                (loop $on (br_if $on (i32.gt_u (global.get $calls) (i32.const 2)))) (i32.const 4096)",
            ),
            CPU,
        )
        .granted(&storage),
        Row::ends("loop.post_return", &Guest::tool("(call $digit (i32.const 1))").with(post), CPU),
        Row::ends(
            "loop.destructor",
            &Guest::tool("(call $drop_thing (call $new_thing (i32.const 1))) (unreachable)").with(destructor),
            CPU,
        ),
        Row::ends("loop.tail_calls", &Guest::tool("(call $a)").with(tails), CPU),
        Row::ends(
            "loop.float",
            &Guest::tool(
                "(local $x f64) (loop $on (local.set $x (f64.sqrt (f64.div (local.get $x) (f64.const 3)))) (br $on)) (unreachable)",
            ),
            CPU,
        ),
        Row::ends(
            "loop.cancelled",
            &Guest::tool(&format!("(call $log (i32.const 2) (i32.const 16) (i32.const 5)) {LOOP}")),
            "call.cancelled",
        )
        .cancelled(),
        Row::ends("crash.unreachable", &Guest::tool("(unreachable)"), TRAPPED),
        Row::ends("crash.division", &Guest::tool("(i32.div_s (i32.const 1) (i32.const 0))"), TRAPPED),
        Row::ends("crash.out_of_bounds", &Guest::tool("(i32.load (i32.const -4))"), TRAPPED),
    ]
}

fn recursion() -> Vec<Row> {
    let indirect = "(type $f (func (param i32) (result i32))) (table 1 funcref) (elem (i32.const 0) func $again)
        (func $again (param i32) (result i32)
            (i32.add (i32.const 1) (call_indirect (type $f) (local.get 0) (i32.const 0))))";
    let locals = "(local i64 i64 i64 i64 i64 i64 i64 i64)".repeat(500);
    let wide = format!(
        "(func $deep (param i32) (result i32) {locals} (local.set 4000 (i64.extend_i32_u (local.get 0)))
            (i32.add (i32.wrap_i64 (local.get 4000)) (call $deep (i32.add (local.get 0) (i32.const 1)))))"
    );
    let start = format!("{DEEP} (func $s (drop (call $deep (i32.const 1)))) (start $s)");
    vec![
        Row::ends("recursion.direct", &Guest::tool("(call $deep (i32.const 1))").with(DEEP), STACK),
        Row::ends("recursion.indirect", &Guest::tool("(call $again (i32.const 1))").with(indirect), STACK),
        Row::ends("recursion.wide_frames", &Guest::tool("(call $deep (i32.const 1))").with(wide), STACK),
        Row::ends("recursion.start", &Guest::tool("(unreachable)").with(start), STACK),
        Row::ends(
            "recursion.realloc",
            &Guest::tool("(unreachable)").with(DEEP).realloc("(call $deep (i32.const 1))"),
            STACK,
        ),
    ]
}

/// Instructions that do much at once.
fn bulk() -> Vec<Row> {
    let fill = "(memory.fill (i32.const 0) (i32.const 7) (i32.const 60000000))";
    let again = |what: &str| format!("(loop $on {what} (br $on)) (unreachable)");
    let pages = |pages: u32| format!(r#"(memory (export "memory") {pages})"#);
    let copy = "(memory.copy (i32.const 0) (i32.const 1000) (i32.const 60000000))";
    let largest = "(memory.fill (i32.const 0) (i32.const 7) (i32.const 260000000))";
    let table = "(table $t 20000 funcref)";
    let fill_table = "(table.fill $t (i32.const 0) (ref.null func) (i32.const 20000))";
    vec![
        Row::ends("bulk.fill", &Guest::tool(&again(fill)).memory(pages(1000)), CPU),
        Row::ends("bulk.copy", &Guest::tool(&again(copy)).memory(pages(1000)), CPU),
        Row::ends("bulk.without_a_loop", &Guest::tool(&(fill.repeat(3000) + "(unreachable)")).memory(pages(1000)), CPU),
        Row::ends("bulk.largest_memory", &Guest::tool(&again(largest)).memory(pages(4000)), CPU).memory_mib(256),
        Row::ends("bulk.table", &Guest::tool(&again(fill_table)).with(table), CPU),
    ]
}

/// What is done before the first function runs, and so before anything can interrupt it.
fn instantiation() -> Vec<Row> {
    let filler = |segments: &str, imports: &str| {
        let part = "(core instance (instantiate $Fill (with \"m\" (instance $main))))".repeat(60);
        format!(
            "{}(core module $Fill {imports} {segments}) {part}",
            raw_main(r#"(table (export "table") 20000 funcref)"#, "(unreachable)")
        )
    };
    let elements = format!("(elem (i32.const 0) func {})", "$f ".repeat(20_000)).repeat(25);
    let elements = filler(&elements, r#"(import "m" "table" (table 20000 funcref)) (func $f)"#);
    let data = format!("(data (i32.const 0) \"{}\")", "x".repeat(100_000)).repeat(100);
    let data = filler(&data, r#"(import "m" "memory" (memory 2))"#);
    vec![
        Row::refused("instantiation.elements", raw(&elements), TOO_LARGE),
        Row::refused("instantiation.data", raw(&data), TOO_LARGE),
        Row::raw("instantiation.once", raw(&raw_main("", "(unreachable)")), Comes::Ends(TRAPPED)),
    ]
}
