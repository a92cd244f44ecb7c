//! Which backend a URL names.

use crate::error::StoreError;
use crate::limits::{EMBEDDED_CACHE_DEFAULT_MIB, EMBEDDED_CACHE_MIB};
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
}

impl StoreUrl {
    /// Reads a URL; the path is taken as it stands, without percent-decoding.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        if url == "memory:" {
            return Ok(Self::Memory);
        }
        if url.starts_with("fdb:") {
            return Err(StoreError::BackendMissing { backend: "FoundationDB" });
        }
        let Some(rest) = url.strip_prefix("embedded://") else {
            return Err(bad("it begins with neither memory: nor embedded://"));
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
        assert_eq!(StoreUrl::parse("embedded:///var/lib/a b").unwrap(), embedded("/var/lib/a b", 64));
        assert_eq!(StoreUrl::parse("embedded:///d?cache_mib=8").unwrap(), embedded("/d", 8));
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
            ("fdb:///etc/fdb.cluster", "store.backend_missing"),
        ] {
            assert_eq!(StoreUrl::parse(url).unwrap_err().code(), code, "{url:?}");
        }
    }
}
