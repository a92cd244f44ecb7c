//! Files and searches.

use super::world::Node;
use super::*;
use crate::contract::v1_bindings::coditect::plugin::files::{Entry, Host as _};
use crate::contract::v1_bindings::coditect::plugin::search::{Host as _, Query};

fn file(text: &str) -> Node {
    Node::File(text.as_bytes().to_vec())
}

fn workspace(call: &Call) {
    call.world.put(&[
        ("src", Node::Folder),
        ("src/a.rs", file("a")),
        ("src/b.txt", file("b")),
        ("src/deep", Node::Folder),
        ("src/deep/c.rs", file("c")),
        ("src/link.rs", Node::Link),
        ("src/out", Node::Link),
        ("src/out/d.rs", file("elsewhere")),
        (".git", Node::Folder),
        (".git/config", file("[core]")),
        ("secret", Node::Folder),
        ("secret/key", file("key")),
        ("large", Node::File(vec![0; (4 << 20) + 1])),
    ]);
}

#[tokio::test]
async fn files_are_read_where_a_glob_stands_for_them() {
    let mut call = call(vec![read_globs(&["src/**/*.rs", "large", "none"])]);
    workspace(&call);
    let read = call.state.read("src//./a.rs".into(), 100).await.unwrap().unwrap();
    assert_eq!((read.bytes.as_slice(), read.version.as_str()), (&b"a"[..], "v1"));
    for (path, most, expected) in [
        ("src/deep/c.rs", 1, "done"),
        ("src/deep/c.rs", 0, "limit"),
        ("large", u32::MAX, "limit"),
        ("none", 10, "not found"),
        ("src/b.txt", 10, "denied"),
        ("secret/key", 10, "denied"),
        ("secret/none", 10, "denied"),
        ("src", 10, "denied"),
        ("", 10, "denied"),
        ("src/../secret/key", 10, "invalid"),
        ("/etc/passwd", 10, "invalid"),
        ("src/a\0.rs", 10, "invalid"),
        (".git/config", 10, "denied"),
        ("src/link.rs", 10, "denied"),
        ("src/out/d.rs", 10, "denied"),
    ] {
        let told = call.state.read(path.into(), most).await;
        assert_eq!(word(&told), expected, "{path}");
    }
    let asked = call.world.asked();
    assert_eq!(asked, ["read src/a.rs", "read src/deep/c.rs", "read src/deep/c.rs", "read large", "read none"]);
    assert!(call.world.heard().contains(&"denied files.read secret/key".to_owned()));
    let text = denied(call.state.read("secret/key".into(), 10).await);
    assert!(text.contains("[[capability]] name = \"files.read\", globs = [\"secret/key\"]"), "{text}");
    let text = denied(call.state.read(".git/config".into(), 10).await);
    assert!(text.contains(".git is not for plugins"), "{text}");
    let text = denied(call.state.read("src/out/d.rs".into(), 10).await);
    assert!(text.starts_with("src/out is a symbolic link"), "{text}");
}

#[tokio::test]
async fn files_are_written_at_the_version_that_was_read() {
    let mut call = call(vec![write_globs(&["src/**"])]);
    workspace(&call);
    for (path, size, version, expected) in [
        ("src/new.rs", 3, None, "done"),
        ("src/new.rs", 4, None, "conflict"),
        ("src/new.rs", 4, Some("v9"), "conflict"),
        ("src/new.rs", 4, Some("v3"), "done"),
        ("src/new.rs", (4 << 20) + 1, Some("v4"), "limit"),
        ("src/new.rs", 1, Some(&*"v".repeat(300)), "conflict"),
        ("other", 1, None, "denied"),
        ("src/.git/hooks/post-checkout", 1, None, "denied"),
        ("src/.GIT/config", 1, None, "denied"),
        ("src/link.rs", 1, None, "denied"),
        ("src/out/new", 1, None, "denied"),
        ("src", 1, None, "denied"),
    ] {
        let told = call.state.write(path.into(), vec![0; size], version.map(str::to_owned)).await;
        assert_eq!(word(&told), expected, "{path} {version:?}");
    }
    for (path, expected) in [
        ("src/new.rs", "done"),
        ("src/new.rs", "not found"),
        // A link goes, and not what it leads to.
        ("src/link.rs", "done"),
        ("src/out/d.rs", "denied"),
        // What lies in a folder may be what no glob stands for.
        ("src/deep", "invalid"),
        ("secret/key", "denied"),
    ] {
        assert_eq!(word(&call.state.delete(path.into()).await), expected, "{path}");
    }
    assert_eq!(word(&call.state.read("src/a.rs".into(), 9).await), "denied", "writing is not reading");
    assert_eq!(word(&call.state.stat("src/a.rs".into()).await), "denied");
}

#[tokio::test]
async fn folders_show_what_was_granted_and_the_way_there() {
    let mut call = call(vec![read_globs(&["src/*/*.rs", "src/*.rs"])]);
    workspace(&call);
    let mut names = async |path: &str, limit: u32| {
        let listed = call.state.list(path.into(), None, limit).await.unwrap();
        listed.map(|entries| entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>())
    };
    assert_eq!(names("", 9).await.unwrap(), ["src"]);
    assert_eq!(names("src", 9).await.unwrap(), ["a.rs", "deep", "link.rs"]);
    assert_eq!(names("src", 1).await.unwrap(), ["a.rs"]);
    assert_eq!(names("src", 0).await.unwrap(), [""; 0]);
    assert_eq!(names("src/deep", 9).await.unwrap(), ["c.rs"]);
    for path in ["secret", ".git", "src/out", "src/deep/deeper", "none"] {
        assert!(matches!(names(path, 9).await, Err(Error::Denied(_))), "{path}");
    }
    for (path, expected) in [
        ("src/a.rs", "done"),
        ("src", "done"),
        ("src/deep", "done"),
        ("src/link.rs", "done"),
        ("src/b.txt", "denied"),
        ("secret", "denied"),
        ("secret/none", "denied"),
        ("src/out/d.rs", "denied"),
        (".git", "denied"),
    ] {
        assert_eq!(word(&call.state.stat(path.into()).await), expected, "{path}");
    }
    call.rights.set(vec![read_globs(&["large"])]);
    assert_eq!(word(&call.state.list("src".into(), None, 9).await), "denied", "what is taken back is gone at once");
}

#[tokio::test]
async fn long_folders_are_looked_through() {
    let mut call = call(vec![read_globs(&["many/*.rs", "none/*.rs"])]);
    call.world.put(&[("many", Node::Folder), ("none", Node::Folder)]);
    for number in 0..2500 {
        call.world.put(&[(&format!("many/{number:05}.txt"), Node::Folder)]);
    }
    call.world.put(&[("many/x.rs", file("x")), ("many/y.rs", file("y")), ("many/z.rs", file("z"))]);
    let names = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>();
    let first = call.state.list("many".into(), None, 2).await.unwrap().unwrap();
    assert_eq!(names(first), ["x.rs", "y.rs"]);
    let rest = call.state.list("many".into(), Some("y.rs".into()), 2).await.unwrap().unwrap();
    assert_eq!(names(rest), ["z.rs"]);
    call.rights.set(vec![read_globs(&["many/*"])]);
    let most = call.state.list("many".into(), None, u32::MAX).await.unwrap().unwrap();
    assert_eq!(most.len(), 1000);
}

fn query(includes: &[&str], max_matches: u32) -> Query {
    Query {
        pattern: "x".into(),
        is_regex: false,
        is_case_sensitive: true,
        includes: words(includes),
        excludes: words(&["tmp/**"]),
        max_matches,
    }
}

#[tokio::test]
async fn searches_tell_nothing_of_what_was_not_granted() {
    let mut call = call(vec![search_globs(&["src/**"])]);
    workspace(&call);
    let excludes = r#"["tmp/**", "**/.git/**"]"#;
    // The port answers with everything that there is; what was not granted is left out, and does not count.
    let found = call.state.text(query(&[], 100)).await.unwrap().unwrap();
    assert!(found.matches.len() == 7 && found.matches.iter().all(|found| found.path.starts_with("src/")));
    assert!(!found.limit_reached && found.matches.iter().all(|found| found.line.len() <= 1024));
    // Of a long line a window around the match, whose place is told.
    let first = &found.matches[0];
    assert_eq!((first.range.start.column, first.line_start, first.line.chars().count()), (1902, 1490, 512));
    assert_eq!(call.world.asked(), [format!(r#"text ["src/**"] {excludes} 100"#)]);
    // What the plugin includes is looked for in what was granted: the port is never asked for more than that.
    let found = call.state.text(query(&["secret/**", "src/*.rs"], 1)).await.unwrap().unwrap();
    assert_eq!(found.matches.iter().map(|found| found.path.as_str()).collect::<Vec<_>>(), ["src/a.rs"]);
    assert!(found.limit_reached);
    let found = call.state.text(query(&["secret/**"], 1)).await.unwrap().unwrap();
    assert!(found.matches.is_empty() && !found.limit_reached);
    assert_eq!(call.world.asked(), [(); 2].map(|()| format!(r#"text ["src/**"] {excludes} 10000"#)));
    let paths = call.state.paths(words(&["**/c.rs", ".git/**"]), Vec::new(), 5).await.unwrap().unwrap();
    assert_eq!(paths, ["src/deep/c.rs"]);
    call.world.asked();
    call.rights.set(vec![search_globs(&["**"])]);
    let paths = call.state.paths(words(&["**/*"]), Vec::new(), u32::MAX).await.unwrap().unwrap();
    assert!(paths.len() == 11 && !paths.iter().any(|path| path.contains(".git")), "{paths:?}");
    assert_eq!(call.world.asked(), [r#"paths ["**/*"] ["**/.git/**"] 10000"#]);
    let mut long = query(&[], 1);
    long.pattern = "x".repeat(5000);
    assert_eq!(word(&call.state.text(long).await), "limit");
    assert_eq!(word(&call.state.text(query(&["{"], 1)).await), "invalid");
    assert_eq!(word(&call.state.paths(vec!["x".into(); 101], Vec::new(), 1).await), "limit");
    call.rights.set(Vec::new());
    assert_eq!(word(&call.state.text(query(&[], 1)).await), "denied");
    assert_eq!(word(&call.state.paths(Vec::new(), Vec::new(), 1).await), "denied");
    assert!(call.world.asked().is_empty());
}
