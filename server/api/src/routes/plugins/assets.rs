//! Pictures and themes of plugins, as files.

use axum::extract::RawPathParams;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use coditect_plugins::PluginsError;
use coditect_protocol::Kind;
use http::header;

use crate::error::ApiError;
use crate::routes::refusals::Refusals;

pub(super) const REFUSALS: Refusals = &[(Kind::NotFound, &["plugins.asset_not_found"])];

/// What plugins bring must never run as a page of this site: nothing is sniffed (that is said with every answer), and it is in a sandbox
/// should a browser open it.
const POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'";
/// Kept by the person's browser only. Another version has another address, or is soon looked at again.
const CACHING: &str = "private, max-age=300";

/// A file that is asked for.
pub(super) struct Asset {
    /// In the package.
    pub(super) path: String,
    content_type: &'static str,
}

/// The one that the path of the address names.
pub(super) fn named_in(params: &RawPathParams) -> Result<Asset, ApiError> {
    let path = format!("assets/{}", part(params, "path"));
    match content_type(&path) {
        Some(content_type) => Ok(Asset { path, content_type }),
        None => Err(PluginsError::NoAsset(path.chars().take(MAX_TOLD_CHARS).collect()).into()),
    }
}

/// What is told of a name, in characters.
const MAX_TOLD_CHARS: usize = 100;

/// A parameter of the address's path; what is not there names nothing.
pub(super) fn part<'a>(params: &'a RawPathParams, name: &str) -> &'a str {
    params.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
}

/// By what the name ends with: what is shown is never guessed.
fn content_type(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "png" => Some("image/png"),
        "svg" => Some("image/svg+xml"),
        "json" => Some("application/json"),
        _ => None,
    }
}

impl Asset {
    pub(super) fn answer(&self, bytes: Bytes) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CONTENT_DISPOSITION, "inline"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CACHE_CONTROL, CACHING),
        ];
        (headers, bytes).into_response()
    }
}
