//! `/workspaces/{id}/uploads`: files that arrive in parts, each of which stays; and `/workspaces/{id}/download`: folders as one stream.

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use coditect_protocol::files::{BeginUpload, FileStat, Upload, Usage};
use coditect_protocol::workspace::WorkspaceRole;
use coditect_protocol::{Kind, RelPath, UploadId, WorkspaceId};
use coditect_workspace::WorkspaceError;
use coditect_workspace::tree::PackKind;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::files::{content_range, part_of_path, reach, too_large, while_allowed, write_mode};
use super::named::{Named, NamedUpload};
use super::refusals::Refusals;
use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::Caller;
use crate::problem::Body;

/// Most things that are downloaded together.
const MAX_DOWNLOADED_PATHS: usize = 1000;
const BAD_DOWNLOAD: ApiFault = ApiFault::BadQuery("Give `path`, up to 1000 times, and `format` as zip or tar.");

const WORKSPACE: Refusals = &[
    (Kind::Forbidden, &["workspace.read_only", "workspace.access_ended"]),
    (Kind::NotFound, &["workspace.not_found"]),
    (Kind::Conflict, &["workspace.not_ready"]),
];
const FULL: Refusals =
    &[(Kind::OutOfSpace, &["files.disk_reserve", "files.out_of_space", "workspace.quota", "workspace.too_many_files"])];
pub(super) const BEGIN: &[Refusals] = &[
    WORKSPACE,
    FULL,
    &[
        (Kind::Conflict, &["files.is_a_folder"]),
        (Kind::TooLarge, &["files.too_large"]),
        (Kind::TooManyRequests, &["upload.too_many"]),
    ],
];
pub(super) const ONE: &[Refusals] = &[WORKSPACE, &[(Kind::NotFound, &["upload.not_found"])]];
pub(super) const CONTINUE: &[Refusals] = &[
    WORKSPACE,
    FULL,
    &[
        (Kind::Invalid, &["files.bad_content_range", "files.interrupted"]),
        (Kind::NotFound, &["upload.not_found"]),
        (Kind::Conflict, &["upload.offset", "upload.size"]),
    ],
];
pub(super) const FINISH: &[Refusals] = &[super::files::PLACE, super::files::CHANGING, FULL, ONE[1], CONTINUE[2]];
pub(super) const DOWNLOAD: &[Refusals] = &[
    super::files::PLACE,
    &[(Kind::Invalid, &["api.bad_query"]), (Kind::TooManyRequests, &["files.too_many_downloads"])],
];
pub(super) const USAGE: &[Refusals] = &[WORKSPACE, &[(Kind::Invalid, &["api.bad_query"])]];

/// Begins to upload a file in parts. What arrived stays, so that a cut connection costs nothing but the time.
#[utoipa::path(post, path = "/workspaces/{id}/uploads", operation_id = "begin_upload", tag = "files",
    params(("id" = WorkspaceId, Path)), request_body = BeginUpload, responses((status = 201, body = Upload)))]
pub(super) async fn begin(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    Body(begin): Body<BeginUpload>,
) -> Result<(StatusCode, Json<Upload>), ApiError> {
    let (_, tree) = reach(&state, &identity, id, WorkspaceRole::Write).await?;
    let limit = state.settings.files_max_upload_bytes;
    if begin.size > limit {
        return Err(too_large(limit).into());
    }
    let upload = tree.begin_upload(identity.user.id, &begin.path, begin.size).await?;
    Ok((StatusCode::CREATED, Json(upload)))
}

/// How much of an upload is here and stays.
#[utoipa::path(get, path = "/workspaces/{id}/uploads/{upload}", operation_id = "show_upload", tag = "files",
    params(("id" = WorkspaceId, Path), ("upload" = UploadId, Path)), responses((status = 200, body = Upload)))]
pub(super) async fn show(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    NamedUpload(upload): NamedUpload,
) -> Result<Json<Upload>, ApiError> {
    let (_, tree) = reach(&state, &identity, id, WorkspaceRole::Write).await?;
    Ok(Json(tree.upload(identity.user.id, upload).await?))
}

/// Sends the next part of an upload. It begins where the last one ended; what comes of it stays, also if the connection breaks.
#[utoipa::path(patch, path = "/workspaces/{id}/uploads/{upload}", operation_id = "continue_upload", tag = "files",
    params(
        ("id" = WorkspaceId, Path),
        ("upload" = UploadId, Path),
        ("content-range" = String, Header, description = "`bytes first-last/size`, or `/*`."),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Upload)))]
pub(super) async fn go_on(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    NamedUpload(upload): NamedUpload,
    headers: HeaderMap,
    body: HttpBody,
) -> Result<Json<Upload>, ApiError> {
    let (first, _) = content_range(&headers)?;
    let (access, tree) = reach(&state, &identity, id, WorkspaceRole::Write).await?;
    let content = body.into_data_stream().map_err(std::io::Error::other);
    // A task of its own: who goes away in the middle still finds all of it noted that came.
    let taking_in = tokio::spawn(async move {
        let lost = Box::pin(async { access.lost().await });
        let taken_in = tree.continue_upload(identity.user.id, upload, first, content.take_until(lost)).await;
        match access.lost().now_or_never() {
            Some(()) => Err(WorkspaceError::AccessEnded),
            None => taken_in,
        }
    });
    let taken_in = taking_in.await.map_err(|error| {
        tracing::error!(%error, "an upload was broken off");
        ApiError::internal()
    })?;
    Ok(Json(taken_in?))
}

/// Puts an upload that is whole in place. Where something else is there, it waits to be asked again under another condition.
#[utoipa::path(post, path = "/workspaces/{id}/uploads/{upload}/finish", operation_id = "finish_upload", tag = "files",
    params(
        ("id" = WorkspaceId, Path),
        ("upload" = UploadId, Path),
        ("if-match" = Option<String>, Header, description = "The entity tag, in quotes, of the version to replace."),
        ("if-none-match" = Option<String>, Header, description = "`*`: the file must not be there."),
    ),
    responses((status = 200, body = FileStat)))]
pub(super) async fn finish(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    NamedUpload(upload): NamedUpload,
    headers: HeaderMap,
) -> Result<Json<FileStat>, ApiError> {
    let mode = write_mode(&headers)?;
    let (access, tree) = reach(&state, &identity, id, WorkspaceRole::Write).await?;
    let finishing = async { Ok(tree.finish_upload(identity.user.id, upload, mode).await?) };
    Ok(Json(while_allowed(&access, finishing).await?))
}

/// Gives an upload up, with what came of it.
#[utoipa::path(delete, path = "/workspaces/{id}/uploads/{upload}", operation_id = "cancel_upload", tag = "files",
    params(("id" = WorkspaceId, Path), ("upload" = UploadId, Path)),
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn cancel(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    NamedUpload(upload): NamedUpload,
) -> Result<StatusCode, ApiError> {
    let (_, tree) = reach(&state, &identity, id, WorkspaceRole::Write).await?;
    tree.cancel_upload(identity.user.id, upload).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Downloads files and folders with everything below them as one archive, which is made while it is sent.
#[utoipa::path(get, path = "/workspaces/{id}/download", operation_id = "download", tag = "files",
    params(
        ("id" = WorkspaceId, Path),
        ("path" = Option<String>, Query, description = "What; may be given several times. The whole workspace where absent."),
        ("format" = Option<String>, Query, description = "`zip` (the default) or `tar`."),
    ),
    responses((status = 200, description = "The archive.", content_type = "application/octet-stream", body = Vec<u8>)))]
pub(super) async fn download(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    query: Result<Query<Vec<(String, String)>>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| BAD_DOWNLOAD)?;
    let wanted = Wanted::read(query)?;
    let access = state.workspaces.access(identity.user.id, id, WorkspaceRole::Read).await?;
    let name = match &wanted.paths[..] {
        [one] if !one.is_root() => one.name().unwrap_or_default().to_owned(),
        _ => access.paths.folder.clone(),
    };
    let (end, content_type) = match wanted.kind {
        PackKind::Zip => ("zip", "application/zip"),
        PackKind::Tar => ("tar", "application/x-tar"),
    };
    let pieces = state.workspaces.download(&access, wanted.paths, wanted.kind).await?;
    let pieces = pieces.take_until(Box::pin(async move { access.lost().await }));
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_DISPOSITION, attachment(&format!("{name}.{end}"))),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    Ok((headers, HttpBody::from_stream(pieces)).into_response())
}

/// What a download is of.
#[derive(Debug)]
struct Wanted {
    paths: Vec<RelPath>,
    kind: PackKind,
}

impl Wanted {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let mut wanted = Self { paths: Vec::new(), kind: PackKind::Zip };
        for (name, value) in pairs {
            match (&*name, &*value) {
                ("path", path) if wanted.paths.len() < MAX_DOWNLOADED_PATHS => wanted.paths.push(RelPath::parse(path)?),
                ("format", "zip") => wanted.kind = PackKind::Zip,
                ("format", "tar") => wanted.kind = PackKind::Tar,
                _ => return Err(BAD_DOWNLOAD.into()),
            }
        }
        if wanted.paths.is_empty() {
            wanted.paths.push(RelPath::root());
        }
        Ok(wanted)
    }
}

/// The header that names a download: as every client reads it, and as it is.
fn attachment(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " ._-()".contains(c);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", part_of_path(name))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct UsageQuery {
    fresh: bool,
}

/// What a workspace takes on the disk, and how much it may.
#[utoipa::path(get, path = "/workspaces/{id}/usage", operation_id = "show_usage", tag = "workspaces",
    params(
        ("id" = WorkspaceId, Path),
        ("fresh" = Option<bool>, Query, description = "Counts now instead of telling what was counted last."),
    ),
    responses((status = 200, body = Usage)))]
pub(super) async fn usage(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    query: Result<Query<UsageQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Usage>, ApiError> {
    let Query(query) = query.map_err(|_| ApiFault::BadQuery("`fresh` is true or false."))?;
    let (_, tree) = reach(&state, &identity, id, WorkspaceRole::Read).await?;
    Ok(Json(tree.usage(query.fresh).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_downloaded() {
        let check = |query: &str| {
            let uri = format!("/download?{query}").parse().unwrap();
            let Query(pairs) = Query::try_from_uri(&uri).unwrap();
            let wanted = Wanted::read(pairs).map_err(|error| error.into_problem().code)?;
            Ok::<_, String>((wanted.paths.iter().map(ToString::to_string).collect::<Vec<_>>(), wanted.kind))
        };
        assert_eq!(check(""), Ok((vec![".".to_owned()], PackKind::Zip)));
        let two = vec!["a b".to_owned(), "c/ä".to_owned()];
        assert_eq!(check("path=a+b&path=c%2F%C3%A4&format=tar"), Ok((two, PackKind::Tar)));
        assert_eq!(check("path=../x"), Err("path.outside".to_owned()));
        assert_eq!(check("format=rar"), Err("api.bad_query".to_owned()));
        assert_eq!(check("other=1"), Err("api.bad_query".to_owned()));
        assert_eq!(check(&"path=a&".repeat(1001)), Err("api.bad_query".to_owned()));
    }

    #[test]
    fn no_name_breaks_out_of_the_header() {
        let header = attachment("a\"\r\nSet-Cookie: x; ä.zip");
        assert!(http::HeaderValue::from_str(&header).is_ok(), "{header}");
        assert!(header.starts_with("attachment; filename=\"a___Set-Cookie_ x_ _.zip\"; filename*=UTF-8''a%22%0D%0A"));
    }
}
