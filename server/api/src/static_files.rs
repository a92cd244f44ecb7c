//! The built front and IDE: precompressed, with entity tags, hashed names cached for good.

use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use http::{HeaderValue, Method, StatusCode, header};
use tower_http::services::{ServeDir, ServeFile};

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// `/theia/` from one directory, everything else from the other, whose `index.html` also answers the front's own pages.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(web: &Path, theia: &Path) -> Router<S> {
    let page = ServeFile::new(web.join("index.html")).precompressed_br();
    let web = ServeDir::new(web).precompressed_br().append_index_html_on_directories(true).fallback(page);
    let theia = ServeDir::new(theia).precompressed_br();
    Router::new()
        .nest_service("/theia/", theia)
        .route("/theia", get(|| async { Redirect::permanent("/theia/") }))
        .fallback_service(web)
        .layer(middleware::from_fn(cache))
}

async fn cache(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if path.starts_with("//") {
        // A redirection to such a path would lead to another host.
        return StatusCode::NOT_FOUND.into_response();
    }
    // A missing asset must not be answered with the front's page: a browser would take it for a script.
    let page_wanted = matches!(*request.method(), Method::GET | Method::HEAD) && !looks_like_a_file(&path);
    let mut response = next.run(request).await;
    let is_page =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page && !page_wanted && path != "/index.html" && !path.ends_with(".html") {
        return StatusCode::NOT_FOUND.into_response();
    }
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        let value = if is_hashed(&path) && !is_page { IMMUTABLE } else { REVALIDATE };
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}

fn looks_like_a_file(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.contains('.'))
}

/// Whether a name holds a hash of the content: `name-HASH8.ext`, as both bundlers write it, or a folder `assets/<12 hex digits>/`.
fn is_hashed(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    folder.split('/').any(is_hash_folder) || has_hash(name)
}

fn is_hash_folder(name: &str) -> bool {
    const HASH_CHARS: usize = 12;
    name.len() == HASH_CHARS && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn has_hash(name: &str) -> bool {
    const HASH_CHARS: usize = 8;
    let Some((stem, _)) = name.split_once('.') else { return false };
    let Some(at) = stem.len().checked_sub(HASH_CHARS) else { return false };
    let bytes = stem.as_bytes();
    at > 0
        && bytes[at - 1] == b'-'
        && bytes[at..].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-')
        && bytes[at..].iter().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #[test]
    fn tells_hashed_names_from_others() {
        for name in [
            "/theia/bundle-7QX2ABCD.js",
            "/assets/index-B1x_9z-Q.js",
            "/theia/onig-ABCDEFGH.wasm",
            "/theia/assets/41b4730e8b5c/grammars/jsonc.json",
        ] {
            assert!(super::is_hashed(name), "{name}");
        }
        for name in
            ["/theia/bundle.js", "/index.html", "/a/vs-seti-icon-theme.json", "/theia/editor-worker.js", "/-.js", "/"]
        {
            assert!(!super::is_hashed(name), "{name}");
        }
    }
}
