//! Hostile components: a core module in text, wrapped by the contract's WIT.

use std::fmt::Write as _;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What a module may import, in the form of the canonical ABI: how it is called here, where it is, and its type.
const IMPORTS: &[(&str, &str, &str, &str)] = &[
    ("log", "coditect:plugin/log@1.0.0", "write", "(param i32 i32 i32)"),
    ("setting", "coditect:plugin/settings@1.0.0", "get", "(param i32 i32 i32)"),
    ("get", "coditect:plugin/storage@1.0.0", "get", "(param i32 i32 i32)"),
    ("set", "coditect:plugin/storage@1.0.0", "set", "(param i32 i32 i32 i32 i32)"),
    ("read", "coditect:plugin/files@1.0.0", "read", "(param i32 i32 i32 i32)"),
    ("write", "coditect:plugin/files@1.0.0", "write", "(param i32 i32 i32 i32 i32 i32 i32 i32)"),
    ("delete", "coditect:plugin/files@1.0.0", "delete", "(param i32 i32 i32)"),
    ("stat", "coditect:plugin/files@1.0.0", "stat", "(param i32 i32 i32)"),
    ("list", "coditect:plugin/files@1.0.0", "list", "(param i32 i32 i32 i32 i32 i32 i32)"),
    ("paths", "coditect:plugin/search@1.0.0", "paths", "(param i32 i32 i32 i32 i32 i32)"),
    ("send", "coditect:plugin/http@1.0.0", "send", "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)"),
    ("ask", "coditect:plugin/models@1.0.0", "ask", "(param i32 i32 i32 i32 i32 i32 i32 i32 f32 i32)"),
    ("next", "coditect:plugin/models@1.0.0", "[method]answer.next", "(param i32 i32)"),
    ("drop_answer", "coditect:plugin/models@1.0.0", "[resource-drop]answer", "(param i32)"),
    ("notify", "coditect:plugin/ui@1.0.0", "notify", "(param i32 i32 i32 i32)"),
    ("progress", "coditect:plugin/ui@1.0.0", "progress", "(param i32 i32 i32 i32)"),
    ("say", "coditect:plugin/answer@1.0.0", "text", "(param i32 i32 i32)"),
    ("random", "coditect:plugin/random@1.0.0", "bytes", "(param i32 i32)"),
    ("poll", "wasi:io/poll@0.2.0", "poll", "(param i32 i32 i32)"),
    ("block", "wasi:io/poll@0.2.0", "[method]pollable.block", "(param i32)"),
    ("drop_pollable", "wasi:io/poll@0.2.0", "[resource-drop]pollable", "(param i32)"),
    ("subscribe", "wasi:clocks/monotonic-clock@0.2.0", "subscribe-duration", "(param i64) (result i32)"),
    ("stdout", "wasi:cli/stdout@0.2.0", "get-stdout", "(result i32)"),
    ("stdin", "wasi:cli/stdin@0.2.0", "get-stdin", "(result i32)"),
    ("exit", "wasi:cli/exit@0.2.0", "exit", "(param i32)"),
    ("print", "wasi:io/streams@0.2.0", "[method]output-stream.blocking-write-and-flush", "(param i32 i32 i32 i32)"),
    ("zeroes", "wasi:io/streams@0.2.0", "[method]output-stream.write-zeroes", "(param i32 i64 i32)"),
    ("read_stream", "wasi:io/streams@0.2.0", "[method]input-stream.blocking-read", "(param i32 i64 i32)"),
    ("wasi_random", "wasi:random/random@0.2.0", "get-random-bytes", "(param i64 i32)"),
    ("socket", "wasi:sockets/tcp-create-socket@0.2.0", "create-tcp-socket", "(param i32 i32)"),
    ("new_thing", "[export]test:guest/things", "[resource-new]thing", "(param i32) (result i32)"),
    ("drop_thing", "[export]test:guest/things", "[resource-drop]thing", "(param i32)"),
];

/// What hostile components use of WASI. Types are compared by their structure, so that a part of each interface is enough.
const WASI: &str = r"
package wasi:io@0.2.0 {
    interface error { resource error; }
    interface poll {
        resource pollable { block: func(); }
        poll: func(in: list<borrow<pollable>>) -> list<u32>;
    }
    interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource output-stream {
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
            write-zeroes: func(len: u64) -> result<_, stream-error>;
        }
        resource input-stream { blocking-read: func(len: u64) -> result<list<u8>, stream-error>; }
    }
}
package wasi:clocks@0.2.0 {
    interface monotonic-clock {
        use wasi:io/poll@0.2.0.{pollable};
        subscribe-duration: func(when: u64) -> pollable;
    }
}
package wasi:cli@0.2.0 {
    interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
    interface stdin { use wasi:io/streams@0.2.0.{input-stream}; get-stdin: func() -> input-stream; }
    interface exit { exit: func(status: result); }
}
package wasi:random@0.2.0 {
    interface random { get-random-bytes: func(len: u64) -> list<u8>; }
}
package wasi:sockets@0.2.0 {
    interface network {
        enum error-code {
            unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout, concurrency-conflict,
            not-in-progress, would-block, invalid-state, new-socket-limit, address-not-bindable, address-in-use,
            remote-unreachable, connection-refused, connection-reset, connection-aborted, datagram-too-large,
            name-unresolvable, temporary-resolver-failure, permanent-resolver-failure,
        }
        enum ip-address-family { ipv4, ipv6 }
    }
    interface tcp { resource tcp-socket; }
    interface tcp-create-socket {
        use network.{error-code, ip-address-family};
        use tcp.{tcp-socket};
        create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
    }
}
";

/// What the world of every component imports; what its module does not use is left out of it.
const WORLD: &str = "include coditect:plugin/imports@1.0.0;
    import wasi:io/poll@0.2.0; import wasi:io/streams@0.2.0; import wasi:clocks/monotonic-clock@0.2.0;
    import wasi:cli/stdout@0.2.0; import wasi:cli/stdin@0.2.0; import wasi:cli/exit@0.2.0;
    import wasi:random/random@0.2.0; import wasi:sockets/tcp-create-socket@0.2.0;";

/// Two pages, of which the first 4 KiB are for what is told here: 16 holds `sorry`, at 32 answers are put together.
pub(crate) const MEMORY: &str = r#"(memory (export "memory") 2) (data (i32.const 16) "sorry")"#;

/// Gives one place after the other, and takes memory where there is no more.
const REALLOC: &str = r#"(global $free (mut i32) (i32.const 4096))
    (func $allocate (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
        (global.get $free)
        (global.set $free (i32.add (global.get $free) (local.get 3)))
        (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
            (then (drop (memory.grow
                (i32.sub (i32.add (i32.shr_u (global.get $free) (i32.const 16)) (i32.const 1)) (memory.size)))))))"#;

/// `$text` and `$digit` answer; `$told` answers with what an import said: 0 to 6 for its errors in their order, 9 where it was done.
const HELPERS: &str = r#"
    (func $text (param $at i32) (param $len i32) (result i32)
        (i32.store8 (i32.const 32) (i32.const 0))
        (i32.store (i32.const 36) (local.get $at))
        (i32.store (i32.const 40) (local.get $len))
        (i32.const 32))
    (func $digit (param $number i32) (result i32)
        (i32.store8 (i32.const 64) (i32.add (i32.const 48) (local.get $number)))
        (call $text (i32.const 64) (i32.const 1)))
    (func $told (param $at i32) (param $behind i32) (result i32)
        (if (result i32) (i32.load8_u (local.get $at))
            (then (call $digit (i32.load8_u (i32.add (local.get $at) (local.get $behind)))))
            (else (call $digit (i32.const 9)))))"#;

/// A component in its parts. Each row of the table changes what it is about.
pub(crate) struct Guest {
    /// The interface that it exports.
    pub(crate) exports: &'static str,
    /// The name of the function in it.
    pub(crate) function: &'static str,
    /// Names and types of its parameters.
    pub(crate) parameters: &'static str,
    pub(crate) memory: String,
    pub(crate) realloc: String,
    pub(crate) more: String,
    pub(crate) body: String,
}

impl Guest {
    /// The tool `t`, whose arguments are at `$at` and of `$len` bytes.
    pub(crate) fn tool(body: &str) -> Self {
        Self::of("tools", "call", "(param $tool i32) (param $tool_len i32) (param $at i32) (param $len i32)", body)
    }

    pub(crate) fn of(exports: &'static str, function: &'static str, parameters: &'static str, body: &str) -> Self {
        let (memory, realloc) = (MEMORY.to_owned(), REALLOC.to_owned());
        Self { exports, function, parameters, memory, realloc, more: String::new(), body: body.to_owned() }
    }

    pub(crate) fn with(self, more: impl Into<String>) -> Self {
        Self { more: more.into(), ..self }
    }

    pub(crate) fn memory(self, memory: impl Into<String>) -> Self {
        Self { memory: memory.into(), ..self }
    }

    pub(crate) fn realloc(self, body: &str) -> Self {
        let realloc = format!(r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {body})"#);
        Self { realloc, ..self }
    }

    fn module(&self) -> String {
        let Self { exports, function, parameters, memory, realloc, more, body } = self;
        let uses = |name: &str| [realloc, more, body].iter().any(|text| text.contains(&format!("call ${name} ")));
        let mut imports = String::new();
        for (name, module, field, of) in IMPORTS.iter().filter(|(name, ..)| uses(name)) {
            writeln!(imports, r#"(import "{module}" "{field}" (func ${name} {of}))"#).unwrap();
        }
        let name = format!("coditect:plugin/{exports}@1.0.0#{function}");
        format!(
            "(module {imports} {memory} {realloc} {HELPERS} {more}
                (func (export \"{name}\") {parameters} (result i32) {body}))"
        )
    }

    pub(crate) fn component(&self) -> Vec<u8> {
        let module = self.module();
        let things = if module.contains("test:guest/things") {
            "interface things { resource thing { constructor(); } }"
        } else {
            ""
        };
        let export = if things.is_empty() { "" } else { "export things;" };
        let wit = format!(
            "package test:guest;\n{things}\nworld guest {{ {WORLD} export coditect:plugin/{}@1.0.0; {export} }}\n{WASI}",
            self.exports
        );
        let mut resolve = Resolve::default();
        resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/v1")).unwrap();
        let package = resolve.push_str("guest.wit", &wit).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        let mut module = wat::parse_str(&module).unwrap_or_else(|error| panic!("{error}\n{module}"));
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
    }
}

/// A component in text whose tool is the core function `run` of the instance `$main`, which has the memory `memory`, the function
/// `realloc` and answers as tools do.
pub(crate) fn raw(parts: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "coditect:plugin/types@1.0.0" (instance $types
                (type $cases (variant (case "denied" string) (case "limit" string) (case "not-found" string)
                    (case "invalid" string) (case "conflict" string) (case "unavailable" string) (case "failed" string)))
                (export "error" (type (eq $cases)))))
            (alias export $types "error" (type $error))
            {parts}
            (alias core export $main "run" (core func $run))
            (alias core export $main "memory" (core memory $memory))
            (alias core export $main "realloc" (core func $realloc))
            (func $tool (param "tool" string) (param "arguments" string) (result (result string (error $error)))
                (canon lift (core func $run) (memory $memory) (realloc $realloc)))
            (instance $tools (export "call" (func $tool)))
            (export "coditect:plugin/tools@1.0.0" (instance $tools)))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What the main module of a [`raw`] component has, beside what `run` does.
pub(crate) fn raw_main(more: &str, body: &str) -> String {
    format!(
        r#"(core module $Main (memory (export "memory") 2) {more}
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
            (func (export "run") (param i32 i32 i32 i32) (result i32) {body}))
        (core instance $main (instantiate $Main))"#
    )
}
