//! Plugins: published, found, looked at, installed, called over the link, bounded, taken away; and nobody else's business.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_protocol::WorkspaceId;
use coditect_protocol::auth::SessionInfo;
use coditect_protocol::call::Request;
use coditect_protocol::plugin::{
    CapabilityName, Installed, PluginId, PluginItem, PluginLog, PluginState, PublishersPage, RegistryLogPage,
    RegistryPage, RegistryPlugin, RegistryVersion, Review, SignatureState,
};
use serde_json::{Value, json};
use support::plugins::{
    ID, READ, WRITE, command, develop, install, installed, next_item, open_to_all, package, publisher, registry,
    review, run, send, sent, translated,
};
use support::{Person, TestServer, server};

async fn site() -> (TestServer, Person, Person) {
    let server = server(translated).await;
    let ada = server.person("ada@example.org").await;
    let bob = server.person("bob@example.org").await;
    open_to_all(&ada).await;
    (server, ada, bob)
}

async fn write(person: &Person, workspace: WorkspaceId, path: &str, content: &'static str) {
    let path = format!("/workspaces/{workspace}/files/{path}");
    let response = person.request("PUT", &path).body(content).send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.text().await.unwrap());
}

async fn read(person: &Person, workspace: WorkspaceId, path: &str) -> Option<String> {
    let response = person.request("GET", &format!("/workspaces/{workspace}/files/{path}")).send().await.unwrap();
    if response.status().is_success() { Some(response.text().await.unwrap()) } else { None }
}

fn code<T>(outcome: Result<T, (String, String)>) -> Option<String> {
    outcome.err().map(|(code, _)| code)
}

async fn change(person: &Person, workspace: WorkspaceId, change: Value) -> Installed {
    person.ask("PATCH", &format!("/plugins/installed/{workspace}/{ID}"), change).await
}

#[tokio::test]
async fn from_its_author_to_its_end() {
    let (server, ada, bob) = site().await;
    let key = publisher(&ada, "acme").await;
    let first = package(ID, "1.0.0", READ, Some(&key));
    let published: RegistryVersion = sent(&ada, "/plugins/registry", first.clone()).await;
    assert_eq!((published.version.as_str(), published.bytes), ("1.0.0", first.len() as u64));
    // Somebody else finds it, and fetches the very bytes.
    let found: RegistryPage = bob.ask("GET", "/plugins/registry?q=helpful", Value::Null).await;
    assert_eq!(found.plugins.iter().map(|plugin| plugin.id.as_str()).collect::<Vec<_>>(), [ID]);
    let nothing: RegistryPage = bob.ask("GET", "/plugins/registry?q=nonsense", Value::Null).await;
    assert_eq!(nothing.plugins, []);
    let shown: RegistryPlugin = bob.ask("GET", &format!("/plugins/registry/{ID}"), Value::Null).await;
    assert_eq!((shown.versions.len(), shown.readme.as_deref()), (1, Some("# Helper\n")));
    let fetched = bob.request("GET", &format!("/plugins/registry/{ID}/1.0.0/package")).send().await.unwrap();
    assert_eq!(fetched.headers()["content-disposition"], "attachment; filename=\"acme.helper-1.0.0.coditect-plugin\"");
    assert_eq!(fetched.bytes().await.unwrap(), first);

    // What it asks for is shown before, and agreed to as it was shown.
    let workspace = bob.workspace("W").await.id;
    write(&bob, workspace, "src/a.txt", "of the workspace").await;
    let looked = review(&bob, workspace, &registry(ID)).await;
    assert_eq!(looked.asks_more.len(), 1);
    assert!(matches!(looked.signature, SignatureState::Publisher { .. }));
    let mut other = registry(ID);
    other["workspace"] = json!(workspace);
    other["consent"] = json!("0".repeat(64));
    let refused = bob.refused_to("POST", "/plugins/installed", other).await;
    assert_eq!(refused, (409, "plugins.consent_changed".to_owned()));
    let made = install(&bob, workspace, registry(ID)).await;
    assert_eq!(made.granted, [CapabilityName::FilesRead]);

    // It does what it was granted, and nothing else.
    let mut page = bob.page().await;
    assert_eq!(run(&mut page, workspace, "read", "src/a.txt").await.unwrap(), "of the workspace");
    assert_eq!(run(&mut page, workspace, "list", "src").await.unwrap(), "a.txt");
    write(&bob, workspace, "secret.txt", "of nobody else").await;
    for (name, argument) in [("read", "secret.txt"), ("write", "out/x.txt"), ("find", "**"), ("notify", "hello")] {
        let refused = run(&mut page, workspace, name, argument).await;
        assert_eq!(code(refused).as_deref(), Some("plugins.plugin_denied"), "{name} {argument}");
    }
    let log: PluginLog = bob.ask("GET", &format!("/plugins/installed/{workspace}/{ID}/log"), Value::Null).await;
    assert!(log.denials.iter().any(|denial| denial.subject == "secret.txt"), "{log:?}");

    // A version that asks for more waits for its person.
    let _: RegistryVersion =
        sent(&ada, "/plugins/registry", package(ID, "1.1.0", &format!("{READ}{WRITE}"), Some(&key))).await;
    let list = installed(&bob, workspace).await;
    assert_eq!(list.plugins[0].manifest.version, "1.0.0");
    let update = list.plugins[0].update.as_ref().expect("the newer version is told");
    assert_eq!((update.manifest.version.as_str(), update.asks_more.len()), ("1.1.0", 1));
    install(&bob, workspace, registry(ID)).await;
    run(&mut page, workspace, "write", "out/x.txt").await.unwrap();
    assert_eq!(read(&bob, workspace, "out/x.txt").await.as_deref(), Some("made by a plugin"));
    // What is taken back is refused from the next request on.
    let changed = change(&bob, workspace, json!({"granted": ["files.read"]})).await;
    assert_eq!(changed.granted, [CapabilityName::FilesRead]);
    let refused = run(&mut page, workspace, "write", "out/y.txt").await;
    assert_eq!(code(refused).as_deref(), Some("plugins.plugin_denied"));
    change(&bob, workspace, json!({"enabled": false})).await;
    let refused = run(&mut page, workspace, "read", "src/a.txt").await;
    assert_eq!(code(refused).as_deref(), Some("plugins.disabled"));

    let gone = format!("/plugins/installed/{workspace}/{ID}");
    let _: Value = bob.ask("DELETE", &gone, Value::Null).await;
    let refused = run(&mut page, workspace, "read", "src/a.txt").await;
    assert_eq!(code(refused).as_deref(), Some("plugins.not_installed"));
    assert_eq!(bob.refused_to("DELETE", &gone, Value::Null).await, (404, "plugins.not_installed".to_owned()));
    // All that was published stands in the log.
    let log: RegistryLogPage = bob.ask("GET", "/plugins/registry/log", Value::Null).await;
    assert_eq!(log.length, 3);
    server.stop().await;
}

#[tokio::test]
async fn what_one_person_has_is_nobody_elses() {
    let (server, ada, bob) = site().await;
    let workspace = ada.workspace("W").await.id;
    develop(&ada, workspace, package(ID, "1.0.0", READ, None)).await;
    write(&ada, workspace, "src/a.txt", "of nobody else").await;
    let path = format!("/plugins/installed/{workspace}/{ID}");
    let query = format!("?workspace={workspace}");
    let new = json!({"workspace": workspace, "source": "registry", "id": ID, "consent": ""});
    let not_found = (404, "workspace.not_found".to_owned());
    for (method, path, body) in [
        ("GET", format!("/plugins/installed{query}"), Value::Null),
        ("GET", format!("{path}/log"), Value::Null),
        ("PATCH", path.clone(), json!({"enabled": false})),
        ("POST", "/plugins/installed".to_owned(), new),
        ("POST", format!("/plugins/review{query}"), registry(ID)),
    ] {
        assert_eq!(bob.refused_to(method, &path, body).await, not_found, "{method} {path}");
    }
    for to in ["/plugins/develop", "/plugins/review/file"] {
        let sending = send(&bob, "POST", &format!("{to}{query}"), package(ID, "1.0.0", READ, None));
        assert_eq!(bob.refused(sending).await, not_found, "{to}");
    }
    assert_eq!(bob.refused_to("DELETE", &path, Value::Null).await, (404, "plugins.not_installed".to_owned()));
    let mut page = bob.page().await;
    for request in [command(workspace, ID, "read", "src/a.txt"), Request::FollowPlugins { workspace }] {
        assert_eq!(page.call(request).await.unwrap_err().code, "workspace.not_found");
    }
    // A member of the workspace has plugins of their own there, and not those of others.
    let member = json!({"login": "bob@example.org", "role": "read"});
    let _: Value = ada.ask("POST", &format!("/workspaces/{workspace}/members"), member).await;
    assert_eq!(installed(&bob, workspace).await.plugins, []);
    let refused = run(&mut page, workspace, "read", "src/a.txt").await;
    assert_eq!(code(refused).as_deref(), Some("plugins.not_installed"));
    assert_eq!(installed(&ada, workspace).await.plugins.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_plugin_may_what_its_person_may() {
    let (server, ada, bob) = site().await;
    let workspace = ada.workspace("W").await.id;
    write(&ada, workspace, "src/a.txt", "shared").await;
    let members = format!("/workspaces/{workspace}/members");
    let _: Value = ada.ask("POST", &members, json!({"login": "bob@example.org", "role": "read"})).await;
    develop(&bob, workspace, package(ID, "1.0.0", &format!("{READ}{WRITE}"), None)).await;
    let mut page = bob.page().await;
    assert_eq!(run(&mut page, workspace, "read", "src/a.txt").await.unwrap(), "shared");
    // Granted by the person, who may not do it themselves.
    let (code_of, said) = run(&mut page, workspace, "write", "out/x.txt").await.unwrap_err();
    assert_eq!(code_of, "plugins.plugin_denied", "{said}");
    assert_eq!(read(&ada, workspace, "out/x.txt").await, None);
    let of_bob = format!("{members}/{}", bob.token.session.user.id);
    let _: Value = ada.ask("PATCH", &of_bob, json!({"role": "write"})).await;
    run(&mut page, workspace, "write", "out/x.txt").await.unwrap();
    let _: Value = ada.ask("PATCH", &of_bob, json!({"role": "read"})).await;
    let refused = run(&mut page, workspace, "write", "out/x.txt").await;
    assert_eq!(code(refused).as_deref(), Some("plugins.plugin_denied"));
    assert_eq!(
        run(&mut page, workspace, "read", "src/a.txt").await.unwrap(),
        "shared",
        "what they may is left to them"
    );
    let _: Value = ada.ask("PATCH", &of_bob, json!({"role": "write"})).await;
    run(&mut page, workspace, "delete", "out/x.txt").await.unwrap();
    assert_eq!(read(&ada, workspace, "out/x.txt").await, None);
    // Where the right to the workspace ends, all of it does.
    let _: Value = ada.ask("DELETE", &of_bob, Value::Null).await;
    let refused = run(&mut page, workspace, "read", "src/a.txt").await;
    assert_eq!(code(refused).as_deref(), Some("workspace.not_found"));
    // Whoever comes back begins anew.
    let _: Value = ada.ask("POST", &members, json!({"login": "bob@example.org", "role": "write"})).await;
    assert_eq!(installed(&bob, workspace).await.plugins, []);
    server.stop().await;
}

#[tokio::test]
async fn one_persons_pages_leave_room_for_others() {
    const LISTS: usize = 64;
    let (server, ada, bob) = site().await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    let mut followed = Vec::new();
    for _ in 0..LISTS {
        let call = page.begin(Request::FollowPlugins { workspace }).await;
        next_item(&mut page, call).await;
        followed.push(call);
    }
    let refused = page.call(Request::FollowPlugins { workspace }).await.unwrap_err();
    assert_eq!(refused.code, "plugins.too_many_lists");
    let mut other = bob.page().await;
    let theirs = bob.workspace("W").await.id;
    let call = other.begin(Request::FollowPlugins { workspace: theirs }).await;
    next_item(&mut other, call).await;
    server.stop().await;
}

#[tokio::test]
async fn no_way_leads_around_what_was_granted() {
    let (server, ada, _) = site().await;
    let workspace = ada.workspace("W").await.id;
    write(&ada, workspace, "secret.txt", "of nobody else").await;
    write(&ada, workspace, "src/a.txt", "open").await;
    let folder = server.state.workspaces.access(
        ada.token.session.user.id,
        workspace,
        coditect_protocol::workspace::WorkspaceRole::Read,
    );
    let folder = folder.await.unwrap().paths.files;
    std::os::unix::fs::symlink("../secret.txt", folder.join("src/link")).unwrap();
    std::os::unix::fs::symlink("..", folder.join("src/up")).unwrap();
    std::fs::create_dir_all(folder.join("out/.git/hooks")).unwrap();
    let wanted = format!("{READ}{WRITE}[[capability]]\nname = 'search'\nglobs = ['src/**']\nreason = 'To find.'\n");
    develop(&ada, workspace, package(ID, "1.0.0", &wanted, None)).await;
    let mut page = ada.page().await;
    for path in ["src/link", "src/up/secret.txt", "secret.txt", "../x", "/etc/passwd", "src/../secret.txt"] {
        let refused = run(&mut page, workspace, "read", path).await;
        let code = code(refused).unwrap_or_default();
        assert!(["plugins.plugin_denied", "plugins.plugin_invalid"].contains(&code.as_str()), "{path}: {code}");
    }
    let refused = run(&mut page, workspace, "write", "out/.git/hooks/pre-commit").await;
    assert_eq!(code(refused).as_deref(), Some("plugins.plugin_denied"));
    assert_eq!(std::fs::read_dir(folder.join("out/.git/hooks")).unwrap().count(), 0);
    assert_eq!(run(&mut page, workspace, "search", "o").await.unwrap(), "src/a.txt:0:0");
    assert_eq!(run(&mut page, workspace, "find", "**/*.txt").await.unwrap(), "src/a.txt");
    server.stop().await;
}

#[tokio::test]
async fn programs_publish_and_develop_with_a_token_for_that_and_consent_to_nothing() {
    let (server, ada, bob) = site().await;
    let workspace = ada.workspace("W").await.id;
    let key = publisher(&ada, "acme").await;
    let program = ada.with_token(&["plugins"]).await;
    let other = ada.with_token(&["files:write", "files:read", "llm", "admin", "account:read"]).await;
    let signed = package(ID, "1.0.0", READ, Some(&key));
    for path in ["/plugins/registry".to_owned(), format!("/plugins/develop?workspace={workspace}")] {
        let refused = other.refused(send(&other, "POST", &path, signed.clone())).await;
        assert_eq!(refused, (403, "auth.scope".to_owned()), "{path}");
    }
    let mut page = other.page().await;
    for request in [command(workspace, ID, "read", "a"), Request::FollowPlugins { workspace }] {
        assert_eq!(page.call(request).await.unwrap_err().code, "auth.scope");
    }
    let _: RegistryVersion = sent(&program, "/plugins/registry", signed).await;
    develop(&program, workspace, package(ID, "1.0.1", READ, None)).await;
    let looked = format!("/plugins/review?workspace={workspace}");
    let needs_login = (403, "auth.needs_login".to_owned());
    let new = json!({"workspace": workspace, "source": "registry", "id": ID, "consent": ""});
    let one = format!("/plugins/installed/{workspace}/{ID}");
    for (method, path, body) in [
        ("POST", looked.as_str(), registry(ID)),
        ("POST", "/plugins/installed", new),
        ("PATCH", one.as_str(), json!({"granted": ["files.read"]})),
        ("DELETE", one.as_str(), Value::Null),
        ("POST", "/plugins/publishers", json!({"name": "acme", "public_key": "x"})),
        ("DELETE", &format!("/plugins/publishers/acme/keys/{}", key.public().id()), Value::Null),
    ] {
        assert_eq!(program.refused_to(method, path, body).await, needs_login, "{method} {path}");
    }
    let refused = program.refused_to("PUT", "/admin/plugins/policy", json!({})).await;
    assert_eq!(refused, (403, "auth.scope".to_owned()));
    // An admin's is a member's here: it neither takes names that are kept, nor touches what belongs to others.
    let theirs = publisher(&bob, "bobs").await;
    let _: RegistryVersion =
        sent(&bob, "/plugins/registry", package("bobs.helper", "1.0.0", READ, Some(&theirs))).await;
    let new = |name: &str| json!({"name": name, "public_key": key.public().to_string()});
    let refused = program.refused_to("POST", "/plugins/publishers", new("coditect")).await;
    assert_eq!(refused, (403, "plugins.publisher_reserved".to_owned()));
    assert_eq!(program.refused_to("POST", "/plugins/publishers", new("bobs")).await, needs_login);
    let yank = "/plugins/registry/bobs.helper/1.0.0/yank";
    let refused = program.refused_to("POST", yank, json!({"yanked": true})).await;
    assert_eq!(refused, (403, "plugins.publisher_taken".to_owned()));
    let _: Value = ada.ask("POST", yank, json!({"yanked": true})).await;
    // Who is logged in as one sees whose each name is, and revokes a key of another's.
    let all = async |after: &str| -> PublishersPage {
        ada.ask("GET", &format!("/admin/plugins/publishers?limit=1{after}"), Value::Null).await
    };
    let first = all("").await;
    assert_eq!((first.publishers[0].name.as_str(), first.next.as_deref()), ("acme", Some("acme")));
    let _: Value =
        ada.ask("DELETE", &format!("/plugins/publishers/bobs/keys/{}", theirs.public().id()), Value::Null).await;
    let PublishersPage { publishers, next } = all("&after=acme").await;
    let SessionInfo { user, .. } = bob.ask("GET", "/auth/me", Value::Null).await;
    assert_eq!((publishers[0].name.as_str(), publishers[0].owner, next), ("bobs", Some(user.id), None));
    assert!(publishers[0].keys[0].revoked_at.is_some());
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_package_or_not_its_publishers_is_refused() {
    let (server, ada, bob) = site().await;
    let key = publisher(&ada, "acme").await;
    let workspace = ada.workspace("W").await.id;
    let good = package(ID, "1.0.0", READ, Some(&key));
    let mut damaged = good.clone();
    let last = damaged.len() - 10;
    damaged[last] ^= 1;
    let others = coditect_plugin_package::SigningKey::generate().unwrap();
    for (bytes, status, expected) in [
        (Vec::new(), 400, "plugins.package_unknown"),
        (b"MZ garbage".to_vec(), 400, "plugins.package_unknown"),
        (good[..good.len() / 2].to_vec(), 400, "plugins.package_damaged"),
        (damaged, 400, "plugins.package_damaged"),
        (package(ID, "1.0.0", READ, None), 400, "plugins.unsigned"),
        (package(ID, "1.0.0", READ, Some(&others)), 400, "plugins.key_unknown"),
    ] {
        let refused = ada.refused(send(&ada, "POST", "/plugins/registry", bytes)).await;
        assert_eq!(refused, (status, expected.to_owned()));
    }
    // With a key of the publisher's, but by somebody else.
    let refused = bob.refused(send(&bob, "POST", "/plugins/registry", good.clone())).await;
    assert_eq!(refused, (403, "plugins.publisher_taken".to_owned()));
    let new = json!({"name": "acme", "public_key": others.public().to_string()});
    let refused = bob.refused_to("POST", "/plugins/publishers", new).await;
    assert_eq!(refused, (403, "plugins.publisher_taken".to_owned()));
    // The same version twice is the same package, or refused.
    let _: RegistryVersion = sent(&ada, "/plugins/registry", good).await;
    let again = package(ID, "1.0.0", &format!("{READ}{WRITE}"), Some(&key));
    let refused = ada.refused(send(&ada, "POST", "/plugins/registry", again)).await;
    assert_eq!(refused, (409, "plugins.version_exists".to_owned()));
    // A key that is revoked signs nothing any more, and what it signed is not installed.
    let _: Value =
        ada.ask("DELETE", &format!("/plugins/publishers/acme/keys/{}", key.public().id()), Value::Null).await;
    let refused = ada.refused(send(&ada, "POST", "/plugins/registry", package(ID, "1.0.1", READ, Some(&key)))).await;
    assert_eq!(refused, (400, "plugins.key_unknown".to_owned()));
    let looked = format!("/plugins/review?workspace={workspace}");
    let (status, _) = ada.refused_to("POST", &looked, registry(ID)).await;
    assert!((400..500).contains(&status), "{status}");
    server.stop().await;
}

#[tokio::test]
async fn packages_have_a_size() {
    let server = server(|settings| {
        translated(settings);
        settings.plugin_package_max_bytes = 10_000;
    })
    .await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    for path in ["/plugins/registry".to_owned(), format!("/plugins/develop?workspace={workspace}")] {
        let refused = ada.refused(send(&ada, "POST", &path, vec![0; 10_001])).await;
        assert_eq!(refused, (413, "plugins.too_large".to_owned()), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_admin_says_what_is_allowed() {
    let (server, ada, bob) = site().await;
    let workspace = bob.workspace("W").await.id;
    let key = publisher(&ada, "acme").await;
    let _: RegistryVersion = sent(&ada, "/plugins/registry", package(ID, "1.0.0", READ, Some(&key))).await;
    install(&bob, workspace, registry(ID)).await;
    write(&bob, workspace, "src/a.txt", "x").await;
    let mut page = bob.page().await;
    run(&mut page, workspace, "read", "src/a.txt").await.unwrap();
    let policy = async |policy: Value| {
        let _: Value = ada.ask("PUT", "/admin/plugins/policy", policy).await;
    };
    // What is blocked stops where it runs.
    policy(json!({"block": ["acme.*"]})).await;
    let refused = run(&mut page, workspace, "read", "src/a.txt").await;
    assert_eq!(code(refused).as_deref(), Some("plugins.not_allowed"));
    assert_eq!(installed(&bob, workspace).await.plugins[0].state, PluginState::Blocked);
    let mut again = registry(ID);
    again["workspace"] = json!(workspace);
    again["consent"] = json!(review(&bob, workspace, &registry(ID)).await.consent);
    let refused = bob.refused_to("POST", "/plugins/installed", again).await;
    assert_eq!(refused, (403, "plugins.not_allowed".to_owned()));
    policy(json!({"publish": "nobody", "files": false})).await;
    run(&mut page, workspace, "read", "src/a.txt").await.unwrap();
    let refused = ada.refused(send(&ada, "POST", "/plugins/registry", package(ID, "1.0.1", READ, Some(&key)))).await;
    assert_eq!(refused, (403, "plugins.may_not_publish".to_owned()));
    for to in ["/plugins/develop", "/plugins/review/file"] {
        let sending =
            send(&bob, "POST", &format!("{to}?workspace={workspace}"), package("acme.other", "1.0.0", READ, None));
        assert_eq!(bob.refused(sending).await, (403, "plugins.no_files".to_owned()), "{to}");
    }
    let wrong = ada.refused_to("PUT", "/admin/plugins/policy", json!({"block": ["everything"]})).await;
    assert_eq!(wrong, (400, "plugins.policy_invalid".to_owned()));
    for (method, path, body) in [
        ("GET", "/admin/plugins", Value::Null),
        ("GET", "/admin/plugins/publishers", Value::Null),
        ("PUT", "/admin/plugins/policy", json!({"publish": "everybody"})),
    ] {
        assert_eq!(bob.refused_to(method, path, body).await, (403, "auth.not_admin".to_owned()), "{method} {path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_package_from_a_file_is_looked_at_first() {
    let (server, ada, bob) = site().await;
    let workspace = ada.workspace("W").await.id;
    let send_to = format!("/plugins/review/file?workspace={workspace}");
    let refused = ada.refused(send(&ada, "POST", &send_to, package(ID, "1.0.0", READ, None))).await;
    assert_eq!(refused, (400, "plugins.unsigned".to_owned()));
    // The key is nobody's here.
    let key = coditect_plugin_package::SigningKey::generate().unwrap();
    let file = package(ID, "1.0.0", READ, Some(&key));
    let looked: Review = sent(&ada, &send_to, file.clone()).await;
    let signature = SignatureState::Unknown { key: key.public().id().to_string() };
    assert_eq!((looked.signature, looked.bytes), (signature, file.len() as u64));
    let source = json!({"source": "file", "sha256": looked.sha256});
    install(&ada, workspace, source.clone()).await;
    write(&ada, workspace, "src/a.txt", "x").await;
    assert_eq!(run(&mut ada.page().await, workspace, "read", "src/a.txt").await.unwrap(), "x");
    // Nobody installs what somebody else sent.
    let own = bob.workspace("B").await.id;
    let refused = bob.refused_to("POST", &format!("/plugins/review?workspace={own}"), source).await;
    assert_eq!(refused, (404, "plugins.upload_not_found".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn pictures_are_shown_and_never_run() {
    let (server, ada, _) = site().await;
    let key = publisher(&ada, "acme").await;
    let _: RegistryVersion = sent(&ada, "/plugins/registry", package(ID, "1.0.0", READ, Some(&key))).await;
    let get = async |path: &str| ada.request("GET", path).send().await.unwrap();
    let icon = get(&format!("/plugins/registry/{ID}/1.0.0/assets/icon.svg")).await;
    let header = |name: &str| icon.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((icon.status(), header("content-type")), (reqwest::StatusCode::OK, "image/svg+xml".to_owned()));
    assert!(header("content-security-policy").starts_with("sandbox; default-src 'none'"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    for path in ["plugin.wasm", "plugin.toml", "../plugin.toml", "%2e%2e/plugin.wasm", "icon.png", "README.md"] {
        let refused = ada.refused_to("GET", &format!("/plugins/registry/{ID}/1.0.0/assets/{path}"), Value::Null).await;
        assert_eq!(refused.0, 404, "{path}: {refused:?}");
    }
    assert_eq!(get(&format!("/plugins/registry/{ID}/2.0.0/assets/icon.svg")).await.status(), 404);
    server.stop().await;
}

#[tokio::test]
async fn the_list_is_followed_with_what_plugins_say() {
    let (server, ada, _) = site().await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    let following = page.begin(Request::FollowPlugins { workspace }).await;
    let PluginItem::Installed(list) = next_item(&mut page, following).await else { panic!("no list") };
    assert_eq!(list.plugins, []);
    let notify = "[[capability]]\nname = 'notify'\nreason = 'To tell.'\n";
    develop(&ada, workspace, package(ID, "1.0.0", notify, None)).await;
    loop {
        if let PluginItem::Installed(list) = next_item(&mut page, following).await
            && list.plugins.first().is_some_and(|plugin| plugin.state == PluginState::Ready)
        {
            break;
        }
    }
    assert_eq!(run(&mut ada.page().await, workspace, "notify", "Hello.").await.unwrap(), "told");
    loop {
        if let PluginItem::Notice { plugin, text, .. } = next_item(&mut page, following).await {
            assert_eq!((plugin.as_str(), text.as_str()), (ID, "Hello."));
            break;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn plugins_hear_of_changed_files_while_they_are_followed() {
    let (server, ada, _) = site().await;
    let workspace = ada.workspace("W").await.id;
    let hooks = format!("[hooks]\nchanged = ['src/**']\n{READ}{WRITE}");
    let mut page = ada.page().await;
    page.begin(Request::FollowPlugins { workspace }).await;
    develop(&ada, workspace, package(ID, "1.0.0", &hooks, None)).await;
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(50));
    let seen = async {
        // Once it is watched; what happened before is not told.
        for n in 0.. {
            tick.tick().await;
            if n % 20 == 0 {
                write(&ada, workspace, &format!("src/a{n}.txt"), "x").await;
            }
            let listed = ada.request("GET", &format!("/workspaces/{workspace}/files/out")).send().await.unwrap();
            if listed.status().is_success() && listed.text().await.unwrap().contains("seen-src-a") {
                return;
            }
        }
    };
    tokio::time::timeout(support::LIMIT, seen).await.expect("the plugin never heard of it");
    server.stop().await;
}

#[tokio::test]
async fn a_plugin_that_fails_is_stopped_and_the_others_go_on() {
    let (server, ada, _) = site().await;
    let workspace = ada.workspace("W").await.id;
    write(&ada, workspace, "src/a.txt", "x").await;
    develop(&ada, workspace, package(ID, "1.0.0", READ, None)).await;
    let mut page = ada.page().await;
    let mut codes = Vec::new();
    // On a busy machine a rest may be over before the next call; those that follow are longer.
    for _ in 0..9 {
        codes.extend(code(run(&mut page, workspace, "trap", "").await));
        if codes.last().is_some_and(|code| code == "plugins.resting") {
            break;
        }
    }
    assert_eq!(codes[0], "plugins.trapped");
    assert_eq!(codes.last().map(String::as_str), Some("plugins.resting"), "{codes:?}");
    // Its person tries again.
    change(&ada, workspace, json!({"enabled": true})).await;
    assert_eq!(run(&mut page, workspace, "read", "src/a.txt").await.unwrap(), "x");
    // Who does not wait for the end of a call ends it.
    let spinning = page.begin(command(workspace, ID, "spin", "")).await;
    page.send(&coditect_protocol::call::ClientMessage::Cancel { id: spinning }).await;
    assert_eq!(page.finish(spinning).await.1.unwrap_err().code, "call.cancelled");
    assert_eq!(run(&mut page, workspace, "read", "src/a.txt").await.unwrap(), "x");
    server.stop().await;
}

#[tokio::test]
async fn a_server_without_plugins_says_so() {
    let server = server(|settings| settings.plugins = false).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let off = (404, "plugins.off".to_owned());
    for path in [
        "/plugins/registry".to_owned(),
        format!("/plugins/installed?workspace={workspace}"),
        "/admin/plugins".to_owned(),
    ] {
        assert_eq!(ada.refused_to("GET", &path, Value::Null).await, off, "{path}");
    }
    assert_eq!(ada.refused(send(&ada, "POST", "/plugins/registry", Vec::new())).await, off);
    let mut page = ada.page().await;
    for request in [command(workspace, ID, "read", "a"), Request::FollowPlugins { workspace }] {
        assert_eq!(page.call(request).await.unwrap_err().code, "plugins.off");
    }
    let id = PluginId::parse(ID).unwrap();
    assert_eq!(ada.refused_to("GET", &format!("/plugins/registry/{id}"), Value::Null).await, off);
    server.stop().await;
}
