//! More rules than are obeyed.

use std::fs;
use std::sync::Arc;

use coditect_protocol::search::{FindFiles, ReplaceText};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{collect, find, somebody, text, tree};
use crate::search::{MAX_RULES_BYTES, MAX_RULES_FILE_BYTES, replace_text};
use crate::tree::{Tree, TreeSettings};

fn obeying() -> FindFiles {
    FindFiles { use_ignore_files: true, ..FindFiles::default() }
}

fn padded(bytes: usize) -> String {
    let line = format!("#{}\n", "-".repeat(1022));
    line.repeat(bytes / line.len())
}

#[tokio::test]
async fn rules_beyond_the_size_of_a_file_are_told() {
    let at_most = padded(MAX_RULES_FILE_BYTES - 1024) + "hidden\n";
    let dir = tree(&[(".ignore", &at_most), ("hidden", "needle"), ("seen", "needle")]);
    let found = find(&dir, obeying()).await;
    assert!(!found.limit_reached && !found.paths.contains(&"hidden".to_owned()));
    fs::write(dir.path().join(".ignore"), padded(MAX_RULES_FILE_BYTES) + "hidden\nseen\n").unwrap();
    let found = find(&dir, obeying()).await;
    assert!(found.limit_reached && found.paths.contains(&"hidden".to_owned()), "{found:?}");
    let (matches, summary) = collect(&dir, text("needle")).await.unwrap();
    assert!(summary.limit_reached && matches.len() == 2);
    let opened = Arc::new(Tree::open(dir.path().to_owned(), TreeSettings::default()).await.unwrap());
    let (sink, _told) = mpsc::channel(10);
    let query = ReplaceText { search: text("needle"), preview: true, ..ReplaceText::default() };
    let summary = replace_text(somebody(), opened, query, CancellationToken::new(), sink).await.unwrap();
    assert!(summary.limit_reached && summary.files == 2);
}

#[tokio::test]
async fn rules_that_are_left_behind_make_room_for_others() {
    // Together more than may be held at once.
    let files: Vec<_> = (0..400).map(|number| (format!("{number}/.ignore"), format!("{number}/hidden"))).collect();
    let files: Vec<_> =
        files.iter().flat_map(|(rules, file)| [(rules.as_str(), "a*b\nhidden"), (file.as_str(), "")]).collect();
    let dir = tree(&files);
    let found = find(&dir, obeying()).await;
    assert!(!found.limit_reached && found.paths.len() == 400);
}

#[tokio::test]
async fn rules_that_hold_at_once_are_bounded() {
    let dir = tree(&[]);
    let mut path = dir.path().to_owned();
    for level in 0..8 {
        path.push("d");
        fs::create_dir(&path).unwrap();
        fs::write(path.join(".ignore"), format!("*a????????\nhidden{level}\n")).unwrap();
        fs::write(path.join(format!("hidden{level}")), "").unwrap();
    }
    let found = find(&dir, obeying()).await;
    assert!(found.limit_reached);
    let hidden = |level: usize| found.paths.iter().any(|path| path.ends_with(&format!("hidden{level}")));
    assert!(!hidden(0) && !hidden(2) && hidden(7), "{found:?}");
}

#[tokio::test]
async fn what_a_walk_reads_of_rules_is_bounded() {
    let dir = tree(&[]);
    let rules = dir.path().join("rules");
    fs::write(&rules, padded(MAX_RULES_FILE_BYTES - 1024) + "hidden\n").unwrap();
    let folders = 2 * MAX_RULES_BYTES / MAX_RULES_FILE_BYTES;
    for number in 0..folders {
        let folder = dir.path().join(number.to_string());
        fs::create_dir(&folder).unwrap();
        fs::hard_link(&rules, folder.join(".ignore")).unwrap();
        fs::write(folder.join("hidden"), "").unwrap();
    }
    let found = find(&dir, obeying()).await;
    let shown = found.paths.iter().filter(|path| path.ends_with("hidden")).count();
    assert!(found.limit_reached && shown > folders / 4 && shown < folders * 3 / 4, "{shown} of {folders}");
}
