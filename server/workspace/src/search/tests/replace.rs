//! Replacements over real files.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use coditect_protocol::search::{FileReplacements, ReplaceFile, ReplaceSummary, ReplaceText, SearchText};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{rel, somebody, text, tree};
use crate::WorkspaceError;
use crate::search::replace_text;
use crate::tree::{Tree, TreeSettings};

async fn opened(dir: &TempDir) -> Arc<Tree> {
    Arc::new(Tree::open(dir.path().to_owned(), TreeSettings::default()).await.unwrap())
}

async fn replace(dir: &TempDir, query: ReplaceText) -> Result<(ReplaceSummary, Vec<FileReplacements>), WorkspaceError> {
    let (sink, mut messages) = mpsc::channel(1);
    let replacing = replace_text(somebody(), opened(dir).await, query, CancellationToken::new(), sink);
    let collecting = async {
        let mut all = Vec::new();
        while let Some(file) = messages.recv().await {
            all.push(file);
        }
        all.sort_by(|a: &FileReplacements, b| a.path.cmp(&b.path));
        all
    };
    let (summary, files) = tokio::join!(replacing, collecting);
    Ok((summary?, files))
}

fn query(search: &str, replacement: &str) -> ReplaceText {
    ReplaceText { search: text(search), replacement: replacement.to_owned(), ..ReplaceText::default() }
}

fn read(dir: &TempDir, path: &str) -> String {
    fs::read_to_string(dir.path().join(path)).unwrap()
}

#[tokio::test]
async fn what_was_previewed_is_replaced_and_nothing_newer() {
    let dir = tree(&[("a", "1 needle\n"), ("b/c", "needle needle\nx\n"), ("none", "hay")]);
    let (summary, previewed) = replace(&dir, ReplaceText { preview: true, ..query("needle", "pin") }).await.unwrap();
    assert_eq!((summary.files, summary.replacements, summary.failed), (2, 3, 0));
    assert_eq!(
        (previewed[1].lines[0].before.as_str(), previewed[1].lines[0].after.as_str()),
        ("needle needle", "pin pin")
    );
    assert_eq!(read(&dir, "a"), "1 needle\n", "a preview writes nothing");
    // Somebody else is quicker in one of them.
    fs::write(dir.path().join("a"), "2 needle\n").unwrap();
    let files: Vec<_> = previewed.into_iter().map(|file| ReplaceFile { path: file.path, etag: file.etag }).collect();
    let (summary, done) = replace(&dir, ReplaceText { files, ..query("needle", "pin") }).await.unwrap();
    assert_eq!((summary.files, summary.replacements, summary.failed), (1, 2, 1));
    assert_eq!(done[0].problem.as_ref().unwrap().code, "files.changed");
    assert_eq!((read(&dir, "a").as_str(), read(&dir, "b/c").as_str()), ("2 needle\n", "pin pin\nx\n"));
    assert_eq!(done[1].etag, opened(&dir).await.stat(&rel("b/c")).await.unwrap().etag);
}

#[tokio::test]
async fn only_what_the_search_sees_is_replaced() {
    let dir = tree(&[(".git/HEAD", "needle"), (".gitignore", "*.log"), ("a.log", "needle"), ("a.txt", "needle")]);
    std::os::unix::fs::symlink("a.log", dir.path().join("link")).unwrap();
    let (summary, _) = replace(&dir, query("needle", "pin")).await.unwrap();
    assert_eq!((summary.files, read(&dir, "a.txt").as_str()), (1, "pin"));
    assert_eq!((read(&dir, "a.log").as_str(), read(&dir, ".git/HEAD").as_str()), ("needle", "needle"));
    // A file that was named, though it is ignored; in any version.
    let files = vec![
        ReplaceFile { path: rel("a.log"), etag: String::new() },
        ReplaceFile { path: rel("gone"), etag: String::new() },
    ];
    let (summary, done) = replace(&dir, ReplaceText { files, ..query("needle", "pin") }).await.unwrap();
    assert_eq!((summary.files, summary.failed, read(&dir, "a.log").as_str()), (1, 1, "pin"));
    assert_eq!(done[1].problem.as_ref().unwrap().code, "files.not_found");
}

#[tokio::test]
async fn files_keep_their_permissions_and_stay_whole_at_the_limit() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tree(&[("script", "needle needle needle")]);
    fs::set_permissions(dir.path().join("script"), fs::Permissions::from_mode(0o750)).unwrap();
    let limited =
        |max_matches| ReplaceText { search: SearchText { max_matches, ..text("needle") }, ..query("", "pin") };
    let (summary, told) = replace(&dir, limited(2)).await.unwrap();
    assert!(summary.limit_reached && summary.replacements == 0 && told.is_empty());
    assert_eq!(read(&dir, "script"), "needle needle needle");
    assert!(!replace(&dir, limited(3)).await.unwrap().0.limit_reached);
    assert_eq!(read(&dir, "script"), "pin pin pin");
    assert_eq!(fs::metadata(dir.path().join("script")).unwrap().permissions().mode() & 0o777, 0o750);
    fs::set_permissions(dir.path().join("script"), fs::Permissions::from_mode(0o550)).unwrap();
    let (summary, told) = replace(&dir, query("pin", "x")).await.unwrap();
    assert_eq!((summary.failed, told[0].problem.as_ref().unwrap().code.as_str()), (1, "files.no_permission"));
}

#[tokio::test]
async fn stops_when_cancelled_with_every_file_whole() {
    let files: Vec<_> = (0..200).map(|number| (format!("f{number}"), "needle\n".repeat(100))).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let dir = tree(&files);
    let cancel = CancellationToken::new();
    let (sink, mut messages) = mpsc::channel(1);
    let replacing =
        tokio::spawn(replace_text(somebody(), opened(&dir).await, query("needle", "pin"), cancel.clone(), sink));
    messages.recv().await.unwrap();
    cancel.cancel();
    let outcome = tokio::time::timeout(Duration::from_secs(10), replacing).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(WorkspaceError::SearchCancelled)));
    let (old, new) = ("needle\n".repeat(100), "pin\n".repeat(100));
    let now: Vec<_> = files.iter().map(|(path, _)| read(&dir, path)).collect();
    assert!(now.iter().all(|text| *text == old || *text == new));
    assert!(now.contains(&old) && now.contains(&new));
}

#[tokio::test]
async fn what_grows_a_lot_is_replaced_as_well() {
    let dir = tree(&[("a", &"x\n".repeat(2000))]);
    let (summary, told) = replace(&dir, query("x", &"long".repeat(100))).await.unwrap();
    assert_eq!((summary.replacements, summary.failed, told.len()), (2000, 0, 1));
    assert_eq!(read(&dir, "a"), format!("{}\n", "long".repeat(100)).repeat(2000));
}
