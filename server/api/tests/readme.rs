//! The README's table of settings is made from the settings themselves. `CODITECT_UPDATE_DOCS=1 cargo test -p coditect-v5-api --test readme`
//! writes it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::path::Path;

use coditect_api::settings::rows;

const START: &str = "<!-- settings: made from server/api/src/settings/table.rs -->\n";
const END: &str = "<!-- end of settings -->";

fn table() -> String {
    let mut out = String::from("| setting | default | what it does |\n|---|---|---|\n");
    for row in rows() {
        writeln!(out, "| `{}` | `{}` | {} |", row.name, row.default, row.doc.replace('|', "\\|")).unwrap();
    }
    out
}

#[test]
fn the_readme_lists_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(START).expect("the README has no start of the settings");
    let (shown, after) = rest.split_once(END).expect("the README has no end of the settings");
    if std::env::var_os("CODITECT_UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{START}{}{END}{after}", table())).unwrap();
    } else {
        assert!(shown == table(), "the README's table of settings is out of date: see the head of this test");
    }
}
