use coditect_protocol::plugin::{Denial, Review};

use super::*;
use crate::plugins::testing::{installed, manifest};

const ASKS: &str = r#"{"capabilities": [
    {"name": "clock", "reason": "To tell the time."},
    {"name": "documents", "globs": ["**/*.md"], "reason": "To format."},
    {"name": "http", "hosts": ["api.example.org"], "reason": "To look words up."},
    {"name": "files.write", "globs": ["docs/**"], "reason": "To write."},
    {"name": "models", "models": ["a/b"], "usd_per_day": 0.5, "reason": "To summarise."},
    {"name": "storage", "bytes": 65536, "reason": "To remember."}
]}"#;

fn review(of: &str, before: Option<&str>, asks_more: &[CapabilityName]) -> Review {
    let manifest = manifest("acme.words", of);
    let is_more = |asked: &&Asked| asks_more.contains(&asked.capability.name());
    Review {
        asks_more: manifest.capabilities.iter().filter(is_more).cloned().collect(),
        manifest,
        sha256: String::new(),
        bytes: 0,
        signature: SignatureState::Publisher { key: "0123".to_owned() },
        consent: String::new(),
        installed: before.map(str::to_owned),
    }
}

#[test]
fn what_weighs_most_comes_first_and_says_its_bounds() {
    let consent = consent(&review(ASKS, None, &CapabilityName::ALL), None);
    let names: Vec<_> = consent.rights.iter().map(|right| right.name.as_str()).collect();
    assert_eq!(names, ["files.write", "http", "models", "documents", "storage", "clock"]);
    assert!(consent.rights.iter().all(|right| !right.is_new), "all of it is, which needs no mark");
    assert_eq!(consent.rights[0].subjects[0].text, "docs/**");
    assert_eq!(consent.rights[0].reason, "To write.");
    assert_eq!(consent.rights[2].detail, "It may spend up to $0.50 a day of what you may spend.");
    assert_eq!(consent.rights[4].detail, "Up to 64 KiB; it is deleted when you uninstall it.");
    assert_eq!(consent.agree, "Agree and install");
    assert!(consent.is_known_publisher && consent.origin.contains("acme"));
    assert_eq!(
        consent.warnings,
        [
            "Together, these let it send what it sees of your work to api.example.org.",
            "What it sees of your work may go to the language models that it asks."
        ]
    );
}

#[test]
fn each_right_has_words_of_its_own() {
    let all = r#"{"capabilities": [
        {"name": "documents", "globs": ["**"], "reason": "r"}, {"name": "files.read", "globs": ["**"], "reason": "r"},
        {"name": "files.write", "globs": ["**"], "reason": "r"}, {"name": "search", "globs": ["**"], "reason": "r"},
        {"name": "http", "hosts": ["x.org"], "private": true, "reason": "r"},
        {"name": "models", "models": ["*"], "usd_per_day": 0.0001, "reason": "r"},
        {"name": "conversations", "reason": "r"}, {"name": "git.read", "reason": "r"}, {"name": "notify", "reason": "r"},
        {"name": "storage", "bytes": 1, "reason": "r"}, {"name": "clock", "reason": "r"}, {"name": "random", "reason": "r"}
    ]}"#;
    let rights = grants(&installed(manifest("a.b", all), PluginState::Ready, &[CapabilityName::Clock]));
    let names: Vec<_> = rights.iter().map(|right| right.name).collect();
    assert_eq!(names, CapabilityName::ALL);
    let titles: std::collections::BTreeSet<_> = rights.iter().map(|right| right.title.as_str()).collect();
    assert_eq!(titles.len(), rights.len());
    let granted: Vec<_> = rights.iter().filter(|right| right.granted).map(|right| right.name).collect();
    assert_eq!(granted, [CapabilityName::Clock]);
    assert!(rights[1].title.contains("your own network") && rights[1].detail.contains("without encryption"));
    assert!(rights[3].detail.contains("$0.0001"));
    let weights: Vec<_> = rights.iter().map(|right| right.weight).collect();
    assert!(weights.is_sorted_by_key(|weight| *weight as u8), "{weights:?}");
    let warns = |of: &str| consent(&review(of, None, &[]), None).warnings.iter().any(|text| text.contains("workflows"));
    assert!(warns(all) && warns(&all.replace("**", ".github/**")));
    assert!(!warns(&all.replace("**", "src/**")) && !warns(&all.replace("**", ".git/**")), "nobody writes to .git");
}

#[test]
fn an_update_marks_what_is_new_down_to_the_host() {
    let old = r#"{"capabilities": [
        {"name": "http", "hosts": ["api.example.org"], "reason": "r"}, {"name": "clock", "reason": "r"}
    ]}"#;
    let new = r#"{"capabilities": [
        {"name": "http", "hosts": ["api.example.org", "evil.example"], "reason": "r"}, {"name": "clock", "reason": "r"},
        {"name": "files.write", "globs": ["**"], "reason": "r"}
    ]}"#;
    let before =
        installed(manifest("acme.words", old), PluginState::Ready, &[CapabilityName::Http, CapabilityName::Clock]);
    let asks_more = [CapabilityName::Http, CapabilityName::FilesWrite];
    let consent = consent(&review(new, Some("1.0.0"), &asks_more), Some(&before));
    let marks: Vec<_> = consent.rights.iter().map(|right| (right.name.as_str(), right.is_new)).collect();
    assert_eq!(marks, [("files.write", true), ("http", true), ("clock", false)]);
    let hosts: Vec<_> = consent.rights[1].subjects.iter().map(|host| (host.text.as_str(), host.is_new)).collect();
    assert_eq!(hosts, [("api.example.org", false), ("evil.example", true)]);
    assert!(consent.summary.contains("1.0.0 goes on") && consent.agree == "Agree and update");
    assert_eq!(super::consent(&review(old, Some("1.0.0"), &[]), Some(&before)).agree, "Update");
}

#[test]
fn a_signature_says_who_stands_for_it() {
    let mut review = review("{}", None, &[]);
    assert_eq!(consent(&review, None).summary, "It asks for no rights at all.");
    review.signature = SignatureState::Unknown { key: "ffff".to_owned() };
    let told = consent(&review, None);
    assert!(!told.is_known_publisher && told.origin.contains("ffff"));
    review.signature = SignatureState::None;
    assert!(consent(&review, None).origin.starts_with("Not signed"));
}

#[test]
fn a_denial_says_what_helps() {
    let plugin = installed(manifest("acme.words", ASKS), PluginState::Ready, &[CapabilityName::Http]);
    let denied = |capability, subject: &str, count| {
        denial(&Denial { at: 0, capability, subject: subject.to_owned(), count }, &plugin)
    };
    let not_granted = denied(CapabilityName::FilesWrite, "docs/x", 3);
    assert_eq!(not_granted.text, "Was denied: files.write docs/x, 3 times.");
    assert!(not_granted.can_grant && not_granted.advice.contains("Change and delete files"));
    assert!(!denied(CapabilityName::Http, "other.org", 1).can_grant, "granted, but not for that host");
    assert!(denied(CapabilityName::Notify, "", 1).advice.contains("never asked"));
}

#[test]
fn what_the_operator_denies_is_not_laid_at_the_authors_door() {
    let asks = |private: bool| {
        let of = format!(
            r#"{{"capabilities": [{{"name": "http", "hosts": ["127.0.0.1:11434", "*.lan"], "private": {private}, "reason": "To ask."}}]}}"#
        );
        installed(manifest("acme.words", &of), PluginState::Ready, &[CapabilityName::Http])
    };
    let advice = |private, host: &str| {
        let denied = Denial { at: 0, capability: CapabilityName::Http, subject: host.to_owned(), count: 1 };
        denial(&denied, &asks(private)).advice
    };
    for host in ["127.0.0.1", "box.lan"] {
        assert!(advice(true, host).contains("ask an admin"), "{host}");
        assert!(advice(false, host).contains("its author"), "{host}");
    }
    for host in ["127.0.0.1:22", "127.0.0", "lan", "box.lane", "other.org"] {
        assert!(advice(true, host).contains("its author"), "{host}");
    }
}

#[test]
fn each_state_says_what_to_do() {
    let of = |given| state(&installed(manifest("a.b", "{}"), given, &[]));
    assert_eq!(
        of(PluginState::Ready),
        StateInWords { label: "Ready".to_owned(), detail: String::new(), is_bad: false }
    );
    let failed = of(PluginState::Failed { reason: "It ran out of memory.".to_owned() });
    assert!(
        failed.is_bad
            && failed.detail.contains("(It ran out of memory). ")
            && failed.detail.contains("Switch it on again")
    );
    assert!(of(PluginState::Blocked).detail.contains("admin"));
}

#[test]
fn what_was_taken_back_is_said_whatever_its_state() {
    let taken_back = |given| state(&Installed { taken_back: true, ..installed(manifest("a.b", "{}"), given, &[]) });
    let ready = taken_back(PluginState::Ready);
    assert_eq!((ready.label.as_str(), ready.is_bad), ("Taken back", true));
    assert!(ready.detail.contains("key") && ready.detail.ends_with("uninstall it."));
    let off = taken_back(PluginState::Disabled);
    assert_eq!((off.label.as_str(), off.is_bad), ("Off", true));
    assert!(off.detail.contains("taken back") && off.detail.ends_with("You switched it off."));
}
