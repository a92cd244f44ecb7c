//! What a test needs of the machine.

use std::fmt::Display;

/// Tells that a test is left out because the machine lacks `thing`. Fails instead where `CODITECT_TEST_REQUIRE`, names with commas
/// between them, says that it must be there.
pub(crate) fn missing(thing: &str, why: impl Display) {
    let required = std::env::var("CODITECT_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == thing), "CODITECT_TEST_REQUIRE names {thing}, but {why}");
    eprintln!("skipped: {why}");
}
