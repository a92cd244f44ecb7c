//! Paths that lead elsewhere.

use coditect_protocol::plugin::Capability;

use crate::guest::Guest;
use crate::row::{Comes, Row, digit};
use crate::world::World;

fn globs(glob: &str) -> Vec<Capability> {
    let globs = vec![glob.to_owned()];
    vec![Capability::FilesRead { globs: globs.clone() }, Capability::FilesWrite { globs }]
}

fn told(tricks: &[(&str, &str)]) -> Vec<(String, Comes)> {
    tricks.iter().map(|(path, word)| ((*path).to_owned(), digit(word))).collect()
}

/// Nothing was touched that leads out of the folder, or into git's.
fn untouched(world: &World) {
    for touched in &*world.touched.lock().unwrap() {
        let is_outside = ["link", "src/out", "/../", " ../"].iter().any(|part| touched.contains(part));
        assert!(!is_outside && !touched.to_ascii_lowercase().contains(".git"), "{touched}");
    }
}

pub(super) fn rows() -> Vec<Row> {
    let long = format!("{}x", "d/".repeat(3000));
    let name = "n".repeat(300);
    let elsewhere: Vec<(&str, &str)> = vec![
        ("../outside/secret.txt", "invalid"),
        ("src/../../outside/secret.txt", "invalid"),
        ("..", "invalid"),
        ("/etc/passwd", "invalid"),
        ("good.txt\0.png", "invalid"),
        (&long, "invalid"),
        (&name, "invalid"),
        (".git/config", "denied"),
        (".GiT/config", "denied"),
        ("src/.git/hooks/pre-commit", "denied"),
        ("./.git//config", "denied"),
        ("link/secret.txt", "denied"),
        ("link_file", "denied"),
        ("src/out/secret.txt", "denied"),
        ("", "denied"),
        (".", "denied"),
    ];
    // These are names like any other, of things that are not there.
    let names = [
        ("..\\outside\\secret.txt", "not found"),
        ("%2e%2e/outside/secret.txt", "not found"),
        ("..%2foutside", "not found"),
    ];
    let mut read = told(&elsewhere);
    read.extend(told(&names));
    read.extend(told(&[("good.txt", "done"), ("./src//a.txt", "done")]));
    let bounded = [
        ("secret.txt", "denied"),
        ("src", "denied"),
        ("SRC/a.txt", "denied"),
        ("src/a.txt", "done"),
        ("srcx/a.txt", "denied"),
        ("src/../good.txt", "invalid"),
    ];
    let path = "(local.get $at) (local.get $len)";
    let tell = "(call $told (i32.const 128) (i32.const 4))";
    let reads = Guest::tool(&format!("(call $read {path} (i32.const 1000) (i32.const 128)) {tell}"));
    let writes = Guest::tool(&format!(
        "(call $write {path} (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128)) {tell}"
    ));
    let deletes = Guest::tool(&format!("(call $delete {path} (i32.const 128)) {tell}"));
    let lists = Guest::tool(&format!(
        "(call $list {path} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 128))
        (if (i32.load8_u (i32.const 128)) (then (return {tell}))) (call $digit (i32.load (i32.const 136)))"
    ));
    let counted = [("", "4"), ("link", "0"), (".git", "0"), ("..", "3"), ("src/out", "0")];
    let counted = counted.map(|(path, digit)| (path.to_owned(), Comes::Answers(digit.to_owned())));
    let mut kept: Vec<_> = elsewhere.clone();
    kept.retain(|(path, _)| *path != "link_file");
    vec![
        Row::told("files.read_elsewhere", &reads, read).granted(&globs("**")).calm().after(untouched),
        Row::told("files.read_beyond_globs", &reads, told(&bounded)).granted(&globs("src/**")).calm().after(untouched),
        Row::told("files.write_elsewhere", &writes, told(&elsewhere)).granted(&globs("**")).calm().after(untouched),
        Row::told("files.delete_elsewhere", &deletes, told(&kept)).granted(&globs("**")).calm().after(untouched),
        Row::told("files.list_elsewhere", &lists, counted.into()).granted(&globs("**")).calm().after(untouched),
    ]
}
