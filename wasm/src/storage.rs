//! What is kept of files beside their content: the trash, permissions, what a workspace takes; and large folders in pages.

use std::rc::Rc;

use coditect_protocol::call::{Reply, Request};
use coditect_protocol::files::{FileKind, FileStat, FolderListing, Page, Root, TrashEntry, Usage, WriteMode};
use coditect_protocol::{RelPath, TrashId};
use js_sys::{Function, Promise};
use serde::Serialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use web_sys::{AbortSignal, File};

use crate::abort::Abort;
use crate::core::Core;
use crate::error::{ShellError, expect_reply};
use crate::paths::Located;
use crate::uploads::FileUpload;
use crate::{Shell, from_js, to_js};

/// Something in the trash, by the paths of the IDE.
#[derive(Debug, Serialize, Tsify)]
pub struct TrashItem {
    /// Names it.
    pub id: TrashId,
    /// Where it was.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Size in bytes, with everything below it.
    pub size: u64,
    /// Milliseconds since 1970.
    pub deleted_at: u64,
    /// Who deleted it.
    pub deleted_by: String,
}

impl Core {
    /// A page of a folder.
    pub(crate) async fn read_folder_page(&self, path: &str, page: Page) -> Result<FolderListing, ShellError> {
        match self.mounts().locate(path)? {
            Located::Virtual(_) => Ok(FolderListing { entries: self.read_folder(path).await?, more: false }),
            Located::Real(place) => {
                self.watches.reads(place.root);
                let reply = self.link.call(Request::ReadFolder { place, page }).await?;
                expect_reply!(reply, Reply::Folder(listing) => listing)
            }
        }
    }

    async fn list_trash(&self) -> Result<Vec<TrashItem>, ShellError> {
        let workspace = self.workspace_id()?;
        let reply = self.link.call(Request::ListTrash { workspace }).await?;
        let entries = expect_reply!(reply, Reply::Trash(entries) => entries)?;
        let mounts = self.mounts();
        let shown = |entry: TrashEntry| {
            let TrashEntry { id, path, kind, size, deleted_at, deleted_by } = entry;
            let path = mounts.absolute(Root::Workspace(workspace), &path)?;
            Some(TrashItem { id, path, kind, size, deleted_at, deleted_by })
        };
        Ok(entries.into_iter().filter_map(shown).collect())
    }

    async fn restore(&self, entry: &str, to: Option<&str>) -> Result<FileStat, ShellError> {
        let workspace = self.workspace_id()?;
        let to = to.map(|to| self.mounts().in_workspace(to)).transpose()?;
        self.ask_stat(Request::Restore { workspace, entry: trash_id(entry)?, to }).await
    }

    async fn empty_trash(&self, entries: &[String]) -> Result<(), ShellError> {
        let workspace = self.workspace_id()?;
        let entries = entries.iter().map(|entry| trash_id(entry)).collect::<Result<_, _>>()?;
        let reply = self.link.call(Request::EmptyTrash { workspace, entries }).await?;
        expect_reply!(reply, Reply::Done => ())
    }

    async fn set_permissions(&self, path: &str, permissions: u32) -> Result<FileStat, ShellError> {
        let place = self.mounts().place(path)?;
        self.ask_stat(Request::SetPermissions { place, permissions }).await
    }

    async fn usage(&self, fresh: bool) -> Result<Usage, ShellError> {
        let workspace = self.workspace_id()?;
        expect_reply!(self.link.call(Request::Usage { workspace, fresh }).await?, Reply::Usage(usage) => usage)
    }

    /// The address at which files and folders come as one archive.
    fn download_url(&self, paths: &[String], format: &str) -> Result<String, ShellError> {
        let mounts = self.mounts();
        let paths: Vec<RelPath> = paths.iter().map(|path| mounts.in_workspace(path)).collect::<Result<_, _>>()?;
        Ok(self.rest.download_url(self.workspace_id()?, &paths, format))
    }
}

fn trash_id(text: &str) -> Result<TrashId, ShellError> {
    text.parse().map_err(|_| ShellError::Arguments("the id of something in the trash is malformed".to_owned()))
}

/// Trash, permissions, usage, uploads and downloads.
#[wasm_bindgen]
impl Shell {
    /// A page of the entries of a folder: those after a name, in the order of the bytes of their names.
    #[wasm_bindgen(js_name = readFolderPage, unchecked_return_type = "Promise<FolderListing>")]
    pub fn read_folder_page(&self, path: String, after: Option<String>, limit: u32) -> Promise {
        self.run(|core| async move { to_js(&core.read_folder_page(&path, Page { after, limit }).await?) })
    }

    /// What is in the workspace's trash, the newest first.
    #[wasm_bindgen(js_name = listTrash, unchecked_return_type = "Promise<TrashItem[]>")]
    pub fn list_trash(&self) -> Promise {
        self.run(|core| async move { to_js(&core.list_trash().await?) })
    }

    /// Puts something back from the trash: to where it was, or to `to`.
    #[wasm_bindgen(unchecked_return_type = "Promise<FileStat>")]
    pub fn restore(&self, entry: String, to: Option<String>) -> Promise {
        self.run(|core| async move { to_js(&core.restore(&entry, to.as_deref()).await?) })
    }

    /// Deletes things in the trash for good; all where none is named.
    #[wasm_bindgen(js_name = emptyTrash, unchecked_return_type = "Promise<void>")]
    pub fn empty_trash(&self, entries: Vec<String>) -> Promise {
        self.run(|core| async move { core.empty_trash(&entries).await.map(|()| JsValue::UNDEFINED) })
    }

    /// Sets the nine bits of `chmod`.
    #[wasm_bindgen(js_name = setPermissions, unchecked_return_type = "Promise<FileStat>")]
    pub fn set_permissions(&self, path: String, permissions: u32) -> Promise {
        self.run(|core| async move { to_js(&core.set_permissions(&path, permissions).await?) })
    }

    /// What the workspace takes on the disk; counted anew if `fresh`.
    #[wasm_bindgen(unchecked_return_type = "Promise<Usage>")]
    pub fn usage(&self, fresh: bool) -> Promise {
        self.run(|core| async move { to_js(&core.usage(fresh).await?) })
    }

    /// What another of the person's workspaces takes on the disk.
    #[wasm_bindgen(js_name = workspaceUsage, unchecked_return_type = "Promise<Usage>")]
    pub fn workspace_usage(&self, id: String) -> Promise {
        self.run(|core| async move { to_js(&core.rest.workspace_usage(&id).await?) })
    }

    /// The address at which files and folders of the workspace come as one archive, `zip` or `tar`.
    #[wasm_bindgen(js_name = downloadUrl)]
    #[expect(clippy::needless_pass_by_value, reason = "a list comes from the page by value")]
    pub fn download_url(&self, paths: Vec<String>, format: &str) -> Result<String, ShellError> {
        self.core.download_url(&paths, format)
    }

    /// Uploads a file in parts: goes on where it was cut off. Where something else is there, or came meanwhile, `onConflict` decides
    /// whether that is replaced; if not, it rejects with `files.exists` or `files.changed`.
    #[wasm_bindgen(js_name = uploadFile, unchecked_return_type = "Promise<FileStat>")]
    pub fn upload_file(
        &self,
        path: String,
        file: File,
        mode: Ts<WriteMode>,
        #[wasm_bindgen(js_name = onProgress, unchecked_param_type = "(sent: number, total: number) => void")]
        on_progress: Function,
        #[wasm_bindgen(js_name = onConflict, unchecked_param_type = "() => Promise<boolean>")] on_conflict: Function,
        signal: Option<AbortSignal>,
    ) -> Promise {
        self.run(|core| async move {
            let mode = from_js(mode.into())?;
            let upload = FileUpload { file, mode, on_progress, on_conflict };
            to_js(&Rc::clone(&core).upload_file(&path, upload, &Abort::of(signal)).await?)
        })
    }
}
