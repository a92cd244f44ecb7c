use coditect_protocol::Coded as _;
use coditect_protocol::plugin::{Capability, CapabilityName, SettingKind, ViewPlace};

use super::{asks_more, consent, parse, read};

/// What every manifest begins with, in its first seven lines.
const HEAD: &str = r#"[plugin]
id = "acme.tidy"
version = "1.2.3"
contract = "1.0"
title = "Tidy"
description = "Puts texts in order."
license = "MIT OR (Apache-2.0 WITH LLVM-exception)"
"#;

const EVERYTHING: &str = include_str!("tests/everything.toml");

fn with(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

const ONE_COMMAND: &str = "[[commands]]\nid='a'\ntitle='A'\n";

#[test]
fn a_manifest_with_everything_is_read() {
    let manifest = parse(EVERYTHING).unwrap();
    assert_eq!(manifest.id.as_str(), "acme.everything");
    assert_eq!(manifest.keywords, ["format", "markdown"]);
    assert_eq!((manifest.icon.as_deref(), manifest.memory_mib), (Some("assets/icon.svg"), Some(128)));
    let offers = &manifest.offers;
    assert_eq!(offers.commands[0].editor_menu, ["*", "markdown"]);
    assert_eq!(offers.commands[0].keybinding.as_deref(), Some("ctrlcmd+k ctrlcmd+alt+f"));
    assert_eq!(offers.formatters[0].languages, ["json", "markdown"]);
    assert_eq!(offers.diagnostics.len(), 1);
    assert_eq!(offers.tools[0].id, "count_words");
    // In some order: what else is built says whether serde_json keeps that of the author.
    let parameters = |at: usize| serde_json::from_str::<serde_json::Value>(&offers.tools[at].parameters).unwrap();
    assert_eq!(parameters(0), parameters(1), "JSON and TOML say the same");
    assert!(!offers.tools[0].changes && offers.tools[1].changes);
    assert_eq!(offers.participants[0].id, "helper");
    assert!(offers.conversations.questions && !offers.conversations.answers);
    assert_eq!(offers.providers[0].id, "own-models");
    assert_eq!((offers.hooks.will_save.len(), offers.hooks.changed.len()), (1, 2));
    assert_eq!(offers.build_steps[0].id, "lint");
    assert_eq!((offers.views[0].place, offers.views[1].place), (ViewPlace::Side, ViewPlace::File));
    assert_eq!(offers.status_items[0].id, "words");
    assert!(offers.themes[0].dark && offers.themes[0].path == "assets/dusk.json");
    let kinds: Vec<_> = manifest.settings.iter().map(|setting| (setting.kind, setting.default.as_str())).collect();
    assert_eq!(
        kinds,
        [
            (SettingKind::Boolean, "true"),
            (SettingKind::Number, "80"),
            (SettingKind::Number, "0.5"),
            (SettingKind::Text, "\"a \\\"b\\\"\""),
            (SettingKind::Secret, "null"),
            (SettingKind::Choice, "\"warm\""),
        ]
    );
    let names: Vec<_> = manifest.capabilities.iter().map(|asked| asked.capability.name()).collect();
    assert_eq!(names, CapabilityName::ALL, "all, in the order of the consent screen");
    assert!(
        manifest.capabilities.iter().any(|asked| asked.capability
            == Capability::Http { hosts: vec!["*.example.org".into(), "api.example.org:8443".into()], private: true }),
        "sorted and without doubles"
    );
}

#[test]
fn consent_is_for_rights_and_not_for_words() {
    let of = |rest: &str| parse(&with(rest)).unwrap();
    let base =
        of("[[commands]]\nid='a'\ntitle='A'\n[[capability]]\nname='files.read'\nreason='x'\nglobs=['b','a','b']\n");
    let same = of(
        "[[capability]]\nname='files.read'\nreason='other words'\nglobs=['a','b']\n[[commands]]\nid='b'\ntitle='B'\n",
    );
    assert_eq!(consent(&base), consent(&same));
    for more in [
        "[[commands]]\nid='a'\ntitle='A'\n[[capability]]\nname='files.read'\nreason='x'\nglobs=['a','b','c']\n",
        "[[commands]]\nid='a'\ntitle='A'\n[[capability]]\nname='files.write'\nreason='x'\nglobs=['a','b']\n",
        "[hooks]\nchanged=['**']\n[[capability]]\nname='files.read'\nreason='x'\nglobs=['a','b']\n",
    ] {
        assert_ne!(consent(&of(more)), consent(&base), "{more}");
    }
    let other = with(ONE_COMMAND).replace("acme.tidy", "acme.other");
    assert_ne!(consent(&parse(&other).unwrap()), consent(&of(ONE_COMMAND)), "of one plugin alone");
}

#[test]
fn an_update_asks_for_what_it_was_not_granted() {
    let new = parse(EVERYTHING).unwrap();
    let all: Vec<_> = new.capabilities.iter().map(|asked| asked.capability.clone()).collect();
    assert!(asks_more(&all, &new).is_empty());
    assert_eq!(asks_more(&[], &new), new.capabilities);
    let less: Vec<_> = all.iter().filter(|one| one.name() != CapabilityName::Http).cloned().collect();
    let more = asks_more(&less, &new);
    assert_eq!(more.len(), 1);
    assert_eq!(more[0].capability.name(), CapabilityName::Http);
    assert!(!more[0].reason.is_empty());
}

/// Manifests behind [`HEAD`], the line that is told (in the file, from 1), the key, and the code.
const BAD: &[(&str, usize, &str, &str)] = &[
    ("x = ", 8, "", "syntax"),
    ("\"", 8, "", "syntax"),
    ("[plugin]\nid='a.b'\n", 8, "", "syntax"),
    ("comands = 1\n", 8, "plugin.comands", "unknown_key"),
    ("[[comands]]\nid='a'\n", 8, "comands", "unknown_key"),
    ("[zzzzzz]\n", 8, "zzzzzz", "unknown_key"),
    ("[[commands]]\nid='a'\ntitle='A'\n\neditor_menu=['*']\n", 12, "commands[1].editor_menu", "unknown_key"),
    ("[[commands]]\nid='a'\ntitle='A'\n[[commands]]\nid='a'\ntitle='A'\n", 11, "commands[2]", "double"),
    ("[commands]\nid='a'\ntitle='A'\n", 8, "commands", "type"),
    ("[[commands]]\nid='a'\n", 8, "commands[1].title", "missing"),
    ("[[commands]]\ntitle='a'\n", 8, "commands[1].id", "missing"),
    ("[[commands]]\nid='A b'\ntitle='A'\n", 9, "commands[1].id", "value"),
    ("[[commands]]\nid=1\ntitle='A'\n", 9, "commands[1].id", "type"),
    ("[[commands]]\nid='a'\ntitle=\"A\\nB\"\n", 10, "commands[1].title", "value"),
    ("[[commands]]\nid='a'\ntitle=\"A\\u202eB\"\n", 10, "commands[1].title", "value"),
    ("[[commands]]\nid='a'\ntitle='  '\n", 10, "commands[1].title", "value"),
    ("[[commands]]\nid='a'\ntitle='A'\nkeybinding='hyper+f'\n", 11, "commands[1].keybinding", "value"),
    ("[[commands]]\nid='a'\ntitle='A'\nkeybinding='ctrlcmd+shift'\n", 11, "commands[1].keybinding", "value"),
    ("[[formatters]]\nlanguages=['markdown']\n", 8, "formatters", "capability"),
    ("[[diagnostics]]\nlanguages=['markdown']\n", 8, "diagnostics", "capability"),
    ("[hooks]\nwill-save=['**']\n", 8, "hooks", "capability"),
    ("[hooks]\nchanged=['**']\n", 8, "hooks", "capability"),
    ("[[views]]\nid='a'\ntitle='A'\nplace='file'\nglobs=['**']\n", 8, "views", "capability"),
    ("[conversations]\nquestions=true\n", 8, "conversations", "capability"),
    ("[[formatters]]\nlanguages='markdown'\n", 9, "formatters[1].languages", "type"),
    ("[[formatters]]\nlanguages=[]\n", 9, "formatters[1].languages", "value"),
    ("[[formatters]]\nlanguages=['a b']\n", 9, "formatters[1].languages", "value"),
    ("[[tools]]\nid='a-b'\ndescription='x'\nparameters='{\"type\":\"object\"}'\n", 9, "tools[1].id", "value"),
    ("[[tools]]\nid='a'\ndescription='x'\nparameters='{'\n", 11, "tools[1].parameters", "value"),
    ("[[tools]]\nid='a'\ndescription='x'\nparameters='[]'\n", 11, "tools[1].parameters", "value"),
    ("[[tools]]\nid='a'\ndescription='x'\nparameters={type='string'}\n", 11, "tools[1].parameters", "value"),
    ("[[tools]]\nid='a'\nparameters='{}'\n", 8, "tools[1].description", "missing"),
    ("[[views]]\nid='a'\ntitle='A'\nplace='top'\n", 11, "views[1].place", "value"),
    ("[[views]]\nid='a'\ntitle='A'\nplace='side'\nglobs=['**']\n", 12, "views[1].globs", "value"),
    ("[[views]]\nid='a'\ntitle='A'\nplace='file'\n", 8, "views[1].globs", "missing"),
    ("[[themes]]\nid='a'\ntitle='A'\npath='../x.json'\n", 11, "themes[1].path", "value"),
    ("[[themes]]\nid='a'\ntitle='A'\npath='assets/x.css'\n", 11, "themes[1].path", "value"),
    ("[[settings]]\nid='a'\ntitle='A'\nkind='colour'\ndefault=1\n", 11, "settings[1].kind", "value"),
    ("[[settings]]\nid='a'\ntitle='A'\nkind='number'\ndefault='1'\n", 12, "settings[1].default", "type"),
    ("[[settings]]\nid='a'\ntitle='A'\nkind='number'\ndefault=nan\n", 12, "settings[1].default", "type"),
    ("[[settings]]\nid='a'\ntitle='A'\nkind='text'\n", 8, "settings[1].default", "missing"),
    ("[[settings]]\nid='a'\ntitle='A'\nkind='secret'\ndefault='x'\n", 12, "settings[1].default", "value"),
    (
        "[[settings]]\nid='a'\ntitle='A'\nkind='choice'\ndefault='x'\nchoices=['y']\n",
        12,
        "settings[1].default",
        "value",
    ),
    (
        "[[settings]]\nid='a'\ntitle='A'\nkind='choice'\ndefault='y'\nchoices=['y','y']\n",
        13,
        "settings[1].choices",
        "double",
    ),
    ("[[settings]]\nid='a'\ntitle='A'\nkind='text'\ndefault='y'\nchoices=['y']\n", 13, "settings[1].choices", "value"),
    ("[[capability]]\nname='files'\nreason='x'\n", 9, "capability[1].name", "value"),
    ("[[capability]]\nreason='x'\n", 8, "capability[1].name", "missing"),
    ("[[capability]]\nname='clock'\n", 8, "capability[1].reason", "missing"),
    ("[[capability]]\nname='clock'\nreason=''\n", 10, "capability[1].reason", "value"),
    ("[[capability]]\nname='clock'\nreason='x'\nglobs=['**']\n", 11, "capability[1].globs", "value"),
    (
        "[[capability]]\nname='clock'\nreason='x'\n[[capability]]\nname='clock'\nreason='y'\n",
        11,
        "capability[2]",
        "double",
    ),
    ("[[capability]]\nname='files.read'\nreason='x'\n", 8, "capability[1].globs", "missing"),
    ("[[capability]]\nname='files.read'\nreason='x'\nglobs=['/etc/**']\n", 11, "capability[1].globs", "value"),
    ("[[capability]]\nname='files.read'\nreason='x'\nglobs=['a/../b']\n", 11, "capability[1].globs", "value"),
    ("[[capability]]\nname='files.read'\nreason='x'\nglobs=['a[']\n", 11, "capability[1].globs", "value"),
    ("[[capability]]\nname='files.read'\nreason='x'\nglobs=['ok',\n 'a{b']\n", 12, "capability[1].globs", "value"),
    ("[[capability]]\nname='http'\nreason='x'\nhosts=['*']\n", 11, "capability[1].hosts", "value"),
    ("[[capability]]\nname='http'\nreason='x'\nhosts=['*.org']\n", 11, "capability[1].hosts", "value"),
    ("[[capability]]\nname='http'\nreason='x'\nhosts=['https://a.org']\n", 11, "capability[1].hosts", "value"),
    ("[[capability]]\nname='http'\nreason='x'\nhosts=['a.org/x']\n", 11, "capability[1].hosts", "value"),
    ("[[capability]]\nname='http'\nreason='x'\nhosts=['b.*.org']\n", 11, "capability[1].hosts", "value"),
    ("[[capability]]\nname='http'\nreason='x'\nhosts=['*.1.2.3.4']\n", 11, "capability[1].hosts", "value"),
    ("[[capability]]\nname='http'\nreason='x'\nhosts=['A.org']\n", 11, "capability[1].hosts", "value"),
    ("[[capability]]\nname='http'\nreason='x'\nhosts=['ä.org']\n", 11, "capability[1].hosts", "value"),
    ("[[capability]]\nname='http'\nreason='x'\nhosts=['0x7f.1']\n", 11, "capability[1].hosts", "value"),
    ("[[capability]]\nname='http'\nreason='x'\nhosts=['a.org:0']\n", 11, "capability[1].hosts", "value"),
    ("[[capability]]\nname='http'\nreason='x'\nhosts=['a.org.']\n", 11, "capability[1].hosts", "value"),
    ("[[capability]]\nname='models'\nreason='x'\nmodels=['*']\n", 8, "capability[1].usd-per-day", "missing"),
    (
        "[[capability]]\nname='models'\nreason='x'\nmodels=['*']\nusd-per-day=0\n",
        12,
        "capability[1].usd-per-day",
        "value",
    ),
    ("[[capability]]\nname='models'\nreason='x'\nmodels=['a b']\nusd-per-day=1\n", 11, "capability[1].models", "value"),
    ("[[capability]]\nname='storage'\nreason='x'\nbytes=-1\n", 11, "capability[1].bytes", "value"),
    ("[[capability]]\nname='storage'\nreason='x'\nbytes=1e3\n", 11, "capability[1].bytes", "type"),
    ("icon='icon.svg'\n", 8, "plugin.icon", "value"),
    ("memory-mib=0\n", 8, "plugin.memory-mib", "value"),
    ("repository='http://a.org'\n", 8, "plugin.repository", "value"),
    ("keywords=['a','b','c','d','e','f','g','h','i','j','k']\n", 8, "plugin.keywords", "too_many"),
    ("", 1, "", "empty"),
    ("[conversations]\nquestions=false\n", 1, "", "empty"),
];

#[test]
fn what_is_wrong_is_told_with_its_line_key_and_code() {
    for (rest, line, key, code) in BAD {
        let error = read(&with(rest)).unwrap_err();
        assert_eq!((error.line, error.key.as_str()), (*line, *key), "{rest}\n{error}");
        assert_eq!(error.code(), format!("plugins.manifest_{code}"), "{rest}\n{error}");
        assert!(!error.to_string().chars().any(|c| c.is_control() && c != '\n'), "{error:?}");
    }
}

#[test]
fn heads_are_checked_too() {
    let cases = [
        ("id = \"acme.tidy\"", "id = \"acme\"", 2, "plugins.manifest_value"),
        ("version = \"1.2.3\"", "version = \"1.2\"", 3, "plugins.manifest_value"),
        ("version = \"1.2.3\"", "version = \"1.2.3+4\"", 3, "plugins.manifest_value"),
        ("version = \"1.2.3\"", "version = \"01.2.3\"", 3, "plugins.manifest_value"),
        ("contract = \"1.0\"", "contract = \"1\"", 4, "plugins.manifest_value"),
        ("contract = \"1.0\"", "contract = \"2.0\"", 4, "plugins.contract_unknown"),
        ("contract = \"1.0\"", "contract = \"1.9\"", 4, "plugins.contract_unknown"),
        ("contract = \"1.0\"\n", "", 1, "plugins.manifest_missing"),
        ("license = \"MIT OR (Apache-2.0 WITH LLVM-exception)\"", "license = \"MIT OR\"", 7, "plugins.manifest_value"),
        ("[plugin]", "[plugins]", 1, "plugins.manifest_unknown_key"),
    ];
    for (old, new, line, code) in cases {
        let error = read(&with(ONE_COMMAND).replace(old, new)).unwrap_err();
        assert_eq!((error.line, error.code()), (line, code), "{new}\n{error}");
    }
    assert_eq!(read("").unwrap_err().code(), "plugins.manifest_missing");
    let large = format!("{}#{}", with(ONE_COMMAND), "x".repeat(super::MAX_MANIFEST_BYTES));
    assert_eq!(read(&large).unwrap_err().code(), "plugins.manifest_too_large");
    let deep = format!("{}x={}", with(ONE_COMMAND), "[".repeat(100_000));
    assert_eq!(read(&deep).unwrap_err().code(), "plugins.manifest_syntax");
}

#[test]
fn globs_are_bounded_wherever_they_stand() {
    let globs =
        |from: usize, count: usize| -> String { (from..from + count).map(|n| format!("'{n:0128}',")).collect() };
    let with_globs = |hooks: usize, granted: usize, shown: usize| {
        let [hooks, granted, shown] =
            [(0, hooks), (100, granted), (200, shown)].map(|(from, count)| globs(from, count));
        read(&with(&format!(
            "[hooks]\nwill-save=[{hooks}]\n[[views]]\nid='v'\ntitle='V'\nplace='file'\nglobs=[{shown}]\n\
             [[capability]]\nname='documents'\nreason='R.'\nglobs=[{granted}]\n"
        )))
    };
    assert!(with_globs(1, 30, 1).is_ok());
    for (hooks, granted, shown) in [(2, 30, 1), (1, 31, 1), (1, 30, 2)] {
        let error = with_globs(hooks, granted, shown).unwrap_err();
        assert_eq!(error.code(), "plugins.manifest_too_large", "{error}");
    }
}

#[test]
fn messages_say_what_to_write() {
    let told = |rest: &str| read(&with(rest)).unwrap_err().to_string();
    assert_eq!(
        told("[[commands]]\nid='a'\ntitle='A'\nediter-menu=['*']\n"),
        "plugin.toml, line 11: `commands[1].editer-menu` is unknown here; did you mean `editor-menu`?"
    );
    assert!(told("[[formatter]]\n").contains("did you mean `formatters`?"));
    assert!(told("[[capability]]\nname='http'\nreason='x'\nhosts=['ä.org']\n").contains("write \"xn--4ca.org\""));
    assert!(told("[[formatters]]\nlanguages=['a']\n").contains("add [[capability]] with name = \"documents\""));
}

#[test]
fn hosts_are_names_and_addresses() {
    let of = |host: &str| {
        let capability = format!("[[capability]]\nname='http'\nreason='x'\nhosts=['{host}']\n");
        parse(&with(&format!("{ONE_COMMAND}{capability}")))
    };
    for good in [
        "a.org",
        "*.a.org",
        "a.org:8443",
        "*.a.org:1",
        "127.0.0.1",
        "[::1]:8080",
        "[::1]",
        "localhost:3000",
        "xn--4ca.org",
    ] {
        assert!(of(good).is_ok(), "{good}: {}", of(good).unwrap_err());
    }
}
