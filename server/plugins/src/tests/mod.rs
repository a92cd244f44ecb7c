//! Tests of all of it together, with components that are written by hand.

mod calling;
mod forms;
mod installing;
mod loading;
mod publishing;
mod sweeping;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use coditect_plugin_host::{Compiled, CompiledCache, Host, HostError, HostSettings};
use coditect_plugin_package::{Package, SigningKey, sha256_hex};
use coditect_protocol::auth::Role;
use coditect_protocol::plugin::{
    Answered, Installed, NewInstall, NewPublisher, PackageSource, PluginCall, PluginId, PluginOutcome, PluginPolicy,
    WhoMayPublish,
};
use coditect_protocol::{UserId, WorkspaceId};
use coditect_store::{MasterKey, Store};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::*;

/// What its view is: JSON that no view is, in words of its own.
const VIEW: &str = r#"{"type":"words of the plugin"}"#;

/// A tool that does what the first letter of its arguments says: `t` traps, `s` keeps the arguments and answers `0`, or `1` where it may
/// not; `w` asks for a value until it may not, and answers `1`; `m` keeps the arguments, waits as `w` does, and answers with the mark of
/// its component; anything else is answered with itself.
const TOOL: &str = r#"
    (func (export "coditect:plugin/tools@1.0.0#call")
        (param $tool i32) (param $tool_len i32) (param $at i32) (param $len i32) (result i32)
        (local $first i32)
        (local.set $first (i32.load8_u (local.get $at)))
        (if (i32.eq (local.get $first) (i32.const 116)) (then unreachable))
        (if (i32.eq (local.get $first) (i32.const 115)) (then
            (call $set (i32.const 16) (i32.const 1) (local.get $at) (local.get $len) (i32.const 64))
            (return (call $digit (i32.load8_u (i32.const 64))))))
        (if (i32.eq (local.get $first) (i32.const 119)) (then
            (call $wait)
            (return (call $digit (i32.const 1)))))
        (if (i32.eq (local.get $first) (i32.const 109)) (then
            (call $set (i32.const 16) (i32.const 1) (local.get $at) (local.get $len) (i32.const 64))
            (call $wait)
            (return (call $text (i32.const 256) (i32.const 1)))))
        (call $text (local.get $at) (local.get $len)))
    (func (export "coditect:plugin/filters@1.0.0#question") (param i32 i32 i32 i32) (result i32)
        (if (i32.load8_u (i32.const 17)) (then unreachable))
        (i32.const 128))
    (func (export "coditect:plugin/filters@1.0.0#answer") (param i32 i32 i32 i32) (result i32) (i32.const 128))
    (func (export "coditect:plugin/views@1.0.0#open")
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
        (i32.store (i32.const 536) (i32.const 640))
        (i32.store (i32.const 540) (i32.const 30))
        (i32.const 512))
    (func (export "coditect:plugin/views@1.0.0#handle") (param i32) (result i32) unreachable)
"#;

/// A component with tools, filters and a view. Another `mark` makes another one; with `broken` filters trap.
fn component(mark: &str, broken: bool) -> Vec<u8> {
    let module = format!(
        r#"(module
            (import "coditect:plugin/storage@1.0.0" "get" (func $get (param i32 i32 i32)))
            (import "coditect:plugin/storage@1.0.0" "set" (func $set (param i32 i32 i32 i32 i32)))
            (memory (export "memory") 2)
            (global $free (mut i32) (i32.const 1024))
            (data (i32.const 16) "k{}")
            (data (i32.const 256) "{mark}")
            (data (i32.const 640) "{}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
                (global.get $free)
                (global.set $free (i32.add (global.get $free) (local.get 3))))
            (func $text (param $at i32) (param $len i32) (result i32)
                (i32.store8 (i32.const 32) (i32.const 0))
                (i32.store (i32.const 36) (local.get $at))
                (i32.store (i32.const 40) (local.get $len))
                (i32.const 32))
            (func $digit (param $number i32) (result i32)
                (i32.store8 (i32.const 48) (i32.add (i32.const 48) (local.get $number)))
                (call $text (i32.const 48) (i32.const 1)))
            (func $wait (loop $again
                (call $get (i32.const 16) (i32.const 1) (i32.const 64))
                (br_if $again (i32.eqz (i32.load8_u (i32.const 64))))))
            {TOOL})"#,
        if broken { "\\01" } else { "\\00" },
        VIEW.replace('"', "\\22")
    );
    let interfaces = "import coditect:plugin/storage@1.0.0; export coditect:plugin/tools@1.0.0;
        export coditect:plugin/filters@1.0.0; export coditect:plugin/views@1.0.0;";
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/wit/v1")).unwrap();
    let package = resolve.push_str("g.wit", &format!("package test:guest;\nworld guest {{ {interfaces} }}")).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| component("", false));

const STORAGE: &str = "[[capability]]\nname='storage'\nbytes=1000\nreason='To remember.'\n";
const CLOCK: &str = "[[capability]]\nname='clock'\nreason='To tell the time.'\n";
const SETTINGS: &str = "[[settings]]\nid='width'\ntitle='Width'\nkind='number'\ndefault=80\n\
    [[settings]]\nid='token'\ntitle='Token'\nkind='secret'\n";

/// A package that is not signed yet.
fn package_of(id: &str, version: &str, rest: &str, component: &[u8]) -> Package {
    let manifest = format!(
        "[plugin]\nid='{id}'\nversion='{version}'\ncontract='1.0'\ntitle='Guest {id}'\ndescription='A guest.'\n\
         license='MIT'\nkeywords=['guest']\n[[tools]]\nid='t'\ndescription='A tool.'\nparameters='{{\"type\":\"object\"}}'\n{rest}"
    );
    let files = BTreeMap::from([
        ("plugin.toml".to_owned(), manifest.into_bytes()),
        ("plugin.wasm".to_owned(), component.to_vec()),
        ("README.md".to_owned(), format!("# {id} {version}").into_bytes()),
    ]);
    Package::build(files).unwrap()
}

fn signed(id: &str, version: &str, rest: &str, key: &SigningKey) -> Bytes {
    let mut package = package_of(id, version, rest, &COMPONENT);
    package.sign(key);
    package.to_bytes().into()
}

fn id(text: &str) -> PluginId {
    PluginId::parse(text).unwrap()
}

/// Who may publish as the operator lets members do.
fn member(n: u128) -> Author {
    Author { user: user(n), role: Role::Member, governs: false }
}

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn workspace(n: u128) -> WorkspaceId {
    WorkspaceId(Uuid::from_u128(n))
}

/// Translates in this process, and counts.
struct Translator {
    host: Host,
    count: AtomicUsize,
    /// SHA-256 of what was translated, in order.
    begun: Mutex<Vec<String>>,
    /// While it is, nothing comes to its end.
    is_held: watch::Sender<bool>,
    /// Whatever there is takes more than it may.
    is_too_much: AtomicBool,
}

impl Translator {
    fn new(host: Host) -> Self {
        let (count, is_held) = (AtomicUsize::new(0), watch::Sender::new(false));
        Self { host, count, begun: Mutex::default(), is_held, is_too_much: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Compiler for Translator {
    async fn compile(&self, component: Bytes) -> Result<Compiled, HostError> {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.begun.lock().unwrap().push(sha256_hex(&component));
        if self.is_too_much.load(Ordering::SeqCst) {
            return Err(HostError::TranslationTooLarge { most: 1, unit: "seconds" });
        }
        self.is_held.subscribe().wait_for(|is_held| !is_held).await.unwrap();
        let host = self.host.clone();
        tokio::task::spawn_blocking(move || host.compile(&component)).await.unwrap()
    }
}

/// A server, on a store that others may share.
struct Server {
    plugins: Plugins,
    store: Store,
    translator: Arc<Translator>,
    key: Arc<SigningKey>,
    _cache: TempDir,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    async fn new() -> Self {
        Self::with(PluginSettings::default()).await
    }

    async fn with(settings: PluginSettings) -> Self {
        Self::with_store(Store::open("memory:").await.unwrap(), settings).await
    }

    async fn with_store(store: Store, settings: PluginSettings) -> Self {
        let key = Arc::new(SigningKey::generate().unwrap());
        let server = Self::on(store, key, settings).await;
        let policy = PluginPolicy { publish: WhoMayPublish::Everybody, files: true, ..PluginPolicy::default() };
        server.plugins.registry().set_policy(user(0), policy).await.unwrap();
        server
    }

    async fn on(store: Store, key: Arc<SigningKey>, settings: PluginSettings) -> Self {
        Self::sealed_by(MasterKey::from_bytes([9; 32]), store, key, settings).await
    }

    async fn sealed_by(master: MasterKey, store: Store, key: Arc<SigningKey>, settings: PluginSettings) -> Self {
        let host = Host::new(HostSettings { workers: 1, host_calls: u64::MAX, ..HostSettings::default() }).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let cache = CompiledCache::open(directory.path().join("cache"), &[7; 32], 1 << 30).unwrap();
        let translator = Arc::new(Translator::new(host.clone()));
        let engine = Engine { host, cache, compiler: translator.clone() };
        let plugins = Plugins::open(store.clone(), engine, master, settings).await.unwrap();
        Self { plugins, store, translator, key, _cache: directory, stop: CancellationToken::new() }
    }

    /// Another one on the same store.
    async fn other(&self) -> Self {
        Self::on(self.store.clone(), self.key.clone(), PluginSettings::default()).await
    }

    /// Follows what others change.
    fn run(&self) {
        tokio::spawn(self.plugins.clone().run(self.stop.clone()));
    }

    fn registry(&self) -> &Registry {
        self.plugins.registry()
    }

    async fn take_name(&self, owner: UserId, name: &str, key: &SigningKey) -> Result<(), PluginsError> {
        let new = NewPublisher { name: name.to_owned(), public_key: key.public().to_string() };
        self.registry()
            .put_publisher(Author { user: owner, role: Role::Member, governs: false }, &new)
            .await
            .map(|_| ())
    }

    /// Publishes as the person 1, who is `acme`.
    async fn publish(&self, version: &str, rest: &str) {
        self.take_name(user(1), "acme", &self.key).await.unwrap();
        let package = signed("acme.guest", version, rest, &self.key);
        self.registry().publish(member(1), package).await.unwrap();
    }

    /// What somebody would agree to.
    async fn agree(&self, who: UserId, version: Option<&str>) -> NewInstall {
        let source = PackageSource::Registry { id: id("acme.guest"), version: version.map(str::to_owned) };
        let review = self.plugins.review(who, workspace(1), &source).await.unwrap();
        NewInstall { workspace: workspace(1), source, consent: review.consent, grant: None }
    }

    async fn install(&self, who: UserId) -> Installed {
        let new = self.agree(who, None).await;
        self.plugins.install(who, &new).await.unwrap()
    }

    async fn tool(&self, who: UserId, arguments: &str) -> Result<Answered, PluginsError> {
        let call = PluginCall::Tool { tool: "t".into(), arguments: arguments.into() };
        self.plugins.call(who, workspace(1), &id("acme.guest"), call, None, CancellationToken::new()).await
    }

    /// Publishes a version of a component that has a mark.
    async fn publish_marked(&self, version: &str, mark: &str) {
        self.take_name(user(1), "acme", &self.key).await.unwrap();
        let mut package = package_of("acme.guest", version, STORAGE, &component(mark, false));
        package.sign(&self.key);
        self.registry().publish(member(1), package.to_bytes().into()).await.unwrap();
    }

    async fn listed(&self, who: UserId) -> Vec<Installed> {
        self.plugins.list(who, workspace(1)).await.unwrap().plugins
    }
}

fn text(answered: &Answered) -> &str {
    match &answered.outcome {
        PluginOutcome::Text { text } => text,
        other => panic!("{other:?}"),
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, PluginsError>) -> &'static str {
    coditect_protocol::Coded::code(&result.unwrap_err())
}

/// Asks again and again until something is so. It gives up after a minute.
async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let asked = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap_or_else(|_| panic!("{what}"));
}
