//! Folders as one stream.

use super::*;
use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

fn somebody() -> UserId {
    UserId(uuid::Uuid::from_u128(1))
}

async fn taken(f: &Fixture, paths: &[&str], kind: PackKind) -> Result<Vec<u8>, WorkspaceError> {
    let paths = paths.iter().map(|path| rel(path)).collect();
    let place = Downloads::default().begin(somebody())?;
    let mut stream = std::pin::pin!(f.tree.pack(paths, kind, place).await?);
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
    let downloads = Downloads::default();
    for kind in [PackKind::Tar, PackKind::Zip] {
        let mut streams = Vec::new();
        for _ in 0..4 {
            let place = downloads.begin(somebody()).unwrap();
            let mut stream = Box::pin(f.tree.pack(vec![rel("huge")], kind, place).await.unwrap());
            assert!(stream.next().await.unwrap().is_ok());
            streams.push(stream);
        }
        assert_eq!(code(downloads.begin(somebody()).map(drop)), "files.too_many_downloads");
        drop(streams);
        while (0..4).map(|_| downloads.begin(somebody())).collect::<Result<Vec<_>, _>>().is_err() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_that_is_not_taken_for_a_while_breaks_off() {
    let f = Fixture::new().await;
    std::fs::File::create(f.real("huge")).unwrap().set_len(1 << 40).unwrap();
    let downloads = Downloads::default();
    let _others: Vec<_> = (0..3).map(|_| downloads.begin(somebody()).unwrap()).collect();
    let place = downloads.begin(somebody()).unwrap();
    let mut stream = Box::pin(f.tree.pack(vec![rel("huge")], PackKind::Tar, place).await.unwrap());
    while downloads.begin(somebody()).is_err() {
        tokio::time::advance(Duration::from_secs(1)).await;
        std::thread::yield_now();
    }
    let mut last = None;
    while let Some(piece) = stream.next().await {
        last = Some(piece.map(drop));
    }
    assert_eq!(code(last.unwrap()), "files.interrupted", "what is not whole does not end like what is");
}

#[tokio::test]
async fn what_has_one_name_in_two_folders_is_told_apart() {
    let f = Fixture::new().await;
    for path in ["x/a/index.ts", "x/b/index.ts", "x/b/deep/one", "x/back\\slash"] {
        f.put(path, path);
    }
    for kind in [PackKind::Tar, PackKind::Zip] {
        let names = async |paths: &[&str]| -> Vec<String> {
            let bytes = taken(&f, paths, kind).await.unwrap();
            let mut names: Vec<String> = match kind {
                PackKind::Tar => tar::Archive::new(Cursor::new(bytes))
                    .entries()
                    .unwrap()
                    .map(|entry| String::from_utf8(entry.unwrap().path_bytes().into_owned()).unwrap())
                    .collect(),
                PackKind::Zip => zip::ZipArchive::new(Cursor::new(bytes))
                    .unwrap()
                    .file_names()
                    .map(|name| name.unwrap().into_owned())
                    .collect(),
            };
            names.sort();
            names
        };
        assert_eq!(names(&["x/a/index.ts", "x/b/index.ts"]).await, ["a/index.ts", "b/index.ts"]);
        // Each once, whatever is named with it.
        assert_eq!(
            names(&["x/b/deep", "x/b", "x/b/index.ts", "x/b"]).await,
            ["b/", "b/deep/", "b/deep/one", "b/index.ts"]
        );
        assert_eq!(names(&["x/a/index.ts"]).await, ["index.ts"]);
        let shown = if kind == PackKind::Zip { "back\u{ff3c}slash" } else { "back\\slash" };
        assert_eq!(names(&["x/back\\slash"]).await, [shown]);
    }
}

/// A file that becomes shorter is filled up, so that what follows it is still read.
#[tokio::test]
async fn a_file_that_shrinks_does_not_spoil_the_archive() {
    let f = Fixture::new().await;
    std::fs::create_dir(f.real("d")).unwrap();
    std::fs::File::create(f.real("d/shrinks")).unwrap().set_len(64 << 20).unwrap();
    let place = Downloads::default().begin(somebody()).unwrap();
    let mut stream = Box::pin(f.tree.pack(vec![rel("d")], PackKind::Tar, place).await.unwrap());
    let mut all = stream.next().await.unwrap().unwrap().to_vec();
    std::fs::File::options().write(true).open(f.real("d/shrinks")).unwrap().set_len(10).unwrap();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    let mut archive = tar::Archive::new(Cursor::new(all));
    let sizes: Vec<_> = archive.entries().unwrap().map(|entry| entry.unwrap().size()).collect();
    assert_eq!(sizes, [0, 64 << 20]);
}
