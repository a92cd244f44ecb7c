//! Servers that die, and what nobody needs.

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
    server.registry().publish(user(1), Role::Member, package.clone()).await.unwrap();
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
    assert_eq!(packages.sweep().await.unwrap(), 0);
    server.plugins.uninstall(user(2), workspace(1), &id("far.guest")).await.unwrap();
    assert_eq!(packages.sweep().await.unwrap(), 1);
    assert_eq!(parts(&server.store, &sha256).await, 0);
    // One that was only looked at is let go after some time.
    server.plugins.review_file(user(2), workspace(1), package).await.unwrap();
    assert_eq!(packages.sweep().await.unwrap(), 0);
    until("its time has come", || async {
        server.plugins.inner.sweep_uploads().await.unwrap();
        packages.sweep().await.unwrap() == 1
    })
    .await;
    assert_eq!(code(server.plugins.install(user(2), &new).await), "plugins.upload_not_found");
}
