//! What is sent, what comes, and where it leads on to.

use super::*;

fn machine() -> Arc<Fake> {
    Fake::new(&[("a.test", &[&["127.0.0.2"]]), ("b.test", &[&["127.0.0.2"]]), ("inside.test", &[&["10.0.0.1"]])])
}

async fn public(answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> (Server, Http, String) {
    let server = Server::secure("127.0.0.2", answer).await;
    let http = http(machine(), &[&server]);
    let base = format!("https://a.test:{}", server.port());
    (server, http, base)
}

fn granted(server: &Server) -> Rights {
    let port = server.port();
    hosts(&[&format!("a.test:{port}"), &format!("b.test:{port}"), "inside.test", "10.0.0.1"], false)
}

#[tokio::test]
async fn a_request_is_sent_as_it_was_asked_for() {
    let (server, http, base) =
        public(|_| answer("201 Created", &[("x-one", "1"), ("set-cookie", "a=b"), ("set-cookie", "c=d")], b"made"))
            .await;
    let request = Request {
        method: "post".to_owned(),
        url: format!("{base}/x?y=z#never"),
        headers: vec![("X-Mine".into(), "yes".into()), ("Accept-Encoding".into(), "br".into())],
        body: b"body".to_vec(),
        timeout_ms: 0,
    };
    let response = send(&http, request.clone(), &granted(&server)).await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (201, &b"made"[..]));
    assert_eq!(header(&response.headers, "x-one"), Some("1"));
    assert_eq!(response.headers.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
    send(&http, request, &granted(&server)).await.unwrap();
    for seen in server.seen() {
        assert_eq!((seen.method.as_str(), seen.path.as_str(), seen.body.as_slice()), ("POST", "/x?y=z", &b"body"[..]));
        assert_eq!(seen.header("x-mine"), Some("yes"));
        assert_eq!(seen.header("accept-encoding"), Some("gzip"));
        assert_eq!(seen.header("host").unwrap(), base.trim_start_matches("https://"));
        assert_eq!(seen.header("cookie"), None, "nobody keeps cookies");
    }
}

#[tokio::test]
async fn what_only_the_host_says_is_refused() {
    let (server, http, base) = public(|_| answer("200 OK", &[], b"")).await;
    let refused = [
        ("Host", "b.test"),
        ("Content-Length", "3"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "x"),
        ("TE", "x"),
        ("Trailer", "x"),
        ("Upgrade", "x"),
        ("Keep-Alive", "x"),
        ("Expect", "100-continue"),
        ("Proxy-Authorization", "x"),
        ("proxy-connection", "x"),
        ("Sec-Fetch-Site", "x"),
        ("sec-websocket-key", "x"),
        ("Authorization", "NTLM abc"),
        ("authorization", " negotiate abc"),
        ("bad name", "x"),
        ("x", "a\r\nb: c"),
        ("x", "a\0"),
        ("", "x"),
        (":path", "/"),
    ];
    for (name, value) in refused {
        let request = Request { headers: vec![(name.into(), value.into())], ..get(&base) };
        let sent = send(&http, request, &granted(&server)).await;
        assert_eq!(word(&sent), "invalid", "{name}: {value}");
    }
    for method in ["CONNECT", "TRACE", "OPTIONS", "", "GET\r\n", "GET "] {
        let sent = send(&http, Request { method: method.into(), ..get(&base) }, &granted(&server)).await;
        assert_eq!(word(&sent), "invalid", "{method:?}");
    }
    let many = vec![("x".to_owned(), "y".to_owned()); 65];
    let large = vec![("x".to_owned(), "y".repeat(16 * 1024))];
    for headers in [many, large] {
        assert_eq!(word(&send(&http, Request { headers, ..get(&base) }, &granted(&server)).await), "limit");
    }
    let body = Request { body: b"x".to_vec(), ..get(&base) };
    assert_eq!(word(&send(&http, body, &granted(&server)).await), "invalid");
    let body = vec![0; MAX_BODY_BYTES + 1];
    let large = Request { method: "PUT".into(), body, ..get(&base) };
    assert_eq!(word(&send(&http, large, &granted(&server)).await), "limit");
    let long = get(&format!("{base}/{}", "x".repeat(8 * 1024)));
    assert_eq!(word(&send(&http, long, &granted(&server)).await), "invalid");
    assert_eq!(server.connections(), 0);
}

/// Redirects to what the path says behind the first slash.
fn redirecting(status: &'static str) -> impl Fn(&Seen) -> Vec<u8> + Send + Sync {
    move |seen| match seen.path.strip_prefix("/to/") {
        Some(target) => answer(status, &[("location", target)], b"moved"),
        None => answer("200 OK", &[], b"there"),
    }
}

#[tokio::test]
async fn redirects_lead_only_to_what_was_granted() {
    let (server, http, base) = public(redirecting("302 Found")).await;
    let port = server.port();
    for (target, expected) in [
        ("/end", "sent"),
        ("/a/../end?x", "sent"),
        (&format!("https://b.test:{port}/end"), "sent"),
        (&format!("//b.test:{port}/end"), "sent"),
        ("https://evil.test/", "redirect not granted"),
        (&format!("https://evil.test:{port}/"), "redirect not granted"),
        (&format!("https://127.0.0.1:{port}/"), "redirect not granted"),
        ("https://inside.test/", "denied"),
        ("https://10.0.0.1/", "denied"),
        ("https://0xa000001/", "denied"),
        (&format!("http://a.test:{port}/"), "denied"),
        (&format!("https://user:pass@b.test:{port}/"), "failed"),
        ("file:///etc/passwd", "failed"),
        ("https://[", "failed"),
    ] {
        let sent = send(&http, get(&format!("{base}/to/{target}")), &granted(&server)).await;
        assert_eq!(word(&sent), expected, "{target} {sent:?}");
    }
    let chain = |hops: usize| get(&format!("{base}{}/end", "/to/".repeat(hops)));
    assert_eq!(word(&send(&http, chain(5), &granted(&server)).await), "sent");
    assert_eq!(word(&send(&http, chain(6), &granted(&server)).await), "limit");
    // The end of a longer chain is judged as its beginning.
    let inside = get(&format!("{base}/to//to//to/https://10.0.0.1/"));
    assert_eq!(word(&send(&http, inside, &granted(&server)).await), "denied");
}

#[tokio::test]
async fn a_right_that_is_taken_back_ends_a_chain() {
    let rights = Arc::new(hosts(&[], false));
    let taken = rights.clone();
    let (server, http, base) = public(move |_| {
        taken.set(Vec::new());
        answer("302 Found", &[("location", "/end")], b"")
    })
    .await;
    rights.set(vec![Capability::Http { hosts: vec![format!("a.test:{}", server.port())], private: false }]);
    let sent = send(&http, get(&base), &rights).await;
    assert_eq!((word(&sent), server.seen().len()), ("redirect not granted", 1));
}

#[tokio::test]
async fn an_answer_without_a_target_is_an_answer() {
    let (server, http, base) = public(|_| answer("302 Found", &[], b"nowhere")).await;
    let response = send(&http, get(&base), &granted(&server)).await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (302, &b"nowhere"[..]));
    let (server, http, base) = public(|_| answer("304 Not Modified", &[("location", "/x")], b"")).await;
    assert_eq!(send(&http, get(&base), &granted(&server)).await.unwrap().status, 304);
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let (server, http, base) = public(redirecting("307 Temporary Redirect")).await;
    let secrets = ["authorization", "cookie", "x-api-key", "private-token", "x-secret"];
    let headers: Vec<_> =
        secrets.iter().chain(&["x-plain"]).map(|name| ((*name).to_owned(), "Bearer s".to_owned())).collect();
    let to = |target: &str| Request { headers: headers.clone(), ..get(&format!("{base}/to/{target}")) };
    send(&http, to(&format!("https://b.test:{}/end", server.port())), &granted(&server)).await.unwrap();
    send(&http, to("/end"), &granted(&server)).await.unwrap();
    // And where a chain comes back, they do not come back with it.
    let round = format!("https://b.test:{port}/to/https://a.test:{port}/end", port = server.port());
    send(&http, to(&round), &granted(&server)).await.unwrap();
    let seen = server.seen();
    let ends: Vec<&Seen> = seen.iter().filter(|seen| seen.path == "/end").collect();
    let has = |seen: &Seen| secrets.map(|name| seen.header(name).is_some());
    assert_eq!(ends.iter().map(|seen| has(seen)).collect::<Vec<_>>(), [[false; 5], [true; 5], [false; 5]]);
    assert!(ends.iter().all(|seen| seen.header("x-plain") == Some("Bearer s")));
}

#[tokio::test]
async fn redirects_keep_or_change_the_method_as_the_standard_says() {
    for (status, method, then) in [
        ("301 Moved Permanently", "POST", "GET"),
        ("302 Found", "POST", "GET"),
        ("302 Found", "PUT", "PUT"),
        ("303 See Other", "PUT", "GET"),
        ("303 See Other", "POST", "GET"),
        ("303 See Other", "HEAD", "HEAD"),
        ("307 Temporary Redirect", "POST", "POST"),
        ("308 Permanent Redirect", "PATCH", "PATCH"),
    ] {
        let (server, http, base) = public(redirecting(status)).await;
        let body = if method == "HEAD" { Vec::new() } else { b"body".to_vec() };
        let headers = vec![("content-type".to_owned(), "text/x".to_owned())];
        let request = Request { method: method.into(), url: format!("{base}/to//end"), headers, body, timeout_ms: 0 };
        let sent = send(&http, request, &granted(&server)).await;
        assert_eq!(word(&sent), "sent", "{status} {method} {sent:?}");
        let seen = server.seen();
        let last = seen.last().unwrap();
        assert_eq!(last.method, then, "{status} {method}");
        assert_eq!(last.body.is_empty(), then != method || method == "HEAD", "{status} {method}");
        assert_eq!(last.header("content-type").is_none(), then != method, "{status} {method}");
    }
}

#[tokio::test]
async fn bodies_are_unpacked_and_bounded() {
    let most = MAX_BODY_BYTES;
    let bomb = gzip(&vec![0; 64 << 20]);
    assert!(bomb.len() < most / 10);
    let (server, http, base) = public(move |seen| match seen.path.as_str() {
        "/packed" => answer("200 OK", &[("content-encoding", "gzip")], &gzip(b"unpacked")),
        "/twice" => answer("200 OK", &[("content-encoding", "gzip")], &[gzip(b"un"), gzip(b"packed")].concat()),
        "/bomb" => answer("200 OK", &[("content-encoding", "GZIP")], &bomb),
        "/broken" => answer("200 OK", &[("content-encoding", "gzip")], b"no such thing"),
        "/cut" => answer("200 OK", &[("content-encoding", "gzip")], &gzip(b"unpacked")[..12]),
        "/other" => answer("200 OK", &[("content-encoding", "br")], b"as it is"),
        "/empty" => answer("200 OK", &[("content-encoding", "gzip")], b""),
        "/most" => answer("200 OK", &[], &vec![b'x'; most]),
        "/more" => answer("200 OK", &[], &vec![b'x'; most + 1]),
        "/chunks" => {
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).repeat(65);
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n").into_bytes()
        }
        "/members" => {
            let members = gzip(b"").repeat(most / 20 + 1);
            answer("200 OK", &[("content-encoding", "gzip"), ("connection", "close")], &members)
        }
        "/short" => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nab".to_vec(),
        _ => {
            let headers = format!("x-y: {}\r\n", "z".repeat(1000)).repeat(100);
            format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n").into_bytes()
        }
    })
    .await;
    let granted = granted(&server);
    for (path, expected) in [("packed", "unpacked"), ("twice", "unpacked"), ("other", "as it is"), ("empty", "")] {
        let response = send(&http, get(&format!("{base}/{path}")), &granted).await.unwrap();
        assert_eq!(String::from_utf8(response.body).unwrap(), expected, "{path}");
        assert_eq!(header(&response.headers, "content-encoding").is_some(), path == "other", "{path}");
    }
    assert_eq!(send(&http, get(&format!("{base}/most")), &granted).await.unwrap().body.len(), most);
    for (path, expected) in [
        ("bomb", "limit"),
        ("more", "limit"),
        ("chunks", "limit"),
        ("members", "limit"),
        ("headers", "limit"),
        ("broken", "failed"),
        ("cut", "failed"),
        ("short", "unavailable"),
    ] {
        let sent = send(&http, get(&format!("{base}/{path}")), &granted).await;
        assert_eq!(word(&sent), expected, "{path}");
    }
}

#[tokio::test]
async fn who_answers_slowly_is_not_waited_for() {
    let (server, http, base) = public(|seen| match seen.path.as_str() {
        "/body" => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab".to_vec(),
        _ => Vec::new(),
    })
    .await;
    let granted = granted(&server);
    for path in ["head", "body"] {
        let url = format!("{base}/{path}");
        let sent = send(&http, Request { timeout_ms: 50, ..get(&url) }, &granted).await;
        assert_eq!(word(&sent), "unavailable", "{path} {sent:?}");
        let until = Some(Instant::now() + Duration::from_millis(50));
        let sent = http.send(get(&url), Asking { who: 1, rights: &granted, may_private: true, until }).await;
        assert_eq!(word(&sent), "unavailable", "the call's own end counts too: {path} {sent:?}");
    }
}

/// A name server that answers when the test is over.
struct Silent(Mutex<std::sync::mpsc::Receiver<()>>, std::sync::atomic::AtomicUsize);

impl Silent {
    /// Waits until it was asked so often, and sees to it that it was not asked more often: nobody takes more than their share.
    async fn has_been_asked(&self, often: usize) {
        while self.1.load(std::sync::atomic::Ordering::SeqCst) < often {
            tokio::task::yield_now().await;
        }
        assert_eq!(self.1.load(std::sync::atomic::Ordering::SeqCst), often);
    }
}

impl Machine for Silent {
    fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let _ended = self.0.lock().unwrap().recv();
        Ok(Vec::new())
    }

    fn owner(&self, address: IpAddr) -> Owner {
        address::owner(address).0
    }
}

#[tokio::test]
async fn a_silent_name_server_takes_few_threads() {
    let (end, ended) = std::sync::mpsc::channel();
    let machine = Arc::new(Silent(Mutex::new(ended), std::sync::atomic::AtomicUsize::new(0)));
    let http = Http::new(machine.clone());
    let hosts = hosts(&["*.slow.test"], false);
    for number in 0..12 {
        let request = Request { timeout_ms: 20, ..get(&format!("https://n{number}.slow.test/")) };
        assert_eq!(word(&send(&http, request, &hosts).await), "unavailable");
    }
    machine.has_been_asked(4).await;
    let request = Request { timeout_ms: 20, ..get("https://other.slow.test/") };
    let sent = http.send(request, Asking { who: 2, rights: &hosts, may_private: false, until: None }).await;
    assert_eq!(word(&sent), "unavailable");
    // Others have a share of their own.
    machine.has_been_asked(5).await;
    drop(end);
}
