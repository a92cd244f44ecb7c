//! Folders as one stream.

use super::*;
use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

async fn taken(f: &Fixture, paths: &[&str], kind: PackKind) -> Result<Vec<u8>, WorkspaceError> {
    let paths = paths.iter().map(|path| rel(path)).collect();
    let mut stream = std::pin::pin!(f.tree.pack(paths, kind).await?);
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all)
}

async fn fixture() -> Fixture {
    let f = Fixture::new().await;
    f.put("src/a.txt", "alpha");
    f.put(&format!("src/{}/ä.txt", "n".repeat(200)), "umlaut");
    f.put("src/.coditect-tmp-u1", "being written");
    f.put("other", "not asked for");
    std::fs::create_dir(f.real("src/empty")).unwrap();
    std::fs::set_permissions(f.real("src/a.txt"), std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../../outside/secret", f.real("src/out")).unwrap();
    symlink("/etc", f.real("src/etc")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, f.real("src/pipe"), rustix::fs::Mode::RUSR).unwrap();
    f
}

fn expected() -> BTreeMap<String, String> {
    let long = "n".repeat(200);
    [
        ("src/", "folder"),
        ("src/a.txt", "alpha"),
        (&format!("src/{long}/"), "folder"),
        (&format!("src/{long}/ä.txt"), "umlaut"),
        ("src/empty/", "folder"),
        ("src/etc", "-> /etc"),
        ("src/out", "-> ../../outside/secret"),
    ]
    .map(|(name, what)| (name.to_owned(), what.to_owned()))
    .into()
}

#[tokio::test]
async fn a_folder_comes_as_tar() {
    let f = fixture().await;
    let bytes = taken(&f, &["src"], PackKind::Tar).await.unwrap();
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(Cursor::new(bytes)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let what = match entry.header().entry_type() {
            tar::EntryType::Directory => "folder".to_owned(),
            tar::EntryType::Symlink => format!("-> {}", entry.link_name().unwrap().unwrap().display()),
            _ => text,
        };
        if name == "src/a.txt" {
            assert_eq!(entry.header().mode().unwrap(), 0o755);
        }
        found.insert(name, what);
    }
    assert_eq!(found, expected());
}

#[tokio::test]
async fn a_folder_comes_as_zip() {
    let f = fixture().await;
    let bytes = taken(&f, &["src", "other"], PackKind::Zip).await.unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut found = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let what = match (entry.is_dir(), entry.is_symlink()) {
            (true, _) => "folder".to_owned(),
            (_, true) => format!("-> {text}"),
            _ => text,
        };
        found.insert(entry.name().unwrap().into_owned(), what);
    }
    let mut expected = expected();
    expected.insert("other".to_owned(), "not asked for".to_owned());
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_root_comes_without_a_name_and_nothing_from_outside() {
    let f = fixture().await;
    let bytes = taken(&f, &[""], PackKind::Tar).await.unwrap();
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let names: Vec<_> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert!(names.contains(&"other".to_owned()) && names.contains(&"src/a.txt".to_owned()), "{names:?}");
    assert_eq!(code(taken(&f, &["none"], PackKind::Zip).await), "files.not_found");
    assert_eq!(code(taken(&f, &["src/out/x"], PackKind::Zip).await), "files.outside");
}

#[tokio::test]
async fn a_download_that_nobody_takes_any_more_ends() {
    let f = Fixture::new().await;
    std::fs::File::create(f.real("huge")).unwrap().set_len(1 << 40).unwrap();
    for kind in [PackKind::Tar, PackKind::Zip] {
        let mut streams = Vec::new();
        for _ in 0..4 {
            let mut stream = Box::pin(f.tree.pack(vec![rel("huge")], kind).await.unwrap());
            assert!(stream.next().await.unwrap().is_ok());
            streams.push(stream);
        }
        let refused = f.tree.pack(vec![rel("huge")], kind).await.map(drop);
        assert_eq!(code(refused), "files.too_many_downloads");
        drop(streams);
        while f.tree.downloads.available_permits() < 4 {
            tokio::task::yield_now().await;
        }
    }
}

/// A file that becomes shorter is filled up, so that what follows it is still read.
#[tokio::test]
async fn a_file_that_shrinks_does_not_spoil_the_archive() {
    let f = Fixture::new().await;
    std::fs::create_dir(f.real("d")).unwrap();
    std::fs::File::create(f.real("d/shrinks")).unwrap().set_len(64 << 20).unwrap();
    let mut stream = Box::pin(f.tree.pack(vec![rel("d")], PackKind::Tar).await.unwrap());
    let mut all = stream.next().await.unwrap().unwrap().to_vec();
    std::fs::File::options().write(true).open(f.real("d/shrinks")).unwrap().set_len(10).unwrap();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    let mut archive = tar::Archive::new(Cursor::new(all));
    let sizes: Vec<_> = archive.entries().unwrap().map(|entry| entry.unwrap().size()).collect();
    assert_eq!(sizes, [0, 64 << 20]);
}
