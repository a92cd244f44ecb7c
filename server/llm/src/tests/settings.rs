//! Settings that make no sense, and secrets that stay where they belong.

use super::*;

fn refuse(upstreams: Vec<UpstreamSettings>, part: &str) {
    let settings = LlmSettings { upstreams, ..LlmSettings::default() };
    let error = ModelServers::new(&settings).expect_err(part);
    assert_eq!(error.code(), "llm.bad_configuration");
    let shown = error.to_string();
    assert!(shown.contains(part) && !shown.contains("topsecret"), "{shown}");
}

#[test]
fn settings_that_make_no_sense() {
    let at = |url: &str| vec![UpstreamSettings::new("u", url)];
    let named = |name: &str| UpstreamSettings::new(name, "http://h/v1");
    refuse(vec![named("a"), named("b"), named("a")], "two upstreams have the name “a”");
    for name in ["", "a/b", "a b", "ä", "a\n", &"x".repeat(65)] {
        refuse(vec![named(name)], "the upstream name");
    }
    for url in ["", "h:1234/v1", "/v1", "127.0.0.1:1234", "http://", "ftp://h/", "file:///etc/passwd"] {
        refuse(at(url), "base_url of upstream “u”");
    }
    refuse(at("https://me:topsecret@h/v1"), "no user and no password");
    refuse(at("https://h/v1#topsecret"), "`#`");
    let good = || named("u");
    refuse(vec![UpstreamSettings { idle_timeout: Duration::ZERO, ..good() }], "idle_timeout");
    refuse(vec![UpstreamSettings { first_token_timeout: Duration::ZERO, ..good() }], "first_token_timeout");
    refuse(vec![UpstreamSettings { connect_timeout: Duration::ZERO, ..good() }], "connect_timeout");
    refuse(vec![UpstreamSettings { api_key: Some("topsecret\r\nX: y".into()), ..good() }], "api_key");
    refuse(vec![UpstreamSettings { headers: header("Host", "topsecret"), ..good() }], "may not be set");
    refuse(vec![UpstreamSettings { headers: header("a b", "topsecret"), ..good() }], "valid name");
    refuse(vec![UpstreamSettings { headers: header("a", "topsecret\n\n."), ..good() }], "valid value");
    let both =
        UpstreamSettings { api_key: Some("topsecret".into()), headers: header("Authorization", "topsecret"), ..good() };
    refuse(vec![both], "exclude each other");
}

#[test]
fn settings_show_no_secret() {
    let settings = LlmSettings {
        upstreams: vec![UpstreamSettings {
            // A key read from a file often ends with a line feed.
            api_key: Some("topsecret\n".into()),
            headers: header("x-team", "topsecret"),
            ..UpstreamSettings::new("remote", "https://api.example.com/v1")
        }],
        ..LlmSettings::default()
    };
    assert!(!format!("{settings:?}").contains("topsecret"));
    // An https: upstream reads the machine's certificates, or uses those built in.
    let models = ModelServers::new(&settings).unwrap();
    assert!(!format!("{models:?} {models:#?}").contains("topsecret"));
}
