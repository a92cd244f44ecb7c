//! `/workspaces/{id}/files/{path}`: files as resources, with entity tags and ranges; a folder answers its listing.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawPathParams, State};
use axum::response::{IntoResponse, Response};
use coditect_auth::Identity;
use coditect_protocol::files::{FileKind, FileStat, FolderListing, Page, WriteMode};
use coditect_protocol::workspace::WorkspaceRole;
use coditect_protocol::{Kind, RelPath, WorkspaceId};
use coditect_workspace::WorkspaceError;
use coditect_workspace::registry::Access;
use coditect_workspace::tree::{Deletion, Tree};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::named::Named;
use super::refusals::Refusals;
use crate::AppState;
use crate::error::{ApiError, ApiFault};
use crate::identity::{Caller, text};

/// Bytes read from the disk at a time.
const READ_CHUNK_BYTES: usize = 128 * 1024;

/// Kept by the person's browser only, and asked for each time.
const CACHING: &str = "private, no-cache";

/// Reaching a place in a workspace's tree.
pub(super) const PLACE: Refusals = &[
    (
        Kind::Invalid,
        &["path.nul", "path.absolute", "path.outside", "path.too_long", "files.name_too_long", "files.too_many_links"],
    ),
    (
        Kind::Forbidden,
        &["files.no_permission", "files.outside", "files.is_the_root", "workspace.read_only", "workspace.access_ended"],
    ),
    (Kind::NotFound, &["workspace.not_found", "files.not_found"]),
    (
        Kind::Conflict,
        &[
            "workspace.not_ready",
            "files.exists",
            "files.is_a_folder",
            "files.not_a_folder",
            "files.not_a_file",
            "files.folder_not_empty",
            "files.folder_in_use",
            "files.other_file_system",
        ],
    ),
];
pub(super) const READ: &[Refusals] =
    &[PLACE, &[(Kind::Invalid, &["api.bad_query"]), (Kind::RangeNotSatisfiable, &["files.range"])]];
/// Changing a file that may have changed meanwhile.
pub(super) const CHANGING: Refusals =
    &[(Kind::Invalid, &["files.bad_etag"]), (Kind::PreconditionFailed, &["files.changed"])];
/// Sending a file.
const SENDING: Refusals = &[
    (Kind::Invalid, &["files.interrupted"]),
    (Kind::TooLarge, &["files.too_large"]),
    (Kind::OutOfSpace, &["files.disk_reserve", "files.out_of_space", "workspace.quota", "workspace.too_many_files"]),
];
pub(super) const WRITE: &[Refusals] = &[PLACE, CHANGING, SENDING];
pub(super) const WRITE_PART: &[Refusals] = &[
    PLACE,
    CHANGING,
    SENDING,
    &[(Kind::Invalid, &["files.bad_content_range"]), (Kind::RangeNotSatisfiable, &["files.behind_the_end"])],
];
pub(super) const DELETE: &[Refusals] = &[PLACE, CHANGING, &[(Kind::Invalid, &["api.bad_query"])]];

/// The path in the URL; axum has decoded it once, so `%2e%2e` and `%2f` arrive as what they stand for and are judged as such.
fn path_of(params: &RawPathParams) -> Result<RelPath, ApiError> {
    let path = params.iter().find(|(name, _)| *name == "path").map_or("", |(_, value)| value);
    Ok(RelPath::parse(path)?)
}

type PageQuery = Result<Query<Page>, QueryRejection>;

fn page_of(query: PageQuery) -> Result<Page, ApiError> {
    let Query(page) = query.map_err(|_| ApiFault::BadQuery("`limit` is a whole number."))?;
    Ok(page)
}

/// What somebody may do in a workspace, and its tree.
pub(super) async fn reach(
    state: &AppState,
    identity: &Identity,
    id: WorkspaceId,
    at_least: WorkspaceRole,
) -> Result<(Access, Arc<Tree>), ApiError> {
    let access = state.workspaces.access(identity.user.id, id, at_least).await?;
    let tree = state.workspaces.tree_of(&access).await?;
    Ok((access, tree))
}

/// Does something as long as the person may: an upload may take hours.
pub(super) async fn while_allowed<T>(
    access: &Access,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    tokio::select! {
        done = work => done,
        () = access.lost() => Err(WorkspaceError::AccessEnded.into()),
    }
}

/// The workspace's own folder.
#[utoipa::path(get, path = "/workspaces/{id}/files", operation_id = "read_root", tag = "files",
    params(
        ("id" = WorkspaceId, Path),
        ("after" = Option<String>, Query, description = "Only the entries after this name, for the next page."),
        ("limit" = Option<u32>, Query, description = "Most entries of the page, up to 10000."),
    ),
    responses((status = 200, body = FolderListing)))]
pub(super) async fn read_root(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    page: PageQuery,
) -> Result<Json<FolderListing>, ApiError> {
    let page = page_of(page)?;
    let (_, tree) = reach(&state, &identity, id, WorkspaceRole::Read).await?;
    Ok(Json(tree.read_folder(&RelPath::root(), page).await?))
}

/// The workspace's own folder, with the slash of a folder.
#[utoipa::path(get, path = "/workspaces/{id}/files/", operation_id = "read_root_folder", tag = "files",
    params(
        ("id" = WorkspaceId, Path),
        ("after" = Option<String>, Query, description = "Only the entries after this name, for the next page."),
        ("limit" = Option<u32>, Query, description = "Most entries of the page, up to 10000."),
    ),
    responses((status = 200, body = FolderListing)))]
pub(super) async fn read_root_folder(
    state: State<AppState>,
    caller: Caller,
    id: Named<WorkspaceId>,
    page: PageQuery,
) -> Result<Json<FolderListing>, ApiError> {
    read_root(state, caller, id, page).await
}

/// The bytes of a file, or the listing of a folder.
#[utoipa::path(get, path = "/workspaces/{id}/files/{*path}", operation_id = "read_file", tag = "files",
    params(
        ("id" = WorkspaceId, Path),
        ("path" = String, Path, max_length = 4095, description = "Path below the workspace; slashes may be encoded."),
        ("after" = Option<String>, Query, description = "Of a folder only the entries after this name, for the next page."),
        ("limit" = Option<u32>, Query, description = "Most entries of the page, up to 10000."),
        ("range" = Option<String>, Header, description = "One range of bytes (RFC 9110 §14)."),
        ("if-none-match" = Option<String>, Header, description = "Entity tags that are known."),
        ("if-range" = Option<String>, Header, description = "The entity tag for which the range holds."),
    ),
    responses(
        (status = 200, description = "The file, or of a folder its listing (`FolderListing`).",
            headers(("etag" = String, description = "Strong entity tag of the file.")),
            content((Vec<u8> = "application/octet-stream"), (FolderListing = "application/json"))),
        (status = 206, description = "The range.", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304, description = "It is what the entity tag says."),
    ))]
pub(super) async fn read(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    params: RawPathParams,
    page: PageQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let path = path_of(&params)?;
    let page = page_of(page)?;
    let (access, tree) = reach(&state, &identity, id, WorkspaceRole::Read).await?;
    if tree.stat(&path).await?.kind == FileKind::Folder {
        return Ok(Json(tree.read_folder(&path, page).await?).into_response());
    }
    let (stat, mut file) = tree.open_read(&path).await?;
    let etag = quoted(&stat.etag);
    if if_none_match(&headers, &etag) {
        // The same caching as with the whole answer: a browser takes it over from here.
        let headers = [(header::ETAG, etag), (header::CACHE_CONTROL, CACHING.to_owned())];
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let range_holds = headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == etag.as_bytes());
    let range = match text(&headers, header::RANGE.as_str()).filter(|_| range_holds) {
        Some(range) => parse_range(range, stat.size)?,
        None => None,
    };
    let (first, length) = range.unwrap_or((0, stat.size));
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        file.seek(std::io::SeekFrom::Start(first)).await.map_err(|error| WorkspaceError::from_io(&path, error))?;
        let content = ReaderStream::with_capacity(file.take(length), READ_CHUNK_BYTES);
        // Cut off in the middle, for a client that may no longer have the rest.
        Body::from_stream(content.take_until(Box::pin(async move { access.lost().await })))
    };
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = (status, file_headers(&etag, length), body).into_response();
    if range.is_some() {
        let value = format!("bytes {first}-{}/{}", first + length - 1, stat.size);
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
    }
    Ok(response)
}

/// A person's files must never run as a page of this site: no sniffing, and a sandbox should a browser open one.
fn file_headers(etag: &str, length: u64) -> [(header::HeaderName, String); 7] {
    [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, etag.to_owned()),
        (header::CACHE_CONTROL, CACHING.to_owned()),
    ]
}

/// Writes a file, with the folders above it. The body is the content.
#[utoipa::path(put, path = "/workspaces/{id}/files/{*path}", operation_id = "write_file", tag = "files",
    params(
        ("id" = WorkspaceId, Path),
        ("path" = String, Path, max_length = 4095, description = "Path below the workspace; slashes may be encoded."),
        ("if-match" = Option<String>, Header, description = "The entity tag, in quotes, of the version to replace."),
        ("if-none-match" = Option<String>, Header, description = "`*`: the file must not be there."),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = FileStat, description = "Written.", headers(("etag" = String))),
        (status = 201, body = FileStat, description = "Created.", headers(("etag" = String))),
    ))]
pub(super) async fn write(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    params: RawPathParams,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let path = path_of(&params)?;
    let mode = write_mode(&headers)?;
    let (access, tree) = reach(&state, &identity, id, WorkspaceRole::Write).await?;
    let limit = state.settings.files_max_upload_bytes;
    if text(&headers, header::CONTENT_LENGTH.as_str())
        .and_then(|length| length.parse().ok())
        .is_some_and(|length: u64| length > limit)
    {
        return Err(too_large(limit).into());
    }
    let stream = body.into_data_stream().map_err(std::io::Error::other);
    let created = matches!(mode, WriteMode::CreateNew);
    let writing = async {
        if let Some(folder) = path.parent().filter(|folder| !folder.is_root()) {
            tree.make_folder(&folder).await?;
        }
        tree.write_stream(&path, stream, mode, limit).await.map_err(|error| told_with_setting(error, limit))
    };
    let stat = while_allowed(&access, writing).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [(header::ETAG, quoted(&stat.etag))], Json(stat)).into_response())
}

/// The tree knows the limit, and not the setting that it comes from.
fn told_with_setting(error: WorkspaceError, limit: u64) -> ApiError {
    match error {
        WorkspaceError::TooLarge { .. } => too_large(limit).into(),
        other => other.into(),
    }
}

pub(super) fn too_large(limit: u64) -> ApiFault {
    ApiFault::FileTooLarge { limit, setting: "files_max_upload_bytes" }
}

/// Deletes a file, or a folder with everything in it.
#[utoipa::path(delete, path = "/workspaces/{id}/files/{*path}", operation_id = "delete_file", tag = "files",
    params(
        ("id" = WorkspaceId, Path),
        ("path" = String, Path, max_length = 4095, description = "Path below the workspace; slashes may be encoded."),
        ("trash" = Option<bool>, Query, description = "Into the trash instead of for good."),
        ("if-match" = Option<String>, Header, description = "Entity tags, in quotes, of versions that may be deleted."),
    ),
    responses((status = 204, description = "Deleted.")))]
pub(super) async fn delete(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    params: RawPathParams,
    query: Result<Query<DeleteQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let path = path_of(&params)?;
    let Query(query) = query.map_err(|_| ApiFault::BadQuery("`trash` is true or false."))?;
    let known = match condition(&headers, &header::IF_MATCH)? {
        None | Some("*") => None,
        Some(wanted) => Some(etags(wanted)),
    };
    let (access, tree) = reach(&state, &identity, id, WorkspaceRole::Write).await?;
    let trash = if query.trash { Some(shown_name(&state, &identity).await) } else { None };
    let deleting = async { Ok(tree.delete(&path, Deletion { recursive: true, known, trash }).await?) };
    while_allowed(&access, deleting).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DeleteQuery {
    trash: bool,
}

/// The name that others see of somebody.
async fn shown_name(state: &AppState, identity: &Identity) -> String {
    let id = identity.user.id;
    state.auth.names(&[id]).await.remove(&id).unwrap_or_else(|| identity.user.login.clone())
}

/// Writes a part of a file that is there; the rest of it stays. It changes whole or not at all.
#[utoipa::path(patch, path = "/workspaces/{id}/files/{*path}", operation_id = "write_part", tag = "files",
    params(
        ("id" = WorkspaceId, Path),
        ("path" = String, Path, max_length = 4095, description = "Path below the workspace; slashes may be encoded."),
        ("content-range" = String, Header, description = "`bytes first-last/*`: where the part goes; up to the end, where it makes the file longer."),
        ("if-match" = Option<String>, Header, description = "The entity tag, in quotes, of the version to change."),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = FileStat, description = "Written.", headers(("etag" = String)))))]
pub(super) async fn write_part(
    State(state): State<AppState>,
    Caller(identity): Caller,
    Named(id): Named<WorkspaceId>,
    params: RawPathParams,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let path = path_of(&params)?;
    let (first, end) = content_range(&headers)?;
    let known = match write_mode(&headers)? {
        WriteMode::Replace(etag) => Some(etag),
        WriteMode::Overwrite => None,
        WriteMode::CreateNew => return Err(ApiFault::BadEtag.into()),
    };
    let (access, tree) = reach(&state, &identity, id, WorkspaceRole::Write).await?;
    let limit = state.settings.files_max_upload_bytes;
    if end > limit {
        return Err(too_large(limit).into());
    }
    let stream = body.into_data_stream().map_err(std::io::Error::other);
    let writing = async {
        let written = tree.write_range(&path, first, stream, known, end).await;
        written.map_err(|error| told_with_setting(error, limit))
    };
    let stat = while_allowed(&access, writing).await?;
    Ok(([(header::ETAG, quoted(&stat.etag))], Json(stat)).into_response())
}

/// Where a part begins and ends; the body is just as long.
pub(super) fn content_range(headers: &HeaderMap) -> Result<(u64, u64), ApiError> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let range = text(headers, header::CONTENT_RANGE.as_str()).and_then(|value| {
        let (range, size) = value.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, end) = (number(first)?, number(last)?.checked_add(1)?);
        let fits = first < end && (size == "*" || number(size)? >= end);
        let length = text(headers, header::CONTENT_LENGTH.as_str()).and_then(number);
        (fits && length == Some(end - first)).then_some((first, end))
    });
    range.ok_or_else(|| ApiFault::BadContentRange.into())
}

/// A name as a part of an address.
pub(super) fn part_of_path(name: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    name.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The entity tags of a list. Weak ones name no version that is known to the byte and count for nothing.
fn etags(list: &str) -> Vec<String> {
    let strong = |entry: &str| Some(entry.trim().strip_prefix('"')?.strip_suffix('"')?.to_owned());
    list.split(',').filter_map(strong).collect()
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

fn if_none_match(headers: &HeaderMap, etag: &str) -> bool {
    let is_it = |entry: &str| entry == "*" || entry.strip_prefix("W/").unwrap_or(entry) == etag;
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|entry| is_it(entry.trim())))
}

/// A condition that cannot be read must not be taken for none: somebody's newer version would be overwritten.
fn condition<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut lines = headers.get_all(name).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    match (line.to_str(), lines.next()) {
        (Ok(value), None) => Ok(Some(value.trim())),
        _ => Err(ApiFault::BadEtag.into()),
    }
}

pub(super) fn write_mode(headers: &HeaderMap) -> Result<WriteMode, ApiError> {
    match (condition(headers, &header::IF_NONE_MATCH)?, condition(headers, &header::IF_MATCH)?) {
        (None, None | Some("*")) => Ok(WriteMode::Overwrite),
        (Some("*"), None) => Ok(WriteMode::CreateNew),
        (None, Some(value)) => value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .filter(|etag| !etag.contains('"'))
            .map(|etag| WriteMode::Replace(etag.to_owned()))
            .ok_or_else(|| ApiFault::BadEtag.into()),
        _ => Err(ApiFault::BadEtag.into()),
    }
}

/// First byte and length of a single range; `None` where the header asks for something that is simply answered in full.
fn parse_range(value: &str, size: u64) -> Result<Option<(u64, u64)>, ApiError> {
    let Some((first, last)) =
        value.strip_prefix("bytes=").filter(|spec| !spec.contains(',')).and_then(|spec| spec.split_once('-'))
    else {
        return Ok(None);
    };
    let (first, end) = match (first.trim().parse::<u64>().ok(), last.trim().parse::<u64>().ok()) {
        (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(size)),
        (Some(first), None) if last.trim().is_empty() => (first, size),
        (None, Some(count)) if first.trim().is_empty() => {
            (size.saturating_sub(count), if count == 0 { 0 } else { size })
        }
        _ => return Ok(None),
    };
    if first >= end {
        return Err(ApiFault::Range { size }.into());
    }
    Ok(Some((first, end - first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let mode = |pairs: &[(header::HeaderName, &[u8])]| {
            let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
            let mut headers = HeaderMap::new();
            for (name, bytes) in pairs {
                headers.append(name, value(bytes));
            }
            write_mode(&headers).map_err(|error| error.into_problem().code)
        };
        let (is, is_not) = (header::IF_MATCH, header::IF_NONE_MATCH);
        assert_eq!(mode(&[]), Ok(WriteMode::Overwrite));
        assert_eq!(mode(&[(is.clone(), b"*")]), Ok(WriteMode::Overwrite));
        assert_eq!(mode(&[(is_not.clone(), b"*")]), Ok(WriteMode::CreateNew));
        assert_eq!(mode(&[(is.clone(), b" \"a-1\" ")]), Ok(WriteMode::Replace("a-1".to_owned())));
        let bad: [&[(header::HeaderName, &[u8])]; 9] = [
            &[(is.clone(), b"\"a\xff\"")],
            &[(is.clone(), b"")],
            &[(is.clone(), b"a")],
            &[(is.clone(), b"\"")],
            &[(is.clone(), b"W/\"a\"")],
            &[(is.clone(), b"\"a\", \"b\"")],
            &[(is.clone(), b"\"a\""), (is.clone(), b"\"b\"")],
            &[(is_not.clone(), b"\"a\"")],
            &[(is_not, b"*"), (is, b"\"a\"")],
        ];
        for pairs in bad {
            assert_eq!(mode(pairs), Err("files.bad_etag".to_owned()), "{pairs:?}");
        }
    }

    #[test]
    fn lists_of_entity_tags() {
        assert_eq!(etags("\"a-1\""), ["a-1"]);
        assert_eq!(etags("\"a-1\" , W/\"b\", c,\"d\","), ["a-1", "d"]);
        assert!(etags("").is_empty() && etags("\"").is_empty());
    }

    #[test]
    fn parts() {
        let check = |range: &str, length: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, HeaderValue::from_str(range).unwrap());
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_str(length).unwrap());
            content_range(&headers).map_err(|error| error.into_problem().code)
        };
        assert_eq!(check("bytes 0-0/*", "1"), Ok((0, 1)));
        assert_eq!(check("bytes 5-9/10", "5"), Ok((5, 10)));
        let bad = [
            ("bytes 5-9/9", "5"),
            ("bytes 5-4/*", "0"),
            ("bytes 5-9/*", "4"),
            ("bytes +5-9/*", "5"),
            ("bytes */10", "1"),
            ("bytes=5-9", "5"),
            ("bytes 0-18446744073709551615/*", "0"),
            ("5-9/*", "5"),
        ];
        for (range, length) in bad {
            assert_eq!(check(range, length), Err("files.bad_content_range".to_owned()), "{range}");
        }
    }

    #[test]
    fn ranges() {
        let check = |value, expected| assert_eq!(parse_range(value, 10).ok(), Some(expected), "{value}");
        check("bytes=0-0", Some((0, 1)));
        check("bytes=2-", Some((2, 8)));
        check("bytes=-3", Some((7, 3)));
        check("bytes=-30", Some((0, 10)));
        check("bytes=5-99999999999999999999", None);
        check("bytes=5-18446744073709551615", Some((5, 5)));
        check("bytes=1-2,4-5", None);
        check("items=1-2", None);
        for outside in ["bytes=10-", "bytes=11-12", "bytes=-0"] {
            assert!(parse_range(outside, 10).is_err(), "{outside}");
        }
    }
}
