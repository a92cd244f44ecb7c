//! What is no plugin, or only nearly one.

use std::time::{Duration, Instant};

use coditect_plugin_host::{Host, HostError};
use coditect_protocol::Coded as _;

use crate::bench::{Bench, manifest, resident};
use crate::guest::Guest;
use crate::row::{Comes, NO_COMPONENT, REFUSED, Row, TOO_LARGE, Under};

const UNKNOWN: &str = "plugins.unknown_import";
/// Mutations of a component that works.
const MUTATIONS: usize = 4_000;
/// What one of them may take, on a machine that has other things to do too.
const EACH: Duration = Duration::from_secs(3);
/// By how much the process may have grown after all of them.
const GROWTH_BYTES: u64 = 96 << 20;

fn of_text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A section of a component with this content.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![id];
    let mut length = content.len();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap();
        length >>= 7;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(content);
    out
}

const HEAD: &[u8] = b"\0asm\x0d\0\x01\0";

pub(crate) fn rows() -> Vec<Row> {
    let good = Guest::tool("(call $digit (i32.const 1))").component();
    let nested = (0..1000).fold(HEAD.to_vec(), |inner, _| [HEAD, &section(4, &inner)].concat());
    let function = |locals: &str, body: &str| of_text(&format!("(component (core module (func {locals} {body})))"));
    // A group of 4 000 000 000 locals takes six bytes.
    let locals = [
        HEAD,
        &section(
            1,
            b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x0a\x01\x08\x01\xff\xff\xff\xff\x0f\x7f\x0b",
        ),
    ]
    .concat();
    let tuple = (0..40).fold("(type $t0 (tuple u8 u8))".to_owned(), |types, at| {
        format!("{types} (type $t{} (tuple $t{at} $t{at}))", at + 1)
    });
    let types = "(type (func))".repeat(1_100_000);
    let import = |name: &str| of_text(&format!(r#"(component (import "{name}" (instance)))"#));
    vec![
        Row::refused("malformed.empty", Vec::new(), NO_COMPONENT),
        Row::refused("malformed.text", b"fn main() {}".to_vec(), NO_COMPONENT),
        Row::refused("malformed.truncated", good[..good.len() - 1].to_vec(), NO_COMPONENT),
        Row::refused("malformed.half", good[..good.len() / 2].to_vec(), NO_COMPONENT),
        Row::refused("malformed.twice", good.repeat(2), NO_COMPONENT),
        Row::refused("malformed.core_module", of_text("(module)"), NO_COMPONENT),
        Row::refused("malformed.core_import", of_text(r#"(component (import "m" (core module)))"#), UNKNOWN),
        Row::refused("malformed.wasi_http", import("wasi:http/outgoing-handler@0.2.0"), UNKNOWN),
        Row::refused("malformed.unknown_import", import("acme:thing/x@1.0.0"), UNKNOWN),
        Row::refused("malformed.unknown_contract", import("coditect:plugin/files@9.0.0"), "plugins.unknown_contract"),
        Row::refused("malformed.no_exports", of_text("(component)"), "plugins.not_exported"),
        Row::refused("malformed.nested", nested, TOO_LARGE),
        Row::refused("malformed.50000_locals", function(&format!("(local {})", "i64 ".repeat(50_000)), ""), TOO_LARGE),
        Row::refused("malformed.endless_locals", locals, TOO_LARGE),
        Row::refused(
            "malformed.deep_blocks",
            function("", &("block ".repeat(9_000) + &"end ".repeat(9_000))),
            TOO_LARGE,
        ),
        Row::refused("malformed.types_of_types", of_text(&format!("(component {tuple})")), REFUSED),
        Row::refused("malformed.many_types", of_text(&format!("(component (core module {types}))")), REFUSED),
        Row::refused("malformed.invalid_code", of_text("(component (core module (func (result i32))))"), REFUSED),
        Row::refused("malformed.lying_length", [HEAD, &[1, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(), NO_COMPONENT),
        Row::refused("malformed.huge", vec![0; (48 << 20) + 1], TOO_LARGE),
    ]
}

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }
}

/// A bit, a byte, some bytes of elsewhere, a piece left out, or the end.
fn mutate(good: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=numbers.next(3) {
        let at = numbers.next(bytes.len());
        match numbers.next(8) {
            0..=2 => bytes[at] ^= 1 << numbers.next(8),
            3..=4 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, 0x0b][numbers.next(6)],
            5 => {
                let (from, length) = (numbers.next(bytes.len()), numbers.next(16));
                let piece: Vec<u8> = bytes.iter().skip(from).take(length).copied().collect();
                bytes.splice(at..at, piece);
            }
            6 => drop(bytes.drain(at..(at + numbers.next(16)).min(bytes.len()))),
            _ => bytes.truncate(at.max(9)),
        }
    }
    bytes
}

/// Looks at mutations of a component, translates them, loads and calls them: each is refused or contained, in bounded time and memory.
/// How many were refused, and how many ran.
pub(crate) async fn fuzz(bench: &Bench) -> (usize, usize) {
    let good = Guest::tool(
        "(call $log (i32.const 2) (i32.const 16) (i32.const 5)) (call $digit (i32.load8_u (local.get $at)))",
    )
    .component();
    let row = Row::told("fuzz", &Guest::tool("(unreachable)"), vec![("x".to_owned(), Comes::Done)]);
    let (mut numbers, mut refused, mut ran) = (Numbers(0x9e37_79b9_7f4a_7c15), 0, 0);
    let before = resident();
    for number in 0..MUTATIONS {
        let component = mutate(&good, &mut numbers);
        let began = Instant::now();
        match load(bench.host(Under::Brief), &row, &component) {
            Err(error) => {
                assert!(error.to_string().len() < 1_000, "mutation {number}: {error}");
                assert_ne!(error.code(), "plugins.engine", "mutation {number}: {error}");
                refused += 1;
            }
            Ok(plugin) => {
                let call = plugin.call(
                    row.asks[0].0.clone(),
                    bench.caller(&row, None),
                    tokio_util::sync::CancellationToken::new(),
                );
                let called = tokio::time::timeout(EACH, call).await;
                assert!(called.is_ok(), "mutation {number} does not end");
                ran += 1;
            }
        }
        assert!(began.elapsed() < EACH, "mutation {number} takes {:?}", began.elapsed());
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < GROWTH_BYTES, "the process grew by {} MiB", grown >> 20);
    (refused, ran)
}

fn load(host: &Host, row: &Row, component: &[u8]) -> Result<coditect_plugin_host::Plugin, HostError> {
    Host::examine(component)?;
    let compiled = host.compile(component)?;
    host.load(manifest(&row.offers, None), &compiled)
}
