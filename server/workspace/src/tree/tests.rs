use super::*;
use coditect_protocol::files::FileKind;
use coditect_protocol::{Coded, Kind};
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

mod beside;
mod packed;
mod uploads;

struct Fixture {
    /// Holds `root`, the tree, and `outside`, which nothing may reach.
    dir: TempDir,
    tree: Arc<Tree>,
}

impl Fixture {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir_all(dir.path().join("outside/folder")).unwrap();
        std::fs::write(dir.path().join("outside/secret"), "secret").unwrap();
        std::fs::create_dir(dir.path().join("root")).unwrap();
        let tree = Tree::open(dir.path().join("root"), TreeSettings::default()).await.unwrap();
        Self { dir, tree: Arc::new(tree) }
    }

    fn real(&self, path: &str) -> PathBuf {
        self.dir.path().join("root").join(path)
    }

    fn put(&self, path: &str, content: &str) {
        std::fs::create_dir_all(self.real(path).parent().unwrap()).unwrap();
        std::fs::write(self.real(path), content).unwrap();
    }

    async fn write(&self, path: &str, content: &str, mode: WriteMode) -> Result<FileStat, WorkspaceError> {
        self.tree.write(&rel(path), Bytes::copy_from_slice(content.as_bytes()), mode).await
    }

    async fn text(&self, path: &str) -> Result<String, WorkspaceError> {
        let (_, content) = self.tree.read(&rel(path), 0, None, 1 << 20).await?;
        Ok(String::from_utf8(content).unwrap())
    }

    /// Every name below the root, hidden ones too.
    fn names(&self) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, out: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                out.push(entry.path().strip_prefix(root).unwrap().display().to_string());
                if entry.file_type().unwrap().is_dir() {
                    walk(&entry.path(), root, out);
                }
            }
        }
        let mut out = Vec::new();
        walk(&self.real(""), &self.real(""), &mut out);
        out.sort();
        out
    }
}

fn for_good(recursive: bool) -> Deletion {
    Deletion { recursive, ..Deletion::default() }
}

fn rel(path: &str) -> RelPath {
    RelPath::parse(path).unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, WorkspaceError>) -> &'static str {
    result.unwrap_err().code()
}

fn chunks(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Unpin + Send + use<> {
    let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect();
    futures_util::stream::iter(parts)
}

#[tokio::test]
async fn writes_reads_and_lists() {
    let f = Fixture::new().await;
    f.tree.make_folder(&rel("a/b")).await.unwrap();
    f.tree.make_folder(&rel("a/b")).await.unwrap();
    let written = f.write("a/b/ä.txt", "hello", WriteMode::CreateNew).await.unwrap();
    assert_eq!((written.kind, written.size, written.writable), (FileKind::File, 5, true));
    assert_eq!(f.tree.stat(&rel("a/b/ä.txt")).await.unwrap(), written);
    let (stat, content) = f.tree.read(&rel("a/b/ä.txt"), 1, Some(3), 100).await.unwrap();
    assert_eq!((stat, &content[..]), (written, &b"ell"[..]));
    assert_eq!(f.tree.read(&rel("a/b/ä.txt"), 99, None, 100).await.unwrap().1, b"");
    f.put("a/z", "");
    f.put("a/.coditect-tmp-u1", "being written");
    let listing = f.tree.read_folder(&rel("a"), Page::default()).await.unwrap();
    let names: Vec<_> = listing.entries.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
    assert_eq!(names, [("b", FileKind::Folder), ("z", FileKind::File)]);
    assert_eq!(f.tree.stat(&RelPath::root()).await.unwrap().kind, FileKind::Folder);
    assert_eq!(f.tree.read_folder(&RelPath::root(), Page::default()).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn names_what_is_wrong() {
    let f = Fixture::new().await;
    f.put("folder/file", "x");
    f.put("readonly", "x");
    std::fs::set_permissions(f.real("readonly"), std::fs::Permissions::from_mode(0o444)).unwrap();
    symlink("loop2", f.real("loop1")).unwrap();
    symlink("loop1", f.real("loop2")).unwrap();
    assert_eq!(code(f.text("none").await), "files.not_found");
    assert_eq!(code(f.text("folder").await), "files.is_a_folder");
    assert_eq!(code(f.text("folder/file/x").await), "files.not_a_folder");
    assert_eq!(code(f.tree.read_folder(&rel("folder/file"), Page::default()).await), "files.not_a_folder");
    assert_eq!(code(f.text("loop1").await), "files.too_many_links");
    assert_eq!(code(f.write("loop1", "x", WriteMode::Overwrite).await), "files.too_many_links");
    assert_eq!(code(f.write("folder", "x", WriteMode::Overwrite).await), "files.is_a_folder");
    assert_eq!(code(f.write("", "x", WriteMode::Overwrite).await), "files.is_a_folder");
    assert_eq!(code(f.write("none/file", "x", WriteMode::Overwrite).await), "files.not_found");
    assert_eq!(code(f.write("readonly", "y", WriteMode::Overwrite).await), "files.no_permission");
    assert_eq!(code(f.tree.make_folder(&rel("folder/file")).await), "files.exists");
    assert_eq!(code(f.tree.delete(&rel("folder"), for_good(false)).await), "files.folder_not_empty");
    assert_eq!(code(f.tree.delete(&RelPath::root(), for_good(true)).await), "files.is_the_root");
    assert_eq!(code(f.tree.rename(&RelPath::root(), &rel("x"), true).await), "files.is_the_root");
    assert_eq!(code(f.tree.rename(&rel("folder"), &RelPath::root(), true).await), "files.is_the_root");
    assert_eq!(code(f.tree.rename(&rel("folder"), &rel("folder/in"), true).await), "files.inside_itself");
    assert_eq!(code(f.tree.copy(&rel("folder"), &rel("folder/in"), true).await), "files.inside_itself");
    assert_eq!(code(f.tree.read(&rel("folder/file"), 0, None, 0).await), "files.too_large");
    assert!(f.names().iter().all(|name| !name.contains(TEMP_PREFIX)));
}

#[tokio::test]
async fn paths_too_long_for_the_system_are_named() {
    let f = Fixture::new().await;
    // Legal as a text, and with the root's own path still only one step for the kernel: it must not be misread.
    let deep = rel(&"d/".repeat(800));
    f.tree.make_folder(&deep).await.unwrap();
    let file = deep.join("file").unwrap();
    f.tree.write(&file, Bytes::from_static(b"deep"), WriteMode::CreateNew).await.unwrap();
    assert_eq!(f.tree.read(&file, 0, None, 10).await.unwrap().1, b"deep");
    // A tree deeper than descriptors and stack would allow is deleted all the same.
    f.tree.delete(&rel("d"), for_good(true)).await.unwrap();
    assert!(f.names().is_empty());
    for bad in ["a\0b", "../x", "/etc/passwd", "a/../../x", &"n".repeat(256), &"p/".repeat(3000)] {
        assert!(RelPath::parse(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn links_do_not_lead_out() {
    let f = Fixture::new().await;
    let outside = f.dir.path().join("outside");
    for (name, target) in
        [("abs", outside.join("secret")), ("rel", "../outside/secret".into()), ("etc", "/etc/passwd".into())]
    {
        symlink(target, f.real(name)).unwrap();
        assert_eq!(f.tree.stat(&rel(name)).await.unwrap().kind, FileKind::BrokenLink);
        assert_eq!(code(f.text(name).await), "files.outside", "{name}");
        assert_eq!(code(f.tree.open_read(&rel(name)).await.map(|_| ())), "files.outside");
        assert_eq!(code(f.write(name, "owned", WriteMode::Overwrite).await), "files.outside", "{name}");
        assert_eq!(code(f.tree.copy(&rel(name), &rel("copy"), true).await), "files.not_a_file");
    }
    for (name, target) in [("absdir", outside.clone()), ("reldir", "../outside".into()), ("up", "..".into())] {
        symlink(target, f.real(name)).unwrap();
        let below = if name == "up" { format!("{name}/outside/secret") } else { format!("{name}/secret") };
        f.put("mine", "mine");
        assert_eq!(code(f.text(&below).await), "files.outside", "{name}");
        assert_eq!(code(f.tree.stat(&rel(&below)).await), "files.outside");
        assert_eq!(code(f.tree.read_folder(&rel(name), Page::default()).await), "files.outside");
        assert_eq!(code(f.write(&below, "owned", WriteMode::Overwrite).await), "files.outside");
        assert_eq!(code(f.write(&format!("{name}/new"), "owned", WriteMode::CreateNew).await), "files.outside");
        assert_eq!(code(f.tree.make_folder(&rel(&format!("{name}/new"))).await), "files.outside");
        assert_eq!(code(f.tree.delete(&rel(&below), for_good(true)).await), "files.outside");
        assert_eq!(code(f.tree.rename(&rel("mine"), &rel(&format!("{name}/new")), true).await), "files.outside");
        assert_eq!(code(f.tree.rename(&rel(&below), &rel("stolen"), true).await), "files.outside");
        assert_eq!(code(f.tree.copy(&rel("mine"), &rel(&format!("{name}/new")), true).await), "files.outside");
        // The link itself can go.
        f.tree.delete(&rel(name), for_good(true)).await.unwrap();
    }
    assert_eq!(std::fs::read_to_string(outside.join("secret")).unwrap(), "secret");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 2);
}

#[tokio::test]
async fn links_inside_are_followed_and_stay_links() {
    let f = Fixture::new().await;
    f.put("folder/file", "old");
    symlink("folder/file", f.real("link")).unwrap();
    symlink("../link", f.real("folder/back")).unwrap();
    symlink("folder", f.real("dirlink")).unwrap();
    symlink("nowhere", f.real("dangling")).unwrap();
    let stat = f.tree.stat(&rel("folder/back")).await.unwrap();
    assert_eq!((stat.kind, stat.is_link, stat.size), (FileKind::File, true, 3));
    f.write("folder/back", "new!", WriteMode::Overwrite).await.unwrap();
    assert_eq!(std::fs::read_to_string(f.real("folder/file")).unwrap(), "new!");
    assert!(std::fs::symlink_metadata(f.real("link")).unwrap().is_symlink());
    assert_eq!(f.tree.stat(&rel("dangling")).await.unwrap().kind, FileKind::BrokenLink);
    let kinds: Vec<_> = f.tree.read_folder(&RelPath::root(), Page::default()).await.unwrap().entries;
    let kinds: Vec<_> = kinds.iter().map(|entry| (entry.name.as_str(), entry.kind, entry.is_link)).collect();
    assert_eq!(
        kinds,
        [
            ("dangling", FileKind::BrokenLink, true),
            ("dirlink", FileKind::Folder, true),
            ("folder", FileKind::Folder, false),
            ("link", FileKind::File, true)
        ]
    );
    let inner = f.tree.read_folder(&rel("dirlink"), Page::default()).await.unwrap().entries;
    assert_eq!((inner[0].name.as_str(), inner[0].kind), ("back", FileKind::File));
    // Through a dangling link a file is made where it points, as any program would.
    f.write("dangling", "here", WriteMode::CreateNew).await.unwrap();
    assert_eq!(std::fs::read_to_string(f.real("nowhere")).unwrap(), "here");
    f.tree.delete(&rel("dirlink"), for_good(true)).await.unwrap();
    assert!(f.real("folder/file").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_swapped_for_a_link_leads_nowhere() {
    let f = Fixture::new().await;
    f.put("a/secret", "inside");
    symlink("../outside", f.real("b")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (stop, root) = (Arc::clone(&stop), std::fs::File::open(f.real("")).unwrap());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(&root, "a", &root, "b", rustix::fs::RenameFlags::EXCHANGE).unwrap();
            }
        })
    };
    let (mut inside, mut refused) = (0, 0);
    for round in 0.. {
        match f.text("a/secret").await {
            Ok(text) => {
                assert_eq!(text, "inside");
                inside += 1;
            }
            Err(error) => {
                assert!(matches!(error.code(), "files.outside" | "files.not_found"), "{error}");
                refused += 1;
            }
        }
        let _ = f.write("a/planted", "x", WriteMode::Overwrite).await;
        let _ = f.tree.delete(&rel("a/secret2"), for_good(true)).await;
        let _ = f.tree.make_folder(&rel("a/folder2")).await;
        let _ = f.tree.rename(&rel("a/planted"), &rel("a/moved"), true).await;
        if round > 300 && inside > 0 && refused > 0 || round > 20_000 {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    assert!(inside > 0 && refused > 0, "the race did not take place: {inside} {refused}");
    let mut names: Vec<_> =
        std::fs::read_dir(f.dir.path().join("outside")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["folder", "secret"]);
}

#[tokio::test]
async fn a_newer_version_is_not_overwritten() {
    let f = Fixture::new().await;
    let first = f.write("file", "one", WriteMode::CreateNew).await.unwrap();
    let second = f.write("file", "two", WriteMode::Replace(first.etag.clone())).await.unwrap();
    assert_ne!(first.etag, second.etag);
    let error = f.write("file", "three", WriteMode::Replace(first.etag.clone())).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("files.changed", Kind::PreconditionFailed));
    assert_eq!(code(f.write("file", "three", WriteMode::CreateNew).await), "files.exists");
    // Sent again because the answer was lost: the same bytes are there, and nothing is touched.
    let again = f.write("file", "two", WriteMode::Replace(first.etag)).await.unwrap();
    assert_eq!(again, second);
    assert_eq!(f.write("file", "two", WriteMode::CreateNew).await.unwrap(), second);
    // Changed in place by a program of the person.
    std::fs::write(f.real("file"), "TWO").unwrap();
    assert_eq!(code(f.write("file", "three", WriteMode::Replace(second.etag.clone())).await), "files.changed");
    f.tree.delete(&rel("file"), for_good(false)).await.unwrap();
    assert_eq!(code(f.write("file", "three", WriteMode::Replace(second.etag)).await), "files.changed");
    assert_eq!(f.names(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_writers_that_know_the_same_version_one_wins() {
    let f = Fixture::new().await;
    // A second handle of the same directory must not be a way around.
    let other = Arc::new(Tree::open(f.real(""), TreeSettings::default()).await.unwrap());
    let mut known = f.write("file", "start", WriteMode::CreateNew).await.unwrap().etag;
    for round in 0..20 {
        let writers = (0..8).map(|writer| {
            let tree = Arc::clone(if writer % 2 == 0 { &f.tree } else { &other });
            let mode = WriteMode::Replace(known.clone());
            tokio::spawn(async move { tree.write(&rel("file"), format!("{round} {writer}").into(), mode).await })
        });
        let results: Vec<_> = futures_util::future::join_all(writers).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<_> = (0..8).filter(|writer| results[*writer].is_ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        assert!(results.iter().flat_map(Result::as_ref).count() == 1);
        assert_eq!(f.text("file").await.unwrap(), format!("{round} {}", winners[0]));
        known.clone_from(&results[winners[0]].as_ref().unwrap().etag);
    }
    let creators = (0..8).map(|writer| {
        let tree = Arc::clone(&f.tree);
        tokio::spawn(async move { tree.write(&rel("new"), format!("{writer}").into(), WriteMode::CreateNew).await })
    });
    let created = futures_util::future::join_all(creators).await;
    assert_eq!(created.into_iter().filter(|result| result.as_ref().unwrap().is_ok()).count(), 1);
    assert_eq!(f.names(), ["file", "new"]);
}

#[tokio::test]
async fn a_new_version_keeps_the_mode() {
    let f = Fixture::new().await;
    f.put("script", "#!/bin/sh");
    std::fs::set_permissions(f.real("script"), std::fs::Permissions::from_mode(0o750)).unwrap();
    f.write("script", "#!/bin/bash", WriteMode::Overwrite).await.unwrap();
    assert_eq!(std::fs::metadata(f.real("script")).unwrap().permissions().mode() & 0o7777, 0o750);
}

#[tokio::test]
async fn pipes_and_sockets_hold_nothing_up() {
    let f = Fixture::new().await;
    rustix::fs::mknodat(rustix::fs::CWD, f.real("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(f.real("socket")).unwrap();
    for name in ["fifo", "socket"] {
        assert_eq!(f.tree.stat(&rel(name)).await.unwrap().kind, FileKind::Other);
        assert_eq!(code(f.text(name).await), "files.not_a_file");
        assert_eq!(code(f.write(name, "x", WriteMode::Overwrite).await), "files.not_a_file");
        assert_eq!(code(f.tree.copy(&rel(name), &rel("copy"), false).await), "files.not_a_file");
    }
    f.tree.make_folder(&rel("folder")).await.unwrap();
    f.tree.rename(&rel("fifo"), &rel("folder/fifo"), false).await.unwrap();
    f.tree.copy(&rel("folder"), &rel("copied"), false).await.unwrap();
    assert_eq!(f.names(), ["copied", "folder", "folder/fifo", "socket"]);
    f.tree.delete(&rel("folder"), for_good(true)).await.unwrap();
}

#[tokio::test]
async fn a_file_of_two_gigabytes_is_streamed_in_parts() {
    use tokio::io::{AsyncReadExt, AsyncSeekExt};
    let f = Fixture::new().await;
    let size = 2 << 30;
    let file = std::fs::File::create(f.real("big")).unwrap();
    file.set_len(size).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"end", size - 3).unwrap();
    assert_eq!(code(f.tree.read(&rel("big"), 0, None, 1 << 20).await), "files.too_large");
    assert_eq!(f.tree.read(&rel("big"), size - 3, None, 1 << 20).await.unwrap().1, b"end");
    let (stat, mut file) = f.tree.open_read(&rel("big")).await.unwrap();
    assert_eq!(stat.size, size);
    file.seek(std::io::SeekFrom::Start(size - 5)).await.unwrap();
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"\0\0end");
}

#[tokio::test]
async fn streams_are_written_whole_or_not_at_all() {
    let f = Fixture::new().await;
    let path = rel("file");
    let stat = f.tree.write_stream(&path, chunks(&["ab", "", "cd"]), WriteMode::CreateNew, 4).await.unwrap();
    assert_eq!((stat.size, f.text("file").await.unwrap().as_str()), (4, "abcd"));
    let error = f.tree.write_stream(&path, chunks(&["abc", "de"]), WriteMode::Overwrite, 4).await;
    assert_eq!(code(error), "files.too_large");
    let broken = chunks(&["x"]).chain(futures_util::stream::iter([Err(std::io::Error::other("gone"))]));
    assert_eq!(code(f.tree.write_stream(&path, broken, WriteMode::Overwrite, 100).await), "files.interrupted");
    // A caller that goes away in the middle, after some of it reached the disk.
    let (sender, receiver) = mpsc::channel::<std::io::Result<Bytes>>(1);
    let stream =
        Box::pin(futures_util::stream::unfold(receiver, |mut r| async move { r.recv().await.map(|x| (x, r)) }));
    let tree = Arc::clone(&f.tree);
    let write =
        tokio::spawn(async move { tree.write_stream(&rel("file"), stream, WriteMode::Overwrite, 1 << 30).await });
    for _ in 0..3 {
        sender.send(Ok(vec![b'x'; STREAM_BUFFER_BYTES].into())).await.unwrap();
    }
    write.abort();
    assert!(write.await.unwrap_err().is_cancelled());
    drop(sender);
    // Whatever blocking step was under way ends, and its temporary file goes.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while f.names() != ["file"] {
        assert!(std::time::Instant::now() < deadline, "{:?}", f.names());
        tokio::task::yield_now().await;
    }
    assert_eq!(f.text("file").await.unwrap(), "abcd");
}

#[tokio::test]
async fn moves_and_replaces() {
    let f = Fixture::new().await;
    f.put("a/one", "1");
    f.put("b/two", "2");
    f.put("file", "3");
    assert_eq!(code(f.tree.rename(&rel("a"), &rel("b"), false).await), "files.exists");
    assert_eq!(code(f.tree.rename(&rel("none"), &rel("b"), true).await), "files.not_found");
    assert_eq!(code(f.tree.rename(&rel("a"), &rel("none/b"), true).await), "files.not_found");
    f.tree.rename(&rel("a"), &rel("b"), true).await.unwrap();
    assert_eq!(f.names(), ["b", "b/one", "file"]);
    f.tree.rename(&rel("file"), &rel("b"), true).await.unwrap();
    assert_eq!(f.names(), ["b"]);
    assert_eq!(f.text("b").await.unwrap(), "3");
    assert_eq!(code(f.tree.rename(&rel("b"), &rel("b/c"), true).await), "files.not_a_folder");
    assert_eq!(f.tree.rename(&rel("b"), &rel("b"), false).await.unwrap().kind, FileKind::File);
    symlink("b", f.real("link")).unwrap();
    f.tree.rename(&rel("link"), &rel("moved"), false).await.unwrap();
    assert_eq!(f.names(), ["b", "moved"]);
}

#[tokio::test]
async fn a_folder_is_replaced_though_what_was_there_cannot_be_removed() {
    let f = Fixture::new().await;
    f.put("new/file", "new");
    f.put("old/locked/file", "old");
    // Only root can empty it.
    let lock = std::fs::Permissions::from_mode(0o555);
    std::fs::set_permissions(f.real("old/locked"), lock).unwrap();
    f.tree.rename(&rel("new"), &rel("old"), true).await.unwrap();
    assert_eq!(f.text("old/file").await.unwrap(), "new");
    assert_eq!(code(f.text("new/file").await), "files.not_found");
    assert!(!f.real("old/locked").exists() && !f.real("new").exists());
    // What is left of it, where it could not be removed, is hidden.
    let listing = f.tree.read_folder(&RelPath::root(), Page::default()).await.unwrap();
    assert_eq!(listing.entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>(), ["old"]);
}

/// Whoever looks while a folder is replaced over and over sees one or the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_replaced_is_never_missing() {
    let f = Fixture::new().await;
    f.put("shown/file", "0");
    let stop = Arc::new(AtomicBool::new(false));
    let looking = {
        let (stop, shown) = (Arc::clone(&stop), f.real("shown"));
        std::thread::spawn(move || {
            let mut missing = 0;
            while !stop.load(Ordering::Relaxed) {
                missing += usize::from(std::fs::symlink_metadata(&shown).is_err());
            }
            missing
        })
    };
    for round in 1..300 {
        f.put("next/file", &round.to_string());
        f.tree.rename(&rel("next"), &rel("shown"), true).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    assert_eq!((looking.join().unwrap(), f.text("shown/file").await.unwrap().as_str()), (0, "299"));
    assert_eq!(f.names(), ["shown", "shown/file"]);
}

#[tokio::test]
async fn only_the_known_version_is_deleted() {
    let f = Fixture::new().await;
    let first = f.write("file", "one", WriteMode::CreateNew).await.unwrap().etag;
    let second = f.write("file", "two", WriteMode::Overwrite).await.unwrap().etag;
    let delete = async |path: &str, known: &[&String]| {
        let known = Some(known.iter().map(ToString::to_string).collect());
        f.tree.delete(&rel(path), Deletion { recursive: true, known, trash: None }).await
    };
    assert_eq!(code(delete("file", &[&first]).await), "files.changed");
    assert_eq!(code(delete("file", &[]).await), "files.changed");
    assert_eq!(f.text("file").await.unwrap(), "two");
    delete("file", &[&first, &second]).await.unwrap();
    assert_eq!(code(delete("file", &[&second]).await), "files.not_found");
    f.put("folder/in", "x");
    let folder = f.tree.stat(&rel("folder")).await.unwrap().etag;
    f.put("folder/more", "x");
    assert_eq!(code(delete("folder", &[&folder]).await), "files.changed");
    let folder = f.tree.stat(&rel("folder")).await.unwrap().etag;
    delete("folder", &[&folder]).await.unwrap();
    assert_eq!(f.names(), [""; 0]);
}

/// A version that is just being put in place is not deleted by who knew the one before.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_waits_for_the_writer_before_it_looks() {
    let f = Fixture::new().await;
    let folder = f.tree.handle().unwrap();
    for round in 0..20 {
        let known = f.write("file", &format!("old {round}"), WriteMode::Overwrite).await.unwrap().etag;
        let delete = {
            // What a writer holds from its look to its rename.
            let _lock = write::commit_lock(&folder, "file".as_ref()).unwrap();
            let tree = Arc::clone(&f.tree);
            let delete = tokio::spawn(async move {
                let deletion = Deletion { known: Some(vec![known]), ..Deletion::default() };
                tree.delete(&rel("file"), deletion).await
            });
            while f.tree.slots.available_permits() == DEFAULT_MAX_CONCURRENT_CALLS && !delete.is_finished() {
                std::thread::yield_now();
            }
            f.put("next", "new");
            std::fs::rename(f.real("next"), f.real("file")).unwrap();
            delete
        };
        assert_eq!(code(delete.await.unwrap()), "files.changed", "round {round}");
        assert_eq!(f.text("file").await.unwrap(), "new");
    }
}

#[tokio::test]
async fn copies_whole_folders() {
    let f = Fixture::new().await;
    f.put("a/deep/file", "1");
    f.put("a/run", "#!");
    std::fs::set_permissions(f.real("a/run"), std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/etc/passwd", f.real("a/link")).unwrap();
    f.put("b/old", "2");
    assert_eq!(code(f.tree.copy(&rel("a"), &rel("b"), false).await), "files.exists");
    f.tree.copy(&rel("a"), &rel("b"), true).await.unwrap();
    assert_eq!(
        f.names(),
        ["a", "a/deep", "a/deep/file", "a/link", "a/run", "b", "b/deep", "b/deep/file", "b/link", "b/run"]
    );
    assert_eq!(std::fs::metadata(f.real("b/run")).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(std::fs::symlink_metadata(f.real("b/link")).unwrap().is_symlink());
    f.tree.copy(&rel("a/run"), &rel("run"), false).await.unwrap();
    assert_eq!(code(f.tree.copy(&rel("a/deep/file"), &rel("run"), false).await), "files.exists");
    f.tree.copy(&rel("a/deep/file"), &rel("run"), true).await.unwrap();
    assert_eq!(f.text("run").await.unwrap(), "1");
    // Into itself by another name: ends, and copies what was there before.
    symlink("a", f.real("alias")).unwrap();
    f.tree.copy(&rel("a"), &rel("alias/inner"), false).await.unwrap();
    assert_eq!(f.text("a/inner/deep/file").await.unwrap(), "1");
    assert!(!f.real("a/inner/inner").exists());
}

#[tokio::test]
async fn a_folder_that_only_looks_empty_can_be_deleted() {
    let f = Fixture::new().await;
    f.put("folder/.coditect-tmp-nleft", "");
    f.tree.delete(&rel("folder"), for_good(false)).await.unwrap();
    assert_eq!(f.names(), [""; 0]);
}

/// A file system of one megabyte, where this process may mount one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(dir.path())
            .stderr(std::process::Stdio::null())
            .status();
        status.is_ok_and(|status| status.success()).then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        return crate::needs::missing("mount", "a tmpfs can be mounted only by root");
    };
    let tree = Tree::open(disk.0.path().to_owned(), TreeSettings::default()).await.unwrap();
    let path = rel("file");
    tree.write(&path, Bytes::from_static(b"precious"), WriteMode::CreateNew).await.unwrap();
    let big = Bytes::from(vec![b'x'; 2 << 20]);
    let error = tree.write(&path, big.clone(), WriteMode::Overwrite).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("files.out_of_space", Kind::OutOfSpace));
    let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(big)]);
    assert_eq!(code(tree.write_stream(&path, stream, WriteMode::Overwrite, u64::MAX).await), "files.out_of_space");
    assert_eq!(tree.read(&path, 0, None, 100).await.unwrap().1, b"precious");
    // Nothing is left of the attempts: three quarters fit.
    tree.write(&path, Bytes::from(vec![b'y'; 768 << 10]), WriteMode::Overwrite).await.unwrap();
    assert_eq!(code(tree.copy(&path, &rel("copy"), false).await), "files.out_of_space");
    let names: Vec<_> = std::fs::read_dir(disk.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["file"]);
}
