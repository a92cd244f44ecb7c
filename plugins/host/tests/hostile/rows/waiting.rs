//! Waiting for what never comes.

use crate::guest::Guest;
use crate::row::{CPU, DEADLINE, Row, TRAPPED};

const HOURS: &str = "(call $subscribe (i64.const 36000000000000))";
const SAY: &str = "(call $log (i32.const 2) (i32.const 16) (i32.const 5))";

fn filter(body: &str) -> Guest {
    let question = r#"(func (export "coditect:plugin/filters@1.0.0#question") (param i32 i32 i32 i32) (result i32) (unreachable))"#;
    Guest { exports: "filters", function: "answer", ..Guest::tool(body).with(question) }
}

pub(super) fn rows() -> Vec<Row> {
    let conversations = [coditect_protocol::plugin::Capability::Conversations];
    let two = format!(
        "(i32.store (i32.const 1024) {HOURS}) (i32.store (i32.const 1028) (call $subscribe (i64.const -1)))
        (call $poll (i32.const 1024) (i32.const 2) (i32.const 128)) (unreachable)"
    );
    let row = |name, body: &str, code| Row::ends(name, &filter(body), code).granted(&conversations);
    vec![
        row("wait.hours", &format!("(call $block {HOURS}) (unreachable)"), DEADLINE),
        row("wait.for_one_of_two", &two, DEADLINE),
        row("wait.for_ever", "(call $block (call $subscribe (i64.const -1))) (unreachable)", DEADLINE),
        row("wait.cancelled", &format!("{SAY} (call $block {HOURS}) (unreachable)"), "call.cancelled").cancelled(),
        row("wait.for_nothing", "(call $poll (i32.const 1024) (i32.const 0) (i32.const 128)) (unreachable)", TRAPPED),
        row(
            "wait.for_no_time",
            "(local $h i32) (loop $on (local.set $h (call $subscribe (i64.const 0))) (call $block (local.get $h))
                (call $drop_pollable (local.get $h)) (br $on)) (unreachable)",
            CPU,
        ),
    ]
}
