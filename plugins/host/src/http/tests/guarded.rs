//! What is not reached, however it is written.

use super::*;

/// Every one of these hosts is granted, so that nothing but whose the address is stands in the way.
const GRANTED: [&str; 40] = [
    "127.0.0.1",
    "0.0.0.0",
    "[::]",
    "[::1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[64:ff9b:1::a00:1]",
    "[::ffff:0:127.0.0.1]",
    "[2606:4700::5efe:10.0.0.1]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[2001:0:102:304::1]",
    "[fec0::1]",
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "172.31.255.255",
    "169.254.169.254",
    "169.254.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "0.1.2.3",
    "localhost",
    "inside.test",
    "metadata.test",
    "nobody.test",
    "a.test",
    "xn--bcher-kva.test",
    "*.wild.test",
    "mapped.test",
];

const GUARDED: [(&str, &str); 84] = [
    ("https://127.0.0.1/", "denied"),
    ("https://127.1/", "denied"),
    ("https://127.0.1/", "denied"),
    ("https://2130706433/", "denied"),
    ("https://0x7f000001/", "denied"),
    ("https://0X7F.1/", "denied"),
    ("https://0177.0.0.1/", "denied"),
    ("https://017700000001/", "denied"),
    ("https://0x7f.0.0.0x1/", "denied"),
    ("https://127.0.0.1./", "denied"),
    ("https://%31%32%37.0.0.1/", "denied"),
    ("https://１２７.０.０.１/", "denied"),
    ("https://127。0。0。1/", "denied"),
    ("https://①②⑦.0.0.1/", "denied"),
    ("https:\\\\127.0.0.1\\", "denied"),
    ("https:127.0.0.1", "denied"),
    ("\thttps://127.0.0.1/ ", "denied"),
    ("ht\ntps://127.0.\n0.1/", "denied"),
    ("https://0/", "denied"),
    ("https://0.0.0.0/", "denied"),
    ("https://[::]/", "denied"),
    ("https://[::1]/", "denied"),
    ("https://[0:0:0:0:0:0:0:1]/", "denied"),
    ("https://[0000::0001]/", "denied"),
    ("https://[::ffff:127.0.0.1]/", "denied"),
    ("https://[::ffff:7f00:1]/", "denied"),
    ("https://[0:0:0:0:0:ffff:7f00:0001]/", "denied"),
    ("https://[::127.0.0.1]/", "denied"),
    ("https://[::ffff:0:127.0.0.1]/", "denied"),
    ("https://[64:ff9b::127.0.0.1]/", "denied"),
    ("https://[64:ff9b:1::a00:1]/", "denied"),
    ("https://[2002:7f00:1::]/", "denied"),
    ("https://[2001:0:102:304::1]/", "denied"),
    ("https://[2606:4700::5efe:10.0.0.1]/", "denied"),
    ("https://[fe80::1]/", "denied"),
    ("https://[fe80::1%eth0]/", "invalid"),
    ("https://[fe80::1%25eth0]/", "invalid"),
    ("https://[fc00::1]/", "denied"),
    ("https://[fec0::1]/", "denied"),
    ("https://[fd00:ec2::254]/", "denied"),
    ("https://[ff02::1]/", "denied"),
    ("https://[2001:db8::1]/", "denied"),
    ("https://[v1.fe80::a]/", "invalid"),
    ("https://10.0.0.1/", "denied"),
    ("https://10.1/", "denied"),
    ("https://192.168.1.1/", "denied"),
    ("https://3232235777/", "denied"),
    ("https://172.16.0.1/", "denied"),
    ("https://172.31.255.255/", "denied"),
    ("https://169.254.1.1/", "denied"),
    ("https://169.254.169.254/latest/meta-data/", "denied"),
    ("https://0xa9fea9fe/", "denied"),
    ("https://2852039166/", "denied"),
    ("https://0251.0376.0251.0376/", "denied"),
    ("https://[::ffff:a9fe:a9fe]/", "denied"),
    ("https://100.64.0.1/", "denied"),
    ("https://100.100.100.200/", "denied"),
    ("https://168.63.129.16/", "denied"),
    ("https://198.18.0.1/", "denied"),
    ("https://192.0.2.1/", "denied"),
    ("https://224.0.0.1/", "denied"),
    ("https://240.0.0.1/", "denied"),
    ("https://255.255.255.255/", "denied"),
    ("https://0.1.2.3/", "denied"),
    ("https://localhost/", "denied"),
    ("https://LOCALHOST./", "denied"),
    ("https://ⓛocalhost/", "denied"),
    ("https://inside.test/", "denied"),
    ("https://metadata.test/", "denied"),
    ("https://mapped.test/", "denied"),
    ("https://deep.wild.test/", "denied"),
    ("https://nobody.test/", "denied"),
    ("http://a.test/", "denied"),
    ("http://10.0.0.1/", "not granted"),
    ("https://user@a.test/", "invalid"),
    ("https://user:pass@a.test/", "invalid"),
    ("https://a.test@127.0.0.1/", "invalid"),
    ("https://evil.test#@a.test/", "not granted"),
    ("https://evil.test\\@a.test/", "not granted"),
    ("https://a.test.evil.test/", "not granted"),
    ("https://a.test:22/", "not granted"),
    ("https://a.test:0/", "invalid"),
    ("https://256.0.0.1/", "invalid"),
    ("https://1.2.3.4.5/", "invalid"),
];

const NO_REQUESTS: [&str; 12] = [
    "ftp://a.test/",
    "file:///etc/passwd",
    "gopher://a.test/",
    "data:text/plain,x",
    "unix:/run/x.sock",
    "ws://a.test/",
    "javascript:1",
    "//a.test/",
    "a.test",
    "",
    "https://",
    "https://a_.test-/",
];

fn machine() -> Arc<Fake> {
    Fake::new(&[
        ("localhost", &[&["127.0.0.1", "::1"]]),
        ("inside.test", &[&["10.1.2.3"]]),
        ("metadata.test", &[&["169.254.169.254"]]),
        ("mapped.test", &[&["::ffff:10.0.0.1", "64:ff9b::a00:1"]]),
        ("deep.wild.test", &[&["192.168.7.7", "fd00::7"]]),
        ("a.test", &[&["127.0.0.2"]]),
    ])
}

#[tokio::test]
async fn guarded_addresses_are_not_reached_in_any_form() {
    let machine = machine();
    let http = http(machine.clone(), &[]);
    // Whether a plugin asked for private networks counts for nothing where the operator does not allow them.
    for private in [false, true] {
        let hosts = hosts(&GRANTED, private);
        for (url, expected) in GUARDED {
            let expected = if url == "http://10.0.0.1/" { "denied" } else { expected };
            let sent = http.send(get(url), Asking { who: 1, rights: &hosts, may_private: false, until: None }).await;
            assert_eq!(word(&sent), expected, "{url}: {sent:?}");
        }
        for url in NO_REQUESTS {
            let sent = http.send(get(url), Asking { who: 1, rights: &hosts, may_private: false, until: None }).await;
            assert_eq!(word(&sent), "invalid", "{url}: {sent:?}");
        }
    }
    let asked = machine.asked();
    assert!(asked.iter().all(|name| !name.contains("evil")), "what is not granted is not looked up: {asked:?}");
}

#[tokio::test]
async fn a_refusal_tells_nothing_of_what_is_there() {
    let listening = Server::secure("127.0.0.3", |_| answer("200 OK", &[], b"")).await;
    let machine = Fake::new(&[("a.test", &[&["127.0.0.3"]])]);
    let http = http(machine, &[&listening]);
    let mut texts = Vec::new();
    for (host, port) in [("a.test", listening.port()), ("a.test", 1), ("b.test", 1)] {
        let pattern = format!("{host}:{port}");
        let sent = send(&http, get(&format!("https://{pattern}/")), &hosts(&[&pattern], false)).await;
        let Err(Unsent::Refused { why: Refused::Denied(text), .. }) = sent else { panic!("{sent:?}") };
        texts.push(text.replace(host, "HOST"));
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "an open port, a closed one and none are the same: {texts:?}");
    assert_eq!(listening.connections(), 0);
}

#[tokio::test]
async fn private_networks_are_reached_as_far_as_they_were_granted() {
    let here = Server::plain("127.0.0.1", |_| answer("200 OK", &[], b"here")).await;
    let near = Server::plain("127.0.0.3", |_| answer("200 OK", &[], b"near")).await;
    let machine = Fake::new(&[
        ("here.test", &[&["127.0.0.1"]]),
        ("near.test", &[&["127.0.0.3"]]),
        ("far.test", &[&["127.0.0.2"]]),
        ("cloud.test", &[&["169.254.169.254"]]),
    ]);
    let http = http(machine, &[]);
    let (here, near) = (here.port(), near.port());
    for (pattern, url, expected) in [
        (format!("here.test:{here}"), format!("http://here.test:{here}/"), "sent"),
        (format!("127.0.0.1:{here}"), format!("http://127.0.0.1:{here}/"), "sent"),
        (format!("127.0.0.1:{here}"), format!("http://[::ffff:127.0.0.1]:{here}/"), "sent"),
        // What a pattern with a star stands for was named by nobody: it does not reach this machine.
        (format!("*.test:{here}"), format!("http://here.test:{here}/"), "denied"),
        (format!("*.test:{near}"), format!("http://near.test:{near}/"), "sent"),
        (format!("near.test:{near}"), format!("http://near.test:{near}/"), "sent"),
        // Without encryption nothing goes into the internet, also where private networks were granted.
        ("far.test".to_owned(), "http://far.test/".to_owned(), "denied"),
        ("cloud.test".to_owned(), "http://cloud.test/".to_owned(), "denied"),
    ] {
        let sent = send(&http, get(&url), &hosts(&[&pattern], true)).await;
        assert_eq!(word(&sent), expected, "{pattern} {url} {sent:?}");
        let sent = send(&http, get(&url), &hosts(&[&pattern], false)).await;
        assert_eq!(word(&sent), "denied", "{pattern} {url} {sent:?}");
    }
}

#[tokio::test]
async fn another_answer_of_a_name_server_gets_nowhere() {
    let closing = |_: &Seen| answer("200 OK", &[("connection", "close")], b"well");
    let [public, inside] = Server::pair(["127.0.0.2", "127.0.0.1"], closing).await;
    let machine =
        Fake::new(&[("a.test", &[&["127.0.0.2"], &["127.0.0.1"]]), ("b.test", &[&["127.0.0.1", "127.0.0.2", "::1"]])]);
    let http = http(machine.clone(), &[&public, &inside]);
    let port = public.port();
    let (a, b) = (format!("https://a.test:{port}/"), format!("https://b.test:{port}/"));
    let hosts = hosts(&[&format!("a.test:{port}"), &format!("b.test:{port}")], false);
    assert_eq!(send(&http, get(&a), &hosts).await.unwrap().body, b"well");
    let again = send(&http, get(&a), &hosts).await;
    assert_eq!(word(&again), "denied", "{again:?}");
    assert_eq!(machine.asked(), ["a.test", "a.test"]);
    // Of several addresses only those are tried that may be.
    for _ in 0..4 {
        assert_eq!(send(&http, get(&b), &hosts).await.unwrap().body, b"well");
    }
    assert_eq!((public.connections(), inside.connections()), (5, 0));
}

#[tokio::test]
async fn a_connection_with_more_reach_is_not_for_others() {
    let inside = Server::secure("127.0.0.1", |_| answer("200 OK", &[], b"inside")).await;
    let machine = Fake::new(&[("a.test", &[&["127.0.0.1"]])]);
    let http = http(machine, &[&inside]);
    let (pattern, url) = (format!("a.test:{}", inside.port()), format!("https://a.test:{}/", inside.port()));
    for _ in 0..3 {
        assert_eq!(send(&http, get(&url), &hosts(&[&pattern], true)).await.unwrap().body, b"inside");
    }
    assert_eq!(inside.connections(), 1, "it is used again");
    assert_eq!(word(&send(&http, get(&url), &hosts(&[&pattern], false)).await), "denied");
    let star = format!("*.test:{}", inside.port());
    assert_eq!(word(&send(&http, get(&url), &hosts(&[&star], true)).await), "denied");
    assert_eq!(inside.seen().len(), 3);
}

#[test]
fn own_addresses_are_nobody_elses() {
    let owner = |address: &str| ThisMachine.owner(address.parse().unwrap());
    assert_eq!(owner("127.0.0.1"), Owner::Reserved);
    assert_eq!(owner("169.254.169.254"), Owner::Metadata);
    assert_eq!(owner("0.0.0.0"), Owner::Nobody);
    // Nobody can be this machine at the address of a documented public name server.
    assert_eq!(owner("9.9.9.9"), Owner::Public);
}
