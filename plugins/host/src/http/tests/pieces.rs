//! Answers that are read piece by piece.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// One person's exchange with a server of their own machine.
async fn open(stream: &Stream, timeout_ms: u32) -> (Opened, Rights) {
    let rights = hosts(&[&format!("127.0.0.1:{}", stream.port)], true);
    let request = Request { timeout_ms, ..get(&format!("http://127.0.0.1:{}/", stream.port)) };
    let asking = Asking { who: 1, rights: &rights, may_private: true, until: None };
    (http(Fake::new(&[]), &[]).open(request, asking).await.unwrap(), rights)
}

async fn open_at(http: &Http, url: &str, rights: &Rights) -> Result<Opened, Unsent> {
    http.open(get(url), Asking { who: 1, rights, may_private: false, until: None }).await
}

/// All pieces up to the end, and how it ended.
async fn all(mut pieces: Pieces) -> (Vec<u8>, Result<(), Unsent>) {
    let mut bytes = Vec::new();
    loop {
        match pieces.next().await {
            Ok(Some(piece)) => {
                assert!((1..=body::MAX_PIECE_BYTES).contains(&piece.len()), "{}", piece.len());
                bytes.extend(piece);
            }
            Ok(None) => return (bytes, Ok(())),
            Err(unsent) => return (bytes, Err(unsent)),
        }
    }
}

#[tokio::test]
async fn pieces_are_read_as_they_come() {
    let stream = Stream::start().await;
    stream.begin("content-type: text/event-stream\r\n");
    let (mut opened, _) = open(&stream, 0).await;
    assert_eq!((opened.status, header(&opened.headers, "content-type")), (200, Some("text/event-stream")));
    for piece in ["data: one\n\n", "data: two\n\n"] {
        stream.say(piece);
        assert_eq!(opened.pieces.next().await.unwrap().unwrap(), piece.as_bytes(), "before there is more");
    }
    // What follows fast is joined: here a minute counts as fast.
    opened.pieces.together += Duration::from_secs(60);
    stream.say("t");
    stream.say("hree");
    stream.end().await;
    assert_eq!(opened.pieces.next().await.unwrap().unwrap(), b"three");
    assert_eq!(opened.pieces.next().await.unwrap(), None);
    assert_eq!(opened.pieces.next().await.unwrap(), None, "and nothing from then on");
}

#[tokio::test]
async fn packed_pieces_do_not_wait_for_what_follows() {
    let stream = Stream::start().await;
    stream.begin("content-encoding: gzip\r\n");
    let (mut opened, _) = open(&stream, 0).await;
    assert_eq!(header(&opened.headers, "content-encoding"), None);
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    for piece in ["one", "two"] {
        packer.write_all(piece.as_bytes()).unwrap();
        packer.flush().unwrap();
        stream.say(std::mem::take(packer.get_mut()));
        assert_eq!(opened.pieces.next().await.unwrap().unwrap(), piece.as_bytes());
    }
    // More than is unpacked at once comes without more being sent.
    let zeros = vec![0; 1 << 20];
    packer.write_all(&zeros).unwrap();
    packer.flush().unwrap();
    stream.say(std::mem::take(packer.get_mut()));
    let mut bytes = 0;
    while bytes < zeros.len() {
        bytes += opened.pieces.next().await.unwrap().unwrap().len();
    }
    stream.say(packer.finish().unwrap());
    stream.end().await;
    assert_eq!((bytes, opened.pieces.next().await), (zeros.len(), Ok(None)));
}

#[tokio::test]
async fn leaving_an_answer_ends_its_connection() {
    // In the middle, before anything came, and while it is waited for.
    for said in ["something", ""] {
        let stream = Stream::start().await;
        stream.begin("");
        let (mut opened, _) = open(&stream, 0).await;
        if !said.is_empty() {
            stream.say(said);
            assert!(opened.pieces.next().await.unwrap().is_some());
        }
        drop(opened);
        stream.until_left().await;
    }
    let stream = Stream::start().await;
    stream.begin("");
    let (mut opened, _) = open(&stream, 0).await;
    let reading = tokio::spawn(async move { opened.pieces.next().await });
    tokio::task::yield_now().await;
    reading.abort();
    stream.until_left().await;
}

#[tokio::test]
async fn who_is_silent_in_between_is_not_waited_for() {
    let stream = Stream::start().await;
    stream.begin("");
    stream.say("one");
    let (mut opened, _) = open(&stream, 2_000).await;
    assert_eq!(opened.pieces.next().await.unwrap().unwrap(), b"one");
    assert_eq!(word(&opened.pieces.next().await), "unavailable");
    let silent = Stream::start().await;
    let rights = hosts(&[&format!("127.0.0.1:{}", silent.port)], true);
    let request = Request { timeout_ms: 1_000, ..get(&format!("http://127.0.0.1:{}/", silent.port)) };
    let asking = || Asking { who: 1, rights: &rights, may_private: true, until: None };
    let http = http(Fake::new(&[]), &[]);
    assert_eq!(word(&http.open(request, asking()).await), "unavailable");
    silent.until_left().await;
    // The call's own end counts too.
    let stream = Stream::start().await;
    stream.begin("");
    let rights = hosts(&[&format!("127.0.0.1:{}", stream.port)], true);
    let until = Some(Instant::now() + Duration::from_secs(1));
    let url = format!("http://127.0.0.1:{}/", stream.port);
    let asking = Asking { who: 1, rights: &rights, may_private: true, until };
    let mut opened = http.open(get(&url), asking).await.unwrap();
    assert_eq!(word(&opened.pieces.next().await), "unavailable");
}

#[tokio::test]
async fn what_was_opened_is_judged_as_what_is_sent() {
    let server = Server::secure("127.0.0.2", |seen| match seen.path.strip_prefix("/to/") {
        Some(target) => answer("302 Found", &[("location", target)], b"moved"),
        None => answer("200 OK", &[], b"there"),
    })
    .await;
    let port = server.port();
    let machine = Fake::new(&[("a.test", &[&["127.0.0.2"]]), ("b.test", &[&["127.0.0.2"]])]);
    let http = http(machine, &[&server]);
    let rights = hosts(&[&format!("a.test:{port}"), &format!("b.test:{port}"), "10.0.0.1"], false);
    for (url, expected) in [
        (format!("https://a.test:{port}/"), "sent"),
        (format!("https://a.test:{port}/to/https://b.test:{port}/"), "sent"),
        (format!("https://a.test:{port}/to/https://evil.test/"), "redirect not granted"),
        (format!("https://a.test:{port}/to/https://10.0.0.1/"), "denied"),
        ("https://evil.test/".to_owned(), "not granted"),
        ("https://10.0.0.1/".to_owned(), "denied"),
        (format!("http://a.test:{port}/"), "denied"),
        ("file:///etc/passwd".to_owned(), "invalid"),
    ] {
        assert_eq!(word(&open_at(&http, &url, &rights).await), expected, "{url}");
    }
    // And judged again for each piece.
    let opened = open_at(&http, &format!("https://a.test:{port}/to/https://b.test:{port}/"), &rights).await.unwrap();
    assert_eq!(word(&opened.source.check(&rights, false)), "sent");
    rights.set(vec![Capability::Http { hosts: vec![format!("a.test:{port}")], private: false }]);
    assert_eq!(word(&opened.source.check(&rights, false)), "redirect not granted");
    assert_eq!(all(opened.pieces).await, (b"there".to_vec(), Ok(())));
}

#[tokio::test]
async fn an_answer_is_read_as_far_as_it_may_reach_now() {
    let stream = Stream::start().await;
    stream.begin("");
    let (opened, rights) = open(&stream, 0).await;
    assert_eq!(word(&opened.source.check(&rights, true)), "sent");
    assert_eq!(word(&opened.source.check(&rights, false)), "denied", "the operator allows it no more");
    let secure = Server::secure("127.0.0.1", |_| answer("200 OK", &[], b"inside")).await;
    let http = http(Fake::new(&[]), &[&secure]);
    let pattern = format!("127.0.0.1:{}", secure.port());
    let asking = |rights| Asking { who: 1, rights, may_private: true, until: None };
    let rights = hosts(&[&pattern], true);
    let opened = http.open(get(&format!("https://{pattern}/")), asking(&rights)).await.unwrap();
    rights.set(vec![Capability::Http { hosts: vec![pattern], private: false }]);
    assert_eq!(word(&opened.source.check(&rights, true)), "denied", "with encryption, the host alone would do");
}

#[tokio::test]
async fn streams_are_unpacked_and_bounded() {
    let most = MAX_STREAM_BYTES;
    let bomb = gzip(&vec![0; 64 << 20]);
    let server = Server::secure("127.0.0.2", move |seen| match seen.path.as_str() {
        "/most" => answer("200 OK", &[], &vec![b'x'; most]),
        "/long" => answer("200 OK", &[], &vec![b'x'; most + 1]),
        "/bomb" => answer("200 OK", &[("content-encoding", "gzip")], &bomb),
        "/cut" => answer("200 OK", &[("content-encoding", "gzip")], &gzip(b"unpacked")[..16]),
        "/broken" => answer("200 OK", &[("content-encoding", "gzip")], &[gzip(b"good"), b"bad".to_vec()].concat()),
        "/short" => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nab".to_vec(),
        _ => {
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).repeat(257);
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n").into_bytes()
        }
    })
    .await;
    let http = http(Fake::new(&[("a.test", &[&["127.0.0.2"]])]), &[&server]);
    let rights = hosts(&[&format!("a.test:{}", server.port())], false);
    let url = |path: &str| format!("https://a.test:{}/{path}", server.port());
    assert_eq!(word(&open_at(&http, &url("long"), &rights).await), "limit", "its head says so");
    // What came before is told before.
    for (path, bytes, expected) in [
        ("most", most, "sent"),
        ("bomb", most, "limit"),
        ("chunks", most, "limit"),
        ("broken", 4, "failed"),
        ("short", 2, "unavailable"),
    ] {
        let (came, end) = all(open_at(&http, &url(path), &rights).await.unwrap().pieces).await;
        assert_eq!((came.len(), word(&end)), (bytes, expected), "{path} {end:?}");
    }
    let (_, end) = all(open_at(&http, &url("cut"), &rights).await.unwrap().pieces).await;
    assert_eq!(word(&end), "failed");
}
