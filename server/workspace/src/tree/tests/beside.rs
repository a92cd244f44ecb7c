//! Trash, permissions, pages and quota.

use super::*;
use crate::usage::{Kind, Meter, Room};
use coditect_protocol::files::MAX_PAGE_ENTRIES;

/// A workspace's folder with its files and what is beside them; `outside` is a neighbour that nothing may reach.
pub(super) struct Place {
    pub(super) dir: TempDir,
    pub(super) tree: Arc<Tree>,
    pub(super) meter: Arc<Meter>,
}

impl Place {
    pub(super) async fn new() -> Self {
        Self::with_quota(None).await
    }

    pub(super) async fn with_quota(quota: Option<u64>) -> Self {
        Self::with_room(Room { bytes: quota, ..Room::default() }).await
    }

    pub(super) async fn with_room(room: Room) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir_all(dir.path().join("ws/files")).unwrap();
        std::fs::create_dir_all(dir.path().join("outside")).unwrap();
        std::fs::write(dir.path().join("outside/secret"), "secret").unwrap();
        let meter = Arc::new(Meter::new(dir.path().join("ws"), Kind::Workspace, room));
        let tree = Self::open(&dir, &meter).await;
        Self { dir, tree, meter }
    }

    async fn open(dir: &TempDir, meter: &Arc<Meter>) -> Arc<Tree> {
        let files = dir.path().join("ws/files");
        Arc::new(Tree::open_workspace(files, TreeSettings::default(), Arc::clone(meter)).await.unwrap())
    }

    /// As after a restart of the server.
    pub(super) async fn again(&mut self) {
        self.tree = Self::open(&self.dir, &self.meter).await;
    }

    pub(super) fn real(&self, path: &str) -> PathBuf {
        self.dir.path().join("ws/files").join(path)
    }

    pub(super) fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.real(path).parent().unwrap()).unwrap();
        std::fs::write(self.real(path), content).unwrap();
    }

    pub(super) fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.real(path)).unwrap()
    }

    pub(super) fn count(&self, folder: &str) -> usize {
        std::fs::read_dir(self.dir.path().join("ws").join(folder)).unwrap().count()
    }

    async fn discard(&self, path: &str) -> Result<(), WorkspaceError> {
        let deletion = Deletion { recursive: true, trash: Some("Ada".to_owned()), known: None };
        self.tree.delete(&rel(path), deletion).await
    }

    async fn trash(&self) -> Vec<TrashEntry> {
        self.tree.list_trash().await.unwrap()
    }
}

pub(super) const MIB: u64 = 1024 * 1024;

fn bytes(size: u64) -> Bytes {
    // Not zeros, which some file systems do not store.
    (0..size).map(|at| u8::try_from(at % 251).unwrap() + 1).collect::<Vec<_>>().into()
}

#[tokio::test]
async fn what_is_deleted_can_be_had_back() {
    let mut w = Place::new().await;
    w.put("folder/a/one", "one");
    w.put("folder/two", "two");
    w.put("file", "content");
    symlink("../../outside/secret", w.real("link")).unwrap();
    for path in ["folder", "file", "link"] {
        w.discard(path).await.unwrap();
        assert!(w.real(path).symlink_metadata().is_err());
    }
    w.again().await;
    let listed = w.trash().await;
    let seen: Vec<_> = listed.iter().map(|entry| (entry.path.as_str(), entry.kind, &*entry.deleted_by)).collect();
    assert_eq!(
        seen,
        [("link", FileKind::BrokenLink, "Ada"), ("file", FileKind::File, "Ada"), ("folder", FileKind::Folder, "Ada")]
    );
    assert!(listed[1].size > 0 && listed[0].deleted_at >= listed[2].deleted_at);
    let back = w.tree.restore(listed[2].id, None).await.unwrap();
    assert_eq!((back.kind, &*w.text("folder/a/one")), (FileKind::Folder, "one"));
    // Where it was there is another one now: nothing is replaced, and it stays in the trash.
    w.put("file", "newer");
    assert_eq!(code(w.tree.restore(listed[1].id, None).await), "files.exists");
    assert_eq!(w.trash().await.len(), 2);
    w.tree.restore(listed[1].id, Some(rel("x/y/file"))).await.unwrap();
    assert_eq!((&*w.text("file"), &*w.text("x/y/file")), ("newer", "content"));
    assert_eq!(code(w.tree.restore(listed[1].id, None).await), "trash.not_found");
    // A link comes back as the text that it is.
    w.tree.restore(listed[0].id, None).await.unwrap();
    let link = w.tree.stat(&rel("link")).await.unwrap();
    assert_eq!((link.kind, link.link_target.as_deref()), (FileKind::BrokenLink, Some("../../outside/secret")));
    assert_eq!(w.count("trash"), 0);
}

#[tokio::test]
async fn a_folder_that_is_not_empty_goes_to_the_trash_only_whole() {
    let w = Place::new().await;
    w.put("folder/file", "x");
    let alone = Deletion { trash: Some("Ada".to_owned()), ..Deletion::default() };
    assert_eq!(code(w.tree.delete(&rel("folder"), alone.clone()).await), "files.folder_not_empty");
    let etag = w.tree.stat(&rel("folder/file")).await.unwrap().etag;
    w.put("folder/file", "changed");
    let known = Deletion { known: Some(vec![etag]), ..alone };
    assert_eq!(code(w.tree.delete(&rel("folder/file"), known).await), "files.changed");
    assert_eq!(code(w.discard("").await), "files.is_the_root");
    assert_eq!(code(w.discard("none").await), "files.not_found");
    assert_eq!(w.count("trash"), 0);
}

#[tokio::test]
async fn the_trash_is_emptied_whole_or_in_part_and_gets_old() {
    let w = Place::new().await;
    for name in ["a", "b", "c", "d"] {
        w.put(&format!("{name}/locked/file"), name);
        std::fs::set_permissions(w.real(&format!("{name}/locked")), std::fs::Permissions::from_mode(0o500)).unwrap();
        w.discard(name).await.unwrap();
    }
    let ids: Vec<_> = w.trash().await.iter().map(|entry| entry.id).collect();
    w.tree.empty_trash(vec![ids[0], ids[1], TrashId(uuid::Uuid::now_v7())]).await.unwrap();
    w.tree.empty_trash(vec![ids[0]]).await.unwrap();
    assert_eq!(w.trash().await.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    w.tree.sweep(Some(Duration::from_secs(3600))).await.unwrap();
    assert_eq!(w.trash().await.len(), 2);
    w.tree.sweep(None).await.unwrap();
    assert_eq!(w.trash().await.len(), 2);
    w.tree.sweep(Some(Duration::ZERO)).await.unwrap();
    assert_eq!(w.count("trash"), 0);
    w.put("e", "");
    w.discard("e").await.unwrap();
    w.tree.empty_trash(Vec::new()).await.unwrap();
    assert_eq!(w.count("trash"), 0);
}

/// The steps in which a deletion, a restoration and an emptying can be broken off.
#[tokio::test]
async fn what_a_killed_server_leaves_is_neither_lost_nor_doubled() {
    let w = Place::new().await;
    w.put("file", "kept");
    w.discard("file").await.unwrap();
    let entry = w.trash().await.remove(0);
    let trash = w.dir.path().join("ws/trash");
    let item = trash.join(entry.id.to_string());
    // Restored, and killed before the record went.
    std::fs::rename(&item, w.real("file")).unwrap();
    assert_eq!((w.trash().await.len(), &*w.text("file")), (0, "kept"));
    assert_eq!(code(w.tree.restore(entry.id, Some(rel("other"))).await), "trash.not_found");
    assert_eq!(w.text("file"), "kept");
    // Emptied, and killed before the content went.
    std::fs::rename(w.real("file"), trash.join(format!("{}.gone", entry.id))).unwrap();
    assert_eq!(w.trash().await.len(), 0);
    w.tree.empty_trash(vec![entry.id]).await.unwrap();
    assert_eq!(w.count("trash"), 0);
    // A record that cannot be read takes nothing else along.
    w.put("good", "");
    w.discard("good").await.unwrap();
    std::fs::write(trash.join(format!("{}.json", uuid::Uuid::now_v7())), "{").unwrap();
    std::fs::write(trash.join("no id at all"), "").unwrap();
    assert_eq!(w.trash().await.len(), 1);
}

/// A program in a terminal turns the folder into a link that leads out, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn no_race_of_links_leads_out_of_trash_and_restore() {
    let w = Place::new().await;
    let outside = w.dir.path().join("outside");
    std::fs::create_dir(w.real("real")).unwrap();
    let (stop, real, swapped) = (Arc::new(AtomicBool::new(false)), w.real("real"), w.real("swapped"));
    let attacker = std::thread::spawn({
        let (stop, outside) = (Arc::clone(&stop), outside.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = std::fs::rename(&real, &swapped);
                let _ = symlink(&outside, &real);
                let _ = std::fs::remove_file(&real);
                let _ = std::fs::rename(&swapped, &real);
            }
        }
    });
    for round in 0..300 {
        w.put("mine", "mine");
        let _ = w.discard("real/secret").await;
        w.discard("mine").await.unwrap();
        let entry = w.trash().await.remove(0);
        assert_eq!(entry.path.as_str(), "mine", "something from outside got into the trash");
        let _ = w.tree.restore(entry.id, Some(rel(&format!("real/restored{round}")))).await;
        let upload = w.tree.begin_upload(UserId(uuid::Uuid::nil()), &rel(&format!("real/up{round}")), 1).await.unwrap();
        let user = UserId(uuid::Uuid::nil());
        w.tree.continue_upload(user, upload.id, 0, chunks(&["x"])).await.unwrap();
        let _ = w.tree.finish_upload(user, upload.id, WriteMode::Overwrite).await;
        w.tree.cancel_upload(user, upload.id).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    attacker.join().unwrap();
    let names: Vec<_> = std::fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["secret"]);
    assert_eq!(std::fs::read_to_string(outside.join("secret")).unwrap(), "secret");
}

#[tokio::test]
async fn large_folders_come_in_pages() {
    let f = Fixture::new().await;
    let count = MAX_PAGE_ENTRIES as usize + 5;
    for number in 0..count {
        std::fs::write(f.real(&format!("{number:06}")), "").unwrap();
    }
    let page = async |after: Option<&str>, limit| {
        let page = Page { after: after.map(str::to_owned), limit };
        let listing = f.tree.read_folder(&RelPath::root(), page).await.unwrap();
        (listing.entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>(), listing.more)
    };
    let (first, more) = page(None, 0).await;
    assert_eq!((first.len(), &*first[0], more), (MAX_PAGE_ENTRIES as usize, "000000", true));
    assert!(first.is_sorted());
    let (rest, more) = page(first.last().map(String::as_str), u32::MAX).await;
    assert_eq!((rest.len(), rest[0].as_str(), more), (5, "010000", false));
    assert_eq!(page(Some("000001"), 2).await, (vec!["000002".to_owned(), "000003".to_owned()], true));
    // A name that is gone is as good a place to go on from.
    assert_eq!(page(Some("0000015"), 1).await.0, ["000002"]);
    assert_eq!(page(Some("z"), 1).await, (Vec::new(), false));
}

#[tokio::test]
async fn permissions_are_told_and_set() {
    let f = Fixture::new().await;
    f.put("run.sh", "x");
    symlink("run.sh", f.real("link")).unwrap();
    symlink("../outside/secret", f.real("out")).unwrap();
    symlink("gone", f.real("broken")).unwrap();
    let stat = f.tree.set_permissions(&rel("link"), 0o750).await.unwrap();
    assert_eq!((stat.permissions, stat.is_link, stat.link_target.as_deref()), (0o750, true, Some("run.sh")));
    assert_eq!(f.tree.stat(&rel("run.sh")).await.unwrap().permissions, 0o750);
    let next = f.write("run.sh", "y", WriteMode::Overwrite).await.unwrap();
    assert_eq!(next.permissions, 0o750, "a new version keeps them");
    assert!(!f.tree.set_permissions(&rel("run.sh"), 0o444).await.unwrap().writable);
    for bad in [0o1000, 0o4755, u32::MAX] {
        assert_eq!(code(f.tree.set_permissions(&rel("run.sh"), bad).await), "files.bad_permissions");
    }
    let before = std::fs::metadata(f.dir.path().join("outside/secret")).unwrap().permissions();
    assert_eq!(code(f.tree.set_permissions(&rel("out"), 0o777).await), "files.not_a_file");
    assert_eq!(code(f.tree.set_permissions(&rel("broken"), 0o777).await), "files.not_a_file");
    assert_eq!(std::fs::metadata(f.dir.path().join("outside/secret")).unwrap().permissions(), before);
    assert_eq!(code(f.tree.set_permissions(&rel("none"), 0o777).await), "files.not_found");
    symlink(".", f.real("here")).unwrap();
    for root in ["", "here"] {
        assert_eq!(code(f.tree.set_permissions(&rel(root), 0).await), "files.is_the_root");
    }
}

/// A program keeps a folder moving all the time, which holds nobody up.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_goes_to_the_trash_before_its_size_is_known() {
    let w = Place::new().await;
    w.put("folder/a/b/file", bytes(MIB));
    // Held, so that it stays at hand wherever it goes.
    let above = Dir::open_ambient_dir(w.real("folder/a"), ambient_authority()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mover = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                above.rename("b", &above, "c").unwrap();
                above.rename("c", &above, "b").unwrap();
            }
        }
    });
    w.discard("folder").await.unwrap();
    stop.store(true, Ordering::Relaxed);
    mover.join().unwrap();
    w.put("other/file", bytes(MIB));
    w.discard("other").await.unwrap();
    let size_of_newest = async || w.trash().await.first().map(|entry| entry.size);
    while size_of_newest().await < Some(MIB) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    w.tree.empty_trash(Vec::new()).await.unwrap();
    assert_eq!(w.count("trash"), 0);
}

#[tokio::test]
async fn folders_that_may_not_be_written_to_come_and_go_with_their_permissions() {
    let w = Place::new().await;
    w.put("mod/file", "kept");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    std::fs::set_permissions(w.real("mod"), std::fs::Permissions::from_mode(0o555)).unwrap();
    w.discard("mod").await.unwrap();
    let entry = w.trash().await.remove(0);
    assert_eq!(mode(&w.dir.path().join("ws/trash").join(entry.id.to_string())), 0o555);
    w.tree.restore(entry.id, Some(rel("elsewhere/mod"))).await.unwrap();
    assert_eq!((mode(&w.real("elsewhere/mod")), &*w.text("elsewhere/mod/file")), (0o555, "kept"));
    if rustix::process::geteuid().is_root() {
        // Nothing is forbidden to it.
        return;
    }
    // One whose parent may not be written to stays where it is, as it is.
    std::fs::set_permissions(w.real("elsewhere"), std::fs::Permissions::from_mode(0o555)).unwrap();
    assert_eq!(code(w.discard("elsewhere/mod").await), "files.no_permission");
    assert_eq!((mode(&w.real("elsewhere/mod")), w.count("trash")), (0o555, 0));
    std::fs::set_permissions(w.real("elsewhere"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_during_a_deletion_does_not_pass_for_one_after_it() {
    let w = Place::with_quota(Some(u64::MAX)).await;
    for number in 0..2000 {
        w.put(&format!("folder/{}/{number}", number % 7), "x");
    }
    let over = Arc::new(AtomicBool::new(false));
    let counting = tokio::spawn({
        let (over, meter) = (Arc::clone(&over), Arc::clone(&w.meter));
        async move {
            while !over.load(Ordering::Relaxed) {
                meter.left().await.unwrap();
            }
        }
    });
    w.tree.delete(&rel("folder"), for_good(true)).await.unwrap();
    over.store(true, Ordering::Relaxed);
    counting.await.unwrap();
    // Either the last count saw that all is gone, or it is known to be wrong and a write has it done again.
    assert!(w.meter.recount().await || w.tree.usage(false).await.unwrap().entries < 3);
    assert!(w.tree.usage(false).await.unwrap().entries < 3);
}

#[tokio::test]
async fn one_person_takes_neither_all_slots_nor_the_places_of_others() {
    let w = Place::new().await;
    let (ada, eve) = (Arc::<Places>::default(), Arc::<Places>::default());
    let (of_ada, of_eve) = (w.tree.for_person(Arc::clone(&ada)), w.tree.for_person(Arc::clone(&eve)));
    let mut held = Vec::new();
    while let Ok(Some(place)) = tokio::time::timeout(Duration::from_millis(50), ada.work()).await {
        held.push(place);
    }
    assert!(held.len() < DEFAULT_MAX_CONCURRENT_CALLS);
    of_eve.stat(&RelPath::root()).await.unwrap();
    let root = RelPath::root();
    let mut waiting = std::pin::pin!(of_ada.stat(&root));
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err());
    held.pop();
    waiting.await.unwrap();
}

#[tokio::test]
async fn who_waits_for_a_count_takes_no_slot() {
    let w = Place::with_quota(Some(u64::MAX)).await;
    let held_up = w.meter.hold_up().await;
    let tasks: Vec<_> = (0..3 * DEFAULT_MAX_CONCURRENT_CALLS)
        .map(|_| {
            let tree = Arc::clone(&w.tree);
            tokio::spawn(async move { tree.usage(true).await.unwrap() })
        })
        .collect();
    let write = tokio::spawn({
        let tree = Arc::clone(&w.tree);
        async move { tree.write(&rel("file"), Bytes::from_static(b"x"), WriteMode::CreateNew).await }
    });
    tokio::task::yield_now().await;
    w.tree.stat(&RelPath::root()).await.unwrap();
    assert!(!write.is_finished(), "it is not judged by a figure that nobody knows");
    drop(held_up);
    write.await.unwrap().unwrap();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn there_are_only_so_many_files() {
    let w = Place::with_room(Room { entries: Some(12), ..Room::default() }).await;
    let write = async |path: &str| w.tree.write(&rel(path), Bytes::new(), WriteMode::Overwrite).await;
    // Beside them there are the folders of files, trash and uploads.
    for number in 0..8 {
        write(&format!("f{number}")).await.unwrap();
    }
    let full = "workspace.too_many_files";
    assert_eq!(code(w.tree.make_folder(&rel("a/b")).await), full);
    w.tree.make_folder(&rel("a")).await.unwrap();
    assert_eq!(code(write("new").await), full);
    assert_eq!(code(w.tree.make_folder(&rel("b")).await), full);
    assert_eq!(code(w.tree.copy(&rel("f0"), &rel("f9"), false).await), full);
    assert_eq!(code(w.tree.begin_upload(UserId(uuid::Uuid::nil()), &rel("u"), 1).await), full);
    // What is there can be changed, moved and deleted; in the trash it still counts.
    write("f0").await.unwrap();
    w.tree.rename(&rel("f1"), &rel("a/f1"), false).await.unwrap();
    w.discard("f2").await.unwrap();
    assert_eq!(code(write("new").await), full);
    w.tree.empty_trash(Vec::new()).await.unwrap();
    write("new").await.unwrap();
}

#[tokio::test]
async fn the_reserve_of_the_disk_is_left_by_all_writes() {
    let w = Place::with_room(Room { disk_reserve_bytes: u64::MAX / 2, ..Room::default() }).await;
    w.put("file", "x");
    let full = "files.disk_reserve";
    assert_eq!(code(w.tree.write(&rel("new"), bytes(1), WriteMode::Overwrite).await), full);
    assert_eq!(code(w.tree.write(&rel("file"), bytes(1), WriteMode::Overwrite).await), full);
    assert_eq!(code(w.tree.copy(&rel("file"), &rel("copy"), false).await), full);
    assert_eq!(code(w.tree.begin_upload(UserId(uuid::Uuid::nil()), &rel("u"), 1).await), full);
    // Room is made as ever.
    w.discard("file").await.unwrap();
    w.tree.empty_trash(Vec::new()).await.unwrap();
    assert_eq!(w.count("files") + w.count("trash"), 0);
}

/// What stays of a file and what a part puts over it is the same room.
#[tokio::test]
async fn a_part_of_a_file_needs_room_only_for_what_it_adds() {
    let w = Place::with_quota(Some(5 * MIB)).await;
    w.tree.write(&rel("file"), bytes(3 * MIB), WriteMode::CreateNew).await.unwrap();
    let put = async |path: &str, offset, size| {
        let content = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes(size))]);
        w.tree.write_range(&rel(path), offset, content, None, 8 * MIB).await
    };
    put("file", MIB, 2 * MIB).await.unwrap();
    put("file", 2 * MIB, 2 * MIB).await.unwrap();
    assert_eq!(code(put("file", 4 * MIB, 4 * MIB).await), "workspace.quota");
    assert_eq!(w.tree.stat(&rel("file")).await.unwrap().size, 4 * MIB);
}

#[tokio::test]
async fn what_exceeds_the_quota_is_refused_and_leaves_nothing() {
    let w = Place::with_quota(Some(4 * MIB)).await;
    let write = async |path: &str, size| w.tree.write(&rel(path), bytes(size), WriteMode::Overwrite).await;
    write("a", 2 * MIB).await.unwrap();
    assert_eq!(code(write("b", 3 * MIB).await), "workspace.quota");
    std::fs::create_dir(w.real("folder")).unwrap();
    w.put("folder/large", bytes(2 * MIB));
    assert_eq!(code(w.tree.copy(&rel("folder"), &rel("again"), false).await), "workspace.quota");
    let parts = futures_util::stream::iter([(); 3].map(|()| Ok::<_, std::io::Error>(bytes(MIB))));
    let streamed = w.tree.write_stream(&rel("c"), parts, WriteMode::CreateNew, 8 * MIB).await;
    assert_eq!(code(streamed), "workspace.quota");
    let mut names: Vec<_> = std::fs::read_dir(w.real("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a", "folder"]);
}

#[tokio::test]
async fn the_quota_is_of_everything_that_is_there() {
    let w = Place::with_quota(Some(4 * MIB)).await;
    let write = async |path: &str, size| w.tree.write(&rel(path), bytes(size), WriteMode::Overwrite).await;
    write("a", 3 * MIB).await.unwrap();
    // In the trash it still takes its room; emptied, it does not.
    w.discard("a").await.unwrap();
    assert_eq!(code(write("b", 2 * MIB).await), "workspace.quota");
    w.meter.left().await.unwrap();
    let usage = w.tree.usage(false).await.unwrap();
    assert!(usage.trash_bytes >= 3 * MIB && usage.bytes >= usage.trash_bytes, "{usage:?}");
    assert_eq!(usage.quota_bytes, Some(4 * MIB));
    w.tree.empty_trash(Vec::new()).await.unwrap();
    write("b", 2 * MIB).await.unwrap();
    // What replaces something needs only what it has more.
    write("b", 3 * MIB).await.unwrap();
    // What a program took counts, also where it hides it, and what it freed is free.
    write("b", 1).await.unwrap();
    w.put("closed/deep/file", bytes(3 * MIB));
    std::fs::set_permissions(w.real("closed"), std::fs::Permissions::from_mode(0o000)).unwrap();
    w.put(".coditect-tmp-nhidden", bytes(MIB));
    assert!(w.meter.left().await.is_some_and(|left| left < 0));
    assert!(w.tree.usage(false).await.unwrap().bytes >= 4 * MIB);
    assert_eq!(std::fs::metadata(w.real("closed")).unwrap().permissions().mode() & 0o777, 0o000);
    assert_eq!(code(write("c", 1).await), "workspace.quota");
    std::fs::set_permissions(w.real("closed"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::remove_dir_all(w.real("closed")).unwrap();
    // As the watcher tells.
    w.tree.note_change();
    write("c", MIB).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_race_never_exceed_the_quota_together() {
    let w = Place::with_quota(Some(8 * MIB)).await;
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let tree = Arc::clone(&w.tree);
            tokio::spawn(async move {
                let path = rel(&format!("f{number}"));
                match number % 3 {
                    0 => tree.write(&path, bytes(MIB), WriteMode::CreateNew).await.map(drop),
                    1 => {
                        let parts =
                            futures_util::stream::iter([Ok::<_, std::io::Error>(bytes(MIB / 2)), Ok(bytes(MIB / 2))]);
                        tree.write_stream(&path, parts, WriteMode::CreateNew, 2 * MIB).await.map(drop)
                    }
                    _ => {
                        let user = UserId(uuid::Uuid::nil());
                        let upload = tree.begin_upload(user, &path, MIB).await?;
                        let parts = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes(MIB))]);
                        tree.continue_upload(user, upload.id, 0, parts).await?;
                        tree.finish_upload(user, upload.id, WriteMode::CreateNew).await.map(drop)
                    }
                }
            })
        })
        .collect();
    let mut written = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => written += 1,
            Err(error) => assert_eq!(error.code(), "workspace.quota"),
        }
    }
    w.meter.left().await.unwrap();
    let usage = w.tree.usage(false).await.unwrap();
    assert!(written > 0 && usage.bytes <= 8 * MIB, "{written} written, {usage:?}");
}

#[tokio::test]
async fn a_tree_of_any_depth_is_counted() {
    let w = Place::with_quota(Some(u64::MAX)).await;
    let before = w.tree.usage(true).await.unwrap();
    // Deeper than a path can name, and than there are descriptors.
    let mut here = Dir::open_ambient_dir(w.real(""), ambient_authority()).unwrap();
    for _ in 0..3000 {
        here.create_dir("d").unwrap();
        here = here.open_dir("d").unwrap();
    }
    here.write("file", &bytes(MIB)[..]).unwrap();
    here.hard_link("file", &here, "again").unwrap();
    w.meter.left().await.unwrap();
    let usage = w.tree.usage(false).await.unwrap();
    assert_eq!(usage.entries - before.entries, 3002);
    let grown = usage.bytes - before.bytes;
    assert!((MIB..2 * MIB + 3000 * 4096).contains(&grown) && grown < MIB + 3001 * 4096, "{grown}");
    w.tree.delete(&rel("d"), for_good(true)).await.unwrap();
}
