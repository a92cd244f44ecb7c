//! Parts of files, and files that arrive in parts.

use super::beside::Place;
use super::*;
use uuid::Uuid;

fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

const ADA: u128 = 1;

/// Says the parts, then breaks off.
fn broken(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Unpin + Send + use<> {
    let cut = futures_util::stream::iter([Err(ErrorKind::ConnectionReset.into())]);
    chunks(parts).chain(cut)
}

#[tokio::test]
async fn an_upload_goes_on_where_it_was_cut_off() {
    let mut w = Place::new().await;
    let begun = w.tree.begin_upload(user(ADA), &rel("new/big"), 10).await.unwrap();
    assert_eq!((begun.received, begun.size, begun.path.as_str()), (0, 10, "new/big"));
    let (ada, id) = (user(ADA), begun.id);
    assert_eq!(code(w.tree.continue_upload(ada, id, 0, broken(&["ab", "cd"])).await), "files.interrupted");
    // The server that comes next knows as much.
    w.again().await;
    assert_eq!(w.tree.upload(ada, id).await.unwrap().received, 4);
    assert!(!w.real("new").exists());
    assert_eq!(code(w.tree.continue_upload(ada, id, 2, chunks(&["cd"])).await), "upload.offset");
    assert_eq!(code(w.tree.finish_upload(ada, id, WriteMode::CreateNew).await), "upload.size");
    // What was written and never told of, as where the power failed, is cut off.
    let real = w.dir.path().join("ws/uploads").join(id.to_string());
    std::fs::write(&real, "abcdXXXXXXXXXXXXXX").unwrap();
    assert_eq!(w.tree.continue_upload(ada, id, 4, chunks(&["ef", "g"])).await.unwrap().received, 7);
    assert_eq!(code(w.tree.continue_upload(ada, id, 7, chunks(&["hijk"])).await), "upload.size");
    assert_eq!(w.tree.continue_upload(ada, id, 7, chunks(&["hij"])).await.unwrap().received, 10);
    let stat = w.tree.finish_upload(ada, id, WriteMode::CreateNew).await.unwrap();
    assert_eq!((stat.size, &*w.text("new/big")), (10, "abcdefghij"));
    // The answer was lost: it is told again.
    assert_eq!(w.tree.finish_upload(ada, id, WriteMode::CreateNew).await.unwrap(), stat);
    assert_eq!(w.tree.stat(&rel("new/big")).await.unwrap().etag, stat.etag);
}

#[tokio::test]
async fn a_conflict_is_asked_about_and_the_upload_waits() {
    let w = Place::new().await;
    w.put("file", "theirs");
    let known = w.tree.stat(&rel("file")).await.unwrap().etag;
    let begin = async |content: &'static str| {
        let upload = w.tree.begin_upload(user(ADA), &rel("file"), content.len() as u64).await.unwrap();
        w.tree.continue_upload(user(ADA), upload.id, 0, chunks(&[content])).await.unwrap();
        upload.id
    };
    let id = begin("mine").await;
    let finish = async |id, mode| w.tree.finish_upload(user(ADA), id, mode).await;
    assert_eq!(code(finish(id, WriteMode::CreateNew).await), "files.exists");
    assert_eq!(code(finish(id, WriteMode::Replace("other".to_owned())).await), "files.changed");
    assert_eq!(w.text("file"), "theirs");
    finish(id, WriteMode::Replace(known)).await.unwrap();
    assert_eq!(w.text("file"), "mine");
    // The same content once more is there already.
    let same = begin("mine").await;
    finish(same, WriteMode::CreateNew).await.unwrap();
    std::fs::create_dir(w.real("folder")).unwrap();
    let upload = w.tree.begin_upload(user(ADA), &rel("folder"), 0).await.unwrap();
    assert_eq!(code(finish(upload.id, WriteMode::Overwrite).await), "files.is_a_folder");
    w.tree.cancel_upload(user(ADA), upload.id).await.unwrap();
    w.tree.cancel_upload(user(ADA), upload.id).await.unwrap();
    assert_eq!(code(finish(upload.id, WriteMode::Overwrite).await), "upload.not_found");
}

#[tokio::test]
async fn an_upload_is_only_for_who_began_it_and_there_are_not_many() {
    let w = Place::with_quota(Some(1024 * 1024)).await;
    let id = w.tree.begin_upload(user(ADA), &rel("f"), 1).await.unwrap().id;
    let eve = user(2);
    assert_eq!(code(w.tree.upload(eve, id).await), "upload.not_found");
    assert_eq!(code(w.tree.continue_upload(eve, id, 0, chunks(&["x"])).await), "upload.not_found");
    assert_eq!(code(w.tree.finish_upload(eve, id, WriteMode::Overwrite).await), "upload.not_found");
    w.tree.cancel_upload(eve, id).await.unwrap();
    assert_eq!(w.tree.upload(user(ADA), id).await.unwrap().received, 0);
    assert_eq!(code(w.tree.begin_upload(eve, &rel("g"), u64::MAX).await), "workspace.quota");
    assert_eq!(code(w.tree.begin_upload(eve, &RelPath::root(), 1).await), "files.is_a_folder");
    for _ in 0..50 {
        w.tree.begin_upload(eve, &rel("g"), 0).await.unwrap();
    }
    assert_eq!(code(w.tree.begin_upload(eve, &rel("g"), 0).await), "upload.too_many");
    // Others have their own places, as long as there are any.
    for number in 3..6 {
        for _ in 0..if number == 5 { 49 } else { 50 } {
            w.tree.begin_upload(user(number), &rel("g"), 0).await.unwrap();
        }
    }
    assert_eq!(code(w.tree.begin_upload(user(ADA), &rel("g"), 0).await), "upload.too_many");
    // Who may not write any more leaves none behind.
    w.tree.forget_uploads(eve).await.unwrap();
    w.tree.begin_upload(user(ADA), &rel("g"), 0).await.unwrap();
    let left = std::fs::read_dir(w.dir.path().join("ws/uploads")).unwrap().count();
    assert_eq!(left, 2 * (1 + 50 + 50 + 49 + 1), "a record and content each");
}

#[tokio::test]
async fn a_server_that_dies_while_it_finishes_knows_what_it_did() {
    let mut w = Place::new().await;
    let whole = async |w: &Place, path: &str| {
        let upload = w.tree.begin_upload(user(ADA), &rel(path), 2).await.unwrap();
        w.tree.continue_upload(user(ADA), upload.id, 0, chunks(&["ab"])).await.unwrap();
        upload.id
    };
    let (id, other) = (whole(&w, "file").await, whole(&w, "other").await);
    let records = w.dir.path().join("ws/uploads");
    for (id, path) in [(id, "file"), (other, "other")] {
        w.tree.finish_upload(user(ADA), id, WriteMode::CreateNew).await.unwrap();
        // As it stands between putting the file in place and saying so.
        let record = records.join(format!("{id}.json"));
        let mut said: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
        assert!(said["finishing"].is_object());
        said["done"] = serde_json::Value::Null;
        std::fs::write(&record, said.to_string()).unwrap();
        assert_eq!(w.text(path), "ab");
    }
    w.again().await;
    let known = w.tree.stat(&rel("file")).await.unwrap().etag;
    for _ in 0..2 {
        let stat = w.tree.finish_upload(user(ADA), id, WriteMode::CreateNew).await.unwrap();
        assert_eq!(stat.etag, known);
    }
    // Another one is there by now.
    std::fs::remove_file(w.real("other")).unwrap();
    w.put("other", "theirs");
    assert_eq!(code(w.tree.finish_upload(user(ADA), other, WriteMode::CreateNew).await), "files.changed");
    assert_eq!(w.text("other"), "theirs");
}

/// The first sender hangs on a connection that is gone, as the server learns only after a while.
#[tokio::test]
async fn who_comes_back_takes_over() {
    let w = Place::new().await;
    let id = w.tree.begin_upload(user(ADA), &rel("f"), 4).await.unwrap().id;
    let (tree, hanging) = (Arc::clone(&w.tree), chunks(&["ab"]).chain(futures_util::stream::pending()));
    let first = tokio::spawn(async move { tree.continue_upload(user(ADA), id, 0, hanging).await });
    while w.tree.confined.beside().unwrap().under_way.is_idle(id) {
        tokio::task::yield_now().await;
    }
    let last = loop {
        let received = w.tree.upload(user(ADA), id).await.unwrap().received;
        let rest = if received == 0 { &["abcd"] } else { &["cd"] };
        match w.tree.continue_upload(user(ADA), id, received, chunks(rest)).await {
            Ok(upload) => break upload,
            Err(error) => assert_eq!(error.code(), "upload.offset"),
        }
    };
    assert_eq!(last.received, 4);
    assert!(first.await.unwrap().is_ok_and(|upload| upload.received <= 2));
    w.tree.finish_upload(user(ADA), id, WriteMode::CreateNew).await.unwrap();
    assert_eq!(w.text("f"), "abcd");
}

#[tokio::test]
async fn a_part_of_a_file_is_written_whole_or_not_at_all() {
    let f = Fixture::new().await;
    let first = f.write("file", "0123456789", WriteMode::CreateNew).await.unwrap();
    let write = async |offset, parts: &[&'static str], known: Option<&str>| {
        f.tree.write_range(&rel("file"), offset, chunks(parts), known.map(str::to_owned), 12).await
    };
    let second = write(2, &["A", "B"], Some(&first.etag)).await.unwrap();
    assert_eq!((f.text("file").await.unwrap().as_str(), second.size), ("01AB456789", 10));
    assert_eq!(code(write(0, &["X"], Some(&first.etag)).await), "files.changed");
    assert_eq!(write(9, &["YZ"], None).await.unwrap().size, 11);
    assert_eq!(f.text("file").await.unwrap(), "01AB45678YZ");
    assert_eq!(code(write(12, &["X"], None).await), "files.behind_the_end");
    assert_eq!(code(write(11, &["XX"], None).await), "files.too_large");
    let cut = f.tree.write_range(&rel("file"), 0, broken(&["lost"]), None, 12).await;
    assert_eq!((code(cut), f.text("file").await.unwrap().as_str()), ("files.interrupted", "01AB45678YZ"));
    let none = f.tree.write_range(&rel("none"), 0, chunks(&["x"]), None, 12).await;
    assert_eq!(code(none), "files.not_found");
    // Somebody else writes while the part arrives: theirs stays.
    let theirs = futures_util::stream::once(async {
        std::fs::write(f.real("file"), "theirs").unwrap();
        Ok::<_, std::io::Error>(Bytes::from_static(b"mine"))
    });
    let raced = f.tree.write_range(&rel("file"), 0, Box::pin(theirs), None, 12).await;
    assert_eq!((code(raced), f.text("file").await.unwrap().as_str()), ("files.changed", "theirs"));
    assert_eq!(f.names(), ["file"]);
}
