//! Many calls at the same time, and many plugins installed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use bytes::Bytes;
use coditect_plugin_host::{Compiled, CompiledCache, Host, HostError, HostSettings};
use coditect_plugin_package::{Package, SigningKey};
use coditect_plugins::{Author, Compiler, Engine, PluginSettings, Plugins};
use coditect_protocol::auth::Role;
use coditect_protocol::plugin::{
    NewInstall, NewPublisher, PackageSource, PluginCall, PluginId, PluginPolicy, WhoMayPublish,
};
use coditect_protocol::{UserId, WorkspaceId};
use coditect_store::{MasterKey, Store};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::figures::{Goals, Times, resident_mib};
use crate::ours::{self, Ours};
use crate::peer::Extism;

/// Rounds of calls that all begin together.
const ROUNDS: usize = 10;
/// Calls of plugins chosen among all that are installed.
const VISITS: usize = 2_000;
/// Plugins of each person, which is what one may have by the settings as they come.
const EACH: usize = 100;
/// Room for plugins that are loaded, far less than by the settings as they come: what is installed is measured, and first calls load.
const LOADED_BYTES: u64 = 1 << 20;
/// Most memory that plugins which nobody calls may take, each, in KiB.
const KIB_EACH: f64 = 16.0;

/// Calls of different people that all begin at the same moment: with as many under way as servers have by themselves, with all of them
/// under way, and with the peer.
pub(crate) async fn at_once(component: &[u8], module: &[u8], calls: u64, goals: &mut Goals) -> Result<()> {
    println!("{calls} calls that begin at the same moment, of as many people, over and over:");
    let shipped = HostSettings::default();
    let places = shipped.calls_at_once;
    let own = ours_at_once(&format!("Coditect, {places} places"), component, calls, shipped).await?;
    let all = HostSettings { calls_at_once: usize::try_from(calls)?, ..HostSettings::default() };
    ours_at_once("Coditect, a place for each", component, calls, all).await?;
    let extism = Arc::new(Extism::new(module)?);
    let theirs = rounds("Extism", calls, |_| {
        let extism = extism.clone();
        async move { tokio::task::spawn_blocking(move || extism.call(super::TEXT)).await? }
    });
    goals.at_least("calls a second beside Extism's", own / theirs.await?, 1.0, "times");
    Ok(())
}

async fn ours_at_once(name: &str, component: &[u8], calls: u64, settings: HostSettings) -> Result<f64> {
    let ours = Arc::new(Ours::new(component, settings)?);
    ours.call("echo", "").await?;
    rounds(name, calls, |who| {
        let ours = ours.clone();
        async move {
            let began = Instant::now();
            ours.call_for(who, "echo", super::TEXT).await?;
            Ok(began.elapsed())
        }
    })
    .await
}

/// Rounds of calls that begin together; how many there were in a second.
async fn rounds<F>(name: &str, calls: u64, call: impl Fn(u64) -> F) -> Result<f64>
where
    F: Future<Output = Result<Duration>> + Send + 'static,
{
    let (before, began) = (resident_mib(), Instant::now());
    let (mut took, mut most) = (Vec::new(), before);
    for _ in 0..ROUNDS {
        let mut tasks = tokio::task::JoinSet::new();
        for who in 0..calls {
            tasks.spawn(call(who));
        }
        while let Some(called) = tasks.join_next().await {
            took.push(called??);
        }
        most = most.max(resident_mib());
    }
    let each_second = took.len() as f64 / began.elapsed().as_secs_f64();
    println!("  {name:<28}{}   {each_second:.0} calls a second, {:.1} MiB more", Times::of(took).show(), most - before);
    Ok(each_second)
}

/// Translates in this process: what is measured was written here.
struct Here(Host);

#[async_trait]
impl Compiler for Here {
    async fn compile(&self, component: Bytes) -> Result<Compiled, HostError> {
        let host = self.0.clone();
        let translated = tokio::task::spawn_blocking(move || host.compile(&component)).await;
        translated.map_err(|lost| HostError::Engine { detail: lost.to_string() })?
    }
}

/// An admin who is logged in.
fn author() -> Author {
    Author { user: UserId(Default::default()), role: Role::Admin, governs: true }
}

fn id(number: usize) -> String {
    format!("bench.plugin-{number}")
}

/// A registry with so many plugins, each installed by one of many people, who have as many as they may.
pub(crate) async fn installed(component: &[u8], count: usize, goals: &mut Goals) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("bench-plugins-{}", std::process::id()));
    let measured = measure(component, count, goals, &folder).await;
    let removed = std::fs::remove_dir_all(&folder).with_context(|| format!("{} stays", folder.display()));
    measured.and(removed)
}

async fn measure(component: &[u8], count: usize, goals: &mut Goals, folder: &std::path::Path) -> Result<()> {
    let (plugins, key) = server(count, folder).await?;
    let before = resident_mib();
    let (mut published, mut agreed) = (Vec::new(), Vec::new());
    for number in 0..count {
        let (user, workspace) = who(number);
        let package = package(&id(number), component, &key)?;
        let began = Instant::now();
        plugins.registry().publish(author(), package).await?;
        published.push(began.elapsed());
        let source = PackageSource::Registry { id: PluginId::parse(&id(number))?, version: None };
        let began = Instant::now();
        let review = plugins.review(user, workspace, &source).await?;
        let new = NewInstall { workspace, source, consent: review.consent, grant: None };
        plugins.install(user, &new).await?;
        agreed.push(began.elapsed());
    }
    let after = resident_mib();
    let (listed, lists) = lists(&plugins, count).await?;
    let began = Instant::now();
    plugins.registry().search("plugin-77", None, 20).await?;
    let search = began.elapsed();
    let (first, again) = visit(&plugins, count).await?;
    println!("{listed} plugins published and installed, {} people with up to {EACH} (all in memory):", people(count));
    println!("  publish    {}", Times::of(published).show());
    println!("  install    {}", Times::of(agreed).show());
    println!("  list       {}", Times::of(lists).show());
    println!("  search {search:.2?}, memory {:.1} MiB, of which the store's rows are a part", after - before);
    println!("  call, not loaded yet  {}", first.show());
    println!("  call, loaded          {}", again.show());
    let each = (after - before) * 1024.0 / count as f64;
    goals.at_most("memory of a plugin that is installed", each, KIB_EACH + package_kib(component)?, "KiB");
    Ok(())
}

/// Who installs the plugin of a number, and where.
fn who(number: usize) -> (UserId, WorkspaceId) {
    let person = Uuid::from_u128(1 + (number / EACH) as u128);
    (UserId(person), WorkspaceId(person))
}

fn people(count: usize) -> usize {
    count.div_ceil(EACH)
}

/// What everybody sees of what they have: how many plugins all together, and how long each list took.
async fn lists(plugins: &Plugins, count: usize) -> Result<(usize, Vec<Duration>)> {
    let (mut listed, mut took) = (0, Vec::new());
    for person in 0..people(count) {
        let (user, workspace) = who(person * EACH);
        let began = Instant::now();
        listed += plugins.list(user, workspace).await?.plugins.len();
        took.push(began.elapsed());
    }
    Ok((listed, took))
}

async fn server(count: usize, folder: &std::path::Path) -> Result<(Plugins, SigningKey)> {
    let host = Host::new(HostSettings::default())?;
    let cache = CompiledCache::open(folder, &[7; 32], 1 << 30)?;
    let engine = Engine { host: host.clone(), cache, compiler: Arc::new(Here(host)) };
    let settings =
        PluginSettings { plugins_per_publisher: count, loaded_bytes: LOADED_BYTES, ..PluginSettings::default() };
    let store = Store::open("memory:").await?;
    let plugins = Plugins::open(store, engine, MasterKey::from_bytes([9; 32]), settings).await?;
    let user = UserId(Default::default());
    let policy = PluginPolicy { publish: WhoMayPublish::Everybody, ..PluginPolicy::default() };
    plugins.registry().set_policy(user, policy).await?;
    let key = SigningKey::generate()?;
    let publisher = NewPublisher { name: "bench".into(), public_key: key.public().to_string() };
    plugins.registry().put_publisher(author(), &publisher).await?;
    Ok((plugins, key))
}

fn package(id: &str, component: &[u8], key: &SigningKey) -> Result<Bytes> {
    let files = BTreeMap::from([
        ("plugin.toml".to_owned(), ours::manifest_text(id).into_bytes()),
        ("plugin.wasm".to_owned(), component.to_vec()),
    ]);
    let mut package = Package::build(files)?;
    package.sign(key);
    Ok(package.to_bytes().into())
}

fn package_kib(component: &[u8]) -> Result<f64> {
    Ok(package("bench.size", component, &SigningKey::generate()?)?.len() as f64 / 1024.0)
}

/// Calls plugins all over the list: each for the first time, and then again.
async fn visit(plugins: &Plugins, count: usize) -> Result<(Times, Times)> {
    let call = async |number: usize| {
        let (user, workspace) = who(number);
        let call = PluginCall::Tool { tool: "echo".into(), arguments: super::TEXT.into() };
        let id = PluginId::parse(&id(number))?;
        let began = Instant::now();
        plugins.call(user, workspace, &id, call, None, CancellationToken::new()).await?;
        anyhow::Ok(began.elapsed())
    };
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for turn in 0..VISITS.min(count) {
        let number = turn * 7919 % count;
        first.push(call(number).await?);
        again.push(call(number).await?);
    }
    Ok((Times::of(first), Times::of(again)))
}
