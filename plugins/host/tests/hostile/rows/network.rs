//! Requests to where nobody let them go.

use coditect_protocol::plugin::Capability;

use crate::guest::Guest;
use crate::row::{Comes, Row, digit};
use crate::web::Web;

/// This machine, its network and its cloud, in all their forms.
const OWN: &[&str] = &[
    "127.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "[::]",
    "①②⑦.0.0.1",
    "127.0.0.1%2e",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "169.254.169.254",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::7f00:1]",
    "10.0.0.1",
    "192.168.0.1",
    "[fd00::1]",
    "[fe80::1]",
    "metadata.example.net",
];
/// Hosts that only look like those that were granted, and ports and schemes that were not.
const OTHERS: &[&str] = &[
    "https://example.com:8443/",
    "https://evil.example/",
    "https://example.org.evil.test/",
    "https://xexample.org/",
    "https://example.org/",
    "http://example.com/",
    "https://example.com.evil.test/",
    "https://evil.test/?example.com",
    "https://evil.test/#@example.com",
    "https://evil.test\\@example.com/",
    "https://:@127.0.0.1/x@example.com",
    "https://example.comevil.test/",
];
/// No URL of a host, or one with credentials.
const UNREADABLE: &[&str] = &[
    "",
    "//example.com/",
    "example.com",
    "file:///etc/passwd",
    "gopher://127.0.0.1:70/",
    "ftp://example.com/",
    "data:,x",
    "unix:/run/x.sock",
    "https://example.com@127.0.0.1/",
    "https://user:password@example.com/",
    "https:///",
    "https://exa mple.com/",
    "https://example.com:99999/",
    "https://[::1",
    "https://999.999.999.999/",
    "https://a..b%00c/",
];

/// Asks for the URL that it is told.
fn sender(timeout_ms: u32) -> Guest {
    let body = format!(
        "(call $send (i32.const 1024) (i32.const 3) (local.get $at) (local.get $len) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const {timeout_ms}) (i32.const 128)) (call $told (i32.const 128) (i32.const 4))"
    );
    Guest::tool(&body).with(r#"(data (i32.const 1024) "GET")"#)
}

fn hosts(hosts: &[&str], private: bool) -> [Capability; 1] {
    [Capability::Http { hosts: hosts.iter().map(|&host| host.to_owned()).collect(), private }]
}

fn told(urls: &[&str], word: &str) -> Vec<(String, Comes)> {
    urls.iter().map(|&url| (url.to_owned(), digit(word))).collect()
}

pub(super) fn rows(web: &Web) -> Vec<Row> {
    let mut rows = addresses(web);
    rows.extend(redirects(web));
    rows.extend(bodies(web));
    rows
}

/// The names and addresses of this machine, in all their forms. Nothing private was granted.
fn addresses(web: &Web) -> Vec<Row> {
    let port = web.closed_port;
    let forms =
        |host: &&str| [format!("https://{host}/"), format!("https://{host}:{port}/"), format!("http://{host}:{port}/")];
    let own: Vec<String> = OWN.iter().flat_map(forms).collect();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let granted = hosts(&["example.com", "*.example.org", "localhost", "127.0.0.1", "[::1]", "169.254.169.254"], false);
    vec![
        Row::told("ssrf.own_addresses", &sender(2000), told(&own, "denied")).granted(&granted).calm(),
        Row::told("ssrf.own_addresses_of_a_person", &sender(2000), told(&own[..9], "denied"))
            .granted(&granted)
            .private()
            .calm(),
        Row::told("ssrf.hosts_of_others", &sender(2000), told(OTHERS, "denied")).granted(&granted).calm(),
        Row::told("ssrf.odd_urls", &sender(2000), told(UNREADABLE, "invalid")).granted(&granted).calm(),
        Row::told("ssrf.nothing_granted", &sender(2000), told(&own[..9], "denied")).calm(),
    ]
}

/// A host that was granted, which leads on to others.
fn redirects(web: &Web) -> Vec<Row> {
    let (open, closed) = (web.open_port, web.closed_port);
    let granted = hosts(&[&format!("127.0.0.1:{open}")], true);
    let to = |target: String| format!("http://127.0.0.1:{open}/to/{target}");
    let elsewhere: Vec<String> = ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]"]
        .iter()
        .map(|host| to(format!("http://{host}:{closed}/")))
        .chain([
            to("http://169.254.169.254/latest/".into()),
            to(format!("//127.0.0.1:{closed}/")),
            to("https://evil.test/".into()),
        ])
        .collect();
    let odd = [
        to("file:///etc/passwd".into()),
        to(format!("http://a@127.0.0.1:{closed}/")),
        to("gopher://127.0.0.1/".into()),
        to("http://".into()),
    ];
    let mut asks: Vec<_> = elsewhere.iter().map(|url| (url.clone(), digit("denied"))).collect();
    asks.extend(odd.map(|url| (url, digit("failed"))));
    asks.push((format!("http://127.0.0.1:{open}/again"), digit("limit")));
    asks.push((format!("http://127.0.0.1:{open}/"), digit("done")));
    asks.push((format!("http://127.0.0.1:{closed}/"), digit("denied")));
    // The person, the manifest and the operator must all allow it.
    let alone = told(&[&format!("http://127.0.0.1:{open}/")], "denied");
    vec![
        Row::told("ssrf.redirects", &sender(2000), asks).granted(&granted).private().calm(),
        Row::told("ssrf.private_without_the_person", &sender(2000), alone.clone()).granted(&granted).calm(),
        Row::told("ssrf.private_without_the_manifest", &sender(2000), alone)
            .granted(&hosts(&[&format!("127.0.0.1:{open}")], false))
            .private()
            .calm(),
    ]
}

/// A host that was granted, whose answers are hostile too.
fn bodies(web: &Web) -> Vec<Row> {
    let open = web.open_port;
    let granted = hosts(&[&format!("127.0.0.1:{open}")], true);
    let row = |name, path: &str, word: &str| {
        // Only who says nothing is waited for to the end.
        let patience_ms = if path == "silent" { 400 } else { 10_000 };
        Row::told(name, &sender(patience_ms), told(&[&format!("http://127.0.0.1:{open}/{path}")], word))
            .granted(&granted)
            .private()
            .calm()
    };
    vec![
        row("http.bomb", "bomb", "limit"),
        row("http.bomb_in_parts", "parts", "limit"),
        row("http.endless", "endless", "limit"),
        row("http.lying_length", "lie", "limit"),
        row("http.many_headers", "headers", "unavailable"),
        row("http.not_http", "garbage", "unavailable"),
        row("http.not_packed", "unpacked", "failed"),
        row("http.silent", "silent", "unavailable"),
    ]
}
