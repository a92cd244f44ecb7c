//! The bytes of what is stored.

use std::path::Path;

use coditect_protocol::llm::{CallTokens, PolicyInForce, Usd};
use coditect_protocol::{CallId, TokenId, WorkspaceId};
use coditect_store::{Record, check_form};
use uuid::Uuid;

use super::record;
use crate::govern::PolicyRow;
use crate::money::Taken;
use crate::usage::rows::{Chunk, Sum, totals_of};

fn check<R: Record>(name: &str, record: &R) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms");
    check_form(&directory, name, record).unwrap();
}

#[test]
fn stored_forms_do_not_change() {
    let mut call = record(1, 1_700_000_000_000, "up/model");
    call.id = CallId(Uuid::from_u128(3));
    check("calls_sparse", &Chunk { calls: vec![call.clone()] });
    (call.token, call.workspace) = (Some(TokenId(Uuid::from_u128(4))), Some(WorkspaceId(Uuid::from_u128(5))));
    call.code = Some("llm.budget_exhausted".to_owned());
    call.tokens = CallTokens { input: 1, cached: 2, cache_write: 3, output: 4, reasoning: 5 };
    check("calls", &Chunk { calls: vec![call.clone()] });
    check("sum", &Sum(totals_of(&call)));
    check("taken", &Taken { granted: 5, consumed: 3 });
    let policy = r#"{
        "aliases":[{"name":"fast","targets":[{"model":"a/b","weight":3}],"fallbacks":["c/d"]}],
        "allowed":[{"role":"member","models":["a/*"]}],
        "prices":[{"model":"a/*","input":0.5,"output":2,"cached":0.25,"cache_write":1,"max_output_tokens":100}],
        "budgets":[{"scope":"agent","of":"codex","limit":20,"period":"month"}],
        "limits":[{"scope":"token","requests_per_minute":10,"tokens_per_minute":20}],
        "teams":[{"id":"0190a6c8-7f5e-7c3a-8b1f-000000000001","name":"Core","members":["0190a6c8-7f5e-7c3a-8b1f-000000000002"]}]}"#;
    let policy = serde_json::from_str(policy).unwrap();
    check("policy", &PolicyRow(PolicyInForce { version: 3, policy }));
}

#[test]
fn money_is_exact_in_the_store() {
    for nanos in [0, 1, 999_999_999, 123_456_789_012_345, (1 << 53) - 1] {
        let mut call = record(1, 5, "up/model");
        call.cost = Usd::from_nanos(nanos);
        let bytes = Chunk { calls: vec![call] }.encode().unwrap();
        assert_eq!(Chunk::decode(&bytes).unwrap().calls[0].cost.nanos(), nanos);
    }
}
