//! Files over HTTP and the link: parts, uploads, downloads, trash, permissions, pages, quota.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_protocol::call::{Reply, Request};
use coditect_protocol::files::{FileStat, FolderListing, Page as FolderPage, Place, Root, TrashEntry, Upload, Usage};
use coditect_protocol::{RelPath, WorkspaceId};
use futures_util::StreamExt as _;
use serde_json::json;
use support::{LIMIT, Page, Person, refusal, server};
use tokio::io::AsyncWriteExt as _;

const MIB: u64 = 1024 * 1024;

fn place(workspace: WorkspaceId, path: &str) -> Place {
    Place { root: Root::Workspace(workspace), path: RelPath::parse(path).unwrap() }
}

async fn put(person: &Person, workspace: WorkspaceId, path: &str, content: impl Into<reqwest::Body>) -> u16 {
    let request = person.request("PUT", &format!("/workspaces/{workspace}/files/{path}"));
    request.body(content).send().await.unwrap().status().as_u16()
}

async fn text(person: &Person, workspace: WorkspaceId, path: &str) -> String {
    let request = person.request("GET", &format!("/workspaces/{workspace}/files/{path}"));
    request.send().await.unwrap().text().await.unwrap()
}

/// A part of a file or of an upload.
fn part(person: &Person, path: &str, first: u64, content: &str) -> reqwest::RequestBuilder {
    let last = first + content.len() as u64 - 1;
    let request = person.request("PATCH", path).header("content-range", format!("bytes {first}-{last}/*"));
    request.body(content.to_owned())
}

#[tokio::test]
async fn a_part_of_a_file() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let id = ada.workspace("W").await.id;
    put(&ada, id, "f", "0123456789").await;
    let path = format!("/workspaces/{id}/files/f");
    let stat: FileStat = part(&ada, &path, 2, "AB").send().await.unwrap().json().await.unwrap();
    assert_eq!((stat.size, &*text(&ada, id, "f").await), (10, "01AB456789"));
    let known = format!("\"{}\"", stat.etag);
    let next = part(&ada, &path, 10, "Z").header("if-match", &known).send().await.unwrap();
    assert!(next.status() == 200 && next.headers()["etag"] != known.as_str());
    let refused = async |request: reqwest::RequestBuilder| ada.refused(request).await;
    assert_eq!(refused(part(&ada, &path, 0, "X").header("if-match", &known)).await, (412, "files.changed".to_owned()));
    assert_eq!(refused(part(&ada, &path, 12, "X")).await, (416, "files.behind_the_end".to_owned()));
    let without = ada.request("PATCH", &path).body("X");
    assert_eq!(refused(without).await, (400, "files.bad_content_range".to_owned()));
    let longer = ada.request("PATCH", &path).header("content-range", "bytes 0-0/*").body("XY");
    assert_eq!(refused(longer).await, (400, "files.bad_content_range".to_owned()));
    let new = part(&ada, &path, 0, "X").header("if-none-match", "*");
    assert_eq!(refused(new).await, (400, "files.bad_etag".to_owned()));
    assert_eq!(refused(part(&ada, &format!("{path}2"), 0, "X")).await, (404, "files.not_found".to_owned()));
    assert_eq!(text(&ada, id, "f").await, "01AB456789Z");
    server.stop().await;
}

#[tokio::test]
async fn an_upload_in_parts_survives_a_cut_and_another_server() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let id = ada.workspace("W").await.id;
    let uploads = format!("/workspaces/{id}/uploads");
    let begun: Upload = ada.ask("POST", &uploads, json!({ "path": "new/big", "size": 10 })).await;
    let upload = format!("{uploads}/{}", begun.id);
    // The line breaks in the middle of the part; what came stays.
    let mut line = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (address, token) = (server.address, &ada.token.access_token);
    let half = format!(
        "PATCH /api/v5{upload} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-range: bytes 0-7/*\r\ncontent-length: 8\r\n\r\n0123"
    );
    line.write_all(half.as_bytes()).await.unwrap();
    drop(line);
    let cut = async {
        loop {
            let now: Upload = ada.ask("GET", &upload, json!(null)).await;
            if now.received > 0 {
                return now;
            }
        }
    };
    let now = tokio::time::timeout(LIMIT, cut).await.unwrap();
    assert_eq!(now.received, 4);
    assert_eq!(ada.refused(part(&ada, &upload, 0, "0123")).await, (409, "upload.offset".to_owned()));
    let all: Upload = part(&ada, &upload, 4, "456789").send().await.unwrap().json().await.unwrap();
    assert_eq!(all.received, 10);
    // Somebody made the file meanwhile: it waits.
    put(&ada, id, "new/big", "theirs").await;
    let finish = ada.request("POST", &format!("{upload}/finish")).header("if-none-match", "*");
    assert_eq!(ada.refused(finish).await, (409, "files.exists".to_owned()));
    let done = ada.request("POST", &format!("{upload}/finish")).send().await.unwrap();
    assert_eq!((done.status().as_u16(), &*text(&ada, id, "new/big").await), (200, "0123456789"));
    let stranger = server.person("eve@example.org").await;
    assert_eq!(stranger.refused(stranger.request("GET", &upload)).await, (404, "workspace.not_found".to_owned()));
    let none = format!("{uploads}/00000000-0000-4000-8000-000000000000");
    assert_eq!(ada.refused(ada.request("GET", &none)).await, (404, "upload.not_found".to_owned()));
    assert_eq!(ada.refused(ada.request("GET", &format!("{uploads}/x"))).await, (404, "upload.not_found".to_owned()));
    assert_eq!(ada.request("DELETE", &none).send().await.unwrap().status(), 204);
    let outside = json!({ "path": "../x", "size": 1 });
    assert_eq!(ada.refused_to("POST", &uploads, outside).await.0, 400);
    server.stop().await;
}

#[tokio::test]
async fn folders_come_as_one_archive() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let id = ada.workspace("My files").await.id;
    for path in ["src/a.txt", "src/deep/b.txt", "c%20d"] {
        assert_eq!(put(&ada, id, path, "content").await, 200);
    }
    let download = async |query: &str| {
        let response = ada.request("GET", &format!("/workspaces/{id}/download{query}")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let name = response.headers()["content-disposition"].to_str().unwrap().to_owned();
        (name, response.bytes().await.unwrap())
    };
    let (name, zip) = download("").await;
    assert!(name.contains("filename=\"") && name.ends_with(".zip"), "{name}");
    assert_eq!(&zip[..2], b"PK");
    assert!(zip.windows(14).any(|part| part == b"src/deep/b.txt"));
    let (name, tar) = download("?path=src&path=c+d&format=tar").await;
    assert!(name.ends_with(".tar") && tar.len() % 512 == 0, "{name}");
    let (name, _) = download("?path=src").await;
    assert!(name.contains("\"src.zip\""), "{name}");
    let refused =
        async |query: &str| ada.refused(ada.request("GET", &format!("/workspaces/{id}/download{query}"))).await;
    assert_eq!(refused("?path=none").await, (404, "files.not_found".to_owned()));
    assert_eq!(refused("?path=..").await, (400, "path.outside".to_owned()));
    assert_eq!(refused("?format=exe").await, (400, "api.bad_query".to_owned()));
    let eve = server.person("eve@example.org").await;
    let hers = eve.request("GET", &format!("/workspaces/{id}/download"));
    assert_eq!(eve.refused(hers).await, (404, "workspace.not_found".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn trash_permissions_and_usage_over_the_link() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    put(&ada, workspace, "folder/file", "kept").await;
    let mut page = ada.page().await;
    let delete = |path: &str| Request::Delete { place: place(workspace, path), recursive: true, trash: true };
    page.call(delete("folder")).await.unwrap();
    let trashed = trash(&mut page, workspace).await;
    assert_eq!((trashed.len(), trashed[0].path.as_str(), &*trashed[0].deleted_by), (1, "folder", "ada@example.org"));
    let restore = Request::Restore { workspace, entry: trashed[0].id, to: None };
    assert!(matches!(page.call(restore.clone()).await.unwrap(), Reply::Stat(_)));
    assert_eq!(page.call(restore).await.unwrap_err().code, "trash.not_found");
    assert_eq!(text(&ada, workspace, "folder/file").await, "kept");
    // Over REST as well.
    let path = format!("/workspaces/{workspace}/files/folder?trash=true");
    assert_eq!(ada.request("DELETE", &path).send().await.unwrap().status(), 204);
    assert_eq!(trash(&mut page, workspace).await.len(), 1);
    page.call(Request::EmptyTrash { workspace, entries: Vec::new() }).await.unwrap();
    assert!(trash(&mut page, workspace).await.is_empty());
    // A home has no trash: what is deleted there is gone.
    let home = Place { root: Root::Home, path: RelPath::parse("x").unwrap() };
    page.call(Request::MakeFolder(home.clone())).await.unwrap();
    page.call(Request::Delete { place: home, recursive: true, trash: true }).await.unwrap();

    put(&ada, workspace, "run", "x").await;
    let set = |permissions| Request::SetPermissions { place: place(workspace, "run"), permissions };
    assert!(matches!(page.call(set(0o700)).await.unwrap(), Reply::Stat(stat) if stat.permissions == 0o700));
    assert_eq!(page.call(set(0o7777)).await.unwrap_err().code, "files.bad_permissions");
    let Reply::Usage(usage) = page.call(Request::Usage { workspace, fresh: true }).await.unwrap() else { panic!() };
    assert!(usage.bytes > 0 && usage.quota_bytes == Some(10 * 1024 * MIB), "{usage:?}");
    let told: Usage = ada.ask("GET", &format!("/workspaces/{workspace}/usage"), json!(null)).await;
    assert_eq!(told, usage);

    let eve = server.person("eve@example.org").await;
    let mut hers = eve.page().await;
    for request in [
        Request::ListTrash { workspace },
        Request::EmptyTrash { workspace, entries: Vec::new() },
        Request::Usage { workspace, fresh: false },
        set(0o777),
        delete("run"),
    ] {
        assert_eq!(hers.call(request).await.unwrap_err().code, "workspace.not_found");
    }
    server.stop().await;
}

async fn trash(page: &mut Page, workspace: WorkspaceId) -> Vec<TrashEntry> {
    match page.call(Request::ListTrash { workspace }).await.unwrap() {
        Reply::Trash(entries) => entries,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_large_folder_comes_in_pages() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    for name in ["a", "b", "c"] {
        put(&ada, workspace, &format!("f/{name}"), "").await;
    }
    let names = |listing: FolderListing| {
        (listing.entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>().concat(), listing.more)
    };
    let path = format!("/workspaces/{workspace}/files/f");
    let page: FolderListing = ada.ask("GET", &format!("{path}?limit=2"), json!(null)).await;
    assert_eq!(names(page), ("ab".to_owned(), true));
    let page: FolderListing = ada.ask("GET", &format!("{path}?limit=2&after=b"), json!(null)).await;
    assert_eq!(names(page), ("c".to_owned(), false));
    assert_eq!(ada.refused_to("GET", &format!("{path}?limit=x"), json!(null)).await.1, "api.bad_query");
    let root: FolderListing = ada.ask("GET", &format!("/workspaces/{workspace}/files?after=e"), json!(null)).await;
    assert_eq!(names(root).0, "f");
    let mut link = ada.page().await;
    let request = Request::ReadFolder {
        place: place(workspace, "f"),
        page: FolderPage { after: Some("a".to_owned()), limit: 1 },
    };
    let Reply::Folder(listing) = link.call(request).await.unwrap() else { panic!() };
    assert_eq!(names(listing), ("b".to_owned(), true));
    server.stop().await;
}

#[tokio::test]
async fn a_full_workspace_takes_no_more() {
    let server = server(|settings| settings.workspace_quota_bytes = MIB).await;
    let ada = server.person("ada@example.org").await;
    let id = ada.workspace("W").await.id;
    let large = || vec![7_u8; 700 * 1024];
    assert_eq!(put(&ada, id, "a", large()).await, 200);
    assert_eq!(put(&ada, id, "b", large()).await, 507);
    let full = ada.request("PUT", &format!("/workspaces/{id}/files/b")).body(large()).send().await.unwrap();
    assert_eq!(refusal(full).await, (507, "workspace.quota".to_owned()));
    let begin = json!({ "path": "c", "size": 700 * 1024 });
    assert_eq!(ada.refused_to("POST", &format!("/workspaces/{id}/uploads"), begin).await.1, "workspace.quota");
    // Another workspace is another matter, and what is deleted makes room.
    let other = ada.workspace("V").await.id;
    assert_eq!(put(&ada, other, "b", large()).await, 200);
    assert_eq!(ada.request("DELETE", &format!("/workspaces/{id}/files/a")).send().await.unwrap().status(), 204);
    assert_eq!(put(&ada, id, "b", large()).await, 200);
    server.stop().await;
}

#[tokio::test]
async fn files_and_the_last_of_the_disk_are_limited_too() {
    let server = server(|settings| settings.workspace_max_entries = 5).await;
    let ada = server.person("ada@example.org").await;
    let id = ada.workspace("W").await.id;
    // The folders of files, trash and uploads are there already.
    assert_eq!((put(&ada, id, "a", "").await, put(&ada, id, "b", "").await), (200, 200));
    let full = ada.request("PUT", &format!("/workspaces/{id}/files/c")).body("").send().await.unwrap();
    assert_eq!(refusal(full).await, (507, "workspace.too_many_files".to_owned()));
    server.stop().await;
    let server = self::server(|settings| settings.sandbox_disk_reserve_bytes = u64::MAX / 2).await;
    let ada = server.person("ada@example.org").await;
    let id = ada.workspace("W").await.id;
    let full = ada.request("PUT", &format!("/workspaces/{id}/files/a")).body("x").send().await.unwrap();
    assert_eq!(refusal(full).await, (507, "files.disk_reserve".to_owned()));
    let begin = json!({ "path": "c", "size": 1 });
    assert_eq!(ada.refused_to("POST", &format!("/workspaces/{id}/uploads"), begin).await.1, "files.disk_reserve");
    server.stop().await;
}

/// Memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn large_files_go_in_and_out_with_flat_memory() {
    const SIZE: u64 = 512 * MIB;
    const PIECE: usize = 1024 * 1024;
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let id = ada.workspace("W").await.id;
    let piece = bytes::Bytes::from(vec![42; PIECE]);
    put(&ada, id, "warm", piece.clone()).await;
    let before = resident();
    let pieces = futures_util::stream::repeat(piece).take(usize::try_from(SIZE).unwrap() / PIECE);
    let body = reqwest::Body::wrap_stream(pieces.map(Ok::<_, std::io::Error>));
    assert_eq!(put(&ada, id, "big", body).await, 200);
    let mut most = resident();
    for path in ["files/big", "download?path=big&format=tar"] {
        let response = ada.request("GET", &format!("/workspaces/{id}/{path}")).send().await.unwrap();
        let (mut stream, mut got) = (response.bytes_stream(), 0);
        while let Some(part) = stream.next().await {
            got += part.unwrap().len() as u64;
            if got % (64 * MIB) < 64 * 1024 {
                most = most.max(resident());
            }
        }
        assert!(got >= SIZE, "{path}: {got}");
    }
    assert!(most.saturating_sub(before) < 48 * MIB, "{} MiB more than before", most.saturating_sub(before) / MIB);
    server.stop().await;
}
