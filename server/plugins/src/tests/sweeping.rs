//! Servers that die, and what nobody needs.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use coditect_plugin_package::sha256_hex;

use super::*;
use crate::keys::{Holder, Keys};
use crate::packages::Opened;
use crate::time::now_ms;

async fn parts(store: &Store, sha256: &str) -> usize {
    let tx = store.begin();
    tx.range_all(Keys::new().parts(sha256)).await.unwrap().len()
}

#[tokio::test]
async fn a_server_that_dies_between_two_pieces_leaves_nothing() {
    let server = Server::new().await;
    server.take_name(user(1), "acme", &server.key).await.unwrap();
    let package = signed("acme.guest", "1.0.0", "", &server.key);
    let sha256 = sha256_hex(&package);
    let packages = &server.plugins.inner.packages;
    let opened = Opened::read(package.clone(), 1 << 20).await.unwrap();
    // All pieces are written, and the last transaction never comes.
    let written = packages.write(&opened).await.unwrap();
    assert!(parts(&server.store, &sha256).await > 0);
    assert_eq!(packages.row(&sha256).await.unwrap(), None);
    assert_eq!(code(server.registry().show(&id("acme.guest")).await), "plugins.not_found");
    assert_eq!(packages.sweep().await.unwrap(), 0, "somebody may be writing it still");
    assert!(parts(&server.store, &sha256).await > 0);
    assert_eq!(packages.sweep_before(now_ms() + 1).await.unwrap(), 1);
    assert_eq!(parts(&server.store, &sha256).await, 0);
    // Whoever comes back so late is refused, and nothing is half there.
    let settled = server.store.transact(|tx| {
        let written = &written;
        async move { packages.settle(&tx, written, &Holder::Upload(user(1))).await }
    });
    assert_eq!(code(settled.await), "plugins.busy");
    // And the same package can be published afterwards.
    server.registry().publish(member(1), package.clone()).await.unwrap();
    assert_eq!(packages.file(&sha256).await.unwrap(), package);
    packages.sweep_before(now_ms() + 1).await.unwrap();
    assert_eq!(packages.file(&sha256).await.unwrap(), package, "what is needed stays");
}

#[tokio::test]
async fn what_nobody_has_any_more_is_swept() {
    let server = Server::with(PluginSettings { upload_keep: Duration::ZERO, ..PluginSettings::default() }).await;
    let package = signed("far.guest", "1.0.0", "", &server.key);
    let sha256 = sha256_hex(&package);
    let review = server.plugins.review_file(user(2), workspace(1), package.clone()).await.unwrap();
    let source = PackageSource::File { sha256: sha256.clone() };
    let new = NewInstall { workspace: workspace(1), source, consent: review.consent, grant: None };
    server.plugins.install(user(2), &new).await.unwrap();
    let packages = &server.plugins.inner.packages;
    packages.sweep().await.unwrap();
    assert!(parts(&server.store, &sha256).await > 0);
    server.plugins.uninstall(user(2), workspace(1), &id("far.guest")).await.unwrap();
    // Nobody waits for the next round.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    until("it is swept soon", || async { parts(&server.store, &sha256).await == 0 }).await;
    // One that was only looked at is let go after some time.
    server.plugins.review_file(user(2), workspace(1), package).await.unwrap();
    packages.sweep().await.unwrap();
    assert!(parts(&server.store, &sha256).await > 0);
    until("its time has come", || async {
        server.plugins.inner.sweep_uploads().await.unwrap();
        packages.sweep().await.unwrap();
        parts(&server.store, &sha256).await == 0
    })
    .await;
    assert_eq!(code(server.plugins.install(user(2), &new).await), "plugins.upload_not_found");
}

/// A small package with a theme of 400 KiB, which can be pressed.
fn themed(id: &str, key: &SigningKey) -> Bytes {
    let theme = "[[themes]]\nid='t'\ntitle='T'\npath='assets/t.json'\n";
    let mut files: BTreeMap<_, _> = package_of(id, "1.0.0", "", &COMPONENT)
        .files()
        .map(|(path, bytes)| (path.to_owned(), bytes.to_vec()))
        .collect();
    files.get_mut("plugin.toml").unwrap().extend_from_slice(theme.as_bytes());
    files.insert("assets/t.json".to_owned(), format!("{{}}{}", " ".repeat(400 << 10)).into_bytes());
    // What is pressed by more than a bomb may be is refused before.
    let noise = (0..1_000_u64).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    files.insert("assets/noise".to_owned(), noise.collect());
    let mut package = Package::build(files).unwrap();
    package.sign(key);
    package.to_bytes().into()
}

#[tokio::test]
async fn what_is_refused_is_not_written() {
    let settings = PluginSettings { files_per_person: 1, ..PluginSettings::default() };
    let server = Server::with(settings).await;
    server.publish("1.0.0", "").await;
    server.install(user(2)).await;
    let (key, stranger) = (&server.key, &SigningKey::generate().unwrap());
    server.plugins.review_file(user(2), workspace(1), signed("far.guest", "1.0.0", "", key)).await.unwrap();
    let refused = signed("far.guest", "1.0.1", "", key);
    let foreign = signed("acme.guest", "1.0.1", "", stranger);
    let review = server.plugins.review_file(user(2), workspace(1), refused.clone());
    assert_eq!(code(review.await), "plugins.too_many");
    let develop = |package: &Bytes| server.plugins.develop(user(2), workspace(1), package.clone(), None);
    assert_eq!(code(develop(&refused).await), "plugins.too_many");
    assert_eq!(code(develop(&foreign).await), "plugins.other_signer");
    for package in [refused, foreign] {
        assert_eq!(parts(&server.store, &sha256_hex(&package)).await, 0);
    }
}

#[tokio::test]
async fn what_stands_beside_a_package_counts_too() {
    let most = 300 << 10;
    let settings = PluginSettings { file_bytes_per_person: most, publisher_bytes: most, ..PluginSettings::default() };
    let server = Server::with(settings).await;
    server.take_name(user(1), "acme", &server.key).await.unwrap();
    let package = themed("acme.guest", &server.key);
    assert!((package.len() as u64) < most);
    let review = server.plugins.review_file(user(1), workspace(1), package.clone());
    assert_eq!(code(review.await), "plugins.too_many");
    let develop = server.plugins.develop(user(1), workspace(1), package.clone(), None);
    assert_eq!(code(develop.await), "plugins.too_many");
    assert_eq!(code(server.registry().publish(member(1), package).await), "plugins.too_many");
}

/// Waits for something, and goes away after so many steps.
async fn within<T>(steps: usize, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut left) = (pin!(work), steps);
    poll_fn(|context| {
        let Some(rest) = left.checked_sub(1) else { return Poll::Ready(None) };
        left = rest;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn who_goes_away_leaves_nothing_half_there() {
    // In memory all of it would be one step.
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("embedded://{}", directory.path().display())).await.unwrap();
    let server = &Server::with_store(store, PluginSettings::default()).await;
    server.take_name(user(1), "acme", &server.key).await.unwrap();
    let (plugins, registry) = (&server.plugins, server.registry());
    let send = async |id: &str, n: usize| {
        let package = signed(id, &format!("1.0.{n}"), "", &server.key);
        match id {
            "far.a" => plugins.review_file(user(1), workspace(1), package).await.map(drop),
            "far.b" => plugins.develop(user(1), workspace(1), package, None).await.map(drop),
            _ => registry.publish(member(1), package).await.map(drop),
        }
    };
    for id in ["far.a", "far.b", "acme.c"] {
        let mut steps = 0;
        while within(steps, send(id, steps)).await.transpose().unwrap().is_none() {
            steps += 1;
        }
    }
    until("nobody writes any more", || async {
        let writing = server.store.begin().range_all(Keys::new().all_writing().range()).await.unwrap();
        writing.is_empty()
    })
    .await;
}
