//! Which backend a URL names.

use crate::error::StoreError;
use crate::limits::{EMBEDDED_CACHE_DEFAULT_MIB, EMBEDDED_CACHE_MIB, FDB_DIRECTORY_MAX_BYTES, SOCKET_PATH_MAX_BYTES};
use std::path::PathBuf;

/// What a store's URL says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// `memory:`
    Memory,
    /// `embedded:///absolute/path[?cache_mib=N]`
    Embedded {
        /// Directory of the data.
        directory: PathBuf,
        /// Memory for pages of the file.
        cache_bytes: usize,
    },
    /// `socket:///absolute/path.sock`
    Socket {
        /// Path of the socket.
        path: PathBuf,
    },
    /// `fdb:///absolute/path/fdb.cluster[?directory=NAME]`
    Fdb {
        /// The cluster file.
        cluster_file: PathBuf,
        /// What all keys are kept under.
        directory: String,
    },
}

/// Where keys are kept in a FoundationDB cluster unless the URL says otherwise.
const FDB_DIRECTORY: &str = "coditect";

impl StoreUrl {
    /// Reads a URL; the path is taken as it stands, without percent-decoding.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        if url == "memory:" {
            return Ok(Self::Memory);
        }
        if let Some(rest) = url.strip_prefix("fdb://") {
            return parse_fdb(rest);
        }
        if let Some(path) = url.strip_prefix("socket://") {
            return parse_socket(path);
        }
        let Some(rest) = url.strip_prefix("embedded://") else {
            return Err(bad("it begins with none of memory:, embedded://, fdb:// and socket://"));
        };
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        if !path.starts_with('/') || path.trim_matches('/').is_empty() {
            return Err(bad("embedded:// is not followed by the absolute path of a directory"));
        }
        if path.contains('\0') {
            return Err(bad("the path holds a zero byte"));
        }
        let cache_mib = query.map_or(Ok(EMBEDDED_CACHE_DEFAULT_MIB), parse_cache)?;
        Ok(Self::Embedded { directory: PathBuf::from(path), cache_bytes: cache_mib << 20 })
    }
}

/// Reads the path of a socket; a longer one would be refused by every attempt to connect.
fn parse_socket(path: &str) -> Result<StoreUrl, StoreError> {
    if !path.starts_with('/') || path.ends_with('/') || path.contains(['?', '\0']) {
        return Err(bad("socket:// is not followed by the absolute path of a socket and nothing else"));
    }
    if path.len() > SOCKET_PATH_MAX_BYTES {
        return Err(bad(&format!("the path of a socket has at most {SOCKET_PATH_MAX_BYTES} bytes")));
    }
    Ok(StoreUrl::Socket { path: PathBuf::from(path) })
}

/// Reads the path of a cluster file and `directory=NAME`.
fn parse_fdb(rest: &str) -> Result<StoreUrl, StoreError> {
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        return Err(bad("fdb:// is not followed by the absolute path of a cluster file"));
    }
    let directory = match query {
        None => FDB_DIRECTORY,
        Some(query) => query.strip_prefix("directory=").ok_or_else(|| bad("after ? only directory=NAME is known"))?,
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if directory.is_empty() || directory.len() > FDB_DIRECTORY_MAX_BYTES || !directory.chars().all(is_plain) {
        return Err(bad(&format!(
            "the name of a directory has 1 to {FDB_DIRECTORY_MAX_BYTES} letters, digits, or any of - _ ."
        )));
    }
    Ok(StoreUrl::Fdb { cluster_file: PathBuf::from(path), directory: directory.to_owned() })
}

/// Reads `cache_mib=N`.
fn parse_cache(query: &str) -> Result<usize, StoreError> {
    query
        .strip_prefix("cache_mib=")
        .and_then(|number| number.parse().ok())
        .filter(|number| EMBEDDED_CACHE_MIB.contains(number))
        .ok_or_else(|| bad("after ? only cache_mib=N is known, N from 1 to 1048576"))
}

fn bad(detail: &str) -> StoreError {
    StoreError::BadUrl { detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::Coded;

    #[test]
    fn names_a_backend() {
        assert_eq!(StoreUrl::parse("memory:").unwrap(), StoreUrl::Memory);
        let embedded =
            |directory: &str, mib: usize| StoreUrl::Embedded { directory: directory.into(), cache_bytes: mib << 20 };
        assert_eq!(StoreUrl::parse("embedded:///var/lib/a b").unwrap(), embedded("/var/lib/a b", 8));
        assert_eq!(StoreUrl::parse("embedded:///d?cache_mib=64").unwrap(), embedded("/d", 64));
        let socket = StoreUrl::Socket { path: "/run/a b.sock".into() };
        assert_eq!(StoreUrl::parse("socket:///run/a b.sock").unwrap(), socket);
        let fdb =
            |directory: &str| StoreUrl::Fdb { cluster_file: "/etc/fdb.cluster".into(), directory: directory.into() };
        assert_eq!(StoreUrl::parse("fdb:///etc/fdb.cluster").unwrap(), fdb("coditect"));
        assert_eq!(StoreUrl::parse("fdb:///etc/fdb.cluster?directory=one-2").unwrap(), fdb("one-2"));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (url, code) in [
            ("", "store.bad_url"),
            ("memory", "store.bad_url"),
            ("embedded://relative", "store.bad_url"),
            ("embedded:///", "store.bad_url"),
            ("embedded:///a\0b", "store.bad_url"),
            ("embedded:///a?cache_mib=0", "store.bad_url"),
            ("embedded:///a?cache_mib=99999999999999999999", "store.bad_url"),
            ("embedded:///a?other=1", "store.bad_url"),
            ("postgres://a", "store.bad_url"),
            ("socket://relative", "store.bad_url"),
            ("socket:///", "store.bad_url"),
            ("socket:///a?cache_mib=8", "store.bad_url"),
            (&format!("socket:///{}", "a".repeat(SOCKET_PATH_MAX_BYTES)), "store.bad_url"),
            ("fdb:", "store.bad_url"),
            ("fdb://relative", "store.bad_url"),
            ("fdb:///etc/", "store.bad_url"),
            ("fdb:///a\0b", "store.bad_url"),
            ("fdb:///a?cache_mib=8", "store.bad_url"),
            ("fdb:///a?directory=", "store.bad_url"),
            ("fdb:///a?directory=a/b", "store.bad_url"),
            ("fdb:///a?directory=a&directory=b", "store.bad_url"),
            ("fdb:///a?directory=12345678901234567890123456789012345678901234567890123456789012345", "store.bad_url"),
        ] {
            assert_eq!(StoreUrl::parse(url).unwrap_err().code(), code, "{url:?}");
        }
    }
}
