//! Publishers, versions, the mirror directory, what is found.

use coditect_protocol::plugin::RegistryAction;

use super::*;

#[tokio::test]
async fn names_belong_to_who_came_first_and_keys_count_until_they_are_revoked() {
    let server = Server::new().await;
    let registry = server.registry();
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    server.take_name(user(1), "acme", &key).await.unwrap();
    server.take_name(user(1), "acme", &key).await.unwrap();
    assert_eq!(code(server.take_name(user(2), "acme", &other).await), "plugins.publisher_taken");
    assert_eq!(code(server.take_name(user(2), "acme2", &key).await), "plugins.key_taken");
    assert_eq!(code(server.take_name(user(2), "Acme", &other).await), "plugins.publisher_invalid");
    assert_eq!(code(server.take_name(user(2), "coditect", &other).await), "plugins.publisher_reserved");
    let publish = |package: Bytes, who: u128| registry.publish(member(who), package);
    let first = signed("acme.guest", "1.0.0", "", &key);
    assert_eq!(code(publish(first.clone(), 2).await), "plugins.publisher_taken");
    assert_eq!(code(publish(signed("none.guest", "1.0.0", "", &key), 1).await), "plugins.publisher_not_found");
    assert_eq!(code(publish(signed("acme.guest", "1.0.0", "", &other), 1).await), "plugins.key_unknown");
    let unsigned = package_of("acme.guest", "1.0.0", "", &COMPONENT).to_bytes();
    assert_eq!(code(publish(unsigned.into(), 1).await), "plugins.unsigned");
    let mut changed = first.to_vec();
    let last = changed.len() - 10;
    changed[last] ^= 1;
    assert!(publish(changed.into(), 1).await.is_err());
    publish(first.clone(), 1).await.unwrap();

    // A second key; the first is revoked: what it signed is not offered any more.
    server.take_name(user(1), "acme", &other).await.unwrap();
    let first_id = key.public().id().to_string();
    assert_eq!(code(registry.revoke_key(member(2), "acme", &first_id).await), "plugins.publisher_taken");
    let shown = registry.revoke_key(member(1), "acme", &first_id).await.unwrap();
    assert!(shown.keys.iter().any(|key| key.id == first_id && key.revoked_at.is_some()));
    assert_eq!(code(publish(signed("acme.guest", "1.1.0", "", &key), 1).await), "plugins.key_unknown");
    assert_eq!(code(server.take_name(user(1), "acme", &key).await), "plugins.key_taken");
    assert!(registry.show(&id("acme.guest")).await.unwrap().versions[0].yanked);
    let source = PackageSource::Registry { id: id("acme.guest"), version: Some("1.0.0".into()) };
    let review = server.plugins.review(user(3), workspace(1), &source).await.unwrap();
    let new = NewInstall { workspace: workspace(1), source, consent: review.consent, grant: None };
    assert_eq!(code(server.plugins.install(user(3), &new).await), "plugins.yanked");
    publish(signed("acme.guest", "1.1.0", "", &other), 1).await.unwrap();
    assert_eq!(server.install(user(3)).await.manifest.version, "1.1.0");

    let actions: Vec<_> = registry.log(0, 100).await.unwrap().entries.iter().map(|entry| entry.action).collect();
    use RegistryAction::{AddKey, Publish, RevokeKey};
    assert_eq!(actions, [AddKey, Publish, AddKey, RevokeKey, Publish]);
}

#[tokio::test]
async fn versions_rise_and_never_change() {
    let server = &Server::new().await;
    let publish = |version: &'static str, rest: &'static str| {
        let package = signed("acme.guest", version, rest, &server.key);
        server.registry().publish(member(1), package)
    };
    server.publish("1.2.0", "").await;
    let length = server.registry().log(0, 1).await.unwrap().length;
    assert_eq!(publish("1.2.0", "").await.unwrap().version, "1.2.0");
    assert_eq!(server.registry().log(0, 1).await.unwrap().length, length, "the same once more is nothing");
    assert_eq!(code(publish("1.2.0", CLOCK).await), "plugins.version_exists");
    for old in ["1.1.9", "1.2.0-rc.1"] {
        assert_eq!(code(publish(old, "").await), "plugins.version_old", "{old}");
    }
    for new in ["2.0.0-rc.1", "2.0.0", "1.2.1", "0.3.0", "0.2.5"] {
        publish(new, "").await.unwrap();
    }
    let shown = server.registry().show(&id("acme.guest")).await.unwrap();
    let versions: Vec<_> = shown.versions.iter().map(|version| version.version.as_str()).collect();
    assert_eq!(versions, ["2.0.0", "2.0.0-rc.1", "1.2.1", "1.2.0", "0.3.0", "0.2.5"]);
    assert_eq!((shown.manifest.version.as_str(), shown.readme.as_deref()), ("2.0.0", Some("# acme.guest 2.0.0")));

    let yank = |who: u128, version: &'static str, yanked| {
        let plugin = id("acme.guest");
        async move { server.registry().yank(member(who), &plugin, version, yanked).await }
    };
    assert_eq!(code(yank(2, "2.0.0", true).await), "plugins.publisher_taken");
    assert_eq!(code(yank(1, "9.9.9", true).await), "plugins.version_not_found");
    assert!(yank(1, "2.0.0", true).await.unwrap().yanked);
    let page = server.registry().search("guest", None, 10).await.unwrap();
    assert_eq!(page.plugins[0].version, "1.2.1", "no version before its time where there is another");
    assert!(!yank(1, "2.0.0", false).await.unwrap().yanked);
    assert_eq!(server.registry().search("", None, 10).await.unwrap().plugins[0].version, "2.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_publish_a_version_at_once_one_wins() {
    let server = Arc::new(Server::new().await);
    server.take_name(user(1), "acme", &server.key).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let server = server.clone();
            tokio::spawn(async move {
                let mut package = package_of("acme.guest", "1.0.0", "", &component(&n.to_string(), false));
                package.sign(&server.key);
                let published = server.registry().publish(member(1), package.to_bytes().into()).await;
                published.map(|version| version.sha256).map_err(|error| coditect_protocol::Coded::code(&error))
            })
        })
        .collect();
    let mut published = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(sha256) => published.push(sha256),
            Err(code) => assert_eq!(code, "plugins.version_exists"),
        }
    }
    assert_eq!(published.len(), 1);
    let mut download = server.registry().download(&id("acme.guest"), None).await.unwrap();
    let mut file = Vec::new();
    while let Some(piece) = download.next().await.unwrap() {
        file.extend_from_slice(&piece);
    }
    assert_eq!(sha256_hex(&file), published[0]);
    assert_eq!(server.registry().log(0, 10).await.unwrap().length, 2);
}

#[tokio::test]
async fn quotas_and_the_operators_policy_hold() {
    let settings = PluginSettings {
        versions_per_plugin: 2,
        plugins_per_publisher: 2,
        publishers_per_person: 1,
        package_bytes: 100_000,
        ..PluginSettings::default()
    };
    let server = Server::with(settings).await;
    let publish = |name: &str, version: &str| {
        let package = signed(name, version, "", &server.key);
        server.registry().publish(member(1), package)
    };
    server.take_name(user(1), "acme", &server.key).await.unwrap();
    let other = SigningKey::generate().unwrap();
    assert_eq!(code(server.take_name(user(1), "acme2", &other).await), "plugins.too_many");
    publish("acme.a", "1.0.0").await.unwrap();
    publish("acme.a", "1.0.1").await.unwrap();
    assert_eq!(code(publish("acme.a", "1.0.2").await), "plugins.too_many");
    publish("acme.b", "1.0.0").await.unwrap();
    assert_eq!(code(publish("acme.c", "1.0.0").await), "plugins.too_many");
    let large = server.registry().publish(member(1), vec![0; 100_001].into());
    assert_eq!(code(large.await), "plugins.too_large");
    assert_eq!(code(server.registry().publish(member(1), Bytes::new()).await), "plugins.package_unknown");

    let policy = PluginPolicy { publish: WhoMayPublish::Admins, ..PluginPolicy::default() };
    server.registry().set_policy(user(0), policy).await.unwrap();
    assert_eq!(code(publish("acme.b", "1.0.1").await), "plugins.may_not_publish");
    assert_eq!(code(server.take_name(user(2), "acme3", &other).await), "plugins.may_not_publish");
    let bad = PluginPolicy { block: vec!["everything".into()], ..PluginPolicy::default() };
    assert_eq!(code(server.registry().set_policy(user(0), bad).await), "plugins.policy_invalid");
}

#[tokio::test]
async fn whoever_governs_sees_all_publishers_page_by_page() {
    let server = Server::new().await;
    for (n, name) in [(1, "acme"), (2, "bobs"), (1, "words")] {
        server.take_name(user(n), name, &SigningKey::generate().unwrap()).await.unwrap();
    }
    let page = async |after: Option<&str>, limit| {
        let page = server.registry().all_publishers(after, limit).await.unwrap();
        let shown: Vec<_> = page.publishers.iter().map(|of| (of.name.clone(), of.owner, of.keys.len())).collect();
        (shown, page.next)
    };
    let [acme, bobs, words] =
        [("acme", 1), ("bobs", 2), ("words", 1)].map(|(name, n)| (name.to_owned(), Some(user(n)), 1));
    assert_eq!(page(None, 2).await, (vec![acme.clone(), bobs.clone()], Some("bobs".to_owned())));
    assert_eq!(page(Some("bobs"), 2).await, (vec![words.clone()], None));
    assert_eq!(
        page(Some("b"), 0).await,
        (vec![bobs.clone()], Some("bobs".to_owned())),
        "nobody has to be of that name"
    );
    assert_eq!(page(None, usize::MAX).await, (vec![acme, bobs, words], None));
    assert_eq!(code(server.registry().all_publishers(Some("A name"), 2).await), "plugins.bad_cursor");
}

#[tokio::test]
async fn what_is_searched_for_comes_in_pages() {
    let server = Server::new().await;
    server.take_name(user(1), "acme", &server.key).await.unwrap();
    for n in 0..5 {
        let package = signed(&format!("acme.p{n}"), "1.0.0", "", &server.key);
        server.registry().publish(member(1), package).await.unwrap();
    }
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = server.registry().search("acme guest", after.as_deref(), 2).await.unwrap();
        assert!(page.plugins.len() <= 2);
        found.extend(page.plugins.into_iter().map(|plugin| plugin.id.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, ["acme.p0", "acme.p1", "acme.p2", "acme.p3", "acme.p4"]);
    assert_eq!(server.registry().search("nothing", None, 10).await.unwrap().plugins, []);
    assert_eq!(code(server.registry().search("", Some("acme.zzz"), 10).await), "plugins.bad_cursor");
    assert_eq!(code(server.registry().search(&"x".repeat(1_000), None, 10).await), "plugins.query_too_long");
    assert_eq!(code(server.registry().show(&id("acme.none")).await), "plugins.not_found");
}

#[tokio::test]
async fn the_mirror_directory_is_offered_and_what_is_bad_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let mirror = Some(directory.path().to_owned());
    let settings = PluginSettings { mirror, mirror_interval: Duration::from_millis(20), ..PluginSettings::default() };
    let foreign = SigningKey::generate().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
    put("b.coditect-plugin", &signed("far.guest", "1.1.0", "", &foreign));
    put("a.coditect-plugin", b"nonsense");
    put("notes.txt", b"nothing");
    let server = Server::with(settings).await;
    server.run();
    let found = || async { !server.registry().search("far", None, 10).await.unwrap().plugins.is_empty() };
    until("it is offered", found).await;
    until("what is bad is told", || async { server.registry().mirror_faults().len() == 1 }).await;
    assert_eq!(server.registry().mirror_faults()[0].file, "a.coditect-plugin");
    // Older ones may come after newer ones, and a key of somebody else's publisher does not count.
    server.take_name(user(1), "acme", &server.key).await.unwrap();
    put("c.coditect-plugin", &signed("far.guest", "1.0.0", "", &foreign));
    put("d.coditect-plugin", &signed("acme.guest", "1.0.0", "", &foreign));
    std::fs::remove_file(directory.path().join("a.coditect-plugin")).unwrap();
    until("two versions", || async { server.registry().show(&id("far.guest")).await.unwrap().versions.len() == 2 })
        .await;
    let is_told = || async {
        let faults = server.registry().mirror_faults();
        faults.len() == 1 && faults[0].file == "d.coditect-plugin"
    };
    until("the other fault", is_told).await;
    let new = SigningKey::generate().unwrap();
    assert_eq!(code(server.take_name(user(1), "far", &new).await), "plugins.publisher_taken");
    // What belongs to nobody of this server is the admins'.
    let newer = signed("far.guest", "1.2.0", "", &foreign);
    assert_eq!(code(server.registry().publish(member(1), newer.clone()).await), "plugins.publisher_taken");
    server.registry().publish(Author { governs: true, ..member(1) }, newer).await.unwrap();
}

#[tokio::test]
async fn downloads_are_counted_on_all_servers() {
    let (one, two) = {
        let one = Server::new().await;
        let two = one.other().await;
        (one, two)
    };
    one.publish("1.0.0", "").await;
    for server in [&one, &two, &two] {
        drop(server.registry().download(&id("acme.guest"), Some("1.0.0")).await.unwrap());
    }
    // What is not written down when a server stops is written then.
    for server in [&one, &two] {
        let stop = CancellationToken::new();
        stop.cancel();
        server.plugins.clone().run(stop).await;
    }
    let third = one.other().await;
    assert_eq!(third.registry().show(&id("acme.guest")).await.unwrap().downloads, 3);
}
