//! Rules of this repository that no other tool holds.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::npm;
use crate::repo::Repo;

type Rule = fn(&Repo) -> Result<()>;

/// The rules by name.
pub(super) const RULES: [(&str, Rule); 8] = [
    ("no paths of one machine", no_machine_paths),
    ("no unfinished marks", no_unfinished_marks),
    ("crates say what they are", crates_say_what_they_are),
    ("dependencies are sorted", dependencies_are_sorted),
    ("the README has the two commands", readme_has_the_commands),
    ("files are of a readable length", files_are_short),
    ("npm packages come from the public registry", public_registry),
    ("every place names the same Node", one_node),
];

/// Longest source file, in lines.
const MAX_LINES: usize = 700;
/// Larger files are data.
const MAX_TEXT_BYTES: u64 = 2 * 1024 * 1024;
/// Written by people.
const SOURCES: [&str; 13] =
    ["rs", "ts", "tsx", "js", "mjs", "css", "html", "toml", "json", "md", "sh", "template", "jinja"];
const CODE: [&str; 7] = ["rs", "ts", "tsx", "js", "mjs", "css", "jinja"];

struct Text {
    path: PathBuf,
    content: String,
}

impl Text {
    fn has_extension(&self, of: &[&str]) -> bool {
        self.path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| of.contains(&extension))
    }
}

/// The text files that version control would take, named from the root.
fn texts(repo: &Repo) -> Vec<Text> {
    let walk = ignore::WalkBuilder::new(&repo.root)
        .hidden(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    let mut texts: Vec<Text> = walk
        .flatten()
        .filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() < MAX_TEXT_BYTES))
        .filter_map(|entry| {
            let content = fs::read_to_string(entry.path()).ok()?;
            Some(Text { path: entry.path().strip_prefix(&repo.root).unwrap_or(entry.path()).to_owned(), content })
        })
        .collect();
    texts.sort_by(|a, b| a.path.cmp(&b.path));
    texts
}

/// One line for each fault, or nothing.
fn none(faults: &[String], rule: &str) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{rule}:\n  {}", faults.join("\n  "))
}

fn lines_with<'a>(text: &'a Text, needles: &'a [String]) -> impl Iterator<Item = String> + 'a {
    lines_where(text, |line| needles.iter().any(|needle| line.contains(needle.as_str())))
}

fn lines_where<'a>(text: &'a Text, found: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = String> + 'a {
    text.content
        .lines()
        .enumerate()
        .filter(move |(_, line)| found(line))
        .map(|(number, line)| format!("{}:{}: {}", text.path.display(), number + 1, line.trim()))
}

fn no_machine_paths(repo: &Repo) -> Result<()> {
    let mut needles = vec![format!("{}/", repo.root.display())];
    // A home directory like `/root` is also the name of something; only what lies in it tells where a file was written.
    needles.extend(
        std::env::home_dir().filter(|home| home.components().count() > 2).map(|home| format!("{}/", home.display())),
    );
    let faults: Vec<String> =
        texts(repo).iter().flat_map(|text| lines_with(text, &needles).collect::<Vec<_>>()).collect();
    none(&faults, "these lines name a path that only this machine has")
}

fn no_unfinished_marks(repo: &Repo) -> Result<()> {
    // In two halves, so that this file does not find itself.
    let marks: Vec<String> = ["TO|DO", "FIX|ME", "XX|X:"].iter().map(|mark| mark.replace('|', "")).collect();
    // Where git puts them; elsewhere they are what a test is about.
    let conflict = |line: &str| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ");
    let is_mark = |line: &str| conflict(line) || marks.iter().any(|mark| line.contains(mark.as_str()));
    // This plugin is about such marks.
    let is_about_them = |text: &Text| text.path.starts_with("plugins/examples/todo-tree");
    let code = texts(repo)
        .into_iter()
        .filter(|text| text.has_extension(&SOURCES) && !is_generated(text) && !is_about_them(text));
    let faults: Vec<String> = code.flat_map(|text| lines_where(&text, is_mark).collect::<Vec<_>>()).collect();
    none(&faults, "what is not finished goes into an issue, not into the source")
}

fn is_generated(text: &Text) -> bool {
    text.path.file_name().is_some_and(|name| name == "package-lock.json" || name == "Cargo.lock")
}

fn crates_say_what_they_are(repo: &Repo) -> Result<()> {
    let roots = ["src/lib.rs", "src/main.rs"];
    let is_root = |text: &Text| roots.iter().any(|root| text.path.ends_with(root)) && !text.path.starts_with("target");
    let faults: Vec<String> = texts(repo)
        .iter()
        .filter(|text| is_root(text) && !text.content.starts_with("//! "))
        .map(|text| text.path.display().to_string())
        .collect();
    none(&faults, "these crates do not open with `//!` and what they are")
}

fn dependencies_are_sorted(repo: &Repo) -> Result<()> {
    let manifests =
        texts(repo).into_iter().filter(|text| text.path.file_name().is_some_and(|name| name == "Cargo.toml"));
    let faults: Vec<String> = manifests.flat_map(|text| unsorted(&text)).collect();
    none(&faults, "these dependencies are out of order")
}

/// Names that stand behind a later one, in tables of dependencies; a blank line begins a new group.
fn unsorted(text: &Text) -> Vec<String> {
    let mut faults = Vec::new();
    let mut inside = false;
    let mut last = String::new();
    for line in text.content.lines() {
        if line.starts_with('[') || line.trim().is_empty() {
            inside = if line.starts_with('[') { line.trim_end().ends_with("dependencies]") } else { inside };
            last.clear();
            continue;
        }
        let Some((name, _)) =
            line.split_once(['=', '.']).filter(|_| inside && line.starts_with(|c: char| c.is_ascii_alphanumeric()))
        else {
            continue;
        };
        let name = name.trim().to_owned();
        if name < last {
            faults.push(format!("{}: `{name}` stands after `{last}`", text.path.display()));
        }
        last = name;
    }
    faults
}

fn readme_has_the_commands(repo: &Repo) -> Result<()> {
    let readme = fs::read_to_string(repo.root.join("README.md")).context("README.md cannot be read")?;
    let absent: Vec<String> = ["cargo xtask run", "cargo xtask test"]
        .iter()
        .filter(|command| !readme.contains(*command))
        .map(|&command| command.to_owned())
        .collect();
    none(&absent, "README.md does not have")
}

fn files_are_short(repo: &Repo) -> Result<()> {
    let long =
        texts(repo).into_iter().filter(|text| text.has_extension(&CODE) && text.content.lines().count() > MAX_LINES);
    let faults: Vec<String> =
        long.map(|text| format!("{} ({} lines)", text.path.display(), text.content.lines().count())).collect();
    none(&faults, &format!("these files have more than {MAX_LINES} lines"))
}

fn public_registry(repo: &Repo) -> Result<()> {
    let locks = texts(repo).into_iter().filter(|text| text.path.ends_with("package-lock.json"));
    let mut faults = Vec::new();
    for lock in locks {
        faults.extend(foreign_sources(&lock.path, &lock.content)?);
    }
    none(&faults, "these packages do not come from the public npm registry, or without a checksum")
}

/// Entries of a lock file that another place than the public registry serves, or that nothing verifies.
fn foreign_sources(path: &Path, lock: &str) -> Result<Vec<String>> {
    let lock: serde_json::Value =
        serde_json::from_str(lock).with_context(|| format!("{} is no JSON", path.display()))?;
    let packages = lock["packages"].as_object().into_iter().flatten();
    let faults = packages.filter(|(name, entry)| {
        let linked = entry["link"].as_bool() == Some(true) || !name.contains("node_modules/");
        let bundled = entry["inBundle"].as_bool() == Some(true);
        let public = entry["resolved"].as_str().is_none_or(|from| from.starts_with("https://registry.npmjs.org/"));
        !linked && !(public && (bundled || entry["integrity"].is_string()))
    });
    Ok(faults.map(|(name, _)| format!("{}: {name}", path.display())).collect())
}

/// Where packages say which Node they want.
const PACKAGES: [&str; 4] =
    ["web/package.json", "theia-app/package.json", "tests/e2e/package.json", "tests/clients/package.json"];
/// Where people are told.
const TOLD: [&str; 2] = ["README.md", "CONTRIBUTING.md"];

/// What xtask checks, what the packages name, what people are told and what the bundler of the front wants is one and the same.
fn one_node(repo: &Repo) -> Result<()> {
    let read = |path: &str| fs::read_to_string(repo.root.join(path)).with_context(|| format!("{path} cannot be read"));
    let json = |path: &str| -> Result<serde_json::Value> {
        serde_json::from_str(&read(path)?).with_context(|| format!("{path} is no JSON"))
    };
    let mut faults = Vec::new();
    let mut compare = |place: &str, engines: &serde_json::Value| {
        if engines["node"] != npm::ENGINES {
            faults.push(format!("{place}: `engines` names {} instead of \"{}\"", engines["node"], npm::ENGINES));
        }
    };
    for path in PACKAGES {
        compare(path, &json(path)?["engines"]);
    }
    compare(
        "vite in web/package-lock.json",
        &json("web/package-lock.json")?["packages"]["node_modules/vite"]["engines"],
    );
    for path in TOLD {
        let words: Vec<String> = read(path)?.split_whitespace().map(str::to_owned).collect();
        if !words.join(" ").contains(&format!("Node {}", npm::NODE)) {
            faults.push(format!("{path} does not say \"Node {}\"", npm::NODE));
        }
    }
    none(&faults, "the version of Node is in xtask/src/npm.rs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp;

    fn with(files: &[(&str, &str)]) -> (tempfile::TempDir, Repo) {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            stamp::write(&dir.path().join(path), content.as_bytes()).unwrap();
        }
        let repo = Repo::at(dir.path());
        (dir, repo)
    }

    #[test]
    fn a_path_of_this_machine_is_found_and_ignored_files_are_not_read() {
        let (dir, repo) = with(&[(".gitignore", "/out/\n")]);
        let line = format!("see {}/x\n", dir.path().display());
        stamp::write(&dir.path().join("out/a.md"), line.as_bytes()).unwrap();
        no_machine_paths(&repo).unwrap();
        stamp::write(&dir.path().join("a.md"), line.as_bytes()).unwrap();
        assert!(no_machine_paths(&repo).unwrap_err().to_string().contains("a.md:1"));
    }

    #[test]
    fn unfinished_marks_are_found() {
        let mark = ["TO", "DO"].concat();
        let (_dir, repo) = with(&[("src/a.rs", &format!("fn a() {{}} // {mark}: more\n"))]);
        assert!(no_unfinished_marks(&repo).unwrap_err().to_string().contains("a.rs:1"));
    }

    #[test]
    fn a_crate_must_open_with_its_purpose() {
        let (_dir, repo) = with(&[("a/src/lib.rs", "//! What a is.\n"), ("b/src/main.rs", "fn main() {}\n")]);
        let error = crates_say_what_they_are(&repo).unwrap_err().to_string();
        assert!(error.contains("b/src/main.rs") && !error.contains("a/src"));
    }

    #[test]
    fn order_is_kept_within_a_group() {
        let content = "[package]\nname = \"x\"\nedition = \"2024\"\n[dependencies]\nb = \"1\"\n\na.workspace = true\nc = { version = \"1\", features = [\n    \"a\",\n] }\n";
        let text = Text { path: "Cargo.toml".into(), content: content.to_owned() };
        assert_eq!(unsorted(&text), Vec::<String>::new());
        let text = Text { path: "Cargo.toml".into(), content: content.replace("\n\na", "\na") };
        assert_eq!(unsorted(&text).len(), 1);
    }

    #[test]
    fn long_files_and_a_silent_readme_are_found() {
        let (_dir, repo) = with(&[("a.rs", &"x\n".repeat(MAX_LINES + 1)), ("README.md", "cargo xtask run\n")]);
        assert!(files_are_short(&repo).unwrap_err().to_string().contains("a.rs"));
        assert!(readme_has_the_commands(&repo).unwrap_err().to_string().contains("cargo xtask test"));
    }

    #[test]
    fn another_version_of_node_is_found_wherever_it_is_named() {
        let engines = format!(r#"{{"engines": {{"node": "{}"}}}}"#, npm::ENGINES);
        let lock = format!(r#"{{"packages": {{"node_modules/vite": {engines}}}}}"#);
        let told = format!("You need Node {}.", npm::NODE.replacen(' ', "\n", 1));
        let mut files: Vec<(&str, &str)> = PACKAGES.map(|path| (path, engines.as_str())).to_vec();
        files.extend(TOLD.map(|path| (path, told.as_str())));
        files.push(("web/package-lock.json", &lock));
        let (dir, repo) = with(&files);
        one_node(&repo).unwrap();
        for (path, content) in files {
            let other = content.replace("20.19", "20.18");
            stamp::write(&dir.path().join(path), other.as_bytes()).unwrap();
            let error = one_node(&repo).unwrap_err().to_string();
            assert!(error.contains(path) && error.lines().count() == 2, "{error}");
            stamp::write(&dir.path().join(path), content.as_bytes()).unwrap();
        }
    }

    #[test]
    fn packages_from_elsewhere_are_found() {
        let lock = r#"{"packages": {"": {}, "app": {}, "node_modules/app": {"link": true, "resolved": "app"},
            "node_modules/good": {"integrity": "sha512-x", "resolved": "https://registry.npmjs.org/good/-/good-1.tgz"},
            "node_modules/bare": {"integrity": "sha512-x"}, "node_modules/loose": {},
            "node_modules/far": {"integrity": "sha512-x", "resolved": "http://mirror.example/far.tgz"}}}"#;
        let faults = foreign_sources(Path::new("l"), lock).unwrap();
        assert_eq!(faults, ["l: node_modules/far", "l: node_modules/loose"]);
    }
}
