//! Memory and tables: more than there may be.

use crate::guest::{Guest, MEMORY};
use crate::row::{Comes, MEMORY as NO_MEMORY, REFUSED, Row, TABLES, TRAPPED};

pub(super) fn rows() -> Vec<Row> {
    [memories(), tables(), features()].into_iter().flatten().collect()
}

fn memories() -> Vec<Row> {
    let grow = "(loop $on (br_if $on (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))";
    let touched = "(loop $on
        (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then
            (memory.fill (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 65536)) (i32.const 1) (i32.const 65536))
            (br $on))))";
    let start = format!("(func $s {grow} (unreachable)) (start $s)");
    let several = |count: usize, pages: u32| format!("{MEMORY} {}", format!("(memory {pages})").repeat(count));
    let ends = |grow: &str| Guest::tool(&format!("{grow} (unreachable)"));
    vec![
        Row::ends("memory.grow", &ends(grow), NO_MEMORY),
        Row::ends("memory.grow_and_touch", &ends(touched), NO_MEMORY).calm(),
        Row::once(
            "memory.makes_do",
            &Guest::tool(&format!("{grow} (call $digit (i32.const 3))")),
            Comes::Answers("3".into()),
        ),
        Row::ends("memory.start", &Guest::tool("(unreachable)").with(start), NO_MEMORY),
        Row::ends(
            "memory.at_once",
            &Guest::tool("(unreachable)").memory(r#"(memory (export "memory") 2000)"#),
            NO_MEMORY,
        ),
        Row::ends("memory.more_than_asked_for", &ends(grow), NO_MEMORY).memory_mib(100_000).calm(),
        Row::refused(
            "memory.largest",
            Guest::tool("(unreachable)").memory(r#"(memory (export "memory") 65536)"#).component(),
            REFUSED,
        ),
        Row::ends("memory.several_together", &Guest::tool("(unreachable)").memory(several(3, 400)), NO_MEMORY),
        Row::refused("memory.many", Guest::tool("(unreachable)").memory(several(4, 1)).component(), REFUSED),
        Row::ends(
            "memory.data_behind_its_end",
            &Guest::tool("(unreachable)").with(r#"(data (i32.const 10000000) "x")"#),
            TRAPPED,
        ),
    ]
}

fn tables() -> Vec<Row> {
    let grow =
        "(loop $on (br_if $on (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) (unreachable)";
    let huge = "(drop (table.grow $t (ref.null func) (i32.const -2))) (unreachable)";
    let tables = |count: usize| "(table 100 funcref)".repeat(count);
    vec![
        Row::ends("table.grow", &Guest::tool(grow).with("(table $t 1 funcref)"), TABLES),
        Row::ends("table.grow_at_once", &Guest::tool(huge).with("(table $t 1 funcref)"), TABLES),
        Row::refused("table.large", Guest::tool("(unreachable)").with("(table 9000000 funcref)").component(), REFUSED),
        Row::refused("table.many", Guest::tool("(unreachable)").with(tables(21)).component(), REFUSED),
        Row::ends("table.as_many_as_there_may_be", &Guest::tool("(unreachable)").with(tables(20)), TRAPPED),
    ]
}

/// Extensions that plugins do not have.
fn features() -> Vec<Row> {
    let module = |module: &str| wat::parse_str(format!("(component (core module {module}))")).unwrap();
    vec![
        Row::refused("feature.threads", module("(memory 1 1 shared)"), REFUSED),
        Row::refused("feature.memory64", module("(memory i64 1)"), REFUSED),
        Row::refused("feature.garbage_collection", module("(type (struct (field i32)))"), REFUSED),
        Row::refused("feature.exceptions", module("(tag (param i32))"), REFUSED),
        Row::refused(
            "feature.relaxed_simd",
            module(
                "(func (param v128 v128 v128) (result v128) (i32x4.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))",
            ),
            REFUSED,
        ),
    ]
}
