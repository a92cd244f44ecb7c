//! What is looked at before it is translated.

use super::guest::tool;
use crate::{Host, HostError};
use coditect_protocol::plugin::ContractVersion;

fn refusal(component: &[u8]) -> HostError {
    Host::examine(component).unwrap_err()
}

fn importing(name: &str) -> Vec<u8> {
    wat::parse_str(format!(r#"(component (import "{name}" (instance)))"#)).unwrap()
}

#[test]
fn a_plugin_shows_what_it_speaks() {
    let component = tool("(unreachable)");
    let examined = Host::examine(&component).unwrap();
    assert_eq!(examined.contract, Some(ContractVersion::new(1, 0)));
    assert_eq!(examined.exports, ["tools"]);
    assert_eq!(examined.imports.len(), 3, "{examined:?}");
    for import in ["log", "storage", "types"] {
        assert!(examined.imports.iter().any(|name| name == import), "{import}");
    }
    assert_eq!(examined.bytes, component.len() as u64);
    assert!(examined.functions >= 5);
}

#[test]
fn only_components_are_plugins() {
    for bytes in [&b""[..], b"\0asm", b"no component", &wat::parse_str("(module)").unwrap()] {
        assert!(matches!(refusal(bytes), HostError::NotAComponent { .. }), "{bytes:?}");
    }
    let mut component = tool("(unreachable)");
    component.truncate(component.len() - 1);
    assert!(matches!(refusal(&component), HostError::NotAComponent { .. }));
}

#[test]
fn a_plugin_imports_the_contract_and_empty_wasi() {
    for name in ["coditect:plugin/files@1.0.0", "wasi:io/streams@0.2.6", "wasi:sockets/tcp@0.2.0"] {
        assert!(Host::examine(&importing(name)).is_ok(), "{name}");
    }
    for name in [
        "coditect:plugin/everything@1.0.0",
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:filesystem/types@0.3.0",
        "wasi:io/streams",
        "acme:thing/x@1.0.0",
        "plain",
    ] {
        let named = HostError::UnknownImport { name: name.into() };
        assert_eq!(refusal(&importing(name)), named);
    }
    for name in ["coditect:plugin/files@2.0.0", "coditect:plugin/files@1.1.0", "coditect:plugin/files"] {
        assert!(matches!(refusal(&importing(name)), HostError::UnknownContract { .. }), "{name}");
    }
    let function = wat::parse_str(r#"(component (import "wasi:io/streams@0.2.0" (func)))"#).unwrap();
    assert!(matches!(refusal(&function), HostError::UnknownImport { .. }));
}

#[test]
fn what_keeps_a_compiler_busy_is_refused() {
    let too_large = |module: &str, what: &str| {
        let component = wat::parse_str(format!("(component (core module {module}))")).unwrap();
        match refusal(&component) {
            HostError::TooLarge { what: found, .. } => assert_eq!(found, what),
            other => panic!("{other:?}"),
        }
    };
    too_large(&"(func)".repeat(200_001), "functions");
    too_large(&format!("(func {})", "nop ".repeat((1 << 20) + 1)), "bytes in one function");
    too_large(&format!("(func (local {}))", "i32 ".repeat(20_001)), "local variables in one function");
    too_large(&format!("(func {} {})", "block ".repeat(2_001), "end ".repeat(2_001)), "blocks within each other");
    let nested = (0..8).fold("(core module)".to_owned(), |inner, _| format!("(component {inner})"));
    let component = wat::parse_str(nested).unwrap();
    assert!(matches!(refusal(&component), HostError::TooLarge { what: "parts within each other", .. }));
    let many = wat::parse_str(format!("(component {})", "(core module)".repeat(257))).unwrap();
    assert!(matches!(refusal(&many), HostError::TooLarge { what: "parts", .. }));
    assert!(matches!(refusal(&vec![0; (48 << 20) + 1]), HostError::TooLarge { what: "bytes", .. }));
}

/// A component of a module with so many elements, or so much data, that is instantiated so often.
fn laid_out(segment: &str, times: usize) -> Vec<u8> {
    let again = "(core instance (instantiate $m))".repeat(times);
    let module = format!("(core module $m (table 30000 funcref) (memory 2) (func $f) {segment})");
    wat::parse_str(format!("(component {module} {again})")).unwrap()
}

#[test]
fn what_is_laid_out_before_anything_can_be_interrupted_is_bounded() {
    let what = "bytes that are laid out before it runs";
    let too_much =
        |component: &[u8]| matches!(refusal(component), HostError::TooLarge { what: found, .. } if found == what);
    let elements = |count: usize| format!("(elem (i32.const 0) func {})", "$f ".repeat(count));
    let data = format!("(data (i32.const 0) \"{}\")", "x".repeat(100_000));
    assert!(Host::examine(&laid_out(&elements(30_000).repeat(4), 1)).is_ok());
    assert!(too_much(&laid_out(&elements(30_000).repeat(4), 2)), "what is instantiated again");
    assert!(Host::examine(&laid_out(&elements(1_000), 60)).is_ok(), "which is little");
    assert!(Host::examine(&laid_out(&data.repeat(20), 1)).is_ok());
    assert!(too_much(&laid_out(&data.repeat(20), 2)));
    // What is made known elsewhere may be instantiated there.
    let module = format!("(core module $m (memory 2) {})", data.repeat(20));
    let inner = |inner: &str| wat::parse_str(format!("(component $c {module} {inner})")).unwrap();
    assert!(Host::examine(&inner("(component)")).is_ok());
    assert!(too_much(&inner("(component (alias outer $c $m (core module)))")));
    // So is a component whose module it is.
    let inner = format!("(component $i {module} (core instance (instantiate $m)))");
    let outer = |times: usize| format!("(component {inner} {})", "(instance (instantiate $i))".repeat(times));
    assert!(Host::examine(&wat::parse_str(outer(1)).unwrap()).is_ok());
    assert!(too_much(&wat::parse_str(outer(2)).unwrap()));
}
