//! Where everything stands in the store.
//!
//! | key below `plugins` | value |
//! |---|---|
//! | `package`, sha256 | what is known of a package; those whose bytes are not whole yet have none |
//! | `part`, sha256, name, n | piece of its file, its manifest or an asset |
//! | `writing`, sha256, id | somebody is writing it since then: milliseconds since 1970 |
//! | `ref`, sha256, holder | somebody needs it |
//! | `loose`, sha256 | perhaps nobody needs it any more |
//! | `file`, user, sha256, holder | bytes kept of a package that counts for a person, as it is in no registry |
//! | `upload`, user, sha256 | since when it waits to be installed; `upload-at` finds what is old |
//! | `publisher`, name; `owned`, user, name; `key`, key | publishers, those of a person, whose a key is |
//! | `version`, plugin, version; `downloads`, plugin, version | what is published, how often it was fetched |
//! | `log`, n; `log-head` | the registry's log |
//! | `policy` | what the operator allows |
//! | `install`, user, workspace, plugin; `changed`, user, workspace; `member`, workspace, user | what people have |
//! | `value`, user, workspace, plugin, key; `used`, user, workspace, plugin | what plugins keep |

use coditect_protocol::plugin::PluginId;
use coditect_protocol::{UserId, WorkspaceId};
use coditect_store::{Range, StoreError, Subspace};
use uuid::Uuid;

/// A person's place, and a plugin there.
pub(crate) type Whose = (UserId, WorkspaceId, PluginId);

/// Who needs a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A version of the registry.
    Version(PluginId, String),
    /// Somebody's plugin.
    Install(UserId, WorkspaceId, PluginId),
    /// Somebody looks at it.
    Upload(UserId),
}

impl Holder {
    fn text(&self) -> String {
        match self {
            Self::Version(id, version) => format!("v/{id}/{version}"),
            Self::Install(user, workspace, id) => format!("i/{user}/{workspace}/{id}"),
            Self::Upload(user) => format!("u/{user}"),
        }
    }
}

/// The directory.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    root: Subspace,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self { root: Subspace::root("plugins") }
    }

    fn sub(&self, name: &str) -> Subspace {
        self.root.sub(&name)
    }

    pub(crate) fn package(&self, sha256: &str) -> Vec<u8> {
        self.sub("package").pack(&sha256)
    }

    pub(crate) fn parts(&self, sha256: &str) -> Range {
        self.sub("part").sub(&sha256).range()
    }

    pub(crate) fn part(&self, sha256: &str, name: &str) -> Subspace {
        self.sub("part").sub(&sha256).sub(&name)
    }

    pub(crate) fn writing(&self, sha256: &str, id: Uuid) -> Vec<u8> {
        self.sub("writing").pack(&(sha256, id))
    }

    pub(crate) fn writers(&self, sha256: &str) -> Range {
        self.sub("writing").sub(&sha256).range()
    }

    pub(crate) fn all_writing(&self) -> Subspace {
        self.sub("writing")
    }

    pub(crate) fn held(&self, sha256: &str, holder: &Holder) -> Vec<u8> {
        self.sub("ref").pack(&(sha256, holder.text()))
    }

    pub(crate) fn holders(&self, sha256: &str) -> Range {
        self.sub("ref").sub(&sha256).range()
    }

    pub(crate) fn loose(&self, sha256: &str) -> Vec<u8> {
        self.sub("loose").pack(&sha256)
    }

    pub(crate) fn all_loose(&self) -> Subspace {
        self.sub("loose")
    }

    pub(crate) fn file(&self, user: UserId, sha256: &str, holder: &Holder) -> Vec<u8> {
        self.files_of(user).pack(&(sha256, holder.text()))
    }

    pub(crate) fn files_of(&self, user: UserId) -> Subspace {
        self.sub("file").sub(&user.0)
    }

    pub(crate) fn upload(&self, user: UserId, sha256: &str) -> Vec<u8> {
        self.sub("upload").sub(&user.0).pack(&sha256)
    }

    pub(crate) fn upload_at(&self, at: u64, user: UserId, sha256: &str) -> Vec<u8> {
        self.upload_times().pack(&(at, user.0, sha256))
    }

    pub(crate) fn upload_times(&self) -> Subspace {
        self.sub("upload-at")
    }

    pub(crate) fn publishers(&self) -> Subspace {
        self.sub("publisher")
    }

    pub(crate) fn publisher(&self, name: &str) -> Vec<u8> {
        self.publishers().pack(&name)
    }

    pub(crate) fn owned(&self, user: UserId) -> Subspace {
        self.sub("owned").sub(&user.0)
    }

    pub(crate) fn key(&self, id: &str) -> Vec<u8> {
        self.sub("key").pack(&id)
    }

    pub(crate) fn versions(&self) -> Subspace {
        self.sub("version")
    }

    pub(crate) fn versions_of(&self, id: &PluginId) -> Subspace {
        self.versions().sub(&id.as_str())
    }

    pub(crate) fn version(&self, id: &PluginId, version: &str) -> Vec<u8> {
        self.versions_of(id).pack(&version)
    }

    pub(crate) fn downloads(&self) -> Subspace {
        self.sub("downloads")
    }

    pub(crate) fn log(&self) -> Subspace {
        self.sub("log")
    }

    pub(crate) fn log_head(&self) -> Vec<u8> {
        self.root.pack(&"log-head")
    }

    pub(crate) fn policy(&self) -> Vec<u8> {
        self.root.pack(&"policy")
    }

    pub(crate) fn all_installs(&self) -> Subspace {
        self.sub("install")
    }

    pub(crate) fn installs(&self, user: UserId, workspace: WorkspaceId) -> Subspace {
        self.all_installs().sub(&user.0).sub(&workspace.0)
    }

    pub(crate) fn install(&self, (user, workspace, id): &Whose) -> Vec<u8> {
        self.installs(*user, *workspace).pack(&id.as_str())
    }

    pub(crate) fn changed(&self, user: UserId, workspace: WorkspaceId) -> Vec<u8> {
        self.sub("changed").pack(&(user.0, workspace.0))
    }

    pub(crate) fn members(&self, workspace: WorkspaceId) -> Subspace {
        self.sub("member").sub(&workspace.0)
    }

    pub(crate) fn values(&self, (user, workspace, id): &Whose) -> Subspace {
        self.sub("value").sub(&(user.0, workspace.0, id.as_str()))
    }

    pub(crate) fn used(&self, (user, workspace, id): &Whose) -> Vec<u8> {
        self.sub("used").pack(&(user.0, workspace.0, id.as_str()))
    }
}

/// A number as it is stored: eight little-endian bytes. What is absent is none.
pub(crate) fn number(bytes: Option<&[u8]>) -> Result<u64, StoreError> {
    let Some(bytes) = bytes else { return Ok(0) };
    let bytes =
        bytes.try_into().map_err(|_| StoreError::RecordCorrupt { detail: "a number has not 8 bytes".into() })?;
    Ok(u64::from_le_bytes(bytes))
}

/// A plugin's name out of a key.
pub(crate) fn plugin_id(text: &str) -> Result<PluginId, StoreError> {
    PluginId::parse(text).map_err(|error| StoreError::KeyCorrupt { detail: error.to_string() })
}
