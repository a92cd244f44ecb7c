//! Consent, updates, settings, and servers that share a store.

use coditect_protocol::plugin::{CapabilityName, PluginItem, PluginState, SettingsChange, SignatureState};

use coditect_store::Record as _;

use super::*;
use crate::installs::rows::InstallRow;
use crate::keys::Keys;

fn change_of(enabled: Option<bool>, granted: Option<&[CapabilityName]>) -> SettingsChange {
    SettingsChange { enabled, granted: granted.map(<[_]>::to_vec), settings: BTreeMap::new() }
}

#[tokio::test]
async fn what_was_agreed_to_is_what_is_granted() {
    let server = Server::new().await;
    server.publish("1.0.0", &format!("{STORAGE}{CLOCK}")).await;
    let mut new = server.agree(user(2), None).await;
    let consent = std::mem::replace(&mut new.consent, "other".into());
    assert_eq!(code(server.plugins.install(user(2), &new).await), "plugins.consent_changed");
    new.consent = consent;
    new.grant = Some(vec![CapabilityName::Http]);
    assert_eq!(code(server.plugins.install(user(2), &new).await), "plugins.not_asked");
    assert!(server.listed(user(2)).await.is_empty());
    new.grant = Some(vec![CapabilityName::Storage]);
    let installed = server.plugins.install(user(2), &new).await.unwrap();
    assert_eq!(installed.granted, [CapabilityName::Storage]);
    // The next look tells what was not granted.
    let review = server.plugins.review(user(2), workspace(1), &new.source).await.unwrap();
    let more: Vec<_> = review.asks_more.iter().map(|asked| asked.capability.name()).collect();
    assert_eq!((more.as_slice(), review.installed.as_deref()), (&[CapabilityName::Clock][..], Some("1.0.0")));
    assert!(matches!(review.signature, SignatureState::Publisher { .. }));
    // Nothing of it is anybody else's, or anywhere else.
    assert!(server.listed(user(3)).await.is_empty());
    assert!(server.plugins.list(user(2), workspace(2)).await.unwrap().plugins.is_empty());
    assert_eq!(code(server.tool(user(3), "x").await), "plugins.not_installed");
    let change = change_of(None, Some(&[CapabilityName::Clock]));
    let changed = server.plugins.change(user(2), workspace(1), &id("acme.guest"), &change).await.unwrap();
    assert_eq!(changed.granted, [CapabilityName::Clock]);
    let change = change_of(None, Some(&[CapabilityName::Http]));
    let plugin = id("acme.guest");
    assert_eq!(code(server.plugins.change(user(2), workspace(1), &plugin, &change).await), "plugins.not_asked");
    assert_eq!(code(server.plugins.change(user(3), workspace(1), &plugin, &change).await), "plugins.not_installed");
    assert_eq!(code(server.plugins.uninstall(user(3), workspace(1), &plugin).await), "plugins.not_installed");
}

#[tokio::test]
async fn newer_versions_are_taken_where_they_ask_for_nothing_more() {
    let server = Server::new().await;
    server.publish("1.0.0", &format!("{STORAGE}{CLOCK}")).await;
    let mut new = server.agree(user(2), None).await;
    new.grant = Some(vec![CapabilityName::Storage]);
    server.plugins.install(user(2), &new).await.unwrap();
    // Less is asked for: it is taken, and nothing is granted that was not.
    server.publish("1.1.0", STORAGE).await;
    let listed = server.listed(user(2)).await;
    assert_eq!((listed[0].manifest.version.as_str(), listed[0].update.is_some()), ("1.1.0", false));
    assert_eq!(listed[0].granted, [CapabilityName::Storage]);
    // More is asked for: the older one goes on until its person agrees.
    server.publish("1.2.0", &format!("{STORAGE}{CLOCK}")).await;
    let listed = server.listed(user(2)).await;
    let update = listed[0].update.as_ref().unwrap();
    assert_eq!((listed[0].manifest.version.as_str(), update.manifest.version.as_str()), ("1.1.0", "1.2.0"));
    assert_eq!(update.asks_more.len(), 1);
    let mut stale = new.clone();
    stale.consent = "what was seen before".into();
    assert_eq!(code(server.plugins.install(user(2), &stale).await), "plugins.consent_changed");
    let agreed = server.agree(user(2), None).await;
    let installed = server.plugins.install(user(2), &agreed).await.unwrap();
    assert_eq!((installed.manifest.version.as_str(), installed.granted.len()), ("1.2.0", 2));
    // The same capabilities, but it looks at conversations' questions too, where it looked at answers.
    let conversations = "[[capability]]\nname='conversations'\nreason='To look.'\n";
    server.publish("1.3.0", &format!("[conversations]\nanswers=true\n{conversations}")).await;
    let agreed = server.agree(user(2), None).await;
    server.plugins.install(user(2), &agreed).await.unwrap();
    server.publish("1.4.0", &format!("[conversations]\nanswers=true\nquestions=true\n{conversations}")).await;
    let listed = server.listed(user(2)).await;
    assert_eq!((listed[0].manifest.version.as_str(), listed[0].update.is_some()), ("1.3.0", true));
    // A tool that models may call unasked is agreed to as well; one that asks its person is not.
    let tool = |changes: bool| {
        let parameters = "{\"type\": \"object\", \"properties\": {}}";
        format!("[[tools]]\nid='u'\ndescription='Counts.'\nparameters='{parameters}'\nchanges={changes}\n")
    };
    for (version, offers, waits) in [("1.5.0", tool(true), false), ("1.6.0", tool(false), true)] {
        server.publish(version, &format!("[conversations]\nanswers=true\n{offers}{conversations}")).await;
        let listed = server.listed(user(2)).await;
        assert_eq!(listed[0].update.is_some(), waits, "{version}: {}", listed[0].manifest.version);
    }
}

#[tokio::test]
async fn nobody_goes_back_without_saying_so() {
    let server = Server::new().await;
    server.publish("1.0.0", "").await;
    server.publish("1.1.0", "").await;
    assert_eq!(server.install(user(2)).await.manifest.version, "1.1.0");
    server.registry().yank(member(1), &id("acme.guest"), "1.1.0", true).await.unwrap();
    // It goes on where it is installed, and whoever asks for the newest does not get an older one instead.
    let listed = &server.listed(user(2)).await[0];
    assert_eq!((listed.manifest.version.as_str(), listed.taken_back), ("1.1.0", true));
    let newest = server.agree(user(2), None).await;
    assert_eq!(code(server.plugins.install(user(2), &newest).await), "plugins.downgrade");
    let named = server.agree(user(2), Some("1.0.0")).await;
    assert_eq!(server.plugins.install(user(2), &named).await.unwrap().manifest.version, "1.0.0");
    let listed = &server.listed(user(2)).await[0];
    assert_eq!(listed.manifest.version, "1.0.0", "what was taken back is no update");
    assert!(!listed.taken_back);
    let yanked = server.agree(user(3), Some("1.1.0")).await;
    assert_eq!(code(server.plugins.install(user(3), &yanked).await), "plugins.yanked");
}

#[tokio::test]
async fn whoever_has_what_a_revoked_key_signed_is_told() {
    let server = Server::new().await;
    server.publish("1.0.0", "").await;
    server.install(user(2)).await;
    server.run();
    let mut following = server.plugins.follow(user(2), workspace(1)).await.unwrap();
    let mut told = async || match following.next().await.unwrap() {
        PluginItem::Installed(list) => list.plugins[0].taken_back,
        other => panic!("{other:?}"),
    };
    assert!(!told().await);
    server.registry().revoke_key(member(1), "acme", server.key.public().id().as_str()).await.unwrap();
    assert!(told().await);
}

#[tokio::test]
async fn settings_are_checked_and_secrets_sealed() {
    let server = &Server::new().await;
    server.publish("1.0.0", SETTINGS).await;
    server.install(user(2)).await;
    let set = |name: &str, value: Option<&str>| {
        let settings = BTreeMap::from([(name.to_owned(), value.map(str::to_owned))]);
        let change = SettingsChange { settings, ..SettingsChange::default() };
        let plugin = id("acme.guest");
        async move { server.plugins.change(user(2), workspace(1), &plugin, &change).await }
    };
    assert_eq!(code(set("width", Some("\"wide\"")).await), "plugins.setting_invalid");
    assert_eq!(code(set("width", Some("80 or so")).await), "plugins.setting_invalid");
    assert_eq!(code(set("height", Some("1")).await), "plugins.no_setting");
    assert_eq!(code(set("token", Some(&format!("\"{}\"", "x".repeat(5_000)))).await), "plugins.setting_invalid");
    set("token", Some("\"hunter2\"")).await.unwrap();
    let installed = set("width", Some(" 120 ")).await.unwrap();
    let shown: Vec<_> = installed.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(shown, ["token=true", "width=120"]);
    let place = server.plugins.place(user(2), workspace(1)).await.unwrap();
    let read = || place.entries().all[&id("acme.guest")].settings.clone();
    assert_eq!((read()["width"].as_str(), read()["token"].as_str()), ("120", "\"hunter2\""));
    // The store has it sealed, for this row alone.
    let tx = server.store.begin();
    let rows = tx.range_all(Keys::new().all_installs().range()).await.unwrap();
    assert!(!rows[0].value.windows(7).any(|part| part == b"hunter2"));
    let installed = set("token", None).await.unwrap();
    assert!(!installed.settings.contains_key("token"));
    assert_eq!(read()["token"], "null");
}

#[tokio::test]
async fn a_new_master_key_seals_what_was_set_anew() {
    let server = Server::new().await;
    server.publish("1.0.0", SETTINGS).await;
    let settings = BTreeMap::from([("token".to_owned(), Some("\"hunter2\"".to_owned()))]);
    let change = SettingsChange { settings, ..SettingsChange::default() };
    for who in 2..5 {
        server.install(user(who)).await;
        server.plugins.change(user(who), workspace(1), &id("acme.guest"), &change).await.unwrap();
    }
    let (store, key) = (server.store.clone(), server.key.clone());
    let of = |masters: &[u8]| {
        let lines: String =
            masters.iter().map(|byte| MasterKey::from_bytes([*byte; 32]).reveal().to_string()).collect();
        let master = MasterKey::parse(lines.as_bytes()).unwrap();
        Server::sealed_by(master, store.clone(), key.clone(), PluginSettings::default())
    };
    let both = of(&[8, 9]).await;
    both.run();
    let new = MasterKey::from_bytes([8; 32]);
    until("all are sealed by the new one", || async {
        let rows = store.begin().range_all(Keys::new().all_installs().range()).await.unwrap();
        rows.iter().all(|row| !new.is_outdated(&InstallRow::decode(&row.value).unwrap().secrets["token"]))
    })
    .await;
    // The former one is taken away.
    let server = of(&[8]).await;
    for who in 2..5 {
        let place = server.plugins.place(user(who), workspace(1)).await.unwrap();
        assert_eq!(place.entries().all[&id("acme.guest")].settings["token"], "\"hunter2\"");
    }
}

#[tokio::test]
async fn the_operators_policy_holds_at_once_and_on_every_server() {
    let one = Server::new().await;
    one.publish("1.0.0", "").await;
    one.install(user(2)).await;
    let two = one.other().await;
    two.run();
    assert_eq!(two.listed(user(2)).await[0].state, PluginState::Ready);
    let mut policy = one.registry().policy().await.unwrap();
    policy.block = vec!["acme.*".into()];
    one.registry().set_policy(user(0), policy.clone()).await.unwrap();
    until("it is blocked", || async { two.listed(user(2)).await[0].state == PluginState::Blocked }).await;
    assert_eq!(code(two.tool(user(2), "x").await), "plugins.not_allowed");
    let refused = one.agree(user(3), None).await;
    assert_eq!(code(one.plugins.install(user(3), &refused).await), "plugins.not_allowed");
    policy = PluginPolicy { block: Vec::new(), allow: Some(vec!["other.*".into()]), ..policy };
    one.registry().set_policy(user(0), policy).await.unwrap();
    assert_eq!(code(one.plugins.install(user(3), &refused).await), "plugins.not_allowed");
    until("it runs again", || async { two.tool(user(2), "x").await.is_ok() }).await;
    assert!(!one.registry().search("", None, 1).await.unwrap().plugins[0].allowed);
}

#[tokio::test]
async fn what_one_server_changes_others_see() {
    let one = Server::new().await;
    let two = one.other().await;
    two.run();
    let mut following = two.plugins.follow(user(2), workspace(1)).await.unwrap();
    let mut list = async || match following.next().await.unwrap() {
        PluginItem::Installed(list) => list.plugins,
        other => panic!("{other:?}"),
    };
    assert!(list().await.is_empty(), "the list comes at first");
    one.publish("1.0.0", STORAGE).await;
    one.install(user(2)).await;
    while list().await.len() != 1 {}
    let plugin = id("acme.guest");
    one.plugins.change(user(2), workspace(1), &plugin, &change_of(Some(false), Some(&[]))).await.unwrap();
    loop {
        let plugins = list().await;
        if plugins[0].state == PluginState::Disabled && plugins[0].granted.is_empty() {
            break;
        }
    }
    one.plugins.change(user(2), workspace(1), &plugin, &change_of(Some(true), None)).await.unwrap();
    one.publish("1.1.0", &format!("{STORAGE}{CLOCK}")).await;
    while list().await[0].update.is_none() {}
    one.plugins.uninstall(user(2), workspace(1), &plugin).await.unwrap();
    while !list().await.is_empty() {}
}

#[tokio::test]
async fn files_are_for_whom_the_operator_lets_and_come_from_the_same_hand() {
    let server = Server::new().await;
    server.publish("1.0.0", STORAGE).await;
    let stranger = SigningKey::generate().unwrap();
    let evil = signed("acme.guest", "1.5.0", STORAGE, &stranger);
    let install = |package: Bytes, who: u128| {
        let plugins = server.plugins.clone();
        async move {
            let review = plugins.review_file(user(who), workspace(1), package).await?;
            let source = PackageSource::File { sha256: review.sha256.clone() };
            let new = NewInstall { workspace: workspace(1), source, consent: review.consent.clone(), grant: None };
            plugins.install(user(who), &new).await.map(|installed| (review, installed, new))
        }
    };
    // Under the name of a plugin that is there, by somebody else: it would read what that one keeps.
    server.install(user(2)).await;
    assert_eq!(code(install(evil.clone(), 2).await), "plugins.other_signer");
    let dev = server.plugins.develop(user(2), workspace(1), evil.clone(), None);
    assert_eq!(code(dev.await), "plugins.other_signer");
    let (review, _, new) = install(evil.clone(), 3).await.unwrap();
    assert!(matches!(review.signature, SignatureState::Unknown { .. }));
    assert_eq!(server.listed(user(3)).await[0].manifest.version, "1.5.0");
    let from_registry = server.agree(user(3), Some("1.0.0")).await;
    assert_eq!(code(server.plugins.install(user(3), &from_registry).await), "plugins.other_signer");
    // Whoever did not send it does not have it.
    assert_eq!(code(server.plugins.install(user(4), &new).await), "plugins.upload_not_found");
    let guess = PackageSource::File { sha256: "../x".into() };
    assert_eq!(code(server.plugins.review(user(4), workspace(1), &guess).await), "plugins.upload_not_found");
    let unsigned: Bytes = package_of("acme.guest", "1.6.0", "", &COMPONENT).to_bytes().into();
    assert_eq!(code(install(unsigned, 5).await), "plugins.unsigned");
    let mut policy = server.registry().policy().await.unwrap();
    policy.files = false;
    server.registry().set_policy(user(0), policy).await.unwrap();
    assert_eq!(code(install(evil.clone(), 6).await), "plugins.no_files");
    assert_eq!(code(server.plugins.develop(user(6), workspace(1), evil, None).await), "plugins.no_files");
}

#[tokio::test]
async fn a_person_has_so_many_files_and_so_many_plugins() {
    let settings = PluginSettings { files_per_person: 2, installs_per_workspace: 1, ..PluginSettings::default() };
    let server = Server::with(settings).await;
    for n in 0..2 {
        let package = signed(&format!("far.g{n}"), "1.0.0", "", &server.key);
        server.plugins.review_file(user(2), workspace(1), package).await.unwrap();
    }
    let package = |name: &str| signed(name, "1.0.0", "", &server.key);
    let review = |package: Bytes| server.plugins.review_file(user(2), workspace(1), package);
    assert_eq!(code(review(package("far.g2")).await), "plugins.too_many");
    let again = review(package("far.g1")).await.unwrap();
    let source = PackageSource::File { sha256: again.sha256 };
    let new = NewInstall { workspace: workspace(1), source, consent: again.consent, grant: None };
    server.plugins.install(user(2), &new).await.unwrap();
    let first = server.plugins.review_file(user(2), workspace(1), package("far.g0")).await.unwrap();
    let source = PackageSource::File { sha256: first.sha256 };
    let new = NewInstall { workspace: workspace(1), source, consent: first.consent, grant: None };
    assert_eq!(code(server.plugins.install(user(2), &new).await), "plugins.too_many");
}

#[tokio::test]
async fn authors_replace_what_they_work_on_and_agree_to_what_is_new() {
    let server = Server::new().await;
    let unsigned = |rest: &str, mark: &str| -> Bytes {
        package_of("acme.guest", "0.1.0", rest, &component(mark, false)).to_bytes().into()
    };
    let develop = |package: Bytes, consent: Option<&'static str>| {
        let plugins = server.plugins.clone();
        async move { plugins.develop(user(2), workspace(1), package, consent).await.unwrap() }
    };
    let first = develop(unsigned(STORAGE, "a"), None).await;
    assert!(first.development && first.granted.is_empty(), "nothing is granted by itself");
    assert_eq!(text(&server.tool(user(2), "s").await.unwrap()), "1");
    let plugin = id("acme.guest");
    let grant = change_of(None, Some(&[CapabilityName::Storage]));
    server.plugins.change(user(2), workspace(1), &plugin, &grant).await.unwrap();
    assert_eq!(text(&server.tool(user(2), "s").await.unwrap()), "0");
    let second = develop(unsigned(&format!("{STORAGE}{CLOCK}"), "b"), None).await;
    assert_eq!(second.granted, [CapabilityName::Storage], "what is new is not granted");
    let package = package_of("acme.guest", "0.1.0", &format!("{STORAGE}{CLOCK}"), &component("c", false));
    let consent = coditect_plugin_package::consent(package.manifest()).leak();
    assert_eq!(develop(package.to_bytes().into(), Some(consent)).await.granted.len(), 2);
    // Packages of before are not kept.
    server.plugins.inner.packages.sweep().await.unwrap();
    let kept = async || {
        let root = coditect_store::Subspace::root("plugins").sub(&"package");
        server.store.begin().range_all(root.range()).await.unwrap().len()
    };
    assert_eq!(kept().await, 1);
    assert_eq!(text(&server.tool(user(2), "hello").await.unwrap()), "hello");
}

#[tokio::test]
async fn members_and_workspaces_are_forgotten() {
    let server = Server::new().await;
    server.publish("1.0.0", STORAGE).await;
    for who in [2, 3, 4] {
        server.install(user(who)).await;
        assert_eq!(text(&server.tool(user(who), "s").await.unwrap()), "0");
    }
    let values = async || {
        let root = coditect_store::Subspace::root("plugins").sub(&"value");
        server.store.begin().range_all(root.range()).await.unwrap().len()
    };
    assert_eq!(values().await, 3);
    server.plugins.uninstall(user(2), workspace(1), &id("acme.guest")).await.unwrap();
    assert_eq!(values().await, 2);
    server.plugins.forget_member(user(3), workspace(1)).await.unwrap();
    assert_eq!(values().await, 1);
    server.plugins.forget_workspace(workspace(2)).await.unwrap();
    assert_eq!(values().await, 1);
    server.plugins.forget_workspace(workspace(1)).await.unwrap();
    assert_eq!(values().await, 0);
    for who in [2, 3, 4] {
        until("nothing is left", || async { server.listed(user(who)).await.is_empty() }).await;
    }
}

#[tokio::test]
async fn a_list_is_quick_among_ten_thousand_installs() {
    let server = Server::new().await;
    server.publish("1.0.0", STORAGE).await;
    server.install(user(1)).await;
    let keys = Keys::new();
    let row = server.plugins.place(user(1), workspace(1)).await.unwrap().entries().all[&id("acme.guest")].row.clone();
    for some in (0..10_000_u128).collect::<Vec<_>>().chunks(500) {
        let (keys, row) = (&keys, &row);
        server
            .store
            .transact(|tx| async move {
                for n in some {
                    let whose = (user(100 + n / 10), workspace(n % 10), id("acme.guest"));
                    tx.set_record(keys.install(&whose), row)?;
                }
                Ok::<_, coditect_store::StoreError>(())
            })
            .await
            .unwrap();
    }
    let begun = std::time::Instant::now();
    for n in 0..100 {
        assert_eq!(server.plugins.list(user(100 + n), workspace(n % 10)).await.unwrap().plugins.len(), 1);
    }
    // Reading all of them each time would take a hundred times as long.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
