//! The bytes of what is stored.

use std::path::Path;

use coditect_protocol::plugin::{CapabilityName, ContractVersion, RegistryAction, RegistryLogEntry};
use coditect_store::{Record, check_form};
use serde_bytes::ByteBuf;

use super::*;
use crate::installs::rows::{InstallRow, Origin};
use crate::packages::PackageRow;
use crate::registry::rows::{HeadRow, KeyRow, LogRow, PolicyRow, PublisherRow, VersionRow};

fn check<R: Record>(name: &str, record: &R) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms");
    check_form(&directory, name, record).unwrap();
}

#[test]
fn stored_forms_do_not_change() {
    check(
        "package",
        &PackageRow {
            bytes: 5,
            component: Some("c".into()),
            signer: Some("k".into()),
            parts: vec![("manifest".into(), 7)],
        },
    );
    let keys = BTreeMap::from([("k".to_owned(), KeyRow { added_at: 1, revoked_at: Some(2) })]);
    check("publisher", &PublisherRow { owner: Some(user(1)), created_at: 3, keys, bytes: 4, plugins: 5 });
    check(
        "version",
        &VersionRow {
            sha256: "s".into(),
            bytes: 1,
            published_at: 2,
            key: "k".into(),
            contract: ContractVersion::LATEST,
            yanked: true,
            restored: 3,
            title: "T".into(),
            description: "D".into(),
            keywords: vec!["w".into()],
        },
    );
    let policy = PluginPolicy { allow: Some(vec!["a.*".into()]), files: true, ..PluginPolicy::default() };
    check("policy", &PolicyRow(policy));
    let entry = RegistryLogEntry {
        sequence: 1,
        at: 2,
        action: RegistryAction::Publish,
        publisher: "p".into(),
        plugin: Some("n".into()),
        version: Some("1.0.0".into()),
        sha256: Some("s".into()),
        key: Some("k".into()),
        previous: "0".into(),
        hash: "1".into(),
    };
    check("log", &LogRow(entry));
    check("log_head", &HeadRow { length: 3, hash: "h".into() });
    check(
        "install",
        &InstallRow {
            version: "1.0.0".into(),
            sha256: "s".into(),
            origin: Origin::Development,
            signer: Some("k".into()),
            granted: vec![CapabilityName::FilesRead],
            settings: BTreeMap::from([("a".into(), "1".into())]),
            secrets: BTreeMap::from([("b".into(), ByteBuf::from(vec![1, 2]))]),
            enabled: true,
            failed: Some("why".into()),
            installed_at: 9,
        },
    );
}
