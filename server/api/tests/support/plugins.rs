//! Plugins that the tests make, sign and install.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::LazyLock;

use coditect_api::settings::Settings;
use coditect_plugin_package::{Package, SigningKey};
use coditect_protocol::WorkspaceId;
use coditect_protocol::call::{Item, Reply, Request};
use coditect_protocol::plugin::{
    Answered, CallContext, Installed, InstalledList, PluginCall, PluginId, PluginItem, PluginOutcome, Publisher, Review,
};
use serde_json::{Value, json};

use super::{Page, Person};

pub const ID: &str = "acme.helper";

/// What it is asked to do, by name: see `tests/plugin`.
const COMMANDS: [&str; 11] =
    ["read", "write", "delete", "list", "find", "search", "ask", "commits", "notify", "trap", "spin"];

/// `tests/plugin`, built for plugins.
static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    // The test's own program is `<target>/<profile>/deps/<name>`.
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().nth(3).unwrap().join("test-plugin");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--release", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(&target)
        .current_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugin"))
        // What the tests themselves are built with is not for another machine.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .unwrap();
    assert!(built.success(), "the plugin of the tests cannot be built; it needs the target wasm32-wasip2");
    std::fs::read(target.join("wasm32-wasip2/release/test_plugin.wasm")).unwrap()
});

pub const READ: &str = "[[capability]]\nname = 'files.read'\nglobs = ['src/**', 'out/**']\nreason = 'To read.'\n";
pub const WRITE: &str = "[[capability]]\nname = 'files.write'\nglobs = ['out/**']\nreason = 'To write.'\n";

pub fn manifest(id: &str, version: &str, rest: &str) -> String {
    let mut text = format!(
        "[plugin]\nid = '{id}'\nversion = '{version}'\ncontract = '1.0'\ntitle = 'Helper'\n\
         description = 'Helps with many things.'\nlicense = 'MIT'\nkeywords = ['helpful']\nicon = 'assets/icon.svg'\n"
    );
    for command in COMMANDS {
        text.push_str(&format!("[[commands]]\nid = '{command}'\ntitle = '{command}'\n"));
    }
    text + rest
}

/// A package of the tests' plugin, signed where there is a key.
pub fn package(id: &str, version: &str, rest: &str, key: Option<&SigningKey>) -> Vec<u8> {
    let icon = br#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1z"/></svg>"#;
    let files = [
        ("plugin.toml", manifest(id, version, rest).into_bytes()),
        ("plugin.wasm", COMPONENT.clone()),
        ("README.md", b"# Helper\n".to_vec()),
        ("assets/icon.svg", icon.to_vec()),
    ];
    let files: BTreeMap<_, _> = files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect();
    let mut package = Package::build(files).unwrap();
    if let Some(key) = key {
        package.sign(key);
    }
    package.to_bytes()
}

/// Settings with which plugins are translated by the server's own program: that of the test is another. The tests' plugin is built first,
/// while nobody's connection waits.
pub fn translated(settings: &mut Settings) {
    LazyLock::force(&COMPONENT);
    settings.plugin_translator = env!("CARGO_BIN_EXE_coditect-v5-api").into();
}

pub fn send(person: &Person, method: &str, path: &str, bytes: Vec<u8>) -> reqwest::RequestBuilder {
    person.request(method, path).header("content-type", "application/octet-stream").body(bytes)
}

/// Sends bytes and takes the answer, which must be good.
pub async fn sent<T: serde::de::DeserializeOwned>(person: &Person, path: &str, bytes: Vec<u8>) -> T {
    let response = send(person, "POST", path, bytes).send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{path}: {status}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// A name to publish under, with its key.
pub async fn publisher(person: &Person, name: &str) -> SigningKey {
    let key = SigningKey::generate().unwrap();
    let new = json!({"name": name, "public_key": key.public().to_string()});
    let publisher: Publisher = person.ask("POST", "/plugins/publishers", new).await;
    assert_eq!((publisher.name.as_str(), publisher.keys.len()), (name, 1));
    key
}

/// Lets everybody publish, and install files.
pub async fn open_to_all(admin: &Person) {
    let policy = json!({"publish": "everybody", "files": true});
    let _: Value = admin.ask("PUT", "/admin/plugins/policy", policy).await;
}

pub async fn review(person: &Person, workspace: WorkspaceId, source: &Value) -> Review {
    person.ask("POST", &format!("/plugins/review?workspace={workspace}"), source.clone()).await
}

/// Looks at something, and installs it with all that it asks for.
pub async fn install(person: &Person, workspace: WorkspaceId, source: Value) -> Installed {
    let review = review(person, workspace, &source).await;
    let mut new = source;
    new["workspace"] = json!(workspace);
    new["consent"] = json!(review.consent);
    person.ask("POST", "/plugins/installed", new).await
}

/// Puts a package in place as its author, with all that it asks for.
pub async fn develop(person: &Person, workspace: WorkspaceId, package: Vec<u8>) -> Installed {
    let consent = coditect_plugin_package::consent(Package::read(&package).unwrap().manifest());
    sent(person, &format!("/plugins/develop?workspace={workspace}&consent={consent}"), package).await
}

pub async fn installed(person: &Person, workspace: WorkspaceId) -> InstalledList {
    person.ask("GET", &format!("/plugins/installed?workspace={workspace}"), Value::Null).await
}

pub fn registry(id: &str) -> Value {
    json!({"source": "registry", "id": id})
}

pub fn command(workspace: WorkspaceId, id: &str, command: &str, argument: &str) -> Request {
    let context = CallContext { arguments: json!(argument).to_string(), ..CallContext::default() };
    Request::CallPlugin {
        workspace,
        plugin: PluginId::parse(id).unwrap(),
        call: Box::new(PluginCall::Command { command: command.to_owned(), context }),
    }
}

/// Runs a command: what it told, or the code of the problem with its sentence.
pub async fn run(
    page: &mut Page,
    workspace: WorkspaceId,
    name: &str,
    argument: &str,
) -> Result<String, (String, String)> {
    match page.call(command(workspace, ID, name, argument)).await {
        Ok(Reply::Plugin(answered)) => match *answered {
            Answered { outcome: PluginOutcome::Command { message, .. }, .. } => Ok(message.unwrap_or_default()),
            other => panic!("{other:?}"),
        },
        Ok(other) => panic!("{other:?}"),
        Err(problem) => Err((problem.code, problem.message)),
    }
}

/// The next item about plugins of a call that goes on.
pub async fn next_item(page: &mut Page, call: u32) -> PluginItem {
    use coditect_protocol::call::{ClientMessage, ServerMessage};
    loop {
        match page.next().await.unwrap().expect("the socket ended") {
            ServerMessage::Item { id, item } if id == call => {
                page.send(&ClientMessage::Credit { id, bytes: item.cost() }).await;
                let Item::Plugin(item) = item else { panic!("{item:?}") };
                page.acknowledge().await;
                return *item;
            }
            ServerMessage::End { id, outcome } if id == call => panic!("it ended: {outcome:?}"),
            _ => page.acknowledge().await,
        }
    }
}
