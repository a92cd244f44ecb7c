use std::net::IpAddr;

use coditect_sandbox::net::address::Owner;
use url::Host;

use super::*;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

#[test]
fn globs_stand_for_whole_paths() {
    let table: [(&[&str], &[&str], &[&str]); 11] = [
        (
            &["src/*.rs"],
            &["src/a.rs"],
            &["a.rs", "src/x/a.rs", "SRC/a.rs", "src/a.RS", "src/a.rs/b", "x/src/a.rs", "src"],
        ),
        (&["src/**"], &["src/a", "src/x/y"], &["src", "src2/a", "asrc/a", ""]),
        (&["**/*.md"], &["a.md", "x/y/a.md"], &["a.mdx", "x/a.md/b"]),
        (&["*"], &["a", ".env"], &["a/b", ""]),
        (
            &["**"],
            &["a", "a/b", ".env", ".gitignore", "a/.github/x"],
            &["", ".git", ".git/config", ".GIT/hooks/x", "a/.git/config"],
        ),
        (&[".git/**"], &[], &[".git/config"]),
        (&["{a,b/c}/*.t"], &["a/x.t", "b/c/x.t"], &["b/x.t", "c/x.t"]),
        (&["a?c"], &["abc"], &["a/c", "ac"]),
        (&["[ab]/x"], &["a/x", "b/x"], &["c/x"]),
        (&["\\*"], &["*"], &["a"]),
        (&["{"], &[], &["{", "a"]),
    ];
    for (words, yes, no) in table {
        let globs = Globs::new(&texts(words));
        for text in yes {
            assert!(globs.matches(&path(text)), "{words:?} stands for {text:?}");
        }
        for text in no {
            assert!(!globs.matches(&path(text)), "{words:?} does not stand for {text:?}");
        }
    }
}

#[test]
fn folders_are_seen_only_on_the_way() {
    let table: [(&[&str], &[&str], &[&str]); 12] = [
        (&["a,b/c,d/*.t"], &["", "a,b", "a,b/c,d"], &["a", "b", "a,b/c", "a,b/c,d/e"]),
        (&["x/[a,b]/y/z"], &["x", "x/b", "x/q"], &["y"]),
        (&["a\\,b/c"], &["", "a,b"], &["a", "b", "c"]),
        (&["src/*/x/*.rs"], &["", "src", "src/a", "src/a/x"], &["a", "src/a/y", "src/a/x/z", "SRC"]),
        (&["src/**"], &["", "src", "src/a", "src/a/b"], &["srx", "a/src"]),
        (&["**/a"], &["", "x", "x/y"], &[".git", "x/.git"]),
        (&["a"], &[""], &["a", "b"]),
        (&["{a,b/c}/d/*"], &["", "a", "a/d", "b", "b/c", "b/c/d"], &["b/d", "c", "a/c"]),
        (&["x/{a,{b,c}/d}/e/f"], &["x", "x/a", "x/b", "x/c", "x/c/d", "x/a/e", "x/c/d/e"], &["x/d", "x/e"]),
        (&["x/[{]/y/z"], &["x", "x/{", "x/q"], &["y"]),
        (&["src/**/t/u"], &["src", "src/q/r"], &["t"]),
        (&[], &[], &["", "a"]),
    ];
    for (words, yes, no) in table {
        let globs = Globs::new(&texts(words));
        for text in yes {
            assert!(globs.lead_below(&path(text)), "{words:?} leads below {text:?}");
        }
        for text in no {
            assert!(!globs.lead_below(&path(text)), "{words:?} does not lead below {text:?}");
        }
    }
    let many = format!("x/{}/end", "{a,b}".repeat(12));
    let globs = Globs::new(&[many]);
    assert!(globs.lead_below(&path("x")) && globs.lead_below(&path("x/abab")) && !globs.lead_below(&path("y")));
}

#[test]
fn globs_are_translated_when_they_are_asked_about_and_shared() {
    let words = texts(&["only/**/here/*.rs"]);
    let (globs, same) = (Globs::new(&words), Globs::new(&words));
    assert!(globs.is_shared_with(&same) && !globs.is_shared_with(&Globs::new(&texts(&["elsewhere"]))));
    assert_eq!(globs.are_translated(), (false, false), "granting them takes next to nothing");
    assert!(globs.matches(&path("only/x/here/a.rs")));
    assert_eq!(same.are_translated(), (true, false), "folders are for listing alone");
    assert!(same.lead_below(&path("only/x")));
    assert_eq!(globs.are_translated(), (true, true));
    drop(globs);
    assert!(Globs::are_known(&words));
    drop(same);
    assert!(!Globs::are_known(&words), "nothing is left behind");
}

#[test]
fn the_most_that_a_manifest_may_have_can_be_translated() {
    let many = |glob: &str| -> Vec<String> {
        let count = coditect_plugin_package::manifest::MAX_GLOBS_BYTES / (glob.len() + 3);
        (0..count).map(|n| format!("{glob}{n:03}")).collect()
    };
    let deep = format!("{}*.t", "a/".repeat(120));
    for (words, file) in [
        (many(&deep), format!("{}x.t001", "a/".repeat(120))),
        (many("**/*a*b*c*[!x]?"), "q/abcyz001".to_owned()),
        (many("**/{a,b}{c,d}/{e/f,g}/"), "x/ac/g/001".to_owned()),
        (many("?"), "x001".to_owned()),
    ] {
        let globs = Globs::new(&words);
        assert!(globs.matches(&path(&file)), "{file}");
        let folder = path(&file).parent().unwrap();
        assert!(globs.lead_below(&folder), "{folder}");
    }
}

fn reach(patterns: &[&str], private: bool, host: &str, port: u16) -> Option<Reach> {
    let host = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Host::Ipv4(address),
        Ok(IpAddr::V6(address)) => Host::Ipv6(address),
        Err(_) => Host::Domain(host),
    };
    Hosts::new(&texts(patterns), private).reach(&host, port, 443, true)
}

#[test]
fn hosts_are_those_that_are_named() {
    for (patterns, host, port, yes) in [
        (&["a.org"][..], "a.org", 443, true),
        (&["A.org."], "a.org", 443, true),
        (&["a.org"], "b.a.org", 443, false),
        (&["a.org"], "xa.org", 443, false),
        (&["a.org"], "a.org.evil.net", 443, false),
        (&["a.org"], "a.org", 444, false),
        (&["a.org:444"], "a.org", 444, true),
        (&["a.org:444"], "a.org", 443, false),
        (&["*.a.org"], "b.a.org", 443, true),
        (&["*.a.org"], "c.b.a.org", 443, true),
        (&["*.a.org"], "a.org", 443, false),
        (&["*.a.org"], ".a.org", 443, false),
        (&["*.a.org"], "ba.org", 443, false),
        (&["*.a.org:8443"], "b.a.org", 8443, true),
        (&["*"], "a.org", 443, false),
        (&["a.*"], "a.org", 443, false),
        (&["10.1.2.3"], "10.1.2.3", 443, true),
        (&["10.1.2.3:80"], "::ffff:10.1.2.3", 80, true),
        (&["10.1.2.3"], "10.1.2.4", 443, false),
        (&["*.2.3"], "10.1.2.3", 443, false),
        (&["fd00::5"], "fd00::5", 443, true),
        (&["[fd00::5]:99"], "fd00::5", 99, true),
        (&["[fd00::5]"], "fd00::5", 443, true),
        (&["a.org:0"], "a.org", 0, false),
        (&["a.org:x"], "a.org", 443, false),
        (&["https://a.org"], "a.org", 443, false),
        (&[], "a.org", 443, false),
    ] {
        assert_eq!(reach(patterns, false, host, port).is_some(), yes, "{patterns:?} {host} {port}");
    }
}

#[test]
fn what_guards_more_is_opened_by_less() {
    assert_eq!(reach(&["a.org"], false, "a.org", 443), Some(Reach::Public));
    assert_eq!(reach(&["10.1.2.3"], false, "10.1.2.3", 443), Some(Reach::Public));
    assert_eq!(reach(&["*.a.org"], true, "b.a.org", 443), Some(Reach::Private));
    assert_eq!(reach(&["*.a.org", "b.a.org"], true, "b.a.org", 443), Some(Reach::Machine));
    assert_eq!(reach(&["10.1.2.3"], true, "10.1.2.3", 443), Some(Reach::Address));
    let hosts = Hosts::new(&texts(&["a.org"]), true);
    assert_eq!(hosts.reach(&Host::Domain("a.org"), 443, 443, false), Some(Reach::Public), "the operator has a say");
    let owners = [Owner::Public, Owner::Private, Owner::Reserved, Owner::Metadata, Owner::Nobody];
    for (index, reach) in Reach::ALL.into_iter().enumerate() {
        for (other, owner) in owners.into_iter().enumerate() {
            assert_eq!(reach.has(owner), other <= index, "{reach:?} {owner:?}");
        }
    }
}

#[test]
fn models_are_those_that_a_pattern_stands_for() {
    for (pattern, model, yes) in [
        ("x/y", "x/y", true),
        ("x/y", "x/yz", false),
        ("*", "x/y", true),
        ("*", "", true),
        ("x/*", "x/y/z", true),
        ("x/*", "X/y", false),
        ("*/y", "x/y", true),
        ("*/y", "x/yy", false),
        ("a*b*c", "aXbYbc", true),
        ("a*b*c", "aXcYb", false),
        ("ab*ba", "aba", false),
        ("a**", "a", true),
        ("é*é", "éaé", true),
        ("", "", true),
        ("", "x", false),
        ("x.y", "xzy", false),
    ] {
        assert_eq!(words::matches(pattern, model), yes, "{pattern} {model}");
    }
}

#[test]
fn rights_are_gone_when_they_are_taken_back() {
    let rights = Rights::new(vec![
        Capability::FilesRead { globs: texts(&["src/**"]) },
        Capability::Storage { bytes: 10 },
        Capability::Models { models: texts(&["x/*"]), usd_per_day: Usd::try_from(0.5).unwrap() },
    ]);
    assert!(rights.files_read(&path("src/a")) && !rights.files_write(&path("src/a")) && !rights.search(&path("src/a")));
    assert!(rights.model("x/y") && !rights.model("z/y"));
    assert_eq!(rights.now().quota_bytes(), Some(10));
    assert_eq!(rights.now().usd_per_day(), Some(Usd::try_from(0.5).unwrap()));
    rights.set(vec![Capability::Clock]);
    assert!(!rights.files_read(&path("src/a")) && !rights.model("x/y"));
    assert!(rights.has(CapabilityName::Clock) && !rights.has(CapabilityName::Storage));
    assert_eq!((rights.now().quota_bytes(), rights.now().usd_per_day()), (None, None));
}

#[test]
fn a_denial_names_the_capability_and_its_line() {
    for name in CapabilityName::ALL {
        let text = denial(name, "a\"b");
        assert!(text.contains(&format!("the capability {name}")), "{text}");
        assert!(text.contains(&format!("[[capability]] name = \"{name}\"")), "{text}");
    }
    let text = denial(CapabilityName::FilesRead, "src/\"a");
    assert!(text.starts_with("Reading src/\"a takes") && text.contains(r#"globs = ["src/\"a"]"#), "{text}");
}

#[test]
fn what_a_denial_says_to_write_is_what_manifests_take() {
    let subjects = |name| match name {
        CapabilityName::Documents | CapabilityName::FilesRead | CapabilityName::FilesWrite => vec!["src/\"a\".rs"],
        CapabilityName::Http => vec!["example.org", "10.1.2.3:8080"],
        CapabilityName::Models => vec!["", "a/b"],
        _ => vec![""],
    };
    for (name, subject) in CapabilityName::ALL.iter().flat_map(|name| subjects(*name).into_iter().map(|it| (*name, it)))
    {
        let text = denial(name, subject);
        let (_, line) = text.split_once("[[capability]] ").unwrap();
        let (line, _) = line.split_once(", and the person").unwrap();
        let manifest = format!(
            "capability = [{{ {line}, reason = \"To do it.\" }}]\n\
             plugin = {{ id = \"a.b\", version = \"1.0.0\", contract = \"1.0\", title = \"B\", description = \"Does.\", license = \"MIT\" }}\n\
             commands = [{{ id = \"do\", title = \"Do\" }}]\n"
        );
        let read =
            coditect_plugin_package::manifest::parse(&manifest).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(read.capabilities.iter().map(|asked| asked.capability.name()).collect::<Vec<_>>(), [name]);
    }
}
