//! Files over REST: uploads in parts, downloads, what a workspace takes.

use std::ops::Range;
use std::rc::Rc;

use coditect_protocol::files::{BeginUpload, FileStat, Upload, Usage, WriteMode};
use coditect_protocol::{RelPath, UploadId, WorkspaceId};
use gloo_net::http::Method;
use web_sys::Blob;

use super::{Body, Rest, json, read, workspace_route, write_condition};
use crate::error::ShellError;
use crate::paths::{percent_encode, percent_encode_path};

impl Rest {
    /// What a workspace takes on the disk.
    pub(crate) async fn workspace_usage(self: &Rc<Self>, id: &str) -> Result<Usage, ShellError> {
        read(self.send(&Method::GET, &format!("{}/usage", workspace_route(id)), Body::None).await?).await
    }

    /// The address at which files and folders come as one archive.
    pub(crate) fn download_url(&self, workspace: WorkspaceId, paths: &[RelPath], format: &str) -> String {
        let paths: String = paths.iter().map(|path| format!("&path={}", percent_encode(path.as_str()))).collect();
        format!("{}workspaces/{workspace}/download?format={}{paths}", self.api, percent_encode(format))
    }

    /// Writes a small file whole.
    pub(crate) async fn put_blob(
        self: &Rc<Self>,
        workspace: WorkspaceId,
        path: &RelPath,
        content: &Blob,
        mode: &WriteMode,
    ) -> Result<FileStat, ShellError> {
        let route = format!("workspaces/{workspace}/files/{}", percent_encode_path(path.as_str()));
        let headers: Vec<_> = [BYTES].into_iter().map(owned).chain(write_condition(mode)).collect();
        read(self.send_with(&Method::PUT, &route, Body::Blob(content.clone()), &headers).await?).await
    }

    /// Begins an upload in parts.
    pub(crate) async fn begin_upload(
        self: &Rc<Self>,
        workspace: WorkspaceId,
        path: &RelPath,
        size: u64,
    ) -> Result<Upload, ShellError> {
        let body = json(&BeginUpload { path: path.clone(), size })?;
        read(self.send(&Method::POST, &format!("workspaces/{workspace}/uploads"), body).await?).await
    }

    /// How far an upload is.
    pub(crate) async fn upload(self: &Rc<Self>, workspace: WorkspaceId, id: UploadId) -> Result<Upload, ShellError> {
        read(self.send(&Method::GET, &route(workspace, id), Body::None).await?).await
    }

    /// Sends a part.
    pub(crate) async fn continue_upload(
        self: &Rc<Self>,
        workspace: WorkspaceId,
        id: UploadId,
        range: Range<u64>,
        part: &Blob,
    ) -> Result<Upload, ShellError> {
        let content_range = format!("bytes {}-{}/*", range.start, range.end - 1);
        let headers = [owned(BYTES), ("content-range", content_range)];
        read(self.send_with(&Method::PATCH, &route(workspace, id), Body::Blob(part.clone()), &headers).await?).await
    }

    /// Puts an upload in place.
    pub(crate) async fn finish_upload(
        self: &Rc<Self>,
        workspace: WorkspaceId,
        id: UploadId,
        mode: &WriteMode,
    ) -> Result<FileStat, ShellError> {
        let headers: Vec<_> = write_condition(mode).into_iter().collect();
        let route = format!("{}/finish", route(workspace, id));
        read(self.send_with(&Method::POST, &route, Body::None, &headers).await?).await
    }

    /// Gives an upload up.
    pub(crate) async fn cancel_upload(self: &Rc<Self>, workspace: WorkspaceId, id: UploadId) -> Result<(), ShellError> {
        self.send(&Method::DELETE, &route(workspace, id), Body::None).await.map(drop)
    }
}

const BYTES: (&str, &str) = ("content-type", "application/octet-stream");

fn owned((name, value): (&'static str, &str)) -> (&'static str, String) {
    (name, value.to_owned())
}

fn route(workspace: WorkspaceId, id: UploadId) -> String {
    format!("workspaces/{workspace}/uploads/{id}")
}
